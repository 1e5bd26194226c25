//! One emoji: what a reaction may be.
//!
//! Source: Unicode Technical Standard #51, "Unicode Emoji", §1.4.9 (the regular expression for possible emoji) and its
//! definition ED-18 (fully qualified). Emoji are kept fully qualified, so that a heart written with and without its
//! variation selector is one reaction and not two.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The longest emoji, in bytes; the longest that Unicode recommends has fewer than 40.
pub const MAX_EMOJI_BYTES: usize = 64;

/// Says "show the character before me as a picture".
const VARIATION_SELECTOR: char = '\u{FE0F}';

static ONE_EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let flag = r"\p{Regional_Indicator}{2}";
    let key = r"[0-9#*]\x{FE0F}\x{20E3}";
    let picture = r"[\p{Emoji}--[0-9#*\p{Regional_Indicator}\p{Emoji_Modifier}]]";
    let look = r"(?:\p{Emoji_Modifier}|\x{FE0F}|[\x{E0020}-\x{E007E}]+\x{E007F})?";
    let pattern = format!(r"^(?:{flag}|{key}|{picture}{look}(?:\x{{200D}}{picture}{look})*)$");
    Regex::new(&pattern).expect("the pattern is a constant and well formed")
});

/// A character that is text unless something behind it says otherwise, and that something.
static TEXT_BY_DEFAULT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"([\p{Emoji}--\p{Emoji_Presentation}])(\p{Emoji_Modifier}?)")
        .expect("the pattern is a constant and well formed")
});

/// The emoji that this text is, fully qualified; none if it is anything else.
pub fn parse(text: &str) -> Option<String> {
    if text.len() > MAX_EMOJI_BYTES {
        return None;
    }
    let bare = text.replace(VARIATION_SELECTOR, "");
    let qualified = TEXT_BY_DEFAULT.replace_all(&bare, |found: &Captures<'_>| match &found[2] {
        "" => format!("{}{VARIATION_SELECTOR}", &found[1]),
        modifier => format!("{}{modifier}", &found[1]),
    });
    (qualified.len() <= MAX_EMOJI_BYTES && ONE_EMOJI.is_match(&qualified)).then(|| qualified.into_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    #[test]
    fn one_emoji_of_any_make_is_one() {
        for emoji in ["👍", "👍🏽", "❤️", "☝🏽", "1️⃣", "#️⃣", "🇪🇸", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩‍⚕️", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👁️‍🗨️", "⛹🏽‍♂️", "🧑🏻‍❤️‍💋‍🧑🏿"]
        {
            assert_eq!(parse(emoji).as_deref(), Some(emoji));
        }
    }

    #[test]
    fn an_emoji_is_the_same_however_it_is_qualified() {
        for (written, meant) in
            [("❤", "❤️"), ("🏳‍🌈", "🏳️‍🌈"), ("👩‍⚕", "👩‍⚕️"), ("👍\u{FE0F}", "👍"), ("1\u{20E3}", "1️⃣")]
        {
            assert_eq!(parse(written).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn what_is_not_one_emoji_is_none() {
        let family = ["👩"; 9].join("\u{200D}");
        let long = ["👩"; 10].join("\u{200D}");
        assert_eq!((family.len(), parse(&family)), (60, Some(family.clone())));
        for text in [
            "",
            " ",
            "a",
            "1",
            "#",
            "1\u{FE0F}",
            "👍👍",
            "👍 ",
            "👍a",
            "🇪",
            "🏽",
            "\u{200D}",
            "\u{FE0F}",
            "👩\u{200D}",
            "\u{E007F}",
            "\u{0}",
            ":thumbsup:",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_as_it_is(text in "[0-9#*❤👍🏽👩🇪🇸\u{FE0F}\u{200D}\u{20E3}♂]{0,6}") {
            if let Some(emoji) = parse(&text) {
                prop_assert_eq!(parse(&emoji), Some(emoji));
            }
        }
    }
}
