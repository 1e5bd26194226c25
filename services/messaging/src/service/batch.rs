//! How a writer turns commands into entries: decide, append as one run, answer, tell whoever listens.

mod held;
mod quotes;
mod slow_mode;
mod threads;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tertulia_contracts::{
    ConversationId, InvitationId, MessageId, UserId,
    live::Control,
    messaging::{Fact, Visibility},
};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::Ambient;

use held::{Held, class_of, stakes_in};

use super::{
    keeper::Keeper,
    ledger::{Ledger, Reservation},
    live::Live,
    targets::Targets,
    writer::{Answer, Command, Request},
};
use crate::{
    Error,
    model::{
        membership::{Stance, Step, steps},
        place::message_id,
    },
    store::{Class, EntryRecord, Head, Store, entries::ONCE},
    telemetry::Telemetry,
};

/// How many rounds in a row may commit nothing because another process was faster each time.
const MAX_DEFEATS: usize = 64;
/// The most members a writer remembers; when there are more it forgets all and reads again.
const MAX_REMEMBERED: usize = 4_096;

/// What every writer of a process works with.
pub(crate) struct Desk {
    /// The tables.
    pub store: Store,
    /// Counts for the entries.
    pub ledger: Ledger,
    /// Applies changes to documents.
    pub keeper: Keeper,
    /// Tells whoever listens.
    pub live: Live,
    /// The clock.
    pub ambient: Ambient,
    /// What is measured.
    pub telemetry: Telemetry,
}

/// A conversation's writer.
pub(crate) struct Pen {
    desk: Arc<Desk>,
    id: ConversationId,
    owner: String,
    held: Option<Held>,
}

/// A message that stands in the conversation, and the position of the one it stands below, if below one.
type StandingReply = (MessageId, Option<u64>);

/// A command that was decided, with the entry it becomes.
struct Drafted {
    command: Command,
    entry: EntryRecord,
    fact: Fact,
}

/// What became of the commands that were decided in one go.
#[derive(Default)]
struct Round {
    run: Vec<Drafted>,
    /// Posts that are refused, unless they stand in the log from an earlier try.
    refused: Vec<(Command, Error)>,
    /// Whether what is remembered of the conversation has to be read again.
    outdated: bool,
}

impl Pen {
    /// The writer of this conversation, which knows nothing of it yet.
    pub(crate) fn new(desk: Arc<Desk>, id: ConversationId) -> Self {
        Self { desk, id, owner: id.to_string(), held: None }
    }

    /// Answers every command of a batch, in order, each once what it says is committed.
    pub(crate) async fn write(&mut self, mut waiting: VecDeque<Command>) {
        let mut defeats = 0;
        while !waiting.is_empty() {
            let before = waiting.len();
            let result = self.round(&mut waiting).await;
            defeats = if waiting.len() < before { 0 } else { defeats + 1 };
            let error = match result {
                Err(error) => error,
                Ok(()) if defeats > MAX_DEFEATS => Error::Busy,
                Ok(()) => continue,
            };
            self.held = None;
            waiting.drain(..).for_each(|command| command.answer(Err(error.clone())));
        }
    }

    /// Commits a run from the front of what waits. An error is everybody's who still waits.
    async fn round(&mut self, waiting: &mut VecDeque<Command>) -> Result<(), Error> {
        // What is decided on documents of a message, an invitation or a report finds them caught up with the log.
        let on_documents = |command: &Command| {
            command.target().is_some()
                || command.quoted().is_some()
                || command.invitation().is_some()
                || command.report().is_some()
        };
        let read_anew = waiting.iter().any(on_documents);
        let mut held = match self.held.take() {
            Some(held) if !read_anew => held,
            _ => self.load().await?,
        };
        held.at = self.desk.ambient.now();
        self.remember_people(&mut held, waiting).await?;
        self.look_for_others(&mut held, waiting).await?;
        self.look_up_reports(&mut held, waiting).await?;
        self.look_for_threads(&mut held, waiting).await?;
        if let Some((one, other)) = held.conversation.charter.pair() {
            held.apart = self.desk.store.keep_apart(one, &[other]).await?;
        }
        let replies = self.standing_replies(waiting).await?;
        self.look_for_invitations(&mut held, waiting).await?;
        self.look_for_quotes(&mut held, waiting).await?;
        self.look_for_last_posts(&mut held, waiting).await?;
        let targets = Targets::load(&self.desk.store, &held.conversation, waiting).await?;
        let reservation = self.desk.ledger.reserve(waiting.len())?;
        let Round { run, refused, outdated } =
            self.draft(&mut held, &replies, targets, &reservation, waiting);
        held.fresh = false;
        let outcome = if run.is_empty() {
            reservation.decided();
            self.held = Some(held);
            Ok(())
        } else {
            self.append(held, run, reservation, waiting).await
        };
        if outdated {
            self.held = None;
        }
        for (command, refusal) in refused {
            self.refuse(command, refusal).await;
        }
        outcome
    }

    /// Reads the head first and the documents after it, so that they show at least every change up to the head.
    async fn load(&self) -> Result<Held, Error> {
        let head = self.desk.store.head(&self.owner).await?;
        let conversation = self.desk.keeper.settle(self.id).await?.ok_or(Error::NoSuchConversation)?;
        // Settling may have founded the conversation: then the head lies behind, and the next append says so.
        Ok(Held {
            conversation,
            head,
            at: self.desk.ambient.now(),
            stances: HashMap::new(),
            reports: HashMap::new(),
            others: true,
            invitations: Vec::new(),
            threads: HashMap::new(),
            apart: false,
            words: HashMap::new(),
            posted_at: HashMap::new(),
            fresh: true,
        })
    }

    async fn remember_people(&self, held: &mut Held, waiting: &VecDeque<Command>) -> Result<(), Error> {
        if held.stances.len() > MAX_REMEMBERED {
            held.stances.clear();
        }
        let mut people: BTreeSet<UserId> = waiting.iter().flat_map(Command::people).collect();
        if waiting.iter().any(Command::is_about_roles) {
            people.extend(held.conversation.roles.people());
        }
        let unknown: Vec<UserId> =
            people.into_iter().filter(|user| !held.stances.contains_key(user)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let members = self.desk.store.members_among(self.id, &unknown).await?;
        held.stances.extend(unknown.into_iter().map(|user| (user, Stance::default())));
        held.stances.extend(members.into_iter().map(|member| (member.user_id, member.stance())));
        Ok(())
    }

    async fn look_for_others(&self, held: &mut Held, waiting: &VecDeque<Command>) -> Result<(), Error> {
        if waiting.iter().any(|command| held.depends_on_others(command)) {
            // A change that is committed may not be applied yet.
            self.desk.keeper.settle(self.id).await?;
            held.others = self.desk.store.members_of(self.id, None, 2).await?.items.len() > 1;
        }
        Ok(())
    }

    async fn look_for_invitations(&self, held: &mut Held, waiting: &VecDeque<Command>) -> Result<(), Error> {
        let wanted: BTreeSet<InvitationId> = waiting.iter().filter_map(Command::invitation).collect();
        if !wanted.is_empty() {
            held.invitations = self.desk.store.invitations_among(&Vec::from_iter(wanted)).await?;
        }
        Ok(())
    }

    async fn look_up_reports(&self, held: &mut Held, waiting: &VecDeque<Command>) -> Result<(), Error> {
        held.reports.clear();
        let found = self.desk.store.reports_among(waiting.iter().filter_map(Command::report)).await?;
        let here = found.into_iter().filter(|report| report.conversation_id == self.id);
        held.reports.extend(here.map(|report| (report.id, report.decided.map(|(verdict, _)| verdict))));
        Ok(())
    }

    /// Those messages that are answered and indeed stand in this conversation, each with where.
    async fn standing_replies(&self, waiting: &VecDeque<Command>) -> Result<Vec<StandingReply>, Error> {
        let answered: Vec<MessageId> = waiting.iter().filter_map(Command::reply_to).collect();
        if answered.is_empty() {
            return Ok(Vec::new());
        }
        let postings = self.desk.store.postings(self.id, &answered).await?;
        let standing = postings.iter().map(|posting| {
            let id = message_id(posting.at, self.id, posting.seq);
            (id, posting.in_thread.map(|thread| thread.root_seq))
        });
        Ok(standing.collect())
    }

    /// Decides commands from the front of what waits, until one depends on a change that is not committed yet.
    /// Whoever is refused, or gets what is so already, is answered here; but no append confirms such an answer, so
    /// that it is given on what was just read alone. Refused posts of those who may read are left to be looked up.
    fn draft(
        &self,
        held: &mut Held,
        replies: &[StandingReply],
        mut targets: Targets,
        reservation: &Reservation,
        waiting: &mut VecDeque<Command>,
    ) -> Round {
        let mut place = held.head;
        let mut stamps = reservation.stamps();
        let mut round = Round { run: Vec::with_capacity(waiting.len()), ..Round::default() };
        let mut changing = HashSet::new();
        while let Some(command) = waiting.pop_front() {
            let depends = command.stakes().any(|stake| changing.contains(&stake))
                || !changing.is_empty() && held.depends_on_all_before(&command)
                || targets.is_ahead && (command.quoted().is_some() || command.thread().is_some());
            if depends {
                waiting.push_front(command);
                break;
            }
            let fact = match held.decide(&command, &targets, replies, place.seq + 1) {
                Ok(Some(fact)) => fact,
                // It rests on alterations of this run, which may not be committed: it is decided again after them.
                _ if command.target().is_some() && targets.is_ahead => {
                    waiting.push_front(command);
                    break;
                }
                Ok(None) | Err(_) if !held.fresh => {
                    waiting.push_front(command);
                    round.outdated = true;
                    break;
                }
                Err(refusal) if command.is_post() && held.may_read(command.by) => {
                    round.refused.push((command, refusal));
                    continue;
                }
                settled => {
                    command.answer(settled.map(|_| Answer::Changed));
                    continue;
                }
            };
            changing.extend(stakes_in(&fact).chain(held.pace(&command)));
            let in_thread = held.thread_after(&fact);
            let class = class_of(&fact, &targets, in_thread);
            let posted = u64::from(matches!(class, Class::Message { .. }) && in_thread.is_none());
            place = Head { seq: place.seq + 1, messages: place.messages + posted };
            if command.target().is_some() {
                targets.draft(place.seq, &fact, command.ballot());
            }
            let entry = EntryRecord {
                owner: self.owner.clone(),
                seq: place.seq,
                messages: place.messages,
                at: held.at,
                class,
                written: stamps.next(),
                traceparent: command.traceparent.clone(),
                fact: super::encode(&fact),
                became: None,
                in_thread,
                has_thread: false,
                note: command.note.clone(),
            };
            round.run.push(Drafted { command, entry, fact });
        }
        round
    }

    async fn append(
        &mut self,
        mut held: Held,
        mut run: Vec<Drafted>,
        reservation: Reservation,
        waiting: &mut VecDeque<Command>,
    ) -> Result<(), Error> {
        let appended = self.desk.store.entries.append_many(run.iter().map(|drafted| &drafted.entry)).await;
        let (committed, stopped_by) = match appended {
            Ok(appended) => (appended.committed, appended.stopped_by),
            Err(error) => (0, Some(error)),
        };
        if stopped_by.is_some() {
            // Threads have moved on by what is not committed.
            held.threads.clear();
        }
        let mut rest: VecDeque<Drafted> = run.split_off(committed).into();
        let outcome = match stopped_by {
            None | Some(StoreError::Conflict { .. }) => Ok(()),
            Some(StoreError::Duplicate { index, .. }) if index == ONCE.name => {
                let repeated = rest.pop_front().expect("a run stops at one of its entries").command;
                self.repeat(repeated).await;
                Ok(())
            }
            Some(error @ StoreError::Invalid(_)) => {
                let refused = rest.pop_front().expect("a run stops at one of its entries").command;
                refused.answer(Err(error.into()));
                Ok(())
            }
            Some(error) => Err(error.into()),
        };
        let complete = rest.is_empty() && outcome.is_ok();
        rest.into_iter().rev().for_each(|drafted| waiting.push_front(drafted.command));
        self.accept(held, run, complete).await;
        // Only now, so that a checkpoint that has passed these entries says that they were told, too.
        if outcome.is_ok() {
            reservation.decided();
        }
        outcome
    }

    /// Answers the commands of committed entries and tells whoever listens, in this order: what is told is
    /// committed, and nobody waits for the telling.
    async fn accept(&mut self, mut held: Held, committed: Vec<Drafted>, complete: bool) {
        self.desk.telemetry.committed(committed.len());
        let (mut changed, mut narrowed) = (false, false);
        let mut removed = Vec::new();
        for drafted in &committed {
            held.head = drafted.entry.head();
            for (user, step) in steps(&drafted.fact) {
                held.stances.entry(user).or_default().take(&step);
                removed.extend((step == Step::Ended).then_some(user));
            }
            let before = held.conversation.visibility();
            held.conversation.take(&drafted.entry, &drafted.fact);
            let after = held.conversation.visibility();
            narrowed |= before != after && after != Visibility::Public;
            if drafted.command.is_about_roles() {
                removed.extend(held.kept_from_reading());
            }
            changed |= drafted.entry.is_change();
        }
        if changed && let Err(error) = self.desk.keeper.settle(self.id).await {
            // The change stands in the log; whoever reads next applies it.
            tracing::warn!(conversation = %self.id, %error, "a committed change is not applied yet");
        }
        // What stopped an incomplete run was somebody else's entry: the head is another by now.
        self.held = complete.then_some(held);
        let mut tail = Vec::with_capacity(committed.len());
        for Drafted { command, entry, fact } in committed {
            command.answer(Ok(match fact {
                Fact::MessagePosted { message } => Answer::Posted(message),
                _ => Answer::Changed,
            }));
            tail.push(entry.into_raw());
        }
        self.desk.live.tell(&self.owner, tail).await;
        if narrowed {
            self.desk.live.narrowed(&self.owner).await;
        }
        for user in removed {
            self.desk.live.control(user, &Control::AccessLost { conversation_id: self.id }).await;
        }
    }

    /// Answers a post whose client id stands in the log already.
    async fn repeat(&self, command: Command) {
        let answer = self.first_result(&command).await.and_then(|first| first.ok_or(Error::Busy));
        command.answer(answer);
    }

    /// Refuses a post, but for one that was taken before: that stands, whatever its author may do by now.
    async fn refuse(&self, command: Command, refusal: Error) {
        let answer = match self.first_result(&command).await {
            Ok(Some(first)) => Ok(first),
            Ok(None) | Err(Error::ClientIdReused) => Err(refusal),
            Err(error) => Err(error),
        };
        command.answer(answer);
    }

    async fn first_result(&self, command: &Command) -> Result<Option<Answer>, Error> {
        let Request::Post(post, _) = &command.request else { return Err(Error::Stopped) };
        let first = self.desk.store.first_result(&self.owner, command.author(), post).await?;
        Ok(first.map(Answer::Repeated))
    }
}
