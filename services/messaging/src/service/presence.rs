//! What people choose to be seen as, who sees whom, and when somebody was last connected. Whether they are connected now,
//! realtime knows.
//!
//! Two see each other who share a direct conversation or a group, and of whom neither blocks the other. Channels do not
//! count: anybody enters a public one. Being seen is mutual, so one answer serves both.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Audience, ConversationKind, MAX_CONVERSATIONS, MAX_PAGE},
    presence::{ChosenPresence, ChosenStatus, Face, OFFLINE_GRACE},
};
use tertulia_runtime::Timestamp;

use super::{Messaging, keeper::revise, receipts::privacy_of};
use crate::{
    Error,
    model::{
        access::Actor,
        private::{Matter, Topic},
    },
    store::{LastSeenRecord, PrivateRecord, Store},
};

/// How many people are looked up at once.
const AT_ONCE: usize = 8;
/// How exactly it is known when somebody was last connected.
const MINUTE_MS: i64 = 60_000;

impl Messaging {
    /// What somebody chooses to be seen as, at this moment.
    pub(crate) async fn presence(&self, user: UserId) -> Result<ChosenPresence, Error> {
        let found = self.store.private(user, Topic::Presence).await?;
        Ok(chosen(found.as_ref(), self.ambient.now()))
    }

    /// Chooses what to be seen as. Again is the same. Who becomes invisible was last seen when who is
    /// told of just now as gone was.
    pub(crate) async fn choose_presence(
        &self,
        by: Actor,
        wanted: ChosenPresence,
    ) -> Result<ChosenPresence, Error> {
        let now = self.ambient.now();
        if wanted.until.is_some_and(|until| until <= now) {
            return Err(Error::invalid("until", "must be in the future"));
        }
        let was = self.presence(by.user_id).await?.status;
        if wanted.status == ChosenStatus::Invisible && was != ChosenStatus::Invisible {
            // As of who goes, of whom it is told a while later. First, so that whoever is told to look again sees it.
            self.store.note_seen(by.user_id, now.minus(OFFLINE_GRACE)).await?;
        }
        let change = |before: Option<&PrivateRecord>| {
            let news = chosen(before, now) != wanted;
            Ok(news.then(|| Matter::Presence(wanted.clone())))
        };
        self.user_logs.change(by.user_id, Topic::Presence, change).await?;
        Ok(wanted)
    }

    /// Those of these who see somebody, and whom they see.
    pub(crate) async fn company(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, Error> {
        let own = self.store.conversations_of(user).await?;
        let mut asked = Vec::new();
        for &other in others {
            asked.push(self.shared_with(other, &own));
        }
        let shared: Vec<(UserId, BTreeSet<ConversationId>)> =
            stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let all = shared.iter().flat_map(|(_, shared)| shared).copied().collect();
        let close = self.store.not_channels(&all).await?;
        let met = shared.iter().filter(|(other, shared)| *other == user || !shared.is_disjoint(&close));
        let met: Vec<UserId> = met.map(|(other, _)| *other).collect();
        let apart = self.store.apart_from(user, &met).await?;
        Ok(met.into_iter().filter(|other| !apart.contains(other)).collect())
    }

    async fn shared_with(
        &self,
        other: UserId,
        own: &BTreeSet<ConversationId>,
    ) -> Result<(UserId, BTreeSet<ConversationId>), Error> {
        let theirs = self.store.conversations_of(other).await?;
        Ok((other, &theirs & own))
    }

    /// What these show of themselves to those who may see them; nothing of who is invisible but when they were last seen.
    pub(crate) async fn faces(&self, users: &[UserId]) -> Result<Vec<Face>, Error> {
        let now = self.ambient.now();
        let topics = users.iter().flat_map(|user| [(*user, Topic::Presence), (*user, Topic::Privacy)]);
        let noted = self.store.private_among(topics).await?;
        let last_seen = self.store.last_seen_of(users).await?;
        let face = |user: &UserId| {
            let of =
                |topic| noted.iter().find(|record| record.owner == *user && record.matter.topic() == topic);
            let ChosenPresence { status, text, until } = chosen(of(Topic::Presence), now);
            let shows = of(Topic::Privacy).is_none_or(|it| privacy_of(it).last_seen == Audience::Everyone);
            let seen = last_seen.iter().find(|record| record.user_id == *user).map(|record| record.at);
            Face { user_id: *user, status, text, last_seen: seen.filter(|_| shows), until }
        };
        Ok(users.iter().map(face).collect())
    }

    /// These were connected until then. Of who is invisible it is not noted.
    pub(crate) async fn note_seen(&self, seen: &[(UserId, Timestamp)]) -> Result<(), Error> {
        let now = self.ambient.now();
        let topics = seen.iter().map(|(user, _)| (*user, Topic::Presence));
        let noted = self.store.private_among(topics).await?;
        let mut writes = Vec::new();
        for &(user, at) in seen {
            let record = noted.iter().find(|record| record.owner == user);
            if chosen(record, now).status != ChosenStatus::Invisible {
                writes.push(self.store.note_seen(user, at.min(now)));
            }
        }
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }
}

impl Store {
    /// Somebody was connected at that moment. Written once a minute at most, since a minute is all it says.
    async fn note_seen(&self, user_id: UserId, at: Timestamp) -> Result<(), Error> {
        let at = Timestamp::from_millis(at.as_millis() / MINUTE_MS * MINUTE_MS);
        revise(&self.last_seen, &user_id.to_string(), |known: Option<LastSeenRecord>| {
            Ok(known.is_none_or(|known| known.at < at).then_some(LastSeenRecord { user_id, at }))
        })
        .await
    }

    /// What somebody belongs to; of those who have more, direct conversations being unbounded, the newest.
    async fn conversations_of(&self, user: UserId) -> Result<BTreeSet<ConversationId>, Error> {
        let (mut found, mut after) = (BTreeSet::new(), None);
        while found.len() < MAX_CONVERSATIONS {
            let page = self.memberships_of(user, after, MAX_PAGE).await?;
            found.extend(page.items.into_iter().map(|member| member.conversation_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Those of these conversations in which all know each other.
    async fn not_channels(
        &self,
        among: &BTreeSet<ConversationId>,
    ) -> Result<BTreeSet<ConversationId>, Error> {
        let ids: Vec<String> = among.iter().map(ToString::to_string).collect();
        let mut close = BTreeSet::new();
        for ids in ids.chunks(MAX_PAGE) {
            let found = self.conversations.get_many(ids).await?.into_iter().map(|found| found.value);
            let found = found.filter(|found| found.charter.kind != ConversationKind::Channel);
            close.extend(found.map(|found| found.id));
        }
        Ok(close)
    }
}

/// What a record of it says at a moment.
fn chosen(record: Option<&PrivateRecord>, at: Timestamp) -> ChosenPresence {
    match record.map(|record| &record.matter) {
        Some(Matter::Presence(chosen)) if chosen.until.is_none_or(|until| at < until) => chosen.clone(),
        _ => ChosenPresence::default(),
    }
}
