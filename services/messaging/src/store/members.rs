//! Members: a projection of the logs, and how far each member has read.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Member, MemberRole},
};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned};
use tertulia_runtime::Timestamp;

use super::Store;

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
    /// How far they have read.
    pub cursor_seq: u64,
    /// How many messages there are up to that.
    pub cursor_messages: u64,
}

/// A conversation's present members.
const PRESENT: Index = Index::unique("present");
/// The conversations a user is a present member of.
const USERS: Index = Index::unique("users");

impl Record for MemberRecord {
    const COLLECTION: Collection = Collection { name: "members", indexes: &[PRESENT, USERS] };

    fn id(&self) -> String {
        member_id(self.conversation_id, self.user_id)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        if !self.present {
            return Vec::new();
        }
        let (conversation, user) = (self.conversation_id, self.user_id);
        vec![
            (PRESENT, Key::new().display(conversation).display(user)),
            (USERS, Key::new().display(user).display(conversation)),
        ]
    }
}

impl MemberRecord {
    /// As the other members see them.
    pub(crate) fn shown(&self) -> Member {
        Member { user_id: self.user_id, role: self.role, joined_at: self.joined_at }
    }

    /// Their role, while the membership lasts.
    pub(crate) fn present_role(&self) -> Option<MemberRole> {
        self.present.then_some(self.role)
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
