//! A member's own place in a conversation: how far they have read, and how they put it in order for themselves.

use tertulia_contracts::{
    ConversationId,
    messaging::{Membership, UpdateMembership},
};

use super::{Messaging, conversations::View, user_logs::Changed};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        private::{Matter, Place, Topic},
        roles::Roles,
        unread::unread,
    },
    store::{Head, MemberRecord, PrivateRecord},
};

impl Messaging {
    /// A member's place, of which they noted this, in a log that reaches so far.
    pub(super) async fn membership(
        &self,
        member: &MemberRecord,
        noted: Place,
        roles: &Roles,
        head: Head,
    ) -> Result<Membership, Error> {
        let place = standing(noted, member);
        let own_last = self.own_last(member, place.cursor_messages, head).await?;
        self.shown_place((member, roles), place, own_last, head).await
    }

    /// The last place at which they posted, if that matters: who has read everything has nothing unread, whatever they
    /// wrote.
    async fn own_last(&self, member: &MemberRecord, read: u64, head: Head) -> Result<Head, Error> {
        if read >= head.messages {
            return Ok(Head::default());
        }
        Ok(self.store.last_post(&member.conversation_id.to_string(), member.user_id).await?)
    }

    async fn shown_place(
        &self,
        (member, roles): (&MemberRecord, &Roles),
        place: Place,
        own_last: Head,
        head: Head,
    ) -> Result<Membership, Error> {
        let read_seq = place.cursor_seq.max(own_last.seq);
        Ok(Membership {
            role: member.role,
            joined_at: member.joined_at,
            cursor_seq: place.cursor_seq,
            unread: unread(head.messages, place.cursor_messages, own_last.messages),
            mentions: self.mentions(member, roles, read_seq, head).await?,
            marked_unread: place.marked_unread,
            muted_until: place.muted_until.filter(|until| *until > self.ambient.now()),
            hidden: place.hidden,
        })
    }

    /// Moves a member's cursor forward, at most to the head, and takes their mark as unread away.
    pub(crate) async fn move_cursor(
        &self,
        id: ConversationId,
        by: Actor,
        seq: u64,
    ) -> Result<Membership, Error> {
        self.put_in_order(id, by, seq, |place| place.marked_unread = false).await
    }

    /// Changes what a member notes about a conversation for themselves.
    pub(crate) async fn update_membership(
        &self,
        id: ConversationId,
        by: Actor,
        update: UpdateMembership,
    ) -> Result<Membership, Error> {
        self.put_in_order(id, by, 0, |place| {
            place.muted_until = update.muted_until.unwrap_or(place.muted_until);
            place.hidden = update.hidden.unwrap_or(place.hidden);
            place.marked_unread = update.marked_unread.unwrap_or(place.marked_unread);
        })
        .await
    }

    async fn put_in_order(
        &self,
        id: ConversationId,
        by: Actor,
        read: u64,
        note: impl Fn(&mut Place),
    ) -> Result<Membership, Error> {
        let View { conversation, member, .. } = self.view(id, by, Action::MoveCursor).await?;
        let member = member.ok_or(Error::NoSuchConversation)?;
        let owner = id.to_string();
        let head = self.store.head(&owner).await?;
        let read = self.read_up_to(&owner, read, head).await?;
        let own_last = self.own_last(&member, read.messages, head).await?;
        let behind = |place: Place| unread(head.messages, place.cursor_messages, own_last.messages);
        let place_in = |record: Option<&PrivateRecord>| {
            standing(record.map_or_else(Place::default, PrivateRecord::place), &member)
        };
        let changed = |before: Option<&PrivateRecord>| {
            let known = place_in(before);
            let mut place = known;
            if read.seq > place.cursor_seq {
                (place.cursor_seq, place.cursor_messages) = (read.seq, read.messages);
            }
            note(&mut place);
            let news = place != known;
            place.unread = behind(place);
            Ok(news.then_some(Matter::Place { conversation_id: id, place }))
        };
        let Changed { before, after, .. } =
            self.user_logs.change(by.user_id, Topic::Place(id), changed).await?;
        let (before, place) = (place_in(before.as_ref()), place_in(after.as_ref()));
        if place.cursor_seq > before.cursor_seq
            && let Err(error) = self.tell_receipt(&conversation, by.user_id, place.cursor_seq).await
        {
            // The cursor has moved; who wants to know reads it.
            tracing::debug!(%error, "a receipt was not told");
        }
        self.shown_place((&member, &conversation.roles), place, own_last, head).await
    }

    /// What there is up to a position, at most the head.
    async fn read_up_to(&self, owner: &str, seq: u64, head: Head) -> Result<Head, Error> {
        if seq >= head.seq || seq == 0 {
            return Ok(if seq == 0 { Head::default() } else { head });
        }
        let entry = self.store.entry(owner, seq).await?;
        Ok(entry.map_or_else(Head::default, |entry| entry.head()))
    }
}

/// The place somebody noted, but not before where their membership began.
pub(super) fn standing(mut noted: Place, member: &MemberRecord) -> Place {
    noted.cursor_seq = noted.cursor_seq.max(member.cursor_seq);
    noted.cursor_messages = noted.cursor_messages.max(member.cursor_messages);
    noted
}
