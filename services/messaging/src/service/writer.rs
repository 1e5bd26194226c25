//! One writer per conversation: an actor that appends to its log in batches.
//!
//! A writer holds nothing that matters. What it remembers of its conversation is right exactly as long as its
//! next append succeeds: the place behind the remembered head is taken by whoever appends first, in this process
//! or another, and whoever comes second reads again and decides again. So a decision (may they write, are they a
//! member) always holds at the very place in the log where its entry stands. What no append confirms, a refusal or
//! a change that is made already, is answered on what was read for it.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use tertulia_contracts::{
    ConversationId, InvitationId, MessageId, ReportId, UserId,
    messaging::{Message, PostMessage, Via},
};
use tertulia_documents::port::MAX_RUN;
use tertulia_runtime::{Supervisor, trace::current_traceparent};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::batch::{Desk, Pen};
use crate::{
    Error,
    model::{
        access::Actor, alteration::Alteration, change::Change, markup::Markup, moderation::Note,
        poll::Ballot, roles::RoleChange,
    },
};

/// How many conversations may have a writer at once, and how a writer behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most writers at once; beyond it those used least are let go.
    pub writers: u64,
    /// The most commands that wait for one writer; beyond it posting is refused.
    pub queue: usize,
    /// A writer with nothing to do for so long is let go.
    pub idle: Duration,
}

/// What somebody asks of a conversation's writer.
#[derive(Debug)]
pub(crate) struct Command {
    /// Who asks.
    pub by: Actor,
    /// What for.
    pub request: Request,
    /// What is to stand beside its entry and is not for everybody.
    pub note: Option<Note>,
    /// The hook that it comes through: what is posted is the hook's, and whoever made that answers for it.
    pub via: Option<Via>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    reply: oneshot::Sender<Result<Answer, Error>>,
}

/// What can be asked of a writer.
#[derive(Debug)]
pub(crate) enum Request {
    /// To post a message, whose body holds this besides words.
    Post(PostMessage, Markup),
    /// To change members or title.
    Change(Change),
    /// To do something with a message that stands in the log.
    Alter(MessageId, Alteration),
    /// To change custom roles, or what is noted beside names.
    Roles(RoleChange),
}

/// What became of a command. Whatever it says is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The message stands in the log now.
    Posted(Message),
    /// The message stood there already, from an earlier try.
    Repeated(Message),
    /// The change or the alteration is made, or things were so already.
    Changed,
}

/// What commands are decided on and facts change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stake {
    /// How somebody stands.
    Person(UserId),
    /// What is decided on a report.
    Report(ReportId),
    /// What is set for all: who may read, whether it is archived, which words and links are kept out.
    Settings,
    /// Who owns the conversation.
    Owner,
}

impl Command {
    /// Answers it; nobody may be waiting any more, which is fine.
    pub(crate) fn answer(self, answer: Result<Answer, Error>) {
        let _ = self.reply.send(answer);
    }

    /// Everybody whose membership it depends on.
    pub(crate) fn people(&self) -> impl Iterator<Item = UserId> + use<> {
        std::iter::once(self.by.user_id).chain(self.subject()).chain(self.change().and_then(Change::inviter))
    }

    /// Whose a message is that it posts: the hook's through which it comes, or else whoever asks.
    pub(crate) fn author(&self) -> UserId {
        self.via.as_ref().map_or(self.by.user_id, Via::author)
    }

    /// Whether it is to post a message.
    pub(crate) const fn is_post(&self) -> bool {
        matches!(self.request, Request::Post(..))
    }

    /// The message it answers.
    pub(crate) fn reply_to(&self) -> Option<MessageId> {
        match &self.request {
            Request::Post(post, _) => post.reply_to,
            Request::Change(_) | Request::Alter(..) | Request::Roles(_) => None,
        }
    }

    /// The message it quotes.
    pub(crate) fn quoted(&self) -> Option<MessageId> {
        match &self.request {
            Request::Post(PostMessage { quote: Some(_), reply_to, .. }, _) => *reply_to,
            _ => None,
        }
    }

    /// What is chosen in a poll, if it is a vote.
    pub(crate) fn ballot(&self) -> Option<&Ballot> {
        self.note.as_ref().and_then(|note| note.ballot.as_ref())
    }

    /// The message in whose thread it posts.
    pub(crate) fn thread(&self) -> Option<MessageId> {
        match &self.request {
            Request::Post(post, _) => post.thread_id,
            Request::Change(_) | Request::Alter(..) | Request::Roles(_) => None,
        }
    }

    /// The message it alters.
    pub(crate) fn target(&self) -> Option<MessageId> {
        match &self.request {
            Request::Alter(message, _) => Some(*message),
            Request::Post(..) | Request::Change(_) | Request::Roles(_) => None,
        }
    }

    /// The change it asks for.
    pub(crate) fn change(&self) -> Option<&Change> {
        match &self.request {
            Request::Change(change) => Some(change),
            Request::Post(..) | Request::Alter(..) | Request::Roles(_) => None,
        }
    }

    /// The invitation it is by.
    pub(crate) fn invitation(&self) -> Option<InvitationId> {
        self.change().and_then(Change::invitation)
    }

    /// The report that it decides on.
    pub(crate) fn report(&self) -> Option<ReportId> {
        match self.change() {
            Some(Change::Decide(report, _)) => Some(*report),
            _ => None,
        }
    }

    /// What it is decided on: none of it may be about to change.
    pub(crate) fn stakes(&self) -> impl Iterator<Item = Stake> + use<> {
        let owner = matches!(self.change(), Some(Change::HandOver(_))).then_some(Stake::Owner);
        let people = self.people().map(Stake::Person);
        people.chain(self.report().map(Stake::Report)).chain(owner).chain([Stake::Settings])
    }

    /// Whether whoever asks wants to go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.change().is_some_and(|change| change.is_leaving(self.by.user_id))
    }

    /// Whether it changes what custom roles and notes beside names say.
    pub(crate) const fn is_about_roles(&self) -> bool {
        matches!(&self.request, Request::Roles(_))
    }

    /// Whom it is about, if it is about somebody.
    pub(crate) fn subject(&self) -> Option<UserId> {
        match &self.request {
            Request::Post(..) => None,
            Request::Change(change) => change.subject(),
            Request::Roles(change) => change.subject(),
            Request::Alter(_, alteration) => alteration.subject(),
        }
    }
}

/// Every writer of this process. Cheap to clone.
///
/// The cache of queues is what keeps writers alive: when it lets a queue go, its writer finishes what is in it
/// and ends.
#[derive(Clone)]
pub(crate) struct Writers {
    queues: Cache<ConversationId, mpsc::Sender<Command>>,
    queue_limit: usize,
    desk: Arc<Desk>,
    supervisor: Supervisor,
}

impl Writers {
    /// No writers yet.
    pub(crate) fn new(desk: Desk, supervisor: Supervisor, limits: Limits) -> Self {
        let queues = Cache::builder().max_capacity(limits.writers).time_to_idle(limits.idle).build();
        Self { queues, queue_limit: limits.queue, desk: Arc::new(desk), supervisor }
    }

    /// Hands a command to the conversation's writer and waits for what becomes of it.
    pub(crate) async fn write(
        &self,
        id: ConversationId,
        by: Actor,
        request: Request,
    ) -> Result<Answer, Error> {
        self.write_noted(id, by, request, None).await
    }

    /// The same, with a note beside the entry that it becomes.
    pub(crate) async fn write_noted(
        &self,
        id: ConversationId,
        by: Actor,
        request: Request,
        note: Option<Note>,
    ) -> Result<Answer, Error> {
        self.command(id, by, request, (note, None)).await
    }

    /// The same, for what comes through a hook that `by` made.
    pub(crate) async fn write_via(
        &self,
        id: ConversationId,
        by: Actor,
        request: Request,
        via: Via,
    ) -> Result<Answer, Error> {
        self.command(id, by, request, (None, Some(via))).await
    }

    async fn command(
        &self,
        id: ConversationId,
        by: Actor,
        request: Request,
        (note, via): (Option<Note>, Option<Via>),
    ) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let traceparent = current_traceparent();
        self.submit(id, Command { by, request, note, via, traceparent, reply }).await?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    async fn submit(&self, id: ConversationId, mut command: Command) -> Result<(), Error> {
        if self.supervisor.shutdown_token().is_cancelled() {
            return Err(Error::Stopped);
        }
        // A writer that ended between the look-up and the send is replaced once.
        for _ in 0..2 {
            let queue = self.queues.get_with(id, async { self.open(id) }).await;
            command = match queue.try_send(command) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(Error::Busy),
                Err(mpsc::error::TrySendError::Closed(command)) => command,
            };
            self.queues.invalidate(&id).await;
        }
        Err(Error::Stopped)
    }

    fn open(&self, id: ConversationId) -> mpsc::Sender<Command> {
        let (sender, queue) = mpsc::channel(self.queue_limit);
        let pen = Pen::new(self.desk.clone(), id);
        self.supervisor.spawn("messaging.writer", run(pen, queue, self.supervisor.shutdown_token()));
        sender
    }
}

async fn run(mut pen: Pen, mut queue: mpsc::Receiver<Command>, shutdown: CancellationToken) {
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            // From here on nothing new is taken; what waits is still written.
            () = shutdown.cancelled(), if !queue.is_closed() => queue.close(),
            taken = queue.recv_many(&mut batch, MAX_RUN) => {
                if taken == 0 {
                    return;
                }
                pen.write(batch.into()).await;
            }
        }
    }
}
