//! The public routes. Thin: read the request, one use case, write the answer.

mod conversations;
mod directory;
mod emoji;
mod export;
mod hooks;
mod invitations;
mod logs;
mod members;
mod messages;
mod moderation;
mod paging;
mod pins;
mod polls;
pub(crate) mod presence;
mod private;
mod reactions;
mod reports;
mod requests;
mod roles;
mod saved;
mod scheduled;
mod threads;

use std::sync::Arc;

use axum::{
    body::HttpBody,
    extract::{FromRef, FromRequest, Request},
};
use garde::Validate;
use serde::de::DeserializeOwned;
use tertulia_contracts::{ConversationId, MessageId, identity::Verifier};
use tertulia_runtime::{extract::ValidJson, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::service::Messaging;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    /// The use cases.
    pub(crate) messaging: Messaging,
    /// Tells who asks.
    pub(crate) verifier: Arc<Verifier>,
}

impl FromRef<Api> for Messaging {
    fn from_ref(api: &Api) -> Self {
        api.messaging.clone()
    }
}

impl FromRef<Api> for Arc<Verifier> {
    fn from_ref(api: &Api) -> Self {
        api.verifier.clone()
    }
}

/// Every route, with its description.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::<Api>::new()
        .routes(routes!(conversations::create, conversations::list))
        .routes(routes!(conversations::get, conversations::update))
        .routes(routes!(conversations::hand_over))
        .routes(routes!(conversations::archive, conversations::unarchive))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::withdraw))
        .routes(routes!(invitations::preview))
        .routes(routes!(invitations::accept))
        .routes(routes!(export::export))
        .routes(routes!(hooks::create, hooks::list))
        .routes(routes!(hooks::delete))
        .routes(routes!(hooks::post))
        .routes(routes!(requests::ask, requests::list))
        .routes(routes!(requests::end))
        .routes(routes!(requests::approve))
        .routes(routes!(directory::list))
        .routes(routes!(directory::find))
        .routes(routes!(members::list))
        .routes(routes!(members::add, members::remove))
        .routes(routes!(messages::post, messages::list))
        .routes(routes!(messages::edit, messages::delete))
        .routes(routes!(messages::edits))
        .routes(routes!(reactions::set, reactions::remove))
        .routes(routes!(pins::pin, pins::unpin))
        .routes(routes!(pins::list))
        .routes(routes!(polls::vote, polls::unvote))
        .routes(routes!(polls::close))
        .routes(routes!(polls::votes))
        .routes(routes!(emoji::list))
        .routes(routes!(emoji::put, emoji::remove))
        .routes(routes!(roles::list))
        .routes(routes!(roles::put, roles::delete))
        .routes(routes!(roles::give, roles::take))
        .routes(routes!(roles::note, roles::clear))
        .routes(routes!(scheduled::create, scheduled::list))
        .routes(routes!(scheduled::update, scheduled::cancel))
        .routes(routes!(scheduled::send))
        .routes(routes!(scheduled::list_own))
        .routes(routes!(logs::conversation_log))
        .routes(routes!(logs::move_cursor))
        .routes(routes!(logs::own_log))
        .routes(routes!(moderation::ban, moderation::unban))
        .routes(routes!(moderation::bans))
        .routes(routes!(moderation::mute, moderation::unmute))
        .routes(routes!(moderation::mutes))
        .routes(routes!(moderation::log))
        .routes(routes!(moderation::purge))
        .routes(routes!(reports::file, reports::list))
        .routes(routes!(reports::decide))
        .routes(routes!(moderation::filters, moderation::filter))
        .routes(routes!(private::update_membership))
        .routes(routes!(private::receipts))
        .routes(routes!(private::get_draft, private::put_draft, private::delete_draft))
        .routes(routes!(private::drafts))
        .routes(routes!(threads::read))
        .routes(routes!(threads::move_cursor))
        .routes(routes!(threads::follow, threads::unfollow))
        .routes(routes!(threads::list))
        .routes(routes!(saved::save, saved::unsave))
        .routes(routes!(saved::list))
        .routes(routes!(private::blocks))
        .routes(routes!(private::block, private::unblock))
        .routes(routes!(private::privacy, private::set_privacy))
        .routes(routes!(presence::own, presence::choose))
}

/// A body that may be left out, or be `null`: then everything in it is as it is by default.
#[derive(Default)]
struct MaybeJson<T>(T);

impl<S: Send + Sync, T> FromRequest<S> for MaybeJson<T>
where
    T: DeserializeOwned + Default + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        let ValidJson(body) = ValidJson::<Option<T>>::from_request(request, state).await?;
        Ok(Self(body.unwrap_or_default()))
    }
}

/// How a request about one conversation can be refused.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum Refused {
    /// Without a valid access token.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The conversation may be found, but this may not be done in it (`not_allowed`); the detail ends with the reason
    /// in brackets, a stable word of docs/permissions.md. Or one of two people keeps the other away (`out_of_reach`).
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such conversation, or none the caller may know of (`conversation_not_found`); or it has no such
    /// message (`message_not_found`) or poll (`poll_not_found`) or role (`role_not_found`), or the caller has scheduled none of this name (`scheduled_not_found`).
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Fields are wrong; each is listed (`invalid_fields`).
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// More is asked than can be taken just now; `Retry-After` says when to come back.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// The store or another service is away; `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What the address of a message names.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneMessage {
    /// The conversation.
    id: ConversationId,
    /// The message.
    message_id: MessageId,
}

/// How doing something with a message can be refused besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum RefusedAlteration {
    /// The message is deleted (`message_deleted`), or has as many as it can have (`too_many_edits`,
    /// `too_many_reactions`, `too_many_pins`), or its poll is closed (`poll_closed`).
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}
