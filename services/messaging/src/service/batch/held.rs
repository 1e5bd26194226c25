//! What a writer knows of its conversation, and what commands are decided on it.

use std::{collections::HashMap, time::Duration};

use tertulia_contracts::{
    MessageId, ReportId, UserId,
    messaging::{Attachment, Fact, Message, PostMessage, Quoted, Verdict, Via},
    permissions::{Denial, InstanceRole, Refusal},
};
use tertulia_documents::port::MAX_RUN;
use tertulia_runtime::Timestamp;

use super::StandingReply;
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
        membership::{Stance, steps},
        moderation::is_act,
        place::{message_id, seq_of},
        poll::check_end,
        quote::find_quote,
        roles::RoleChange,
        thread::{InThread, Root, may_speak, no_such_reply},
    },
    service::{
        targets::Targets,
        writer::{Command, Request, Stake},
    },
    store::{Class, ConversationRecord, Head, InvitationRecord},
};

/// The conversation as of its head. Only the next append can tell whether it still is.
pub(super) struct Held {
    pub(super) conversation: ConversationRecord,
    pub(super) head: Head,
    /// When the commands at hand are decided, and their entries are written: what is over then counts no more.
    pub(super) at: Timestamp,
    pub(super) stances: HashMap<UserId, Stance>,
    /// What was decided on the reports that the commands at hand are about.
    pub(super) reports: HashMap<ReportId, Option<Verdict>>,
    /// Whether an owner who leaves leaves somebody behind; found out when one asks to.
    pub(super) others: bool,
    /// The invitations that the commands at hand are by.
    pub(super) invitations: Vec<InvitationRecord>,
    /// What is known of the threads that were posted in. It moves on with each fact that is drafted, and is forgotten with
    /// everything else when one of those is not committed.
    pub(super) threads: HashMap<MessageId, Root>,
    /// Whether the two of a direct conversation keep apart; read for every batch, since no log says so.
    pub(super) apart: bool,
    /// What the messages say that the commands at hand quote, and the entries that say so.
    pub(super) words: HashMap<MessageId, (u64, String)>,
    /// When those last posted whose posts are at hand and have to wait in slow mode; read for every batch.
    pub(super) posted_at: HashMap<UserId, Timestamp>,
    /// Whether it was read for the commands at hand. What was remembered since an earlier batch is good enough for
    /// whatever an append confirms, and for nothing else.
    pub(super) fresh: bool,
}

impl Held {
    /// The fact that a command becomes if its entry takes this place; none if things are as it asks already.
    pub(super) fn decide(
        &self,
        command: &Command,
        targets: &Targets,
        replies: &[StandingReply],
        seq: u64,
    ) -> Result<Option<Fact>, Error> {
        let (by, at) = (command.by, self.at);
        let decision = match &command.request {
            Request::Post(post, markup) => {
                let passed_on = command.note.as_ref().and_then(|note| note.passed_on);
                let posted = self.post(by, (post, markup), replies, seq);
                let posted = posted.and_then(|message| self.wait_out(command).map(|()| message));
                let forwarded = passed_on.map(|it| Box::new(it.forwarded));
                posted.map(|message| Some(Fact::MessagePosted { message: Message { forwarded, ..message } }))
            }
            Request::Roles(change) => self.change_roles(change, by, at),
            Request::Change(change) => self.change(change, command),
            Request::Alter(message, alteration) => {
                let (ground, subject) = (self.ground(by), self.subject(command));
                let about = (self.conversation.own_words(), subject);
                let decision = targets.decide(*message, alteration, by.user_id, at, ground, about);
                match alteration {
                    Alteration::Edit(body, _) if matches!(decision, Ok(Some(_))) => {
                        self.sift(by, "body", body).and(decision)
                    }
                    _ => decision,
                }
            }
        };
        let fact = decision.and_then(|fact| self.in_reach(command, fact))?;
        match &command.via {
            Some(via) => self.through(via, command.by, fact),
            None => Ok(fact),
        }
    }

    /// What comes through a hook is the hook's own, for as long as its maker may manage hooks.
    fn through(&self, via: &Via, maker: Actor, fact: Option<Fact>) -> Result<Option<Fact>, Error> {
        may(Action::ManageHooks, self.ground(maker))?;
        Ok(fact.map(|fact| match fact {
            Fact::MessagePosted { message } => {
                let author_id = via.author();
                Fact::MessagePosted {
                    message: Message { author_id, via: Some(Box::new(via.clone())), ..message },
                }
            }
            fact => fact,
        }))
    }

    /// What the two of a pair may no longer say to each other, in whatever way, once they keep apart.
    fn in_reach(&self, command: &Command, fact: Option<Fact>) -> Result<Option<Fact>, Error> {
        let reaches = matches!(
            command.request,
            Request::Post(..)
                | Request::Alter(
                    _,
                    Alteration::Edit(..) | Alteration::React(_) | Alteration::Vote(_) | Alteration::Pin
                )
        );
        if self.apart && reaches { Err(Error::OutOfReach) } else { Ok(fact) }
    }

    fn post(
        &self,
        author: Actor,
        (post, markup): (&PostMessage, &Markup),
        replies: &[StandingReply],
        seq: u64,
    ) -> Result<Message, Error> {
        let (id, at, ground) = (self.conversation.id, self.at, self.ground(author));
        may_speak(post, ground, &self.conversation.settings)?;
        self.sift(author, "body", &post.body)?;
        if !post.attachments.is_empty() {
            may(Action::AttachMedia, ground)?;
        }
        for text in post.attachments.iter().flat_map(Attachment::texts) {
            self.sift(author, "attachments", text)?;
        }
        if let Some(poll) = &post.poll {
            may(Action::CreatePoll, ground)?;
            check_end(poll, at)?;
            for text in poll.options.iter().chain([&poll.question]) {
                self.sift(author, "poll", text)?;
            }
        }
        let entities = markup.said(ground, self.conversation.own_words())?;
        if let Some(root) = post.thread_id {
            self.threads.get(&root).copied().unwrap_or(Root::Missing).takes_posts()?;
        }
        let place = post.thread_id.map(seq_of);
        if post.reply_to.is_some_and(|message| !replies.contains(&(message, place))) {
            return Err(no_such_reply(post));
        }
        let posted = Message::posted(message_id(at, id, seq), id, seq, author.user_id, post.clone(), at);
        let lasting = self.conversation.settings.disappear_after_s;
        let expires_at = lasting.map(|seconds| at.plus(Duration::from_secs(seconds.into())));
        Ok(Message { entities, quote: self.quoted(post)?, expires_at, ..posted })
    }

    /// The place of what a post quotes, if the answered message says so.
    fn quoted(&self, post: &PostMessage) -> Result<Option<Box<Quoted>>, Error> {
        let Some(quote) = &post.quote else { return Ok(None) };
        let said = post.reply_to.and_then(|message| self.words.get(&message));
        let found = said.and_then(|(seq, body)| find_quote(*seq, body, quote));
        let wrong = || Error::invalid("quote", "the answered message does not say this now");
        found.map(|found| Some(Box::new(found))).ok_or_else(wrong)
    }

    /// Whether a command has to wait until everything before it is committed that changes anything.
    pub(super) fn depends_on_all_before(&self, command: &Command) -> bool {
        command.is_about_roles() || self.depends_on_others(command) || self.depends_on_members(command)
    }

    pub(super) fn ground(&self, actor: Actor) -> Ground {
        self.conversation.ground(actor, self.stance(actor.user_id), self.at)
    }

    /// Whether somebody may know what is said here.
    pub(super) fn may_read(&self, actor: Actor) -> bool {
        may(Action::Read, self.ground(actor)).is_ok()
    }

    fn change_roles(&self, change: &RoleChange, by: Actor, at: Timestamp) -> Result<Option<Fact>, Error> {
        let rank = |user| self.stance(user).role;
        self.conversation.roles.decide(change, by.user_id, at, self.ground(by), rank)
    }

    /// Those to whom reading is denied by a custom role or beside their name.
    pub(super) fn kept_from_reading(&self) -> Vec<UserId> {
        let account = InstanceRole::User;
        let denied = |user_id| !self.may_read(Actor { user_id, account });
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
            emoji: &self.conversation.emoji,
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
    fn sift(&self, author: Actor, field: &str, text: &str) -> Result<(), Error> {
        let Some(tripped) = tripped(&self.conversation.filters, text) else { return Ok(()) };
        if may(Action::ManageFilters, self.ground(author)).is_ok() {
            return Ok(());
        }
        Err(Error::invalid(
            field,
            match tripped {
                Tripped::Word => "holds a word that is kept out of this conversation",
                Tripped::Link => "holds a link that is kept out of this conversation",
            },
        ))
    }

    /// Only an owner who leaves has to know whether they are the last.
    pub(super) fn depends_on_others(&self, command: &Command) -> bool {
        let must_hand_over = |refusal: Refusal| refusal.denial == Denial::OwnerMustHandOver;
        command.is_leaving() && may(Action::Leave, self.ground(command.by)).is_err_and(must_hand_over)
    }
}

/// What a fact changes that others may be decided on.
pub(super) fn stakes_in(fact: &Fact) -> impl Iterator<Item = Stake> {
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
        | Fact::MemberOverridden { .. }
        | Fact::EmojiPut { .. }
        | Fact::EmojiRemoved { .. } => Some(Stake::Settings),
        Fact::OwnerChanged { .. } | Fact::MemberLeft { .. } | Fact::MemberBanned { .. } => Some(Stake::Owner),
        _ => None,
    };
    steps(fact).into_iter().map(|(user, _)| Stake::Person(user)).chain(other)
}

/// What sort of entry a fact is, which may post a message in a thread.
pub(super) fn class_of(fact: &Fact, targets: &Targets, in_thread: Option<InThread>) -> Class {
    match fact {
        Fact::MessagePosted { message } => {
            let is_first = in_thread.is_some_and(|thread| thread.messages == 1);
            let calls = is_first
                || message.expires_at.is_some()
                || !callees(&message.entities, message.author_id).is_empty();
            Class::Message { author: message.author_id, client_id: message.client_id, calls }
        }
        Fact::MessageEdited { message_seq, .. } => Class::Edit { message_seq: *message_seq },
        fact if is_act(fact, |message| targets.author(message)) => Class::Act,
        _ => Class::Change,
    }
}
