//! One channel to a thousand sockets, against a bare server that writes the same bytes, and against a broadcast of
//! uWebSockets.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use anyhow::{Context as _, Result, bail, ensure};
use tertulia_contracts::ConversationId;
use tertulia_runtime::Ambient;
use tertulia_testbed::{Testbed, uwebsockets};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant, timeout},
};

use super::real;
use crate::{
    loopback::{Loopback, LoopbackArgs},
    people,
    product::Product,
    pump::{BODY, message},
    report::Figure,
    uwebsockets::Broadcast,
    wire::{Ear, Mouth, seq_of, write_frame},
};

const LISTENERS: u64 = 1_000;
/// Sockets of the author: one of them has one message on its way to the log at a time.
const PENS: usize = 64;
/// Messages that may be on their way to the average listener: so many that the product is never idle for want of
/// them, and half of what may wait for one socket.
const WINDOW: usize = 256;
/// Turns of the product and of what it is held against; all depend on what the machine does beside them.
const TURNS: usize = 5;
const WARM_UP: u64 = 500;
const MEASURED: u64 = 5_000;
const WITHIN: Duration = Duration::from_mins(2);

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    let product = Product::start(&folder.join("data")).await?;
    let owner = people::people(&product, 1 + usize::try_from(LISTENERS)?).await?;
    let (owner, readers) = owner.split_first().context("nobody signed up")?;
    let channel = people::public_channel(owner).await?;
    let listening =
        people::sockets(&product, readers.iter().map(|reader| (reader, vec![channel])).collect()).await?;
    let (mut ears, _mouths): (Vec<Ear>, Vec<Mouth>) = listening.into_iter().unzip();
    let mut pens = people::sockets(&product, vec![(owner, Vec::new()); PENS]).await?;

    let bed = Testbed::new_in(&folder)?;
    let peer = uwebsockets::start(&bed).await?;
    let mut broadcast = Broadcast::join(peer.address(), usize::try_from(LISTENERS)?).await?;
    let mut from = owner.api.conversation(channel).await?.head_seq;
    (ears, from) = round(&mut pens, ears, channel, from, WARM_UP).await?.into_next();
    let mut turns = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let written = Written::read(&product).await?;
        let measured = round(&mut pens, ears, channel, from, MEASURED).await?;
        let frames_per_write = Written::read(&product).await?.frames_per_write_since(&written);
        let (payload, took) = (measured.sample.clone(), measured.took);
        (ears, from) = measured.into_next();
        let product_rate = real(LISTENERS * MEASURED) / took.as_secs_f64();
        // Right after, while the machine is as it was: the product waits meanwhile.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is some tens")]
        let coalescing = frames_per_write.round().max(1.0) as usize;
        let bare_rate = ceiling(&folder, &payload, coalescing).await?;
        let peer_rate = broadcast_rate(&mut broadcast, &payload, coalescing).await?;
        let payload_bytes = payload.len();
        turns.push(Turn { product_rate, bare_rate, peer_rate, frames_per_write, payload_bytes });
    }
    product.stop().await?;
    Ok(vec![
        figure("fanout.ratio", "bare", &mut turns, |turn| turn.bare_rate),
        figure("fanout.to_uwebsockets", "uWebSockets", &mut turns, |turn| turn.peer_rate),
    ])
}

/// One round of the product, and of each that it is held against, at the same coalescing.
struct Turn {
    product_rate: f64,
    bare_rate: f64,
    peer_rate: f64,
    frames_per_write: f64,
    payload_bytes: usize,
}

/// The turn with the median ratio speaks for all.
fn figure(name: &'static str, against: &str, turns: &mut [Turn], rate: fn(&Turn) -> f64) -> Figure {
    let ratio = |turn: &Turn| turn.product_rate / rate(turn);
    turns.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (lowest, highest) = (ratio(&turns[0]), ratio(&turns[TURNS - 1]));
    let middle = &turns[TURNS / 2];
    let Turn { product_rate, frames_per_write, payload_bytes, .. } = middle;
    let seen = format!(
        "{product_rate:.0} deliveries/s of {payload_bytes} bytes at {frames_per_write:.1} frames a write; {against} \
         {:.0}; the median of {TURNS} turns from {lowest:.2} to {highest:.2}",
        rate(middle)
    );
    Figure::at_least(0.7, name, ratio(middle), "ratio", seen)
}

/// A round of messages that reached everybody.
struct Round {
    ears: Vec<Ear>,
    last_seq: u64,
    took: Duration,
    sample: Vec<u8>,
}

impl Round {
    fn into_next(self) -> (Vec<Ear>, u64) {
        (self.ears, self.last_seq)
    }
}

/// Posts so many messages and waits until every listener has heard every one of them, once and in order.
async fn round(
    pens: &mut [(Ear, Mouth)],
    ears: Vec<Ear>,
    channel: ConversationId,
    from: u64,
    messages: u64,
) -> Result<Round> {
    let hall = Arc::new(Hall::default());
    let began = Instant::now();
    let mut listeners = JoinSet::new();
    for ear in ears {
        listeners.spawn(listen(hall.clone(), ear, Some(from), messages));
    }
    let ambient = Ambient::system();
    let posting = async {
        let count = usize::try_from(messages)?;
        for nth in 0..count {
            hall.window.acquire().await.context("the window closed")?.forget();
            let mut frame = Vec::new();
            write_frame(&mut frame, &message(&ambient, channel, BODY));
            pens[nth % PENS].1.write(&frame).await?;
        }
        // Some kilobytes of answers have waited in the sockets meanwhile.
        for (nth, (ear, _)) in pens.iter_mut().enumerate() {
            let mut missing = count / PENS + usize::from(nth < count % PENS);
            while missing > 0 {
                let mut refused = false;
                ear.hear(|payload| {
                    missing = missing.saturating_sub(usize::from(payload.starts_with(br#"{"t":"ack""#)));
                    refused |= payload.starts_with(br#"{"t":"error""#);
                })
                .await?;
                ensure!(!refused, "a message was refused");
            }
        }
        Ok(())
    };
    let hearing = gather(&mut listeners);
    let (ears, ()) = timeout(WITHIN, async { futures_util::try_join!(hearing, posting) })
        .await
        .context("not everybody heard everything in time")??;
    let sample = hall.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Round { ears, last_seq: from + messages, took: began.elapsed(), sample })
}

async fn gather(listeners: &mut JoinSet<Result<Ear>>) -> Result<Vec<Ear>> {
    let mut ears = Vec::with_capacity(listeners.len());
    while let Some(ended) = listeners.join_next().await {
        ears.push(ended.context("a listener panicked")??);
    }
    Ok(ears)
}

/// What the listeners of a round share.
struct Hall {
    heard: AtomicU64,
    window: Semaphore,
    /// One frame as it came.
    sample: Mutex<Vec<u8>>,
}

impl Default for Hall {
    fn default() -> Self {
        Self { heard: AtomicU64::new(0), window: Semaphore::new(WINDOW), sample: Mutex::default() }
    }
}

impl Hall {
    /// Each time that everybody has heard one more on average, one more may be posted.
    fn note(&self, events: u64) {
        let before = self.heard.fetch_add(events, Relaxed);
        let more = (before + events) / LISTENERS - before / LISTENERS;
        self.window.add_permits(usize::try_from(more).unwrap_or(0));
    }
}

/// Hears so many events. With `from`, they must be the ones that follow it.
async fn listen(hall: Arc<Hall>, mut ear: Ear, from: Option<u64>, messages: u64) -> Result<Ear> {
    let (mut heard, mut last, mut wrong) = (0, from.unwrap_or_default(), None);
    while heard < messages {
        let mut events = 0;
        ear.hear(|payload| {
            let Some(seq) = seq_of(payload) else { return };
            events += 1;
            if seq != last + 1 {
                wrong.get_or_insert((last, seq));
            }
            last = seq;
            if heard + events == messages && hall.sample_is_wanted() {
                *hall.sample.lock().unwrap_or_else(PoisonError::into_inner) = payload.to_vec();
            }
        })
        .await?;
        heard += events;
        hall.note(events);
    }
    match wrong {
        Some((last, seq)) if from.is_some() => {
            bail!("after {last} came {seq}: lost, doubled or out of order")
        }
        _ => Ok(ear),
    }
}

impl Hall {
    fn sample_is_wanted(&self) -> bool {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The product's own count of what it wrote to sockets.
struct Written {
    frames: f64,
    writes: f64,
}

impl Written {
    async fn read(product: &Product) -> Result<Self> {
        let frames = product.metric("tertulia_realtime_frames_total").await?;
        Ok(Self { frames, writes: product.metric("tertulia_realtime_writes_total").await? })
    }

    fn frames_per_write_since(&self, before: &Self) -> f64 {
        (self.frames - before.frames) / (self.writes - before.writes).max(1.0)
    }
}

/// Deliveries a second of the bare server.
async fn ceiling(folder: &Path, payload: &[u8], frames_per_write: usize) -> Result<f64> {
    let file = folder.join("payload");
    std::fs::write(&file, payload)?;
    let writes = usize::try_from(MEASURED)?.div_ceil(frames_per_write);
    let sockets = usize::try_from(LISTENERS)?;
    let mut bare =
        Loopback::start(&LoopbackArgs { payload: file, sockets, frames_per_write, writes }).await?;
    let hall = Arc::new(Hall::default());
    let frames = (writes * frames_per_write) as u64;
    let mut listeners = JoinSet::new();
    for ear in std::mem::take(&mut bare.ears) {
        listeners.spawn(listen(hall.clone(), ear, None, frames));
    }
    let began = Instant::now();
    bare.go().await?;
    timeout(WITHIN, gather(&mut listeners)).await.context("the bare server was not done in time")??;
    Ok(real(LISTENERS * frames) / began.elapsed().as_secs_f64())
}

/// Deliveries a second of the broadcast, whose author keeps to the same window and says as much at once as the product
/// wrote at once.
async fn broadcast_rate(broadcast: &mut Broadcast, payload: &[u8], frames_per_turn: usize) -> Result<f64> {
    let turns = usize::try_from(MEASURED)?.div_ceil(frames_per_turn);
    let frames = (turns * frames_per_turn) as u64;
    let hall = Arc::new(Hall::default());
    let mut listeners = JoinSet::new();
    for ear in std::mem::take(&mut broadcast.ears) {
        listeners.spawn(listen(hall.clone(), ear, None, frames));
    }
    let began = Instant::now();
    let speaking = async {
        let permits = u32::try_from(frames_per_turn.min(WINDOW))?;
        for _ in 0..turns {
            hall.window.acquire_many(permits).await.context("the window closed")?.forget();
            broadcast.say(payload, frames_per_turn).await?;
        }
        Ok(())
    };
    let both = async { futures_util::try_join!(gather(&mut listeners), speaking) };
    let (ears, ()) = timeout(WITHIN, both).await.context("uWebSockets was not done in time")??;
    broadcast.ears = ears;
    Ok(real(LISTENERS * frames) / began.elapsed().as_secs_f64())
}
