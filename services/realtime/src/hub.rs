//! The node's part in realtime: which sockets there are, which logs they hear, and the one task that hears the
//! live lane, gives each event out, mends holes and looks after what has gone quiet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map::Entry},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tertulia_bus::{Broadcast, Bus, Heard, Listener};
use tertulia_contracts::{
    ConnectionId, ConversationId, UserId,
    address::network,
    frames::ServerFrame,
    identity::Verifier,
    live::{Control, Read},
};
use tertulia_runtime::{
    Ambient, Entropy, Kind, Supervisor, entropy::random_part, lifecycle::CancellationToken,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    Config,
    catch_up::repair,
    error::Error,
    feed::{Attachment, Feed, Owner},
    meters::Meters,
    parting::Parting,
    presence::Watchtower,
    socket::{Login, Socket},
    upstream::Upstream,
    wire::{self, OnLogChannel},
};

/// How often the quiet ones are looked after. All deadlines here are this coarse.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Holes mended at once.
const MAX_REPAIRS: usize = 8;

/// The sockets of this node and what they hear.
pub(crate) struct Hub {
    pub config: Config,
    pub ambient: Ambient,
    pub upstream: Upstream,
    pub verifier: Arc<Verifier>,
    pub meters: Meters,
    /// Runs what no socket's own task does.
    pub supervisor: Supervisor,
    pub bus: Arc<dyn Bus>,
    pub ear: Arc<dyn Listener>,
    /// Who is there.
    pub watchtower: Watchtower,
    started: Instant,
    draining: AtomicBool,
    /// What is gone through as a whole is kept in order, so that a run repeats.
    sockets: Mutex<BTreeMap<ConnectionId, Arc<Socket>>>,
    gone: Notify,
    pub users: Mutex<HashMap<UserId, Vec<Arc<Socket>>>>,
    /// How many sockets there are of each address.
    addresses: Mutex<HashMap<IpAddr, usize>>,
    feeds: Mutex<BTreeMap<Owner, Arc<Feed>>>,
    holes: Mutex<BTreeSet<Owner>>,
    hole_found: Notify,
    repairs: Semaphore,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are changed by single inserts and removals, so a panic elsewhere leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) async fn new(config: Config, deps: crate::Deps) -> Result<Arc<Self>, Error> {
        let ear = deps.bus.listen().await?;
        let watchtower = Watchtower::new(deps.ambient.ids.next(), deps.cache);
        Ok(Arc::new(Self {
            watchtower,
            config,
            ambient: deps.ambient,
            upstream: Upstream::new(deps.mesh),
            verifier: deps.verifier,
            meters: Meters::new(&deps.metrics),
            supervisor: deps.supervisor,
            bus: deps.bus,
            ear,
            started: Instant::now(),
            draining: AtomicBool::new(false),
            sockets: Mutex::default(),
            gone: Notify::new(),
            users: Mutex::default(),
            addresses: Mutex::default(),
            feeds: Mutex::default(),
            holes: Mutex::default(),
            hole_found: Notify::new(),
            repairs: Semaphore::new(MAX_REPAIRS),
        }))
    }

    /// Milliseconds since the hub began: what idleness is measured in.
    pub(crate) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A place for one more socket of a client at this address.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, Error> {
        let mut sockets = locked(&self.sockets);
        // Read under the lock that draining takes its list under, or one could slip in behind it.
        if self.draining.load(Relaxed) {
            return Err(Error::Draining);
        }
        if sockets.len() >= self.config.max_sockets {
            return Err(Error::Full);
        }
        // This machine's own address is a proxy's that is not listed, or the operator's: no one client's.
        let address = address.filter(|address| !address.is_loopback()).map(network);
        if let Some(address) = address {
            let mut addresses = locked(&self.addresses);
            let theirs = addresses.entry(address).or_default();
            if *theirs >= self.config.max_sockets_per_address {
                return Err(Error::AddressFull);
            }
            *theirs += 1;
        }
        let id = self.ambient.ids.next();
        let socket = Arc::new(Socket::new(id, self.uptime_ms(), self.config.outbox_bytes));
        sockets.insert(id, socket.clone());
        self.meters.sockets.inc();
        Ok(Seat { hub: self.clone(), socket, address })
    }

    /// Counts a socket as its user's, so that what concerns the user reaches it.
    pub(crate) fn enrol(&self, login: Login, socket: &Arc<Socket>) -> Result<(), Parting> {
        let mut users = locked(&self.users);
        let theirs = users.entry(login.user).or_default();
        if theirs.len() >= self.config.max_sockets_per_user {
            return Err(Parting::stop("too many sockets of one user"));
        }
        theirs.push(socket.clone());
        drop(users);
        self.stir(login.user);
        Ok(())
    }

    /// Holds a log's feed for a socket.
    pub(crate) fn attach(&self, owner: Owner, socket: &Arc<Socket>) -> Arc<Attachment> {
        let mut feeds = locked(&self.feeds);
        let feed = feeds.entry(owner).or_insert_with(|| Arc::new(Feed::new(owner))).clone();
        // Attached under the map's lock: an idle feed is taken out under the same one.
        Arc::new(Attachment::new(feed, socket.clone()))
    }

    /// Sees to it that this node hears a feed that it holds.
    pub(crate) async fn join(&self, feed: &Feed) -> Result<(), tertulia_bus::Error> {
        let mut joined = feed.joined.lock().await;
        if !*joined {
            for channel in feed.owner.channels() {
                self.ear.join(&channel).await?;
            }
            *joined = true;
        }
        Ok(())
    }

    async fn leave(&self, feed: Arc<Feed>) {
        let mut joined = feed.joined.lock().await;
        if !feed.is_idle() {
            return;
        }
        for channel in feed.owner.channels() {
            if let Err(error) = self.ear.leave(&channel).await {
                tracing::warn!(%error, channel, "a channel cannot be left; the next sweep tries again");
                return;
            }
        }
        *joined = false;
        if let btree_map::Entry::Occupied(entry) = locked(&self.feeds).entry(feed.owner)
            && feed.is_idle()
        {
            entry.remove();
        }
    }

    /// Hears the live lane and looks after the node's sockets until shutdown has emptied it.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        // If a run before this one panicked, what it was hearing just then is lost.
        self.doubt_everything();
        let mut jobs: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drained = std::pin::pin!(async {
            shutdown.cancelled().await;
            self.drain().await;
        });
        loop {
            tokio::select! {
                // In this order, so that a run repeats: last what may be ready for ever.
                biased;
                () = &mut drained => return,
                () = self.hole_found.notified() => {
                    let holes = std::mem::take(&mut *locked(&self.holes));
                    for feed in holes.into_iter().filter_map(|owner| self.feed(owner)) {
                        jobs.extend(self.repair_of(&feed, false));
                    }
                }
                () = self.watchtower.stirred.notified() => {
                    jobs.push(Box::pin(self.beat()));
                    jobs.push(Box::pin(self.look()));
                }
                _ = sweep.tick() => {
                    self.sweep_sockets();
                    self.sweep_feeds(&mut jobs);
                    jobs.push(Box::pin(self.sweep_presence()));
                    self.watchtower.stirred.notify_one();
                }
                Some(()) = jobs.next(), if !jobs.is_empty() => {}
                heard = self.ear.hear() => self.hear(heard),
            }
        }
    }

    /// A conversation is known to reach at least this far.
    pub(crate) fn heard_of(&self, conversation: ConversationId, seq: u64) {
        if let Some(feed) = self.feed(Owner::Conversation(conversation)) {
            feed.heard_of(seq);
        }
    }

    fn feed(&self, owner: Owner) -> Option<Arc<Feed>> {
        locked(&self.feeds).get(&owner).cloned()
    }

    fn hear(&self, heard: Heard) {
        match heard {
            Heard::Message(message) => {
                let Broadcast { channel, payload } = &*message;
                if let Some(log) = channel.strip_prefix("log/") {
                    self.hear_log(log, payload);
                } else if let Some(user) = channel.strip_prefix("control/") {
                    self.hear_control(user, payload);
                } else if let Some(user) = channel.strip_prefix("presence/") {
                    self.hear_glance(user, payload);
                }
            }
            Heard::Gap => {
                self.meters.gaps.inc();
                self.doubt_everything();
                self.doubt_presence();
            }
        }
    }

    fn doubt_everything(&self) {
        for feed in locked(&self.feeds).values() {
            feed.doubt();
            locked(&self.holes).insert(feed.owner);
        }
        self.hole_found.notify_one();
    }

    fn hear_log(&self, log: &str, payload: &Bytes) {
        let owner = log.parse().map(Owner::Conversation).or_else(|_| log.parse().map(Owner::User));
        let Some(feed) = owner.ok().and_then(|owner| self.feed(owner)) else { return };
        let message: OnLogChannel<'_> = match serde_json::from_slice(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, log, "what was broadcast on a log's channel does not decode");
                feed.doubt();
                return;
            }
        };
        let delivered = feed.deliver(&message.entries);
        self.meters.deliveries.inc_by(delivered.frames);
        if delivered.hole {
            locked(&self.holes).insert(feed.owner);
            self.hole_found.notify_one();
        }
        if message.look_again {
            feed.hush.forget();
        }
        if message.narrowed {
            for socket in feed.narrow() {
                socket.part(Parting::resume("fewer may read a conversation that it follows"));
            }
        }
        let Owner::Conversation(c) = feed.owner else { return };
        if let Some(user) = message.typing {
            self.whisper(&feed, &ServerFrame::Typing { c, user }, |other| other != user);
        }
        if let Some(Read { user, seq, to }) = message.read {
            self.whisper(&feed, &ServerFrame::Read { c, user, seq }, |other| to.contains(&other));
        }
    }

    fn whisper(&self, feed: &Feed, frame: &ServerFrame, is_for: impl Fn(UserId) -> bool) {
        let (told, dropped) = feed.whisper(&wire::encode(frame), is_for);
        self.meters.deliveries.inc_by(told);
        self.meters.dropped.inc_by(dropped);
    }

    fn hear_control(&self, user: &str, payload: &Bytes) {
        let (Ok(user), Ok(control)) = (user.parse(), serde_json::from_slice(payload)) else {
            tracing::error!(user, "what was broadcast on a control channel does not decode");
            return;
        };
        let sockets = locked(&self.users).get(&user).cloned().unwrap_or_default();
        match control {
            Control::SessionRevoked { session_id } => {
                let of_session =
                    |socket: &&Arc<Socket>| socket.login().is_some_and(|it| it.session == session_id);
                for socket in sockets.iter().filter(of_session) {
                    socket.part(Parting::log_in_again("the login was ended"));
                }
            }
            Control::AccessLost { conversation_id } => {
                let feed = self.feed(Owner::Conversation(conversation_id));
                for socket in &sockets {
                    if let Some(feed) = &feed {
                        feed.silence(socket);
                    }
                    socket.lose(conversation_id);
                }
            }
            // Whoever verifies hears it on another channel.
            Control::AccountChanged { .. } => {}
        }
    }

    fn repair_of(&self, feed: &Arc<Feed>, patient: bool) -> Option<BoxFuture<'_, ()>> {
        let claim = feed.claim_repair(patient)?;
        Some(Box::pin(async move {
            let _permit = self.repairs.acquire().await.expect("the semaphore is never closed");
            self.meters.repairs.inc();
            let Err(refusal) = repair(self, &claim).await else { return claim.done() };
            tracing::warn!(owner = ?claim.feed.owner, code = refusal.code, "a hole could not be mended yet");
            if let (Kind::NotFound | Kind::Forbidden, Owner::Conversation(c)) =
                (refusal.kind, claim.feed.owner)
            {
                // In whose name it was read, may not read it any more; the next try is in another's.
                claim.feed.silence(&claim.socket);
                claim.socket.lose(c);
            }
        }))
    }

    fn sweep_feeds<'a>(&'a self, jobs: &mut FuturesUnordered<BoxFuture<'a, ()>>) {
        let feeds: Vec<Arc<Feed>> = locked(&self.feeds).values().cloned().collect();
        for feed in feeds {
            if feed.is_idle() {
                jobs.push(Box::pin(self.leave(feed)));
            } else {
                self.meters.deliveries.inc_by(feed.tell_watchers());
                jobs.extend(self.repair_of(&feed, true));
            }
        }
    }

    /// Closes who never said hello, whose token ran out and who is gone; asks the silent whether they are there.
    fn sweep_sockets(&self) {
        let (now_ms, now) = (self.uptime_ms(), self.ambient.now());
        let limits = &self.config;
        for socket in locked(&self.sockets).values() {
            let (heard, pinged) = (socket.heard_at_ms(), socket.pinged_at_ms());
            let waits_for_pong = pinged > heard;
            if socket.login().is_none() {
                if now_ms.saturating_sub(socket.opened_at_ms) >= limits.hello_timeout_ms {
                    socket.part(Parting::stop("no hello in time"));
                }
            } else if socket.has_expired(now) {
                socket.part(Parting::log_in_again("the token expired"));
            } else if waits_for_pong && now_ms.saturating_sub(pinged) >= limits.pong_timeout_ms {
                socket.part(Parting::resume("no answer to a ping"));
            } else if !waits_for_pong && now_ms.saturating_sub(heard) >= self.ping_after_ms(socket) {
                socket.ping(now_ms);
            }
        }
    }

    /// Up to a quarter later than configured, each socket at its own moment, so that pings do not come in waves.
    fn ping_after_ms(&self, socket: &Socket) -> u64 {
        let spread = (self.config.ping_interval_ms / 4).max(1);
        let random_part = u64::try_from(socket.id.ulid().random() % u128::from(spread)).unwrap_or(0);
        self.config.ping_interval_ms + random_part
    }

    /// Sends everyone elsewhere, spread over the configured time, waits until they have gone, and says so.
    async fn drain(&self) {
        let sockets: Vec<Arc<Socket>> = {
            let sockets = locked(&self.sockets);
            self.draining.store(true, Relaxed);
            sockets.values().cloned().collect()
        };
        let (begin, spread) = (Instant::now(), Duration::from_millis(self.config.drain_ms));
        for (moment, socket) in departures(&*self.ambient.entropy, sockets, spread) {
            tokio::time::sleep_until(begin + moment).await;
            socket.part(Parting::resume("the node is leaving"));
        }
        loop {
            let gone = self.gone.notified();
            if locked(&self.sockets).is_empty() {
                return self.last_words().await;
            }
            gone.await;
        }
    }
}

/// A moment for each, drawn at random from the whole span, in their order: so those who leave come to the other
/// nodes evenly, whenever they came here.
fn departures<T>(entropy: &dyn Entropy, leaving: Vec<T>, spread: Duration) -> Vec<(Duration, T)> {
    let mut departures: Vec<_> = leaving.into_iter().map(|it| (random_part(entropy, spread), it)).collect();
    departures.sort_by_key(|(moment, _)| *moment);
    departures
}

/// A socket's place in the hub; given back when dropped.
pub(crate) struct Seat {
    pub hub: Arc<Hub>,
    pub socket: Arc<Socket>,
    address: Option<IpAddr>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(login) = self.socket.login()
            && let Entry::Occupied(mut theirs) = locked(&self.hub.users).entry(login.user)
        {
            theirs.get_mut().retain(|socket| socket.id != self.socket.id);
            if theirs.get().is_empty() {
                theirs.remove();
            }
        }
        self.hub.unwatch_people(&self.socket);
        if let Some(login) = self.socket.login() {
            self.hub.stir(login.user);
        }
        if let Some(address) = self.address
            && let Entry::Occupied(mut theirs) = locked(&self.hub.addresses).entry(address)
        {
            *theirs.get_mut() -= 1;
            if *theirs.get() == 0 {
                theirs.remove();
            }
        }
        locked(&self.hub.sockets).remove(&self.socket.id);
        self.hub.meters.sockets.dec();
        self.hub.gone.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn who_leaves_is_spread_over_the_whole_span_at_random() {
        let spread = Duration::from_secs(2);
        let leave = |seed| departures(&SeededEntropy::new(seed), (0..1_000).collect(), spread);
        let departures = leave(7);
        assert!(departures.is_sorted_by_key(|(moment, _)| *moment));
        assert!(departures.iter().all(|(moment, _)| *moment <= spread));
        for quarter in 0..4 {
            let within = spread * quarter / 4..spread * (quarter + 1) / 4;
            let count = departures.iter().filter(|(moment, _)| within.contains(moment)).count();
            assert!((200..300).contains(&count), "{count} of 1,000 in quarter {quarter}");
        }
        assert!(!departures.is_sorted_by_key(|(_, who)| *who), "who came first does not leave first");
        assert_eq!(leave(7), departures, "the same seed gives the same moments");
        assert_ne!(leave(8), departures);
    }
}
