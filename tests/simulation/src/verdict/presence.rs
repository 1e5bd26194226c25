//! Who is there: each client is told of the others what is so, which is what it is answered when it asks; and of whom it
//! shares nothing with it is told nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Logs, present};
use crate::{
    books::Says,
    house::{House, REALTIME},
    person::{Device, Person},
};
use tertulia_contracts::{
    UserId,
    messaging::UserFact,
    presence::{ChosenStatus, DeviceStatus, Presence, PresenceStatus, Presences},
};

/// What people are to each other, by the books, and what they want to be seen as.
struct Company {
    /// The members of each conversation.
    circles: Vec<BTreeSet<UserId>>,
    /// Who keeps apart from whom.
    blocks: BTreeSet<(UserId, UserId)>,
    chosen: BTreeMap<UserId, ChosenStatus>,
}

impl Company {
    fn of(logs: &Logs) -> Self {
        // There are no channels here: whoever shares a conversation sees the others.
        let circles = logs.values().map(|log| present(log)).collect();
        let (mut blocks, mut chosen) = (BTreeSet::new(), BTreeMap::new());
        for (owner, log) in logs {
            let Ok(owner) = owner.parse::<UserId>() else { continue };
            for kept in log {
                match &kept.says {
                    Says::Own(UserFact::UserBlocked { user_id }) => drop(blocks.insert((owner, *user_id))),
                    Says::Own(UserFact::PresenceChanged { status, .. }) => {
                        chosen.insert(owner, *status);
                    }
                    _ => {}
                }
            }
        }
        Self { circles, blocks, chosen }
    }

    fn sees(&self, viewer: UserId, other: UserId) -> bool {
        let met = self.circles.iter().any(|circle| circle.contains(&viewer) && circle.contains(&other));
        met && !self.blocks.contains(&(viewer, other)) && !self.blocks.contains(&(other, viewer))
    }

    /// How somebody is to be seen whose devices are all connected.
    fn status(&self, viewer: UserId, other: UserId, devices: &[&Device]) -> PresenceStatus {
        let own = devices.iter().filter(|device| device.witness.user == other);
        let device = own.map(|device| device.witness.device_status()).max();
        let Some(device) = device.filter(|_| self.sees(viewer, other)) else {
            return PresenceStatus::Offline;
        };
        match (self.chosen.get(&other).copied().unwrap_or_default(), device) {
            (ChosenStatus::Invisible, _) => PresenceStatus::Offline,
            (ChosenStatus::Dnd, _) => PresenceStatus::Dnd,
            (ChosenStatus::Online, DeviceStatus::Online) => PresenceStatus::Online,
            (ChosenStatus::Online, DeviceStatus::Away) | (ChosenStatus::Away, _) => PresenceStatus::Away,
        }
    }
}

/// Who is told otherwise than it is.
pub(super) fn unrest(logs: &Logs, devices: &[&Device]) -> Vec<String> {
    let company = Company::of(logs);
    let mut unrest = Vec::new();
    for device in devices {
        let (witness, memory) = (&device.witness, device.witness.memory());
        for other in &witness.watches {
            let expected = company.status(witness.user, *other, devices);
            let told = memory.seen.get(other).map(|told| told.status);
            if told != Some(expected) {
                unrest.push(format!("{} sees {other} as {told:?}, who is {expected:?}", witness.name));
            }
        }
    }
    unrest
}

/// What is told is what is read, at any node.
pub(super) async fn judge(house: &House, person: &Person, devices: &[&Device], faults: &mut Vec<String>) {
    for device in devices.iter().filter(|device| !device.witness.watches.is_empty()) {
        let (witness, memory) = (&device.witness, device.witness.memory());
        let users: Vec<String> = witness.watches.iter().map(ToString::to_string).collect();
        let path = format!("/v1/presence?users={}", users.join(","));
        let told: Vec<&Presence> = witness.watches.iter().filter_map(|user| memory.seen.get(user)).collect();
        for node in 0..REALTIME {
            let answer = house.network.ask_realtime(node, &path, &person.bearer()).await;
            let read = serde_json::from_slice::<Presences>(answer.body()).map(|read| read.items);
            if read.as_ref().map(|read| read.iter().collect::<Vec<_>>()).ok().as_ref() != Some(&told) {
                let status = answer.status();
                faults
                    .push(format!("{} is told {told:?} and reads {status} {read:?} at {node}", witness.name));
            }
        }
    }
}
