//! The sockets of a broadcast by uWebSockets: one says, the others hear.

use std::net::SocketAddr;

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::wire::{Ear, Mouth, client_frame, connect};

/// How many connect at once.
const AT_ONCE: usize = 32;

/// An author and those who listen.
pub(crate) struct Broadcast {
    /// One for each who listens.
    pub ears: Vec<Ear>,
    /// Dropping these would close the sockets.
    _mouths: Vec<Mouth>,
    author: Mouth,
    _author_ear: Ear,
}

impl Broadcast {
    /// Connects so many listeners, and the author.
    pub(crate) async fn join(address: SocketAddr, listeners: usize) -> Result<Self> {
        let connecting = (0..listeners).map(|_| connect(address));
        let sockets: Vec<(Ear, Mouth)> =
            stream::iter(connecting).buffer_unordered(AT_ONCE).try_collect().await?;
        let (ears, mouths) = sockets.into_iter().unzip();
        let (author_ear, author) = connect(address).await?;
        Ok(Self { ears, _mouths: mouths, author, _author_ear: author_ear })
    }

    /// Says the same so many times in one write.
    pub(crate) async fn say(&mut self, payload: &[u8], times: usize) -> Result<()> {
        self.author.write(&client_frame(payload).repeat(times)).await
    }
}
