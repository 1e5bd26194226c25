//! Wishes to be let in: asking, taking it back, and what is decided.

use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{ASK_AGAIN_AFTER, JoinRequest, MAX_REQUESTS, Member},
};
use tertulia_documents::{Cursor, Error as StoreError, Page, Record, Versioned};

use super::{Messaging, conversations::View};
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        change::Change,
        invitation::Invited,
    },
    store::RequestRecord,
};

/// How often somebody else may change a wish that is about to be changed.
const MAX_ATTEMPTS: usize = 100;

/// What became of a wish.
pub(crate) enum Asked {
    /// It waits for a decision from now on.
    New(JoinRequest),
    /// It waited already.
    Waiting(JoinRequest),
}

impl Messaging {
    /// Asks to be let into a conversation that can be found and is not open. Again is the same.
    pub(crate) async fn ask(
        &self,
        id: ConversationId,
        by: Actor,
        note: Option<String>,
    ) -> Result<Asked, Error> {
        let View { member, ground, .. } = self.view(id, by, Action::AskToJoin).await?;
        if member.is_some() {
            return Err(Error::AlreadyMember);
        }
        if may(Action::Join, ground).is_ok() {
            return Err(Error::JoinInstead);
        }
        self.wait_for_decision(id, by.user_id, note, None).await
    }

    /// Notes a wish of somebody who may ask. One that waits already is left as it is, but for one that another invitation
    /// is behind: whoever asks by a link means that one.
    pub(super) async fn wait_for_decision(
        &self,
        id: ConversationId,
        user: UserId,
        note: Option<String>,
        invited: Option<Invited>,
    ) -> Result<Asked, Error> {
        let now = self.ambient.now();
        let wish = RequestRecord {
            conversation_id: id,
            user_id: user,
            note,
            asked_at: now,
            declined_at: None,
            told_as: self.ambient.ids.next(),
            invited,
        };
        for _ in 0..MAX_ATTEMPTS {
            let before = self.store.request(id, user).await?;
            let waits = before.as_ref().map(|Versioned { value, .. }| value);
            let waits = match waits {
                Some(RequestRecord { declined_at: Some(declined_at), .. }) => {
                    let wait = ASK_AGAIN_AFTER.saturating_sub(now.since(*declined_at));
                    if !wait.is_zero() {
                        return Err(Error::AskedTooSoon(wait));
                    }
                    false
                }
                Some(wish) if invited.is_none() || wish.invited == invited => {
                    return Ok(Asked::Waiting(wish.clone().shown()));
                }
                Some(_) => true,
                None => false,
            };
            if !waits && self.store.requests_to(id, None, MAX_REQUESTS).await?.items.len() >= MAX_REQUESTS {
                return Err(Error::TooManyRequests);
            }
            let written = match before {
                Some(before) => self.store.requests.replace(&wish, before.revision, Vec::new()).await,
                None => self.store.requests.insert(&wish, Vec::new()).await,
            };
            match written {
                Ok(_) => return Ok(Asked::New(wish.shown())),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// A page of the wishes that wait for a decision.
    pub(crate) async fn requests(
        &self,
        id: ConversationId,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<JoinRequest>, Error> {
        self.view(id, by, Action::DecideRequests).await?;
        let page = self.store.requests_to(id, after, limit).await?;
        // Who came in by another way waits no longer.
        let people: Vec<UserId> = page.items.iter().map(|request| request.user_id).collect();
        let members = self.store.members_among(id, &people).await?;
        let inside = |user| members.iter().any(|member| member.user_id == user && member.present);
        let waiting = page.items.into_iter().filter(|request| !inside(request.user_id));
        Ok(Page { items: waiting.map(RequestRecord::shown).collect(), next: page.next })
    }

    /// Lets somebody in who asked. Again is the same.
    pub(crate) async fn approve(&self, id: ConversationId, by: Actor, user: UserId) -> Result<Member, Error> {
        self.view(id, by, Action::DecideRequests).await?;
        let request = self.store.request(id, user).await?.filter(|it| it.value.declined_at.is_none());
        if let Some(Versioned { value: RequestRecord { asked_at, invited, .. }, .. }) = &request {
            let (asked_at, invited) = (*asked_at, *invited);
            // Letting somebody in is adding them: neither who decides nor who invited them may keep apart from them.
            let others: Vec<UserId> =
                invited.map(|invited| invited.by).into_iter().chain([by.user_id]).collect();
            self.must_reach(user, &others).await?;
            self.must_have_room(Some(id), &[user]).await?;
            self.change(id, by, Change::Admit { user, asked_at, invited }).await?;
        }
        let member = self.store.member(id, user).await?.filter(|member| member.value.present);
        let member = member.ok_or(Error::NoSuchRequest)?.value.shown();
        if let Some(Versioned { value, revision }) = request {
            // They are in; a wish that is left behind by a crash here is not shown any more.
            match self.store.requests.delete(&value.id(), revision, Vec::new()).await {
                Ok(()) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(member)
    }

    /// Ends a wish: one's own by taking it back, another's by declining it. Again is the same.
    pub(crate) async fn end_request(&self, id: ConversationId, by: Actor, user: UserId) -> Result<(), Error> {
        let own = user == by.user_id;
        if !own {
            self.view(id, by, Action::DecideRequests).await?;
        }
        for _ in 0..MAX_ATTEMPTS {
            let found = self.store.request(id, user).await?.filter(|it| it.value.declined_at.is_none());
            let Some(Versioned { value, revision }) = found else {
                // A wish is taken back without finding the conversation, which may be private by now; where there is none, it
                // is answered as anything else about a conversation.
                return if own { self.view(id, by, Action::Find).await.map(drop) } else { Ok(()) };
            };
            let ended = if own {
                self.store.requests.delete(&value.id(), revision, Vec::new()).await
            } else {
                // Told first: after a crash in between it is declined again and told once.
                self.user_logs.tell_declined(user, id, value.told_as).await?;
                let declined = RequestRecord { declined_at: Some(self.ambient.now()), ..value };
                self.store.requests.replace(&declined, revision, Vec::new()).await.map(drop)
            };
            match ended {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }
}
