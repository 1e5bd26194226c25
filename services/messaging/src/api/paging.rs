//! Query strings of lists.

use garde::Validate;
use serde::Deserialize;
use tertulia_contracts::messaging::{DirectoryOrder, MAX_PAGE, MAX_SEARCH_CHARS};
use tertulia_documents::Cursor;
use utoipa::IntoParams;

use crate::{Error, model::listing::words, service::directory::Search, store::entries::Span};

pub(super) const DEFAULT_PAGE: usize = 50;

/// A page of a list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[param(min_length = 1, max_length = 4096, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl ListQuery {
    pub(super) fn read(&self) -> Result<(Option<Cursor>, usize), Error> {
        Ok((cursor_at(self.cursor.as_deref())?, self.limit.unwrap_or(DEFAULT_PAGE)))
    }
}

/// A search of the directory.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DirectoryQuery {
    /// Beginnings of words, of which at least one letter or digit.
    #[garde(inner(length(chars, max = MAX_SEARCH_CHARS)))]
    #[param(max_length = 64)]
    q: Option<String>,
    /// A tag.
    #[garde(inner(custom(tertulia_contracts::messaging::tag)))]
    tag: Option<String>,
    /// In which order, by name if absent. A search for words has its own.
    #[garde(skip)]
    #[param(inline)]
    order: Option<DirectoryOrder>,
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[param(min_length = 1, max_length = 4096, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl DirectoryQuery {
    pub(super) fn read(&self) -> Result<(Search, Option<Cursor>, usize), Error> {
        let words = self.q.as_deref().map(words).unwrap_or_default();
        if self.q.is_some() && words.is_empty() {
            return Err(Error::invalid("q", "give at least one letter or digit"));
        }
        if self.q.is_some() && self.order.is_some() {
            return Err(Error::invalid("order", "a search for words has its own order"));
        }
        let tag = self.tag.as_deref().map(str::to_lowercase);
        let search = Search { words, tag, order: self.order.unwrap_or_default() };
        Ok((search, cursor_at(self.cursor.as_deref())?, self.limit.unwrap_or(DEFAULT_PAGE)))
    }
}

/// Where a page begins that a client asks for.
pub(super) fn cursor_at(text: Option<&str>) -> Result<Option<Cursor>, Error> {
    text.map(Cursor::decode).transpose().map_err(|_| not_ours())
}

/// A page of messages. At most one of `cursor`, `before_seq` and `after_seq`; without any, the newest.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 32)))]
    #[param(min_length = 2, max_length = 17, pattern = "^[ab][0-9a-f]{1,16}$")]
    cursor: Option<String>,
    /// The nearest messages below this position.
    #[garde(skip)]
    #[param(format = "uint64")]
    before_seq: Option<u64>,
    /// The nearest messages above this position.
    #[garde(skip)]
    #[param(format = "uint64")]
    after_seq: Option<u64>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl MessagesQuery {
    pub(super) fn read(&self) -> Result<(Span, usize), Error> {
        let span = match (&self.cursor, self.before_seq, self.after_seq) {
            (None, None, None) => Span::Newest,
            (None, Some(seq), None) => Span::Before(seq),
            (None, None, Some(seq)) => Span::After(seq),
            (Some(cursor), None, None) => span_of(cursor).ok_or_else(not_ours)?,
            _ => {
                return Err(Error::invalid(
                    "before_seq",
                    "give at most one of cursor, before_seq and after_seq",
                ));
            }
        };
        Ok((span, self.limit.unwrap_or(DEFAULT_PAGE)))
    }
}

/// A page of a list in the order of positions.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ThreadsQuery {
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 32)))]
    #[param(min_length = 2, max_length = 17, pattern = "^[ab][0-9a-f]{1,16}$")]
    cursor: Option<String>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl ThreadsQuery {
    pub(super) fn read(&self) -> Result<(Option<u64>, usize), Error> {
        let below = match self.cursor.as_deref().map(span_of) {
            None => None,
            Some(Some(Span::Before(seq))) => Some(seq),
            Some(_) => return Err(not_ours()),
        };
        Ok((below, self.limit.unwrap_or(DEFAULT_PAGE)))
    }
}

/// A page of a log.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Entries above this position; from the first if absent.
    #[garde(skip)]
    #[param(format = "uint64")]
    after_seq: Option<u64>,
    /// At most so many entries; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl LogQuery {
    pub(super) fn read(&self) -> (u64, usize) {
        (self.after_seq.unwrap_or(0), self.limit.unwrap_or(DEFAULT_PAGE))
    }
}

/// A page of one's own log.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OwnLogQuery {
    /// Entries above this position; from the first if absent.
    #[garde(skip)]
    #[param(format = "uint64")]
    after_useq: Option<u64>,
    /// At most so many entries; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl OwnLogQuery {
    pub(super) fn read(&self) -> (u64, usize) {
        (self.after_useq.unwrap_or(0), self.limit.unwrap_or(DEFAULT_PAGE))
    }
}

/// A place among messages as a client carries it.
pub(super) fn cursor_of(span: Span) -> Option<String> {
    match span {
        Span::Newest => None,
        Span::Before(seq) => Some(format!("b{seq:x}")),
        Span::After(seq) => Some(format!("a{seq:x}")),
    }
}

fn span_of(cursor: &str) -> Option<Span> {
    let seq = |text: &str| u64::from_str_radix(text, 16).ok();
    match (cursor.strip_prefix('b'), cursor.strip_prefix('a')) {
        (Some(text), _) => seq(text).map(Span::Before),
        (_, Some(text)) => seq(text).map(Span::After),
        _ => None,
    }
}

fn not_ours() -> Error {
    Error::invalid("cursor", "this is not a cursor of this list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was() {
        for span in [Span::Before(0), Span::Before(255), Span::After(u64::MAX)] {
            assert_eq!(span_of(&cursor_of(span).unwrap()), Some(span));
        }
        for foreign in ["", "b", "c1", "b-1", "bxyz", "aé"] {
            assert_eq!(span_of(foreign), None, "{foreign}");
        }
    }
}
