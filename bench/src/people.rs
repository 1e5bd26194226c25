//! Accounts and conversations for a figure, made over the API.

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{ConversationKind, CreateConversation, Visibility},
};

use crate::{
    product::Product,
    wire::{self, Ear, Mouth},
};

/// How many are made at once.
const AT_ONCE: usize = 32;

/// Somebody with an account, logged in.
pub(crate) struct Person {
    pub api: Api,
    pub id: UserId,
}

/// Two people and their conversation.
pub(crate) struct Pair {
    pub people: [Person; 2],
    pub conversation: ConversationId,
}

/// Both sides of every pair, with their conversation open.
pub(crate) fn both_listening(pairs: &[Pair]) -> Vec<(&Person, Vec<ConversationId>)> {
    let mut both = Vec::with_capacity(pairs.len() * 2);
    for Pair { people, conversation } in pairs {
        both.extend(people.iter().map(|person| (person, vec![*conversation])));
    }
    both
}

/// Makes so many accounts.
pub(crate) async fn people(product: &Product, count: usize) -> Result<Vec<Person>> {
    let server = Api::new(&product.base());
    let sign_up = |nth: usize| {
        // One connection pool for all of them.
        let api = server.with_token("");
        async move {
            let account = api.sign_up(&format!("bench{nth}"), "correct horse battery").await;
            let id = account.with_context(|| format!("signing up the {nth}th"))?.id;
            Ok(Person { api, id })
        }
    };
    stream::iter(0..count).map(sign_up).buffered(AT_ONCE).try_collect().await
}

/// Makes so many pairs, each with a direct conversation.
pub(crate) async fn pairs(product: &Product, count: usize) -> Result<Vec<Pair>> {
    let mut people = people(product, count * 2).await?.into_iter();
    let couples = std::iter::from_fn(|| Some([people.next()?, people.next()?]));
    let meet = |people: [Person; 2]| async move {
        let direct = conversation(ConversationKind::Direct, vec![people[1].id]);
        let conversation = people[0].api.create(&direct).await?.id;
        Ok(Pair { people, conversation })
    };
    stream::iter(couples).map(meet).buffered(AT_ONCE).try_collect().await
}

fn conversation(kind: ConversationKind, members: Vec<UserId>) -> CreateConversation {
    CreateConversation { kind, title: None, handle: None, visibility: None, members }
}

/// Makes a channel that everybody may read.
pub(crate) async fn public_channel(owner: &Person) -> Result<ConversationId> {
    let channel = CreateConversation {
        title: Some("Bench".to_owned()),
        handle: Some("bench".to_owned()),
        visibility: Some(Visibility::Public),
        ..conversation(ConversationKind::Channel, Vec::new())
    };
    Ok(owner.api.create(&channel).await?.id)
}

/// Makes a group of these, the first of whom is its owner.
pub(crate) async fn group_of(people: &[Person]) -> Result<ConversationId> {
    let (owner, others) = people.split_first().context("a group has an owner")?;
    let members = others.iter().map(|person| person.id).collect();
    let group = CreateConversation {
        title: Some("Bench".to_owned()),
        ..conversation(ConversationKind::Group, members)
    };
    Ok(owner.api.create(&group).await?.id)
}

/// Opens a socket for each, with its conversations open.
pub(crate) async fn sockets(
    product: &Product,
    wanted: Vec<(&Person, Vec<ConversationId>)>,
) -> Result<Vec<(Ear, Mouth)>> {
    let address = product.address();
    let tokens: Vec<_> = wanted.into_iter().map(|(person, open)| (person.api.token(), open)).collect();
    let open = |(token, conversations): (String, Vec<ConversationId>)| async move {
        wire::open(address, &token, &conversations).await
    };
    stream::iter(tokens).map(open).buffered(AT_ONCE).try_collect().await
}
