//! A second factor: one-time codes by the clock (RFC 6238), and recovery codes for when the device is lost.
//!
//! A code is good once: the time step that it was made for is remembered with the account, and none up to it is taken
//! again (RFC 6238 §5.2). Recovery codes are kept by their fingerprints. The secret itself cannot be: codes are computed
//! from it.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use tertulia_contracts::auth::RECOVERY_CODES;
use tertulia_runtime::{Ambient, Entropy, Timestamp, secret};

/// RFC 4226 §4 asks for 16 at least and recommends 20.
const SECRET_BYTES: usize = 20;
const STEP_MS: u64 = 30_000;
/// A code of the step before or after is taken, too: clocks differ, and people type slowly.
const WINDOW: u64 = 1;
const CODES: u32 = 1_000_000;
/// How long a secret waits for its first code.
const ENROLMENT: Duration = Duration::from_mins(15);
/// 100 bits each, in four groups.
const RECOVERY_CHARS: usize = 20;
const RECOVERY_BYTES: usize = 13;
const GROUP: usize = 5;

/// What an account has of it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct SecondFactor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<Totp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolling: Option<Enrolling>,
    /// The fingerprints of the recovery codes that were not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recovery: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Totp {
    secret: [u8; SECRET_BYTES],
    /// The step of the newest code that was taken.
    last_step: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Enrolling {
    secret: [u8; SECRET_BYTES],
    until: Timestamp,
}

impl SecondFactor {
    /// Whether a code is asked for.
    pub(crate) const fn is_on(&self) -> bool {
        self.active.is_some()
    }

    /// How many recovery codes were not used.
    pub(crate) const fn recovery_codes_left(&self) -> usize {
        self.recovery.len()
    }

    /// Whether there is nothing to store.
    pub(crate) const fn is_empty(&self) -> bool {
        self.active.is_none() && self.enrolling.is_none() && self.recovery.is_empty()
    }

    /// A secret that counts once a code of it is shown. One that waited before is forgotten. Answers it in base 32, as
    /// authenticators take it.
    pub(crate) fn enrol(&mut self, secret: [u8; SECRET_BYTES], now: Timestamp) -> String {
        self.enrolling = Some(Enrolling { secret, until: now.plus(ENROLMENT) });
        base32(&secret)
    }

    /// The secret that waits counts from now on, if this is a code of it.
    pub(crate) fn confirm(&mut self, code: &str, now: Timestamp) -> bool {
        let waiting = self.enrolling.as_ref().filter(|waiting| now < waiting.until);
        let Some(waiting) = waiting else { return false };
        let mut totp = Totp { secret: waiting.secret, last_step: 0 };
        let fits = totp.take(code, now);
        if fits {
            *self = Self { active: Some(totp), ..Self::default() };
        }
        fits
    }

    /// Whether the code is good now; it is not any more then.
    pub(crate) fn take_code(&mut self, code: &str, now: Timestamp) -> bool {
        self.active.as_mut().is_some_and(|totp| totp.take(code, now))
    }

    /// Whether this recovery code was not used before; it is now.
    pub(crate) fn take_recovery_code(&mut self, typed: &str) -> bool {
        let code = as_meant(typed);
        let place = self.recovery.iter().position(|stored| secret::matches(&code, stored));
        place.map(|place| self.recovery.remove(place)).is_some()
    }

    /// These recovery codes take the place of those there were.
    pub(crate) fn set_recovery_codes(&mut self, codes: &[String]) {
        self.recovery = codes.iter().map(|code| secret::fingerprint(&as_meant(code))).collect();
    }
}

impl Totp {
    fn take(&mut self, code: &str, now: Timestamp) -> bool {
        let Some(code) = read_code(code) else { return false };
        let step = u64::try_from(now.as_millis()).unwrap_or(0) / STEP_MS;
        let steps = step.saturating_sub(WINDOW)..=step.saturating_add(WINDOW);
        let found =
            steps.filter(|step| *step > self.last_step).find(|step| code_at(&self.secret, *step) == code);
        self.last_step = found.unwrap_or(self.last_step);
        found.is_some()
    }
}

/// A fresh secret for codes.
pub(crate) fn fresh_secret(entropy: &dyn Entropy) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    entropy.fill(&mut secret);
    secret
}

/// Fresh recovery codes, as they are shown.
pub(crate) fn fresh_recovery_codes(ambient: &Ambient) -> Vec<String> {
    let code = || {
        let mut random = [0; RECOVERY_BYTES];
        ambient.entropy.fill(&mut random);
        let text = base32(&random).to_ascii_lowercase();
        let groups: Vec<&str> =
            (0..RECOVERY_CHARS).step_by(GROUP).map(|start| &text[start..start + GROUP]).collect();
        groups.join("-")
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// What a person meant who typed a recovery code with or without its lines.
fn as_meant(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Six digits; authenticators show them in two groups.
fn read_code(typed: &str) -> Option<u32> {
    let digits: String = typed.chars().filter(|letter| !letter.is_whitespace()).collect();
    let six = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    six.then(|| digits.parse().ok()).flatten()
}

/// HOTP of the step (RFC 4226 §5.3), over SHA-1, since that is what all authenticators compute.
fn code_at(secret: &[u8], step: u64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[digest.len() - 1] & 0xf);
    let cut = [digest[offset], digest[offset + 1], digest[offset + 2], digest[offset + 3]];
    (u32::from_be_bytes(cut) & 0x7fff_ffff) % CODES
}

/// RFC 4648 §6, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| byte >> (7 - place % 8) & 1);
    let letter = |first: usize| {
        let index = (first..first + 5).fold(0, |index, place| index << 1 | bit(place));
        char::from(ALPHABET[usize::from(index)])
    };
    (0..bytes.len() * 8).step_by(5).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    const SECRET: [u8; 20] = *b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of its eight digits.
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code_at(&SECRET, seconds / 30), code, "{seconds}");
        }
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "MY"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    fn on() -> SecondFactor {
        let mut second = SecondFactor::default();
        second.enrol(SECRET, at(0));
        assert!(second.confirm("287082", at(59)));
        second
    }

    #[test]
    fn a_code_is_good_once_and_for_its_neighbours_moments_alone() {
        let code = |seconds: u64| format!("{:06}", code_at(&SECRET, seconds / 30));
        assert!(!on().take_code("287082", at(60)), "the code that confirmed it is used");
        for (late, good) in [(-31_i64, false), (-30, true), (0, true), (30, true), (59, true), (60, false)] {
            assert_eq!(on().take_code(&code(3_000), at(3_000 + late)), good, "{late} s after");
        }
        let mut second = on();
        assert!(second.take_code(&code(3_030), at(3_000)));
        assert!(!second.take_code(&code(3_000), at(3_000)), "none before one that was taken");
        assert!(second.take_code(&code(3_060), at(3_030)));
        for wrong in ["", "12345", "1234567", "+12345", "١٢٣٤٥٦", "12345a"] {
            assert!(!second.take_code(wrong, at(6_000)), "{wrong}");
        }
        let spaced = code(6_000);
        assert!(second.take_code(&format!(" {} {} ", &spaced[..3], &spaced[3..]), at(6_000)));
    }

    #[test]
    fn a_secret_waits_for_its_first_code_a_quarter_of_an_hour() {
        let mut second = SecondFactor::default();
        assert!(!second.confirm("287082", at(59)) && !second.is_on() && second.is_empty());
        second.enrol([0; 20], at(0));
        second.enrol(SECRET, at(59 - 900));
        assert!(!second.clone().confirm("287082", at(59)), "too late");
        second.enrol(SECRET, at(60 - 900));
        assert!(!second.confirm("000000", at(59)) && !second.take_code("287082", at(59)));
        assert!(second.confirm("287082", at(59)) && second.is_on());
    }

    #[test]
    fn a_recovery_code_is_good_once_however_it_is_typed() {
        let (ambient, _) = frozen(1);
        let (mut second, codes) = (on(), fresh_recovery_codes(&ambient));
        second.set_recovery_codes(&codes);
        assert_eq!(second.recovery_codes_left(), RECOVERY_CODES);
        assert_eq!(codes[0].len(), RECOVERY_CHARS + 3);
        let stored = serde_json::to_string(&second).unwrap();
        assert!(codes.iter().all(|code| !stored.contains(code)));
        assert!(second.take_recovery_code(&codes[0].to_uppercase().replace('-', " ")));
        assert!(!second.take_recovery_code(&codes[0]) && !second.take_recovery_code(""));
        second.set_recovery_codes(&fresh_recovery_codes(&ambient));
        assert!(!second.take_recovery_code(&codes[1]));
    }
}
