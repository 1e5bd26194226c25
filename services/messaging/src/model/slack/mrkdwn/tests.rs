use proptest::prelude::*;
use pulldown_cmark::{Event, Parser, Tag};

use super::*;

fn converted(text: &str) -> String {
    to_commonmark(text, false)
}

/// What somebody reads of `CommonMark`, without its marks.
fn read(commonmark: &str) -> String {
    let events = Parser::new(commonmark).map(|event| match event {
        Event::Text(text) | Event::Code(text) => text.into_string(),
        Event::SoftBreak | Event::HardBreak => "\n".to_owned(),
        _ => String::new(),
    });
    events.collect()
}

#[test]
fn what_is_marked_stays_marked() {
    for (slack, commonmark) in [
        ("*bold* and _italic_ and ~gone~", "**bold** and _italic_ and ~~gone~~"),
        ("*_both_*, _*both*_", "**_both_**, _**both**_"),
        ("*a _b* c_", "**a \\_b** c\\_"),
        ("`a * b` and *x*", "`a * b` and **x**"),
        ("`a``b`", "`a` `b`"),
        ("<https://example.org|the *site*>", "[the \\*site\\*](https://example.org)"),
        ("see <https://example.org/a_b?x=1&amp;y=2>", "see <https://example.org/a_b?x=1&y=2>"),
        ("*see https://example.org/a_b*.", "**see <https://example.org/a_b>**."),
        ("<mailto:ana@example.org|Ana>", "[Ana](mailto:ana@example.org)"),
        ("&gt; said", "> said"),
        ("&gt; said\n&gt; so\nand I", "> said  \n> so\n\nand I"),
        ("&gt;&gt;&gt; all\nof it", "> all  \n> of it"),
        ("a\n```\nlet x = &lt;T&gt;;\n```\nb", "a\n```\nlet x = <T>;\n```\nb"),
        ("one\ntwo\n\nthree", "one  \ntwo\n\nthree"),
        ("<!here> <!channel> <!everyone>", "@here @everyone @everyone"),
        ("<@U012|ana> <@ben> <#C024|general>", "@ana @ben #general"),
        ("<!subteam^S1|@ops>", "\\@ops"),
        ("<https://example.org|a &amp;lt; b>", "[a \\&lt; b](https://example.org)"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("*see <https://example.org/*|it>*", "**see [it](https://example.org/%2A)**"),
        ("Look!<https://example.org|here>", "Look\\![here](https://example.org)"),
    ] {
        assert_eq!(converted(slack), commonmark, "{slack}");
    }
}

#[test]
fn what_is_text_stays_text() {
    for (slack, commonmark) in [
        ("2 * 3 * 4", "2 \\* 3 \\* 4"),
        ("snake_case and a*b*c", "snake_case and a\\*b\\*c"),
        ("_open", "\\_open"),
        ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
        ("<javascript:alert(1)|x>", "x"),
        ("<script>alert(1)</script>", "\\<script>alert(1)\\</script>"),
        ("&lt;script&gt;", "\\<script>"),
        ("&amp;lt; &amp; &amp;amp;", "\\&lt; & \\&amp;"),
        ("# no heading\n- no list\n7. nor this", "\\# no heading  \n\\- no list  \n7\\. nor this"),
        ("Title\n===", "Title  \n\\==="),
        ("    indented", "indented"),
        ("``` open", "\\`\\`\\` open"),
        ("a < b and c > d", "a \\< b and c > d"),
        ("<https://example.org/)x(|y>", "[y](https://example.org/%29x%28)"),
        ("@everyone, @ana; ana@example.org", "\\@everyone, \\@ana; ana@example.org"),
    ] {
        assert_eq!(converted(slack), commonmark, "{slack}");
    }
    assert_eq!(to_commonmark("@ana", true), "@ana");
    assert_eq!(escaped("*not* <b>\n> x"), "\\*not\\* \\<b>  \n\\> x");
}

/// What is looked at, counted: for a text of twice the length not more than twice as much, and a bounded multiple of it.
#[test]
fn the_work_is_in_proportion_to_the_length() {
    let units = [
        "*a ", "<", ">", "`", "``", "```", "_*~", "*_~a~_* ", "<a|", "&", "&amp;", "*<`", "> *", "http://",
        "http://a", "h", "<!", "[", "\\", "1.", "@a", "*a\n", "<a>", "`<", "<`>", "~a ~", "\n",
    ];
    for unit in units {
        let work = |bytes: usize| convert(&unit.repeat(bytes / unit.len()), false).1;
        let (half, whole) = (work(20_000), work(40_000));
        assert!(whole <= 2 * half + 16, "{unit:?}: {half}, then {whole}");
        assert!(whole <= 4 * 40_000, "{unit:?}: {whole}");
    }
}

fn anything() -> impl Strategy<Value = String> {
    let marks = "[ \\n*_~`<>|&;#!@a-c\\\\\\[\\]()/:.=1+-]{0,120}";
    let tokens = prop::sample::select(vec![
        "*",
        "_",
        "~",
        "`",
        "```",
        "<",
        ">",
        "|",
        "&lt;",
        "&gt;",
        "&amp;",
        "\n",
        " ",
        "!",
        "[x]",
        "<@U1|a>",
        "<https://a.b/c_d|e>",
        "https://x.y",
        "<!here>",
        "é",
        "\u{a0}",
        "-",
        "1.",
        "\\",
        "javascript:",
    ]);
    prop_oneof![marks, "\\PC{0,60}", prop::collection::vec(tokens, 0..40).prop_map(|it| it.concat())]
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded_and_harmless(text in anything(), names in any::<bool>()) {
        let commonmark = to_commonmark(&text, names);
        // What grows most are the bytes of an address that are percent-encoded, and lines that break.
        prop_assert!(commonmark.len() <= 8 * text.len() + 8, "{} of {}", commonmark.len(), text.len());
        for event in Parser::new(&commonmark) {
            match event {
                Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }) => {
                    prop_assert!(false, "{text:?}: {commonmark:?}");
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    let leads = dest_url.to_ascii_lowercase();
                    let allowed = ["http://", "https://", "mailto:"].iter().any(|it| leads.starts_with(it));
                    prop_assert!(allowed || dest_url.contains('@'), "{text:?}: {commonmark:?}");
                }
                _ => {}
            }
        }
    }

    /// Text without marks is read as it was written, but for blanks at the ends of lines.
    #[test]
    fn every_character_of_plain_text_is_itself(text in "[ *_~`<>|&;#!@a-c\\\\\\[\\]()/:.=1+\"'-]{0,80}") {
        let lines: Vec<String> = text.split('\n').map(|line| line.trim().to_owned()).collect();
        prop_assert_eq!(read(&escaped(&text)), lines.join("\n"));
        let entities = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // What marks could be made of is left out; the rest stands for itself there, too.
        let unmarked = entities.replace(['*', '_', '~', '`'], "");
        let expected = text.replace(['*', '_', '~', '`'], "");
        if !expected.trim_start().starts_with('>') {
            prop_assert_eq!(read(&converted(&unmarked)), expected.trim());
        }
    }
}
