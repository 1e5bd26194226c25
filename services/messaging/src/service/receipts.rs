//! Who has read how far, in conversations small enough for that to be anybody's business, among those who show it.

use tertulia_contracts::{
    ConversationId, UserId,
    live::Read,
    messaging::{ConversationKind, MAX_RECEIPTS, Privacy, Receipt},
    permissions::InstanceRole,
};
use tertulia_runtime::Timestamp;

use super::{Messaging, places::standing};
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        private::{Matter, Place, Topic},
    },
    store::{ConversationRecord, MemberRecord, PrivateRecord},
};

impl Messaging {
    /// What somebody lets others see.
    pub(crate) async fn privacy(&self, user: UserId) -> Result<Privacy, Error> {
        let found = self.store.private(user, Topic::Privacy).await?;
        Ok(found.as_ref().map_or_else(Privacy::default, privacy_of))
    }

    /// Says what others are to see. Again is the same.
    pub(crate) async fn set_privacy(&self, by: Actor, privacy: Privacy) -> Result<Privacy, Error> {
        let change = |before: Option<&PrivateRecord>| {
            let news = before.map_or_else(Privacy::default, privacy_of) != privacy;
            Ok(news.then_some(Matter::Privacy(privacy)))
        };
        self.user_logs.change(by.user_id, Topic::Privacy, change).await?;
        Ok(privacy)
    }

    /// How far the members have read who show it, to one of them.
    pub(crate) async fn receipts(&self, id: ConversationId, by: Actor) -> Result<Vec<Receipt>, Error> {
        let view = self.view(id, by, Action::ListMembers).await?;
        if view.member.is_none() {
            return Ok(Vec::new());
        }
        let open = self.who_show_it(&view.conversation).await?;
        if !open.iter().any(|member| member.user_id == by.user_id) {
            return Ok(Vec::new());
        }
        let places = open.iter().map(|member| (member.user_id, Topic::Place(id)));
        let places = self.store.private_among(places).await?;
        let receipt = |member: &MemberRecord| {
            let own = places.iter().find(|record| record.owner == member.user_id);
            let noted = own.map_or_else(Place::default, PrivateRecord::place);
            Receipt { user_id: member.user_id, seq: standing(noted, member).cursor_seq }
        };
        Ok(open.iter().map(receipt).collect())
    }

    /// Tells the others who are looking at a conversation that somebody has read on, if both show it.
    pub(super) async fn tell_receipt(
        &self,
        conversation: &ConversationRecord,
        user: UserId,
        seq: u64,
    ) -> Result<(), Error> {
        let open = self.who_show_it(conversation).await?;
        if open.iter().any(|member| member.user_id == user) {
            let at = self.ambient.now();
            let others =
                open.iter().filter(|member| member.user_id != user && sees_members(conversation, member, at));
            let to = others.map(|member| member.user_id).collect();
            self.live.read(conversation.id, Read { user, seq, to }).await;
        }
        Ok(())
    }

    /// The members who show how far they have read; nobody where there are too many to know each other.
    async fn who_show_it(&self, conversation: &ConversationRecord) -> Result<Vec<MemberRecord>, Error> {
        let crowded = conversation.members.is_some_and(|members| members > MAX_RECEIPTS as u64);
        if crowded || conversation.charter.kind == ConversationKind::Channel {
            return Ok(Vec::new());
        }
        let mut members = self.store.members_of(conversation.id, None, MAX_RECEIPTS + 1).await?.items;
        if members.len() > MAX_RECEIPTS {
            return Ok(Vec::new());
        }
        let everybody: Vec<UserId> = members.iter().map(|member| member.user_id).collect();
        if conversation.charter.kind == ConversationKind::Direct
            && let Some(one) = everybody.first()
            && self.store.keep_apart(*one, &everybody).await?
        {
            return Ok(Vec::new());
        }
        let privacies = members.iter().map(|member| (member.user_id, Topic::Privacy));
        let privacies = self.store.private_among(privacies).await?;
        let hides = |user: UserId| {
            privacies.iter().any(|record| record.owner == user && !privacy_of(record).show_receipts)
        };
        members.retain(|member| !hides(member.user_id));
        Ok(members)
    }
}

/// Whether a member may know at this moment who the others are.
fn sees_members(conversation: &ConversationRecord, member: &MemberRecord, at: Timestamp) -> bool {
    let them = Actor { user_id: member.user_id, account: InstanceRole::User };
    may(Action::ListMembers, conversation.ground(them, member.stance(), at)).is_ok()
}

pub(super) fn privacy_of(record: &PrivateRecord) -> Privacy {
    match record.matter {
        Matter::Privacy(privacy) => privacy,
        _ => Privacy::default(),
    }
}
