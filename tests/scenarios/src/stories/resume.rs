//! Somebody leaves, and comes back elsewhere.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};
use tertulia_client::Timeline;
use tertulia_contracts::messaging::ConversationKind;

use crate::{journal::Journal, person::Person, system::System};

const BEFORE: usize = 5;
const MISSED: usize = 300;

/// Bea reads along, goes away, misses three hundred messages, and resumes through the other gateway.
pub(super) async fn on_another_node(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let mut bea = Person::sign_up(system, 0, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let writer = ana.come_online();
    writer.session.open(chat, Some(0)).await;

    let reader = bea.come_online();
    reader.session.open(chat, Some(0)).await;
    let mut last_seen = 0;
    for n in 0..BEFORE {
        last_seen = writer.say(chat, &format!("before {n}")).await?;
    }
    reader.was_shown(BEFORE).await;
    reader.session.end().await;

    let missed = (0..MISSED).map(|n| {
        let writer = &writer;
        async move { writer.say(chat, &format!("missed {n}")).await }
    });
    futures_util::future::try_join_all(missed).await?;
    bea.gateways.rotate_left(1);
    let epoch = None;
    let back = bea.resume(Timeline { epoch, useq: 0, seqs: BTreeMap::from([(chat, last_seen)]) });
    back.was_shown(BEFORE + MISSED).await;
    writer.say(chat, "live again").await?;
    back.was_shown(BEFORE + MISSED + 1).await;

    let mut verdict = journal.judge(&ana.final_log(chat, &[&bea]).await?);
    // Those three hundred were sent at once, so they have no order among themselves that was promised.
    verdict.disordered.retain(|fault| !fault.contains("was sent before"));
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(())
}
