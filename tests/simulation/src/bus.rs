//! The bus, both lanes, as one process reaches it. What it promises it keeps: an accepted event reaches each of its
//! groups at least once, those of one key in their order; a listener that loses a broadcast is told of a gap. Within that
//! it delays, refuses, repeats and overtakes as much as it may.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tertulia_bus::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Heard, Listener, Outcome,
    Subscription, Topology,
};
use tertulia_runtime::Event;
use tokio::{sync::Notify, time::sleep};

use crate::{
    Planted,
    world::{Life, World, spawn},
};

/// So often an event may fail before something must be wrong.
const MOST_ATTEMPTS: u32 = 40;
/// The pause before an event that failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// The server: what all processes share.
pub(crate) struct Broker {
    world: Arc<World>,
    topology: Topology,
    state: Mutex<State>,
    /// Somebody has sat down to consume.
    seated: Notify,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<(&'static str, String), Lane>,
    consumers: BTreeMap<u64, Seat>,
    next: u64,
    ears: BTreeMap<u64, Arc<Ear>>,
    /// Every event that was accepted, in order.
    accepted: Vec<Event>,
}

/// The events of one key that wait for one group.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Event>,
    is_served: bool,
}

#[derive(Clone)]
struct Seat {
    group: &'static str,
    life: Arc<Life>,
    handler: Arc<dyn Handler>,
}

impl Broker {
    pub(crate) fn new(world: Arc<World>, topology: Topology) -> Arc<Self> {
        Arc::new(Self { world, topology, state: Mutex::default(), seated: Notify::new() })
    }

    /// Every event that was accepted, in order.
    pub(crate) fn accepted(&self) -> Vec<Event> {
        self.lock().accepted.clone()
    }

    /// Whether nothing waits for anybody.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().lanes.values().all(|lane| lane.waiting.is_empty())
    }

    /// Takes events for every group they are for.
    pub(crate) fn accept(self: &Arc<Self>, events: &[Event]) {
        for event in events {
            self.world.note(format_args!("bus takes {} {} {}", event.kind, event.id, event.data));
            let mut state = self.lock();
            state.accepted.push(event.clone());
            let groups =
                self.topology.groups.iter().filter(|group| group.topics.contains(&event.kind.as_str()));
            for group in groups {
                let key = event.partitionkey.clone();
                let lane = state.lanes.entry((group.name, key.clone())).or_default();
                lane.waiting.push_back(event.clone());
                if !std::mem::replace(&mut lane.is_served, true) {
                    spawn(self.clone().serve(group.name, key));
                }
            }
        }
    }

    /// Hands out the events of one key, one after the other.
    async fn serve(self: Arc<Self>, group: &'static str, key: String) {
        let mut failed = 0;
        while let Some(event) = self.front(group, &key) {
            let Some(seat) = self.seat(group) else {
                self.seated.notified().await;
                continue;
            };
            self.world.delay().await;
            let Some(outcome) = seat.life.while_it_lasts(seat.handler.handle(&event)).await else { continue };
            self.world
                .note(format_args!("{} of {group} handles {} -> {outcome:?}", seat.life.name, event.id));
            match outcome {
                // The receipt is lost: it comes again.
                Outcome::Done if self.world.happens(|climate| climate.redelivered) => {}
                Outcome::Done => {
                    failed = 0;
                    self.done(group, &key);
                }
                Outcome::Retry(_) if failed < MOST_ATTEMPTS => {
                    failed += 1;
                    sleep(PAUSE).await;
                }
                Outcome::Retry(reason) | Outcome::Reject(reason) => {
                    self.world.violation(format!("{} became a dead letter: {reason}", event.id));
                    self.done(group, &key);
                }
            }
        }
    }

    fn front(&self, group: &'static str, key: &str) -> Option<Event> {
        let mut state = self.lock();
        let lane = state.lanes.get_mut(&(group, key.to_owned()))?;
        lane.is_served = !lane.waiting.is_empty();
        lane.waiting.front().cloned()
    }

    fn done(&self, group: &'static str, key: &str) {
        if let Some(lane) = self.lock().lanes.get_mut(&(group, key.to_owned())) {
            lane.waiting.pop_front();
        }
    }

    fn seat(&self, group: &'static str) -> Option<Seat> {
        let mut state = self.lock();
        state.consumers.retain(|_, seat| !seat.life.is_over());
        let seats: Vec<&Seat> = state.consumers.values().filter(|seat| seat.group == group).collect();
        self.world.chance.pick(&seats).map(|seat| (*seat).clone())
    }

    /// Sends a broadcast on its way to everybody who has joined its channel by now.
    fn send(self: &Arc<Self>, message: Broadcast) {
        self.world.note(format_args!("broadcast {} {:?}", message.channel, message.payload));
        let message = Arc::new(message);
        let ears: Vec<Arc<Ear>> = {
            let mut state = self.lock();
            state.ears.retain(|_, ear| !ear.life.is_over());
            state.ears.values().filter(|ear| ear.has_joined(&message.channel)).cloned().collect()
        };
        for ear in ears {
            let heard = if self.world.happens(|climate| climate.broadcast_lost) {
                Heard::Gap
            } else {
                Heard::Message(message.clone())
            };
            if self.world.happens(|climate| climate.broadcast_doubled) {
                self.deliver(ear.clone(), heard.clone());
            }
            self.deliver(ear, heard);
        }
    }

    fn deliver(&self, ear: Arc<Ear>, heard: Heard) {
        if !self.world.happens(|climate| climate.broadcast_late) {
            return ear.push(heard);
        }
        let late = self.world.chance.between(1, 300);
        spawn(async move {
            sleep(late).await;
            ear.push(heard);
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process's handle.
pub(crate) struct SimulatedBus {
    world: Arc<World>,
    life: Arc<Life>,
    broker: Arc<Broker>,
}

impl SimulatedBus {
    pub(crate) fn new(world: Arc<World>, life: Arc<Life>, broker: Arc<Broker>) -> Arc<Self> {
        Arc::new(Self { world, life, broker })
    }

    async fn refuses(&self) -> Result<(), Error> {
        self.world.delay().await;
        Err(Error::Unavailable("it did not answer".to_owned()))
    }
}

#[async_trait]
impl Bus for SimulatedBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        self.life
            .uses(async {
                self.world.delay().await;
                let refuses = self.world.happens(|climate| climate.bus_away);
                if refuses && self.world.chance.happens(500) {
                    return self.refuses().await;
                }
                self.broker.accept(events);
                if refuses {
                    return self.refuses().await;
                }
                self.world.delay().await;
                Ok(())
            })
            .await
    }

    async fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error> {
        let seat = Seat { group: subscription.group, life: self.life.clone(), handler };
        let number = {
            let mut state = self.broker.lock();
            state.next += 1;
            let number = state.next;
            state.consumers.insert(number, seat);
            number
        };
        self.broker.seated.notify_waiters();
        Ok(Box::new(Sitting { broker: self.broker.clone(), number }))
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), Error> {
        self.life
            .uses(async {
                if self.world.happens(|climate| climate.broadcast_refused) {
                    self.world.note(format_args!("broadcast {} is refused", message.channel));
                    return self.refuses().await;
                }
                self.world.delay().await;
                self.broker.send(message);
                Ok(())
            })
            .await
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        let ear = Arc::new(Ear {
            life: self.life.clone(),
            joined: Mutex::default(),
            heard: Mutex::default(),
            news: Notify::new(),
        });
        let mut state = self.broker.lock();
        state.next += 1;
        let number = state.next;
        state.ears.insert(number, ear.clone());
        Ok(Arc::new(Listening { world: self.world.clone(), life: self.life.clone(), ear }))
    }

    async fn dead_letters(&self, _: &str, _: usize) -> Result<Vec<DeadLetter>, Error> {
        Ok(Vec::new())
    }

    async fn replay(&self, _: &str, letter: &DeadLetterId) -> Result<(), Error> {
        Err(Error::NoSuchLetter(letter.0.clone()))
    }

    async fn drop_letter(&self, _: &str, letter: &DeadLetterId) -> Result<(), Error> {
        Err(Error::NoSuchLetter(letter.0.clone()))
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A consumer's place in its group.
struct Sitting {
    broker: Arc<Broker>,
    number: u64,
}

#[async_trait]
impl Consumer for Sitting {
    async fn stop(self: Box<Self>) {}
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.broker.lock().consumers.remove(&self.number);
    }
}

/// What one listener has joined, and what waits for it.
struct Ear {
    life: Arc<Life>,
    joined: Mutex<BTreeSet<String>>,
    heard: Mutex<VecDeque<Heard>>,
    news: Notify,
}

impl Ear {
    fn joined(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_joined(&self, channel: &str) -> bool {
        self.joined().contains(channel)
    }

    fn push(&self, heard: Heard) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push_back(heard);
        self.news.notify_one();
    }

    fn next(&self) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Listening {
    world: Arc<World>,
    life: Arc<Life>,
    ear: Arc<Ear>,
}

#[async_trait]
impl Listener for Listening {
    async fn join(&self, channel: &str) -> Result<(), Error> {
        self.life
            .uses(async {
                if self.world.planted == Some(Planted::SubscribeAfterRead) {
                    // It says that it listens and begins to some time later: as who reads first and listens then.
                    let (ear, channel) = (self.ear.clone(), channel.to_owned());
                    let later = self.world.chance.between(50, 500);
                    spawn(async move {
                        sleep(later).await;
                        ear.joined().insert(channel);
                    });
                    return Ok(());
                }
                if self.world.happens(|climate| climate.bus_away) {
                    return Err(Error::Unavailable("it did not answer".to_owned()));
                }
                self.world.delay().await;
                self.ear.joined().insert(channel.to_owned());
                self.world.delay().await;
                Ok(())
            })
            .await
    }

    async fn leave(&self, channel: &str) -> Result<(), Error> {
        self.life
            .uses(async {
                self.world.delay().await;
                self.ear.joined().remove(channel);
                Ok(())
            })
            .await
    }

    async fn hear(&self) -> Heard {
        loop {
            // The dead hear nothing, and what they would do about it they cannot do.
            if let Some(heard) = self.ear.next() {
                return heard;
            }
            self.ear.news.notified().await;
        }
    }
}
