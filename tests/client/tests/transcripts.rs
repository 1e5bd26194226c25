//! The transcripts, played to the reference client by a server that knows nothing but their lines.

#![expect(clippy::unwrap_used, reason = "a test that meets a surprise fails by panicking")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tertulia_client::{
    Api, Journal, Session, SessionEnd, Timeline,
    transcript::{Line, Names, Transcript, Want, transcripts},
};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::Fact,
    presence::{Presence, PresenceStatus},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::CloseFrame,
    },
};
use ulid::Ulid;

const SOON: Duration = Duration::from_secs(20);

type Shown = BTreeMap<ConversationId, Vec<u64>>;

struct Seen {
    entries: watch::Sender<Shown>,
    people: watch::Sender<Vec<(UserId, PresenceStatus)>>,
}

impl Journal for Seen {
    fn acked(&self, _: ConversationId, _: Ulid, _: u64) {}

    fn shown(&self, conversation: ConversationId, seq: u64, _: &Fact) {
        self.entries.send_modify(|shown| shown.entry(conversation).or_default().push(seq));
    }

    fn seen(&self, presence: Presence) {
        self.people.send_modify(|seen| seen.push((presence.user_id, presence.status)));
    }
}

/// A server of one client at a time.
struct Stage {
    listener: TcpListener,
    socket: Option<WebSocketStream<TcpStream>>,
    session: Arc<Session>,
    shown: watch::Receiver<Shown>,
    seen: watch::Receiver<Vec<(UserId, PresenceStatus)>>,
    names: Names,
    /// Sends that wait for their acknowledgement.
    sends: JoinSet<()>,
}

/// Answers every request with no: here, that a login cannot be refreshed.
async fn refuse_everything(listener: TcpListener) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _ = connection.read(&mut request).await;
        let _ = connection.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    }
}

impl Stage {
    async fn set(work: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let mut names = Names::default();
        let api = Api::new(&base(&refusing)).with_token(&names.get("$token_me"));
        work.spawn(refuse_everything(refusing));
        let (entries, shown) = watch::channel(Shown::new());
        let (people, seen) = watch::channel(Vec::new());
        let gateways = vec![base(&listener)];
        let session = Session::start(api, gateways, Timeline::default(), Arc::new(Seen { entries, people }));
        let (session, sends) = (Arc::new(session), JoinSet::new());
        Self { listener, socket: None, session, shown, seen, names, sends }
    }

    async fn accept(&mut self) {
        let (stream, _) = self.listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
        let select = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/v1/realtime");
            let offered = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", offered);
            Ok(response)
        };
        self.socket = Some(accept_hdr_async(stream, select).await.unwrap());
    }

    async fn hear(&mut self) -> Value {
        loop {
            match self.socket.as_mut().unwrap().next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, frame: &Value) {
        let text = self.names.fill(frame).to_string();
        self.socket.as_mut().unwrap().send(Message::text(text)).await.unwrap();
    }

    fn conversation(&mut self, name: &str) -> ConversationId {
        self.names.get(name).parse().unwrap()
    }

    async fn want(&mut self, want: &Want) {
        match want {
            Want::Open { open, after } => {
                let c = self.conversation(open);
                self.session.open(c, *after).await;
            }
            Want::Close { close } => {
                let c = self.conversation(close);
                self.session.close(c).await;
            }
            Want::Watch { watch_people } => {
                let users = watch_people.iter().map(|name| self.names.get(name).parse().unwrap()).collect();
                self.session.watch_people(users).await;
            }
            Want::Be { be } => self.session.be(*be).await,
            Want::Send { send, body } => {
                let (c, client_id) = (self.conversation(send), self.names.get("$ulid_mine").parse().unwrap());
                let (session, body) = (self.session.clone(), body.clone());
                self.sends.spawn(async move {
                    session.send(c, client_id, &body).await.unwrap();
                });
            }
        }
    }

    async fn play(&mut self, line: &Line) {
        match line {
            Line::Given(_) | Line::Lost(_) | Line::Post { .. } | Line::Presence { .. } | Line::Revoke(_) => {}
            Line::Want(want) => self.want(want).await,
            Line::Client(frame) => {
                if frame["t"] == "hello" {
                    self.accept().await;
                }
                let said = self.hear().await;
                assert!(self.names.are(frame, &said, true), "the client said {said}, not {frame}");
            }
            Line::Server(frame) => self.say(frame).await,
            Line::ServerInAnyOrder(frames) => {
                for frame in frames {
                    self.say(frame).await;
                }
            }
            Line::Close(code) => {
                let frame = CloseFrame { code: (*code).into(), reason: "by the transcript".into() };
                self.socket.take().unwrap().close(Some(frame)).await.unwrap();
            }
            Line::Cut(_) => self.socket = None,
            Line::Shown(expected) => {
                for (name, seqs) in expected {
                    let c = self.conversation(name);
                    let are_shown = |shown: &Shown| shown.get(&c).map_or(&[][..], Vec::as_slice) == seqs;
                    drop(self.shown.wait_for(are_shown).await.unwrap());
                }
                while let Some(sent) = self.sends.join_next().await {
                    sent.expect("what is shown was acknowledged");
                }
            }
            Line::Seen(expected) => {
                let expected: Vec<(UserId, PresenceStatus)> = expected
                    .iter()
                    .map(|(name, status)| (self.names.get(name).parse().unwrap(), *status))
                    .collect();
                drop(self.seen.wait_for(|seen| *seen == expected).await.unwrap());
            }
            Line::Over(reason) => {
                assert_eq!(reason, "logged_out");
                let c = self.conversation("$cnv_after");
                let refused = self.session.send(c, Ulid::nil(), "anybody?").await;
                assert_eq!(refused, Err("session_over".to_owned()));
            }
        }
    }
}

async fn play(Transcript { name, lines }: Transcript) {
    let mut work = JoinSet::new();
    let mut stage = Stage::set(&mut work).await;
    for (nth, line) in lines.iter().enumerate() {
        let played = timeout(SOON, stage.play(line)).await;
        assert!(played.is_ok(), "{name}, line {}: {line:?} did not happen", nth + 1);
    }
    let was_over = lines.iter().any(|line| matches!(line, Line::Over(_)));
    let expected = if was_over { SessionEnd::LoggedOut } else { SessionEnd::Dropped };
    let session = Arc::into_inner(stage.session).expect("every send was answered");
    assert_eq!(session.end().await, expected, "{name}");
}

#[tokio::test]
async fn the_reference_client_says_what_the_transcripts_say() {
    let transcripts = transcripts();
    assert!(transcripts.len() >= 5);
    for transcript in transcripts {
        play(transcript).await;
    }
}
