//! How a writer turns commands into entries: decide, append as one run, answer, tell whoever listens.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tertulia_contracts::{
    ConversationId, InvitationId, MessageId, ReportId, UserId,
    live::Control,
    messaging::{Fact, Message, PostMessage, Verdict, Visibility},
    permissions::{Denial, InstanceRole, Refusal},
};
use tertulia_documents::{Error as StoreError, port::MAX_RUN};
use tertulia_runtime::{Ambient, Timestamp};

use super::{
    keeper::Keeper,
    ledger::{Ledger, Reservation},
    live::Live,
    targets::Targets,
    writer::{Answer, Command, Request, Stake},
};
use crate::{
    Error,
    model::{
        access::{Action, Actor, Ground, may},
        alteration::Alteration,
        callee::callees,
        change::{Change, Standing, decide},
        filters::{Tripped, tripped},
        invitation::Opening,
        markup::Markup,
        membership::{Stance, Step, steps},
        moderation::is_act,
        place::message_id,
        roles::RoleChange,
    },
    store::{Class, ConversationRecord, EntryRecord, Head, InvitationRecord, Store, entries::ONCE},
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

/// The conversation as of its head. Only the next append can tell whether it still is.
struct Held {
    conversation: ConversationRecord,
    head: Head,
    /// When the commands at hand are decided, and their entries are written: what is over then counts no more.
    at: Timestamp,
    stances: HashMap<UserId, Stance>,
    /// What was decided on the reports that the commands at hand are about.
    reports: HashMap<ReportId, Option<Verdict>>,
    /// Whether an owner who leaves leaves somebody behind; found out when one asks to.
    others: bool,
    /// The invitations that the commands at hand are by.
    invitations: Vec<InvitationRecord>,
    /// Whether it was read for the commands at hand. What was remembered since an earlier batch is good enough for
    /// whatever an append confirms, and for nothing else.
    fresh: bool,
}

/// A command that was decided, with the entry it becomes.
struct Drafted {
    command: Command,
    entry: EntryRecord,
    fact: Fact,
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
            command.target().is_some() || command.invitation().is_some() || command.report().is_some()
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
        let replies = self.standing_replies(waiting).await?;
        self.look_for_invitations(&mut held, waiting).await?;
        let targets = Targets::load(&self.desk.store, &held.conversation, waiting).await?;
        let reservation = self.desk.ledger.reserve(waiting.len())?;
        let (run, outdated) = self.draft(&held, &replies, targets, &reservation, waiting);
        held.fresh = false;
        if run.is_empty() {
            reservation.decided();
            self.held = Some(held);
        } else {
            self.append(held, run, reservation, waiting).await?;
        }
        if outdated {
            self.held = None;
        }
        Ok(())
    }

    /// Reads the head first and the documents after it, so that they show at least every change up to the head.
    async fn load(&self) -> Result<Held, Error> {
        let head = self.desk.store.head(&self.owner).await?;
        let conversation = self.desk.keeper.settle(self.id).await?.ok_or(Error::NoSuchConversation)?;
        // Settling may have founded the conversation: then the head lies behind, and the next append says so.
        let (at, stances, reports, invitations) =
            (self.desk.ambient.now(), HashMap::new(), HashMap::new(), Vec::new());
        Ok(Held { conversation, head, at, stances, reports, others: true, invitations, fresh: true })
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
        let ids: Vec<String> =
            waiting.iter().filter_map(Command::report).map(|report| report.to_string()).collect();
        if !ids.is_empty() {
            let found = self.desk.store.reports.get_many(&ids).await?.into_iter().map(|found| found.value);
            let here = found.filter(|report| report.conversation_id == self.id);
            held.reports.extend(here.map(|report| (report.id, report.decided.map(|(verdict, _)| verdict))));
        }
        Ok(())
    }

    /// Those messages that are answered and indeed stand in this conversation.
    async fn standing_replies(&self, waiting: &VecDeque<Command>) -> Result<Vec<MessageId>, Error> {
        let answered: Vec<MessageId> = waiting.iter().filter_map(Command::reply_to).collect();
        if answered.is_empty() {
            return Ok(answered);
        }
        let postings = self.desk.store.postings(self.id, &answered).await?;
        Ok(postings.iter().map(|posting| message_id(posting.at, self.id, posting.seq)).collect())
    }

    /// Decides commands from the front of what waits, until one depends on a change that is not committed yet.
    /// Whoever is refused, or gets what is so already, is answered here; but no append confirms such an answer, so
    /// that it is given on what was just read alone. Says also whether that has to be read again.
    fn draft(
        &self,
        held: &Held,
        replies: &[MessageId],
        mut targets: Targets,
        reservation: &Reservation,
        waiting: &mut VecDeque<Command>,
    ) -> (Vec<Drafted>, bool) {
        let at = held.at;
        let mut place = held.head;
        let mut stamps = reservation.stamps();
        let mut run = Vec::with_capacity(waiting.len());
        let mut changing = HashSet::new();
        while let Some(command) = waiting.pop_front() {
            let depends = command.stakes().any(|stake| changing.contains(&stake))
                || !changing.is_empty()
                    && (command.is_about_roles()
                        || held.depends_on_others(&command)
                        || held.depends_on_members(&command));
            if depends {
                waiting.push_front(command);
                break;
            }
            let decision = match &command.request {
                Request::Post(post, markup) => {
                    let place = (place.seq + 1, at);
                    self.post(held, command.by, (post, markup), replies, place).map(Some)
                }
                Request::Roles(change) => held.change_roles(change, command.by, at),
                Request::Alter(message, alteration) => {
                    let subject = held.subject(&command);
                    let ground = held.ground(command.by);
                    let decision =
                        targets.decide(*message, alteration, command.by.user_id, at, ground, subject);
                    match alteration {
                        Alteration::Edit(body, _) if matches!(decision, Ok(Some(_))) => {
                            held.sift(command.by, body).and(decision)
                        }
                        _ => decision,
                    }
                }
                Request::Change(change) => held.change(change, &command),
            };
            let fact = match decision {
                Ok(Some(fact)) => fact,
                // It rests on alterations of this run, which may not be committed: it is decided again after them.
                _ if command.target().is_some() && targets.is_ahead => {
                    waiting.push_front(command);
                    break;
                }
                Ok(None) | Err(_) if !held.fresh => {
                    waiting.push_front(command);
                    return (run, true);
                }
                settled => {
                    command.answer(settled.map(|_| Answer::Changed));
                    continue;
                }
            };
            changing.extend(stakes_in(&fact));
            let class = class_of(&fact, &targets);
            let posted = u64::from(matches!(class, Class::Message { .. }));
            place = Head { seq: place.seq + 1, messages: place.messages + posted };
            if command.target().is_some() {
                targets.draft(place.seq, &fact);
            }
            let entry = EntryRecord {
                owner: self.owner.clone(),
                seq: place.seq,
                messages: place.messages,
                at,
                class,
                written: stamps.next(),
                traceparent: command.traceparent.clone(),
                fact: super::encode(&fact),
                became: None,
                note: command.note.clone(),
            };
            // What others may do follows from it: they are decided on when it is committed.
            let ends_run = command.is_about_roles();
            run.push(Drafted { command, entry, fact });
            if ends_run {
                break;
            }
        }
        (run, false)
    }

    fn post(
        &self,
        held: &Held,
        author: Actor,
        (post, markup): (&PostMessage, &Markup),
        replies: &[MessageId],
        (seq, at): (u64, Timestamp),
    ) -> Result<Fact, Error> {
        let ground = held.ground(author);
        may(Action::Post, ground)?;
        held.sift(author, &post.body)?;
        let entities = markup.said(ground)?;
        if post.reply_to.is_some_and(|message| !replies.contains(&message)) {
            return Err(Error::invalid("reply_to", "there is no such message in this conversation"));
        }
        let id = message_id(at, self.id, seq);
        let posted = Message::posted(id, self.id, seq, author.user_id, post.clone(), at);
        Ok(Fact::MessagePosted { message: Message { entities, ..posted } })
    }

    async fn append(
        &mut self,
        held: Held,
        mut run: Vec<Drafted>,
        reservation: Reservation,
        waiting: &mut VecDeque<Command>,
    ) -> Result<(), Error> {
        let appended = self.desk.store.entries.append_many(run.iter().map(|drafted| &drafted.entry)).await;
        let (committed, stopped_by) = match appended {
            Ok(appended) => (appended.committed, appended.stopped_by),
            Err(error) => (0, Some(error)),
        };
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
        let Request::Post(post, _) = &command.request else { return command.answer(Err(Error::Stopped)) };
        let answer = self.first_result(command.by.user_id, post).await;
        command.answer(answer);
    }

    async fn first_result(&self, author: UserId, post: &PostMessage) -> Result<Answer, Error> {
        let first = self.desk.store.named(&self.owner, author, post.client_id).await?.ok_or(Error::Busy)?;
        if first.is_repeated_by(post)? {
            Ok(Answer::Repeated(first.posted()?))
        } else {
            Err(Error::ClientIdReused)
        }
    }
}

impl Held {
    fn ground(&self, actor: Actor) -> Ground {
        self.conversation.ground(actor, self.stance(actor.user_id), self.at)
    }

    fn change_roles(&self, change: &RoleChange, by: Actor, at: Timestamp) -> Result<Option<Fact>, Error> {
        let rank = |user| self.stance(user).role;
        self.conversation.roles.decide(change, by.user_id, at, self.ground(by), rank)
    }

    /// Those to whom reading is denied by a custom role or beside their name.
    fn kept_from_reading(&self) -> Vec<UserId> {
        let account = InstanceRole::User;
        let denied = |user_id| may(Action::Read, self.ground(Actor { user_id, account })).is_err();
        self.conversation.roles.people().filter(|user| denied(*user)).collect()
    }

    fn stance(&self, user: UserId) -> Stance {
        self.stances.get(&user).copied().unwrap_or_default()
    }

    /// How whom a command is about stands.
    fn subject(&self, command: &Command) -> Stance {
        command.subject().map_or_else(Stance::default, |user| self.stance(user))
    }

    fn change(&self, change: &Change, command: &Command) -> Result<Option<Fact>, Error> {
        let found = self.invitations.iter().find(|record| Some(record.terms.id) == change.invitation());
        let opening = found.map(|InvitationRecord { terms, uses, .. }| {
            // What an invitation is good for follows from its maker's place in the conversation, not from any office.
            let inviter = Actor { user_id: terms.created_by, account: InstanceRole::User };
            Opening { terms, uses: *uses, inviter: self.ground(inviter) }
        });
        let standing = Standing {
            ground: self.ground(command.by),
            others: self.others,
            settings: &self.conversation.settings,
            full: self.conversation.overflows_with(1),
            opening,
            owner: self.conversation.owner,
            filters: &self.conversation.filters,
            report: command.report().and_then(|report| self.reports.get(&report).copied()),
            subject: self.subject(command),
        };
        Ok(decide(change, command.by.user_id, self.at, standing)?)
    }

    /// Who comes in by an invitation has to know how often it was used, and who comes into a group that is nearly full,
    /// whether there is room.
    fn depends_on_members(&self, command: &Command) -> bool {
        let nearly_full = self.conversation.overflows_with(MAX_RUN as u64);
        command.invitation().is_some() || nearly_full && command.change().is_some_and(Change::adds)
    }

    /// Keeps out what the conversation's filters do. Whoever may set them is not held to them.
    fn sift(&self, author: Actor, body: &str) -> Result<(), Error> {
        let Some(tripped) = tripped(&self.conversation.filters, body) else { return Ok(()) };
        if may(Action::ManageFilters, self.ground(author)).is_ok() {
            return Ok(());
        }
        Err(Error::invalid(
            "body",
            match tripped {
                Tripped::Word => "holds a word that is kept out of this conversation",
                Tripped::Link => "holds a link that is kept out of this conversation",
            },
        ))
    }

    /// Only an owner who leaves has to know whether they are the last.
    fn depends_on_others(&self, command: &Command) -> bool {
        let must_hand_over = |refusal: Refusal| refusal.denial == Denial::OwnerMustHandOver;
        command.is_leaving() && may(Action::Leave, self.ground(command.by)).is_err_and(must_hand_over)
    }
}

/// What a fact changes that others may be decided on.
fn stakes_in(fact: &Fact) -> impl Iterator<Item = Stake> {
    let other = match fact {
        Fact::ReportDecided { report_id, .. } => Some(Stake::Report(*report_id)),
        Fact::FiltersChanged { .. }
        | Fact::ConversationUpdated { .. }
        | Fact::ConversationArchived { .. }
        | Fact::ConversationUnarchived { .. }
        | Fact::RolePut { .. }
        | Fact::RoleDeleted { .. }
        | Fact::RoleGiven { .. }
        | Fact::RoleTaken { .. }
        | Fact::MemberOverridden { .. } => Some(Stake::Settings),
        Fact::OwnerChanged { .. } | Fact::MemberLeft { .. } | Fact::MemberBanned { .. } => Some(Stake::Owner),
        _ => None,
    };
    steps(fact).into_iter().map(|(user, _)| Stake::Person(user)).chain(other)
}

fn class_of(fact: &Fact, targets: &Targets) -> Class {
    match fact {
        Fact::MessagePosted { message } => {
            let calls = !callees(&message.entities, message.author_id).is_empty();
            Class::Message { author: message.author_id, client_id: message.client_id, calls }
        }
        Fact::MessageEdited { message_seq, .. } => Class::Edit { message_seq: *message_seq },
        fact if is_act(fact, |message| targets.author(message)) => Class::Act,
        _ => Class::Change,
    }
}
