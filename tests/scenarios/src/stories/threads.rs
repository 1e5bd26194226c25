//! People comment below news, and those whom it concerns hear of it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::{
    ConversationId, MessageId,
    messaging::{ConversationKind, MAX_PAGE, Message, PostMessage},
};
use tertulia_runtime::testkit::eventually_true;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person, bodies},
    system::System,
};

async fn post(
    api: &Api,
    channel: ConversationId,
    below: Option<MessageId>,
    body: &str,
) -> Result<Message, ApiError> {
    let post = PostMessage { thread_id: below, ..PostMessage::new(Ulid::generate(), body.to_owned()) };
    Ok(api.post(channel, &post).await?.message)
}

/// Waits until the threads somebody follows have so much unread.
async fn until_unread(api: &Api, channel: ConversationId, expected: &[u64]) {
    eventually_true(PATIENCE, async || {
        let threads = api.threads(channel).await;
        threads.is_ok_and(|page| {
            let unread: Vec<u64> = page.items.iter().map(|thread| thread.unread).collect();
            unread == expected
        })
    })
    .await;
}

/// Ana runs a channel; Bea may only comment. What she says is heard live by who is there, stands below the news and not beside
/// it, is unread to Ana on every device until she reads it on one, and nothing of it is lost or told twice.
pub(super) async fn heard_and_read(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let channel = ana.start(ConversationKind::Channel, &[&bea]).await?;
    let (phone, desktop) = (ana.api.clone(), ana.api.at(&ana.gateways[1 % ana.gateways.len()]));
    let online = ana.come_online();
    online.session.open(channel, Some(0)).await;
    let news = post(&phone, channel, None, "News").await.context("posting")?;
    let refused = post(&bea.api, channel, None, "Mine").await.err();
    ensure!(refused.as_ref().and_then(ApiError::code) == Some("not_allowed"), "{refused:?}");
    post(&bea.api, channel, Some(news.id), "Well said").await.context("commenting")?;
    let last = post(&bea.api, channel, Some(news.id), "Very well").await.context("commenting")?;
    online.was_shown(3).await;

    let history = desktop.messages(channel, 0, MAX_PAGE).await?.items;
    ensure!(bodies(&history) == ["News"], "{history:?}");
    let thread = history[0].thread.as_ref().context("it has a thread")?;
    ensure!((thread.messages, thread.last_seq) == (2, last.seq), "{thread:?}");
    let below = desktop.thread(channel, news.id).await?.items;
    ensure!(bodies(&below) == ["Well said", "Very well"], "{below:?}");

    for device in [&phone, &desktop] {
        until_unread(device, channel, &[2]).await;
    }
    until_unread(&bea.api, channel, &[0]).await;
    let read = phone.read_thread(channel, news.id, last.seq).await?;
    ensure!((read.cursor_seq, read.unread) == (last.seq, 0), "{read:?}");
    until_unread(&desktop, channel, &[0]).await;
    let place = desktop.conversation(channel).await?.membership.context("she is a member")?;
    ensure!(place.unread == 0, "comments are not unread in the channel: {place:?}");

    let verdict = journal.judge(&ana.final_log(channel, &[&ana]).await?);
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(())
}
