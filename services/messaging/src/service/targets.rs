//! The messages that a batch is about to alter, as of the head that the batch is decided at.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tertulia_contracts::{
    MessageId, UserId,
    messaging::{Fact, Message},
};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::Timestamp;

use super::writer::Command;
use crate::{
    Error,
    model::{
        access::Ground,
        alteration::{Alteration, Standing, decide},
        markup::OwnWords,
        membership::Stance,
        message::{Pinned, apply, apply_to_pins},
        place::seq_of,
        poll::Ballot,
    },
    store::{ConversationRecord, Store, reactions::toggle},
};

/// What alterations of one batch are decided on. It moves on with each that is drafted, so that a batch may alter one
/// message many times.
pub(super) struct Targets {
    messages: BTreeMap<u64, (Message, u32)>,
    own_emoji: HashMap<(u64, UserId), Vec<String>>,
    own_votes: HashMap<(u64, UserId), Vec<u8>>,
    pins: Vec<Pinned>,
    /// Whether it shows anything that is not committed yet.
    pub(super) is_ahead: bool,
}

impl Targets {
    /// Reads what the waiting alterations are about. The documents must show everything up to the head.
    pub(super) async fn load(
        store: &Store,
        conversation: &ConversationRecord,
        waiting: &VecDeque<Command>,
    ) -> Result<Self, StoreError> {
        let wanted: Vec<(MessageId, UserId)> =
            waiting.iter().filter_map(|command| Some((command.target()?, command.by.user_id))).collect();
        let mut targets = Self {
            messages: BTreeMap::new(),
            own_emoji: HashMap::new(),
            own_votes: HashMap::new(),
            pins: Vec::new(),
            is_ahead: false,
        };
        if wanted.is_empty() {
            return Ok(targets);
        }
        // A crowd reacts to one message: it is read once.
        let ids: BTreeSet<MessageId> = wanted.iter().map(|(message, _)| *message).collect();
        for posting in store.postings(conversation.id, &Vec::from_iter(ids)).await? {
            targets.messages.insert(posting.seq, posting.message()?);
        }
        let whose = wanted.iter().map(|(message, by)| (seq_of(*message), *by));
        for own in store.reactions_among(conversation.id, whose).await? {
            targets.own_emoji.insert((own.message_seq, own.user_id), own.emoji);
        }
        let voters = waiting.iter().filter(|command| command.ballot().is_some());
        let whose = voters.filter_map(|command| Some((seq_of(command.target()?), command.by.user_id)));
        for own in store.votes_among(conversation.id, whose).await? {
            targets.own_votes.insert((own.message_seq, own.user_id), own.options);
        }
        targets.pins.clone_from(&conversation.pins);
        Ok(targets)
    }

    /// The fact that an alteration becomes here and now.
    pub(super) fn decide(
        &self,
        message: MessageId,
        alteration: &Alteration,
        by: UserId,
        at: Timestamp,
        ground: Ground,
        (own_words, subject): (OwnWords<'_>, Stance),
    ) -> Result<Option<Fact>, Error> {
        let seq = seq_of(message);
        let found = self.messages.get(&seq).filter(|(found, _)| found.id == message);
        let own_emoji = self.own_emoji.get(&(seq, by)).map_or(&[][..], Vec::as_slice);
        let own_vote = self.own_votes.get(&(seq, by)).map_or(&[][..], Vec::as_slice);
        let pins = &self.pins;
        let standing = found.map(|(message, edits)| Standing {
            message,
            edits: *edits,
            own_emoji,
            own_vote,
            pins,
            own_words,
            subject,
        });
        decide(alteration, by, at, ground, standing)
    }

    /// Who wrote the message at a place, if it is one of those.
    pub(super) fn author(&self, message_seq: u64) -> Option<UserId> {
        self.messages.get(&message_seq).map(|(message, _)| message.author_id)
    }

    /// Moves on by a fact that was drafted at `seq`, with the ballot that stands beside it.
    pub(super) fn draft(&mut self, seq: u64, fact: &Fact, ballot: Option<&Ballot>) {
        self.is_ahead = true;
        apply_to_pins(&mut self.pins, seq, fact);
        match *fact {
            Fact::ReactionSet { message_seq, by, .. } | Fact::ReactionRemoved { message_seq, by, .. } => {
                toggle(self.own_emoji.entry((message_seq, by)).or_default(), fact);
                self.draft_message(message_seq, seq, fact);
            }
            Fact::MessageEdited { message_seq, .. }
            | Fact::MessageDeleted { message_seq, .. }
            | Fact::PollVoted { message_seq, .. }
            | Fact::PollClosed { message_seq, .. } => {
                if let Some(Ballot { user_id, options }) = ballot {
                    self.own_votes.insert((message_seq, *user_id), options.clone());
                }
                self.draft_message(message_seq, seq, fact);
            }
            _ => {}
        }
    }

    fn draft_message(&mut self, message_seq: u64, seq: u64, fact: &Fact) {
        if let Some((message, edits)) = self.messages.get_mut(&message_seq) {
            *edits += u32::from(matches!(fact, Fact::MessageEdited { .. }));
            apply(message, seq, fact, None);
        }
    }
}
