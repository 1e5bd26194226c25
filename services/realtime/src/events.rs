//! The route for where a `WebSocket` cannot be had: what a socket would tell, as server-sent events (WHATWG HTML §9.2).

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use garde::Validate;
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;
use tertulia_contracts::{
    ConversationId,
    address::client_address,
    frames::{ClientFrame, MAX_STREAMED, Resume},
    identity::{Scope, bearer},
};
use tertulia_runtime::{FieldError, extract::QueryParams, problem::Problem};
use utoipa::IntoParams;

use crate::{
    catch_up::BEHIND_EVERYTHING,
    cursor::{Cursor, Spot},
    hub::Hub,
    stream,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Nginx and its kin gather an answer before they pass it on, unless this says otherwise.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What to stream, and from where.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Conversations to follow: `cnv_…` from now on, `cnv_…:12` from behind a position; commas between.
    #[garde(skip)]
    open: String,
    /// Conversations of which to be told that something happens, not what; commas between.
    #[garde(skip)]
    watch: String,
    /// The epoch of the positions that are named here.
    #[garde(skip)]
    epoch: Option<String>,
    /// The last position of the user's own log that the client has.
    #[garde(skip)]
    useq: Option<u64>,
}

/// What a client wants to hear.
pub(crate) struct Wish {
    /// What a socket's client would say, a hello first.
    pub frames: Vec<ClientFrame>,
    /// Where the stream is when it begins.
    pub cursor: Cursor,
}

/// Streams events where a WebSocket cannot be had.
///
/// The frames of docs/protocol.md, one an event: `event` is the frame's `t`, `data` the frame, `id` says where the
/// stream is. A client that comes back with `Last-Event-ID` goes on from there; it counts more than positions in the
/// address. The last event is `end`, which says what to do: resume, log in again or stop.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "realtime",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last `id` that came.")),
    responses(
        (status = 200, description = "Events, until one side ends it.", content_type = "text/event-stream", body = String),
        (status = 401, description = "No valid token.", body = Problem),
        (status = 403, description = "`insufficient_scope`: a token without `read`.", body = Problem),
        (status = 422, description = "`invalid_fields`: not ids, or too many.", body = Problem),
        (status = 429, description = "`too_many_sockets` of the client's address.", body = Problem),
        (status = 503, description = "`node_full` or `node_draining`: try again, another node answers.", body = Problem),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn stream_events(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    QueryParams(query): QueryParams<EventsQuery>,
) -> Result<Response, Problem> {
    let token = bearer(&headers)?;
    // The session verifies it, too; here a refusal can still be said with a status.
    hub.verifier.verify(token).await?.permit(Scope::Read)?;
    let last_id = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let wish = query.wish(token, &hub.config.epoch, last_id)?;
    let seat = hub.admit(client_address(&headers))?;
    let head =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store"), (BUFFERING, "no")];
    Ok((head, stream::begin(&hub, seat, wish)).into_response())
}

impl EventsQuery {
    fn wish(&self, token: &str, epoch: &str, last_id: Option<&str>) -> Result<Wish, Problem> {
        let named = read_places(&self.open)?;
        let conversations: Vec<ConversationId> = named.iter().map(|(c, _)| *c).collect();
        let watched: Vec<ConversationId> =
            list(&self.watch).map(|text| id_of("watch", text)).collect::<Result<_, _>>()?;
        if conversations.len() + watched.len() > MAX_STREAMED {
            return Err(wrong("open", format!("a stream tells of at most {MAX_STREAMED} conversations")));
        }
        let has_place = named.iter().any(|(_, spot)| matches!(spot, Spot::At(_)));
        let (cursor, resume) = match last_id.filter(|id| !id.is_empty()) {
            Some(id) => known(Cursor::read(id, epoch, &conversations), epoch, &conversations),
            None if self.epoch.is_some() || self.useq.is_some() || has_place => {
                let is_ours = self.epoch.as_deref() == Some(epoch);
                let cursor = Cursor::new(epoch, Some(self.useq.unwrap_or(0)), named);
                known(is_ours.then_some(cursor), epoch, &conversations)
            }
            None => (Cursor::new(epoch, None, named), None),
        };
        let mut frames = vec![ClientFrame::Hello { token: token.to_owned(), resume }];
        frames.extend(cursor.wanted().map(|c| ClientFrame::Open { c, after: None }));
        if !watched.is_empty() {
            frames.push(ClientFrame::Watch { cs: watched });
        }
        Ok(Wish { frames, cursor })
    }
}

/// A cursor that means something goes on; one that does not is resynced everywhere, as on a socket.
fn known(cursor: Option<Cursor>, epoch: &str, conversations: &[ConversationId]) -> (Cursor, Option<Resume>) {
    if let Some(cursor) = cursor {
        let resume = cursor.resume(epoch);
        return (cursor, Some(resume));
    }
    let nowhere = conversations.iter().map(|c| (*c, 0)).collect();
    // `opened` will say where each is. Should the stream be cut before that, an id ahead of the log is resynced, too.
    let places = conversations.iter().map(|c| (*c, Spot::At(BEHIND_EVERYTHING))).collect();
    (Cursor::new(epoch, None, places), Some(Resume { epoch: None, useq: 0, seqs: nowhere }))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Each conversation once, in the order they are named.
fn read_places(text: &str) -> Result<Vec<(ConversationId, Spot)>, Problem> {
    let mut places: Vec<(ConversationId, Spot)> = Vec::new();
    for part in list(text) {
        let (id, spot) = match part.split_once(':') {
            None => (part, Spot::Wanted),
            Some((id, seq)) => {
                let seq = seq.parse().map_err(|_| wrong("open", format!("{seq:?} is no position")))?;
                (id, Spot::At(seq))
            }
        };
        let c = id_of("open", id)?;
        if places.iter().any(|(other, _)| *other == c) {
            return Err(wrong("open", format!("{c} is named twice")));
        }
        places.push((c, spot));
        if places.len() > MAX_STREAMED {
            break;
        }
    }
    Ok(places)
}

fn id_of(field: &str, text: &str) -> Result<ConversationId, Problem> {
    text.parse().map_err(|_| wrong(field, format!("{text:?} is no conversation's id")))
}

fn wrong(field: &str, message: String) -> Problem {
    Problem::invalid_fields(vec![FieldError { field: field.to_owned(), message }])
}
