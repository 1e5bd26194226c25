//! Whether a text holds words or links that a conversation keeps out.
//!
//! It keeps honest people from slipping and spares moderators the bulk; whoever spells a word otherwise gets past it.

use tertulia_contracts::messaging::{Filters, LinkFilter, LinkMode};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

use super::text::links;

/// What sort of rule a text trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tripped {
    /// It holds a word that is kept out.
    Word,
    /// It holds a link that is kept out.
    Link,
}

/// The first sort of rule that a text trips. Which rule it was is not said: the list is not for everybody.
pub fn tripped(filters: &Filters, text: &str) -> Option<Tripped> {
    if holds_word(&filters.words, text) {
        return Some(Tripped::Word);
    }
    holds_link(&filters.links, text).then_some(Tripped::Link)
}

fn holds_word(words: &[String], text: &str) -> bool {
    if words.is_empty() {
        return false;
    }
    let text = folded(text);
    let mut borders: Vec<usize> = text.split_word_bound_indices().map(|(start, _)| start).collect();
    borders.push(text.len());
    let is_border = |place: usize| borders.binary_search(&place).is_ok();
    words.iter().map(|word| folded(word.trim())).any(|word| {
        let mut found = text.match_indices(&word);
        found.any(|(start, _)| is_border(start) && is_border(start + word.len()))
    })
}

/// Without differences of case and composition: NFKC (UAX #15) of what both cases have in common.
fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

fn holds_link(filter: &LinkFilter, text: &str) -> bool {
    let is_listed = |host: &str| {
        filter.domains.iter().any(|domain| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let linked = || links(text).filter_map(|url| Url::parse(&url).ok()?.host_str().map(plain));
    match filter.mode {
        LinkMode::AllowAll => false,
        LinkMode::AllowListed => linked().any(|host| !is_listed(&host)),
        // A name that stands there by itself is as good as a link to it.
        LinkMode::DenyListed => linked().chain(names(text)).any(|host| is_listed(&host)),
    }
}

/// The host names that stand in a text by themselves, or where a client that is not like ours would see a link. A
/// backslash is to browsers a slash, and to CommonMark an escape of one.
fn names(text: &str) -> impl Iterator<Item = String> {
    let ends = |character: char| character.is_whitespace() || "<>()[]{}|`*\"',;".contains(character);
    let text = text.replace('\\', "/");
    let tokens = text.split(ends).filter(|token| token.contains('.'));
    // A host stands at the beginning of a token or behind two slashes, and each part is read once.
    let names: Vec<String> = tokens.flat_map(|token| token.split("//")).filter_map(host).collect();
    names.into_iter()
}

/// The host at the beginning of a text as browsers read it (WHATWG URL), without a dot at its end.
fn host(text: &str) -> Option<String> {
    let authority = text.trim_start_matches('/').split(['/', '?', '#']).next()?;
    let url = Url::parse(&format!("http://{authority}")).ok()?;
    url.host_str().map(plain)
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Filters {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Filters { words, ..Filters::default() }
    }

    fn links(mode: LinkMode) -> Filters {
        let domains = vec!["example.org".to_owned(), "xn--bcher-kva.example".to_owned()];
        Filters { words: Vec::new(), links: LinkFilter { mode, domains } }
    }

    #[test]
    fn a_word_is_found_whole_whatever_its_case_and_composition() {
        let filters = words(&["cat", "Straße", "café", "hot dog", "ΟΔΟΣ", "猫"]);
        for text in [
            "Cat!",
            "a CAT.",
            "*cat*",
            "cat",
            "the STRASSE",
            "strasse",
            "CAFE\u{301}",
            "a hot dog here",
            "οδος",
            "οδοσ",
            "ｃａｔ",
            "cat's cat",
            "我的 猫",
        ] {
            assert_eq!(tripped(&filters, text), Some(Tripped::Word), "{text}");
        }
        for text in ["concatenate", "cats", "cafeteria", "hotdog", "Strassen", "", "cat2"] {
            assert_eq!(tripped(&filters, text), None, "{text}");
        }
        assert_eq!(tripped(&words(&[]), "cat"), None);
    }

    #[test]
    fn a_listed_domain_is_denied_with_all_below_it_and_nothing_beside_it() {
        let filters = links(LinkMode::DenyListed);
        for text in [
            "see https://example.org",
            "HTTPS://EXAMPLE.ORG/path?q#f",
            "[x](http://www.example.org)",
            "<ftp://a.b.example.org:8080/>",
            "//example.org/x",
            "http:\\\\example.org",
            "[x](https:\\/\\/example.org)",
            "http://good.example@example.org/",
            "example.org",
            "go to Example.Org.",
            "https://bücher.example/x",
            "http://ex%61mple.org",
        ] {
            assert_eq!(tripped(&filters, text), Some(Tripped::Link), "{text}");
        }
        for text in ["https://notexample.org", "example.org.uk", "example", "an example. org", "x@y.z"] {
            assert_eq!(tripped(&filters, text), None, "{text}");
        }
    }

    #[test]
    fn only_listed_domains_are_allowed_where_it_says_so() {
        let filters = links(LinkMode::AllowListed);
        for text in ["https://example.org/x", "mailto:me@other.example", "main.rs, e.g.", "no link", "and/or"]
        {
            assert_eq!(tripped(&filters, text), None, "{text}");
        }
        for text in [
            "https://other.example",
            "[x](https:\\/\\/1.2.3.4)",
            "[x](http://example.org.evil.example)",
            "<http://localhost>",
        ] {
            assert_eq!(tripped(&filters, text), Some(Tripped::Link), "{text}");
        }
        assert_eq!(tripped(&links(LinkMode::AllowAll), "https://other.example"), None);
    }
}
