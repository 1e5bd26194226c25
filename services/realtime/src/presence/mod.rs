//! Who is there, as far as this node knows and tells.
//!
//! Each node says of its own people in the cache that they are connected, and says it again before its word runs out
//! ([`beats`]). Whoever watches somebody reads that, and what messaging knows of it: who may see whom, and what people
//! choose to be seen as ([`looks`]). On a user's presence channel nodes and messaging say only: look again. So what is
//! told is always what can be read, a lost word costs time and not truth, and nothing that not everybody may know
//! travels. Without the cache all are `unknown`, and nothing else fails.

pub(crate) mod api;
mod beats;
mod looks;
mod pulse;
mod watches;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tertulia_cache::Cache;
use tertulia_contracts::{
    ConnectionId, NodeId, UserId,
    presence::{ChosenStatus, DeviceStatus, Face, Presence, PresenceStatus},
};
use tertulia_runtime::Timestamp;
use tokio::sync::Notify;

use self::{beats::Own, pulse::Pulse};
use crate::socket::Socket;

/// Who may see whom is asked again after so long, whether or not somebody said that it changed.
const SIGHT_LASTS: Duration = Duration::from_mins(5);
/// While the cache or messaging is away, it is looked for again so often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many questions are open at once.
const AT_ONCE: usize = 32;

/// A node's part in who is there.
pub(crate) struct Watchtower {
    node: NodeId,
    cache: Arc<dyn Cache>,
    state: Mutex<State>,
    /// Somebody came, went, or is to be looked at.
    pub stirred: Notify,
    /// One at a time does each of these.
    beating: tokio::sync::Mutex<()>,
    looking: tokio::sync::Mutex<()>,
    telling_seen: tokio::sync::Mutex<()>,
}

/// What is gone through as a whole is kept in order, so that a run repeats.
#[derive(Default)]
struct State {
    /// What this node has said of its own people.
    own: BTreeMap<UserId, Own>,
    /// Its own people of whom there may be something new to say.
    stirred: BTreeSet<UserId>,
    /// Who went, and when; messaging is to be told.
    seen: BTreeMap<UserId, Timestamp>,
    /// What each socket watches.
    watches: BTreeMap<ConnectionId, Watch>,
    /// How many there were: what tells one from another of the same socket.
    watch_count: u64,
    /// Who is watched, or watches.
    subjects: BTreeMap<UserId, Subject>,
    /// Who of them is to be looked at.
    glanced: BTreeSet<UserId>,
    /// The same, not before the next sweep.
    later: BTreeSet<UserId>,
    /// Whom others see, and who sees them, is to be asked again.
    sighted: BTreeSet<UserId>,
    /// The same, not before the next sweep.
    sighted_later: BTreeSet<UserId>,
}

/// What one socket watches.
struct Watch {
    number: u64,
    viewer: UserId,
    users: BTreeSet<UserId>,
    /// When it was last asked whom the viewer may see.
    asked_at: Timestamp,
}

/// Somebody about whom something is to be heard.
#[derive(Default)]
struct Subject {
    /// How many watches need the channel: those of them, and their own.
    holds: usize,
    /// Whether the node's ear has joined the channel. Held across joining and leaving, so that they alternate.
    joined: Arc<tokio::sync::Mutex<bool>>,
    watchers: BTreeMap<ConnectionId, Watcher>,
    /// At this moment it may be another.
    again_at: Option<Timestamp>,
}

/// Who watches somebody.
struct Watcher {
    socket: Arc<Socket>,
    viewer: UserId,
    /// Whether they may; not known before the first answer.
    sees: Option<bool>,
    /// Whether it was asked already.
    asked: bool,
    /// What they were told last.
    told: Option<Arc<Presence>>,
}

/// How somebody is seen.
struct View {
    face: Face,
    pulse: Pulse,
}

impl Watchtower {
    pub(crate) fn new(node: NodeId, cache: Arc<dyn Cache>) -> Self {
        let (state, stirred, beating, looking, telling_seen) = Default::default();
        Self { node, cache, state, stirred, beating, looking, telling_seen }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held leaves at worst somebody told too late: the next look mends it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// What those see who may.
    fn at(&self, now: Timestamp) -> Presence {
        let Face { user_id, status, text, last_seen, .. } = &self.face;
        let connected = self.pulse.at(now).filter(|_| *status != ChosenStatus::Invisible);
        let status = match (connected, status) {
            (None, _) | (_, ChosenStatus::Invisible) => PresenceStatus::Offline,
            (_, ChosenStatus::Dnd) => PresenceStatus::Dnd,
            (Some(DeviceStatus::Away), _) | (_, ChosenStatus::Away) => PresenceStatus::Away,
            (Some(DeviceStatus::Online), ChosenStatus::Online) => PresenceStatus::Online,
        };
        let is_offline = status == PresenceStatus::Offline;
        Presence {
            user_id: *user_id,
            status,
            last_seen: last_seen.filter(|_| is_offline),
            text: text.clone().filter(|_| !is_offline),
        }
    }

    /// When it may be another without anybody saying so.
    fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        [self.pulse.ends_at(now), self.face.until].into_iter().flatten().min()
    }
}

/// As everybody is seen who shows nothing: who may not be seen, and who does not exist.
fn blank(user_id: UserId, status: PresenceStatus) -> Presence {
    Presence { user_id, status, last_seen: None, text: None }
}

/// How somebody is seen by who may see them, or may not. While it cannot be told of anybody, it is told of nobody, so
/// that this does not show who may be seen.
fn shown(user: UserId, view: Option<&View>, sees: bool, now: Timestamp) -> Presence {
    match view {
        None => blank(user, PresenceStatus::Unknown),
        Some(view) if sees => view.at(now),
        Some(_) => blank(user, PresenceStatus::Offline),
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::{pulse::Beat, *};

    fn view(chosen: ChosenStatus, device: Option<DeviceStatus>) -> View {
        let user_id = UserId::from_ulid(Ulid::from_parts(1, 1));
        let (text, last_seen) = (Some("Here".to_owned()), Some(Timestamp::from_millis(60_000)));
        let face = Face { user_id, status: chosen, text, last_seen, until: None };
        let node = NodeId::from_ulid(Ulid::from_parts(1, 2));
        let beat = |status| Beat { node, status, until: Timestamp::from_millis(1_000) };
        let now = Timestamp::EPOCH;
        let pulse = device.map_or_else(Pulse::default, |status| Pulse::default().with(beat(status), now));
        View { face, pulse }
    }

    #[test]
    fn what_is_chosen_and_what_devices_say_come_together() {
        use ChosenStatus as Chosen;
        use DeviceStatus as Device;
        use PresenceStatus as Seen;
        for (chosen, online, away) in [
            (Chosen::Online, Seen::Online, Seen::Away),
            (Chosen::Away, Seen::Away, Seen::Away),
            (Chosen::Dnd, Seen::Dnd, Seen::Dnd),
            (Chosen::Invisible, Seen::Offline, Seen::Offline),
        ] {
            let at = |device| view(chosen, device).at(Timestamp::EPOCH);
            assert_eq!((at(Some(Device::Online)).status, at(Some(Device::Away)).status), (online, away));
            assert_eq!(at(None), view(Chosen::Online, None).at(Timestamp::EPOCH), "{chosen:?}");
            let connected = at(Some(Device::Online));
            assert_eq!(connected.last_seen.is_some(), connected.status == Seen::Offline);
            assert_eq!(connected.text.is_some(), connected.status != Seen::Offline);
        }
    }

    #[test]
    fn who_is_invisible_is_as_who_is_not_there_and_who_is_hidden_as_who_does_not_exist() {
        let now = Timestamp::EPOCH;
        let (hiding, gone) =
            (view(ChosenStatus::Invisible, Some(DeviceStatus::Online)), view(ChosenStatus::Online, None));
        assert_eq!(hiding.at(now), gone.at(now));
        let user = hiding.face.user_id;
        assert_eq!(shown(user, Some(&hiding), false, now), blank(user, PresenceStatus::Offline));
        assert_eq!(shown(user, None, true, now), shown(user, None, false, now));
    }
}
