//! From where a client is to the present, without a hole and without a double: the channel is joined first, then
//! the log is read, then the listener goes live.

use tertulia_contracts::frames::ServerFrame;
use tertulia_runtime::Kind;

use crate::{
    feed::{Attachment, GoLive, Owner, Repair},
    hub::Hub,
    upstream::{Page, Refusal},
    wire::{self, Frames},
};

/// A client further behind than this loads the conversation anew, which costs it one page.
pub(crate) const MAX_GAP: u64 = 1_000;
/// Behind every log: asks for the head alone. The largest integer that every JSON reader holds exactly.
pub(crate) const BEHIND_EVERYTHING: u64 = (1 << 53) - 1;
/// How often the log may move on while it is read before the client is better off loading it anew.
const MAX_ROUNDS: usize = 64;

/// Where a client says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: it wants what happens from now on.
    Now,
    /// It has everything up to here.
    After(u64),
    /// Somewhere in another epoch.
    Elsewhere,
    /// Outside: it wants to know that something happens, not what.
    Outside,
}

impl Place {
    /// What to ask the log for.
    pub(crate) fn after(self) -> u64 {
        match self {
            Self::After(seq) => seq,
            Self::Now | Self::Elsewhere | Self::Outside => BEHIND_EVERYTHING,
        }
    }
}

/// Joins, reads, goes live.
pub(crate) async fn catch_up(hub: &Hub, attachment: &Attachment, place: Place) -> Result<(), Refusal> {
    hub.join(&attachment.feed).await?;
    if place == Place::Outside {
        return watch(hub, attachment).await;
    }
    let _recording = attachment.record();
    let page = hub.upstream.page(attachment.feed.owner, place.after(), &attachment.socket.token()).await?;
    proceed(hub, attachment, place, page).await
}

/// What is broadcast from before the head is read counts too, so that nothing falls between here either.
async fn watch(hub: &Hub, attachment: &Attachment) -> Result<(), Refusal> {
    let owner = attachment.feed.owner;
    let page = hub.upstream.page(owner, BEHIND_EVERYTHING, &attachment.socket.token()).await?;
    attachment.watch(page.head_seq, |head| opened(owner, head));
    Ok(())
}

/// The rest of the way, from the first page. The feed must have been recording since before it was read.
pub(crate) async fn proceed(
    hub: &Hub,
    attachment: &Attachment,
    place: Place,
    first: Page,
) -> Result<(), Refusal> {
    let (socket, owner) = (&attachment.socket, attachment.feed.owner);
    // Opened anew meanwhile, or closed: what follows is another's to say, or nobody's.
    if attachment.is_detached() {
        return Ok(());
    }
    let mut page = first;
    let mut last = match place {
        Place::After(seq) if seq <= page.head_seq && page.head_seq - seq <= MAX_GAP => seq,
        Place::Now | Place::Outside => page.head_seq,
        Place::After(_) | Place::Elsewhere => {
            hub.meters.resyncs.inc();
            socket.push(resync(owner));
            page.head_seq
        }
    };
    for _ in 0..MAX_ROUNDS {
        let before = last;
        for entry in page.entries() {
            if entry.seq == last + 1 {
                socket.room().await;
                if attachment.is_detached() {
                    return Ok(());
                }
                socket.push(wire::entry(owner, entry.seq, entry.e));
                last = entry.seq;
            }
        }
        if last >= page.head_seq {
            match attachment.go_live(last, |head| opened(owner, head)) {
                GoLive::Live | GoLive::Detached => return Ok(()),
                GoLive::Behind(reached) => last = reached,
            }
        } else if last == before {
            tracing::error!(
                ?owner,
                last,
                head = page.head_seq,
                "a page of a log lacks the entry that follows"
            );
            return Err(unreadable());
        }
        page = hub.upstream.page(owner, last, &socket.token()).await?;
    }
    Err(unreadable())
}

/// Reads what a feed has missed and gives it to everyone live, in the name of one of them.
pub(crate) async fn repair(hub: &Hub, claim: &Repair) -> Result<(), Refusal> {
    let Repair { feed, after, socket, .. } = claim;
    let Some(mut last) = *after else {
        let page = hub.upstream.page(feed.owner, BEHIND_EVERYTHING, &socket.token()).await?;
        feed.heard_of(page.head_seq);
        return Ok(());
    };
    loop {
        let page = hub.upstream.page(feed.owner, last, &socket.token()).await?;
        if page.head_seq.saturating_sub(last) > MAX_GAP {
            hub.meters.resyncs.inc_by(feed.listeners() as u64);
            feed.skip_to(page.head_seq, &resync(feed.owner));
            return Ok(());
        }
        let entries: Vec<_> = page.entries().collect();
        let delivered = feed.deliver(&entries);
        hub.meters.deliveries.inc_by(delivered.frames);
        let newest = entries.last().map_or(last, |entry| entry.seq);
        if newest >= page.head_seq {
            return Ok(());
        }
        if newest <= last {
            return Err(unreadable());
        }
        last = newest;
    }
}

fn resync(owner: Owner) -> Frames {
    let c = match owner {
        Owner::Conversation(c) => Some(c),
        Owner::User(_) => None,
    };
    wire::encode(&ServerFrame::Resync { c })
}

fn opened(owner: Owner, head: u64) -> Option<Frames> {
    match owner {
        Owner::Conversation(c) => Some(wire::encode(&ServerFrame::Opened { c, head })),
        Owner::User(_) => None,
    }
}

fn unreadable() -> Refusal {
    Refusal {
        kind: Kind::Unavailable,
        code: "log_unreadable".into(),
        detail: "The log cannot be read just now. Try again in a moment.".into(),
        retry_after_s: Some(1),
    }
}
