//! Hello: who is it, where were they, and what have they missed.

use std::sync::Arc;

use tertulia_contracts::{
    ConversationId,
    frames::{Resume, ServerFrame},
    identity::Scope,
};
use tertulia_runtime::{Fault as _, Kind};

use crate::{
    catch_up::{Place, proceed},
    feed::{Attachment, Owner},
    hub::Hub,
    parting::Parting,
    socket::{Login, Socket},
    upstream::Refusal,
    wire,
};

/// A socket that is somebody's now.
pub(crate) struct Greeted {
    /// Its user's own log, live.
    pub own_log: Arc<Attachment>,
    /// The conversations it had open, and where it was in each.
    pub places: Vec<(ConversationId, Place)>,
}

/// Verifies the token, says ready, and brings the user's own log to the present.
pub(crate) async fn greet(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    token: &str,
    resume: Option<Resume>,
) -> Result<Greeted, Parting> {
    let login = log_in(hub, socket, token).await?;
    hub.enrol(login, socket)?;
    let own_log = hub.attach(Owner::User(login.user), socket);
    let same_epoch = resume.as_ref().is_none_or(|resume| resume.epoch.as_deref() == Some(&hub.config.epoch));
    let place = match &resume {
        None => Place::Now,
        Some(resume) if same_epoch => Place::After(resume.useq),
        Some(_) => Place::Elsewhere,
    };
    hub.join(&own_log.feed).await.map_err(|error| parting(&error.into()))?;
    let recording = own_log.record();
    let page = hub.upstream.page(own_log.feed.owner, place.after(), token);
    let (user, page) =
        futures_util::try_join!(hub.upstream.me(token), page).map_err(|refusal| parting(&refusal))?;
    let epoch = hub.config.epoch.clone();
    let ready = ServerFrame::Ready { session: socket.id, epoch, useq: page.head_seq, user };
    socket.push(wire::encode(&ready));
    proceed(hub, &own_log, place, page).await.map_err(|refusal| parting(&refusal))?;
    drop(recording);
    let seqs = resume.map(|resume| resume.seqs).unwrap_or_default();
    let place_of = |seq| if same_epoch { Place::After(seq) } else { Place::Elsewhere };
    Ok(Greeted { own_log, places: seqs.into_iter().map(|(c, seq)| (c, place_of(seq))).collect() })
}

/// Takes a fresh token for the same login.
pub(crate) async fn renew(hub: &Arc<Hub>, socket: &Arc<Socket>, token: &str) -> Result<(), Parting> {
    log_in(hub, socket, token).await.map(drop)
}

async fn log_in(hub: &Arc<Hub>, socket: &Arc<Socket>, token: &str) -> Result<Login, Parting> {
    let identity = hub.verifier.verify(token).await.map_err(|error| match error.kind() {
        Kind::Unauthenticated => Parting::log_in_again("the token is not valid"),
        _ => Parting::resume("tokens cannot be verified just now"),
    })?;
    if identity.permit(Scope::Read).is_err() {
        return Err(Parting::stop("the token lacks the scope read"));
    }
    let may_write = identity.permit(Scope::Write).is_ok();
    let login = Login { user: identity.user_id, session: identity.session_id, may_write };
    if !socket.log_in(login, token, identity.expires_at) {
        return Err(Parting::stop("the token is another login's"));
    }
    Ok(login)
}

/// A socket that cannot be brought to life closes, and the code says whether to come back.
fn parting(refusal: &Refusal) -> Parting {
    match refusal.kind {
        Kind::Unauthenticated | Kind::NotFound | Kind::Forbidden => {
            Parting::log_in_again("the login is not valid")
        }
        _ => Parting::resume("a part of the service is away"),
    }
}
