//! Looking: what the cache and messaging say of those who are watched, and telling it to who watches them if it is news.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt as _, stream};
use tertulia_contracts::{
    ConnectionId, UserId,
    frames::ServerFrame,
    presence::{MAX_PRESENCE_USERS, Presence, PresenceStatus},
};
use tertulia_runtime::Timestamp;

use super::{
    AT_ONCE, LOOK_AGAIN, State, View, Watcher, blank,
    pulse::{Pulse, key},
    shown,
};
use crate::{
    hub::Hub,
    upstream::Refusal,
    wire::{self, Frames},
};

/// Of so many people it is asked at once whom they see.
const SIGHTS_AT_ONCE: usize = 8;

impl Hub {
    /// Looks at whom there is to look at, and tells what is new.
    pub(crate) async fn look(&self) {
        let Ok(_alone) = self.watchtower.looking.try_lock() else { return };
        loop {
            let sighted: Vec<UserId> = take(&mut self.watchtower.state().sighted, AT_ONCE);
            let none_to_ask = sighted.is_empty();
            stream::iter(sighted).for_each_concurrent(SIGHTS_AT_ONCE, |user| self.ask_sight(user)).await;
            let glanced = take(&mut self.watchtower.state().glanced, MAX_PRESENCE_USERS);
            if glanced.is_empty() && none_to_ask {
                return;
            }
            let views = self.views(&glanced).await;
            let (told, dropped) = self.watchtower.state().tell(views, self.ambient.now());
            self.meters.deliveries.inc_by(told);
            self.meters.dropped.inc_by(dropped);
        }
    }

    /// How these are seen at this moment by one viewer, in their order.
    pub(crate) async fn see(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<Presence>, Refusal> {
        let company = self.upstream.company(viewer, users.to_vec()).await?;
        let mut views = self.views(users).await;
        let now = self.ambient.now();
        let seen = |user: &UserId| {
            let view = views.remove(user).flatten();
            shown(*user, view.as_ref(), company.contains(user), now)
        };
        Ok(users.iter().map(seen).collect())
    }

    /// What the cache and messaging say of these; nothing while one of them is away.
    async fn views(&self, users: &[UserId]) -> BTreeMap<UserId, Option<View>> {
        if users.is_empty() {
            return BTreeMap::new();
        }
        let cache = &self.watchtower.cache;
        let pulses = async {
            let pulses = stream::iter(users.to_vec()).map(|user| async move {
                let kept = cache.get(&key(user)).await;
                (user, kept.as_deref().map_or_else(Pulse::default, Pulse::read))
            });
            let pulses: BTreeMap<UserId, Pulse> = pulses.buffer_unordered(AT_ONCE).collect().await;
            // Behind the reads: a miss of a cache that was there then means something.
            cache.check().await.is_ok().then_some(pulses)
        };
        let (pulses, faces) = tokio::join!(pulses, self.upstream.faces(users.to_vec()));
        let faces =
            faces.inspect_err(|refusal| tracing::debug!(code = refusal.code, "nobody can be seen now"));
        let (Some(mut pulses), Ok(faces)) = (pulses, faces) else {
            return users.iter().map(|user| (*user, None)).collect();
        };
        let mut views: BTreeMap<UserId, Option<View>> = users.iter().map(|user| (*user, None)).collect();
        for face in faces {
            if let Some(pulse) = pulses.remove(&face.user_id) {
                views.insert(face.user_id, Some(View { face, pulse }));
            }
        }
        views
    }

    /// Asks who of those who watch somebody, and whom they watch, see each other.
    async fn ask_sight(&self, user: UserId) {
        let others: Vec<UserId> = self.watchtower.state().concerned(user).into_iter().collect();
        for others in others.chunks(MAX_PRESENCE_USERS) {
            let company = self.upstream.company(user, others.to_vec()).await;
            let company = company.inspect_err(|refusal| {
                tracing::debug!(code = refusal.code, "whom somebody may see cannot be asked just now");
            });
            self.watchtower.state().note_sight(user, others, company.ok().as_ref());
        }
    }
}

/// Some of these, which are taken out.
fn take(from: &mut BTreeSet<UserId>, limit: usize) -> Vec<UserId> {
    std::iter::from_fn(|| from.pop_first()).take(limit).collect()
}

impl State {
    /// Those who watch somebody, and those whom they watch.
    fn concerned(&self, user: UserId) -> BTreeSet<UserId> {
        let watchers = self.subjects.get(&user).into_iter().flat_map(|subject| subject.watchers.values());
        let watched = self.watches.values().filter(|watch| watch.viewer == user);
        let watched = watched.flat_map(|watch| watch.users.iter().copied());
        watchers.map(|watcher| watcher.viewer).chain(watched).collect()
    }

    /// Notes who of these and somebody see each other. Without an answer what was known lasts, and it is asked again.
    fn note_sight(&mut self, user: UserId, others: &[UserId], company: Option<&BTreeSet<UserId>>) {
        if company.is_none() {
            self.sighted_later.insert(user);
        }
        let sees = |other: UserId| company.map(|company| company.contains(&other));
        let own = self.watches.iter().filter(|(_, watch)| watch.viewer == user);
        let own: Vec<ConnectionId> = own.map(|(socket, _)| *socket).collect();
        for other in others {
            let Some(subject) = self.subjects.get_mut(other) else { continue };
            for socket in &own {
                if let Some(watcher) = subject.watchers.get_mut(socket) {
                    watcher.note(sees(*other));
                    self.glanced.insert(*other);
                }
            }
        }
        if let Some(subject) = self.subjects.get_mut(&user) {
            let theirs = subject.watchers.values_mut().filter(|watcher| others.contains(&watcher.viewer));
            theirs.for_each(|watcher| watcher.note(sees(watcher.viewer)));
            self.glanced.insert(user);
        }
    }

    /// Tells everybody what is news to them. Tells how many were told, and how many were too busy for it.
    fn tell(&mut self, views: BTreeMap<UserId, Option<View>>, now: Timestamp) -> (u64, u64) {
        let (mut told, mut dropped) = (0, 0);
        for (user, view) in views {
            let Some(subject) = self.subjects.get_mut(&user) else { continue };
            let view = view.as_ref();
            subject.again_at = view.map_or(Some(now.plus(LOOK_AGAIN)), |view| view.ends_at(now));
            let news = [true, false].map(|sees| News::of(shown(user, view, sees, now)));
            let unknown = News::of(blank(user, PresenceStatus::Unknown));
            for watcher in subject.watchers.values_mut() {
                let news = match watcher.sees {
                    Some(sees) => &news[usize::from(!sees)],
                    None if watcher.asked => &unknown,
                    None => continue,
                };
                if watcher.told.as_ref() == Some(&news.presence) {
                    continue;
                }
                if watcher.is_told(news) {
                    told += 1;
                } else {
                    dropped += 1;
                    self.later.insert(user);
                }
            }
        }
        (told, dropped)
    }
}

/// How somebody is seen, encoded when the first is told.
struct News {
    presence: Arc<Presence>,
    frame: OnceCell<Frames>,
}

impl News {
    fn of(presence: Presence) -> Self {
        Self { presence: Arc::new(presence), frame: OnceCell::new() }
    }

    fn frame(&self) -> Frames {
        let encode = || {
            let Presence { user_id, status, last_seen, text } = (*self.presence).clone();
            wire::encode(&ServerFrame::Presence { user: user_id, status, last_seen, text })
        };
        self.frame.get_or_init(encode).clone()
    }
}

impl Watcher {
    fn note(&mut self, sees: Option<bool>) {
        self.sees = sees.or(self.sees);
        self.asked = true;
    }

    /// Tells it; what changed is told when the socket has room for it, what was asked for at once.
    fn is_told(&mut self, news: &News) -> bool {
        let told = if self.told.is_none() {
            self.socket.push(news.frame());
            true
        } else {
            self.socket.push_ephemeral(news.frame())
        };
        if told {
            self.told = Some(news.presence.clone());
        }
        told
    }
}
