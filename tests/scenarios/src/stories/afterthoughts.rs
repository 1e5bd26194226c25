//! People think again: they edit, react, pin and delete.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use tertulia_client::{Journal as ClientJournal, Session, Timeline};
use tertulia_contracts::{
    ConversationId,
    frames::ServerFrame,
    messaging::{ConversationKind, Fact, MAX_PAGE, Message, PostMessage, Reaction},
};
use tertulia_runtime::testkit::eventually_true;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// Remembers every fact that a client applied.
#[derive(Default)]
struct Memory(Mutex<Vec<(u64, Fact)>>);

impl ClientJournal for Memory {
    fn acked(&self, _: ConversationId, _: Ulid, _: u64) {}

    fn shown(&self, _: ConversationId, seq: u64, fact: &Fact) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((seq, fact.clone()));
    }
}

impl Memory {
    fn facts(&self) -> Vec<(u64, Fact)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reaches(&self, head: u64) {
        let reached = || self.facts().last().is_some_and(|(seq, _)| *seq >= head);
        eventually_true(PATIENCE, async || reached()).await;
    }
}

/// Ana corrects herself, Bea reacts, something is pinned and something is deleted; Bea sees it live, somebody who comes
/// later sees it in the history, and Bea, who was away, sees after resuming what is left.
pub(super) async fn second_thoughts(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let live = Arc::new(Memory::default());
    let online = Session::start(bea.api.clone(), bea.gateways.clone(), Timeline::default(), live.clone());
    online.open(chat, Some(0)).await;
    let away_from = everything_once(&ana, &bea, chat).await?;
    live.reaches(away_from).await;
    let heard = live.facts();
    ensure!(heard.iter().map(|(seq, _)| *seq).eq(1..=away_from), "live: {heard:?}");
    ensure!(names(&heard)? == EVERYTHING, "live: {heard:?}");
    online.end().await;
    history(&ana, &bea, chat).await?;
    while_away(&ana, &bea, chat, away_from).await
}

const EVERYTHING: [&str; 10] = [
    "conversation.created",
    "member.joined",
    "member.joined",
    "message.posted",
    "message.edited",
    "reaction.set",
    "reaction.set",
    "reaction.removed",
    "message.pinned",
    "message.posted",
];

async fn say(person: &Person, chat: ConversationId, body: &str) -> Result<Message> {
    let post = PostMessage::new(Ulid::generate(), body.to_owned());
    Ok(person.api.post(chat, &post).await.context("posting")?.message)
}

/// Each of it asked for twice, the second time through another gateway: the second time changes nothing.
async fn everything_once(ana: &Person, bea: &Person, chat: ConversationId) -> Result<u64> {
    let [anas, beas] = [ana, bea]
        .map(|person| [person.api.clone(), person.api.at(&person.gateways[1 % person.gateways.len()])]);
    let message = say(ana, chat, "Frist!").await?.id;
    for api in &anas {
        let edited = api.edit(chat, message, "First!").await?;
        ensure!(edited.body == "First!" && edited.edited_at.is_some(), "{edited:?}");
    }
    for emoji in ["👍", "#️⃣"] {
        for api in &beas {
            api.react(chat, message, emoji).await?;
        }
    }
    for api in &beas {
        api.unreact(chat, message, "#️⃣").await?;
    }
    for api in &anas {
        api.pin(chat, message).await?;
    }
    Ok(say(ana, chat, "A SECRET").await?.seq)
}

async fn history(ana: &Person, bea: &Person, chat: ConversationId) -> Result<()> {
    let page = bea.api.messages(chat, 0, MAX_PAGE).await?;
    let first = page.items.first().context("there are messages")?;
    let thumb =
        Reaction { emoji: "👍".to_owned(), media_id: None, count: 1, user_ids: vec![bea.id()], me: true };
    ensure!(first.body == "First!" && first.reactions == [thumb], "{first:?}");
    let pins = bea.api.pins(chat).await?.items;
    ensure!(pins.len() == 1 && pins[0].message == *first && pins[0].by == ana.id(), "{pins:?}");
    let versions: Vec<String> =
        bea.api.edits(chat, first.id).await?.items.into_iter().map(|version| version.body).collect();
    ensure!(versions == ["Frist!", "First!"], "{versions:?}");
    let refused = bea.api.edit(chat, first.id, "Mine").await.err();
    let code = refused.as_ref().and_then(tertulia_client::ApiError::code);
    ensure!(code == Some("not_allowed"), "{refused:?}");
    let unread = bea.api.conversation(chat).await?.membership.map(|membership| membership.unread);
    ensure!(unread == Some(2), "two messages are unread, whatever was done with them: {unread:?}");
    Ok(())
}

/// While Bea is away, one message that she has seen is deleted, and one that she never saw is posted, edited and deleted.
async fn while_away(ana: &Person, bea: &Person, chat: ConversationId, from: u64) -> Result<()> {
    let seen = ana.api.messages(chat, from - 1, 1).await?.items.pop().context("the secret stands there")?;
    ana.api.delete_message(chat, seen.id).await?;
    let unseen = say(ana, chat, "ANOTHER SECRET").await?;
    ana.api.edit(chat, unseen.id, "STILL A SECRET").await?;
    ana.api.delete_message(chat, unseen.id).await?;
    ana.api.delete_message(chat, unseen.id).await?;

    // The log's epoch is told to whoever says hello; with it, resuming goes over the socket.
    let (_socket, ready) = bea.api.hello(None).await?;
    let ServerFrame::Ready { epoch, .. } = ready else { bail!("no ready: {ready:?}") };
    let timeline = Timeline { epoch: Some(epoch), useq: 0, seqs: BTreeMap::from([(chat, from)]) };
    let mut elsewhere = bea.gateways.clone();
    elsewhere.rotate_left(1 % bea.gateways.len());
    let resumed = Arc::new(Memory::default());
    let back = Session::start(bea.api.clone(), elsewhere, timeline, resumed.clone());
    resumed.reaches(from + 4).await;
    let facts = resumed.facts();
    let heard = names(&facts)?;
    ensure!(heard == ["message.deleted", "message.posted", "message.edited", "message.deleted"], "{heard:?}");
    let told = serde_json::to_string(&facts.iter().map(|(_, fact)| fact).collect::<Vec<_>>())?;
    ensure!(!told.contains("SECRET"), "{told}");
    let first = &facts[0].1;
    ensure!(matches!(first, Fact::MessageDeleted { message_id, .. } if *message_id == seen.id), "{first:?}");
    back.end().await;

    let log = serde_json::to_string(&bea.api.log(chat, 0, MAX_PAGE).await?)?;
    ensure!(!log.contains("SECRET"), "{log}");
    let left: Vec<Message> = bea.api.messages(chat, from - 1, MAX_PAGE).await?.items;
    ensure!(left.len() == 2, "{left:?}");
    ensure!(left.iter().all(|message| message.body.is_empty() && message.deleted_at.is_some()), "{left:?}");
    ensure!(bea.api.edits(chat, unseen.id).await?.items.is_empty(), "a deleted message has no history");
    Ok(())
}

/// What sorts of facts they are, as they are called on the wire.
fn names(facts: &[(u64, Fact)]) -> Result<Vec<String>> {
    let name = |(_, fact): &(u64, Fact)| {
        let fact = serde_json::to_value(fact)?;
        Ok(fact["type"].as_str().context("a fact has a type")?.to_owned())
    };
    facts.iter().map(name).collect()
}
