//! What whoever runs the instance sees.

use tertulia_contracts::{
    auth::{ListMail, SentMail, SentMails},
    identity::Identity,
    permissions::{InstanceAction, may},
};
use tertulia_documents::Cursor;
use tertulia_mail::Mail;

use crate::{Auth, Error};

const DEFAULT_PAGE: usize = 20;

/// Fails unless the caller's office on the instance includes it.
pub(crate) fn must(caller: &Identity, action: InstanceAction) -> Result<(), Error> {
    if may(caller.account(), action) { Ok(()) } else { Err(Error::OperatorOnly) }
}

impl Auth {
    /// The mails in the outbox, newest first.
    pub(crate) async fn kept_mail(&self, query: &ListMail) -> Result<SentMails, Error> {
        let outbox = self.outbox.as_ref().ok_or(Error::NoOutbox)?;
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let page = outbox.kept(after, query.limit.unwrap_or(DEFAULT_PAGE)).await?;
        let items = page.items.into_iter().map(view).collect();
        Ok(SentMails { items, next_cursor: page.next.map(|cursor| cursor.encode()) })
    }
}

fn view(kept: Mail) -> SentMail {
    let Mail { id, at, to, subject, text, html } = kept;
    SentMail { id: id.to_string(), at, to, subject, text, html }
}
