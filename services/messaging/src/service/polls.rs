//! Voting, and what voters see.

use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    messaging::{Message, Vote},
};
use tertulia_documents::{Cursor, Page};

use super::{Messaging, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        alteration::Alteration,
        moderation::Note,
        poll::Ballot,
    },
};

impl Messaging {
    /// Chooses these options and no others; nothing to take a vote back. Again is the same.
    pub(crate) async fn vote(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
        mut options: Vec<u8>,
    ) -> Result<(), Error> {
        options.sort_unstable();
        options.dedup();
        let ballot = Ballot { user_id: by.user_id, options: options.clone() };
        let note = Note { ballot: Some(ballot), ..Note::default() };
        let request = Request::Alter(message, Alteration::Vote(options));
        self.writers.write_noted(id, by, request, Some(note)).await?;
        Ok(())
    }

    /// A page of those who chose an option of an open poll, the oldest vote first.
    pub(crate) async fn votes(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
        option: u8,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Vote>, Error> {
        self.view(id, by, Action::Read).await?;
        let posting = self.store.postings(id, &[message]).await?.pop().ok_or(Error::NoSuchMessage)?;
        let (message, _) = posting.message()?;
        if message.deleted_at.is_some() {
            return Err(Error::MessageDeleted);
        }
        let poll = message.poll.ok_or(Error::NoSuchPoll)?;
        if poll.anonymous {
            return Err(Error::PollAnonymous);
        }
        if usize::from(option) >= poll.options.len() {
            return Err(Error::invalid("option", "there is no such option"));
        }
        Ok(self.store.votes_for(id, message.seq, option, after, limit).await?)
    }

    /// Shows a reader what they chose.
    pub(super) async fn show_own_votes(
        &self,
        id: ConversationId,
        user: UserId,
        messages: &mut [Message],
    ) -> Result<(), Error> {
        let polls = messages.iter().filter(|message| message.poll.is_some());
        let whose: Vec<(u64, UserId)> = polls.map(|message| (message.seq, user)).collect();
        for own in self.store.votes_among(id, whose).await? {
            let message = messages.iter_mut().find(|message| message.seq == own.message_seq);
            if let Some(poll) = message.and_then(|message| message.poll.as_mut()) {
                poll.my_vote = own.options;
            }
        }
        Ok(())
    }
}
