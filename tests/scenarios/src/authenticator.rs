//! What an authenticator app shows, computed by the letter of RFC 6238 from what a person types into it.

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tertulia_runtime::Timestamp;

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The code of this moment.
pub fn code(secret: &str, at: Timestamp) -> Result<String> {
    let mut key = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in secret.chars() {
        bits = bits << 5 | u32::try_from(LETTERS.find(letter).context("a secret is base 32")?)?;
        held += 5;
        if held >= 8 {
            held -= 8;
            key.push(u8::try_from(bits >> held & 255)?);
        }
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(&key)?;
    mac.update(&(u64::try_from(at.as_millis())? / 30_000).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let start = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[start..start + 4].try_into()?) & 0x7fff_ffff;
    Ok(format!("{:06}", number % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_what_the_rfc_shows() {
        // RFC 6238, Appendix B, of whose eight digits the last six.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for (seconds, shown) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(code(secret, Timestamp::from_millis(seconds * 1000)).unwrap(), shown);
        }
    }
}
