//! What happened in a run, in order: a fingerprint of all of it, and the lines themselves when somebody wants to read.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// FNV-1a (Fowler, Noll and Vo), 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The record of one run.
pub(crate) struct Trace {
    began: Instant,
    written: Mutex<Written>,
}

struct Written {
    hash: u64,
    events: u64,
    lines: Option<Vec<String>>,
    scratch: String,
}

impl Trace {
    /// An empty record, which keeps its lines if they are wanted.
    pub(crate) fn new(keep_lines: bool) -> Self {
        let lines = keep_lines.then(Vec::new);
        let written = Written { hash: OFFSET, events: 0, lines, scratch: String::new() };
        Self { began: Instant::now(), written: Mutex::new(written) }
    }

    /// Something happened now.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let at_ms = self.began.elapsed().as_millis();
        let mut written = self.lock();
        let Written { hash, events, lines, scratch } = &mut *written;
        scratch.clear();
        let _ = fmt::write(scratch, format_args!("{at_ms:>6} {what}"));
        *hash = scratch.bytes().fold(*hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        *events += 1;
        if let Some(lines) = lines {
            lines.push(scratch.clone());
        }
    }

    /// The fingerprint of everything so far, how much that was, and the lines that were kept.
    pub(crate) fn read(&self) -> (u64, u64, Vec<String>) {
        let written = self.lock();
        (written.hash, written.events, written.lines.clone().unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
