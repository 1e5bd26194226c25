//! A conversation as a file, page by page: however long the log is, one page of it is at hand, and the next is read when
//! whoever reads the file has taken the last.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{
        EXPORT_VERSION, ExportCover, ExportFormat, ExportLine, ExportMember, ExportMessage, Message,
    },
};
use tertulia_documents::{Cursor, Error as StoreError};

use super::{Messaging, conversations::View};
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        export::{disposition, written},
    },
    store::{Class, ConversationRecord, EntryRecord},
};

/// How many entries or members are at hand at once.
const PAGE: usize = 100;

/// What is still to be written of a file.
enum Rest {
    Cover(Box<ExportCover>),
    Members(Option<Cursor>),
    /// Those behind a position of the log.
    Messages(u64),
    End,
    Nothing,
}

/// A file that is being written.
struct Export {
    messaging: Messaging,
    id: ConversationId,
    by: Actor,
    format: ExportFormat,
    head_seq: u64,
    messages: u64,
    rest: Rest,
}

impl Messaging {
    /// A conversation as a file, and the `Content-Disposition` that names it.
    ///
    /// It holds the messages up to the head at this moment, each as it is when its page is read. Whoever may no longer
    /// export it when another page is due gets no more of it: the file breaks off, without its end.
    pub(crate) async fn export(
        &self,
        id: ConversationId,
        by: Actor,
        format: ExportFormat,
    ) -> Result<(String, impl Stream<Item = Result<Bytes, Error>> + use<>), Error> {
        let View { conversation, ground, .. } = self.view(id, by, Action::Export).await?;
        let (exported_at, head_seq) = (self.ambient.now(), self.store.head(&id.to_string()).await?.seq);
        let visibility = conversation.visibility();
        let ConversationRecord { charter, settings, pins, roles, .. } = conversation;
        let name = disposition(format, settings.title.as_deref().or(charter.handle.as_deref()), exported_at);
        let lists_members = may(Action::ListMembers, ground).is_ok();
        let cover = ExportCover {
            version: EXPORT_VERSION,
            exported_at,
            exported_by: by.user_id,
            head_seq,
            conversation_id: id,
            kind: charter.kind,
            title: settings.title,
            handle: charter.handle,
            description: Some(settings.description).filter(|description| !description.is_empty()),
            tags: settings.tags,
            visibility,
            archived_at: settings.archived_at,
            created_by: charter.created_by,
            created_at: charter.created_at,
            pins: pins.iter().map(|pin| pin.message_id).collect(),
            roles: lists_members.then(|| roles.shown()),
        };
        let rest = Rest::Cover(Box::new(cover));
        let export = Export { messaging: self.clone(), id, by, format, head_seq, messages: 0, rest };
        let parts = stream::try_unfold(export, async |mut export| {
            let part = export.part().await.inspect_err(|error| {
                tracing::warn!(conversation = %export.id, %error, "an export breaks off");
            })?;
            Ok(part.map(|part| (part, export)))
        });
        Ok((name, parts))
    }
}

impl Export {
    /// The next part of the file; none behind its end.
    async fn part(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let lines = match std::mem::replace(&mut self.rest, Rest::Nothing) {
                Rest::Cover(cover) => {
                    self.rest = match cover.roles {
                        Some(_) => Rest::Members(None),
                        None => Rest::Messages(0),
                    };
                    vec![ExportLine::Export(cover)]
                }
                Rest::Members(after) => self.members(after).await?,
                Rest::Messages(after) => self.messages(after).await?,
                Rest::End => vec![ExportLine::End { messages: self.messages }],
                Rest::Nothing => return Ok(None),
            };
            // A page of the log may hold no message, and a part of nothing would be the end.
            if !lines.is_empty() {
                let text: String = lines.iter().map(|line| written(self.format, line)).collect();
                return Ok(Some(text.into()));
            }
        }
    }

    async fn members(&mut self, after: Option<Cursor>) -> Result<Vec<ExportLine>, Error> {
        self.messaging.view(self.id, self.by, Action::Export).await?;
        let page = self.messaging.members(self.id, self.by, after, PAGE).await?;
        self.rest = page.next.map_or(Rest::Messages(0), |next| Rest::Members(Some(next)));
        let handles = self.handles(page.items.iter().map(|member| member.user_id)).await?;
        let lines = page.items.into_iter().map(|member| {
            let handle = handles.get(&member.user_id).cloned();
            ExportLine::Member(ExportMember { handle, member })
        });
        Ok(lines.collect())
    }

    async fn messages(&mut self, after: u64) -> Result<Vec<ExportLine>, Error> {
        // The conversation's documents are brought up to its log by this, too.
        self.messaging.view(self.id, self.by, Action::Export).await?;
        // In the order of the log, threads and all: a page of entries may hold no message.
        let log = self.messaging.store.log_after(&self.id.to_string(), after, PAGE).await?;
        let last = log.last().filter(|last| log.len() == PAGE && last.seq < self.head_seq);
        self.rest = last.map_or(Rest::End, |last| Rest::Messages(last.seq));
        let is_posting =
            |entry: &&EntryRecord| entry.seq <= self.head_seq && matches!(entry.class, Class::Message { .. });
        let messages = log.iter().filter(is_posting).map(|posting| Ok(posting.message()?.0));
        let mut messages = messages.collect::<Result<Vec<Message>, StoreError>>()?;
        self.messages += messages.len() as u64;
        self.messaging.draw_quotes(self.id, &mut messages).await?;
        let handles = self.handles(messages.iter().map(|message| message.author_id)).await?;
        let mut lines = Vec::with_capacity(messages.len());
        for message in messages {
            let author_handle = handles.get(&message.author_id).cloned();
            let edits = match self.format {
                ExportFormat::Json if message.edited_at.is_some() => {
                    self.messaging.versions(self.id, self.by, message.id).await?
                }
                _ => Vec::new(),
            };
            lines.push(ExportLine::Message(Box::new(ExportMessage { author_handle, message, edits })));
        }
        Ok(lines)
    }

    async fn handles(&self, users: impl Iterator<Item = UserId>) -> Result<HashMap<UserId, String>, Error> {
        let users: BTreeSet<UserId> = users.collect();
        Ok(self.messaging.store.handles_of(users).await?)
    }
}
