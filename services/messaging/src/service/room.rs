//! How many conversations one person makes and belongs to. Nobody writes a count: an index holds what there is, and is read
//! when somebody is about to come in, never when somebody posts. Those who come in at the very same moment may each find
//! the last room.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{MAX_MADE_A_DAY, MAX_PAGE},
};

use super::Messaging;
use crate::Error;

/// In which time somebody makes no more than so many.
const A_DAY: Duration = Duration::from_hours(24);
/// How many people are looked at at once.
const AT_ONCE: usize = 8;

const _: () = assert!(MAX_MADE_A_DAY <= MAX_PAGE, "one scan counts them");

impl Messaging {
    /// Whether somebody is a member.
    pub(super) async fn is_member(&self, id: ConversationId, user: UserId) -> Result<bool, Error> {
        Ok(self.store.member(id, user).await?.is_some_and(|member| member.value.present))
    }

    /// Fails if one of these belongs to as many conversations as they can, and this is none of them.
    pub(super) async fn must_have_room(
        &self,
        id: Option<ConversationId>,
        users: &[UserId],
    ) -> Result<(), Error> {
        let rooms = users.iter().copied().map(|user| self.has_room(id, user));
        let rooms: Vec<bool> = stream::iter(rooms).buffer_unordered(AT_ONCE).try_collect().await?;
        if rooms.contains(&false) { Err(Error::TooManyConversations) } else { Ok(()) }
    }

    async fn has_room(&self, id: Option<ConversationId>, user: UserId) -> Result<bool, Error> {
        match id {
            _ if !self.store.is_full(user).await? => Ok(true),
            Some(id) => self.is_member(id, user).await,
            None => Ok(false),
        }
    }

    /// Fails if somebody made as many conversations within a day as they may.
    pub(super) async fn must_have_made_few(&self, user: UserId) -> Result<(), Error> {
        let now = self.ambient.now();
        let made = self.store.made_after(user, now.minus(A_DAY), MAX_MADE_A_DAY).await?;
        match made.first() {
            Some(oldest) if made.len() >= MAX_MADE_A_DAY => {
                let wait = A_DAY.saturating_sub(now.since(*oldest));
                Err(Error::MadeTooMany(wait))
            }
            _ => Ok(()),
        }
    }
}
