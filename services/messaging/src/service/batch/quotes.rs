//! What posts quote: verified on the words that the answered message says at the head.

use std::collections::{BTreeSet, VecDeque};

use tertulia_contracts::MessageId;
use tertulia_documents::Error as StoreError;

use super::{Command, Held, Pen};
use crate::model::place::message_id;

impl Pen {
    /// Reads what the messages say that are quoted. The documents must show everything up to the head.
    pub(super) async fn look_for_quotes(
        &self,
        held: &mut Held,
        waiting: &VecDeque<Command>,
    ) -> Result<(), StoreError> {
        held.words.clear();
        let quoted: BTreeSet<MessageId> = waiting.iter().filter_map(Command::quoted).collect();
        if quoted.is_empty() {
            return Ok(());
        }
        for posting in self.desk.store.postings(self.id, &Vec::from_iter(quoted)).await? {
            let (message, edits) = posting.message()?;
            let newest = match edits {
                0 => None,
                _ => self.desk.store.edits_of(&self.owner, posting.seq).await?.pop(),
            };
            let seq = newest.map_or(posting.seq, |edit| edit.seq);
            held.words.insert(message_id(posting.at, self.id, posting.seq), (seq, message.body));
        }
        Ok(())
    }
}
