//! Words in plain text that mean something by themselves: addresses, calls and emoji.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;
use tertulia_contracts::messaging::{EntityKind, is_emoji_name};

use super::text::address;

/// The longest handle there is, in bytes.
const MAX_HANDLE_BYTES: usize = 32;
/// Says "show the character before me as a picture".
const VARIATION_SELECTOR: char = '\u{FE0F}';

/// A word that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// An address that may be followed.
    Address(String),
    /// A word that calls many.
    Called(EntityKind),
    /// What may be a handle, in lower case.
    Handle(String),
    /// One emoji that is shown as a picture.
    Emoji,
    /// What stands between colons and may be an emoji of the conversation's own.
    Named(String),
}

/// An emoji at the beginning of a text: a flag, a key, or pictures that are such by default or are told to be, joined
/// ones as one (UTS #51, §1.4.9).
static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let flag = r"\p{Regional_Indicator}{2}";
    let key = r"[0-9#*]\x{FE0F}\x{20E3}";
    let picture = r"[\p{Emoji}--[0-9#*\p{Regional_Indicator}\p{Emoji_Modifier}]]";
    let look = r"(?:\p{Emoji_Modifier}|\x{FE0F}|[\x{E0020}-\x{E007E}]+\x{E007F})";
    let shown = format!(r"(?:[\p{{Emoji_Presentation}}--\p{{Regional_Indicator}}]{look}?|{picture}{look})");
    let pattern = format!(r"^(?:{flag}|{key}|{shown}(?:\x{{200D}}{picture}{look}?)*)");
    Regex::new(&pattern).expect("the pattern is a constant and well formed")
});

/// The words that mean something in this part of a body, and where in the body they stand.
pub(super) fn words(body: &str, part: Range<usize>) -> Vec<(Range<usize>, Word)> {
    let mut found = Vec::new();
    let (text, mut at) = (&body[..part.end], part.start);
    while let Some(first) = text[at..].chars().next() {
        let word = match first {
            '@' => called(body, text, at),
            ':' => named(body, text, at),
            'h' | 'H' | 'm' | 'M' => bare_address(text, at),
            _ => emoji(text, at, first),
        };
        at = match word {
            Some((end, word)) => {
                found.push((at..end, word));
                end
            }
            None => at + first.len_utf8(),
        };
    }
    found
}

/// Whether a character is shown as a picture by itself, if it is one at all.
pub(super) fn may_be_picture(character: char) -> bool {
    matches!(character, '\u{231A}'..='\u{2B55}' | '\u{1F000}'..)
}

fn emoji(text: &str, at: usize, first: char) -> Option<(usize, Word)> {
    let behind = &text[at + first.len_utf8()..];
    if !may_be_picture(first) && !behind.starts_with(VARIATION_SELECTOR) {
        return None;
    }
    EMOJI.find(&text[at..]).map(|emoji| (at + emoji.len(), Word::Emoji))
}

/// A name between colons that stands by itself: in `10:30:45` nothing is named.
fn named(body: &str, text: &str, at: usize) -> Option<(usize, Word)> {
    let (name, behind) = text[at + 1..].split_once(':')?;
    let joined = body[..at].chars().next_back().is_some_and(char::is_alphanumeric)
        || body[text.len() - behind.len()..].chars().next().is_some_and(char::is_alphanumeric);
    let stands = !joined && is_emoji_name(name);
    stands.then(|| (text.len() - behind.len(), Word::Named(name.to_owned())))
}

/// What an `@` and the name behind it call. It stands by itself: in `ann@example.org`, `\@ann`, `example.org/@ann`
/// and `@ann@example.org` nobody is called.
fn called(body: &str, text: &str, at: usize) -> Option<(usize, Word)> {
    let rest = &text[at + 1..];
    let in_name = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let name = &rest[..rest.find(|character| !in_name(character)).unwrap_or(rest.len())];
    let end = at + 1 + name.len();
    let joins = |character: char| character.is_alphanumeric() || character == '@';
    let joined_before =
        body[..at].chars().next_back().is_some_and(|before| joins(before) || "/\\".contains(before));
    let joined_behind = body[end..].chars().next().is_some_and(joins);
    if joined_before || joined_behind || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let handle = name.to_ascii_lowercase();
    let bare = bare(&handle);
    match EntityKind::of_word(bare) {
        Some(kind) => Some((at + 1 + bare.len(), Word::Called(kind))),
        None if bare.len() <= MAX_HANDLE_BYTES => Some((end, Word::Handle(handle))),
        None => None,
    }
}

/// What may be a handle without what may be the end of a sentence.
pub(super) fn bare(handle: &str) -> &str {
    handle.trim_end_matches(['.', '-', '_'])
}

/// An address that stands in the text by itself, up to white space or `<`, without what ends its sentence.
fn bare_address(text: &str, at: usize) -> Option<(usize, Word)> {
    let rest = &text[at..];
    let begins = |scheme: &str| rest.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    let scheme = ["https://", "http://", "mailto:"].into_iter().find(|scheme| begins(scheme))?;
    if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let behind = &rest[scheme.len()..];
    if !behind.starts_with(|first: char| first.is_alphanumeric() || first == '[') {
        return None;
    }
    let ends =
        |character: char| character.is_whitespace() || character.is_control() || "<>".contains(character);
    let written = &rest[..rest.find(ends).unwrap_or(rest.len())];
    let whole = without_punctuation(written);
    let is_mail = scheme == "mailto:";
    if is_mail && whole[scheme.len()..].split_once('@').is_none_or(|(_, host)| host.is_empty()) {
        return None;
    }
    Some((at + whole.len(), Word::Address(address(whole)?)))
}

/// Source: GitHub Flavored Markdown, §6.9: punctuation at the end belongs to the sentence, and so does a closing bracket
/// that nothing in the address opens.
fn without_punctuation(address: &str) -> &str {
    let surplus = |open, close| address.matches(close).count().saturating_sub(address.matches(open).count());
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    address.trim_end_matches(|last| match last {
        ')' if round > 0 => {
            round -= 1;
            true
        }
        ']' if square > 0 => {
            square -= 1;
            true
        }
        _ => "?!.,:;*_~'\"".contains(last),
    })
}
