//! Custom roles, and what is noted beside names.

use tertulia_contracts::{ConversationId, messaging::Roles};

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

    /// Changes one. Again is the same.
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
