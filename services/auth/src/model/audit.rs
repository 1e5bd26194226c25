//! The audit trail: an append-only chain, in which each entry holds the hash of the one before.
//!
//! Whoever changes, removes or swaps an entry has to write every later one anew; and who noted the hash of an entry
//! elsewhere sees that, too (Schneier and Kelsey, "Secure Audit Logs to Support Computer Forensics", 1999, without its keys).

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    auth::{AuditEntry, AuditFault, AuditPoint},
    events::ActNoted,
};
use tertulia_runtime::{Timestamp, event::EventId, secret};

/// What is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    OperatorMade,
    InvitationCreated,
    InvitationWithdrawn,
    InvitationUsed,
    ModeratorAppointed,
    ModeratorDismissed,
    AccountSuspended,
    AccountRestored,
    AccountErased,
    TokenCreated,
    TokenRevoked,
    BotCreated,
    BotEnded,
    PasswordChanged,
    PasswordReset,
    EmailChanged,
    IdentityLinked,
    IdentityUnlinked,
    PasskeyAdded,
    PasskeyRemoved,
    CodesTurnedOn,
    CodesTurnedOff,
    RecoveryCodesMade,
    RefreshTokenReused,
    SignInsRefused,
    KeysRotated,
}

impl Deed {
    /// Its stable name.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::OperatorMade => "operator.made",
            Self::InvitationCreated => "invitation.created",
            Self::InvitationWithdrawn => "invitation.withdrawn",
            Self::InvitationUsed => "invitation.used",
            Self::ModeratorAppointed => "moderator.appointed",
            Self::ModeratorDismissed => "moderator.dismissed",
            Self::AccountSuspended => "account.suspended",
            Self::AccountRestored => "account.restored",
            Self::AccountErased => "account.erased",
            Self::TokenCreated => "token.created",
            Self::TokenRevoked => "token.revoked",
            Self::BotCreated => "bot.created",
            Self::BotEnded => "bot.ended",
            Self::PasswordChanged => "password.changed",
            Self::PasswordReset => "password.reset",
            Self::EmailChanged => "email.changed",
            Self::IdentityLinked => "identity.linked",
            Self::IdentityUnlinked => "identity.unlinked",
            Self::PasskeyAdded => "passkey.added",
            Self::PasskeyRemoved => "passkey.removed",
            Self::CodesTurnedOn => "codes.turned_on",
            Self::CodesTurnedOff => "codes.turned_off",
            Self::RecoveryCodesMade => "recovery_codes.made",
            Self::RefreshTokenReused => "refresh_token.reused",
            Self::SignInsRefused => "sign_ins.refused",
            Self::KeysRotated => "keys.rotated",
        }
    }
}

/// Who does something, and from where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) actor: Option<UserId>,
    pub(crate) network: Option<String>,
}

impl Origin {
    /// Nobody who is signed in, from this address.
    pub(crate) fn from_address(address: Option<IpAddr>) -> Self {
        Self { actor: None, network: address.map(network) }
    }

    /// The same, by this account.
    #[must_use]
    pub(crate) fn by(&self, actor: UserId) -> Self {
        Self { actor: Some(actor), network: self.network.clone() }
    }
}

/// What is kept of an address: enough to tell places apart, and too little to tell people.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() >> 80 << 80);
            format!("{network}/48")
        }
    }
}

/// An entry as it is stored: as it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Entry(pub(crate) AuditEntry);

impl Entry {
    /// The entry that follows the head of the trail.
    pub(crate) fn after(head: &AuditPoint, event_id: EventId, at: Timestamp, act: ActNoted) -> Self {
        let ActNoted { kind, actor, subject, network, details } = act;
        let mut entry = AuditEntry {
            seq: head.seq + 1,
            event_id: event_id.to_string(),
            at,
            kind,
            actor,
            subject,
            network,
            details,
            previous: head.hash.clone(),
            hash: String::new(),
        };
        entry.hash = hash_of(&entry);
        Self(entry)
    }

    /// Where it stands.
    pub(crate) fn point(&self) -> AuditPoint {
        AuditPoint { seq: self.0.seq, hash: self.0.hash.clone() }
    }

    /// What is wrong with it as the one that follows this point, if anything.
    pub(crate) fn fault_after(&self, before: &AuditPoint) -> Option<AuditFault> {
        let entry = &self.0;
        match () {
            () if entry.seq > before.seq + 1 => Some(AuditFault::Missing),
            () if entry.hash != hash_of(entry) => Some(AuditFault::Changed),
            () if entry.seq != before.seq + 1 || entry.previous != before.hash => {
                Some(AuditFault::OutOfPlace)
            }
            () => None,
        }
    }
}

/// The hash over all else that an entry says. Each part stands behind its length, and what is absent is told from what is
/// empty, so that no two entries are written alike.
fn hash_of(entry: &AuditEntry) -> String {
    let AuditEntry { seq, event_id, at, kind, actor, subject, network, details, previous, hash: _ } = entry;
    let some = |part: &str| Some(part.to_owned());
    let mut parts = vec![
        Some(seq.to_string()),
        some(event_id),
        Some(at.as_millis().to_string()),
        some(kind),
        actor.map(|actor| actor.to_string()),
        subject.map(|subject| subject.to_string()),
        network.clone(),
        Some(details.len().to_string()),
    ];
    parts.extend(details.iter().flat_map(|(name, value)| [some(name), some(value)]));
    parts.push(some(previous));
    let written = |part: &Option<String>| match part {
        Some(part) => format!("{}:{part};", part.len()),
        None => "-;".to_owned(),
    };
    let text = parts.iter().map(written).collect::<Vec<_>>().concat();
    secret::fingerprint(&text)
}

/// What else an act is about.
pub(crate) fn details<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    fn chain(length: u64) -> Vec<Entry> {
        let (ambient, _) = frozen(1);
        let mut entries: Vec<Entry> = Vec::new();
        for n in 0..length {
            let act = ActNoted {
                kind: Deed::TokenCreated.kind().to_owned(),
                actor: Some(ambient.ids.next()),
                subject: None,
                network: Some("192.0.2.0/24".to_owned()),
                details: details([("n", n.to_string())]),
            };
            let head = entries.last().map(Entry::point).unwrap_or_default();
            entries.push(Entry::after(&head, ambient.ids.next(), ambient.now(), act));
        }
        entries
    }

    fn first_fault(entries: &[Entry]) -> Option<(u64, AuditFault)> {
        let mut before = AuditPoint::default();
        for entry in entries {
            if let Some(fault) = entry.fault_after(&before) {
                return Some((before.seq + 1, fault));
            }
            before = entry.point();
        }
        None
    }

    #[test]
    fn whatever_is_changed_in_an_entry_is_found_there() {
        let whole = chain(5);
        assert_eq!(first_fault(&whole), None);
        let changes: [fn(&mut AuditEntry); 10] = [
            |entry| entry.event_id.push('x'),
            |entry| entry.at = Timestamp::from_millis(entry.at.as_millis() + 1),
            |entry| entry.kind = "token.revoked".to_owned(),
            |entry| entry.actor = None,
            |entry| entry.subject = entry.actor,
            |entry| entry.network = None,
            |entry| entry.network = Some(String::new()),
            |entry| drop(entry.details.insert("n".to_owned(), "9".to_owned())),
            |entry| drop(entry.details.insert(String::new(), String::new())),
            |entry| entry.previous.push('A'),
        ];
        for change in changes {
            let mut entries = whole.clone();
            change(&mut entries[2].0);
            assert_eq!(first_fault(&entries), Some((3, AuditFault::Changed)));
            // Who mends its hash breaks the link of the next one.
            entries[2].0.hash = hash_of(&entries[2].0);
            let (at, fault) = first_fault(&entries).unwrap();
            assert!(at >= 3 && fault == AuditFault::OutOfPlace, "{at} {fault:?}");
        }
    }

    #[test]
    fn what_is_removed_or_swapped_is_found_there() {
        let whole = chain(5);
        let mut removed = whole.clone();
        removed.remove(2);
        assert_eq!(first_fault(&removed), Some((3, AuditFault::Missing)));
        // Also when the others close up.
        for entry in &mut removed[2..] {
            entry.0.seq -= 1;
            entry.0.hash = hash_of(&entry.0);
        }
        assert_eq!(first_fault(&removed), Some((3, AuditFault::OutOfPlace)));
        let mut swapped = whole;
        swapped.swap(1, 2);
        assert!(first_fault(&swapped).is_some_and(|(at, _)| at == 2));
        let places = (swapped[1].0.seq, swapped[2].0.seq);
        (swapped[2].0.seq, swapped[1].0.seq) = places;
        assert_eq!(first_fault(&swapped), Some((2, AuditFault::Changed)));
    }

    #[test]
    fn of_an_address_the_network_is_kept() {
        for (address, kept) in [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::9", "2001:db8:1::/48")] {
            assert_eq!(network(address.parse().unwrap()), kept);
        }
    }
}
