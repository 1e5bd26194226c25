//! How many messages call a member behind what they have read.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::messaging::MAX_COUNTED_MENTIONS;

use super::Messaging;
use crate::{
    Error,
    model::{callee::called_by, roles::Roles},
    store::{Head, MemberRecord},
};

/// How many callees are asked for at once.
const AT_ONCE: usize = 4;

impl Messaging {
    /// How many messages of others call this member since an entry behind what they have read, in a log that reaches so
    /// far; at most [`MAX_COUNTED_MENTIONS`].
    pub(super) async fn mentions(
        &self,
        member: &MemberRecord,
        roles: &Roles,
        read_seq: u64,
        head: Head,
    ) -> Result<u64, Error> {
        if read_seq >= head.seq {
            return Ok(0);
        }
        let callees = called_by(member.user_id, member.role, roles.carried_by(member.user_id));
        let id = member.conversation_id;
        let counted = callees.into_iter().map(|callee| self.store.calls_after(id, callee, read_seq));
        let calls: Vec<_> = stream::iter(counted).buffered(AT_ONCE).try_collect().await?;
        // A message may call somebody by their name and by their rank: it is one all the same.
        let others = calls.iter().flatten().filter(|call| call.author_id != member.user_id);
        let messages: BTreeSet<u64> = others.map(|call| call.message_seq).collect();
        Ok(messages.len().min(MAX_COUNTED_MENTIONS) as u64)
    }
}
