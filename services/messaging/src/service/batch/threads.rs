//! What a writer knows of the threads that are posted in.

use std::collections::{BTreeSet, VecDeque};

use tertulia_contracts::{MessageId, messaging::Fact};

use super::{Held, MAX_REMEMBERED, Pen};
use crate::{
    Error,
    model::{
        place::seq_of,
        thread::{InThread, Root},
    },
    service::writer::Command,
};

impl Pen {
    /// Reads the threads that the waiting posts stand in and that are not known yet.
    pub(super) async fn look_for_threads(
        &self,
        held: &mut Held,
        waiting: &VecDeque<Command>,
    ) -> Result<(), Error> {
        if held.threads.len() > MAX_REMEMBERED {
            held.threads.clear();
        }
        let wanted: BTreeSet<MessageId> = waiting.iter().filter_map(Command::thread).collect();
        let unknown: Vec<MessageId> =
            wanted.into_iter().filter(|root| !held.threads.contains_key(root)).collect();
        if !unknown.is_empty() && !held.fresh {
            // A deletion that is committed may not be applied yet.
            self.desk.keeper.settle(self.id).await?;
        }
        for root in unknown {
            held.threads.insert(root, self.desk.store.root(self.id, root).await?);
        }
        Ok(())
    }
}

impl Held {
    /// Moves on by a fact that was drafted, and says where the message stands that it posts, if in a thread.
    pub(super) fn thread_after(&mut self, fact: &Fact) -> Option<InThread> {
        match fact {
            Fact::MessagePosted { message } => {
                let root = message.thread_id?;
                let Root::Open(messages) = self.threads.get_mut(&root)? else { return None };
                *messages += 1;
                Some(InThread { root_seq: seq_of(root), messages: *messages })
            }
            Fact::MessageDeleted { message_id, .. } => {
                self.threads.entry(*message_id).and_modify(|root| *root = Root::Deleted);
                None
            }
            _ => None,
        }
    }
}
