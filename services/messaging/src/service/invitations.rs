//! Invitations: making and withdrawing them, and what becomes of a code.

use std::time::Duration;

use tertulia_contracts::{
    ConversationId, InvitationId,
    messaging::{
        Conversation, CreateInvitation, INVITATION_LIFE_S, Invitation, InvitationPreview, JoinRequest,
        MAX_INVITATIONS, MadeInvitation, MemberRole,
    },
    permissions::InstanceRole,
};
use tertulia_documents::{Cursor, Error as StoreError, Page, Versioned};
use tertulia_runtime::secret;

use super::{Messaging, conversations::View, requests::Asked};
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        change::Change,
        invitation::{Invited, Terms, may_come, may_offer},
    },
    store::{ConversationRecord, InvitationRecord, invitations::SLOT},
};

/// Random bytes of a code, twice what would be too many to guess.
const CODE_BYTES: usize = 24;
/// The longest code that is looked for.
const MAX_CODE_BYTES: usize = 64;
/// How often somebody else may take the place that was free, or change what is being withdrawn.
const MAX_ATTEMPTS: usize = 100;

/// What became of a wish to come in by a code.
pub(crate) enum Accepted {
    /// They are a member.
    Joined(Box<Conversation>),
    /// They wait until somebody decides.
    Waits(JoinRequest),
}

impl Messaging {
    /// Makes an invitation.
    pub(crate) async fn invite(
        &self,
        id: ConversationId,
        by: Actor,
        wish: CreateInvitation,
    ) -> Result<MadeInvitation, Error> {
        let View { ground, .. } = self.view(id, by, Action::Invite).await?;
        let role = wish.role.unwrap_or(MemberRole::Member);
        may_offer(ground, role)?;
        let now = self.ambient.now();
        let life = Duration::from_secs(wish.expires_in_s.unwrap_or(INVITATION_LIFE_S).into());
        let code = secret::random(&*self.ambient.entropy, CODE_BYTES);
        let mut record = InvitationRecord {
            terms: Terms {
                id: self.ambient.ids.next(),
                conversation_id: id,
                created_by: by.user_id,
                created_at: now,
                expires_at: now.plus(life),
                max_uses: wish.max_uses,
                role,
                needs_approval: wish.needs_approval,
            },
            fingerprint: secret::fingerprint(&code),
            slot: 0,
            uses: 0,
            counted_seq: 0,
        };
        for _ in 0..MAX_ATTEMPTS {
            record.slot = self.free_slot(id).await?;
            match self.store.invitations.insert(&record, Vec::new()).await {
                Ok(_) => return Ok(MadeInvitation { invitation: record.terms.shown(0), code }),
                Err(StoreError::Duplicate { index, .. }) if index == SLOT.name => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// A place for one more invitation. When all are taken, those that no longer work make room.
    async fn free_slot(&self, id: ConversationId) -> Result<u64, Error> {
        let mut taken = self.store.all_invitations(id).await?;
        if taken.len() >= MAX_INVITATIONS {
            let now = self.ambient.now();
            let (lasting, spent): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|found| found.value.terms.last(found.value.uses, now));
            for Versioned { value, revision } in spent {
                match self.store.invitations.delete(&value.terms.id.to_string(), revision, Vec::new()).await {
                    Ok(()) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            taken = lasting;
        }
        let free =
            (0..MAX_INVITATIONS as u64).find(|slot| taken.iter().all(|found| found.value.slot != *slot));
        free.ok_or(Error::TooManyInvitations)
    }

    /// A page of a conversation's invitations.
    pub(crate) async fn invitations(
        &self,
        id: ConversationId,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Invitation>, Error> {
        self.view(id, by, Action::Invite).await?;
        let page = self.store.invitations_to(id, after, limit).await?;
        let shown = page.items.into_iter().map(|record| record.terms.shown(record.uses));
        Ok(Page { items: shown.collect(), next: page.next })
    }

    /// Withdraws an invitation: one's own, or as somebody who decides on who is let in. Again is the same.
    pub(crate) async fn withdraw(
        &self,
        id: ConversationId,
        by: Actor,
        invitation: InvitationId,
    ) -> Result<(), Error> {
        let View { ground, .. } = self.view(id, by, Action::Invite).await?;
        let invitation = invitation.to_string();
        for _ in 0..MAX_ATTEMPTS {
            let found = self.store.invitations.get(&invitation).await?;
            let Some(Versioned { value, revision }) = found.filter(|it| it.value.terms.conversation_id == id)
            else {
                return Ok(());
            };
            if value.terms.created_by != by.user_id {
                may(Action::DecideRequests, ground)?;
            }
            match self.store.invitations.delete(&invitation, revision, Vec::new()).await {
                Ok(()) => return Ok(()),
                // It was used just now.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// What a code opens at this moment, and where that leads.
    async fn working(&self, code: &str) -> Result<(ConversationRecord, Terms), Error> {
        let id = self.opened_by(code).await?.terms.conversation_id;
        let conversation = self.keeper.settle(id).await?.ok_or(Error::NoSuchInvitation)?;
        // Read again, with every use counted that its log holds.
        let InvitationRecord { terms, uses, .. } = self.opened_by(code).await?;
        let inviter = self.store.member(id, terms.created_by).await?;
        let (now, stance) = (self.ambient.now(), inviter.map(|inviter| inviter.value.stance()));
        let maker = Actor { user_id: terms.created_by, account: InstanceRole::User };
        let inviter = conversation.ground(maker, stance.unwrap_or_default(), now);
        if may_offer(inviter, terms.role).is_err() || !terms.last(uses, now) {
            return Err(Error::NoSuchInvitation);
        }
        Ok((conversation, terms))
    }

    /// What whoever holds a code may know before they join.
    pub(crate) async fn preview(&self, code: &str) -> Result<InvitationPreview, Error> {
        let (conversation, terms) = self.working(code).await?;
        let visibility = conversation.visibility();
        let ConversationRecord { charter, settings, members, .. } = conversation;
        Ok(InvitationPreview {
            conversation_id: terms.conversation_id,
            kind: charter.kind,
            title: settings.title,
            description: Some(settings.description).filter(|description| !description.is_empty()),
            visibility,
            member_count: members,
            invited_by: terms.created_by,
            role: terms.role,
            needs_approval: terms.needs_approval,
            expires_at: terms.expires_at,
        })
    }

    /// Joins by a code, or asks to where that needs approval. Again is the same, and uses nothing up.
    pub(crate) async fn accept(
        &self,
        by: Actor,
        code: &str,
        note: Option<String>,
    ) -> Result<Accepted, Error> {
        let Terms { id: invitation, conversation_id, created_by: inviter, needs_approval, .. } =
            self.opened_by(code).await?.terms;
        // Who comes by a link is added by whoever made it.
        self.must_reach(by.user_id, &[inviter]).await?;
        if needs_approval && !self.is_member(conversation_id, by.user_id).await? {
            return self.ask_by(by, code, note).await;
        }
        self.must_have_room(Some(conversation_id), &[by.user_id]).await?;
        let change = Change::Enter { invitation, inviter };
        self.change(conversation_id, by, change).await.map(|joined| Accepted::Joined(Box::new(joined)))
    }

    /// Asks to be let in by an invitation that needs approval. That uses nothing up: a use is an entrance, as ever.
    async fn ask_by(&self, by: Actor, code: &str, note: Option<String>) -> Result<Accepted, Error> {
        let (conversation, terms) = self.working(code).await?;
        let member = self.store.member(conversation.id, by.user_id).await?;
        let stance = member.map(|member| member.value.stance()).unwrap_or_default();
        let ground = conversation.ground(by, stance, self.ambient.now());
        may_come(Action::AskToJoin, ground)?;
        if may(Action::Join, ground).is_ok() {
            return Err(Error::JoinInstead);
        }
        let invited = Invited { invitation_id: terms.id, by: terms.created_by };
        let asked = self.wait_for_decision(conversation.id, by.user_id, note, Some(invited)).await?;
        let (Asked::New(request) | Asked::Waiting(request)) = asked;
        Ok(Accepted::Waits(request))
    }

    async fn opened_by(&self, code: &str) -> Result<InvitationRecord, Error> {
        if code.len() > MAX_CODE_BYTES {
            return Err(Error::NoSuchInvitation);
        }
        self.store.invitation_of(code).await?.ok_or(Error::NoSuchInvitation)
    }
}
