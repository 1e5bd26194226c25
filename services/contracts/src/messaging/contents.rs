//! What a message is besides its body: what hangs on it, whose words it passes on, what it quotes.

use garde::{Path, Report, Validate};
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::PostMessage;
use crate::{ConversationId, MediaId, MessageId, UserId};

/// The most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 10;
/// The most characters of a file's name.
pub const MAX_FILE_NAME_CHARS: usize = 255;
/// The most characters of a media type, its parameters included.
pub const MAX_MEDIA_TYPE_CHARS: usize = 255;
/// The most characters of what stands for media to whoever does not see it.
pub const MAX_ALT_CHARS: usize = 1_000;
/// The most pixels of a side.
pub const MAX_PIXELS: u32 = 100_000;
/// The greatest number that every reader of JSON keeps exactly (RFC 8259 §6).
pub const MAX_EXACT: u64 = (1 << 53) - 1;
/// The most characters of a place's name.
pub const MAX_LABEL_CHARS: usize = 200;
/// The least exact that a place can be: half the equator.
pub const MAX_ACCURACY_M: u32 = 20_037_508;
/// The most characters of a contact's name.
pub const MAX_CONTACT_CHARS: usize = 120;
/// The most characters of a telephone number.
pub const MAX_PHONE_CHARS: usize = 32;
/// The most characters of a mail address (RFC 5321 §4.5.3.1.3).
pub const MAX_EMAIL_CHARS: usize = 254;
/// The longest quote, in UTF-16 code units.
pub const MAX_QUOTE_UNITS: usize = 1_024;

/// Something that hangs on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Attachment {
    /// A picture, a recording, a file.
    Media(MediaReference),
    /// A place on earth.
    Location(Location),
    /// Somebody one can reach.
    Contact(Contact),
}

impl Validate for Attachment {
    type Context = ();

    fn validate_into(&self, context: &(), parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        match self {
            Self::Media(media) => media.validate_into(context, parent, report),
            Self::Location(location) => location.validate_into(context, parent, report),
            Self::Contact(contact) => contact.validate_into(context, parent, report),
        }
    }
}

impl Attachment {
    /// Everything in it that people read.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Media(MediaReference { name, alt, .. }) => [name, alt, &None],
            Self::Location(Location { label, .. }) => [label, &None, &None],
            Self::Contact(Contact { name, phone, email, .. }) => [name, phone, email],
        };
        texts.into_iter().filter_map(Option::as_deref)
    }
}

/// Which media it is, and what a client needs to leave room for it before it is there. The author says all of this, and
/// nobody checks it against the media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
pub struct MediaReference {
    /// Which.
    #[garde(skip)]
    pub media_id: MediaId,
    /// What the file is called.
    #[garde(inner(length(chars, max = MAX_FILE_NAME_CHARS), custom(super::title)))]
    #[schema(min_length = 1, max_length = 255)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type (RFC 6838), such as `image/webp`.
    #[garde(inner(length(chars, max = MAX_MEDIA_TYPE_CHARS), custom(media_type)))]
    #[schema(max_length = 255)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its bytes.
    #[garde(inner(range(max = MAX_EXACT)))]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its width in pixels.
    #[garde(inner(range(min = 1, max = MAX_PIXELS)))]
    #[schema(minimum = 1, maximum = 100_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Its height in pixels.
    #[garde(inner(range(min = 1, max = MAX_PIXELS)))]
    #[schema(minimum = 1, maximum = 100_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays, in milliseconds.
    #[garde(inner(range(max = MAX_EXACT)))]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What is to be told instead of it to whoever does not see or hear it.
    #[garde(inner(length(chars, max = MAX_ALT_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 1000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
}

/// A place in the World Geodetic System 1984, as in RFC 7946 and RFC 5870.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
pub struct Location {
    /// North of the equator, from -90 to 90. South is negative.
    #[garde(custom(at_most(90)))]
    #[schema(value_type = f64)]
    pub latitude: Degrees,
    /// East of Greenwich, from -180 to 180. West is negative.
    #[garde(custom(at_most(180)))]
    #[schema(value_type = f64)]
    pub longitude: Degrees,
    /// Within how many metres of it the place is.
    #[garde(inner(range(max = MAX_ACCURACY_M)))]
    #[schema(maximum = 20_037_508)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<u32>,
    /// What the place is called.
    #[garde(inner(length(chars, max = MAX_LABEL_CHARS), custom(super::title)))]
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// An angle, kept to seven decimals, which is a centimetre on earth: so that two of them are the same or are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Degrees(i64);

const DEGREE: f64 = 1e7;

impl From<f64> for Degrees {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is too great for it stays too great for its rule"
    )]
    fn from(degrees: f64) -> Self {
        Self((degrees * DEGREE).round() as i64)
    }
}

impl From<Degrees> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "what keeps its rule is far below 2^53")]
    fn from(degrees: Degrees) -> Self {
        degrees.0 as Self / DEGREE
    }
}

/// Somebody: an account here, or else a name with what it takes to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
pub struct Contact {
    /// Their account here. Nothing else is said then.
    #[garde(custom(either(self)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What they are called.
    #[garde(inner(length(chars, max = MAX_CONTACT_CHARS), custom(super::title)))]
    #[schema(min_length = 1, max_length = 120)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their telephone number: digits, and what people write between them.
    #[garde(inner(length(chars, max = MAX_PHONE_CHARS), custom(phone_number)))]
    #[schema(max_length = 32)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Their mail address.
    #[garde(inner(length(chars, max = MAX_EMAIL_CHARS), custom(mail_address)))]
    #[schema(max_length = 254)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A message to pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Where it stands.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
}

/// Whose words a message passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forwarded {
    /// Who wrote them.
    pub author_id: UserId,
    /// Where they wrote them. Only a public channel is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The message there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// When they wrote them.
    pub at: Timestamp,
}

/// A part of what the answered message says at this moment, to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// What is quoted, 1 to 1,024 UTF-16 code units.
    #[garde(length(utf16, min = 1, max = MAX_QUOTE_UNITS))]
    #[schema(min_length = 1)]
    pub text: String,
    /// Where it begins in the body, in UTF-16 code units; the first place that says so if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
}

/// Which part of which words is quoted. The words themselves stay where they are, so that there is no quote of them once
/// they are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quoted {
    /// The entry of the log that says them: the answered message's posting, or the edit that was its newest then.
    pub seq: u64,
    /// Where the quote begins in the body there, in UTF-16 code units.
    pub offset: u32,
    /// How long it is, counted likewise.
    pub length: u32,
    /// What it says; absent in entries, and once the answered message is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The rule for a body: it may be empty where something else is said.
pub(super) fn said(post: &PostMessage) -> impl Fn(&str, &()) -> garde::Result + use<> {
    let otherwise = post.forward.is_some() || post.poll.is_some() || !post.attachments.is_empty();
    move |text, context| if text.is_empty() && otherwise { Ok(()) } else { super::body(text, context) }
}

/// The rule for a forward: nothing is added to the words of others.
pub(super) fn alone(post: &PostMessage) -> impl Fn(&Option<Forward>, &()) -> garde::Result + use<> {
    let more = !post.body.is_empty()
        || !post.attachments.is_empty()
        || post.reply_to.is_some()
        || post.quote.is_some()
        || post.poll.is_some();
    move |forward, ()| {
        if forward.is_some() && more {
            return Err(garde::Error::new("leave out body, attachments, reply_to, quote and poll"));
        }
        Ok(())
    }
}

/// The rule for a quote: it is of the message that is answered.
pub(super) fn answering(post: &PostMessage) -> impl Fn(&Option<Quote>, &()) -> garde::Result + use<> {
    let answers = post.reply_to.is_some();
    move |quote, ()| {
        if quote.is_some() && !answers {
            return Err(garde::Error::new("say in reply_to which message is quoted"));
        }
        Ok(())
    }
}

fn either(contact: &Contact) -> impl Fn(&Option<UserId>, &()) -> garde::Result + use<> {
    let (named, reached) = (contact.name.is_some(), contact.phone.is_some() || contact.email.is_some());
    move |user, ()| {
        if user.is_some() == named || user.is_some() && reached {
            return Err(garde::Error::new("give either a user_id alone or a name"));
        }
        Ok(())
    }
}

fn at_most(bound: i32) -> impl Fn(&Degrees, &()) -> garde::Result {
    move |degrees, ()| {
        if degrees.0.unsigned_abs() > Degrees::from(f64::from(bound)).0.unsigned_abs() {
            return Err(garde::Error::new(format!("must be from -{bound} to {bound}")));
        }
        Ok(())
    }
}

/// `type/subtype` of the characters that RFC 6838 §4.2 names, and perhaps parameters.
fn media_type<C>(text: &str, _: &C) -> garde::Result {
    let is_name = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&name.len()) && name.bytes().all(fits)
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_essence = essence.trim_end().split_once('/').is_some_and(|(of, sub)| is_name(of) && is_name(sub));
    if is_essence && parameters.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(garde::Error::new("use a media type, such as image/webp"))
}

fn phone_number<C>(text: &str, _: &C) -> garde::Result {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = |byte: u8| byte.is_ascii_digit() || b"+-.() *#".contains(&byte);
    if digits >= 3 && text.bytes().all(plain) {
        return Ok(());
    }
    Err(garde::Error::new("use digits, perhaps with + - . ( ) * # and spaces"))
}

fn mail_address<C>(text: &str, _: &C) -> garde::Result {
    let parts = text.rsplit_once('@');
    let plain = !text.chars().any(|character| character.is_whitespace() || character.is_control());
    if plain && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()) {
        return Ok(());
    }
    Err(garde::Error::new("use an address such as ann@example.org"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use ulid::Ulid;

    const NAME: &str = "01J00000000000000000000000";

    /// The fields that break a rule, in a message with nothing but these attachments.
    fn wrong(attachments: &serde_json::Value) -> Vec<String> {
        let post = json!({"client_id": Ulid::nil(), "attachments": attachments});
        let post: PostMessage = serde_json::from_value(post).unwrap();
        let Err(report) = post.validate() else { return Vec::new() };
        report.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn each_field_of_an_attachment_has_its_bounds() {
        let media = |field: &str, value: serde_json::Value| json!([{"kind": "media", "media_id": format!("med_{NAME}"), field: value}]);
        let place = |field: &str, value: serde_json::Value| {
            let mut place = json!({"kind": "location", "latitude": 0, "longitude": 0});
            place[field] = value;
            json!([place])
        };
        let contact = |field: &str, value: serde_json::Value| {
            let mut contact = json!({"kind": "contact", "name": "Ann"});
            contact[field] = value;
            json!([contact])
        };
        let long = |chars: usize| json!("é".repeat(chars));
        // What is at the bound, and what is one past it.
        let cases = [
            ("name", media("name", long(255)), media("name", long(256))),
            ("alt", media("alt", long(1_000)), media("alt", long(1_001))),
            ("size", media("size", json!(MAX_EXACT)), media("size", json!(MAX_EXACT + 1))),
            (
                "duration_ms",
                media("duration_ms", json!(MAX_EXACT)),
                media("duration_ms", json!(MAX_EXACT + 1)),
            ),
            ("width", media("width", json!(100_000)), media("width", json!(100_001))),
            ("width", media("width", json!(1)), media("width", json!(0))),
            ("height", media("height", json!(100_000)), media("height", json!(100_001))),
            ("height", media("height", json!(1)), media("height", json!(0))),
            (
                "content_type",
                media("content_type", json!("a/".to_owned() + &"b".repeat(127))),
                media("content_type", json!("a/".to_owned() + &"b".repeat(128))),
            ),
            (
                "content_type",
                media("content_type", json!(format!("a/b;{}", "c".repeat(251)))),
                media("content_type", json!(format!("a/b;{}", "c".repeat(252)))),
            ),
            (
                "content_type",
                media("content_type", json!("audio/ogg; codecs=opus")),
                media("content_type", json!("picture")),
            ),
            ("latitude", place("latitude", json!(-90)), place("latitude", json!(-90.000_000_1))),
            ("latitude", place("latitude", json!(90.0)), place("latitude", json!(1e300))),
            ("longitude", place("longitude", json!(180)), place("longitude", json!(180.000_000_1))),
            ("longitude", place("longitude", json!(-180)), place("longitude", json!(-181))),
            ("accuracy_m", place("accuracy_m", json!(20_037_508)), place("accuracy_m", json!(20_037_509))),
            ("label", place("label", long(200)), place("label", long(201))),
            ("name", contact("name", long(120)), contact("name", long(121))),
            ("phone", contact("phone", json!("1".repeat(32))), contact("phone", json!("1".repeat(33)))),
            ("phone", contact("phone", json!("112")), contact("phone", json!("11"))),
            ("phone", contact("phone", json!("+34 (6) 1-2*3#")), contact("phone", json!("call 112"))),
            (
                "email",
                contact("email", json!(format!("{}@b", "a".repeat(252)))),
                contact("email", json!(format!("{}@b", "a".repeat(253)))),
            ),
            ("email", contact("email", json!("a@b")), contact("email", json!("a b@c"))),
            (
                "user_id",
                json!([{"kind": "contact", "user_id": format!("usr_{NAME}")}]),
                contact("user_id", json!(format!("usr_{NAME}"))),
            ),
            ("user_id", contact("phone", json!("112")), json!([{"kind": "contact", "phone": "112"}])),
        ];
        for (field, fits, breaks) in cases {
            assert_eq!(wrong(&fits), Vec::<String>::new(), "{fits}");
            assert_eq!(wrong(&breaks), [format!("attachments[0].{field}")], "{breaks}");
        }
    }

    #[test]
    fn a_message_has_ten_attachments() {
        let place = json!({"kind": "location", "latitude": 1.5, "longitude": 2});
        assert_eq!(wrong(&json!(vec![&place; 10])), Vec::<String>::new());
        assert_eq!(wrong(&json!(vec![&place; 11])), ["attachments"]);
        assert_eq!(wrong(&json!([])), ["body"], "something has to be said");
    }

    #[test]
    fn an_angle_is_written_as_it_was_read_to_a_centimetre() {
        for (read, written) in
            [(40.4168, "40.4168"), (-3.703_790_04, "-3.70379"), (0.000_000_1, "1e-7"), (90.0, "90.0")]
        {
            assert_eq!(serde_json::to_string(&Degrees::from(read)).unwrap(), written);
        }
        assert!(serde_json::from_str::<Degrees>("NaN").is_err());
    }
}
