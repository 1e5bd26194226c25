//! What the product promises about time: messages disappear when they are to, and in slow mode nobody hurries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tertulia_contracts::{MessageId, UserId, messaging::Fact};
use tertulia_runtime::{Clock as _, Timestamp};

use crate::{books::Kept, house::House};

/// What is over is gone, out of the log and its history; and nothing goes by itself before it is over.
pub(super) fn judge_lasting(
    house: &House,
    log: &[Kept],
    deleted: &BTreeSet<MessageId>,
    faults: &mut Vec<String>,
) {
    let now = house.world.clocks.now();
    let mut gone: BTreeMap<MessageId, Timestamp> = BTreeMap::new();
    for kept in log {
        if let Some(Fact::MessageDeleted { message_id, at, .. }) = kept.fact() {
            gone.insert(*message_id, *at);
        }
    }
    let lasting = log.iter().filter_map(Kept::message);
    let lasting: BTreeMap<MessageId, Timestamp> =
        lasting.filter_map(|message| Some((message.id, message.expires_at?))).collect();
    for (id, over) in &lasting {
        match gone.get(id) {
            None if *over <= now => faults.push(format!("{id} was to disappear by {over} and is there")),
            Some(at) if at < over && !deleted.contains(id) => {
                faults.push(format!("{id} disappeared at {at}, before {over}"));
            }
            _ => {}
        }
    }
    for kept in log {
        let (id, words) = match kept.fact() {
            Some(Fact::MessagePosted { message }) => (message.id, &message.body),
            Some(Fact::MessageEdited { message_id, body, .. }) => (*message_id, body),
            _ => continue,
        };
        if !words.is_empty() && (gone.contains_key(&id) || lasting.get(&id).is_some_and(|over| *over <= now))
        {
            faults.push(format!("entry {} still says what {id} said, which is gone: {words}", kept.seq));
        }
    }
}

/// In slow mode whoever does not keep order waits between two messages, by the times that the log gives them.
pub(super) fn judge_pace(owner: &str, log: &[Kept], faults: &mut Vec<String>) {
    let (mut keeper, mut interval) = (None::<UserId>, Duration::ZERO);
    let mut last: BTreeMap<UserId, Timestamp> = BTreeMap::new();
    for kept in log {
        match kept.fact() {
            Some(Fact::ConversationCreated { by, .. }) => keeper = Some(*by),
            Some(Fact::ConversationUpdated { slow_mode_s: Some(seconds), .. }) => {
                interval = Duration::from_secs((*seconds).into());
            }
            Some(Fact::MessagePosted { message }) => {
                let author = message.author_id;
                let before = last.insert(author, kept.at);
                let early = before.is_some_and(|before| kept.at < before.plus(interval));
                if !interval.is_zero() && keeper != Some(author) && early {
                    let seq = kept.seq;
                    faults.push(format!(
                        "{author} did not wait in slow mode before {owner}/{seq}: {before:?}, then {}",
                        kept.at
                    ));
                }
            }
            _ => {}
        }
    }
}
