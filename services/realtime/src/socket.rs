//! The shared handle of one socket: what others may do to it while its own task sleeps.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
};

use tertulia_contracts::{ConnectionId, ConversationId, SessionId, UserId, presence::DeviceStatus};
use tertulia_runtime::Timestamp;
use tokio::sync::Notify;

use crate::{
    outbox::{Outbox, Turn},
    parting::Parting,
    wire::Frames,
};

/// One socket. Everything here is cheap to touch from any task and takes no lock for longer than a push.
pub(crate) struct Socket {
    pub id: ConnectionId,
    /// When it was accepted, in milliseconds of the hub's life.
    pub opened_at_ms: u64,
    bound_bytes: usize,
    outbox: Mutex<Outbox>,
    /// Wakes the socket's task: something waits in the outbox.
    pub wake: Notify,
    /// Tells whoever fills the outbox from a log that it was emptied.
    room: Notify,
    /// Interrupts a write that the client does not read.
    pub cut: Notify,
    heard_at_ms: AtomicU64,
    pinged_at_ms: AtomicU64,
    expires_at_ms: AtomicI64,
    is_idle: AtomicBool,
    login: OnceLock<Login>,
    token: Mutex<Arc<str>>,
}

/// Whose socket it is, once it has said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: UserId,
    pub session: SessionId,
    /// Whether its token is good for more than reading.
    pub may_write: bool,
}

impl Socket {
    pub(crate) fn new(id: ConnectionId, opened_at_ms: u64, bound_bytes: usize) -> Self {
        Self {
            id,
            opened_at_ms,
            bound_bytes,
            outbox: Mutex::default(),
            wake: Notify::new(),
            room: Notify::new(),
            cut: Notify::new(),
            heard_at_ms: AtomicU64::new(opened_at_ms),
            pinged_at_ms: AtomicU64::new(0),
            expires_at_ms: AtomicI64::new(i64::MAX),
            is_idle: AtomicBool::new(false),
            login: OnceLock::new(),
            token: Mutex::new("".into()),
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // A panic while it is held leaves at worst a frame unsent; the client then sees a hole and asks.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Outbox)) {
        let mut outbox = self.outbox();
        let was_quiet = outbox.is_quiet();
        change(&mut outbox);
        drop(outbox);
        if was_quiet {
            self.wake.notify_one();
        }
    }

    /// Queues frames. A client too slow for the bound is closed and resumes when it can.
    pub(crate) fn push(&self, frames: Frames) {
        let mut slow = false;
        self.change(|outbox| {
            slow = !outbox.push(frames, self.bound_bytes) && outbox.parting().is_none();
            if slow {
                // In the same breath, or a later frame would be queued behind the hole.
                outbox.discard();
                outbox.part(Parting::resume("too slow"));
            }
        });
        if slow {
            self.room.notify_waiters();
            self.cut.notify_one();
        }
    }

    /// Queues a frame that matters only now, unless the client is busy already. Tells whether it did.
    pub(crate) fn push_ephemeral(&self, frame: Frames) -> bool {
        let mut pushed = false;
        self.change(|outbox| {
            let spare = outbox.bytes() < self.bound_bytes / 4;
            pushed = spare && outbox.push(frame, self.bound_bytes);
        });
        pushed
    }

    /// Waits until the outbox is empty enough for another frame out of a log, or the socket closes.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.room.notified();
            {
                let outbox = self.outbox();
                if outbox.bytes() < self.bound_bytes / 4 || outbox.parting().is_some() {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// What the socket's task writes next.
    pub(crate) fn take(&self) -> Turn {
        let turn = self.outbox().take();
        self.room.notify_waiters();
        turn
    }

    /// Closes the socket after what is queued, or at once if the client does not read.
    pub(crate) fn part(&self, parting: Parting) {
        self.change(|outbox| outbox.part(parting));
        self.room.notify_waiters();
        self.cut.notify_one();
    }

    /// Why it closes, if it does.
    pub(crate) fn parting(&self) -> Option<Parting> {
        self.outbox().parting()
    }

    /// Tells the socket's task that the user may no longer read a conversation.
    pub(crate) fn lose(&self, conversation: ConversationId) {
        self.change(|outbox| outbox.lose(conversation));
    }

    /// Asks the client for a sign of life.
    pub(crate) fn ping(&self, now_ms: u64) {
        self.pinged_at_ms.store(now_ms, Relaxed);
        self.change(Outbox::ping);
    }

    /// The client said something.
    pub(crate) fn heard(&self, now_ms: u64) {
        self.heard_at_ms.store(now_ms, Relaxed);
    }

    /// When the client last said something.
    pub(crate) fn heard_at_ms(&self) -> u64 {
        self.heard_at_ms.load(Relaxed)
    }

    /// What the device says of itself.
    pub(crate) fn device_status(&self) -> DeviceStatus {
        if self.is_idle.load(Relaxed) { DeviceStatus::Away } else { DeviceStatus::Online }
    }

    /// The device says of itself whether it is used. Tells whether that is news.
    pub(crate) fn set_device_status(&self, status: DeviceStatus) -> bool {
        let is_idle = status == DeviceStatus::Away;
        self.is_idle.swap(is_idle, Relaxed) != is_idle
    }

    /// When the client was last asked for a sign of life.
    pub(crate) fn pinged_at_ms(&self) -> u64 {
        self.pinged_at_ms.load(Relaxed)
    }

    /// Whose it is; `None` until it has said hello.
    pub(crate) fn login(&self) -> Option<Login> {
        self.login.get().copied()
    }

    /// Keeps who it is and with which token. False if it is somebody else's or another login's already.
    pub(crate) fn log_in(&self, login: Login, token: &str, expires_at: Timestamp) -> bool {
        if *self.login.get_or_init(|| login) != login {
            return false;
        }
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token.into();
        self.expires_at_ms.store(expires_at.as_millis(), Relaxed);
        true
    }

    /// The token it came with last.
    pub(crate) fn token(&self) -> Arc<str> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its token has run out.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        now.as_millis() >= self.expires_at_ms.load(Relaxed)
    }
}
