use proptest::prelude::*;
use tertulia_contracts::{ConversationId, MessageId, UserId, messaging::*};
use ulid::Ulid;

use super::{markdown::rendered, *};

fn at() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

fn cover(title: Option<&str>, description: Option<&str>, tags: Vec<String>) -> ExportLine {
    let (title, description) = (title.map(str::to_owned), description.map(str::to_owned));
    ExportLine::Export(Box::new(ExportCover {
        version: EXPORT_VERSION,
        exported_at: at(),
        exported_by: UserId::from_ulid(Ulid::nil()),
        head_seq: 7,
        conversation_id: ConversationId::from_ulid(Ulid::nil()),
        kind: ConversationKind::Group,
        title,
        handle: None,
        description,
        tags,
        visibility: Visibility::Private,
        archived_at: None,
        created_by: UserId::from_ulid(Ulid::nil()),
        created_at: at(),
        pins: Vec::new(),
        roles: None,
    }))
}

fn message(body: &str, handle: &str, change: impl FnOnce(&mut Message)) -> ExportLine {
    let id = MessageId::from_ulid(Ulid::from_parts(1, 1));
    let author = UserId::from_ulid(Ulid::from_parts(2, 2));
    let post = PostMessage::new(Ulid::nil(), body.to_owned());
    let mut message = Message::posted(id, ConversationId::from_ulid(Ulid::nil()), 3, author, post, at());
    change(&mut message);
    let author_handle = Some(handle.to_owned());
    ExportLine::Message(Box::new(ExportMessage { author_handle, message, edits: Vec::new() }))
}

/// The elements of a piece of HTML, with their attributes, as they stand.
fn elements(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect()
}

#[test]
fn a_body_is_shown_as_it_means_and_never_as_html() {
    for (body, html) in [
        ("**a** _b_ `c<d`", "<p><strong>a</strong> <em>b</em> <code>c&lt;d</code></p>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("x <img src=x onerror=alert(1)>", "<p>x &lt;img src=x onerror=alert(1)&gt;</p>\n"),
        ("[a](javascript:alert(1))", "<p>a</p>\n"),
        ("[a](data:text/html,x) ![b](file:///etc/passwd)", "<p>a b</p>\n"),
        (
            "[a](<https://example.org/\"onclick=\"x>)",
            "<p><a href=\"https://example.org/&quot;onclick=&quot;x\" rel=\"noopener noreferrer\">a</a></p>\n",
        ),
        (
            "![a *picture*](https://example.org/a.png)",
            "<p><a href=\"https://example.org/a.png\" rel=\"noopener noreferrer\">a <em>picture</em></a></p>\n",
        ),
        (
            "<ana@example.org>",
            "<p><a href=\"mailto:ana@example.org\" rel=\"noopener noreferrer\">ana@example.org</a></p>\n",
        ),
        (
            "# H\n\n> q\n\n1. x\n2. y",
            "<h3>H</h3>\n<blockquote>\n<p>q</p>\n</blockquote>\n<ol start=\"1\">\n<li>x</li>\n<li>y</li>\n</ol>\n",
        ),
        ("```\"><b>\ncode </code>\n```", "<pre><code>code &lt;/code&gt;\n</code></pre>\n"),
    ] {
        assert_eq!(rendered(body), html, "{body}");
    }
}

#[test]
fn the_page_loads_nothing_and_shows_names_as_text() {
    let hostile = "\"><script>alert(1)</script><img src=//evil.example onerror=x>";
    let lines = [
        cover(Some(hostile), Some(hostile), vec![hostile.to_owned()]),
        ExportLine::Member(ExportMember {
            handle: Some(hostile.to_owned()),
            member: Member {
                user_id: UserId::from_ulid(Ulid::nil()),
                role: MemberRole::Owner,
                joined_at: at(),
            },
        }),
        message(hostile, hostile, |message| {
            message.reactions = vec![Reaction {
                emoji: hostile.to_owned(),
                media_id: None,
                count: 2,
                user_ids: Vec::new(),
                me: false,
            }];
            message.reply_to = Some(message.id);
            let contact = serde_json::json!({"kind": "contact", "name": hostile});
            message.attachments = vec![serde_json::from_value(contact).unwrap()];
        }),
        message("hi", "ana", |message| {
            let hook_id = tertulia_contracts::HookId::from_ulid(Ulid::nil());
            message.via = Some(Box::new(Via { name: Some(hostile.to_owned()), ..Via::hook(hook_id) }));
            message.edited_at = Some(at());
        }),
        message("", "ana", |message| message.deleted_at = Some(at())),
        ExportLine::End { messages: 3 },
    ];
    let page: String = lines.iter().map(|line| written(ExportFormat::Html, line)).collect();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("default-src 'none'") && page.contains("color-scheme:light dark"));
    let known = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "header", "h1", "div", "p", "article",
        "span", "time", "a", "footer",
    ];
    for element in elements(&page) {
        let name = element.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
        assert!(known.contains(&name), "<{element}>");
        assert!(!element.contains("src=") && !element.contains("onerror"), "<{element}>");
    }
    // The one link leads to another place of the page.
    let anchors: Vec<&str> = elements(&page).into_iter().filter(|it| it.starts_with("a ")).collect();
    assert!(matches!(anchors[..], [link] if link.starts_with("a href=\"#msg_")), "{anchors:?}");
    assert_eq!(page.matches("&lt;script&gt;alert(1)").count(), 10, "{page}");
}

#[test]
fn each_line_of_json_reads_back() {
    for line in [
        cover(Some("T"), None, Vec::new()),
        message("a\nb\u{2028}", "ana", |_| ()),
        ExportLine::End { messages: 1 },
    ] {
        let text = written(ExportFormat::Json, &line);
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<ExportLine>(&text).unwrap(), line);
    }
}

#[test]
fn a_file_has_a_name_that_leads_nowhere() {
    let name = |title: Option<&str>| disposition(ExportFormat::Html, title, at());
    assert_eq!(
        name(Some("Café / Ñandú")),
        "attachment; filename=\"Caf-and-2026-09-21.html\"; filename*=UTF-8''Caf%C3%A9-%C3%91and%C3%BA-2026-09-21.html"
    );
    let bare = "attachment; filename=\"tertulia-2026-09-21.html\"; filename*=UTF-8''tertulia-2026-09-21.html";
    for nothing in [None, Some(""), Some("../.."), Some("\"; rm -rf")].into_iter().take(3) {
        assert_eq!(name(nothing), bare);
    }
    assert!(name(Some("\"; rm -rf /")).starts_with("attachment; filename=\"rm-rf-2026"));
    assert!(disposition(ExportFormat::Json, Some(&"x".repeat(200)), at()).len() < 200);
}

proptest! {
    #[test]
    fn nothing_that_anybody_writes_is_an_element_of_its_own(
        body in "[ \\n*_~`<>|&;#!@a-c\\\\\\[\\]()/:.=\"'-]{0,120}|(<script>|</p>|<!--|\\[a\\]\\(|javascript:|https://x|\\)|\\n|<a href=x>| ){0,20}|\\PC{0,60}",
    ) {
        let html = rendered(&body);
        let known = [
            "p", "h3", "h4", "blockquote", "pre", "code", "ul", "ol", "li", "em", "strong", "a", "br", "hr",
        ];
        for element in elements(&html) {
            let mut words = element.trim_start_matches('/').split(' ');
            prop_assert!(known.contains(&words.next().unwrap_or_default()), "{body:?}: <{element}>");
            if let Some(link) = element.strip_prefix("a ") {
                let leads = ["href=\"http://", "href=\"https://", "href=\"mailto:"];
                prop_assert!(leads.iter().any(|it| link.to_ascii_lowercase().starts_with(it)), "{link}");
                prop_assert_eq!(link.matches('"').count(), 4, "{}", link);
            }
        }
        let title = disposition(ExportFormat::Json, Some(&body), at());
        prop_assert!(title.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{title}");
        prop_assert_eq!(title.matches('"').count(), 2);
        prop_assert!(!title.contains('/') && !title.contains(".."), "{title}");
    }
}
