//! In slow mode nobody hurries, whichever device they take, but for those who keep order.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::{
    ConversationId,
    messaging::{ConversationKind, Message, PostMessage},
};
use tertulia_runtime::{Clock as _, SystemClock, testkit::eventually_true};
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person, bodies},
    system::System,
};

const SLOW_S: u32 = 3;

async fn say(api: &Api, chat: ConversationId, message: &PostMessage) -> Result<Message, ApiError> {
    Ok(api.post(chat, message).await?.message)
}

fn saying(body: &str) -> PostMessage {
    PostMessage::new(Ulid::generate(), body.to_owned())
}

/// Ana makes a group slow. Of what Bea says on two devices at once, through two gateways, one is posted and the other has
/// to wait, and is posted when it has; Cem, a moderator, and Ana post as they please.
pub(super) async fn nobody_hurries(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 0, "bea", &journal).await?;
    let cem = Person::sign_up(system, 1, "cem", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea, &cem]).await?;
    let path = format!("/v1/conversations/{chat}");
    let _: Value = ana
        .api
        .send(Method::PUT, &format!("{path}/members/{}", cem.id()), Some(&json!({"role": "moderator"})))
        .await?;
    let _: Value = ana.api.send(Method::PATCH, &path, Some(&json!({"slow_mode_s": SLOW_S}))).await?;

    let (phone, desktop) = (bea.api.clone(), bea.api.at(&bea.gateways[1 % bea.gateways.len()]));
    let (one, other) = (saying("From the phone"), saying("From the desktop"));
    let both = tokio::join!(say(&phone, chat, &one), say(&desktop, chat, &other));
    let (first, refused, waiting) = match both {
        (Ok(first), Err(refused)) => (first, refused, (&desktop, &other)),
        (Err(refused), Ok(first)) => (first, refused, (&phone, &one)),
        both => bail!("one of two is posted: {both:?}"),
    };
    ensure!(refused.code() == Some("slow_mode"), "{refused}");
    let wait = refused.retry_after().context("nothing says how long to wait")?;
    ensure!(wait > Duration::ZERO && wait <= Duration::from_secs(SLOW_S.into()), "{wait:?}");

    for person in [&ana, &cem] {
        let (one, other) = (saying("In order"), saying("Please"));
        let (one, other) = tokio::join!(say(&person.api, chat, &one), say(&person.api, chat, &other));
        one.and(other).context("who keeps order waits")?;
    }

    let (device, post) = waiting;
    let again = SystemClock.now().plus(wait);
    eventually_true(PATIENCE, async || SystemClock.now() >= again).await;
    let second = say(device, chat, post).await.context("who has waited is refused")?;
    let apart = second.created_at.since(first.created_at);
    ensure!(apart >= Duration::from_secs(SLOW_S.into()), "{apart:?} lie between {first:?} and {second:?}");
    let repeat = say(&phone, chat, post).await.context("a repeat waits for nothing")?;
    ensure!(repeat.id == second.id, "{repeat:?}");

    let log = ana.final_log(chat, &[]).await?;
    let said = bodies(&log.messages);
    ensure!(said.len() == 6 && said.ends_with(&[second.body.as_str()]), "{said:?}");
    Ok(())
}
