//! The one-time setup link: how the first operator comes to be without a default password.
//!
//! Whoever starts the program is shown a link; the account made through it is the operator's. The link's
//! secret stands in the fragment, which browsers do not send, so it reaches no log. Several links may be
//! good at once (each process that starts prints its own); that there is one operator is decided by a
//! unique index when the account commits.

use std::time::Duration;

use tertulia_runtime::{Ambient, Timestamp, secret};

use crate::{
    Error,
    store::{SetupLink, Store},
};

/// How long a link is good.
pub(crate) const LINK_LIFE: Duration = Duration::from_hours(24);
const TOKEN_BYTES: usize = 32;

/// The secret of a setup link, to be shown once to whoever starts the program.
pub struct SetupToken {
    /// What stands in the link's fragment: letters, digits, `-` and `_`.
    pub token: String,
    /// From when on it is no longer good.
    pub expires_at: Timestamp,
}

/// A new link, unless there is an operator.
pub(crate) async fn issue(store: &Store, ambient: &Ambient) -> Result<Option<SetupToken>, Error> {
    if store.has_operator().await? {
        return Ok(None);
    }
    let token = secret::random(&*ambient.entropy, TOKEN_BYTES);
    let expires_at = ambient.now().plus(LINK_LIFE);
    let link = SetupLink { fingerprint: secret::fingerprint(&token), expires_at };
    store.setup_links.insert(&link, Vec::new()).await?;
    Ok(Some(SetupToken { token, expires_at }))
}

/// Whether the token is of a link that is still good. That nobody becomes the operator meanwhile is not
/// promised: the account's commit decides.
pub(crate) async fn check(store: &Store, token: &str, now: Timestamp) -> Result<(), Error> {
    // Found by its fingerprint: how long the search takes tells nothing of a secret.
    let link = store.setup_links.get(&secret::fingerprint(token)).await?;
    let good = link.is_some_and(|link| now < link.value.expires_at);
    if good && !store.has_operator().await? { Ok(()) } else { Err(Error::SetupLinkInvalid) }
}
