//! What a body holds besides words. Found before its author's command waits for the conversation's writer, so that
//! parsing is in nobody's way; whether it may be said, the writer decides.

use super::Messaging;
use crate::{
    Error,
    model::{
        markup::{Markup, handles},
        text::find,
    },
};

impl Messaging {
    /// What this body holds besides words.
    pub(super) async fn markup(&self, body: &str) -> Result<Markup, Error> {
        let found = find(body);
        let people = self.store.people_called(&handles(&found)).await?;
        Ok(Markup::of(body, found, &people))
    }
}
