use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Extension, Router, http::HeaderMap, routing::get};
use http::HeaderName;
use serde_json::Value;
use tracing::{Dispatch, instrument::WithSubscriber};
use tracing_subscriber::fmt::MakeWriter;

use super::{Format, RequestId, Settings, TelemetryError, subscriber, trace_requests};
use crate::{
    Event, EventBody, Problem, problem,
    testkit::{TestClient, TestResponse, frozen},
    trace,
};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn settings() -> Settings {
    Settings {
        log: "warn".to_owned(),
        format: Format::Auto,
        otlp_endpoint: None,
        trace_ratio: 1.0,
        service_name: "tertulia-test".to_owned(),
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Poured;

impl EventBody for Poured {
    const TYPE: &'static str = "tea.poured";
    fn partition_key(&self) -> String {
        "pot".to_owned()
    }
}

fn client() -> TestClient {
    let (ambient, _) = frozen(1);
    let pour = {
        let ambient = ambient.clone();
        get(async move || {
            tracing::warn!("pouring");
            let event = Event::new(&ambient, "/kitchen", &Poured);
            trace::event_span("drinkers", &event).in_scope(|| tracing::warn!("drinking"));
            let mut onward = HeaderMap::new();
            trace::inject(&mut onward);
            let inner = onward["traceparent"].to_str().unwrap().to_owned();
            format!("{} {inner}", event.traceparent.unwrap())
        })
    };
    let who = get(async |Extension(id): Extension<RequestId>, headers: HeaderMap| {
        format!("{} {}", id.0, headers["x-request-id"].to_str().unwrap())
    });
    let router = Router::new()
        .route("/pour", pour)
        .route("/who", who)
        .route("/broken", get(async || Err::<(), _>(Problem::not_found())));
    TestClient::new(trace_requests("kitchen", ambient.ids.clone(), problem::layers(router)))
}

/// Another subscriber, for as long as one looks on. Where there is but one, a span or an event that is met for the first time
/// asks whoever looks on from that thread whether it matters; in another test that is nobody, and it stays off for all.
fn another() -> Dispatch {
    Dispatch::new(tracing_subscriber::registry())
}

async fn pour(client: &TestClient, settings: &Settings) -> (TestResponse, Page) {
    let (page, _another) = (Page::default(), another());
    let (subscriber, _guard) = subscriber(settings, page.clone(), false).unwrap();
    let answer = client.get("/pour").with_subscriber(subscriber).await.expect(200);
    (answer, page)
}

#[tokio::test]
async fn one_trace_goes_from_the_request_through_the_event_to_its_consumer() {
    let client = client().with_header(HeaderName::from_static("traceparent"), TRACEPARENT);
    let (answer, page) = pour(&client, &settings()).await;
    assert_eq!(answer.text().matches(TRACE_ID).count(), 2, "{}", answer.text());
    assert!(!answer.text().contains("b7ad6b7169203331"), "the span is the caller's, not ours");
    let lines = page.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, message) in lines.iter().zip(["pouring", "drinking"]) {
        assert_eq!(line["message"], message);
        let spans = line["spans"].as_array().unwrap();
        assert!(spans.iter().all(|span| span["trace_id"] == TRACE_ID), "{line}");
        assert_eq!(spans[0]["route"], "/pour");
    }
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one() {
    for wrong in ["", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "nonsense"] {
        let client = client().with_header(HeaderName::from_static("traceparent"), wrong);
        let (answer, page) = pour(&client, &settings()).await;
        let trace_id = page.lines()[0]["spans"][0]["trace_id"].as_str().unwrap().to_owned();
        assert_eq!(trace_id.len(), 32);
        assert_eq!(answer.text().matches(&trace_id).count(), 2, "{} {trace_id}", answer.text());
    }
}

#[tokio::test]
async fn a_request_id_is_kept_if_well_formed_and_replaced_otherwise() {
    let name = HeaderName::from_static("x-request-id");
    let kept = client().with_header(name.clone(), "abc-123").get("/who").await.expect(200);
    assert_eq!((kept.text().as_str(), kept.header("x-request-id")), ("abc-123 abc-123", Some("abc-123")));
    for wrong in ["", "two words", &"x".repeat(65)] {
        let replaced = client().with_header(name.clone(), wrong).get("/who").await.expect(200);
        let id = replaced.header("x-request-id").unwrap().to_owned();
        assert_eq!((id.len(), replaced.text()), (26, format!("{id} {id}")), "{wrong:?}");
    }
    for path in ["/broken", "/nowhere"] {
        let problem = client().with_header(name.clone(), "abc-123").get(path).await.expect(404);
        assert_eq!(problem.json()["request_id"], "abc-123");
    }
}

#[tokio::test]
async fn a_terminal_gets_lines_for_people() {
    let (page, _another) = (Page::default(), another());
    let (subscriber, _guard) = subscriber(&settings(), page.clone(), true).unwrap();
    client().get("/pour").with_subscriber(subscriber).await.expect(200);
    assert!(page.text().contains("pouring") && !page.text().starts_with('{'), "{}", page.text());
}

#[test]
fn a_wrong_filter_is_an_error_that_shows_it() {
    let settings = Settings { log: "tertulia=loud=very".to_owned(), ..settings() };
    let Err(error) = subscriber(&settings, Page::default(), false) else { panic!("it was accepted") };
    assert!(matches!(error, TelemetryError::Filter { .. }));
    assert!(error.to_string().contains("tertulia=loud=very"), "{error}");
}

/// Takes one request of the exporter's and answers that it is well.
fn collect(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut request = Vec::new();
    while !whole(&request) {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the exporter went away");
        request.extend_from_slice(&chunk[..read]);
    }
    answer(&mut stream);
    request
}

fn answer(stream: &mut TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let start = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    length.is_some_and(|length| request.len() >= start + length.parse::<usize>().unwrap())
}

#[tokio::test]
async fn traces_reach_a_collector_before_the_guard_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let collector = std::thread::spawn(move || collect(&listener));
    let settings = Settings { otlp_endpoint: Some(endpoint), ..settings() };
    let (answer, _) = pour(&client(), &settings).await;
    let request = collector.join().unwrap();
    assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n"));
    let holds = |text: &[u8]| request.windows(text.len()).any(|window| window == text);
    assert!(holds(b"tertulia-test") && holds(b"/pour") && holds(b"drinkers"));
    assert!(answer.text().ends_with("-01"), "a trace that is sent says so: {}", answer.text());
}
