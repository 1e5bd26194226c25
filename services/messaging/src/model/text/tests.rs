use proptest::prelude::*;
use tertulia_contracts::messaging::MemberRole;

use super::*;

/// What is found and where, as the body has it.
fn seen(body: &str) -> Vec<(&str, What)> {
    find(body).into_iter().map(|found| (&body[found.place], found.what)).collect()
}

fn handle(name: &str) -> What {
    What::Handle(name.to_owned())
}

fn link(url: &str) -> What {
    What::Entity(EntityKind::Link { url: url.to_owned() })
}

const CODE: What = What::Entity(EntityKind::Code);
const EMOJI: What = What::Entity(EntityKind::Emoji { media_id: None });

fn block(language: Option<&str>) -> What {
    What::Entity(EntityKind::CodeBlock { language: language.map(str::to_owned) })
}

#[test]
fn handles_are_found_where_they_stand_by_themselves() {
    let names = |body: &str| -> Vec<String> {
        let called = find(body).into_iter().filter_map(|found| match found.what {
            What::Handle(name) => Some(name),
            What::Entity(_) | What::Named(_) => None,
        });
        called.collect()
    };
    for (body, expected) in [
        ("@ann", vec!["ann"]),
        ("Hello @Ann, and @ben_2!", vec!["ann", "ben_2"]),
        ("(@ann) \"@ben\" *@cy* _@di_ **@ed-x**", vec!["ann", "ben", "cy", "di", "ed-x"]),
        ("It was @ann.", vec!["ann."]),
        ("@ann's", vec!["ann"]),
        ("> @ann\n- @ben\n# @cy", vec!["ann", "ben", "cy"]),
        ("<div>@ann</div>", vec!["ann"]),
        ("@a_b_c_d", vec!["a_b_c_d"]),
    ] {
        assert_eq!(names(body), expected, "{body}");
    }
    for body in [
        "ann@example.org",
        "\\@ann",
        "@@ann",
        "@ann@example.org",
        "example.org/@ann",
        "@annä",
        "é@ann",
        "@",
        "@ ann",
        "`@ann`",
        "```\n@ann\n```",
        "~~~\n@ann\n~~~",
        "    @ann",
        "\t@ann",
        "[@ann](https://example.org)",
        "<https://example.org/@ann>",
        "https://example.org/@ann",
        "mailto:ann@example.org",
        "@abcdefghijklmnopqrstuvwxyz0123456",
    ] {
        assert_eq!(names(body), [""; 0], "{body}");
    }
}

#[test]
fn words_that_call_many_are_found_and_may_end_a_sentence() {
    let role = |role| What::Entity(EntityKind::MentionRole { role });
    assert_eq!(
        seen("@everyone, @Here. @admins and @moderators!"),
        [
            ("@everyone", What::Entity(EntityKind::MentionEveryone)),
            ("@Here", What::Entity(EntityKind::MentionHere)),
            ("@admins", role(MemberRole::Admin)),
            ("@moderators", role(MemberRole::Moderator)),
        ]
    );
    assert_eq!(seen("@everyone.else"), [("@everyone.else", handle("everyone.else"))]);
    assert_eq!(seen("\\@everyone `@here`")[0].1, CODE);
}

#[test]
fn links_lead_where_they_may_be_followed_and_nowhere_else() {
    for (body, place, url) in [
        ("[x](https://example.org/a)", "[x](https://example.org/a)", "https://example.org/a"),
        ("![x](http://example.org/a.png)", "![x](http://example.org/a.png)", "http://example.org/a.png"),
        ("<https://example.org>", "<https://example.org>", "https://example.org"),
        ("<ann@example.org>", "<ann@example.org>", "mailto:ann@example.org"),
        ("[x]\n\n[x]: https://example.org", "[x]", "https://example.org"),
        ("See https://example.org/a?b=c#d.", "https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("(https://example.org/a_(b))", "https://example.org/a_(b)", "https://example.org/a_(b)"),
        ("HTTP://example.org", "HTTP://example.org", "HTTP://example.org"),
        ("<b>https://example.org</b>", "https://example.org", "https://example.org"),
        ("mailto:ann@example.org!", "mailto:ann@example.org", "mailto:ann@example.org"),
        ("[x](h&#116;tps://example.org)", "[x](h&#116;tps://example.org)", "https://example.org"),
        ("[x](<http://example.org/a b>)", "[x](<http://example.org/a b>)", "http://example.org/a%20b"),
        ("[x](ht&#10;tp://example.org)", "[x](ht&#10;tp://example.org)", "http://example.org"),
        ("[https://a.example](javascript:b)", "https://a.example", "https://a.example"),
        ("https://münchen.example/ä", "https://münchen.example/ä", "https://münchen.example/ä"),
    ] {
        assert_eq!(seen(body), [(place, link(url))], "{body}");
    }
    for body in [
        "[x](javascript:alert%281%29)",
        "[x](/a)",
        "[x](//example.org)",
        "[x](data:text/html,x)",
        "[x](ftp://example.org)",
        "[x]",
        "http://",
        "https:// a",
        "xhttps://example.org",
        "mailto:ann",
        "`https://example.org`",
        "12:30 and a: b",
        "\\[x](y)",
    ] {
        let found: Vec<_> = seen(body).into_iter().filter(|(_, what)| *what != CODE).collect();
        assert_eq!(found, [], "{body}");
    }
    assert_eq!(links("[![a](https://a.example)](https://b.example)").count(), 2, "a picture in a link");
}

#[test]
fn nothing_in_code_is_anything_else() {
    assert_eq!(seen("a `b` ``c ` d``"), [("`b`", CODE), ("``c ` d``", CODE)]);
    let fenced = "```rust,ignore x\n@ann https://a.example `b` 👍\n```";
    assert_eq!(seen(fenced), [(fenced, block(Some("rust,ignore")))]);
    assert_eq!(seen("x\n\n    @ann 👍\n\ny"), [("@ann 👍\n", block(None))]);
    assert_eq!(seen("``` \n@ann")[0].1, block(None), "a fence that never ends");
}

#[test]
fn emoji_are_found_as_one_sees_them() {
    fn found(body: &str) -> Vec<&str> {
        let emoji = |(place, what)| (what == EMOJI).then_some(place);
        seen(body).into_iter().filter_map(emoji).collect()
    }
    for one in ["👍", "👍🏽", "❤️", "1️⃣", "🇪🇸", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩‍⚕️", "👨‍👩‍👧‍👦", "🏳️‍🌈", "⛹🏽‍♂️"]
    {
        assert_eq!(found(one), [one]);
        let among_words = format!("a{one}b");
        assert_eq!(found(&among_words), [one]);
    }
    assert_eq!(found("👍👎"), ["👍", "👎"]);
    assert_eq!(found("[👍](https://a.example)"), ["👍"]);
    for text in ["1 # *", "©", "❤", "日本語。", "→"] {
        assert_eq!(found(text), [""; 0], "{text}: a character that is text by default");
    }
}

/// Bodies of what makes parsers stumble.
fn body() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "@ann",
            "@everyone",
            "`",
            "```",
            "~~~",
            "\n",
            "\n\n",
            "    ",
            "\t",
            "[",
            "]",
            "(",
            ")",
            "![",
            "<",
            ">",
            "*",
            "_",
            "**",
            "\\",
            "&amp;",
            "&#10;",
            "https://a.example",
            "mailto:a@b",
            "👍",
            "👩‍⚕️",
            "\u{FE0F}",
            "\u{200D}",
            "é",
            "- ",
            "1. ",
            "# ",
            "<div>",
            "<!--",
            "-->",
            "[a]: http://b",
            " ",
            "a",
            "."
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_found_lies_in_the_body_in_order_and_one_within_another_or_apart(body in body()) {
        let found = find(&body);
        prop_assert_eq!(&found, &find(&body), "the same again");
        for one in &found {
            prop_assert!(one.place.start < one.place.end);
            prop_assert!(body.is_char_boundary(one.place.start) && body.is_char_boundary(one.place.end));
        }
        for (index, one) in found.iter().enumerate() {
            for other in &found[index + 1..] {
                prop_assert!(one.place.start <= other.place.start, "{:?}", found);
                let apart = one.place.end <= other.place.start;
                let within = other.place.end <= one.place.end;
                prop_assert!(apart || within, "{:?} in {:?}", found, body);
                let encloses = matches!(one.what, What::Entity(EntityKind::Link { .. }));
                prop_assert!(apart || encloses, "only links enclose: {:?} in {:?}", found, body);
            }
        }
    }

    /// Who looks for what begins something never misses anything that parsing finds.
    #[test]
    fn a_body_that_needs_no_parsing_holds_nothing(body in body()) {
        if !may_hold_anything(&body) {
            let mut reader =
                Reader { body: &body, found: Vec::new(), text: 0..0, code: false, inside: Vec::new() };
            for (event, place) in Parser::new(&body).into_offset_iter() {
                reader.take(event, place);
            }
            reader.end_text();
            prop_assert_eq!(reader.found, []);
        }
    }
}
