//! Slow mode: who has to wait between two messages, and for how long.

use std::{
    collections::{BTreeSet, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use tertulia_contracts::UserId;
use tertulia_documents::Error as StoreError;

use super::{Command, Held, Pen};
use crate::{
    Error,
    model::access::{Action, Actor, may},
    service::writer::Stake,
};

impl Pen {
    /// Reads when those posted last who want to post again and have to wait. What is read shows at least everything up to
    /// the head; where there is no slow mode, nothing is read.
    pub(super) async fn look_for_last_posts(
        &self,
        held: &mut Held,
        waiting: &VecDeque<Command>,
    ) -> Result<(), StoreError> {
        held.posted_at.clear();
        let slowed =
            waiting.iter().filter(|command| command.is_post() && held.interval(command.by).is_some());
        let authors: BTreeSet<UserId> = slowed.map(Command::author).collect();
        for author in authors {
            let last = self.desk.store.posts_by(&self.owner, author, u64::MAX, 1).await?.pop();
            held.posted_at.extend(last.map(|last| (author, last.at)));
        }
        Ok(())
    }
}

impl Held {
    /// Refuses who posted a moment ago, as long as that is.
    pub(super) fn wait_out(&self, command: &Command) -> Result<(), Error> {
        let last = self.posted_at.get(&command.author());
        let (Some(interval), Some(last)) = (self.interval(command.by), last) else { return Ok(()) };
        let wait = last.plus(interval).since(self.at);
        if wait.is_zero() { Ok(()) } else { Err(Error::SlowMode(wait)) }
    }

    /// What a post changes for its author's next one, which is to be decided once it is committed.
    pub(super) fn pace(&self, command: &Command) -> Option<Stake> {
        let slowed = command.is_post() && self.interval(command.by).is_some();
        slowed.then_some(Stake::Person(command.by.user_id))
    }

    /// How long somebody has to wait between two messages, if they have to.
    fn interval(&self, actor: Actor) -> Option<Duration> {
        let interval = self.conversation.settings.slow_mode_s?;
        let waits = may(Action::SkipSlowMode, self.ground(actor)).is_err();
        waits.then(|| Duration::from_secs(NonZeroU32::get(interval).into()))
    }
}
