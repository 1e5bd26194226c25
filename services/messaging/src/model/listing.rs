//! What a channel is found by in the directory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tertulia_contracts::messaging::{MAX_LISTED_WORDS, MAX_TAGS};

use super::settings::Settings;

/// The most terms of one channel: one that every channel has, its words and its tags.
pub const MAX_TERMS: usize = 1 + MAX_LISTED_WORDS + MAX_TAGS;
/// The most characters of a word that count.
const MAX_WORD_CHARS: usize = 32;
/// The most characters of a name that order it.
const MAX_NAME_CHARS: usize = 64;

/// Something a channel is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "sort", content = "text", rename_all = "snake_case")]
pub enum Term {
    /// That it is listed at all.
    Any,
    /// A tag.
    Tag(String),
    /// A word of its handle or its title.
    Word(String),
}

/// What a listed channel is found by, each once.
pub fn terms(handle: Option<&str>, settings: &Settings) -> Vec<Term> {
    let name = [handle, settings.title.as_deref()];
    let mut found = BTreeSet::new();
    for word in name.into_iter().flatten().flat_map(words) {
        if found.len() < MAX_LISTED_WORDS {
            found.insert(word);
        }
    }
    let tags = settings.tags.iter().cloned().map(Term::Tag);
    std::iter::once(Term::Any).chain(found.into_iter().map(Term::Word)).chain(tags).collect()
}

/// The words of a text as they are compared: runs of letters and digits, lower case.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.to_lowercase().chars().take(MAX_WORD_CHARS).collect()).collect()
}

/// What a channel is ordered by among others.
pub fn name(handle: Option<&str>, settings: &Settings) -> String {
    let name = handle.or(settings.title.as_deref()).unwrap_or_default();
    name.to_lowercase().chars().take(MAX_NAME_CHARS).collect()
}

/// Whether a search finds a channel of these terms: every word begins one of its words, and it has the tag.
pub fn matches(terms: &[Term], words: &[String], tag: Option<&str>) -> bool {
    let has = |word: &String| terms.iter().any(|term| matches!(term, Term::Word(it) if it.starts_with(word)));
    words.iter().all(has)
        && tag.is_none_or(|tag| terms.iter().any(|term| matches!(term, Term::Tag(it) if it == tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(title: &str, tags: &[&str]) -> Settings {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Settings { title: Some(title.to_owned()), tags, ..Settings::default() }
    }

    #[test]
    fn a_channel_is_found_by_each_word_once_and_by_its_tags() {
        let found = terms(Some("rust-news"), &settings("News: Rust & Größe", &["lang"]));
        let word = |text: &str| Term::Word(text.to_owned());
        let tag = Term::Tag("lang".to_owned());
        assert_eq!(found, [Term::Any, word("größe"), word("news"), word("rust"), tag]);
        let searched = |text: &str, tag| matches(&found, &words(text), tag);
        assert!(searched("GRÖ ne", Some("lang")) && searched("", None));
        assert!(!searched("ust", None) && !searched("rust", Some("news")) && !searched("news x", None));
    }

    #[test]
    fn terms_are_bounded() {
        let long = (0..40).map(|number| format!("w{number:02}")).collect::<Vec<_>>().join(" ");
        let tags: Vec<String> = (0..MAX_TAGS).map(|number| format!("t{number}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        assert_eq!(terms(None, &settings(&long, &tags)).len(), MAX_TERMS);
        assert_eq!(words(&"x".repeat(99))[0].chars().count(), MAX_WORD_CHARS);
    }
}
