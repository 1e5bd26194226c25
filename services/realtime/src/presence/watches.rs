//! What sockets watch, and the channels that are heard for it.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tertulia_contracts::{
    ConnectionId, UserId,
    live::{Glance, presence_channel},
};
use tertulia_runtime::Timestamp;

use super::{AT_ONCE, SIGHT_LASTS, State, Watch, Watcher};
use crate::{hub::Hub, socket::Socket};

/// The most watches of which one sweep asks again who may see whom.
const ASKED_AGAIN_AT_ONCE: usize = 100;

impl Hub {
    /// A socket watches these from now on, and nobody else. It is told how each is seen as soon as that is known.
    ///
    /// The channels are joined before anything is read, so that nothing falls between.
    pub(crate) async fn watch_people(
        &self,
        socket: &Arc<Socket>,
        viewer: UserId,
        users: BTreeSet<UserId>,
    ) -> Result<(), tertulia_bus::Error> {
        let (number, heard) = {
            let mut state = self.watchtower.state();
            state.unwatch(socket.id);
            if users.is_empty() {
                return Ok(());
            }
            state.watch(socket, viewer, users, self.ambient.now())
        };
        let joined = stream::iter(heard).map(|user| self.join_presence(user)).buffer_unordered(AT_ONCE);
        if let Err(error) = joined.try_collect::<()>().await {
            let mut state = self.watchtower.state();
            if state.watches.get(&socket.id).is_some_and(|watch| watch.number == number) {
                state.unwatch(socket.id);
            }
            return Err(error);
        }
        self.watchtower.state().sighted.insert(viewer);
        self.watchtower.stirred.notify_one();
        Ok(())
    }

    /// A socket watches nobody any more.
    pub(crate) fn unwatch_people(&self, socket: &Socket) {
        self.watchtower.state().unwatch(socket.id);
    }

    async fn join_presence(&self, user: UserId) -> Result<(), tertulia_bus::Error> {
        let Some(joined) = self.watchtower.state().joined(user) else { return Ok(()) };
        let mut joined = joined.lock().await;
        if !*joined {
            self.ear.join(&presence_channel(user)).await?;
            *joined = true;
        }
        Ok(())
    }

    async fn leave_presence(&self, user: UserId) {
        let Some(joined) = self.watchtower.state().joined(user) else { return };
        let mut joined = joined.lock().await;
        if !self.watchtower.state().is_idle(user) {
            return;
        }
        if *joined && let Err(error) = self.ear.leave(&presence_channel(user)).await {
            tracing::warn!(%error, %user, "a channel cannot be left; the next sweep tries again");
            return;
        }
        *joined = false;
        let mut state = self.watchtower.state();
        if state.is_idle(user) {
            state.subjects.remove(&user);
        }
    }

    /// Something about how somebody is seen may be another.
    pub(crate) fn hear_glance(&self, user: &str, payload: &[u8]) {
        let (Ok(user), Ok(glance)) = (user.parse(), serde_json::from_slice::<Glance>(payload)) else {
            tracing::error!(user, "what was broadcast on a presence channel does not decode");
            return;
        };
        let mut state = self.watchtower.state();
        if state.subjects.contains_key(&user) {
            state.glanced.insert(user);
            if glance.sight {
                state.sighted.insert(user);
            }
            self.watchtower.stirred.notify_one();
        }
    }

    /// What was said on presence channels may have been missed.
    pub(crate) fn doubt_presence(&self) {
        let mut state = self.watchtower.state();
        let State { subjects, glanced, sighted, .. } = &mut *state;
        glanced.extend(subjects.keys());
        sighted.extend(subjects.keys());
        self.watchtower.stirred.notify_one();
    }

    /// Looks at whom it is time to look at, leaves the channels nobody needs, and tells messaging who went.
    pub(crate) async fn sweep_presence(&self) {
        let idle = self.watchtower.state().sweep(self.ambient.now());
        stream::iter(idle).for_each_concurrent(AT_ONCE, |user| self.leave_presence(user)).await;
        self.tell_seen().await;
    }
}

impl State {
    /// Whose channels are to be heard for it: theirs, and the viewer's own, who may lose sight of them.
    fn watch(
        &mut self,
        socket: &Arc<Socket>,
        viewer: UserId,
        users: BTreeSet<UserId>,
        now: Timestamp,
    ) -> (u64, Vec<UserId>) {
        for user in &users {
            let watcher = Watcher { socket: socket.clone(), viewer, sees: None, asked: false, told: None };
            self.subjects.entry(*user).or_default().watchers.insert(socket.id, watcher);
        }
        let heard: Vec<UserId> = users.iter().copied().chain([viewer]).collect();
        for user in &heard {
            self.subjects.entry(*user).or_default().holds += 1;
        }
        self.watch_count += 1;
        let number = self.watch_count;
        self.watches.insert(socket.id, Watch { number, viewer, users, asked_at: now });
        (number, heard)
    }

    fn unwatch(&mut self, socket: ConnectionId) {
        let Some(Watch { viewer, users, .. }) = self.watches.remove(&socket) else { return };
        for user in users.iter().chain([&viewer]) {
            if let Some(subject) = self.subjects.get_mut(user) {
                subject.holds -= 1;
                subject.watchers.remove(&socket);
            }
        }
    }

    fn joined(&self, user: UserId) -> Option<Arc<tokio::sync::Mutex<bool>>> {
        self.subjects.get(&user).map(|subject| subject.joined.clone())
    }

    fn is_idle(&self, user: UserId) -> bool {
        self.subjects.get(&user).is_some_and(|subject| subject.holds == 0)
    }

    /// Notes who is to be looked at by now. Gives back whom nobody watches any more.
    fn sweep(&mut self, now: Timestamp) -> Vec<UserId> {
        self.glanced.append(&mut self.later);
        self.sighted.append(&mut self.sighted_later);
        let mut idle = Vec::new();
        for (user, subject) in &mut self.subjects {
            if subject.holds == 0 {
                idle.push(*user);
            } else if subject.again_at.take_if(|at| *at <= now).is_some() {
                self.glanced.insert(*user);
            }
        }
        let old = |watch: &&mut Watch| watch.asked_at.plus(SIGHT_LASTS) <= now;
        for watch in self.watches.values_mut().filter(old).take(ASKED_AGAIN_AT_ONCE) {
            watch.asked_at = now;
            self.sighted.insert(watch.viewer);
        }
        idle
    }
}
