//! The text of a token for a program.
//!
//! `tert_`, 30 letters and digits at random and 6 that check them: the form that GitHub gave its tokens ("Behind
//! GitHub's new authentication token formats", 2021). The prefix lets scanners find a token that was published by
//! mistake (`tert_[0-9A-Za-z]{36}`), and the check tells a token from what only looks like one without asking anybody.
//! 30 characters of base 62 are 178 bits.

use std::{fmt, str::FromStr};

use tertulia_runtime::Entropy;

/// What every API token begins with, and no JWT does.
pub const API_TOKEN_PREFIX: &str = "tert_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARS: usize = 30;
const CHECK_CHARS: usize = 6;

/// A well-formed API token. Whether it is anybody's is for auth to say.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

/// The text is no API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// It does not have the form.
    #[error("it does not have the form of an API token")]
    Form,
    /// It has the form, and its last characters do not fit the others.
    #[error("its checksum is wrong: a part of it is missing or mistyped")]
    Checksum,
}

impl ApiToken {
    /// A fresh one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(marked_secret(API_TOKEN_PREFIX, entropy))
    }

    /// As the program carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let rest = text.strip_prefix(API_TOKEN_PREFIX).ok_or(MalformedToken::Form)?;
        if rest.len() != RANDOM_CHARS + CHECK_CHARS || !rest.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(MalformedToken::Form);
        }
        let (random, check) = rest.split_at(RANDOM_CHARS);
        if check_of(random) == check { Ok(Self(text.to_owned())) } else { Err(MalformedToken::Checksum) }
    }
}

/// A fresh secret of this form that begins with another mark.
pub fn marked_secret(prefix: &str, entropy: &dyn Entropy) -> String {
    let mut random = String::with_capacity(RANDOM_CHARS);
    while random.len() < RANDOM_CHARS {
        let mut byte = [0];
        entropy.fill(&mut byte);
        // Of the 256 values 248 are four times the alphabet; the rest would make some characters likelier.
        if byte[0] < 248 {
            random.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    let check = check_of(&random);
    format!("{prefix}{random}{check}")
}

/// It is a secret: a log names it by nothing.
impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// The CRC-32 of the random part in base 62, with leading zeros.
fn check_of(random: &str) -> String {
    let mut rest = crc32(random.as_bytes());
    let mut check = [ALPHABET[0]; CHECK_CHARS];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    check.map(char::from).iter().collect()
}

/// CRC-32/ISO-HDLC, the one of Ethernet and zip (ISO/IEC 13239), bit by bit: thirty bytes are soon done.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use tertulia_runtime::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of the catalogue of CRC algorithms, <https://reveng.sourceforge.io/crc-catalogue/17plus.htm>.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(check_of(""), "000000");
    }

    #[test]
    fn a_token_is_read_as_it_is_written_and_each_is_another() {
        let entropy = SeededEntropy::new(4);
        let tokens: HashSet<String> =
            (0..200).map(|_| ApiToken::generate(&entropy).reveal().to_owned()).collect();
        assert_eq!(tokens.len(), 200);
        for token in &tokens {
            assert_eq!(token.len(), API_TOKEN_PREFIX.len() + 36);
            assert_eq!(token.parse::<ApiToken>().unwrap().reveal(), token);
        }
        let used: HashSet<char> = tokens.iter().flat_map(|token| token[5..35].chars()).collect();
        assert_eq!(used.len(), 62, "every character of the alphabet occurs");
        assert!(!format!("{:?}", ApiToken::generate(&entropy)).contains("tert_"));
    }

    #[test]
    fn one_wrong_character_is_seen() {
        let token = ApiToken::generate(&SeededEntropy::new(5)).reveal().to_owned();
        for place in API_TOKEN_PREFIX.len()..token.len() {
            let mut typed = token.clone().into_bytes();
            typed[place] = if typed[place] == b'x' { b'y' } else { b'x' };
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(typed.parse::<ApiToken>(), Err(MalformedToken::Checksum), "{place}");
        }
        for length in 0..token.len() {
            assert_eq!(token[..length].parse::<ApiToken>(), Err(MalformedToken::Form));
        }
        for wrong in [format!("{token}0"), token.to_uppercase(), format!(" {token}"), token.replace('_', "-")]
        {
            assert!(wrong.parse::<ApiToken>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_read(text in "(tert_)?\\PC{0,60}") {
            if let Ok(token) = text.parse::<ApiToken>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
