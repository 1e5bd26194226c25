//! Messages sent by a timetable that waits for nobody, and how late each is heard (Gil Tene's "coordinated omission").

use std::thread;

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use tertulia_contracts::ConversationId;
use tertulia_runtime::Ambient;
use tokio::{task::JoinSet, time::Duration};

use crate::{
    figures::real,
    pump::message,
    wire::{Ear, Mouth, number_in_body, seq_of, write_frame},
};

/// Microseconds in the unit that figures are given in.
pub(crate) const MICROS_PER_MS: f64 = 1_000.0;

/// Waits for all of them.
pub(crate) async fn joined<T: 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        done.push(ended.context("a task panicked")??);
    }
    Ok(done)
}

/// Of microseconds, from one to what nobody waits for.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Sends in turn through these. Each body begins with the microsecond at which it was meant to be sent.
///
/// A thread's work, not a task's: a runtime's timers are a millisecond coarse.
pub(crate) fn send(
    speakers: &[(&Mouth, ConversationId)],
    body: &str,
    total: usize,
    per_second: f64,
    began: std::time::Instant,
) -> Result<()> {
    let ambient = Ambient::system();
    for (nth, (mouth, conversation)) in speakers.iter().cycle().take(total).enumerate() {
        let intended = Duration::from_secs_f64(real(nth as u64) / per_second);
        if let Some(early) = (began + intended).checked_duration_since(std::time::Instant::now()) {
            thread::sleep(early);
        }
        let body = format!("{} {body}", intended.as_micros());
        let mut frame = Vec::new();
        write_frame(&mut frame, &message(&ambient, *conversation, &body));
        mouth.write_now(&frame)?;
    }
    Ok(())
}

/// Hears so many messages, each once and in order, and notes how late each is. Gives the ear back.
pub(crate) async fn hear(
    mut ear: Ear,
    mut last: u64,
    messages: usize,
    began: std::time::Instant,
) -> Result<(Ear, Histogram<u64>)> {
    let mut latencies = histogram()?;
    let mut wrong = None;
    while latencies.len() < messages as u64 {
        ear.hear(|payload| {
            let Some(seq) = seq_of(payload) else { return };
            let intended = number_in_body(payload).map(Duration::from_micros).unwrap_or_default();
            let late = began.elapsed().saturating_sub(intended).as_micros();
            latencies.saturating_record(u64::try_from(late).unwrap_or(u64::MAX));
            if seq != last + 1 {
                wrong.get_or_insert((last, seq));
            }
            last = seq;
        })
        .await?;
    }
    if let Some((last, seq)) = wrong {
        bail!("after {last} came {seq}: lost, doubled or out of order");
    }
    Ok((ear, latencies))
}
