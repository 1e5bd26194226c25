use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn said(payload: Value) -> Result<Said, Unsayable> {
    serde_json::from_value::<Payload>(payload).unwrap().read()
}

fn read(payload: Value) -> Result<String, Unsayable> {
    said(payload).map(|said| said.body)
}

fn text(kind: &str, text: &str) -> Value {
    json!({"type": kind, "text": text})
}

#[test]
fn blocks_and_attachments_are_shown_as_text() {
    let blocks = json!([
        {"type": "header", "text": text("plain_text", "Build *42*")},
        {"type": "section", "text": text("mrkdwn", "*failed* on <https://ci.example.org|main>"),
         "fields": [text("mrkdwn", "*Branch*\nmain"), text("plain_text", "took 3*2 min")]},
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "image", "image_url": "x", "alt_text": "Robot"}, text("mrkdwn", "_CI_")]},
        {"type": "image", "image_url": "https://ci.example.org/a.png", "alt_text": "A graph"},
        {"type": "actions", "elements": [{"type": "button"}]},
    ]);
    let attachments = json!([
        {"fallback": "unseen", "pretext": "See:", "title": "Log", "title_link": "https://ci.example.org/1",
         "text": "`exit 1`", "fields": [{"title": "Job", "value": "test", "short": true}], "color": "#f00", "footer": "CI"},
        {"fallback": "Only *this*"},
    ]);
    let body = read(json!({"text": "for notifications", "blocks": blocks, "attachments": attachments}));
    assert_eq!(
        body.unwrap(),
        "**Build \\*42\\***\n\n**failed** on [main](https://ci.example.org)\n\n**Branch**  \nmain\n\ntook 3\\*2 \
         min\n\n---\n\nRobot _CI_\n\n[A graph](https://ci.example.org/a.png)\n\nSee:\n\n[Log](https://ci.example.org/1)\
         \n\n`exit 1`\n\n**Job**  \ntest\n\nCI\n\nOnly \\*this\\*"
    );
    assert_eq!(read(json!({"text": "*a*", "mrkdwn": false})).unwrap(), "\\*a\\*");
    assert_eq!(read(json!({"text": "@ana", "link_names": 1})).unwrap(), "@ana");
    for no in [json!(false), json!("yes"), json!(null)] {
        assert_eq!(read(json!({"text": "@ana", "link_names": no})).unwrap(), "\\@ana");
    }
}

#[test]
fn rich_text_is_shown_with_its_marks() {
    let bit = |kind: &str, rest: Value| {
        let mut bit = rest;
        bit["type"] = kind.into();
        bit
    };
    let section = |elements: Value| json!({"type": "rich_text_section", "elements": elements});
    let said = json!([
        bit("text", json!({"text": "Deploy of "})),
        bit("text", json!({"text": " a*b ", "style": {"bold": true, "italic": true}})),
        bit("text", json!({"text": "x<y&amp;", "style": {"code": true}})),
        bit("text", json!({"text": " done!"})),
        bit("link", json!({"url": "https://example.org", "text": "log"})),
        bit("text", json!({"text": "\n- by "})),
        bit("user", json!({"user_id": "U1"})),
        bit("broadcast", json!({"range": "here"})),
        bit("emoji", json!({"name": "tada", "unicode": "1f389"})),
    ]);
    let items = json!([section(json!([bit("text", json!({"text": "one"}))])), section(json!([]))]);
    let blocks = json!([{"type": "rich_text", "elements": [
        section(said),
        {"type": "rich_text_list", "style": "ordered", "elements": items, "indent": 0},
        {"type": "rich_text_quote", "elements": [bit("text", json!({"text": "a\nb"}))]},
        {"type": "rich_text_preformatted", "elements": [bit("text", json!({"text": "<b> &lt; *c*"}))]},
        {"type": "rich_text_unheard_of"},
    ]}]);
    assert_eq!(
        read(json!({"blocks": blocks})).unwrap(),
        "Deploy of  **_a\\*b_** `x<y&amp;` done\\![log](https://example.org)  \n\\- by @U1@here:tada:\n\n1. one\n1. \n\n\
         > a  \n> b\n\n```\n<b> &lt; *c*\n```"
    );
}

#[test]
fn what_says_nothing_or_too_much_becomes_no_message() {
    for nothing in [
        json!({}),
        json!({"text": " \n\t\u{7}"}),
        json!({"blocks": [{"type": "divider"}]}),
        json!({"attachments": [{}]}),
    ] {
        assert_eq!(read(nothing.clone()), Err(Unsayable::NoText), "{nothing}");
    }
    assert_eq!(read(json!({"text": "x".repeat(MAX_BODY_CHARS)})).unwrap(), "x".repeat(MAX_BODY_CHARS));
    let cut = read(json!({"text": "é".repeat(MAX_BODY_CHARS + 1)})).unwrap();
    assert_eq!(cut, format!("{}…", "é".repeat(MAX_BODY_CHARS - 1)));
    let attachments = |count| json!({"attachments": vec![json!({"text": "x"}); count]});
    read(attachments(MAX_ATTACHMENTS)).unwrap();
    assert_eq!(read(attachments(MAX_ATTACHMENTS + 1)), Err(Unsayable::TooManyAttachments));
    let divider = json!({"type": "divider"});
    let blocks = |count| json!({"text": "x", "blocks": vec![divider.clone(); count]});
    read(blocks(MAX_BLOCKS)).unwrap();
    assert_eq!(read(blocks(MAX_BLOCKS + 1)), Err(Unsayable::TooManyBlocks));
    let inner = json!({"text": "x", "blocks": [divider], "attachments": [{"blocks": vec![divider.clone(); MAX_BLOCKS]}]});
    assert_eq!(read(inner), Err(Unsayable::TooManyBlocks));
}

#[test]
fn who_seems_to_say_it_is_one_short_line_and_a_fitting_picture() {
    let shown = |payload: Value| {
        let said = said(payload).unwrap();
        (said.username, said.icon_emoji, said.icon_url)
    };
    let named = |name: &str| shown(json!({"text": "x", "username": name})).0;
    assert_eq!(named(" Deploy\nbot "), Some("Deploy bot".to_owned()));
    assert_eq!(named(" \u{0} "), None);
    assert_eq!(named(&"é".repeat(100)).map(|name| name.chars().count()), Some(MAX_HOOK_NAME_CHARS));
    let icons = |emoji: &str, url: &str| {
        let (_, emoji, url) = shown(json!({"text": "x", "icon_emoji": emoji, "icon_url": url}));
        (emoji.is_some(), url.is_some())
    };
    assert_eq!(icons(":ghost:", "https://example.org/a.png"), (true, true));
    let longest = format!("https://example.org/{}", "a".repeat(MAX_ICON_URL_BYTES - 20));
    assert_eq!(icons(":+1::skin-tone-2:", &longest), (true, true));
    assert_eq!(icons("::", &format!("{longest}a")), (false, false));
    assert_eq!(icons(":<b>:", "http://example.org"), (false, false));
    assert_eq!(icons("ghost", "javascript:alert(1)"), (false, false));
}

fn value() -> impl Strategy<Value = Value> {
    let words = "[ \\n*_~`<>|&;#!@a-c\\\\\\[\\]()/:.=1-]{0,40}|<https?://\\PC{0,12}\\|?\\PC{0,8}>|\\PC{0,20}";
    let kind = prop::sample::select(vec![
        "section",
        "header",
        "divider",
        "context",
        "image",
        "rich_text",
        "rich_text_section",
        "rich_text_list",
        "rich_text_quote",
        "rich_text_preformatted",
        "text",
        "link",
        "emoji",
        "user",
        "broadcast",
        "mrkdwn",
        "plain_text",
        "new",
    ]);
    let leaf = prop_oneof![
        8 => words.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let key = prop::sample::select(vec![
        "text",
        "elements",
        "fields",
        "title",
        "value",
        "url",
        "name",
        "style",
        "bold",
        "code",
        "title_link",
        "fallback",
        "blocks",
        "attachments",
        "username",
        "image_url",
        "alt_text",
        "indent",
        "user_id",
        "range",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let object = (prop::collection::vec((key.clone(), inner.clone()), 0..4), kind.clone());
        let object = object.prop_map(|(fields, kind)| {
            let mut object: serde_json::Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            object.insert("type".to_owned(), kind.into());
            Value::Object(object)
        });
        prop_oneof![object, prop::collection::vec(inner, 0..4).prop_map(Value::from)]
    })
}

proptest! {
    /// Whatever is sent is refused, or becomes a body that keeps the rule, holds no HTML and leads nowhere it may not.
    #[test]
    fn whatever_is_sent_becomes_a_body_or_is_refused(text in value(), blocks in value(), attachment in value()) {
        let payloads = [
            json!({"text": text, "blocks": [blocks], "attachments": [attachment]}),
            json!({"text": text}),
            json!({"blocks": blocks}),
            json!({"attachments": attachment, "username": text}),
        ];
        for payload in payloads {
            let Ok(payload) = serde_json::from_value::<Payload>(payload) else { continue };
            let Ok(said) = payload.read() else { continue };
            prop_assert!(check_body(&said.body, &()).is_ok(), "{:?}", said.body);
            prop_assert!(said.body.chars().count() <= MAX_BODY_CHARS);
            for event in pulldown_cmark::Parser::new(&said.body) {
                use pulldown_cmark::{Event, Tag};
                match event {
                    Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }) => {
                        prop_assert!(false, "{:?}", said.body);
                    }
                    Event::Start(Tag::Link { dest_url, .. }) => {
                        let leads = dest_url.to_ascii_lowercase();
                        let allowed = ["http://", "https://", "mailto:"].iter().any(|it| leads.starts_with(it));
                        prop_assert!(allowed || dest_url.contains('@'), "{:?}", said.body);
                    }
                    _ => {}
                }
            }
        }
    }
}
