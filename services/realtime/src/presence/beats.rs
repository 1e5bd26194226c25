//! What this node says of its own people: in the cache that they are connected, on their channel that there is something
//! new to see, and to messaging when they went.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tertulia_bus::Broadcast;
use tertulia_contracts::{
    UserId,
    live::{Glance, presence_channel},
    presence::{DeviceStatus, MAX_PRESENCE_USERS, OFFLINE_GRACE},
};
use tertulia_runtime::Timestamp;

use super::{
    AT_ONCE, State,
    pulse::{Beat, Pulse, key},
};
use crate::hub::{Hub, locked};

/// At most so often there is something new to say of one person: who comes and goes in between did neither.
const PACE_MS: u64 = 1_000;
/// The most people of whom messaging is still to be told that they went. Of more it is not.
const MAX_SEEN: usize = 10_000;
/// A bus that does not take a broadcast in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// A node that leaves spends at most so long on saying that its people went.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What was said of one person.
#[derive(Clone, Copy)]
pub(super) struct Own {
    status: DeviceStatus,
    /// When, in milliseconds of the hub's life.
    said_at_ms: u64,
    /// Whether those who watch were told to look.
    told: bool,
}

/// What is to be said of one person.
struct Word {
    user: UserId,
    /// As what they are connected here, or were until now.
    status: DeviceStatus,
    is_gone: bool,
    is_news: bool,
}

impl Hub {
    /// There may be something new to say of a user of this node.
    pub(crate) fn stir(&self, user: UserId) {
        self.watchtower.state().stirred.insert(user);
        self.watchtower.stirred.notify_one();
    }

    /// Says what there is to say of this node's people, and what is to be said again.
    pub(crate) async fn beat(&self) {
        let Ok(_alone) = self.watchtower.beating.try_lock() else { return };
        loop {
            let words = self.words(PACE_MS);
            if words.is_empty() {
                return;
            }
            stream::iter(words).for_each_concurrent(AT_ONCE, |word| self.say(word)).await;
        }
    }

    /// The node leaves: says of those who went with it that they did.
    pub(crate) async fn last_words(&self) {
        let said = async {
            let _alone = self.watchtower.beating.lock().await;
            stream::iter(self.words(0)).for_each_concurrent(AT_ONCE, |word| self.say(word)).await;
            while self.tell_seen().await {}
        };
        if tokio::time::timeout(LAST_WORDS, said).await.is_err() {
            tracing::debug!("the node leaves before it could say who went with it");
        }
    }

    /// What is to be said now. Of whom something was said less than `pace_ms` ago, it waits.
    fn words(&self, pace_ms: u64) -> Vec<Word> {
        let now_ms = self.uptime_ms();
        let again_after_ms = self.config.presence_ttl_ms / 3;
        let due: Vec<(UserId, Option<Own>)> = {
            let mut state = self.watchtower.state();
            let State { own, stirred, .. } = &mut *state;
            let since = |own: &Own| now_ms.saturating_sub(own.said_at_ms);
            let waits = |user: &UserId| own.get(user).is_some_and(|own| since(own) < pace_ms);
            let (waiting, ready) = std::mem::take(stirred).into_iter().partition(waits);
            let mut due: BTreeSet<UserId> = ready;
            *stirred = waiting;
            due.extend(own.iter().filter(|(_, own)| since(own) >= again_after_ms).map(|(user, _)| *user));
            due.into_iter().map(|user| (user, own.get(&user).copied())).collect()
        };
        let statuses: Vec<_> = due.iter().map(|(user, _)| self.status_of(*user)).collect();
        let now = self.ambient.now();
        let mut state = self.watchtower.state();
        let words = due.into_iter().zip(statuses);
        words.filter_map(|((user, before), status)| state.word(user, before, status, now_ms, now)).collect()
    }

    /// The most present of a user's sockets here.
    fn status_of(&self, user: UserId) -> Option<DeviceStatus> {
        locked(&self.users).get(&user)?.iter().map(|socket| socket.device_status()).max()
    }

    async fn say(&self, Word { user, status, is_gone, is_news }: Word) {
        let tower = &self.watchtower;
        let ttl = Duration::from_millis(self.config.presence_ttl_ms);
        let now = self.ambient.now();
        let until = now.plus(if is_gone { OFFLINE_GRACE } else { ttl });
        let kept = tower.cache.get(&key(user)).await;
        let kept = kept.as_deref().map_or_else(Pulse::default, Pulse::read);
        let before = kept.at(now);
        let pulse = kept.with(Beat { node: tower.node, status, until }, now);
        // Said again, it is news where the last word was lost or had run out: a cache that was emptied, a machine that slept.
        let is_news = is_news || pulse.at(now) != before;
        tower.cache.set(&key(user), pulse.write().into(), ttl.max(OFFLINE_GRACE) * 2).await;
        if is_news && self.tell_to_look(user).await && !is_gone {
            tower.state().own.entry(user).and_modify(|own| own.told |= own.status == status);
        }
    }

    async fn tell_to_look(&self, user: UserId) -> bool {
        let glance =
            serde_json::to_vec(&Glance { sight: false }).expect("a glance is plain data and encodes");
        let message = Broadcast { channel: presence_channel(user), payload: Bytes::from(glance) };
        matches!(tokio::time::timeout(PATIENCE, self.bus.broadcast(message)).await, Ok(Ok(())))
    }

    /// Tells messaging of some who went. Whether there are more, and it was told.
    pub(crate) async fn tell_seen(&self) -> bool {
        let Ok(_alone) = self.watchtower.telling_seen.try_lock() else { return false };
        let some: Vec<(UserId, Timestamp)> = {
            let mut state = self.watchtower.state();
            std::iter::from_fn(|| state.seen.pop_first()).take(MAX_PRESENCE_USERS).collect()
        };
        if some.is_empty() {
            return false;
        }
        let told = self.upstream.note_seen(some.clone()).await;
        let mut state = self.watchtower.state();
        if let Err(refusal) = told {
            tracing::debug!(
                code = refusal.code,
                "messaging was not told who went; the next sweep tries again"
            );
            // Who went again meanwhile went later.
            for (user, at) in some {
                state.went(user, at);
            }
            return false;
        }
        !state.seen.is_empty()
    }
}

impl State {
    /// What there is to say of somebody who is connected as this now, or not at all.
    fn word(
        &mut self,
        user: UserId,
        before: Option<Own>,
        status: Option<DeviceStatus>,
        now_ms: u64,
        now: Timestamp,
    ) -> Option<Word> {
        if let Some(status) = status {
            let is_news = before.is_none_or(|own| own.status != status || !own.told);
            self.own.insert(user, Own { status, said_at_ms: now_ms, told: !is_news });
            return Some(Word { user, status, is_gone: false, is_news });
        }
        let own = self.own.remove(&user)?;
        self.went(user, now);
        Some(Word { user, status: own.status, is_gone: true, is_news: true })
    }

    fn went(&mut self, user: UserId, at: Timestamp) {
        if self.seen.len() < MAX_SEEN {
            self.seen.entry(user).and_modify(|later| *later = at.max(*later)).or_insert(at);
        }
    }
}
