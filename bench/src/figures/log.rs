//! Whether a long log costs more than a short one.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use http::Method;
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId,
    messaging::{Messages, PostMessage},
};
use tertulia_runtime::Ambient;
use tokio::time::{Duration, Instant};

use super::{median, real};
use crate::{
    Plan, people,
    product::Product,
    pump::{BODY, Pump},
    report::Figure,
};

const SHORT: u64 = 10_000;
const SENDERS: usize = 512;
const ROUNDS: usize = 400;
const PAGE: usize = 50;
/// Reads and posts before the first that counts.
const WARM_UP: usize = 50;
/// The relay may be behind after a million entries.
const SETTLE_WITHIN: Duration = Duration::from_mins(5);

/// A server with one log of a known length.
struct Shelf {
    product: Product,
    api: Api,
    conversation: ConversationId,
    filled_per_second: f64,
}

pub(super) async fn measure(plan: Plan, folder: PathBuf) -> Result<Vec<Figure>> {
    let short = Shelf::fill(&folder.join("short"), SHORT).await?;
    let long = Shelf::fill(&folder.join("long"), plan.entries).await?;
    let ambient = Ambient::system();
    let mut times = [const { (Vec::new(), Vec::new()) }; 2];
    for round in 0..WARM_UP + ROUNDS {
        for (shelf, (pages, posts)) in [&short, &long].into_iter().zip(&mut times) {
            let page = shelf.page().await?;
            let post = shelf.post(&ambient).await?;
            if round >= WARM_UP {
                pages.push(page);
                posts.push(post);
            }
        }
    }
    let filled_per_second = long.filled_per_second;
    short.product.stop().await?;
    long.product.stop().await?;

    let [(short_pages, short_posts), (long_pages, long_posts)] = &mut times;
    let figure = |name, short: &mut [f64], long: &mut [f64]| {
        let (short, long) = (median(short), median(long));
        let entries = plan.entries;
        let seen = format!(
            "{short:.3} ms at {SHORT}, {long:.3} ms at {entries} entries, posted at {filled_per_second:.0}/s"
        );
        Figure::at_most(1.3, name, long / short, "ratio", seen)
    };
    Ok(vec![
        figure("log.page_ratio", short_pages, long_pages),
        figure("log.post_ratio", short_posts, long_posts),
    ])
}

impl Shelf {
    /// Starts a server and posts so many entries into one conversation.
    async fn fill(data: &Path, entries: u64) -> Result<Self> {
        let product = Product::start(data).await?;
        let people = people::people(&product, 1).await?;
        let conversation = people::group_of(&people).await?;
        let api = people[0].api.clone();
        let sockets = people::sockets(&product, vec![(&people[0], Vec::new()); SENDERS]).await?;
        let began = Instant::now();
        let sockets = sockets.into_iter().map(|(ear, mouth)| (ear, mouth, conversation)).collect();
        let pump = Pump::start(sockets, entries)?;
        pump.finish().await?;
        let filled_per_second = real(entries) / began.elapsed().as_secs_f64();
        product.settle("tertulia_messaging_entries_unpublished", SETTLE_WITHIN).await?;
        let head = api.conversation(conversation).await?.head_seq;
        ensure!(head > entries, "the log ends at {head}");
        Ok(Self { product, api, conversation, filled_per_second })
    }

    /// Milliseconds for the newest page.
    async fn page(&self) -> Result<f64> {
        let path = format!("/v1/conversations/{}/messages?limit={PAGE}", self.conversation);
        let began = Instant::now();
        let page: Messages = self.api.send::<(), _>(Method::GET, &path, None).await?;
        let took = began.elapsed();
        ensure!(page.items.len() == PAGE, "a page of {}", page.items.len());
        Ok(took.as_secs_f64() * 1_000.0)
    }

    /// Milliseconds for one more message.
    async fn post(&self, ambient: &Ambient) -> Result<f64> {
        let client_id = ambient.ids.next_ulid();
        let message = PostMessage::new(client_id, BODY.to_owned());
        let began = Instant::now();
        self.api.post(self.conversation, &message).await?;
        Ok(began.elapsed().as_secs_f64() * 1_000.0)
    }
}
