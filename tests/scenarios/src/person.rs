//! Somebody who uses the product through its public faces, and whose client tells the journal what it sees.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tertulia_client::{Api, Journal as ClientJournal, Session, Timeline};
use tertulia_contracts::{
    ConversationId, UserId,
    auth::Account,
    messaging::{ConversationKind, CreateConversation, Fact, MAX_PAGE, Message},
};
use tertulia_runtime::testkit::eventually_true;
use ulid::Ulid;

use crate::{
    journal::{FinalLog, Journal},
    system::System,
};

/// Generous: the machine may be busy with eight processes that just started.
pub const PATIENCE: Duration = Duration::from_mins(1);
const PASSWORD: &str = "correct horse battery staple";

/// An account with a way in.
pub struct Person {
    /// The account.
    pub account: Account,
    /// HTTP, through one gateway.
    pub api: Api,
    /// Every gateway, this person's first.
    pub gateways: Vec<String>,
    journal: Arc<Journal>,
}

impl Person {
    /// Signs up through the n-th gateway, under a handle that begins with `name`.
    pub async fn sign_up(system: &System, n: usize, name: &str, journal: &Arc<Journal>) -> Result<Self> {
        let gateways = system.gateways_from(n);
        let api = system.stranger(&gateways[0])?;
        let handle = format!("{name}-{}", system.next_number());
        let account = api.sign_up(&handle, PASSWORD).await.with_context(|| format!("signing up {handle}"))?;
        Ok(Self { account, api, gateways, journal: journal.clone() })
    }

    /// Their id.
    pub fn id(&self) -> UserId {
        self.account.id
    }

    /// Makes a conversation with others and waits for nothing: it is there when this returns.
    pub async fn start(&self, kind: ConversationKind, others: &[&Self]) -> Result<ConversationId> {
        let title = (kind != ConversationKind::Direct).then(|| "A story".to_owned());
        let members = others.iter().map(|other| other.id()).collect();
        let wish = CreateConversation { kind, title, handle: None, visibility: None, members };
        Ok(self.api.create(&wish).await.context("making a conversation")?.id)
    }

    /// Comes online from the beginning of everything.
    pub fn come_online(&self) -> Online {
        self.resume(Timeline::default())
    }

    /// Comes online from where a timeline is.
    pub fn resume(&self, timeline: Timeline) -> Online {
        let witness =
            Witness { person: self.id(), reader: self.account.handle.clone(), journal: self.journal.clone() };
        let session = Session::start(self.api.clone(), self.gateways.clone(), timeline, Arc::new(witness));
        Online { session, reader: self.account.handle.clone(), journal: self.journal.clone() }
    }

    /// Reads a whole log over HTTP, as somebody who was never online.
    pub async fn final_log(&self, conversation: ConversationId, readers: &[&Self]) -> Result<FinalLog> {
        let (mut seqs, mut messages) = (Vec::new(), Vec::new());
        loop {
            let page = self.api.log(conversation, seqs.last().copied().unwrap_or(0), MAX_PAGE).await?;
            let head = page.head_seq;
            for entry in page.items {
                seqs.push(entry.seq);
                if let Fact::MessagePosted { message } = entry.e {
                    messages.push(message);
                }
            }
            if seqs.last().copied().unwrap_or(0) >= head {
                let readers = readers.iter().map(|reader| reader.account.handle.clone()).collect();
                return Ok(FinalLog { conversation, seqs, messages, readers });
            }
        }
    }
}

/// A person whose client is connected, or is doing what it can to be.
pub struct Online {
    /// The client.
    pub session: Session,
    reader: String,
    journal: Arc<Journal>,
}

impl Online {
    /// Waits until so many messages were shown to this person, in all conversations together.
    pub async fn was_shown(&self, count: usize) {
        eventually_true(PATIENCE, async || self.journal.shown_count(&self.reader) >= count).await;
    }

    /// Sends and waits for the acknowledgement, across whatever breaks.
    pub async fn say(&self, conversation: ConversationId, body: &str) -> Result<u64> {
        let sent = self.session.send(conversation, Ulid::generate(), body).await;
        Ok(sent.map_err(anyhow::Error::msg).context("sending")?.seq)
    }
}

struct Witness {
    person: UserId,
    reader: String,
    journal: Arc<Journal>,
}

impl ClientJournal for Witness {
    fn acked(&self, conversation: ConversationId, client_id: Ulid, seq: u64) {
        self.journal.acked(conversation, self.person, client_id, seq);
    }

    fn shown(&self, _: ConversationId, _: u64, fact: &Fact) {
        if let Fact::MessagePosted { message } = fact {
            self.journal.shown(&self.reader, message);
        }
    }
}

/// The bodies of messages, for a story that compares texts.
pub fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}
