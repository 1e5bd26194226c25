//! Custom roles, what is noted beside names, and a conversation's own emoji.

use tertulia_contracts::{
    ConversationId,
    messaging::{CustomEmojis, Roles},
};

use super::{Messaging, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        roles::RoleChange,
    },
};

impl Messaging {
    /// All of them, as members see them.
    pub(crate) async fn roles(&self, id: ConversationId, by: Actor) -> Result<Roles, Error> {
        Ok(self.view(id, by, Action::ListMembers).await?.conversation.roles.shown())
    }

    /// The emoji of a conversation's own, as its readers see them.
    pub(crate) async fn emoji(&self, id: ConversationId, by: Actor) -> Result<CustomEmojis, Error> {
        Ok(self.view(id, by, Action::Read).await?.conversation.emoji.shown())
    }

    /// Changes a role. Again is the same.
    pub(crate) async fn change_roles(
        &self,
        id: ConversationId,
        by: Actor,
        change: RoleChange,
    ) -> Result<(), Error> {
        self.writers.write(id, by, Request::Roles(change)).await?;
        Ok(())
    }
}
