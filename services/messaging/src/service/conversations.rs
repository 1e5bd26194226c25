//! Conversations and their members: making, finding, listing, changing.

use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Conversation, ConversationKind, CreateConversation, Member, MemberRole},
};
use tertulia_documents::{Cursor, Error as StoreError, Page};

use super::{Messaging, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor, Ground, may},
        change::Change,
        founding::Charter,
        membership::Stance,
        moderation::Note,
    },
    store::{ConversationRecord, MemberRecord, conversations::HANDLE},
};

/// What became of a wish for a conversation.
pub(crate) enum Made {
    /// There is a new one.
    New(Conversation),
    /// The pair had theirs already.
    Found(Conversation),
}

/// A conversation and who looks at it.
pub(crate) struct View {
    /// The conversation.
    pub conversation: ConversationRecord,
    /// The looker's membership, while it lasts.
    pub member: Option<MemberRecord>,
    /// What whatever they may do besides is decided on.
    pub ground: Ground,
}

impl Messaging {
    /// The conversation, if this user may do this in it.
    pub(crate) async fn view(&self, id: ConversationId, by: Actor, action: Action) -> Result<View, Error> {
        let conversation = self.keeper.settle(id).await?.ok_or(Error::NoSuchConversation)?;
        let conversation = self.without_what_is_over(conversation).await?.ok_or(Error::NoSuchConversation)?;
        let member = self.store.member(id, by.user_id).await?.map(|member| member.value);
        self.view_as(conversation, member, by, action)
    }

    /// The same, of what was read by now.
    pub(super) fn view_as(
        &self,
        conversation: ConversationRecord,
        member: Option<MemberRecord>,
        by: Actor,
        action: Action,
    ) -> Result<View, Error> {
        let stance = member.as_ref().map_or_else(Stance::default, MemberRecord::stance);
        let ground = conversation.ground(by, stance, self.ambient.now());
        may(action, ground)?;
        let member = member.filter(|member| member.present);
        Ok(View { conversation, member, ground })
    }

    /// Makes a conversation. For a direct one, finds the pair's if there is one.
    pub(crate) async fn create(&self, by: Actor, request: CreateConversation) -> Result<Made, Error> {
        let named: Vec<(UserId, String)> = (0..)
            .zip(&request.members)
            .map(|(index, user): (usize, _)| (*user, format!("members[{index}]")))
            .collect();
        let charter = Charter::of(request, by.user_id, self.ambient.now()).map_err(Error::InvalidFields)?;
        if let Some(found) = self.direct_of(&charter, by).await? {
            return Ok(Made::Found(found));
        }
        self.people.must_exist(&named).await?;
        let others: Vec<UserId> = named.into_iter().map(|(user, _)| user).collect();
        self.must_reach(by.user_id, &others).await?;
        self.must_have_made_few(by.user_id).await?;
        if charter.kind != ConversationKind::Direct {
            self.must_have_room(None, &[&others[..], &[by.user_id]].concat()).await?;
        }
        let conversation = ConversationRecord::new(self.ambient.ids.next(), charter);
        match self.store.conversations.insert(&conversation, Vec::new()).await {
            Ok(_) => Ok(Made::New(self.shown(conversation.id, by).await?)),
            Err(StoreError::Duplicate { index, .. }) if index == HANDLE.name => Err(Error::HandleTaken),
            // The other of the pair was faster.
            Err(error @ StoreError::Duplicate { .. }) => {
                let found = self.direct_of(&conversation.charter, by).await?;
                found.map(Made::Found).ok_or(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn direct_of(&self, charter: &Charter, by: Actor) -> Result<Option<Conversation>, Error> {
        let Some(pair) = charter.pair() else { return Ok(None) };
        match self.store.direct(pair).await? {
            Some(found) => Ok(Some(self.shown(found.id, by).await?)),
            None => Ok(None),
        }
    }

    /// A page of a conversation's members.
    pub(crate) async fn members(
        &self,
        id: ConversationId,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Member>, Error> {
        self.view(id, by, Action::ListMembers).await?;
        let page = self.store.members_of(id, after, limit).await?;
        Ok(Page { items: page.items.iter().map(MemberRecord::shown).collect(), next: page.next })
    }

    /// Changes what can be set of a conversation, and shows it as it is then.
    pub(crate) async fn change(
        &self,
        id: ConversationId,
        by: Actor,
        change: Change,
    ) -> Result<Conversation, Error> {
        self.writers.write(id, by, Request::Change(change)).await?;
        self.shown(id, by).await
    }

    /// Makes somebody a member, perhaps oneself, or a member of another role. Again is the same.
    pub(crate) async fn add_member(
        &self,
        id: ConversationId,
        by: Actor,
        user: UserId,
        role: Option<MemberRole>,
    ) -> Result<Member, Error> {
        // Whether somebody exists is nobody's business who may not add them.
        let action = if user == by.user_id { Action::Join } else { Action::AddMember };
        self.view(id, by, action).await?;
        self.people.must_exist(&[(user, "user_id".to_owned())]).await?;
        self.must_reach(by.user_id, &[user]).await?;
        self.must_have_room(Some(id), &[user]).await?;
        self.writers.write(id, by, Request::Change(Change::Add { user, role })).await?;
        // The writer has applied the change unless the store failed it; then this says so, or makes up for it.
        self.keeper.settle(id).await?;
        let member = self.store.member(id, user).await?.filter(|member| member.value.present);
        member.map(|member| member.value.shown()).ok_or(Error::NoSuchConversation)
    }

    /// Ends somebody's membership, perhaps one's own. Again is the same.
    pub(crate) async fn remove_member(
        &self,
        id: ConversationId,
        by: Actor,
        user: UserId,
        reason: Option<String>,
    ) -> Result<(), Error> {
        self.writers.write_noted(id, by, Request::Change(Change::Remove(user)), Note::reason(reason)).await?;
        Ok(())
    }
}
