//! What messages carry: somebody passes a message on, somebody asks and others answer.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::ApiError;
use tertulia_contracts::{
    ConversationId,
    messaging::{ConversationKind, Fact, MAX_PAGE, Message, Poll, PostMessage, Posted, Votes},
};
use ulid::Ulid;

use crate::{journal::Journal, person::Person, system::System};

/// Ana writes to Bea in private; Bea passes it on to Cem and quotes it to Ana; Ana deletes it. Then Bea asks a crowd, who
/// answer through whichever gateway is theirs.
pub(super) async fn passed_on_and_asked(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let cem = Person::sign_up(system, 2, "cem", &journal).await?;
    let private = ana.start(ConversationKind::Direct, &[&bea]).await?;
    let group = bea.start(ConversationKind::Group, &[&ana, &cem]).await?;
    passed_on([&ana, &bea, &cem], private, group).await?;
    asked([&ana, &bea, &cem], group).await
}

async fn send(person: &Person, to: ConversationId, more: Value) -> Result<Message, ApiError> {
    let mut post = json!({"client_id": Ulid::generate()});
    post.as_object_mut()
        .into_iter()
        .for_each(|post| post.extend(more.as_object().cloned().unwrap_or_default()));
    let path = format!("/v1/conversations/{to}/messages");
    Ok(person.api.send::<Value, Posted>(Method::POST, &path, Some(&post)).await?.message)
}

async fn seen(person: &Person, message: &Message) -> Result<Message> {
    let page = person.api.messages(message.conversation_id, message.seq - 1, 1).await?;
    page.items.into_iter().next().context("it stands where it stood")
}

async fn passed_on(
    [ana, bea, cem]: [&Person; 3],
    private: ConversationId,
    group: ConversationId,
) -> Result<()> {
    let place = json!({"kind": "location", "latitude": 40.4168, "longitude": -3.7038, "label": "Here"});
    let original = send(ana, private, json!({"body": "A SECRET meeting", "attachments": [place]})).await?;
    let forward = json!({"forward": {"conversation_id": private, "message_id": original.id}});
    let copy = send(bea, group, forward).await?;
    ensure!(copy.body == original.body && copy.attachments == original.attachments, "{copy:?}");
    let from = copy.forwarded.as_deref().context("it says whose words these are")?;
    ensure!(from.author_id == ana.id() && from.conversation_id.is_none(), "{from:?}");
    let refused =
        send(cem, group, json!({"forward": {"conversation_id": private, "message_id": original.id}})).await;
    ensure!(refused.as_ref().err().and_then(ApiError::code) == Some("invalid_fields"), "{refused:?}");

    let quote = json!({"body": "Where?", "reply_to": original.id, "quote": {"text": "SECRET"}});
    let answer = send(bea, private, quote).await?;
    let drawn = seen(ana, &answer).await?.quote.and_then(|quote| quote.text);
    ensure!(drawn.as_deref() == Some("SECRET"), "{drawn:?}");
    ana.api.delete_message(private, original.id).await?;
    let drawn = seen(bea, &answer).await?.quote.context("the quote stands")?.text;
    ensure!(drawn.is_none(), "what was deleted is quoted: {drawn:?}");
    ensure!(seen(cem, &copy).await?.body == "A SECRET meeting", "a copy is whoever's who made it");
    Ok(())
}

async fn asked([ana, bea, cem]: [&Person; 3], group: ConversationId) -> Result<()> {
    for anonymous in [false, true] {
        let poll = json!({"question": "Where?", "options": ["Here", "There"], "anonymous": anonymous});
        let message = send(bea, group, json!({"poll": poll})).await?;
        let path = format!("/v1/conversations/{group}/messages/{}/poll", message.id);
        for (person, option) in [(ana, 0), (bea, 0), (cem, 1), (ana, 1), (ana, 1)] {
            let vote = json!({"options": [option]});
            let _: Value = person.api.send(Method::PUT, &format!("{path}/vote"), Some(&vote)).await?;
        }
        let _: Value = bea.api.send::<(), _>(Method::POST, &format!("{path}/close"), None).await?;
        let late: Result<Value, ApiError> =
            cem.api.send(Method::PUT, &format!("{path}/vote"), Some(&json!({"options": [0]}))).await;
        ensure!(late.as_ref().err().and_then(ApiError::code) == Some("poll_closed"), "{late:?}");
        let Poll { options, voters, my_vote, .. } =
            *seen(ana, &message).await?.poll.context("it asks something")?;
        let votes: Vec<u64> = options.iter().map(|option| option.votes).collect();
        ensure!((votes, voters, my_vote) == (vec![1, 2], 3, vec![1]), "{options:?}");
        let listed: Result<Votes, ApiError> =
            cem.api.send::<(), _>(Method::GET, &format!("{path}/votes?option=1"), None).await;
        match listed {
            Ok(votes) => {
                let who: Vec<_> = votes.items.iter().map(|vote| vote.user_id).collect();
                ensure!(!anonymous && who == [cem.id(), ana.id()], "{who:?}");
            }
            Err(error) => ensure!(anonymous && error.code() == Some("poll_anonymous"), "{error}"),
        }
        let log = cem.api.log(group, message.seq, MAX_PAGE).await?.items;
        let facts = log.iter().filter_map(|entry| match &entry.e {
            Fact::PollVoted { message_id, by, .. } if *message_id == message.id => Some(by.is_none()),
            _ => None,
        });
        ensure!(facts.eq([anonymous; 4]), "{log:?}");
    }
    let words = PostMessage::new(Ulid::generate(), "Then there.".to_owned());
    bea.api.post(group, &words).await?;
    Ok(())
}
