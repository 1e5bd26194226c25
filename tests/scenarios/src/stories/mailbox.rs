//! Somebody proves an address, forgets their password, and comes in again by a mail.

use anyhow::{Context, Result, ensure};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError, SocketError};
use tertulia_contracts::auth::{Account, SentMails, SignedIn};
use tertulia_runtime::testkit::eventually;
use tertulia_testbed::smtp;
use tokio::time::timeout;

use crate::{
    person::PATIENCE,
    system::{MAIL, System, Topology},
};

const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "a wholly different sentence";

/// Ana signs up with an address and opens the link that is mailed there. Later she has forgotten her password: by the link
/// in another mail she sets a new one, at another gateway. Every device that was signed in is out, sockets too, and no
/// link works twice.
pub(super) async fn verified_and_set_anew(system: &System) -> Result<()> {
    let number = system.next_number();
    let (handle, address) = (format!("ana-{number}"), format!("ana-{number}@example.org"));
    let gateways = system.gateways_from(0);
    let (here, there) = (system.stranger(&gateways[0])?, system.stranger(&gateways[1 % gateways.len()])?);
    let post = Postbox::of(system).await?;

    let wish = json!({"handle": handle, "password": FIRST, "email": address, "locale": "es"});
    let signed_in: SignedIn = here.send(Method::POST, "/v1/accounts", Some(&wish)).await?;
    let ana = here.with_token(&signed_in.access_token);
    let me: Account = ana.send::<(), _>(Method::GET, "/v1/me", None).await?;
    ensure!(!me.email_verified && me.email.as_ref() == Some(&address), "{me:?}");
    let verify = json!({"token": post.token(&address, "verify-email").await?});
    let _: Value = there.send(Method::POST, "/v1/email/verify", Some(&verify)).await.context("verifying")?;
    let me: Account = ana.send::<(), _>(Method::GET, "/v1/me", None).await?;
    ensure!(me.email_verified && me.email.as_ref() == Some(&address), "{me:?}");
    is_refused(&here, "/v1/email/verify", &verify).await?;

    let (mut socket, _ready) = ana.hello(None).await?;
    let forgot = json!({"identifier": address});
    let _: Value =
        here.send(Method::POST, "/v1/password/forgot", Some(&forgot)).await.context("forgetting")?;
    let reset = json!({"token": post.token(&address, "reset-password").await?, "password": SECOND});
    let _: Value =
        there.send(Method::POST, "/v1/password/reset", Some(&reset)).await.context("setting anew")?;
    is_refused(&there, "/v1/password/reset", &reset).await?;

    let closed = async {
        loop {
            if let Err(error) = socket.hear().await {
                return error;
            }
        }
    };
    let closed = timeout(PATIENCE, closed).await.context("the socket stays open")?;
    ensure!(matches!(&closed, SocketError::Closed(closed) if closed.code == 4001), "{closed}");
    let refresh = json!({"refresh_token": signed_in.refresh_token});
    let refreshed = here.send::<_, SignedIn>(Method::POST, "/v1/sessions/refresh", Some(&refresh)).await;
    ensure!(is(StatusCode::UNAUTHORIZED, &refreshed), "the session of before goes on");
    ensure!(here.sign_in(&handle, FIRST).await.is_err(), "the password of before is still good");
    let account = here.sign_in(&address, SECOND).await.context("signing in with the new password")?;
    ensure!(account.id == signed_in.account.id);
    post.mail(&address, "Tu contraseña ha cambiado").await
}

async fn is_refused(api: &Api, path: &str, body: &Value) -> Result<()> {
    let again = api.send::<_, Value>(Method::POST, path, Some(body)).await;
    ensure!(is(StatusCode::FORBIDDEN, &again), "{path} again: {again:?}");
    Ok(())
}

fn is<T>(expected: StatusCode, answer: &Result<T, ApiError>) -> bool {
    matches!(answer, Err(ApiError::Refused { status, .. }) if *status == expected)
}

/// Where mails arrive.
enum Postbox<'a> {
    /// With the operator.
    Outbox(Api),
    /// At a mail server.
    Sink(&'a System),
}

impl<'a> Postbox<'a> {
    async fn of(system: &'a System) -> Result<Self> {
        if system.topology == Topology::Split {
            return Ok(Self::Sink(system));
        }
        Ok(Self::Outbox(system.operator().await?))
    }

    /// The subject and the text of each mail to this address.
    async fn mails(&self, address: &str) -> Result<Vec<(String, String)>> {
        Ok(match self {
            Self::Outbox(operator) => {
                let mails: SentMails =
                    operator.send::<(), _>(Method::GET, "/v1/operator/mail?limit=100", None).await?;
                let theirs = mails.items.into_iter().filter(|mail| mail.to == address);
                theirs.map(|mail| (mail.subject, mail.text)).collect()
            }
            Self::Sink(system) => {
                let mails = smtp::received(system.back_ends.get(MAIL).context("no server takes mails")?)?;
                let theirs = mails.into_iter().filter(|mail| mail.envelope_to == [address]);
                theirs.map(|mail| (mail.subject, mail.text.unwrap_or_default())).collect()
            }
        })
    }

    /// Waits for a mail with a link to this page; what stands behind its `#`.
    async fn token(&self, address: &str, page: &str) -> Result<String> {
        let page = format!("/{page}#");
        let token = eventually(PATIENCE, async || match self.mails(address).await {
            Err(error) => Some(Err(error)),
            Ok(mails) => mails.iter().flat_map(|(_, text)| text.lines()).find_map(|line| {
                let (_, token) = line.split_once(&page)?;
                Some(Ok(token.trim().to_owned()))
            }),
        });
        token.await
    }

    /// Waits for a mail about this.
    async fn mail(&self, address: &str, about: &str) -> Result<()> {
        eventually(PATIENCE, async || match self.mails(address).await {
            Err(error) => Some(Err(error)),
            Ok(mails) => mails.iter().any(|(subject, _)| subject == about).then_some(Ok(())),
        })
        .await
    }
}
