//! Conversations as their readers see them: one, and the list of somebody's own.
//!
//! A page of the list asks for everything that has an id once, however many conversations it holds. What only a log can tell, its newest
//! changes, its head and what is unread of it, is asked of each log.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, ConversationKind},
};
use tertulia_documents::{Cursor, Page};

use super::{Messaging, conversations::View};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        private::Place,
    },
    store::{ConversationRecord, MemberRecord},
};

/// How many logs of a list are read at once.
const AT_ONCE: usize = 8;

impl Messaging {
    /// The conversation as this user sees it.
    pub(crate) async fn shown(&self, id: ConversationId, by: Actor) -> Result<Conversation, Error> {
        let view = self.view(id, by, Action::Find).await?;
        let noted = match &view.member {
            Some(_) => self.store.place(by.user_id, id).await?,
            None => Place::default(),
        };
        self.shown_as(view, noted).await
    }

    /// The same, of what was read by now, with what its reader noted of their place.
    async fn shown_as(
        &self,
        View { conversation, member, .. }: View,
        noted: Place,
    ) -> Result<Conversation, Error> {
        let id = conversation.id;
        let head = self.store.head(&id.to_string()).await?;
        let membership = match &member {
            Some(member) => Some(self.membership(member, noted, &conversation.roles, head).await?),
            None => None,
        };
        let visibility = conversation.visibility();
        let ConversationRecord { charter, settings, members, .. } = conversation;
        Ok(Conversation {
            id,
            kind: charter.kind,
            title: settings.title,
            handle: charter.handle,
            description: Some(settings.description).filter(|description| !description.is_empty()),
            tags: settings.tags,
            visibility,
            archived_at: settings.archived_at,
            disappear_after_s: settings.disappear_after_s,
            slow_mode_s: settings.slow_mode_s.map(std::num::NonZeroU32::get),
            comments: (charter.kind == ConversationKind::Channel).then_some(settings.comments),
            member_count: members,
            created_by: charter.created_by,
            created_at: charter.created_at,
            head_seq: head.seq,
            membership,
        })
    }

    /// A page of the conversations that a user is a member of, newest first.
    pub(crate) async fn list(
        &self,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Conversation>, Error> {
        let page = self.store.memberships_of(by.user_id, after, limit).await?;
        let ids: Vec<ConversationId> = page.items.iter().map(|member| member.conversation_id).collect();
        let settled = self.keeper.settle_all(&ids).await?;
        let current = settled.into_iter().map(|conversation| self.without_what_is_over(conversation));
        let current: Vec<Option<ConversationRecord>> =
            stream::iter(current).buffered(AT_ONCE).try_collect().await?;
        // Read again, behind the conversations: what these show by now the memberships show, too.
        let members = self.store.memberships_in(&ids, by.user_id).await?;
        let mut members: HashMap<ConversationId, MemberRecord> =
            members.into_iter().map(|member| (member.conversation_id, member)).collect();
        let noted = self.store.places_in(&ids, by.user_id).await?;
        let mut views = Vec::new();
        for conversation in current.into_iter().flatten() {
            let id = conversation.id;
            match self.view_as(conversation, members.remove(&id), by, Action::Find) {
                Ok(view) => views.push((view, noted.get(&id).copied().unwrap_or_default())),
                // They were removed since the page was read.
                Err(Error::NoSuchConversation) => {}
                Err(error) => return Err(error),
            }
        }
        let shown = views.into_iter().map(|(view, noted)| self.shown_as(view, noted));
        let items: Vec<Conversation> = stream::iter(shown).buffered(AT_ONCE).try_collect().await?;
        Ok(Page { items, next: page.next })
    }
}
