//! What can be done with a message that stands in a log: what somebody asks for, and the fact it becomes.

use tertulia_contracts::{
    MediaId, UserId,
    messaging::{Fact, MAX_EDITS, MAX_PINS, MAX_REACTIONS, Message},
    permissions::decide_toward,
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, may},
    custom_emoji::name_of,
    markup::{Markup, OwnWords},
    membership::Stance,
    message::Pinned,
    poll::{check_choice, is_over, voted},
};
use crate::Error;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// That their own message say this.
    Edit(String, Markup),
    /// That it be deleted for everybody.
    Delete,
    /// That they have reacted with this emoji.
    React(String),
    /// That they have not.
    Unreact(String),
    /// That it be kept at hand.
    Pin,
    /// That it be not.
    Unpin,
    /// That it be deleted for everybody, as all that this person wrote.
    Purge(UserId),
    /// That they choose this in its poll, ascending; nothing to take their vote back.
    Vote(Vec<u8>),
    /// That its poll be closed.
    ClosePoll,
    /// That it be deleted for everybody, since its time is over. Nobody asks for this; the clock does.
    Expire,
    /// That it be deleted for everybody, since its author's account was erased. Nobody asks for this either.
    Forget,
}

impl Alteration {
    /// Whom it is about, if not the message alone.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Purge(author) => Some(*author),
            _ => None,
        }
    }
}

/// What an alteration is decided on: the message at the head of its log.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The message.
    pub message: &'a Message,
    /// How often it was edited.
    pub edits: u32,
    /// The emoji with which whoever asks has reacted to it.
    pub own_emoji: &'a [String],
    /// What whoever asks has chosen in its poll.
    pub own_vote: &'a [u8],
    /// What is pinned in its conversation.
    pub pins: &'a [Pinned],
    /// The words that mean something in its conversation alone.
    pub own_words: OwnWords<'a>,
    /// How whom the alteration is about stands.
    pub subject: Stance,
}

/// The fact that an alteration becomes; none if things are as it asks already.
///
/// Whoever may not read learns nothing, not even whether there is such a message.
pub fn decide(
    alteration: &Alteration,
    by: UserId,
    at: Timestamp,
    ground: Ground,
    standing: Option<Standing<'_>>,
) -> Result<Option<Fact>, Error> {
    // Whoever they may be by now in this conversation.
    match alteration {
        Alteration::Expire => return Ok(standing.and_then(|it| expired(by, at, it.message))),
        Alteration::Forget => return Ok(standing.and_then(|it| taken_back(by, at, it.message))),
        _ => {}
    }
    may(Action::Read, ground)?;
    let standing = standing.ok_or(Error::NoSuchMessage)?;
    let action = action(alteration, by, standing.message);
    match alteration.subject() {
        Some(author) if standing.message.author_id != author => return Err(Error::NoSuchMessage),
        Some(_) => drop(decide_toward(&ground.seat(), action, ground.place(), standing.subject.role)?),
        None => may(action, ground)?,
    }
    let asks = matches!(alteration, Alteration::Vote(_) | Alteration::ClosePoll);
    let poll = standing.message.poll.as_deref();
    if asks && poll.is_none() && standing.message.deleted_at.is_none() {
        return Err(Error::NoSuchPoll);
    }
    let deletes = matches!(alteration, Alteration::Delete | Alteration::Purge(_));
    if !deletes && is_past(standing.message, at) {
        return Err(Error::MessageDeleted);
    }
    if is_so(alteration, at, standing) {
        return Ok(None);
    }
    check_room(alteration, standing)?;
    if let (Alteration::Vote(options), Some(poll)) = (alteration, poll) {
        if is_over(poll, at) {
            return Err(Error::PollClosed);
        }
        check_choice(poll, options)?;
        return Ok(Some(voted((standing.message, poll), standing.own_vote, options, by, at)));
    }
    let (message_id, message_seq) = (standing.message.id, standing.message.seq);
    Ok(Some(match alteration {
        Alteration::Edit(body, markup) => {
            let entities = markup.said(ground, standing.own_words)?;
            Fact::MessageEdited { message_id, message_seq, body: body.clone(), entities, by, at }
        }
        Alteration::Delete | Alteration::Purge(_) | Alteration::Expire | Alteration::Forget => {
            Fact::MessageDeleted { message_id, message_seq, by, at }
        }
        Alteration::React(emoji) => {
            let media_id = picture(emoji, standing.own_words)?;
            Fact::ReactionSet { message_id, message_seq, emoji: emoji.clone(), media_id, by, at }
        }
        Alteration::Unreact(emoji) => {
            Fact::ReactionRemoved { message_id, message_seq, emoji: emoji.clone(), by, at }
        }
        Alteration::Vote(_) => return Err(Error::NoSuchPoll),
        Alteration::ClosePoll => Fact::PollClosed { message_id, message_seq, by, at },
        Alteration::Pin => Fact::MessagePinned { message_id, message_seq, by, at },
        Alteration::Unpin => Fact::MessageUnpinned { message_id, message_seq, by, at },
    }))
}

/// The picture of an emoji to react with, if it is one of the conversation's own; such a one has to be there.
fn picture(emoji: &str, own_words: OwnWords<'_>) -> Result<Option<MediaId>, Error> {
    let Some(name) = name_of(emoji) else { return Ok(None) };
    let picture = own_words.emoji.picture(name);
    picture.map(Some).ok_or_else(|| Error::invalid("emoji", "is no emoji of this conversation"))
}

/// The fact that a message disappears, if its time is over and it has not. It stands in its author's name.
fn expired(by: UserId, at: Timestamp, message: &Message) -> Option<Fact> {
    if is_past(message, at) { taken_back(by, at, message) } else { None }
}

/// The fact that a message of this author's is deleted, if it is not.
fn taken_back(by: UserId, at: Timestamp, message: &Message) -> Option<Fact> {
    let (message_id, message_seq) = (message.id, message.seq);
    let stands = message.deleted_at.is_none() && message.author_id == by;
    stands.then_some(Fact::MessageDeleted { message_id, message_seq, by, at })
}

/// Whether a message is over at this moment.
pub(crate) fn is_past(message: &Message, at: Timestamp) -> bool {
    message.expires_at.is_some_and(|end| end <= at)
}

fn action(alteration: &Alteration, by: UserId, message: &Message) -> Action {
    let own = message.author_id == by;
    match alteration {
        Alteration::Edit(..) | Alteration::ClosePoll if own => Action::EditOwn,
        Alteration::Edit(..) => Action::EditOthers,
        Alteration::Delete if own => Action::DeleteOwn,
        Alteration::Delete | Alteration::ClosePoll | Alteration::Expire | Alteration::Forget => {
            Action::DeleteOthers
        }
        Alteration::Purge(_) => Action::Purge,
        Alteration::React(_) | Alteration::Unreact(_) | Alteration::Vote(_) => Action::React,
        Alteration::Pin | Alteration::Unpin => Action::Pin,
    }
}

fn is_so(alteration: &Alteration, at: Timestamp, standing: Standing<'_>) -> bool {
    let Standing { message, own_emoji, own_vote, pins, .. } = standing;
    let deleted = message.deleted_at.is_some();
    let pinned = pins.iter().any(|pin| pin.message_seq == message.seq);
    match alteration {
        Alteration::Edit(body, _) => !deleted && message.body == *body,
        Alteration::Delete | Alteration::Purge(_) | Alteration::Expire | Alteration::Forget => deleted,
        Alteration::React(emoji) => !deleted && own_emoji.contains(emoji),
        Alteration::Unreact(emoji) => deleted || !own_emoji.contains(emoji),
        Alteration::Vote(options) if deleted => options.is_empty(),
        Alteration::Vote(options) => own_vote == options,
        Alteration::ClosePoll => message.poll.as_deref().is_some_and(|poll| is_over(poll, at)),
        Alteration::Pin => pinned,
        Alteration::Unpin => !pinned,
    }
}

fn check_room(alteration: &Alteration, standing: Standing<'_>) -> Result<(), Error> {
    let Standing { message, edits, pins, .. } = standing;
    if message.deleted_at.is_some() {
        return Err(Error::MessageDeleted);
    }
    match alteration {
        Alteration::Edit(..) if edits >= MAX_EDITS => Err(Error::TooManyEdits),
        Alteration::React(emoji)
            if message.reactions.len() >= MAX_REACTIONS
                && message.reactions.iter().all(|reaction| reaction.emoji != *emoji) =>
        {
            Err(Error::TooManyReactions)
        }
        Alteration::Pin if pins.len() >= MAX_PINS => Err(Error::TooManyPins),
        _ => Ok(()),
    }
}
