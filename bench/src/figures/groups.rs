//! Fifty rooms of twenty, everybody writing: messages a second that are kept, acknowledged and heard by all, against
//! the same rooms of other servers.

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tertulia_contracts::ConversationId;
use tertulia_runtime::Ambient;
use tertulia_testbed::{Testbed, ejabberd, prosody};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, timeout},
};

use super::{median, real};
use crate::{
    people,
    product::Product,
    pump::{BODY, message},
    report::Figure,
    wire::{Ear, Mouth, seq_of},
    xmpp::Occupant,
};

const ROOMS: usize = 50;
const MEMBERS: usize = 20;
/// Messages of one member that wait for their acknowledgement.
const IN_HAND: u64 = 1;
/// What each member says in the round that only tells how fast it goes.
const PILOT: u64 = 1;
/// How long a round should last.
const ROUND: Duration = Duration::from_secs(4);
/// Rounds of each server, in turn.
const ROUNDS: usize = 3;
const WITHIN: Duration = Duration::from_mins(2);
const AT_ONCE: usize = 32;

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    let product = Product::start(&folder.join("data")).await?;
    let mut ours = Hall::of_members(&product).await?;
    let bed = Testbed::new_in(&folder)?;
    let (ejabberd, prosody) = (ejabberd::start(&bed).await?, prosody::start(&bed, write_ahead).await?);
    let mut theirs =
        [Hall::of_occupants(ejabberd.address()).await?, Hall::of_occupants(prosody.address()).await?];
    ours.pilot().await?;
    for hall in &mut theirs {
        hall.pilot().await?;
    }
    for _ in 0..ROUNDS {
        // One right after the other, so that what the machine does beside them is the same.
        ours.round().await?;
        for hall in &mut theirs {
            hall.round().await?;
        }
    }
    for (hall, name) in theirs.iter_mut().zip(["ejabberd", "Prosody"]) {
        hall.check_archives().await.with_context(|| format!("looking into the archives of {name}"))?;
    }
    product.stop().await?;
    Ok(figures(&ours.rates, theirs.map(|hall| hall.rates)))
}

fn figures(ours: &[f64], theirs: [Vec<f64>; 2]) -> Vec<Figure> {
    let figure = |(name, rates): (&'static str, Vec<f64>)| {
        let mut ratios: Vec<f64> = ours.iter().zip(&rates).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&mut ratios);
        let (mut ours, mut theirs) = (ours.to_vec(), rates);
        let seen = format!(
            "{:.0} messages/s against {:.0}, each to {MEMBERS}; the median of {ROUNDS} rounds from {:.2} to {:.2}",
            median(&mut ours),
            median(&mut theirs),
            ratios[0],
            ratios[ROUNDS - 1]
        );
        Figure::at_least(3.0, name, ratio, "ratio", seen)
    };
    ["groups.to_ejabberd", "groups.to_prosody"].into_iter().zip(theirs).map(figure).collect()
}

/// One sync a message instead of three: the mode of a file stays with it.
fn write_ahead(folder: &Path) -> Result<()> {
    let file = rusqlite::Connection::open(folder.join(prosody::SQLITE_FILE))?;
    Ok(file.pragma_update(None, "journal_mode", "WAL")?)
}

/// Somebody who speaks and listens in one room, whatever carries it.
trait Seat: Sized + Send + 'static {
    /// Says the same as everybody, under a name of its own.
    fn say(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Reads once and notes what came.
    fn hear(&mut self, notes: &mut Notes) -> impl Future<Output = Result<()>> + Send;
}

/// What one seat has heard in a round.
#[derive(Default)]
struct Notes {
    heard: u64,
    acknowledged: u64,
    /// Of what was heard and in which order: the same for all in a room.
    digest: u64,
}

impl Notes {
    fn hear(&mut self, mark: u64) {
        self.heard += 1;
        self.digest = self.digest.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mark;
    }
}

struct Member {
    ear: Ear,
    mouth: Mouth,
    conversation: ConversationId,
    ambient: Ambient,
}

impl Seat for Member {
    async fn say(&mut self) -> Result<()> {
        self.mouth.say(&message(&self.ambient, self.conversation, BODY)).await
    }

    async fn hear(&mut self, notes: &mut Notes) -> Result<()> {
        let mut refused = None;
        self.ear
            .hear(|payload| {
                if let Some(seq) = seq_of(payload) {
                    notes.hear(seq);
                } else if payload.starts_with(br#"{"t":"ack""#) {
                    notes.acknowledged += 1;
                } else if payload.starts_with(br#"{"t":"error""#) {
                    refused = Some(String::from_utf8_lossy(payload).into_owned());
                }
            })
            .await?;
        refused.map_or(Ok(()), |refused| Err(anyhow::anyhow!("a message was refused: {refused}")))
    }
}

impl Seat for Occupant {
    async fn say(&mut self) -> Result<()> {
        Self::say(self, BODY).await
    }

    async fn hear(&mut self, notes: &mut Notes) -> Result<()> {
        Self::hear(self, |told| {
            notes.hear(told.mark);
            notes.acknowledged += u64::from(told.is_acknowledged);
        })
        .await
    }
}

/// All rooms of one server.
struct Hall<S> {
    rooms: Vec<Vec<S>>,
    /// What each seat says in a round.
    each: u64,
    /// What was said in each room so far.
    said: u64,
    rates: Vec<f64>,
}

impl Hall<Member> {
    async fn of_members(product: &Product) -> Result<Self> {
        let people = people::people(product, ROOMS * MEMBERS).await?;
        let rooms: Vec<_> = people.chunks(MEMBERS).collect();
        let conversations: Vec<ConversationId> =
            stream::iter(rooms).map(people::group_of).buffered(AT_ONCE).try_collect().await?;
        let of_each = |(nth, person)| (person, vec![conversations[nth / MEMBERS]]);
        let sockets = people::sockets(product, people.iter().enumerate().map(of_each).collect()).await?;
        let seats = sockets.into_iter().enumerate().map(|(nth, (ear, mouth))| Member {
            ear,
            mouth,
            conversation: conversations[nth / MEMBERS],
            ambient: Ambient::system(),
        });
        Ok(Self::new(seats))
    }
}

impl Hall<Occupant> {
    async fn of_occupants(address: SocketAddr) -> Result<Self> {
        // The first of each room makes it.
        let enter = |nth: usize| async move {
            Occupant::enter(address, &format!("n{nth}"), &format!("room{}", nth / MEMBERS)).await
        };
        let of_room = |room: usize| async move {
            let first = enter(room * MEMBERS).await?;
            let mut seats = vec![first];
            for nth in 1..MEMBERS {
                seats.push(enter(room * MEMBERS + nth).await?);
            }
            Ok::<_, anyhow::Error>(seats)
        };
        let rooms: Vec<Vec<Occupant>> =
            stream::iter(0..ROOMS).map(of_room).buffered(AT_ONCE).try_collect().await?;
        Ok(Self::new(rooms.into_iter().flatten()))
    }

    /// What was acknowledged must be in the archives, no more and no less.
    async fn check_archives(&mut self) -> Result<()> {
        for room in &mut self.rooms {
            let archived = room[0].archived().await?;
            ensure!(archived == self.said, "{archived} of {} messages of a room are archived", self.said);
        }
        Ok(())
    }
}

impl<S: Seat> Hall<S> {
    fn new(seats: impl Iterator<Item = S>) -> Self {
        let mut rooms: Vec<Vec<S>> = Vec::with_capacity(ROOMS);
        for (nth, seat) in seats.enumerate() {
            if nth % MEMBERS == 0 {
                rooms.push(Vec::with_capacity(MEMBERS));
            }
            rooms[nth / MEMBERS].push(seat);
        }
        Self { rooms, each: PILOT, said: 0, rates: Vec::new() }
    }

    /// Warms up, and finds out how much is said in a round.
    async fn pilot(&mut self) -> Result<()> {
        self.round().await?;
        let rate = self.rates.pop().context("a round has a rate")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of messages")]
        let each = (rate * ROUND.as_secs_f64()) as u64 / (ROOMS * MEMBERS) as u64;
        self.each = each.max(PILOT);
        Ok(())
    }

    /// Everybody says so much and hears all that is said in their room.
    async fn round(&mut self) -> Result<()> {
        let (say, hear) = (self.each, self.each * MEMBERS as u64);
        let began = Instant::now();
        let mut parts = JoinSet::new();
        for (nth, room) in self.rooms.drain(..).enumerate() {
            for seat in room {
                parts.spawn(async move { take_part(seat, say, hear).await.map(|part| (nth, part)) });
            }
        }
        let mut rooms: Vec<Vec<(S, u64)>> = (0..ROOMS).map(|_| Vec::with_capacity(MEMBERS)).collect();
        let gathering = async {
            while let Some(ended) = parts.join_next().await {
                let (nth, part) = ended.context("a seat panicked")??;
                rooms[nth].push(part);
            }
            Ok::<_, anyhow::Error>(())
        };
        timeout(WITHIN, gathering).await.context("not everybody heard everything in time")??;
        self.rates.push(real(hear * ROOMS as u64) / began.elapsed().as_secs_f64());
        self.said += hear;
        for room in rooms {
            let digest = room[0].1;
            ensure!(
                room.iter().all(|(_, other)| *other == digest),
                "not all heard the same, or not in order"
            );
            self.rooms.push(room.into_iter().map(|(seat, _)| seat).collect());
        }
        Ok(())
    }
}

/// Says so much, one thing after the other, and listens until everything is heard. Gives the digest of that.
async fn take_part<S: Seat>(mut seat: S, say: u64, hear: u64) -> Result<(S, u64)> {
    let (mut said, mut notes) = (0, Notes::default());
    while notes.heard < hear || notes.acknowledged < say {
        if said < say && said - notes.acknowledged < IN_HAND {
            seat.say().await?;
            said += 1;
        } else {
            seat.hear(&mut notes).await?;
        }
    }
    ensure!(notes.heard == hear, "{} heard of {hear}: doubled", notes.heard);
    Ok((seat, notes.digest))
}
