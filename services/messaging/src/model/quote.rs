//! Quotes: a part of what a message says, held by its place and never by its words.

use tertulia_contracts::messaging::{Quote, Quoted};

/// The place of a quote in a body that the entry at `seq` says; none if that does not say it there.
pub fn find_quote(seq: u64, body: &str, quote: &Quote) -> Option<Quoted> {
    let (length, text) = (units(&quote.text), quote.text.as_str());
    let offset = match quote.offset {
        Some(offset) => (cut(body, offset, length)? == text).then_some(offset)?,
        None => units(&body[..body.find(text)?]),
    };
    Some(Quoted { seq, offset, length, text: None })
}

/// What stands in a body at a place that is counted in UTF-16 code units.
pub fn cut(body: &str, offset: u32, length: u32) -> Option<String> {
    let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
    let cut: Vec<u16> = body.encode_utf16().skip(offset).take(length).collect();
    if cut.len() < length {
        return None;
    }
    String::from_utf16(&cut).ok()
}

fn units(text: &str) -> u32 {
    text.chars().map(|character| if character.len_utf16() == 1 { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quote(text: &str, offset: Option<u32>) -> Quote {
        Quote { text: text.to_owned(), offset }
    }

    #[test]
    fn a_quote_is_found_where_it_is_said_to_be_or_where_it_first_is() {
        let place = |text, offset| find_quote(7, "é👍 say, say", &quote(text, offset)).map(|it| it.offset);
        assert_eq!(place("say", None), Some(4));
        assert_eq!(place("say", Some(9)), Some(9));
        assert_eq!((place("say", Some(8)), place("says", None)), (None, None));
        assert_eq!((place("say", Some(10)), place("say", Some(u32::MAX))), (None, None));
        assert_eq!((place("👍", Some(1)), place("👍", Some(2))), (Some(1), None));
        assert_eq!(cut("é👍", 2, 1), None, "half a character is none");
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_is_cut_out(body in "[aé👍]{1,30}", from in 0_usize..30, length in 1_usize..30) {
            let text: String = body.chars().skip(from).take(length).collect();
            prop_assume!(!text.is_empty());
            let found = find_quote(1, &body, &quote(&text, None)).unwrap();
            prop_assert_eq!(cut(&body, found.offset, found.length), Some(text.clone()));
            let again = find_quote(1, &body, &quote(&text, Some(found.offset)));
            prop_assert_eq!(again, Some(found));
        }
    }
}
