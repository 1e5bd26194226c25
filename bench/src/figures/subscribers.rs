//! Whether a channel of a million costs more than one of a thousand.

use std::path::Path;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use http::Method;
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Conversation, Messages, PostMessage},
};
use tertulia_runtime::Ambient;
use tokio::time::{Duration, Instant, sleep};

use super::{median, real};
use crate::{
    Plan, crowd,
    people::{self, Person},
    product::Product,
    pump::BODY,
    report::Figure,
};

const FEW: u64 = 1_000;
const ROUNDS: usize = 200;
const WARM_UP: usize = 25;
const PAGE: usize = 50;
/// Posts of the count of writes.
const POSTS: usize = 200;
const SETTLE_WITHIN: Duration = Duration::from_mins(1);

/// What is timed, in milliseconds.
const KINDS: [&str; 4] = ["post", "page", "unread", "join"];

pub(super) async fn measure(plan: Plan, folder: PathBuf) -> Result<Vec<Figure>> {
    let few = Channel::fill(&folder.join("few"), FEW).await?;
    let many = Channel::fill(&folder.join("many"), plan.subscribers).await?;
    let ambient = Ambient::system();
    let mut times: [[Vec<f64>; KINDS.len()]; 2] = Default::default();
    for round in 0..WARM_UP + ROUNDS {
        for (channel, times) in [&few, &many].into_iter().zip(&mut times) {
            for (time, kind) in channel.ask_all(&ambient, round).await?.into_iter().zip(times.iter_mut()) {
                if round >= WARM_UP {
                    kind.push(time);
                }
            }
        }
    }
    let writes_per_post = many.writes_per_post(&ambient).await?;
    let filled_s = many.filled_s;
    few.product.stop().await?;
    many.product.stop().await?;

    let seen = format!("{POSTS} posts to {} subscribers", plan.subscribers);
    let mut figures =
        vec![Figure::at_most(1.1, "subscribers.writes_per_post", writes_per_post, "documents", seen)];
    let names = [
        "subscribers.post_ratio",
        "subscribers.page_ratio",
        "subscribers.unread_ratio",
        "subscribers.join_ratio",
    ];
    let [few, many] = &mut times;
    for ((name, few), many) in names.into_iter().zip(few).zip(many) {
        let (few, many) = (median(few), median(many));
        let seen = format!(
            "{few:.3} ms at {FEW}, {many:.3} ms at {} subscribers, written in {filled_s:.0} s",
            plan.subscribers
        );
        figures.push(Figure::at_most(1.3, name, many / few, "ratio", seen));
    }
    Ok(figures)
}

/// A server with one channel of so many.
struct Channel {
    product: Product,
    owner: Api,
    subscriber: Api,
    conversation: ConversationId,
    /// Who joins while it is measured.
    newcomers: Vec<Person>,
    filled_s: f64,
}

impl Channel {
    /// One subscriber joins on the product's own road. All others are written beside it while the product is stopped, as
    /// copies of that one.
    async fn fill(data: &Path, subscribers: u64) -> Result<Self> {
        let product = Product::start(data).await?;
        let mut people = people::people(&product, 2 + WARM_UP + ROUNDS).await?;
        let newcomers = people.split_off(2);
        let conversation = people::public_channel(&people[0]).await?;
        let subscriber = people[1].api.clone();
        join(&subscriber, conversation, people[1].id).await?;
        eventually_told(&subscriber).await?;
        product.settle("tertulia_messaging_entries_unpublished", SETTLE_WITHIN).await?;
        product.stop().await?;
        let (file, model, began) = (data.join("messaging.db"), people[1].id, Instant::now());
        let written = move || crowd::join(&file, conversation, model, subscribers - 1);
        tokio::task::spawn_blocking(written).await??;
        let filled_s = began.elapsed().as_secs_f64();

        let product = Product::start(data).await?;
        let base = product.base();
        let (owner, subscriber) = (people[0].api.at(&base), subscriber.at(&base));
        let found = owner.conversation(conversation).await?;
        ensure!(
            found.head_seq > subscribers && found.member_count == Some(subscribers + 1),
            "the channel of {subscribers} subscribers has {:?} members and ends at {}",
            found.member_count,
            found.head_seq
        );
        let newcomers =
            newcomers.into_iter().map(|Person { api, id }| Person { api: api.at(&base), id }).collect();
        let ambient = Ambient::system();
        let channel = Self { product, owner, subscriber, conversation, newcomers, filled_s };
        for _ in 0..PAGE {
            channel.post(&ambient).await?;
        }
        Ok(channel)
    }

    /// Milliseconds of each of the kinds.
    async fn ask_all(&self, ambient: &Ambient, round: usize) -> Result<[f64; KINDS.len()]> {
        let newcomer = &self.newcomers[round];
        let post = timed(self.post(ambient)).await?;
        let page = timed(self.page()).await?;
        let unread = timed(self.unread()).await?;
        let join = timed(join(&newcomer.api, self.conversation, newcomer.id)).await?;
        Ok([post, page, unread, join])
    }

    async fn post(&self, ambient: &Ambient) -> Result<()> {
        let client_id = ambient.ids.next_ulid();
        let message = PostMessage::new(client_id, BODY.to_owned());
        self.owner.post(self.conversation, &message).await?;
        Ok(())
    }

    async fn page(&self) -> Result<()> {
        let path = format!("/v1/conversations/{}/messages?limit={PAGE}", self.conversation);
        let page: Messages = self.subscriber.send::<(), _>(Method::GET, &path, None).await?;
        ensure!(page.items.len() == PAGE, "a page of {}", page.items.len());
        Ok(())
    }

    /// The subscriber has never read anything.
    async fn unread(&self) -> Result<()> {
        let conversation: Conversation = self.subscriber.conversation(self.conversation).await?;
        let unread = conversation.membership.context("the subscriber is no member")?.unread;
        ensure!(unread >= PAGE as u64, "{unread} unread");
        Ok(())
    }

    /// How many documents are written for a post, whatever follows from it included.
    async fn writes_per_post(&self, ambient: &Ambient) -> Result<f64> {
        const WRITTEN: &str = "tertulia_messaging_documents_transaction_size_sum";
        self.product.settle("tertulia_messaging_entries_unpublished", SETTLE_WITHIN).await?;
        let before = self.product.metric(WRITTEN).await?;
        for _ in 0..POSTS {
            self.post(ambient).await?;
        }
        self.product.settle("tertulia_messaging_entries_unpublished", SETTLE_WITHIN).await?;
        Ok((self.product.metric(WRITTEN).await? - before) / real(POSTS as u64))
    }
}

async fn join(api: &Api, conversation: ConversationId, user: UserId) -> Result<()> {
    let path = format!("/v1/conversations/{conversation}/members/{user}");
    let _: serde_json::Value = api.send::<(), _>(Method::PUT, &path, None).await?;
    Ok(())
}

async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// Waits until what somebody joined stands in their own log: the last that follows from joining.
async fn eventually_told(api: &Api) -> Result<()> {
    let began = Instant::now();
    while api.my_log(0, 1).await?.items.is_empty() {
        ensure!(began.elapsed() < SETTLE_WITHIN, "nobody told them that they joined");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
