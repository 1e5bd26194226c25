//! Links in mails: who opens one shows that they read that mailbox.
//!
//! A link's token is `<user id>.<secret>`. The secret is made when the mail is written and stands in the mail alone; what is
//! kept is its fingerprint, in the account itself. So opening a link and what follows from it are one change of one
//! document: a link works once, however many open it at the same moment.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use tertulia_contracts::UserId;
use tertulia_mail::MailId;
use tertulia_runtime::{Ambient, Timestamp, secret};

/// How long a link to verify an address is good.
pub(crate) const VERIFY_LIFE: Duration = Duration::from_hours(24);
/// How long a link to set a password is good.
pub(crate) const RESET_LIFE: Duration = Duration::from_hours(1);
/// So many links of an account are kept; of more, the oldest are good no longer. Each attempt to send a mail makes one.
pub(crate) const MAX_LINKS: usize = 10;
const SECRET_BYTES: usize = 32;

/// What a link is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To say that this address is the account's.
    VerifyEmail { address: String },
    /// To set a password.
    ResetPassword,
}

impl Purpose {
    pub(crate) const fn life(&self) -> Duration {
        match self {
            Self::VerifyEmail { .. } => VERIFY_LIFE,
            Self::ResetPassword => RESET_LIFE,
        }
    }
}

/// A link that was sent and not opened yet.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The mail it stands in. Each attempt to send it has a secret of its own: which of them arrived is not known.
    mail: MailId,
    purpose: Purpose,
    fingerprint: String,
    expires_at: Timestamp,
}

/// The links of an account.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Links(Vec<Link>);

impl Links {
    /// Whether a link was made for this mail before.
    pub(crate) fn knows(&self, mail: MailId) -> bool {
        self.0.iter().any(|link| link.mail == mail)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes one, which is good from now on.
    pub(crate) fn add(
        &mut self,
        ambient: &Ambient,
        user_id: UserId,
        mail: MailId,
        purpose: Purpose,
    ) -> LinkToken {
        let now = ambient.now();
        self.0.retain(|link| now < link.expires_at);
        let token = LinkToken { user_id, secret: secret::random(&*ambient.entropy, SECRET_BYTES) };
        let (fingerprint, expires_at) = (secret::fingerprint(&token.secret), now.plus(purpose.life()));
        self.0.push(Link { mail, purpose, fingerprint, expires_at });
        let surplus = self.0.len().saturating_sub(MAX_LINKS);
        self.0.drain(..surplus);
        token
    }

    /// What this token is good for now, if anything.
    pub(crate) fn opened_by(&self, token: &LinkToken, now: Timestamp) -> Option<&Purpose> {
        let link = self.0.iter().find(|link| secret::matches(&token.secret, &link.fingerprint));
        link.filter(|link| now < link.expires_at).map(|link| &link.purpose)
    }

    /// None of this sort is good any more.
    pub(crate) fn forget(&mut self, over: impl Fn(&Purpose) -> bool) {
        self.0.retain(|link| !over(&link.purpose));
    }
}

/// What stands behind the `#` of a link.
#[derive(Clone)]
pub(crate) struct LinkToken {
    /// Whose account it is about.
    pub(crate) user_id: UserId,
    secret: String,
}

impl LinkToken {
    /// As the mail says it: letters, digits, `_`, `-` and one `.`.
    pub(crate) fn reveal(&self) -> String {
        format!("{}.{}", self.user_id, self.secret)
    }
}

/// The text does not have a token's form.
pub(crate) struct Malformed;

impl FromStr for LinkToken {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (user_id, secret) = text.trim().split_once('.').ok_or(Malformed)?;
        Ok(Self { user_id: user_id.parse().map_err(|_| Malformed)?, secret: secret.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    #[test]
    fn a_link_is_good_for_its_time_and_nothing_secret_is_stored() {
        let (ambient, clock) = frozen(1);
        let (user_id, mut links) = (ambient.ids.next(), Links::default());
        let mail = ambient.ids.next();
        let token = links.add(&ambient, user_id, mail, Purpose::ResetPassword);
        assert!(links.knows(mail) && !links.knows(ambient.ids.next()));
        let read: LinkToken = token.reveal().parse().ok().unwrap();
        assert_eq!(links.opened_by(&read, ambient.now()), Some(&Purpose::ResetPassword));
        let stored = serde_json::to_string(&links).unwrap();
        assert!(!stored.contains(&token.secret), "{stored}");

        let made_up = Links::default().add(&ambient, user_id, ambient.ids.next(), Purpose::ResetPassword);
        assert_eq!(links.opened_by(&made_up, ambient.now()), None);
        clock.advance(RESET_LIFE.checked_sub(Duration::from_millis(1)).unwrap());
        assert!(links.opened_by(&token, ambient.now()).is_some());
        clock.advance(Duration::from_millis(1));
        assert_eq!(links.opened_by(&token, ambient.now()), None);
        for wrong in ["", ".", "a.b", &user_id.to_string()] {
            assert!(wrong.parse::<LinkToken>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_many_links_the_newest_are_good() {
        let (ambient, _) = frozen(2);
        let (user_id, mail, mut links) = (ambient.ids.next(), ambient.ids.next(), Links::default());
        let mut add = || links.add(&ambient, user_id, mail, Purpose::ResetPassword);
        let tokens: Vec<LinkToken> = (0..=MAX_LINKS).map(|_| add()).collect();
        let good = |token: &LinkToken| links.opened_by(token, ambient.now()).is_some();
        assert!(!good(&tokens[0]) && tokens[1..].iter().all(good));
        links.forget(|purpose| *purpose == Purpose::ResetPassword);
        assert!(links.is_empty());
    }
}
