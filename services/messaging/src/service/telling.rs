//! Tells users in their own logs what became of them in conversations. All of it is repeatable in any order: what is older
//! than what they were told, or than how they stand by now, is not told.

use tertulia_contracts::{
    ConversationId, UserId,
    events::{MemberRestricted, ReportDecided},
    permissions::InstanceRole,
};
use tertulia_runtime::event::EventId;

use super::user_logs::UserLogs;
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        membership::{Stance, Step, steps},
        private::Matter,
    },
    store::PrivateRecord,
};

impl UserLogs {
    /// Tells a user of a membership that began or ended at this seq of its conversation.
    pub(crate) async fn tell_membership(
        &self,
        user: UserId,
        conversation_id: ConversationId,
        member: bool,
        seq: u64,
    ) -> Result<(), Error> {
        let membership = self.store.member(conversation_id, user).await?;
        if membership.is_some_and(|membership| membership.value.changed_seq > seq) {
            return Ok(());
        }
        self.tell(user, Matter::Membership { conversation_id, member, seq }).await
    }

    /// Tells somebody that they are kept out or silent, or no longer, and why. Who never belonged to a conversation that
    /// strangers do not find is told nothing of it.
    pub(crate) async fn tell_restriction(&self, restricted: &MemberRestricted) -> Result<(), Error> {
        let MemberRestricted { conversation_id, seq, fact } = restricted;
        for (user, step) in steps(fact) {
            let Some(member) = self.store.member(*conversation_id, user).await? else { continue };
            let was_member = member.value.was_member();
            let Step::Restricted(restriction, term) = step else {
                // A ban ends a membership too.
                if was_member {
                    self.tell_membership(user, *conversation_id, false, *seq).await?;
                }
                continue;
            };
            let overtaken = member.value.sentence(restriction).seq > *seq;
            if overtaken || !(was_member || self.is_found(*conversation_id, user).await?) {
                continue;
            }
            let entry = self.store.entry(&conversation_id.to_string(), *seq).await?;
            let reason = entry.and_then(|entry| entry.reason());
            let (conversation_id, seq) = (*conversation_id, *seq);
            self.tell(user, Matter::Restricted { conversation_id, restriction, seq, term, reason }).await?;
        }
        Ok(())
    }

    /// Tells somebody that a wish to be let in was declined, once for each wish.
    pub(crate) async fn tell_declined(
        &self,
        user: UserId,
        conversation_id: ConversationId,
        wish: EventId,
    ) -> Result<(), Error> {
        self.tell_once(user, Matter::Declined { conversation_id, wish }).await
    }

    /// Tells whoever reported what was decided.
    pub(crate) async fn tell_decision(&self, decided: &ReportDecided) -> Result<(), Error> {
        let ReportDecided { conversation_id, report_id, .. } = *decided;
        let Some(report) = self.store.report(report_id).await? else { return Ok(()) };
        let Some((decision, _)) = report.value.decided else { return Ok(()) };
        self.tell_once(report.value.reporter_id, Matter::Report { conversation_id, report_id, decision })
            .await
    }

    /// Tells somebody of something, once however often it is told.
    pub(crate) async fn tell_once(&self, user: UserId, told: Matter) -> Result<(), Error> {
        let news = |before: Option<&PrivateRecord>| {
            Ok(before.is_none_or(|before| before.matter != told).then(|| told.clone()))
        };
        self.change_and_tell(user, told.topic(), news).await
    }

    /// Whether strangers find a conversation.
    async fn is_found(&self, id: ConversationId, user_id: UserId) -> Result<bool, Error> {
        let Some(conversation) = self.store.conversation(id).await? else { return Ok(false) };
        let asker = Actor { user_id, account: InstanceRole::User };
        let stranger = conversation.value.ground(asker, Stance::default(), self.ambient.now());
        Ok(may(Action::Find, stranger).is_ok())
    }

    async fn tell(&self, user: UserId, told: Matter) -> Result<(), Error> {
        let news = |before: Option<&PrivateRecord>| {
            let known = before.and_then(|record| record.matter.told_by());
            Ok((known < told.told_by()).then(|| told.clone()))
        };
        self.change_and_tell(user, told.topic(), news).await
    }
}
