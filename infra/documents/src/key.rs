//! Keys of indexes: tuples of texts and numbers, encoded as one string whose byte order is the tuples'
//! order. Every store sorts strings by their bytes, so one encoding serves them all, and a page's cursor
//! is the same everywhere.

use std::fmt::Write;

/// Ends a text, so that ("a", "b") and ("ab",) differ and a shorter text sorts first.
const END: char = '\u{1}';
/// Stands before a character that would otherwise be taken for [`END`] or this one. U+0000 is escaped too,
/// since PostgreSQL behind a MongoDB-compatible server cannot hold it.
const ESCAPE: char = '\u{2}';

/// An order-preserving encoding of a tuple of texts and numbers. Built part by part:
/// `Key::new().text("cnv_1").number(13)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The empty tuple: as a prefix, it matches everything.
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Appends a text. Sorts by its UTF-8 bytes.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for character in text.chars() {
            let escaped = match character {
                '\0' => '\u{3}',
                END => '\u{4}',
                ESCAPE => '\u{5}',
                plain => {
                    self.0.push(plain);
                    continue;
                }
            };
            self.0.extend([ESCAPE, escaped]);
        }
        self.0.push(END);
        self
    }

    /// Appends whatever displays as a text: an id.
    #[must_use]
    pub fn display(self, value: impl std::fmt::Display) -> Self {
        self.text(&value.to_string())
    }

    /// Appends a number. Sorts by its value.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        write!(self.0, "{number:016x}{END}").expect("writing to a string does not fail");
        self
    }

    /// The encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes an encoding as it is: what a cursor held.
    pub fn from_encoded(encoded: String) -> Self {
        Self(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Text(String),
        Number(u64),
    }

    fn encode(parts: &[Part]) -> Key {
        parts.iter().fold(Key::new(), |key, part| match part {
            Part::Text(text) => key.text(text),
            Part::Number(number) => key.number(*number),
        })
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![Just('\0'), Just('\u{1}'), Just('\u{2}'), Just('\u{3}'), any::<char>()],
            0..6,
        )
        .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn the_order_of_keys_is_the_order_of_tuples(a in (text(), any::<u64>(), text()), b in (text(), any::<u64>(), text())) {
            let parts = |t: &(String, u64, String)| vec![Part::Text(t.0.clone()), Part::Number(t.1), Part::Text(t.2.clone())];
            prop_assert_eq!(encode(&parts(&a)).cmp(&encode(&parts(&b))), a.cmp(&b));
        }
    }
}
