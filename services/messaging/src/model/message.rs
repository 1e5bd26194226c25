//! What becomes of a message after it was posted: the facts about it, folded into it in the order of their log.
//!
//! The same fold makes the service's own documents and a client's view. A message remembers the newest entry it
//! shows, so folding a log that overlaps with what is known already changes nothing.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    MediaId, MessageId, UserId,
    messaging::{Fact, MAX_REACTION_USERS, Message, Reaction},
};
use tertulia_runtime::Timestamp;

use super::poll::apply_to_poll;

/// Folds the entry at `seq` into the message it is about, as `reader` sees it, if the message does not show it yet.
pub fn apply(message: &mut Message, seq: u64, fact: &Fact, reader: Option<UserId>) {
    if message.changed_seq.is_some_and(|newest| newest >= seq) {
        return;
    }
    match fact {
        Fact::MessageEdited { body, entities, at, .. } => {
            message.body.clone_from(body);
            message.entities.clone_from(entities);
            message.edited_at = Some(*at);
        }
        Fact::MessageDeleted { at, .. } => {
            message.body.clear();
            message.entities.clear();
            message.attachments.clear();
            message.forwarded = None;
            message.quote = None;
            message.poll = None;
            message.reactions.clear();
            message.via.iter_mut().for_each(|via| via.forget());
            message.deleted_at = Some(*at);
        }
        Fact::ReactionSet { emoji, media_id, by, .. } => {
            set(&mut message.reactions, (emoji, *media_id), *by, reader);
        }
        Fact::ReactionRemoved { emoji, by, .. } => remove(&mut message.reactions, emoji, *by, reader),
        Fact::PollVoted { .. } | Fact::PollClosed { .. } => {
            message.poll.iter_mut().for_each(|poll| apply_to_poll(poll, fact, reader));
        }
        _ => return,
    }
    message.changed_seq = Some(seq);
}

fn set(
    reactions: &mut Vec<Reaction>,
    (emoji, media_id): (&str, Option<MediaId>),
    by: UserId,
    reader: Option<UserId>,
) {
    let index = reactions.iter().position(|it| it.emoji == emoji).unwrap_or_else(|| {
        let (emoji, user_ids) = (emoji.to_owned(), Vec::new());
        reactions.push(Reaction { emoji, media_id, count: 0, user_ids, me: false });
        reactions.len() - 1
    });
    let reaction = &mut reactions[index];
    reaction.count += 1;
    reaction.me |= reader == Some(by);
    if reaction.user_ids.len() < MAX_REACTION_USERS {
        reaction.user_ids.push(by);
    }
}

fn remove(reactions: &mut Vec<Reaction>, emoji: &str, by: UserId, reader: Option<UserId>) {
    if let Some(reaction) = reactions.iter_mut().find(|it| it.emoji == emoji) {
        reaction.count = reaction.count.saturating_sub(1);
        reaction.me &= reader != Some(by);
        reaction.user_ids.retain(|user| *user != by);
    }
    reactions.retain(|it| it.count > 0);
}

/// A message that is kept at hand in its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Which message.
    pub message_id: MessageId,
    /// The position at which it was posted.
    pub message_seq: u64,
    /// The entry that pinned it.
    pub seq: u64,
    /// Who pinned it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// Folds the entry at `seq` into what is pinned, in the order pinned. A deleted message is pinned no longer.
pub fn apply_to_pins(pins: &mut Vec<Pinned>, seq: u64, fact: &Fact) {
    match *fact {
        Fact::MessagePinned { message_id, message_seq, by, at } => {
            pins.retain(|pin| pin.message_seq != message_seq);
            let place = pins.partition_point(|pin| pin.seq < seq);
            pins.insert(place, Pinned { message_id, message_seq, seq, by, at });
        }
        Fact::MessageUnpinned { message_seq, .. } | Fact::MessageDeleted { message_seq, .. } => {
            pins.retain(|pin| pin.message_seq != message_seq || pin.seq > seq);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_contracts::messaging::PostMessage;
    use tertulia_runtime::Id;
    use ulid::Ulid;

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn message() -> Message {
        let client_id = Ulid::from_parts(9, 9);
        let post = PostMessage::new(client_id, "First".to_owned());
        let (id, c) = (Id::from_ulid(client_id), Id::from_ulid(client_id));
        Message::posted(id, c, 1, user(1), post, Timestamp::EPOCH)
    }

    fn reacted(set: bool, by: u64, emoji: &str) -> Fact {
        let (message_id, by, at) = (message().id, user(by), Timestamp::EPOCH);
        let (message_seq, emoji) = (1, emoji.to_owned());
        if set {
            Fact::ReactionSet { message_id, message_seq, emoji, media_id: None, by, at }
        } else {
            Fact::ReactionRemoved { message_id, message_seq, emoji, by, at }
        }
    }

    #[test]
    fn a_fact_that_is_folded_again_changes_nothing() {
        let facts =
            [reacted(true, 1, "👍"), reacted(true, 2, "👍"), reacted(false, 1, "👍"), reacted(true, 3, "🎉")];
        let mut once = message();
        for (seq, fact) in (2..).zip(&facts) {
            apply(&mut once, seq, fact, Some(user(2)));
        }
        assert_eq!((once.reactions[0].count, &once.reactions[0].user_ids), (1, &vec![user(2)]));
        assert!(once.reactions[0].me && !once.reactions[1].me);
        for overlap in 0..facts.len() {
            let mut again = once.clone();
            for (seq, fact) in (2..).zip(&facts).skip(overlap) {
                apply(&mut again, seq, fact, Some(user(2)));
            }
            assert_eq!(again, once);
        }
    }

    #[test]
    fn a_reaction_names_a_bounded_number_of_people_and_counts_all() {
        let mut message = message();
        for number in 0..15 {
            apply(&mut message, 2 + number, &reacted(true, number, "👍"), None);
        }
        assert_eq!(
            (message.reactions[0].count, message.reactions[0].user_ids.len()),
            (15, MAX_REACTION_USERS)
        );
        apply(&mut message, 40, &reacted(false, 3, "👍"), None);
        let named = &message.reactions[0].user_ids;
        assert_eq!((message.reactions[0].count, named.len()), (14, MAX_REACTION_USERS - 1));
        assert!(!named.contains(&user(3)));
        for number in (0..15).filter(|number| *number != 3) {
            apply(&mut message, 50 + number, &reacted(false, number, "👍"), None);
        }
        assert!(message.reactions.is_empty(), "an emoji that nobody holds any more is gone");
    }
}
