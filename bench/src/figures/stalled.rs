//! A hundred clients of three thousand stop reading: how much later the others hear.

use std::{path::PathBuf, thread};

use anyhow::{Context as _, Result, bail, ensure};
use tertulia_contracts::ConversationId;
use tokio::{
    task::JoinSet,
    time::{Duration, timeout},
};

use super::{median, real};
use crate::{
    people::{self, Person},
    process,
    product::Product,
    report::Figure,
    timetable::{self, MICROS_PER_MS, hear, histogram, joined},
    wire::{self, Ear, Mouth},
};

const OTHERS: usize = 2_900;
const STALLED: usize = 100;
const PER_SECOND: f64 = 25.0;
/// Long enough that what waits for a client which does not read outgrows the kernel's room and its queue.
const MESSAGES: usize = 250;
const BODY_CHARS: usize = 3_000;
/// With everybody reading, and with a hundred that do not, in turn.
const TURNS: usize = 3;
const WITHIN: Duration = Duration::from_mins(1);

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    process::require_sockets(OTHERS + STALLED)?;
    let product = Product::start(&folder.join("data")).await?;
    let people = people::people(&product, 2).await?;
    let (owner, reader) = (&people[0], &people[1]);
    let channel = people::public_channel(owner).await?;
    let others = people::sockets(&product, vec![(reader, vec![channel]); OTHERS]).await?;
    let (ears, _mouths): (Vec<Ear>, Vec<Mouth>) = others.into_iter().unzip();
    let mut room = Room { product, channel, owner, reader, ears };

    let (mut all_read, mut some_stalled) = (Vec::with_capacity(TURNS), Vec::with_capacity(TURNS));
    room.p99_ms(false).await?;
    for _ in 0..TURNS {
        all_read.push(room.p99_ms(false).await?);
        some_stalled.push(room.p99_ms(true).await?);
    }
    room.product.stop().await?;
    let (before, with) = (median(&mut all_read), median(&mut some_stalled));
    let seen = format!(
        "{before:.1} ms while all {} read, {with:.1} ms while {STALLED} did not and were closed; medians of {TURNS} turns of \
         {MESSAGES} messages of {BODY_CHARS} characters, {PER_SECOND:.0} a second",
        OTHERS + STALLED
    );
    Ok(vec![Figure::at_most(1.1, "stalled.p99_ratio", with / before, "ratio", seen)])
}

struct Room<'a> {
    product: Product,
    channel: ConversationId,
    owner: &'a Person,
    reader: &'a Person,
    /// Of those who always read.
    ears: Vec<Ear>,
}

impl Room<'_> {
    /// The 99th percentile of how late the others hear, while a hundred more read or do not.
    async fn p99_ms(&mut self, is_stalled: bool) -> Result<f64> {
        let last_seq = self.owner.api.conversation(self.channel).await?.head_seq;
        let mut fickle = Vec::with_capacity(STALLED);
        for _ in 0..STALLED {
            let (address, token, channels) =
                (self.product.address(), self.reader.api.token(), [self.channel]);
            // Who reads has room for it: a window this narrow is a slow reader's, too.
            fickle.push(if is_stalled {
                wire::open_narrow(address, &token, &channels).await?
            } else {
                wire::open(address, &token, &channels).await?
            });
        }
        let closed_before = self.product.metric("tertulia_realtime_closes_total").await?;
        let mut pen = people::sockets(&self.product, vec![(self.owner, Vec::new())]).await?;
        let (mut pen_ear, pen) = pen.pop().context("no pen")?;
        let mut answers = JoinSet::new();
        answers.spawn(async move { while pen_ear.hear(|_| {}).await.is_ok() {} });

        let began = std::time::Instant::now() + Duration::from_millis(50);
        let (mut hearing, mut reading, mut held) = (JoinSet::new(), JoinSet::new(), Vec::new());
        for ear in self.ears.drain(..) {
            hearing.spawn(hear(ear, last_seq, MESSAGES, began));
        }
        for (ear, mouth) in fickle {
            if is_stalled {
                held.push((ear, mouth));
            } else {
                reading.spawn(async move {
                    hear(ear, last_seq, MESSAGES, began).await.map(|heard| (heard, mouth))
                });
            }
        }
        let channel = self.channel;
        let sender = thread::spawn(move || {
            let body = "x".repeat(BODY_CHARS);
            timetable::send(&[(&pen, channel)], &body, MESSAGES, PER_SECOND, began)?;
            Ok::<_, anyhow::Error>(pen)
        });
        let heard = timeout(WITHIN, async { (joined(hearing).await, joined(reading).await) }).await;
        let pen = tokio::task::spawn_blocking(|| sender.join()).await?;
        let Ok(pen) = pen else { bail!("the sender panicked") };
        let (heard, read) = heard.context("a message never arrived")?;
        read?;
        drop((pen?, held));
        answers.shutdown().await;
        let closed = self.product.metric("tertulia_realtime_closes_total").await? - closed_before;
        let expected = if is_stalled { real(STALLED as u64) } else { 0.0 };
        ensure!((closed - expected).abs() < 0.5, "{closed} sockets were closed as too slow, not {expected}");
        let mut all = histogram()?;
        for (ear, latencies) in heard? {
            all.add(latencies)?;
            self.ears.push(ear);
        }
        Ok(real(all.value_at_quantile(0.99)) / MICROS_PER_MS)
    }
}
