//! Invitations that need approval: who comes in by them is counted exactly, wherever they ask and whoever decides.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::{
    ConversationId,
    messaging::{
        ConversationKind, Fact, Invitations, JoinRequest, JoinRequests, MAX_PAGE, MIN_INVITATION_LIFE_S,
        MadeInvitation, Member,
    },
};
use tertulia_runtime::{Clock as _, SystemClock, testkit::eventually_true};

use crate::{
    heard::Listener,
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

const PEOPLE: usize = 10;
const USES: u32 = 3;

/// Ten come at once by a link for three, each through a gateway of their own, and wait. Ana lets all ten in at once:
/// three come in, the others are still outside and the link is spent. A link that ends lets nobody ask any more; who
/// asked in time comes in after its end.
pub(super) async fn three_of_ten(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let group = ana.start(ConversationKind::Group, &[]).await?;
    let short = invite(&ana, group, json!({"expires_in_s": MIN_INVITATION_LIFE_S})).await?;
    let ends = short.invitation.expires_at;
    let mut people = Vec::new();
    for n in 0..PEOPLE + 2 {
        people.push(Person::sign_up(system, n, "guest", &journal).await?);
    }
    let (in_time, late) = (people.pop().context("somebody")?, people.pop().context("somebody")?);
    accept(&in_time.api, &short.code).await.context("asking in time")?;

    let made = invite(&ana, group, json!({"max_uses": USES})).await?;
    let listener = Listener::open(&ana.api, ana.gateways.clone(), group).await;
    let asked = try_join_all(people.iter().map(|person| accept(&person.api, &made.code))).await?;
    ensure!(asked.iter().all(|wish| wish.invitation_id == Some(made.invitation.id)), "{asked:?}");
    for person in &people {
        refused(&person.api.conversation(group).await, "conversation_not_found")?;
    }
    let faces: Vec<Api> = ana.gateways.iter().map(|gateway| ana.api.at(gateway)).collect();
    let decided = join_all(people.iter().zip(faces.iter().cycle()).map(async |(person, face)| {
        let path = format!("/v1/conversations/{group}/requests/{}/approve", person.id());
        (person, face.send::<(), Member>(Method::POST, &path, None).await)
    }));
    let mut inside = Vec::new();
    for (person, decided) in decided.await {
        match decided {
            Ok(member) => {
                ensure!(member.user_id == person.id(), "{member:?}");
                inside.push(person);
            }
            spent => {
                refused(&spent, "invitation_spent")?;
                refused(&person.api.conversation(group).await, "conversation_not_found")?;
            }
        }
    }
    ensure!(inside.len() == USES as usize, "{} came in by a link for {USES}", inside.len());
    for person in &inside {
        let seen = person.api.conversation(group).await?;
        ensure!(seen.membership.is_some() && seen.member_count == Some(u64::from(USES) + 1), "{seen:?}");
        listener.was_told(|fact| joined(fact, person)).await;
    }
    refused(&accept(&late.api, &made.code).await, "invitation_not_found")?;
    let log = ana.api.log(group, 0, MAX_PAGE).await?.items;
    let by_it = log.iter().filter(|entry| {
        matches!(&entry.e, Fact::MemberJoined { invitation_id, .. } if *invitation_id == Some(made.invitation.id))
    });
    ensure!(by_it.count() == inside.len(), "the log counts otherwise: {log:?}");
    let invitations = format!("/v1/conversations/{group}/invitations");
    let listed: Invitations = ask(&ana, Method::GET, &invitations).await?;
    let uses = listed.items.iter().find(|listed| listed.id == made.invitation.id).map(|listed| listed.uses);
    ensure!(uses == Some(USES.into()), "{listed:?}");

    let life = Duration::from_secs(MIN_INVITATION_LIFE_S.into());
    eventually_true(life + PATIENCE, async || SystemClock.now() >= ends).await;
    for gateway in &late.gateways {
        refused(&accept(&late.api.at(gateway), &short.code).await, "invitation_not_found")?;
    }
    let requests = format!("/v1/conversations/{group}/requests");
    let _: Member =
        ask(&ana, Method::POST, &format!("{requests}/{}/approve", in_time.id())).await.context("in time")?;
    listener.was_told(|fact| joined(fact, &in_time)).await;
    let waiting: JoinRequests = ask(&ana, Method::GET, &requests).await?;
    ensure!(waiting.items.len() == PEOPLE - USES as usize, "{waiting:?}");
    Ok(())
}

async fn invite(ana: &Person, group: ConversationId, mut wish: Value) -> Result<MadeInvitation> {
    wish["needs_approval"] = json!(true);
    let path = format!("/v1/conversations/{group}/invitations");
    ana.api.send(Method::POST, &path, Some(&wish)).await.context("inviting")
}

async fn accept(api: &Api, code: &str) -> Result<JoinRequest, ApiError> {
    api.send::<(), _>(Method::POST, &format!("/v1/invitations/{code}/accept"), None).await
}

async fn ask<A: serde::de::DeserializeOwned>(
    person: &Person,
    method: Method,
    path: &str,
) -> Result<A, ApiError> {
    person.api.send::<(), A>(method, path, None).await
}

fn joined(fact: &Fact, person: &Person) -> bool {
    matches!(fact, Fact::MemberJoined { member, .. } if member.user_id == person.id())
}

fn refused<A: std::fmt::Debug>(answer: &Result<A, ApiError>, code: &str) -> Result<()> {
    ensure!(answer.as_ref().err().and_then(ApiError::code) == Some(code), "not {code}: {answer:?}");
    Ok(())
}
