//! A custom role is what its carrier may do, wherever they ask, for as long as they carry it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::Value;
use tertulia_client::ApiError;
use tertulia_contracts::{
    ConversationId, RoleId,
    messaging::{ConversationKind, EntityKind, Fact, PostMessage, PutRole},
};
use tertulia_runtime::testkit::{eventually, eventually_true};
use ulid::Ulid;

use crate::{
    heard::Listener,
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// Makes a role that somebody carries. Says which it is, and where it stands that they do.
async fn given(owner: &Person, chat: ConversationId, put: &PutRole, to: &Person) -> Result<(RoleId, String)> {
    let (path, role) = (format!("/v1/conversations/{chat}"), RoleId::from_ulid(Ulid::generate()));
    let _: Value =
        owner.api.send(Method::PUT, &format!("{path}/roles/{role}"), Some(put)).await.context("a role")?;
    let carried = format!("{path}/members/{}/roles/{role}", to.id());
    let _: Value = owner.api.send::<(), _>(Method::PUT, &carried, None).await.context("giving")?;
    Ok((role, carried))
}

/// Bea, a plain member, may not pin. Ana makes a role that may and gives it to her: she pins and unpins through every
/// gateway. Ana takes it away through another gateway than the one she gave it through, and from then on no gateway lets Bea.
pub(super) async fn lets_its_carrier_pin(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let note = PostMessage::new(Ulid::generate(), "Worth keeping".to_owned());
    let note = ana.api.post(chat, &note).await.context("posting")?.message.id;
    let faces: Vec<_> = bea.gateways.iter().map(|gateway| bea.api.at(gateway)).collect();
    let refused = |answer: Result<(), ApiError>| -> Result<()> {
        ensure!(answer.as_ref().err().and_then(ApiError::code) == Some("not_allowed"), "{answer:?}");
        Ok(())
    };
    for face in &faces {
        refused(face.pin(chat, note).await)?;
    }

    let keeper = PutRole {
        name: "Keeper".to_owned(),
        allow: vec!["pin".to_owned()],
        deny: Vec::new(),
        mentionable: false,
    };
    let (_, carried) = given(&ana, chat, &keeper, &bea).await?;
    for face in &faces {
        face.pin(chat, note).await.context("pinning with the role")?;
        ensure!(
            ana.api.pins(chat).await?.items.iter().any(|pin| pin.message.id == note && pin.by == bea.id())
        );
        face.unpin(chat, note).await.context("unpinning with the role")?;
    }

    let elsewhere = ana.api.at(&ana.gateways[1 % ana.gateways.len()]);
    let _: Value = elsewhere.send::<(), _>(Method::DELETE, &carried, None).await.context("taking")?;
    for face in &faces {
        refused(face.pin(chat, note).await)?;
    }
    ensure!(ana.api.pins(chat).await?.items.is_empty());
    Ok(())
}

/// Bea is on call and Cem is not: Ana's `@on-call` calls her alone, on every device and live. Every process that writes or
/// tells is killed and started again: she is called still, and by what is said then; once she is not on call any more she
/// is called by none of it.
pub(super) async fn called_by_its_word(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let cem = Person::sign_up(system, 0, "cem", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea, &cem]).await?;
    let on_call =
        PutRole { name: "On call".to_owned(), allow: Vec::new(), deny: Vec::new(), mentionable: true };
    let (role, carried) = given(&ana, chat, &on_call, &bea).await?;
    let listener = Listener::open(&bea.api, bea.gateways.clone(), chat).await;
    calls(&ana, chat, role, &listener).await?;
    called(&bea, chat, 1).await?;
    called(&cem, chat, 0).await?;

    let theirs = |name: &str| ["tertulia", "messaging-", "realtime-"].iter().any(|it| name.starts_with(it));
    system.kill_and_start_again(theirs).await?;
    let back = async || ana.api.conversation(chat).await.is_ok();
    eventually_true(PATIENCE, back).await;
    calls(&ana, chat, role, &listener).await?;
    called(&bea, chat, 2).await?;
    called(&cem, chat, 0).await?;
    let _: Value = ana.api.send::<(), _>(Method::DELETE, &carried, None).await.context("taking")?;
    called(&bea, chat, 0).await?;
    Ok(())
}

/// Somebody says the word, which is heard to call those who carry the role.
async fn calls(by: &Person, chat: ConversationId, role: RoleId, listener: &Listener) -> Result<()> {
    let post = PostMessage::new(Ulid::generate(), "@On-Call, please".to_owned());
    // After a kill the first to be asked may be one that is not there yet.
    let sent = eventually(PATIENCE, async || by.api.post(chat, &post).await.ok()).await.message;
    let what: Vec<&EntityKind> = sent.entities.iter().map(|entity| &entity.what).collect();
    ensure!(what == [&EntityKind::MentionCustomRole { role_id: role }], "{what:?}");
    let told = |fact: &Fact| matches!(fact, Fact::MessagePosted { message } if *message == sent);
    listener.was_told(told).await;
    Ok(())
}

/// So many messages call somebody, whichever gateway is asked.
async fn called(person: &Person, chat: ConversationId, times: u64) -> Result<()> {
    for gateway in &person.gateways {
        let seen = person.api.at(gateway).conversation(chat).await.context("asking")?;
        let place = seen.membership.context("they are a member")?;
        ensure!(place.mentions == times, "{times} call {}: {place:?}", person.account.handle);
    }
    Ok(())
}
