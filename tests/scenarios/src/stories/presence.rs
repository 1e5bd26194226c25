//! Who is there, seen through other processes.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use tertulia_client::{Api, Socket};
use tertulia_contracts::{
    UserId,
    frames::{ClientFrame, ServerFrame},
    messaging::ConversationKind,
    presence::{ChosenPresence, ChosenStatus, DeviceStatus, Presence, PresenceStatus, Presences},
};
use tertulia_runtime::testkit::eventually_true;
use tokio::time::timeout;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// Ana sees Bea come, busy herself, hide and go, through gateways and nodes of their own; after a block she sees nothing
/// any more, as a stranger all along.
pub(super) async fn seen_by_whom_one_talks_to(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let eve = Person::sign_up(system, 0, "eve", &journal).await?;
    ana.start(ConversationKind::Direct, &[&bea]).await?;
    let mut anas = watching(&ana.api, &[bea.id()]).await?;
    until(&mut anas, bea.id(), PresenceStatus::Offline).await?;
    let mut eves = watching(&eve.api, &[bea.id()]).await?;
    until(&mut eves, bea.id(), PresenceStatus::Offline).await?;

    // Whichever node it comes to: of several, some are on another than hers.
    let mut beas = Vec::new();
    for gateway in &bea.gateways {
        beas.push(bea.api.at(gateway).hello(None).await?.0);
    }
    until(&mut anas, bea.id(), PresenceStatus::Online).await?;
    for socket in &mut beas {
        socket.say(&ClientFrame::Presence { status: DeviceStatus::Away }).await?;
    }
    until(&mut anas, bea.id(), PresenceStatus::Away).await?;
    choose(&bea, ChosenStatus::Dnd, Some("Escribiendo")).await?;
    let told = until(&mut anas, bea.id(), PresenceStatus::Dnd).await?;
    ensure!(told.text.as_deref() == Some("Escribiendo"), "{told:?}");
    ensure!(seen(&ana.api, bea.id()).await? == told, "HTTP says the same");
    choose(&bea, ChosenStatus::Invisible, None).await?;
    let told = until(&mut anas, bea.id(), PresenceStatus::Offline).await?;
    ensure!(told.last_seen.is_some() && told.text.is_none(), "{told:?}");
    choose(&bea, ChosenStatus::Online, None).await?;
    until(&mut anas, bea.id(), PresenceStatus::Away).await?;

    let stranger = seen(&eve.api, bea.id()).await?;
    let blank = |user_id| Presence { user_id, status: PresenceStatus::Offline, last_seen: None, text: None };
    ensure!(stranger == blank(bea.id()), "{stranger:?}");
    bea.api.block(ana.id()).await?;
    let told = until(&mut anas, bea.id(), PresenceStatus::Offline).await?;
    ensure!(told == blank(bea.id()), "{told:?}");
    ensure!(seen(&ana.api, bea.id()).await? == stranger, "as to a stranger");
    Ok(())
}

/// A node that is killed cannot say who went with it; they are seen to be gone all the same. Where one process is all
/// there is, nobody is left to see it: whoever comes back finds that nobody is there.
pub(super) async fn gone_with_their_node(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    ana.start(ConversationKind::Direct, &[&bea]).await?;
    let _beas = watching(&bea.api, &[ana.id()]).await?;
    eventually_true(PATIENCE, async || status(&ana, &bea).await == Some(PresenceStatus::Online)).await;
    let listens = |name: &str| name == "tertulia" || name.starts_with("realtime-");
    system.kill_and_start_again(listens).await?;
    eventually_true(PATIENCE, async || status(&ana, &bea).await == Some(PresenceStatus::Offline)).await;
    Ok(())
}

async fn status(by: &Person, of: &Person) -> Option<PresenceStatus> {
    Some(seen(&by.api, of.id()).await.ok()?.status)
}

async fn watching(api: &Api, users: &[UserId]) -> Result<Socket> {
    let (mut socket, _) = api.hello(None).await?;
    socket.say(&ClientFrame::PresenceWatch { users: users.to_vec() }).await?;
    Ok(socket)
}

async fn choose(person: &Person, status: ChosenStatus, text: Option<&str>) -> Result<()> {
    let wanted = ChosenPresence { status, text: text.map(str::to_owned), until: None };
    let chosen: ChosenPresence = person.api.send(Method::PUT, "/v1/me/presence", Some(&wanted)).await?;
    ensure!(chosen == wanted, "{chosen:?}");
    Ok(())
}

async fn seen(api: &Api, user: UserId) -> Result<Presence> {
    let path = format!("/v1/presence?users={user}");
    let mut answer: Presences = api.send::<(), _>(Method::GET, &path, None).await?;
    answer.items.pop().context("one was asked for")
}

/// Waits until somebody is seen so on a socket.
async fn until(socket: &mut Socket, of: UserId, wanted: PresenceStatus) -> Result<Presence> {
    let told = timeout(PATIENCE, async {
        loop {
            if let ServerFrame::Presence { user, status, last_seen, text } = socket.hear().await?
                && (user, status) == (of, wanted)
            {
                return Ok(Presence { user_id: user, status, last_seen, text });
            }
        }
    });
    told.await.with_context(|| format!("nobody was seen as {wanted:?}"))?
}
