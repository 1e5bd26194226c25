//! Five hundred conversations of two at half their peak: how late a message arrives.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use tertulia_contracts::ConversationId;
use tertulia_runtime::Ambient;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep, timeout},
};

use super::real;
use crate::{
    people,
    product::Product,
    pump::{BODY, message},
    report::Figure,
    timetable::{self, MICROS_PER_MS, hear, histogram, joined},
    wire::{Ear, Mouth, seq_of},
};

const PAIRS: usize = 500;
const PEAK_WARM_UP: Duration = Duration::from_secs(1);
const PEAK_MEASURED: Duration = Duration::from_secs(4);
const OPEN_LOOP: Duration = Duration::from_secs(15);
/// How long the last message may take.
const WITHIN: Duration = Duration::from_secs(30);

/// One side that speaks and one that listens.
struct Line {
    conversation: ConversationId,
    speaker: Mouth,
    /// The speaker's own: its acknowledgements and events.
    echo: Ear,
    listener: Ear,
    /// Says nothing, but dropping it would close the socket.
    listener_mouth: Mouth,
    last_seq: u64,
}

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    let product = Product::start(&folder.join("data")).await?;
    let pairs = people::pairs(&product, PAIRS).await?;
    let mut sockets = people::sockets(&product, people::both_listening(&pairs)).await?.into_iter();
    let mut lines = Vec::with_capacity(PAIRS);
    for pair in &pairs {
        let ((echo, speaker), (listener, mouth)) =
            sockets.next().zip(sockets.next()).context("a socket short")?;
        let last_seq = pair.people[0].api.conversation(pair.conversation).await?.head_seq;
        let conversation = pair.conversation;
        lines.push(Line { conversation, speaker, echo, listener, listener_mouth: mouth, last_seq });
    }
    let (lines, peak) = closed_loop(lines).await?;
    let rate = peak / 2.0;
    let latencies = open_loop(lines, rate).await?;
    product.stop().await?;

    let at = |quantile: f64| real(latencies.value_at_quantile(quantile)) / MICROS_PER_MS;
    let (p50, p99) = (at(0.5), at(0.99));
    let seen = format!(
        "{rate:.0} messages/s, half of {peak:.0}; {} messages, none missing, latest {:.1} ms",
        latencies.len(),
        real(latencies.max()) / MICROS_PER_MS
    );
    Ok(vec![
        Figure::free("pairs.p50_ms", p50, "ms", seen.clone()),
        Figure::free("pairs.p99_ms", p99, "ms", seen.clone()),
        Figure::at_most(3.0, "pairs.p99_to_p50", p99 / p50, "ratio", seen),
    ])
}

/// Each pair says the next thing when the last was heard. Gives the lines back, with messages a second.
async fn closed_loop(lines: Vec<Line>) -> Result<(Vec<Line>, f64)> {
    let (heard, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut talks = JoinSet::new();
    for mut line in lines {
        let (heard, enough) = (heard.clone(), enough.clone());
        talks.spawn(async move {
            let ambient = Ambient::system();
            while !enough.load(Relaxed) {
                line.speaker.say(&message(&ambient, line.conversation, BODY)).await?;
                let (mut acknowledged, mut echoed) = (false, false);
                let mut arrived = false;
                while !arrived {
                    line.listener.hear(|payload| arrived |= seq_of(payload).is_some()).await?;
                }
                while !(acknowledged && echoed) {
                    line.echo
                        .hear(|payload| {
                            echoed |= seq_of(payload).is_some();
                            acknowledged |= payload.starts_with(br#"{"t":"ack""#);
                        })
                        .await?;
                }
                line.last_seq += 1;
                heard.fetch_add(1, Relaxed);
            }
            Ok::<_, anyhow::Error>(line)
        });
    }
    sleep(PEAK_WARM_UP).await;
    let (before, began) = (heard.load(Relaxed), Instant::now());
    sleep(PEAK_MEASURED).await;
    let peak = real(heard.load(Relaxed) - before) / began.elapsed().as_secs_f64();
    enough.store(true, Relaxed);
    Ok((timeout(WITHIN, joined(talks)).await.context("a message never arrived")??, peak))
}

/// Sends by a timetable that waits for nobody. Gives the latencies in microseconds.
async fn open_loop(lines: Vec<Line>, per_second: f64) -> Result<Histogram<u64>> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of messages")]
    let total = (per_second * OPEN_LOOP.as_secs_f64()) as usize;
    ensure!(total > PAIRS, "the peak is too low to measure at");
    let began = std::time::Instant::now() + Duration::from_millis(50);
    let (mut hearing, mut echoes) = (JoinSet::new(), JoinSet::new());
    let mut speakers = Vec::with_capacity(PAIRS);
    for (nth, line) in lines.into_iter().enumerate() {
        let messages = total / PAIRS + usize::from(nth < total % PAIRS);
        hearing.spawn(hear(line.listener, line.last_seq, messages, began));
        let mut echo = line.echo;
        echoes.spawn(async move { while echo.hear(|_| {}).await.is_ok() {} });
        speakers.push((line.speaker, line.conversation, line.listener_mouth));
    }
    let sender = thread::spawn(move || {
        let mouths: Vec<_> = speakers.iter().map(|(mouth, conversation, _)| (mouth, *conversation)).collect();
        timetable::send(&mouths, BODY, total, per_second, began).map(|()| speakers)
    });
    let heard = timeout(OPEN_LOOP + WITHIN, joined(hearing)).await;
    let sent = tokio::task::spawn_blocking(|| sender.join()).await?;
    match sent {
        Ok(sent) => sent?,
        Err(_) => bail!("the sender panicked"),
    };
    let mut all = histogram()?;
    for (_, histogram) in heard.context("a message never arrived")?? {
        all.add(histogram)?;
    }
    ensure!(all.len() == total as u64, "{} of {total} messages arrived", all.len());
    Ok(all)
}
