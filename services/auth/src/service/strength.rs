//! Whether a password can be guessed, by an estimator that knows what people choose (zxcvbn; Wheeler, USENIX Security 2016),
//! and not by the sorts of characters in it (NIST SP 800-63B §3.1.1.2, OWASP ASVS 6.2).

use zxcvbn::{Score, zxcvbn};

/// At least this many guesses: beyond what is tried against one account, with a slow hash in between.
const LEAST: Score = Score::Three;

/// Why a password is too easily guessed, with what would be better; none if it is not. It takes milliseconds, and looks at
/// the first 100 characters only.
pub(super) fn weakness(password: &str, known: &[String]) -> Option<String> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &known);
    if estimate.score() >= LEAST {
        return None;
    }
    let mut reason = "is too easily guessed.".to_owned();
    if let Some(feedback) = estimate.feedback() {
        let warning = feedback.warning().map(|warning| warning.to_string());
        let suggestions = feedback.suggestions().iter().map(ToString::to_string);
        for sentence in warning.into_iter().chain(suggestions) {
            reason.push(' ');
            reason.push_str(&sentence);
        }
    }
    Some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_choose_is_weak_and_a_sentence_is_not() {
        let known = ["ana-maria".to_owned(), "ana@example.org".to_owned()];
        for weak in
            ["password123", "qwertyuiop", "1234567890", "aaaaaaaaaaaaaaaa", "ana-maria1", "ana@example.org"]
        {
            let reason = weakness(weak, &known).unwrap_or_else(|| panic!("{weak} is taken for strong"));
            assert!(reason.starts_with("is too easily guessed. ") && !reason.contains(weak), "{reason}");
        }
        for strong in ["correct horse battery", "correct horse battery staple", "mXq7-tRw9.Kd2"] {
            assert_eq!(weakness(strong, &known), None, "{strong}");
        }
    }

    #[test]
    fn a_long_password_costs_no_more() {
        assert!(weakness(&"abc1".repeat(64), &[]).is_some());
    }
}
