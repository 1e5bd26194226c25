//! `/v1/conversations/{id}/invitations` and `/v1/invitations/{code}`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, InvitationId,
    identity::Caller,
    messaging::{
        AskToJoin, Conversation, CreateInvitation, InvitationPreview, Invitations, JoinRequest,
        MadeInvitation,
    },
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{MaybeJson, Refused, paging::ListQuery};
use crate::service::{Messaging, invitations::Accepted};

/// How something about a code can be refused otherwise than what is about a conversation.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum RefusedCode {
    /// The caller is kept out (`not_allowed`); the detail ends with the reason in brackets.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// No invitation works by this code (`invitation_not_found`): there is none, it expired, was used up or withdrawn, or
    /// whoever made it may no longer invite. Which of these, the answer does not say.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// Makes an invitation
///
/// Members invite to a group, moderators to a channel; into another role than a plain member's, who could give that role.
/// The answer holds the code, which is shown this once. An invitation works while whoever made it may invite.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/invitations", tag = "messaging", operation_id = "create_invitation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = CreateInvitation,
    responses(
        (status = 201, description = "It is made.", body = MadeInvitation),
        (status = 409, description = "50 invitations work already (`too_many_invitations`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn create(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(wish): ValidJson<CreateInvitation>,
) -> Result<(StatusCode, Json<MadeInvitation>), Problem> {
    Ok((StatusCode::CREATED, Json(messaging.invite(id, caller.into(), wish).await?)))
}

/// Lists a conversation's invitations
///
/// For whoever may invite. Codes are not among what is shown.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/invitations", tag = "messaging", operation_id = "list_invitations",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of them.", body = Invitations), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Invitations>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.invitations(id, caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(Invitations { items: page.items, next_cursor }))
}

/// Withdraws an invitation
///
/// Whoever may invite withdraws their own, moderators anybody's. Those who came in by it stay. Again is the same.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/invitations/{invitation_id}", tag = "messaging",
    operation_id = "withdraw_invitation",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("invitation_id" = InvitationId, Path, description = "The invitation."),
    ),
    responses((status = 204, description = "It does not work."), Refused),
)]
pub(super) async fn withdraw(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, invitation)): PathParam<(ConversationId, InvitationId)>,
) -> Result<StatusCode, Problem> {
    messaging.withdraw(id, caller.into(), invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows where an invitation leads
///
/// To anybody who holds its code, before they decide.
#[utoipa::path(
    get, path = "/v1/invitations/{code}", tag = "messaging", operation_id = "preview_invitation",
    security(("access_token" = [])),
    params(("code" = String, Path, description = "The invitation's code.")),
    responses((status = 200, description = "It works, and leads here.", body = InvitationPreview), Refused, RefusedCode),
)]
pub(super) async fn preview(
    State(messaging): State<Messaging>,
    _caller: Caller,
    PathParam(code): PathParam<String>,
) -> Result<Json<InvitationPreview>, Problem> {
    Ok(Json(messaging.preview(&code).await?))
}

/// Joins by an invitation
///
/// Who is a member already stays what they are and uses nothing up, so that it can be asked again. Where it needs approval,
/// the caller waits among those who ask to be let in, and a `note` is what those who decide read.
#[utoipa::path(
    post, path = "/v1/invitations/{code}/accept", tag = "messaging", operation_id = "accept_invitation",
    security(("access_token" = [])),
    params(("code" = String, Path, description = "The invitation's code.")),
    request_body = Option<AskToJoin>,
    responses(
        (status = 200, description = "The caller is a member.", body = Conversation),
        (status = 202, description = "The caller waits for a decision, as they may have before.", body = JoinRequest),
        (status = 409, description = "The group has no room for another (`group_full`), or the caller belongs to 2,000 \
            conversations (`too_many_conversations`); where it needs approval: the caller can just join (`join_instead`), or \
            200 wait already (`too_many_requests`).",
            body = Problem, content_type = "application/problem+json"),
        Refused, RefusedCode,
    ),
)]
pub(super) async fn accept(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(code): PathParam<String>,
    MaybeJson(wish): MaybeJson<AskToJoin>,
) -> Result<Response, Problem> {
    Ok(match messaging.accept(caller.into(), &code, wish.note).await? {
        Accepted::Joined(conversation) => Json(conversation).into_response(),
        Accepted::Waits(request) => (StatusCode::ACCEPTED, Json(request)).into_response(),
    })
}
