//! Threads: reading them, following them, and how much of them is unread.

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    messaging::{EntityKind, FollowedThread, Following, MAX_FOLLOWED_THREADS, Message, Thread},
};
use tertulia_documents::Record as _;

use super::{Messaging, reading::MessagePage, user_logs::UserLogs};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        place::{entry_id, seq_of},
        private::{Listing, Matter, Topic, Tracking},
        unread::unread,
    },
    store::{Class, EntryRecord, Head, PrivateRecord, entries::Span},
};

/// How many threads of a list are looked at at once.
const AT_ONCE: usize = 8;

/// A page of the threads that somebody follows.
pub(crate) struct ThreadPage {
    /// Those in which something was posted last first.
    pub items: Vec<FollowedThread>,
    /// The next page is of threads below this position; none at the end.
    pub next: Option<Span>,
}

impl Messaging {
    /// A page of what stands below a message.
    pub(crate) async fn thread(
        &self,
        id: ConversationId,
        by: Actor,
        root: MessageId,
        page: (Span, usize),
    ) -> Result<MessagePage, Error> {
        self.view(id, by, Action::Read).await?;
        let thread = self.thread_below(id, root).await?;
        self.messages_in(&thread, id, by, page).await
    }

    /// Makes somebody follow a thread. What was posted before is not unread to them. Again is the same.
    pub(crate) async fn follow(
        &self,
        id: ConversationId,
        by: Actor,
        root: MessageId,
    ) -> Result<Following, Error> {
        self.must_belong(id, by).await?;
        let thread = self.thread_below(id, root).await?;
        let since_seq = self.store.head(&id.to_string()).await?.seq;
        let read = self.store.thread_head(&thread).await?;
        let tracking = self.track(id, by.user_id, root, |before| {
            let begun = Tracking {
                follows: true,
                since_seq,
                cursor_seq: read.seq,
                cursor_messages: read.messages,
                unread: 0,
            };
            Ok((!before.follows).then_some(begun))
        });
        self.following(by.user_id, root, &thread, tracking.await?).await
    }

    /// Lets go of a thread. Again is the same.
    pub(crate) async fn unfollow(&self, id: ConversationId, by: Actor, root: MessageId) -> Result<(), Error> {
        self.must_belong(id, by).await?;
        let since_seq = self.store.head(&id.to_string()).await?.seq;
        let let_go = |before: Tracking| {
            Ok(before.follows.then_some(Tracking { follows: false, since_seq, unread: 0, ..before }))
        };
        self.track(id, by.user_id, root, let_go).await.map(drop)
    }

    /// Moves a follower's cursor forward in a thread, at most to its newest message.
    pub(crate) async fn read_thread(
        &self,
        id: ConversationId,
        by: Actor,
        root: MessageId,
        seq: u64,
    ) -> Result<Following, Error> {
        self.must_belong(id, by).await?;
        let thread = self.thread_below(id, root).await?;
        let head = self.store.thread_head(&thread).await?;
        let read = self.store.newest_up_to(&thread, seq).await?;
        let read = read.map_or_else(Head::default, |entry| entry.head_of_place());
        let own_last = self.store.last_post(&thread, by.user_id).await?;
        let tracking = self.track(id, by.user_id, root, |before| {
            if !before.follows {
                return Err(Error::NotFollowing);
            }
            let unread = unread(head.messages, read.messages, own_last.messages);
            let moved = Tracking { cursor_seq: read.seq, cursor_messages: read.messages, unread, ..before };
            Ok((read.seq > before.cursor_seq).then_some(moved))
        });
        self.following(by.user_id, root, &thread, tracking.await?).await
    }

    /// A page of the threads of a conversation that somebody follows, those in which something was posted last first,
    /// below a position.
    pub(crate) async fn threads(
        &self,
        id: ConversationId,
        by: Actor,
        below: Option<u64>,
        limit: usize,
    ) -> Result<ThreadPage, Error> {
        self.must_belong(id, by).await?;
        let (user, owner) = (by.user_id, id.to_string());
        // All of them: what was posted last moves no document of theirs.
        let followed = self.store.listing(user, Listing::Threads(id), None, MAX_FOLLOWED_THREADS).await?;
        let placed = followed.items.iter().filter_map(|record| match record.matter {
            Matter::Thread { root_id, tracking, .. } => Some((root_id, tracking)),
            _ => None,
        });
        let placed: Vec<(MessageId, Tracking)> = placed.collect();
        let heads = self.heads_below(&owner, placed.iter().map(|(root, _)| seq_of(*root)).collect()).await?;
        let mut threads: Vec<(u64, MessageId, Tracking, Head)> = placed
            .into_iter()
            .map(|(root, tracking)| {
                let head = heads.get(&seq_of(root)).map_or_else(Head::default, EntryRecord::head_of_place);
                (head.seq.max(seq_of(root)), root, tracking, head)
            })
            .collect();
        threads.retain(|(newest, ..)| below.is_none_or(|below| *newest < below));
        threads.sort_unstable_by_key(|(newest, ..)| Reverse(*newest));
        let more = threads.len() > limit;
        threads.truncate(limit);
        let next = threads.last().filter(|_| more).map(|(newest, ..)| Span::Before(*newest));
        let roots: Vec<MessageId> = threads.iter().map(|(_, root, ..)| *root).collect();
        let messages = self.seen_by(id, user, &self.store.postings(id, &roots).await?).await?;
        let mut messages: BTreeMap<MessageId, Message> =
            messages.into_iter().map(|message| (message.id, message)).collect();
        let mut items = Vec::with_capacity(threads.len());
        for (_, root, tracking, head) in threads {
            let Some(message) = messages.remove(&root) else { continue };
            let thread = entry_id(&owner, message.seq);
            let unread = self.unread_in(user, &thread, tracking, head).await?;
            items.push(FollowedThread { message, cursor_seq: tracking.cursor_seq, unread });
        }
        Ok(ThreadPage { items, next })
    }

    /// Shows with messages how much stands below them.
    pub(super) async fn show_threads(
        &self,
        postings: &[EntryRecord],
        messages: &mut [Message],
    ) -> Result<(), Error> {
        let Some(owner) = postings.first().map(|posting| posting.owner.as_str()) else { return Ok(()) };
        let roots = postings.iter().filter(|posting| posting.has_thread).map(|root| root.seq).collect();
        let newest = self.heads_below(owner, roots).await?;
        for message in messages {
            message.thread = newest.get(&message.seq).map(|newest| {
                let Head { seq: last_seq, messages } = newest.head_of_place();
                Thread { messages, last_seq, last_at: newest.at }
            });
        }
        Ok(())
    }

    /// The newest message below each of those at these positions of a log that have any.
    async fn heads_below(&self, owner: &str, roots: Vec<u64>) -> Result<BTreeMap<u64, EntryRecord>, Error> {
        let threads = roots.into_iter().map(|root| self.head_below(root, entry_id(owner, root)));
        let heads: Vec<_> = stream::iter(threads).buffered(AT_ONCE).try_collect().await?;
        Ok(heads.into_iter().flatten().collect())
    }

    async fn head_below(&self, root: u64, thread: String) -> Result<Option<(u64, EntryRecord)>, Error> {
        let newest = self.store.newest_up_to(&thread, u64::MAX).await?;
        Ok(newest.map(|newest| (root, newest)))
    }

    async fn must_belong(&self, id: ConversationId, by: Actor) -> Result<(), Error> {
        let member = self.view(id, by, Action::MoveCursor).await?.member;
        member.map(drop).ok_or(Error::NoSuchConversation)
    }

    /// What the thread below a message is called.
    async fn thread_below(&self, id: ConversationId, root: MessageId) -> Result<String, Error> {
        let posting = self.store.postings(id, &[root]).await?.pop().ok_or(Error::NoSuchMessage)?;
        match posting.in_thread {
            Some(_) => Err(Error::invalid("message_id", "stands in a thread itself, and has none")),
            None => Ok(posting.id()),
        }
    }

    /// Changes how somebody follows a thread, and says how they do then.
    async fn track(
        &self,
        id: ConversationId,
        user: UserId,
        root: MessageId,
        next: impl Fn(Tracking) -> Result<Option<Tracking>, Error>,
    ) -> Result<Tracking, Error> {
        let decide = |before: Option<&PrivateRecord>| {
            let next = next(before.map_or_else(Tracking::default, PrivateRecord::tracking))?;
            Ok(next.map(|tracking| Matter::Thread { conversation_id: id, root_id: root, tracking }))
        };
        let changed = self.user_logs.change(user, Topic::Thread(id, root), decide).await?;
        Ok(changed.after.as_ref().map_or_else(Tracking::default, PrivateRecord::tracking))
    }

    async fn following(
        &self,
        user: UserId,
        root: MessageId,
        thread: &str,
        tracking: Tracking,
    ) -> Result<Following, Error> {
        let head = self.store.thread_head(thread).await?;
        let unread = self.unread_in(user, thread, tracking, head).await?;
        Ok(Following { message_id: root, cursor_seq: tracking.cursor_seq, unread })
    }

    async fn unread_in(
        &self,
        user: UserId,
        thread: &str,
        tracking: Tracking,
        head: Head,
    ) -> Result<u64, Error> {
        let read = tracking.cursor_messages;
        if read >= head.messages {
            return Ok(0);
        }
        let own_last = self.store.last_post(thread, user).await?;
        Ok(unread(head.messages, read, own_last.messages))
    }
}

impl UserLogs {
    /// Makes those follow a thread whom a message in it concerns: who wrote it, whom it names, and whose the message is that
    /// it stands below. Again is the same; whoever let go of the thread after it, or has no room for more, does not.
    pub(crate) async fn tell_thread(&self, post: &Message) -> Result<(), Error> {
        let (id, owner) = (post.conversation_id, post.conversation_id.to_string());
        let Some(root_id) = post.thread_id else { return Ok(()) };
        let Some(entry) = self.store.entry(&owner, post.seq).await? else { return Ok(()) };
        let Some(root) = self.store.postings(id, &[root_id]).await?.pop() else { return Ok(()) };
        let Class::Message { author: of_root, .. } = root.class else { return Ok(()) };
        let here = entry.head_of_place();
        let before = Head { seq: here.seq - 1, messages: here.messages.saturating_sub(1) };
        self.begin_to_follow(post.author_id, id, root_id, post.seq, here, true).await?;
        let named = post.entities.iter().filter_map(|entity| match entity.what {
            EntityKind::Mention { user_id } if user_id != post.author_id => Some(user_id),
            _ => None,
        });
        for user in named {
            self.begin_to_follow(user, id, root_id, post.seq, before, true).await?;
        }
        if of_root != post.author_id {
            self.begin_to_follow(of_root, id, root_id, post.seq, Head::default(), false).await?;
        }
        Ok(())
    }

    /// Makes somebody follow a thread by an entry of the log, with what there is up to `read` behind them; `anew` also if
    /// they let go of it before that.
    async fn begin_to_follow(
        &self,
        user: UserId,
        conversation_id: ConversationId,
        root_id: MessageId,
        since_seq: u64,
        read: Head,
        anew: bool,
    ) -> Result<(), Error> {
        let topic = Topic::Thread(conversation_id, root_id);
        let known = self.store.private(user, topic).await?;
        let is_done = |known: &PrivateRecord| {
            let Tracking { follows, since_seq: since, .. } = known.tracking();
            match since.cmp(&since_seq) {
                Ordering::Less => follows || !anew,
                // If it is this entry that made them follow, it may not be told yet.
                Ordering::Equal => !follows,
                Ordering::Greater => true,
            }
        };
        if known.as_ref().is_some_and(is_done) {
            return Ok(());
        }
        let member = self.store.member(conversation_id, user).await?;
        if !member.is_some_and(|member| member.value.present) {
            return Ok(());
        }
        let (cursor_seq, cursor_messages) = (read.seq, read.messages);
        let begun = Tracking { follows: true, since_seq, cursor_seq, cursor_messages, unread: 0 };
        let follow = |known: Option<&PrivateRecord>| {
            let news = known.is_none_or(|known| !is_done(known) && !known.tracking().follows);
            Ok(news.then_some(Matter::Thread { conversation_id, root_id, tracking: begun }))
        };
        match self.change_and_tell(user, topic, follow).await {
            Err(Error::NoRoom(_)) => Ok(()),
            told => told,
        }
    }
}
