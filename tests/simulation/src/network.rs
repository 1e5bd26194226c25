//! What lies between clients, realtime nodes and messaging: requests that are delayed, refused and lost, and lines
//! that carry bytes until they are cut.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tertulia_contracts::presence::{AskCompany, Company};
use tertulia_runtime::{Clock as _, hash::fnv1a};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::ServiceExt as _;

use crate::{
    Planted, gone,
    world::{Life, World, spawn, until},
};

/// How much a line holds in each direction: little, so that a client that does not read is noticed.
const LINE_BYTES: usize = 8 << 10;
/// Where nodes ask who of some people see each other.
const COMPANY: &str = "/internal/presence/company";

/// A process that serves requests.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) life: Arc<Life>,
    pub(crate) router: Router,
}

/// Who is where, and which ways are shut.
pub(crate) struct Network {
    world: Arc<World>,
    /// By their numbers; a process that has died is in its place until another takes it.
    messaging: Mutex<BTreeMap<usize, Server>>,
    realtime: Mutex<BTreeMap<usize, Server>>,
    /// Between a realtime node and a messaging process, by their numbers: nothing gets through until then.
    cuts: Mutex<BTreeMap<(usize, usize), Instant>>,
    lines: Mutex<Vec<CancellationToken>>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    Client,
    Realtime(usize),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        let (messaging, realtime, cuts, lines) = Default::default();
        Arc::new(Self { world, messaging, realtime, cuts, lines })
    }

    pub(crate) fn put_messaging(&self, number: usize, server: Server) {
        locked(&self.messaging).insert(number, server);
    }

    pub(crate) fn put_realtime(&self, number: usize, server: Server) {
        locked(&self.realtime).insert(number, server);
    }

    /// Parts a realtime node from a messaging process until a moment.
    pub(crate) fn cut(&self, realtime: usize, messaging: usize, until: Instant) {
        locked(&self.cuts).insert((realtime, messaging), until);
    }

    /// Cuts one client's line, if there is any.
    pub(crate) fn cut_a_line(&self) {
        let mut lines = locked(&self.lines);
        lines.retain(|line| !line.is_cancelled());
        if let Some(line) = self.world.chance.pick(&lines) {
            self.world.note(format_args!("a line is cut"));
            line.cancel();
        }
    }

    /// Cuts every client's line: they all come again.
    pub(crate) fn cut_every_line(&self) {
        self.world.note(format_args!("every line is cut"));
        locked(&self.lines).drain(..).for_each(|line| line.cancel());
    }

    /// A request to messaging: to the process that its conversation belongs to, mostly.
    pub(crate) async fn ask(&self, from: From, request: Request<Bytes>) -> Response<Bytes> {
        let Some((number, server)) = self.choose(request.uri().path()) else {
            return no_answer(StatusCode::SERVICE_UNAVAILABLE);
        };
        let asked_at = self.world.clocks.now();
        let what = format!("{from:?} asks {}: {} {}", server.life.name, request.method(), request.uri());
        self.world.note(format_args!("{what}"));
        if let From::Realtime(node) = from {
            let shut =
                locked(&self.cuts).get(&(node, number)).copied().filter(|until| *until > Instant::now());
            if let Some(shut) = shut {
                // Some ways are shut with a word, others swallow what is sent.
                if self.world.chance.happens(500) {
                    until(shut).await;
                }
                return no_answer(StatusCode::BAD_GATEWAY);
            }
        }
        self.world.delay().await;
        let lost = self.world.happens(|climate| climate.request_lost);
        if lost && self.world.chance.happens(500) {
            return self.silence().await;
        }
        let all_are_met =
            self.world.planted == Some(Planted::ToldToStrangers) && request.uri().path() == COMPANY;
        let everybody = if all_are_met { company_of_all(request.body()) } else { Bytes::new() };
        // What has arrived is done, whether or not somebody waits for the answer.
        let work = spawn(async move {
            let answer = server.router.oneshot(request.map(Body::from));
            let answer = server.life.while_it_lasts(answer).await?.expect("a router always answers");
            let (head, body) = answer.into_parts();
            let body = server.life.while_it_lasts(body.collect()).await?.ok()?.to_bytes();
            Some(Response::from_parts(head, body))
        });
        let answer = work.await.ok().flatten();
        let answer = if all_are_met { answer.map(|answer| answer.map(|_| everybody)) } else { answer };
        if lost {
            return self.silence().await;
        }
        self.world.delay().await;
        let answer = answer.unwrap_or_else(|| no_answer(StatusCode::BAD_GATEWAY));
        if let Some(words) = gone::told_of(answer.body(), asked_at) {
            self.world.violation(format!("{what} was told what had disappeared: {words}"));
        }
        self.world.note(format_args!("{what} -> {} {:?}", answer.status(), answer.body()));
        answer
    }

    /// What a realtime node answers somebody, when nothing is in the way any more.
    pub(crate) async fn ask_realtime(&self, node: usize, path: &str, token: &str) -> Response<Bytes> {
        let server = locked(&self.realtime).get(&node).cloned();
        let request = Request::get(path).header(header::AUTHORIZATION, token).body(Body::empty());
        let request = request.expect("a path and a token make a request");
        let answer = async {
            let server = server?;
            let answer = server.life.while_it_lasts(server.router.oneshot(request)).await?;
            let (head, body) = answer.expect("a router always answers").into_parts();
            Some(Response::from_parts(head, body.collect().await.ok()?.to_bytes()))
        };
        answer.await.unwrap_or_else(|| no_answer(StatusCode::BAD_GATEWAY))
    }

    /// The way to messaging as a realtime node's mesh takes it.
    pub(crate) fn way_of_node(self: &Arc<Self>, node: usize, life: &Arc<Life>) -> Router {
        let (network, life) = (self.clone(), life.clone());
        Router::new().fallback(move |request: Request<Body>| async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return no_answer(StatusCode::BAD_REQUEST).map(Body::from);
            };
            let request = Request::from_parts(head, body.to_bytes());
            life.uses(network.ask(From::Realtime(node), request)).await.map(Body::from)
        })
    }

    fn choose(&self, path: &str) -> Option<(usize, Server)> {
        let servers = locked(&self.messaging);
        let numbers: Vec<usize> = servers.keys().copied().collect();
        let home = path.split('/').nth(3).map(|conversation| fnv1a(conversation.bytes()));
        let number = match home.filter(|_| self.world.chance.happens(800)) {
            Some(home) => numbers[usize::try_from(home % numbers.len() as u64).ok()?],
            None => *self.world.chance.pick(&numbers)?,
        };
        let server = servers.get(&number)?.clone();
        if !server.life.is_over() {
            return Some((number, server));
        }
        // Who has died is passed over.
        let alive: Vec<_> = servers.iter().filter(|(_, server)| !server.life.is_over()).collect();
        self.world.chance.pick(&alive).map(|(number, server)| (**number, (*server).clone()))
    }

    async fn silence(&self) -> Response<Bytes> {
        sleep(self.world.chance.between(100, 2_000)).await;
        no_answer(StatusCode::GATEWAY_TIMEOUT)
    }

    /// A line from a client to a realtime node; none if that is not there.
    pub(crate) async fn connect(&self, node: usize) -> Option<Line> {
        self.world.delay().await;
        let server = locked(&self.realtime).get(&node).cloned().filter(|server| !server.life.is_over())?;
        let (client, service) = tokio::io::duplex(LINE_BYTES);
        let cut = server.life.token();
        locked(&self.lines).push(cut.clone());
        let forgets = self.world.planted == Some(Planted::LiveWithoutGap);
        let service = service_of(Line::new(self.world.clone(), service, &cut, false), server.router, forgets);
        spawn(service);
        Some(Line::new(self.world.clone(), client, &cut, true))
    }
}

async fn service_of(line: Line, router: Router, forgets: bool) {
    let service = service_fn(move |request: Request<Incoming>| {
        let request = if forgets { without_places(request) } else { request };
        router.clone().oneshot(request.map(Body::new))
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(line), service);
    // A line that breaks is the client's to notice.
    let _ = connection.with_upgrades().await;
}

/// Messaging says that everybody who is asked about is known: the fault that is planted.
fn company_of_all(asked: &Bytes) -> Bytes {
    let asked: AskCompany = serde_json::from_slice(asked).expect("a node asks what there is to ask");
    let company = Company { user_ids: asked.others };
    serde_json::to_vec(&company).expect("ids are plain data and encode").into()
}

/// What a client would ask for that was nowhere yet: the fault that is planted.
fn without_places(mut request: Request<Incoming>) -> Request<Incoming> {
    if request.uri().path() == "/v1/events" {
        request.headers_mut().remove("last-event-id");
        let address = request.uri().to_string();
        let open = address.split_once("open=").map_or("", |(_, open)| open);
        let open: Vec<&str> = open.split(',').filter_map(|place| place.split(':').next()).collect();
        let address = format!("/v1/events?open={}", open.join(","));
        *request.uri_mut() = address.parse().expect("ids make an address");
    }
    request
}

/// What stands for an answer that never came.
pub(crate) fn no_answer(status: StatusCode) -> Response<Bytes> {
    let problem = format!(r#"{{"code":"{}","detail":"It did not answer."}}"#, status.as_u16());
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, "application/problem+json");
    answer.body(problem.into()).expect("a status and a text make an answer")
}

/// One end of a line. Cut, it fails at both ends and what was on its way is gone.
pub(crate) struct Line {
    world: Arc<World>,
    io: DuplexStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether the way here takes time.
    is_slow: bool,
    held: Option<Pin<Box<Sleep>>>,
}

impl Line {
    fn new(world: Arc<World>, io: DuplexStream, cut: &CancellationToken, is_slow: bool) -> Self {
        Self { world, io, cut: Box::pin(cut.clone().cancelled_owned()), is_slow, held: None }
    }

    fn carries(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.carries(context)?;
        if let Some(held) = &mut self.held {
            ready!(held.as_mut().poll(context));
            self.held = None;
        }
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        // What comes behind this takes its time again.
        if self.is_slow {
            let stalls = self.world.happens(|climate| climate.line_stalls);
            let most = if stalls { 8_000 } else { self.world.longest_delay_ms() };
            if most > 0 && (stalls || self.world.chance.happens(300)) {
                self.held = Some(Box::pin(sleep(self.world.chance.between(1, most))));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.carries(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.carries(context)?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
