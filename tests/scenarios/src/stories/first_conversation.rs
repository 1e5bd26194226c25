//! Two people meet and talk.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tertulia_contracts::messaging::{ConversationKind, PostMessage, UserFact};
use tertulia_runtime::testkit::eventually;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person, bodies},
    system::System,
};

/// Ana writes to Bea, who is online elsewhere; Bea answers; both see both, and Bea's badge counts.
pub(super) async fn two_people_talk(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Direct, &[&bea]).await?;
    ensure!(bea.start(ConversationKind::Direct, &[&ana]).await? == chat, "one conversation per pair");

    let (ana_online, bea_online) = (ana.come_online(), bea.come_online());
    ana_online.session.open(chat, Some(0)).await;
    bea_online.session.open(chat, Some(0)).await;
    ana_online.say(chat, "Hola, Bea").await?;
    bea_online.was_shown(1).await;
    bea_online.say(chat, "¡Ana!").await?;
    ana_online.was_shown(2).await;
    bea_online.was_shown(2).await;

    let log = ana.final_log(chat, &[&ana, &bea]).await?;
    ensure!(bodies(&log.messages) == ["Hola, Bea", "¡Ana!"], "{log:?}");
    let verdict = journal.judge(&log);
    ensure!(verdict.is_clean(), "{verdict:?}");
    let unread = |conversation: tertulia_contracts::messaging::Conversation| {
        conversation.membership.map(|it| it.unread)
    };
    ensure!(unread(ana.api.conversation(chat).await?) == Some(1), "Bea's answer is unread for Ana");
    ensure!(
        unread(bea.api.conversation(chat).await?) == Some(0),
        "what stands before one's own word was read"
    );
    Ok(())
}

/// The acknowledgement is lost; the client says it again, over another gateway.
pub(super) async fn a_repeated_send(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let message = PostMessage::new(Ulid::generate(), "once".to_owned());
    let first = ana.api.post(chat, &message).await?;
    let elsewhere = ana.api.at(&system.gateways_from(1)[0]);
    let mut repeats = Vec::new();
    for n in 0..10 {
        let api = if n % 2 == 0 { &ana.api } else { &elsewhere };
        repeats.push(api.post(chat, &message));
    }
    for repeat in futures_util::future::join_all(repeats).await {
        ensure!(repeat? == first, "a repeat is the first result");
    }
    let other = PostMessage { body: "twice".to_owned(), ..message };
    let refused = ana.api.post(chat, &other).await.err();
    let code = refused.as_ref().and_then(tertulia_client::ApiError::code);
    ensure!(code == Some("client_id_reused"), "{refused:?}");
    let log = ana.final_log(chat, &[]).await?;
    ensure!(bodies(&log.messages) == ["once"], "{log:?}");
    Ok(())
}

/// A membership is a fact of a conversation's log, an event on the bus, and through its consumer an entry of the
/// member's own log.
pub(super) async fn a_user_log_is_told(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let group = ana.start(ConversationKind::Group, &[&bea]).await?;
    let told = eventually(PATIENCE, async || {
        let log = bea.api.my_log(0, 10).await.ok()?;
        (!log.items.is_empty()).then_some(log)
    })
    .await;
    let joined = UserFact::ConversationJoined { conversation_id: group };
    ensure!(told.items.len() == 1 && told.items[0].useq == 1 && told.items[0].e == joined, "{told:?}");
    Ok(())
}
