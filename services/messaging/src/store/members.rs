//! Members: a projection of the logs.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{MAX_CONVERSATIONS, Member, MemberRole},
    permissions::Restriction,
};
use tertulia_documents::{
    Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned, port::MAX_PAGE,
};
use tertulia_runtime::Timestamp;

use super::Store;
use crate::model::membership::{Stance, Term};

/// Somebody's membership, also a past one: that it ended is kept, so that an old fact applied late cannot
/// bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Whether it lasts.
    pub present: bool,
    /// What they may do.
    pub role: MemberRole,
    /// When they joined.
    pub joined_at: Timestamp,
    /// The entry by which it began or ended.
    pub changed_seq: u64,
    /// The entry that gave them their role. Kept apart, so that each may be applied late without the other.
    #[serde(default)]
    pub role_seq: u64,
    /// Where their reading begins: what was said before they came is not unread to them.
    pub cursor_seq: u64,
    /// How many messages there are up to that.
    pub cursor_messages: u64,
    /// Whether they are kept out, also somebody who never was a member.
    #[serde(default)]
    pub ban: Sentence,
    /// Whether they are to be silent.
    #[serde(default)]
    pub mute: Sentence,
    /// Whether it counts among those that one person can have: direct ones, which nobody can leave, do not.
    #[serde(default)]
    pub counts: bool,
}

/// A ban or a mute, also one that was lifted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sentence {
    /// The entry that says so.
    pub seq: u64,
    /// For how long; none once it is lifted.
    pub term: Option<Term>,
}

/// A conversation's present members.
const PRESENT: Index = Index::unique("present");
/// The conversations a user is a present member of.
const USERS: Index = Index::unique("users");
/// What counts of them among those that one person can have.
const COUNTED: Index = Index::ordered("counted");
/// The conversations a user was ever a member of, or kept out of.
pub(super) const EVER: Index = Index::unique("ever");
/// A conversation's bans, by their end.
const BANS: Index = Index::ordered("bans");
/// A conversation's mutes, by their end.
const MUTES: Index = Index::ordered("mutes");

impl Record for MemberRecord {
    const COLLECTION: Collection =
        Collection { name: "members", indexes: &[PRESENT, USERS, EVER, COUNTED, BANS, MUTES] };

    fn id(&self) -> String {
        member_id(self.conversation_id, self.user_id)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let (conversation, user) = (self.conversation_id, self.user_id);
        let mut keys = vec![(EVER, Key::new().display(user).display(conversation))];
        if self.present {
            keys.push((PRESENT, Key::new().display(conversation).display(user)));
            keys.push((USERS, Key::new().display(user).display(conversation)));
        }
        if self.present && self.counts {
            keys.push((COUNTED, Key::new().display(user)));
        }
        for (index, sentence) in [(BANS, self.ban), (MUTES, self.mute)] {
            keys.extend(
                sentence.term.map(|term| (index, Key::new().display(conversation).number(end(term)))),
            );
        }
        keys
    }
}

/// Where a term stands among others: by its end, those without one last.
fn end(term: Term) -> u64 {
    term.until.map_or(u64::MAX, |until| u64::try_from(until.as_millis()).unwrap_or(0))
}

impl MemberRecord {
    /// As the other members see them.
    pub(crate) fn shown(&self) -> Member {
        Member { user_id: self.user_id, role: self.role, joined_at: self.joined_at }
    }

    /// How they stand.
    pub(crate) fn stance(&self) -> Stance {
        let role = self.present.then_some(self.role);
        Stance { role, ban: self.ban.term, mute: self.mute.term }
    }

    /// Whether they ever were a member.
    pub(crate) fn was_member(&self) -> bool {
        self.joined_at > Timestamp::EPOCH
    }

    /// What is against them in this way.
    pub(crate) fn sentence(&self, restriction: Restriction) -> Sentence {
        match restriction {
            Restriction::Banned => self.ban,
            Restriction::Muted => self.mute,
        }
    }

    /// The same, to be changed.
    pub(crate) fn sentence_mut(&mut self, restriction: Restriction) -> &mut Sentence {
        match restriction {
            Restriction::Banned => &mut self.ban,
            Restriction::Muted => &mut self.mute,
        }
    }
}

pub(crate) fn member_id(conversation: ConversationId, user: UserId) -> String {
    format!("{conversation}/{user}")
}

impl Store {
    /// Somebody's membership, also a past one.
    pub(crate) async fn member(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Option<Versioned<MemberRecord>>, Error> {
        self.members.get(&member_id(conversation, user)).await
    }

    /// The memberships of these users, also past ones.
    pub(crate) async fn members_among(
        &self,
        conversation: ConversationId,
        users: &[UserId],
    ) -> Result<Vec<MemberRecord>, Error> {
        let ids: Vec<String> = users.iter().map(|user| member_id(conversation, *user)).collect();
        Ok(self.members.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// Somebody's memberships in these conversations, also past ones.
    pub(crate) async fn memberships_in(
        &self,
        conversations: &[ConversationId],
        user: UserId,
    ) -> Result<Vec<MemberRecord>, Error> {
        let ids: Vec<String> = conversations.iter().map(|id| member_id(*id, user)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.members.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// A page of a conversation's present members, in the order of their ids.
    pub(crate) async fn members_of(
        &self,
        conversation: ConversationId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<MemberRecord>, Error> {
        let scan = Scan::of(PRESENT, Key::new().display(conversation), limit).after(after);
        let page = self.members.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }

    /// A page of the bans or mutes of a conversation that last at this moment, the one that ends first first.
    pub(crate) async fn sentences_of(
        &self,
        conversation: ConversationId,
        restriction: Restriction,
        at: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<MemberRecord>, Error> {
        let index = match restriction {
            Restriction::Banned => BANS,
            Restriction::Muted => MUTES,
        };
        let all = Key::new().display(conversation);
        // What ends at this moment is over.
        let lasting = all.clone().number(end(Term { until: Some(at) }).saturating_add(1));
        let page = self.members.scan(Scan::of(index, all, limit).from(lasting).after(after)).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }

    /// Whether somebody belongs to as many conversations as they can. Reads what they belong to, up to that.
    pub(crate) async fn is_full(&self, user: UserId) -> Result<bool, Error> {
        let (mut counted, mut after) = (0, None);
        loop {
            let scan = Scan::of(COUNTED, Key::new().display(user), MAX_PAGE).after(after);
            let page = self.members.scan(scan).await?;
            counted += page.items.len();
            if counted >= MAX_CONVERSATIONS || page.next.is_none() {
                return Ok(counted >= MAX_CONVERSATIONS);
            }
            after = page.next;
        }
    }

    /// A page of a user's present memberships, newest conversation first.
    pub(crate) async fn memberships_of(
        &self,
        user: UserId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<MemberRecord>, Error> {
        let scan = Scan::of(USERS, Key::new().display(user), limit).descending().after(after);
        let page = self.members.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
