//! The server falls, and everybody comes back at once.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use tertulia_contracts::{ConversationId, frames::Resume, messaging::PostMessage};
use tertulia_runtime::Ambient;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep, timeout},
};

use crate::{
    people, process,
    product::Product,
    pump::BODY,
    report::Figure,
    wire::{self, Ear, Mouth},
};

const PAIRS: usize = 2_500;
const SOCKETS: usize = 2 * PAIRS;
const AT_ONCE: usize = 32;
/// A client that is refused comes again after this.
const COME_AGAIN: Duration = Duration::from_millis(200);
const WITHIN: Duration = Duration::from_mins(2);

/// Where somebody was when the server fell.
struct Place {
    token: String,
    conversation: ConversationId,
    resume: Resume,
    /// The position of what they missed.
    missed: u64,
}

/// The part of a `ready` that a client keeps.
#[derive(Deserialize)]
struct Ready {
    epoch: String,
    useq: u64,
}

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    process::require_sockets(SOCKETS)?;
    let data = folder.join("data");
    let product = Product::start(&data).await?;
    let pairs = people::pairs(&product, PAIRS).await?;
    let address = product.address();
    let arriving = pairs.iter().flat_map(|pair| pair.people.iter().map(move |person| (pair, person)));
    let arrive = |(pair, person): (&people::Pair, &people::Person)| {
        let (conversation, api) = (pair.conversation, person.api.clone());
        async move {
            let seq = api.conversation(conversation).await?.head_seq;
            let (ear, mouth, ready) = wire::greet(address, &api.token(), None, br#"{"t":"ready""#).await?;
            let Ready { epoch, useq } = serde_json::from_slice(&ready)?;
            let resume = Resume { epoch: Some(epoch), useq, seqs: [(conversation, seq)].into() };
            Ok::<_, anyhow::Error>((
                Place { token: api.token(), conversation, resume, missed: seq + 1 },
                (ear, mouth),
            ))
        }
    };
    let arrived: Vec<_> =
        stream::iter(arriving.map(arrive).collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    let (places, sockets): (Vec<Place>, Vec<(Ear, Mouth)>) = arrived.into_iter().unzip();

    product.kill().await?;
    drop(sockets);
    let product = Product::start(&data).await?;
    let ambient = Ambient::system();
    let post = |pair: &people::Pair| {
        let api = pair.people[0].api.at(&product.base());
        let (conversation, client_id) = (pair.conversation, ambient.ids.next_ulid());
        async move {
            let message = PostMessage::new(client_id, BODY.to_owned());
            api.post(conversation, &message).await
        }
    };
    let posting: Vec<_> = pairs.iter().map(post).collect();
    let _: Vec<_> = stream::iter(posting).buffer_unordered(AT_ONCE).try_collect().await?;

    let (half_s, all_s) = storm(product.address(), places).await?;
    product.stop().await?;
    let seen = format!(
        "{SOCKETS} sockets at once after kill -9, each with a message missed; half of them after {half_s:.1} s"
    );
    Ok(vec![Figure::at_most(15.0, "storm.resumed_s", all_s, "s", seen)])
}

/// All come at once. Seconds until half of them, and until all of them, have what they missed.
async fn storm(address: SocketAddr, places: Vec<Place>) -> Result<(f64, f64)> {
    let began = Instant::now();
    let mut coming = JoinSet::new();
    for place in places {
        coming.spawn(async move {
            loop {
                match come_back(address, &place).await {
                    Ok(socket) => return (socket, began.elapsed()),
                    Err(_) => sleep(COME_AGAIN).await,
                }
            }
        });
    }
    let mut back = Vec::with_capacity(SOCKETS);
    let all = async {
        while let Some(came) = coming.join_next().await {
            back.push(came.context("a client panicked")?);
        }
        Ok::<_, anyhow::Error>(())
    };
    timeout(WITHIN, all).await.context("not everybody came back in time")??;
    let mut times: Vec<f64> = back.iter().map(|(_, after)| after.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    Ok((times[SOCKETS / 2], times[SOCKETS - 1]))
}

/// Resumes, and waits for the very entry that was missed.
async fn come_back(address: SocketAddr, place: &Place) -> Result<(Ear, Mouth)> {
    let Place { token, conversation, resume, missed } = place;
    let entry = format!(r#"{{"t":"event","c":"{conversation}","seq":{missed},"#);
    let (mut ear, mouth, _) = wire::greet(address, token, Some(resume.clone()), entry.as_bytes()).await?;
    ear.rest();
    Ok((ear, mouth))
}
