//! The client's lines of the transcripts, played to the service, which must answer with the server's.

use serde_json::Value;
use tertulia_client::{
    Socket,
    transcript::{Line, Names, Transcript, transcripts},
};
use tertulia_contracts::{
    ConversationId, SessionId, UserId,
    live::{Control, Glance, control_channel, presence_channel},
    presence::Face,
};
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, SOON, closed, heard_by_now};

struct Stage {
    house: House,
    socket: Option<Socket>,
    names: Names,
    me: UserId,
    login: SessionId,
    somebody_else: UserId,
    /// The sockets of people who are there.
    friends: Vec<Socket>,
}

impl Stage {
    async fn set() -> Self {
        let house = House::new().await;
        let (me, login, somebody_else) = (house.user(), house.ambient.ids.next(), house.user());
        let mut names = Names::default();
        names.bind("$token_me", &house.signer.token_of(me, login));
        names.bind("$usr_me", &me);
        Self { house, socket: None, names, me, login, somebody_else, friends: Vec::new() }
    }

    fn conversation(&mut self, name: &str) -> ConversationId {
        self.names.get(name).parse().unwrap()
    }

    async fn hear(&mut self) -> Value {
        let said = tokio::time::timeout(SOON, self.socket.as_mut().unwrap().hear_raw()).await;
        serde_json::from_str(&said.expect("the server says something soon").unwrap()).unwrap()
    }

    async fn play(&mut self, line: &Line) {
        match line {
            Line::Want(_) | Line::Shown(_) | Line::Seen(_) | Line::Over(_) => {}
            Line::Given(conversations) => {
                for (name, messages) in conversations {
                    self.names.bind(name, &self.house.conversation(*messages));
                }
            }
            Line::Client(frame) => {
                if frame["t"] == "hello" {
                    self.socket = Some(Socket::connect(&self.house.base).await.unwrap());
                }
                let text = self.names.fill(frame).to_string();
                self.socket.as_mut().unwrap().say_raw(Message::text(text)).await.unwrap();
            }
            Line::Server(frame) => self.expect(std::slice::from_ref(frame)).await,
            Line::ServerInAnyOrder(frames) | Line::Lost(frames) => self.expect(frames).await,
            Line::Post { c, body } => {
                let c = self.conversation(c);
                self.house.fake.post(c, self.somebody_else, body).await;
            }
            Line::Presence { user, status } => {
                let user: UserId = self.names.get(user).parse().unwrap();
                self.house.fake.acquaint(self.me, user, true);
                let face = Face { user_id: user, status: *status, text: None, last_seen: None, until: None };
                self.house.fake.show(face);
                self.friends.push(self.house.connect(user).await);
                self.house.fake.broadcast(presence_channel(user), &Glance { sight: true }).await;
            }
            Line::Revoke(_) => {
                let revoked = Control::SessionRevoked { session_id: self.login };
                self.house.fake.broadcast(control_channel(self.me), &revoked).await;
            }
            Line::Close(code) => {
                let (end, frames) = closed(&mut self.socket.take().unwrap()).await;
                assert_eq!((end.code, frames), (*code, 0));
            }
            Line::Cut(_) => self.socket = None,
        }
    }

    async fn expect(&mut self, frames: &[Value]) {
        let mut missing: Vec<&Value> = frames.iter().collect();
        while !missing.is_empty() {
            let said = self.hear().await;
            let found = missing.iter().position(|frame| self.names.are(frame, &said, false));
            let at = found.unwrap_or_else(|| panic!("the server said {said}, not {missing:?}"));
            missing.remove(at);
        }
    }
}

#[tokio::test]
async fn the_service_says_what_the_transcripts_say() {
    for Transcript { name, lines } in transcripts() {
        let mut stage = Stage::set().await;
        for line in &lines {
            stage.play(line).await;
        }
        if let Some(mut socket) = stage.socket {
            assert!(heard_by_now(&mut socket).await.is_empty(), "{name}: and no more");
        }
    }
}
