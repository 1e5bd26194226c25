//! What is said on a socket and on a stream of events, as an `AsyncAPI` 3.0 document. The messages are made of the
//! types that are sent, so that the document cannot say anything else.

use serde_json::{Map, Value, json};
use tertulia_contracts::frames::{ClientFrame, CloseCode, ServerFrame};
use utoipa::OpenApi;

/// Answers to what only a socket's client can say.
const ON_SOCKETS_ALONE: [&str; 3] = ["ack", "pong", "presence"];
/// What a socket says with a close frame.
const ON_STREAMS_ALONE: [&str; 1] = ["end"];

#[derive(OpenApi)]
#[openapi(components(schemas(ClientFrame, ServerFrame)))]
struct Frames;

/// The document. The service is its subject: it receives what clients say, and sends what they hear.
///
/// # Panics
/// When the frames' schemas do not encode, which plain data does.
pub fn asyncapi() -> Value {
    let mut frames =
        serde_json::to_value(Frames::openapi()).expect("a description is plain data and encodes");
    let mut schemas = frames["components"]["schemas"].take();
    let said = messages(schemas["ClientFrame"].take());
    let heard = messages(schemas["ServerFrame"].take());
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.retain(|_, schema| !schema.is_null());
    }
    let on_socket: Vec<_> = heard.keys().filter(|t| !ON_STREAMS_ALONE.contains(&t.as_str())).collect();
    let on_stream: Vec<_> = heard.keys().filter(|t| !ON_SOCKETS_ALONE.contains(&t.as_str())).collect();
    let said_names: Vec<_> = said.keys().collect();
    let mut in_channel = channel_messages("client", &said_names);
    in_channel.extend(channel_messages("server", &on_socket));
    let mut components = named("client", &said);
    components.extend(named("server", &heard));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tertulia, live",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What happens, the moment it happens. docs/protocol.md says in what order and what to do.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": {
            "realtime": {
                "address": "/v1/realtime",
                "title": "A WebSocket of the subprotocol tertulia.v1",
                "messages": in_channel,
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
                "x-close-codes": close_codes(),
            },
            "events": {
                "address": "/v1/events",
                "title": "Server-sent events: `event` is the message's t, `data` the message",
                "messages": channel_messages("server", &on_stream),
                "x-close-codes": close_codes(),
            },
        },
        "operations": {
            "hear_client": operation("receive", "realtime", "client", &said_names),
            "tell_socket": operation("send", "realtime", "server", &on_socket),
            "tell_stream": operation("send", "events", "server", &on_stream),
        },
        "components": { "messages": components, "schemas": schemas },
    })
}

/// The variants of a frame's schema by their `t`.
fn messages(mut frame: Value) -> Map<String, Value> {
    let variants = frame["oneOf"].as_array_mut().map(std::mem::take).unwrap_or_default();
    variants.into_iter().map(|mut payload| (name(&payload), message(&mut payload))).collect()
}

fn name(payload: &Value) -> String {
    payload["properties"]["t"]["enum"][0].as_str().unwrap_or_default().to_owned()
}

fn message(payload: &mut Value) -> Value {
    let (name, summary) = (name(payload), payload["description"].take());
    if let Some(payload) = payload.as_object_mut() {
        payload.remove("description");
    }
    json!({ "name": name, "summary": summary, "payload": payload })
}

fn named(side: &str, messages: &Map<String, Value>) -> Map<String, Value> {
    messages.iter().map(|(t, message)| (format!("{side}_{t}"), message.clone())).collect()
}

fn channel_messages(side: &str, names: &[&String]) -> Map<String, Value> {
    let reference = |t: &&String| {
        let name = format!("{side}_{t}");
        let target = format!("#/components/messages/{name}");
        (name, json!({ "$ref": target }))
    };
    names.iter().map(reference).collect()
}

fn operation(action: &str, channel: &str, side: &str, names: &[&String]) -> Value {
    let target = |t: &&String| json!({ "$ref": format!("#/channels/{channel}/messages/{side}_{t}") });
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "messages": names.iter().map(target).collect::<Vec<_>>(),
    })
}

fn close_codes() -> Vec<Value> {
    let described = |code: CloseCode| {
        let meaning = match code {
            CloseCode::Resume => "Connect again, to any node, and resume.",
            CloseCode::LogInAgain => "Get a fresh token first, then connect again and resume.",
            CloseCode::Stop => "Do not come back by yourself.",
        };
        json!({ "code": code.code(), "then": code, "description": meaning })
    };
    CloseCode::ALL.into_iter().map(described).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::value::to_raw_value;
    use tertulia_contracts::{
        ConnectionId, ConversationId, MessageId, UserId,
        auth::User,
        frames::Resume,
        presence::{DeviceStatus, PresenceStatus},
    };
    use tertulia_runtime::Timestamp;
    use ulid::Ulid;

    use super::*;

    /// One of each frame, with every member there may be.
    fn said() -> Vec<Value> {
        let c = ConversationId::from_ulid(Ulid::nil());
        let frames = [
            ClientFrame::Hello { token: String::new(), resume: Some(Resume::default()) },
            ClientFrame::Open { c, after: Some(1) },
            ClientFrame::Watch { cs: vec![c] },
            ClientFrame::Close { c },
            ClientFrame::Send {
                reference: String::new(),
                c,
                client_id: Ulid::nil(),
                body: String::new(),
                reply_to: Some(MessageId::from_ulid(Ulid::nil())),
                thread_id: Some(MessageId::from_ulid(Ulid::nil())),
                silent: true,
            },
            ClientFrame::Typing { c },
            ClientFrame::Ping {},
            ClientFrame::PresenceWatch { users: vec![UserId::from_ulid(Ulid::nil())] },
            ClientFrame::Presence { status: DeviceStatus::Away },
        ];
        frames.iter().map(|frame| serde_json::to_value(frame).unwrap()).collect()
    }

    fn heard() -> Vec<Value> {
        let c = ConversationId::from_ulid(Ulid::nil());
        let user = UserId::from_ulid(Ulid::nil());
        let e = || to_raw_value("fact").unwrap();
        let text = String::new;
        let frames = [
            ServerFrame::Ready {
                session: ConnectionId::from_ulid(Ulid::nil()),
                epoch: text(),
                useq: 1,
                user: User { id: user, handle: text(), display_name: text(), bot_of: None },
            },
            ServerFrame::Event { c, seq: 1, e: e() },
            ServerFrame::User { useq: 1, e: e() },
            ServerFrame::Opened { c, head: 1 },
            ServerFrame::Resync { c: Some(c) },
            ServerFrame::Dirty { c, head: 1 },
            ServerFrame::Closed { c },
            ServerFrame::Ack { reference: text(), seq: 1, id: MessageId::from_ulid(Ulid::nil()) },
            ServerFrame::Error {
                reference: Some(text()),
                c: Some(c),
                code: text(),
                detail: text(),
                retry_after: Some(1),
            },
            ServerFrame::Typing { c, user },
            ServerFrame::Read { c, user, seq: 13 },
            ServerFrame::Pong,
            ServerFrame::End { code: 4000, then: CloseCode::Resume, reason: text() },
            ServerFrame::Presence {
                user,
                status: PresenceStatus::Offline,
                last_seen: Some(Timestamp::EPOCH),
                text: Some(text()),
            },
        ];
        frames.iter().map(|frame| serde_json::to_value(frame).unwrap()).collect()
    }

    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn every_frame_is_described_with_the_members_it_has() {
        let document = asyncapi();
        let messages = &document["components"]["messages"];
        let frames = said().into_iter().map(|frame| ("client", frame));
        let frames: Vec<_> = frames.chain(heard().into_iter().map(|frame| ("server", frame))).collect();
        for (side, frame) in &frames {
            let t = frame["t"].as_str().unwrap();
            let message = &messages[format!("{side}_{t}")];
            assert_eq!(keys(&message["payload"]["properties"]), keys(frame), "{side} {t}: {message}");
            let required = message["payload"]["required"].as_array().unwrap();
            assert!(required.contains(&"t".into()), "{message}");
            assert!(message["summary"].as_str().is_some_and(|summary| summary.len() > 10), "{message}");
        }
        assert_eq!(messages.as_object().unwrap().len(), frames.len(), "and nothing else is");
    }

    #[test]
    fn what_may_be_left_out_is_not_required() {
        let document = asyncapi();
        let required = |name: &str| {
            let payload = &document["components"]["messages"][name]["payload"];
            let names = payload["required"].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(required("client_open"), set(&["t", "c"]));
        assert_eq!(required("client_send"), set(&["t", "ref", "c", "client_id", "body"]));
        assert_eq!(required("server_error"), set(&["t", "code", "detail"]));
        assert_eq!(required("server_event"), set(&["t", "c", "seq", "e"]));
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = asyncapi();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.contains("#/components/schemas/Fact"), "{found:?}");
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_close_code_is_described() {
        let described: Vec<u64> = close_codes().iter().map(|code| code["code"].as_u64().unwrap()).collect();
        assert_eq!(described, [4000, 4001, 4002]);
    }

    #[test]
    fn the_specification_describes_every_frame() {
        let specification = include_str!("../../../docs/protocol.md");
        for frame in said().iter().chain(&heard()) {
            let t = frame["t"].as_str().unwrap();
            assert!(specification.contains(&format!(r#"{{"t":"{t}""#)), "docs/protocol.md does not show {t}");
        }
        for code in CloseCode::ALL {
            assert!(specification.contains(&format!("| {} |", code.code())), "{code:?}");
        }
    }
}
