//! What is said for later is said once, whatever dies meanwhile.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use http::Method;
use tertulia_contracts::messaging::{
    ConversationKind, PostMessage, ScheduleMessage, ScheduledMessage, ScheduledMessages,
};
use tertulia_runtime::{Clock as _, SystemClock, testkit::eventually_true};
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person, bodies},
    system::System,
};

/// How far ahead: so little that its time comes while nobody is there to see it.
const AHEAD: Duration = Duration::from_secs(1);

/// Ana schedules a message at one gateway, and every process that could post it is killed. It is posted when they are back,
/// once, and Bea, who listens at another gateway, is shown it once.
pub(super) async fn posted_once_after_a_kill(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let online = bea.come_online();
    online.session.open(chat, Some(0)).await;

    let path = format!("/v1/conversations/{chat}/scheduled");
    let message = PostMessage::new(Ulid::generate(), "Buenos días".to_owned());
    let wish = ScheduleMessage { message, send_at: SystemClock.now().plus(AHEAD) };
    let scheduled: ScheduledMessage = ana.api.send(Method::POST, &path, Some(&wish)).await?;
    ensure!(scheduled.message == wish.message && scheduled.failure.is_none(), "{scheduled:?}");

    let posts = |name: &String| name == "tertulia" || name.starts_with("messaging-");
    let names: Vec<String> = system.processes.keys().filter(|name| posts(name)).cloned().collect();
    ensure!(!names.is_empty(), "there is nobody who posts");
    for name in &names {
        system.process(name)?.kill().await.with_context(|| format!("killing {name}"))?;
    }
    for name in &names {
        system.process(name)?.start_again().await.with_context(|| format!("starting {name} again"))?;
    }

    // Who posted it and died before they could say so is followed by somebody who asks once more: only then is it off the list.
    let off_the_list = async || {
        let waiting: Result<ScheduledMessages, _> = ana.api.send::<(), _>(Method::GET, &path, None).await;
        waiting.is_ok_and(|waiting| waiting.items.is_empty())
    };
    eventually_true(PATIENCE, off_the_list).await;
    online.was_shown(1).await;
    let log = ana.final_log(chat, &[&bea]).await?;
    ensure!(bodies(&log.messages) == ["Buenos días"], "{log:?}");
    ensure!(log.messages[0].author_id == ana.id() && log.messages[0].created_at >= wish.send_at, "{log:?}");
    let verdict = journal.judge(&log);
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(())
}
