//! Nginx stands before the gateways, and people come through it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use http::{Method, StatusCode};
use reqwest::{Certificate, Client, redirect::Policy};
use serde_json::{Value, json};
use tertulia_client::{Api, EventStream};
use tertulia_contracts::{frames::ServerFrame, messaging::ConversationKind};
use tertulia_runtime::testkit::eventually_true;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::{System, Topology},
};

/// More wrong passwords for one name from one address than are let pass without a delay.
const MISSES: usize = 12;
const HALF_A_HEAD: &str = "GET /v1/me HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ";
const HALF_A_BODY: &str = "POST /v1/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{";
const READERS: usize = 8;
/// So often each of them reads while a gateway is dead, and again once it is back.
const READS: usize = 25;

/// Ana and Bea come over TLS: what one says the other hears at once, by socket and by stream. What Nginx refuses is told as
/// the product tells it; nobody is let in under another host's name, sees the figures, or makes up where they come from.
pub(super) async fn lets_in_what_it_should(system: &System) -> Result<()> {
    let door = system.nginx().url().to_owned();
    tokio::try_join!(
        people_talk(system, &door),
        never_ends(system, HALF_A_HEAD),
        never_ends(system, HALF_A_BODY)
    )?;
    is_told_what_it_may_not(system, &door).await?;
    cannot_make_up_an_address(system, &door).await
}

async fn people_talk(system: &System, door: &str) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let (mut ana, mut bea) = (
        Person::sign_up(system, 0, "ana", &journal).await?,
        Person::sign_up(system, 1, "bea", &journal).await?,
    );
    for person in [&mut ana, &mut bea] {
        person.gateways = vec![door.to_owned()];
        person.api = person.api.at(door);
    }
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let (writer, reader) = (ana.come_online(), bea.come_online());
    reader.session.open(chat, Some(0)).await;
    let mut stream = EventStream::open(&bea.api, &format!("open={chat}"), None).await?;
    until(&mut stream, |frame| matches!(frame, ServerFrame::Opened { c, .. } if *c == chat)).await?;
    writer.say(chat, "through the front door").await?;
    reader.was_shown(1).await;
    until(&mut stream, |frame| matches!(frame, ServerFrame::Event { c, .. } if *c == chat)).await
}

/// Somebody who begins a request and never ends it is not waited for.
async fn never_ends(system: &System, beginning: &str) -> Result<()> {
    let port = system.nginx().url().rsplit(':').next().context("it has a port")?.parse::<u16>()?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = system.trust().secure("127.0.0.1", stream).await?;
    stream.write_all(beginning.as_bytes()).await?;
    let mut answer = Vec::new();
    // Whether it ends in good order or breaks off is all the same to whoever is slow.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("it is waited for")?;
    Ok(())
}

async fn is_told_what_it_may_not(system: &System, door: &str) -> Result<()> {
    let ana = system.stranger(door)?;
    ana.sign_up(&format!("ana-{}", system.next_number()), "correct horse battery staple").await?;
    let browser = browser(system, [127, 0, 0, 1].into())?;
    let token = ana.token();
    for (bytes, told_by) in [(100 << 10, "a gateway"), (2 << 20, "Nginx")] {
        let wish = browser.post(format!("{door}/v1/conversations")).bearer_auth(&token);
        let answer = wish.body(vec![b' '; bytes]).send().await.with_context(|| told_by.to_owned())?;
        is_problem(answer, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large").await?;
    }
    let elsewhere = browser.get(format!("{door}/v1/instance")).header("host", "evil.example").send().await?;
    is_problem(elsewhere, StatusCode::MISDIRECTED_REQUEST, "not_this_host").await?;
    let figures = browser.get(format!("{door}/metrics")).send().await?;
    is_problem(figures, StatusCode::NOT_FOUND, "route_not_found").await?;
    let plain = format!("http://{}/v1/me?a=b", system.nginx().address());
    let plain = browser.get(plain).header("host", "evil.example").send().await?;
    let location = plain.headers().get("location").context("it leads somewhere")?;
    ensure!(plain.status() == StatusCode::PERMANENT_REDIRECT && location == "https://127.0.0.1/v1/me?a=b");
    let without = door.replacen("https", "http", 1);
    is_problem(browser.get(without).send().await?, StatusCode::BAD_REQUEST, "malformed_request").await
}

/// Who guesses is slowed down at their own address, whatever they say it is, and nobody is elsewhere.
async fn cannot_make_up_an_address(system: &System, door: &str) -> Result<()> {
    let (guesser, neighbour) =
        (browser(system, [127, 0, 0, 2].into())?, browser(system, [127, 0, 0, 3].into())?);
    let name = format!("nobody-{}", system.next_number());
    let guess = async |who: &Client, n: usize| {
        let guess = who.post(format!("{door}/v1/sessions")).header("x-forwarded-for", format!("10.0.0.{n}"));
        let guess = guess.header("forwarded", format!("for=10.0.0.{n}")).header("x-real-ip", "10.0.0.9");
        let answer = guess.json(&json!({"identifier": name, "password": "not the one"})).send().await?;
        anyhow::Ok(answer.status())
    };
    let mut last = StatusCode::OK;
    for n in 0..MISSES {
        last = guess(&guesser, n).await?;
    }
    ensure!(last == StatusCode::TOO_MANY_REQUESTS, "{last}");
    let other = guess(&neighbour, MISSES).await?;
    ensure!(other == StatusCode::UNAUTHORIZED, "{other}");
    Ok(())
}

/// People read through the front door all the while that a gateway is killed with -9 and comes back. Where there is another,
/// none of them notices; where there is none, each is told that they may try again.
pub(super) async fn reads_go_on(system: &mut System) -> Result<()> {
    let name = if system.topology == Topology::Split { "gateway-1" } else { "tertulia" };
    let ana = Person::sign_up(system, 1, "ana", &Arc::new(Journal::default())).await?;
    let api = ana.api.at(system.nginx().url());
    let (reads, failed, is_over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let readers = (0..READERS).map(async |_| {
        while !is_over.load(Ordering::Relaxed) {
            read(&api, &failed).await?;
            reads.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    });
    let more = async || {
        let before = reads.load(Ordering::Relaxed);
        eventually_true(PATIENCE, async || reads.load(Ordering::Relaxed) >= before + READERS * READS).await;
    };
    let process = system.process(name)?;
    let dies = async {
        more().await;
        process.kill().await.with_context(|| format!("killing {name}"))?;
        more().await;
        process.start_again().await.with_context(|| format!("starting {name} again"))?;
        more().await;
        is_over.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    tokio::try_join!(try_join_all(readers), dies)?;
    let (reads, failed) = (reads.into_inner(), failed.into_inner());
    println!(
        "    {reads} reads through the front door while {name} died and came back, {failed} to be repeated"
    );
    ensure!(system.topology == Topology::Single || failed == 0, "{failed} of {reads} reads failed");
    Ok(())
}

/// One read. That it may be tried again is counted; anything else is a fault.
async fn read(api: &Api, failed: &AtomicUsize) -> Result<()> {
    match api.send::<(), Value>(Method::GET, "/v1/me", None).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_transient() && error.code().is_some() => {
            failed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => bail!("a read failed for good: {error}"),
    }
}

/// A client that comes from this address and follows nothing by itself.
fn browser(system: &System, from: IpAddr) -> Result<Client> {
    let trusted = Certificate::from_pem(system.certificate().as_bytes())?;
    let browser = Client::builder().tls_certs_only([trusted]).local_address(from).redirect(Policy::none());
    Ok(browser.build()?)
}

async fn is_problem(answer: reqwest::Response, status: StatusCode, code: &str) -> Result<()> {
    let (told, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let body: Value = answer.json().await.with_context(|| format!("{told}: no JSON"))?;
    ensure!(told == status && kind.is_some_and(|kind| kind == "application/problem+json"), "{told}: {body}");
    ensure!(body["code"] == code && body["status"] == status.as_u16(), "{body}");
    Ok(())
}

async fn until(stream: &mut EventStream, is_it: impl Fn(&ServerFrame) -> bool) -> Result<()> {
    loop {
        let heard = timeout(PATIENCE, stream.hear()).await.context("nothing is heard")?;
        if is_it(&heard.context("the stream ended")??) {
            return Ok(());
        }
    }
}
