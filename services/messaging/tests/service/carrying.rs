//! What messages carry in random runs, and what is checked of it besides what every fold holds.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    UserId,
    messaging::{Entry, Fact, Message},
};
use tertulia_messaging::model::snapshot::Snapshot;
use tertulia_runtime::Timestamp;

use crate::replay::{Asked, Dice};

/// Besides words, or in their place: a place on earth, a quote of what was said lately, a message from
/// somewhere, a poll.
pub(crate) fn carry(
    dice: &mut Dice,
    post: &mut Value,
    here: &[Message],
    elsewhere: Option<&Message>,
    now: Timestamp,
) {
    let answered = here.iter().rev().filter(|message| !message.body.is_empty()).nth(dice.roll(6));
    match (dice.roll(8), answered, elsewhere) {
        (0, ..) => post["attachments"] = json!([{"kind": "location", "latitude": 1.5, "longitude": 2}]),
        (1 | 2, Some(answered), _) => {
            let text: String = answered.body.chars().skip(dice.roll(4)).take(1 + dice.roll(9)).collect();
            post["reply_to"] = json!(answered.id);
            post["quote"] = json!({"text": text});
        }
        (3, _, Some(Message { conversation_id, id, .. })) => {
            post["body"] = json!("");
            post["forward"] = json!({"conversation_id": conversation_id, "message_id": id});
        }
        (4, ..) => {
            let (multiple, anonymous) = (dice.roll(2) == 0, dice.roll(3) == 0);
            let poll = json!({"question": "Which?", "options": ["A", "B", "C"], "multiple": multiple, "anonymous": anonymous});
            post["poll"] = poll;
            if dice.roll(3) == 0 {
                post["poll"]["closes_at"] = json!(now.plus(Duration::from_millis(40)));
            }
        }
        _ => {}
    }
}

/// Somebody votes, or votes otherwise, or takes it back; now and then somebody closes a poll.
pub(crate) fn poll_deed(dice: &mut Dice, path: &str, who: usize, follower: &Snapshot) -> Asked {
    let polls = follower.messages.iter().rev().filter(|message| message.poll.is_some());
    let polls: Vec<&Message> = polls.take(2).collect();
    let id = match polls[..] {
        [] => return (who, Method::GET, format!("{path}/pins"), Value::Null),
        [one] => one.id,
        _ => polls[dice.roll(polls.len())].id,
    };
    let own = format!("{path}/messages/{id}/poll");
    match dice.roll(20) {
        0..4 => (who, Method::POST, format!("{own}/close"), Value::Null),
        4..8 => (who, Method::DELETE, format!("{own}/vote"), Value::Null),
        _ => (who, Method::PUT, format!("{own}/vote"), json!({"options": [dice.roll(3)]})),
    }
}

/// Whether each poll counts what the log says that people chose, and says nothing of who did where nobody is to know. Then
/// takes out what a reader chose in secret, which no log tells.
pub(crate) fn check_polls(log: &[Entry], messages: &mut [Message]) -> Result<(), String> {
    let mut chosen: BTreeMap<u64, BTreeMap<UserId, Vec<u8>>> = BTreeMap::new();
    for entry in log {
        if let Fact::PollVoted { message_seq, by: Some(by), options, .. } = &entry.e {
            chosen.entry(*message_seq).or_default().insert(*by, options.clone());
        }
    }
    for message in messages {
        let Some(poll) = message.poll.as_mut() else { continue };
        let by_all = chosen.remove(&message.seq).unwrap_or_default();
        if poll.anonymous {
            poll.my_vote.clear();
            if !by_all.is_empty() {
                return Err(format!("{} is anonymous, and {by_all:?} is known", message.id));
            }
            continue;
        }
        let voters = by_all.values().filter(|options| !options.is_empty()).count() as u64;
        let counted: Vec<u64> = (0..poll.options.len())
            .map(|index| {
                by_all.values().flatten().filter(|option| usize::from(**option) == index).count() as u64
            })
            .collect();
        let shown: Vec<u64> = poll.options.iter().map(|option| option.votes).collect();
        if (poll.voters, &shown) != (voters, &counted) {
            return Err(format!("{poll:?}, but {by_all:?}"));
        }
    }
    Ok(())
}
