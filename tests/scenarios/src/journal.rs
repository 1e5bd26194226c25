//! An independent witness: what each client was told, held against what the log says in the end.
//!
//! It knows nothing of how the product works. A message is **lost** when its sender was told it is committed and
//! it is not in the log where it was said to be, or when a reader who was there to the end never saw it;
//! **doubled** when it stands in the log twice or was shown to one reader twice; **disordered** when a
//! reader saw positions out of order, when the log has a hole, or when one author's messages stand in another order
//! than they were sent one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use tertulia_contracts::{ConversationId, UserId, messaging::Message};
use ulid::Ulid;

/// What names a message for good: its author and the name the author's client gave it.
type Name = (UserId, Ulid);

#[derive(Debug, Clone)]
enum Observation {
    Acked { conversation: ConversationId, name: Name, seq: u64 },
    Shown { reader: String, conversation: ConversationId, name: Name, seq: u64 },
}

/// Collects what clients observe, from any task, in the order observed.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<Observation>>);

/// What the journal found wrong. Empty lists are what the product promises.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged and gone, or never shown.
    pub lost: Vec<String>,
    /// There twice, or shown twice.
    pub doubled: Vec<String>,
    /// In another order than promised.
    pub disordered: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// The three counts, for a report.
    pub fn counts(&self) -> String {
        format!(
            "lost {}, doubled {}, disordered {}",
            self.lost.len(),
            self.doubled.len(),
            self.disordered.len()
        )
    }
}

/// The final state of one conversation, read by someone who took no part.
#[derive(Debug, Clone)]
pub struct FinalLog {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The position of every entry, messages or not, in the order of the log.
    pub seqs: Vec<u64>,
    /// Its messages, in the order of the log.
    pub messages: Vec<Message>,
    /// Those who read along to the end and so must have been shown everything.
    pub readers: Vec<String>,
}

impl Journal {
    /// The server told a sender that the message is committed at this position.
    pub fn acked(&self, conversation: ConversationId, author: UserId, client_id: Ulid, seq: u64) {
        self.push(Observation::Acked { conversation, name: (author, client_id), seq });
    }

    /// A reader's client showed the message.
    pub fn shown(&self, reader: &str, message: &Message) {
        self.push(Observation::Shown {
            reader: reader.to_owned(),
            conversation: message.conversation_id,
            name: (message.author_id, message.client_id),
            seq: message.seq,
        });
    }

    /// How many messages were acknowledged so far.
    pub fn acked_count(&self) -> usize {
        self.observations().iter().filter(|seen| matches!(seen, Observation::Acked { .. })).count()
    }

    /// How many messages a reader was shown so far.
    pub fn shown_count(&self, to: &str) -> usize {
        let to_them = |seen: &&Observation| matches!(seen, Observation::Shown { reader, .. } if reader == to);
        self.observations().iter().filter(to_them).count()
    }

    /// Holds everything observed against the final log of a conversation.
    pub fn judge(&self, log: &FinalLog) -> Verdict {
        let mut verdict = Verdict::default();
        judge_log(log, &mut verdict);
        let observations = self.observations();
        judge_acks(&observations, log, &mut verdict);
        for reader in &log.readers {
            judge_reader(&observations, reader, log, &mut verdict);
        }
        verdict
    }

    fn push(&self, observation: Observation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
    }

    fn observations(&self) -> Vec<Observation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn judge_log(log: &FinalLog, verdict: &mut Verdict) {
    for (expected, seq) in (1..).zip(&log.seqs) {
        if *seq != expected {
            verdict.disordered.push(format!("the log has {seq} where {expected} belongs"));
            break;
        }
    }
    let mut seen = BTreeSet::new();
    let mut last_of_author: BTreeMap<UserId, Ulid> = BTreeMap::new();
    for message in &log.messages {
        if !seen.insert((message.author_id, message.client_id)) {
            verdict.doubled.push(format!("{} stands twice in the log", message.client_id));
        }
        // The journal's senders send one after the other, with client ids that grow.
        let last = last_of_author.insert(message.author_id, message.client_id);
        if last.is_some_and(|last| last > message.client_id) {
            verdict
                .disordered
                .push(format!("{} was sent before one that stands before it", message.client_id));
        }
    }
}

fn judge_acks(observations: &[Observation], log: &FinalLog, verdict: &mut Verdict) {
    let standing: BTreeMap<Name, u64> =
        log.messages.iter().map(|message| ((message.author_id, message.client_id), message.seq)).collect();
    for observation in observations {
        let Observation::Acked { conversation, name, seq } = observation else { continue };
        if *conversation == log.conversation && standing.get(name) != Some(seq) {
            let found = standing.get(name);
            verdict.lost.push(format!("{} was acknowledged at {seq}; the log has it at {found:?}", name.1));
        }
    }
}

fn judge_reader(observations: &[Observation], who: &str, log: &FinalLog, verdict: &mut Verdict) {
    let mut shown = BTreeSet::new();
    let mut last_seq = 0;
    for observation in observations {
        let Observation::Shown { reader, conversation, name, seq } = observation else { continue };
        if reader != who || *conversation != log.conversation {
            continue;
        }
        if !shown.insert(*name) {
            verdict.doubled.push(format!("{} was shown to {who} twice", name.1));
        } else if *seq <= last_seq {
            verdict.disordered.push(format!("{who} was shown {seq} after {last_seq}"));
        }
        last_seq = last_seq.max(*seq);
    }
    for message in &log.messages {
        if !shown.contains(&(message.author_id, message.client_id)) {
            verdict.lost.push(format!("{} at {} was never shown to {who}", message.client_id, message.seq));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_contracts::messaging::PostMessage;
    use tertulia_runtime::{Id, Timestamp};

    fn message(seq: u64) -> Message {
        let client_id = Ulid::from(u128::from(seq));
        let (c, author) = (Id::from_ulid(Ulid::from(1)), Id::from_ulid(Ulid::from(2)));
        let post = PostMessage::new(client_id, String::new());
        Message::posted(Id::from_ulid(client_id), c, seq, author, post, Timestamp::EPOCH)
    }

    fn log(messages: Vec<Message>) -> FinalLog {
        let seqs = messages.iter().map(|message| message.seq).collect();
        FinalLog {
            conversation: Id::from_ulid(Ulid::from(1)),
            seqs,
            messages,
            readers: vec!["ana".to_owned()],
        }
    }

    fn witnessed(acked: &[u64], shown: &[u64]) -> Journal {
        let journal = Journal::default();
        for seq in acked {
            let message = message(*seq);
            journal.acked(message.conversation_id, message.author_id, message.client_id, *seq);
        }
        for seq in shown {
            journal.shown("ana", &message(*seq));
        }
        journal
    }

    fn counts(journal: &Journal, messages: Vec<Message>) -> (usize, usize, usize) {
        let verdict = journal.judge(&log(messages));
        (verdict.lost.len(), verdict.doubled.len(), verdict.disordered.len())
    }

    #[test]
    fn a_sound_run_is_clean() {
        let journal = witnessed(&[1, 2, 3], &[1, 2, 3]);
        assert!(journal.judge(&log(vec![message(1), message(2), message(3)])).is_clean());
    }

    #[test]
    fn a_planted_loss_is_caught() {
        let acknowledged_and_gone = witnessed(&[1, 2, 3], &[1, 2]);
        assert_eq!(counts(&acknowledged_and_gone, vec![message(1), message(2)]), (1, 0, 0));
        let never_shown = witnessed(&[1, 2, 3], &[1, 3]);
        assert_eq!(counts(&never_shown, vec![message(1), message(2), message(3)]), (1, 0, 0));
    }

    #[test]
    fn a_planted_doubling_is_caught() {
        let shown_twice = witnessed(&[1, 2], &[1, 2, 2]);
        assert_eq!(counts(&shown_twice, vec![message(1), message(2)]), (0, 1, 0));
        let stands_twice = witnessed(&[1], &[1]);
        let mut twin = message(2);
        twin.client_id = Ulid::from(1);
        assert_eq!(counts(&stands_twice, vec![message(1), twin]).1, 1);
    }

    #[test]
    fn a_planted_swap_is_caught() {
        let shown_swapped = witnessed(&[1, 2], &[2, 1]);
        assert_eq!(counts(&shown_swapped, vec![message(1), message(2)]), (0, 0, 1));
        let stands_swapped = witnessed(&[], &[1, 2]);
        let (mut first, mut second) = (message(1), message(2));
        std::mem::swap(&mut first.client_id, &mut second.client_id);
        let verdict = stands_swapped.judge(&log(vec![first, second]));
        assert!(!verdict.disordered.is_empty());
    }

    #[test]
    fn a_planted_hole_is_caught() {
        assert_eq!(counts(&witnessed(&[1, 3], &[1, 3]), vec![message(1), message(3)]).2, 1);
    }
}
