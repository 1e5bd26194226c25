//! What a body says besides words: code, links, calls and emoji, found in `CommonMark` source (0.31.2, without
//! extensions).
//!
//! Source: <https://spec.commonmark.org/0.31.2/>; addresses that stand bare in the text end where those of GitHub Flavored
//! Markdown do, §6.9. Nothing in code is anything else, and HTML, which no client may render, is text.

use std::{cmp::Reverse, ops::Range};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use tertulia_contracts::messaging::EntityKind;

use super::words::{Word, may_be_picture, words};

/// Something found in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where, in bytes.
    pub place: Range<usize>,
    /// What.
    pub what: What,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An `@` and what may be somebody's handle, in lower case. Whose, the text does not say.
    Handle(String),
    /// What may be an emoji of the conversation's own, without its colons.
    Named(String),
    /// What needs nobody to say what it means.
    Entity(EntityKind),
}

/// Everything that a body holds besides words, in its order, what encloses before what is enclosed.
pub fn find(body: &str) -> Vec<Found> {
    if !may_hold_anything(body) {
        return Vec::new();
    }
    let mut reader = Reader { body, found: Vec::new(), text: 0..0, code: false, inside: Vec::new() };
    for (event, place) in Parser::new(body).into_offset_iter() {
        reader.take(event, place);
    }
    reader.end_text();
    reader.found.sort_by_key(|found| (found.place.start, Reverse(found.place.end)));
    reader.found
}

/// Where a body's links lead, each of them.
pub fn links(body: &str) -> impl Iterator<Item = String> {
    find(body).into_iter().filter_map(|found| match found.what {
        What::Entity(EntityKind::Link { url }) => Some(url),
        _ => None,
    })
}

/// Whether parsing may find anything: most of what people say is words alone, and is told so at the cost of
/// looking at each character.
fn may_hold_anything(body: &str) -> bool {
    let begins = |character| match character {
        // The last makes a picture of the character before it.
        '@' | '`' | '~' | '[' | '<' | ':' | '\t' | '\u{FE0F}' => true,
        _ => may_be_picture(character),
    };
    body.contains(begins) || body.contains("    ")
}

/// The address that a link's destination is, as a browser would read it; none if it may not be followed.
///
/// Source: the URL standard, §4.4: white space around it and tabs and line ends within it do not count.
pub(super) fn address(destination: &str) -> Option<String> {
    let trimmed = destination.trim_matches(|character: char| character <= ' ');
    let address = trimmed.replace(['\t', '\n', '\r'], "").replace(' ', "%20");
    let (scheme, rest) = address.split_once(':')?;
    let may_be_followed = ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let leads_somewhere = !rest.trim_start_matches(['/', '\\']).is_empty();
    (may_be_followed && leads_somewhere && !address.contains(char::is_control)).then_some(address)
}

/// Walks through what the parser sees.
struct Reader<'a> {
    body: &'a str,
    found: Vec<Found>,
    /// The text that was seen last and may go on: the parser cuts it wherever markup might have been.
    text: Range<usize>,
    code: bool,
    /// The links and pictures that enclose what comes, and whether each may be followed.
    inside: Vec<bool>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, place: Range<usize>) {
        if let Event::Text(_) | Event::Html(_) | Event::InlineHtml(_) = event {
            return self.take_text(place);
        }
        self.end_text();
        match event {
            Event::Code(_) => self.find(place, EntityKind::Code),
            Event::Start(Tag::CodeBlock(kind)) => {
                self.code = true;
                self.find(place, EntityKind::CodeBlock { language: language(&kind) });
            }
            Event::End(TagEnd::CodeBlock) => self.code = false,
            Event::Start(Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. }) => {
                let url = match link_type {
                    pulldown_cmark::LinkType::Email => address(&format!("mailto:{dest_url}")),
                    _ => address(&dest_url),
                };
                self.inside.push(url.is_some());
                if let Some(url) = url {
                    self.find(place, EntityKind::Link { url });
                }
            }
            Event::End(TagEnd::Link | TagEnd::Image) => drop(self.inside.pop()),
            _ => {}
        }
    }

    fn find(&mut self, place: Range<usize>, kind: EntityKind) {
        self.found.push(Found { place, what: What::Entity(kind) });
    }

    fn take_text(&mut self, place: Range<usize>) {
        if self.code {
            return;
        }
        if self.text.end == place.start {
            self.text.end = place.end;
        } else {
            self.end_text();
            self.text = place;
        }
    }

    /// Looks for words that mean something in the text that ends here. What a link is called calls nobody and leads
    /// nowhere else.
    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        let in_link = self.inside.contains(&true);
        for (place, word) in words(self.body, text) {
            let what = match word {
                Word::Emoji => What::Entity(EntityKind::Emoji { media_id: None }),
                Word::Named(name) => What::Named(name),
                _ if in_link => continue,
                Word::Address(url) => What::Entity(EntityKind::Link { url }),
                Word::Called(kind) => What::Entity(kind),
                Word::Handle(handle) => What::Handle(handle),
            };
            self.found.push(Found { place, what });
        }
    }
}

fn language(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else { return None };
    info.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
