//! The part of an index that a scan reads, as one lower and one upper bound. With two bounds on one side a
//! store would seek to one of them and step through the rest.

use crate::{Index, Key, Order, Scan};

/// Where a scan's part of the index begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Low {
    /// At this key.
    From(String),
    /// Behind this document.
    After { key: String, id: String },
}

/// Where a scan's part of the index ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum High {
    /// Where the index does.
    Open,
    /// In front of this key.
    Before(String),
    /// In front of this document.
    BeforeDocument { key: String, id: String },
}

pub(crate) fn bounds(scan: &Scan) -> (Low, High) {
    let prefix = scan.prefix.as_str();
    let from = scan.from.as_ref().map_or("", Key::as_str);
    let low = prefix.max(from).to_owned();
    let to = scan.to.as_ref().map(|to| to.as_str().to_owned());
    let high = match (successor(prefix), to) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let cursor = scan.after.as_ref().map(|cursor| (cursor.key.as_str().to_owned(), cursor.id.clone()));
    match (scan.order, cursor) {
        (Order::Ascending, Some((key, id))) if key >= low => (Low::After { key, id }, high_before(high)),
        (Order::Descending, Some((key, id))) if high.as_ref().is_none_or(|high| key < *high) => {
            (Low::From(low), High::BeforeDocument { key, id })
        }
        _ => (Low::From(low), high_before(high)),
    }
}

/// Whether documents of one key are told apart by their id: in a unique index there is but one.
pub(crate) fn needs_id(index: Index) -> bool {
    !index.unique
}

fn high_before(key: Option<String>) -> High {
    key.map_or(High::Open, High::Before)
}

/// The smallest text greater than every text with this prefix; none if there is no such text.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // A range of characters steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{High, Low, bounds, successor};
    use crate::{Cursor, Index, Key, Scan};

    proptest! {
        #[test]
        fn every_text_with_a_prefix_lies_between_it_and_its_successor(prefix in ".{1,3}", rest in ".{0,3}", other in ".{0,4}") {
            let text = format!("{prefix}{rest}");
            let end = successor(&prefix);
            prop_assert!(end.as_ref().is_none_or(|end| text < *end));
            let inside = other >= prefix && end.as_ref().is_none_or(|end| other < *end);
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }
    }

    #[test]
    fn a_cursor_outside_of_the_range_does_not_widen_it() {
        let cursor = |key: &str| Some(Cursor { key: Key::from_encoded(key.to_owned()), id: "i".to_owned() });
        let scan = || Scan::of(Index::ordered("x"), Key::from_encoded("b".to_owned()), 1);
        assert_eq!(bounds(&scan().after(cursor("a"))).0, Low::From("b".to_owned()));
        assert_eq!(bounds(&scan().descending().after(cursor("x"))).1, High::Before("c".to_owned()));
        let inside = High::BeforeDocument { key: "bb".to_owned(), id: "i".to_owned() };
        assert_eq!(bounds(&scan().descending().after(cursor("bb"))).1, inside);
    }
}
