//! What a mailbox is good for: proving an address, and setting a password anew.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

/// The longest language tag (RFC 5646 §4.4.1 asks for 35 at least).
pub const MAX_LOCALE_BYTES: usize = 35;

/// The rule for languages: the form of a BCP 47 tag (RFC 5646 §2.1). Which tags there are is not asked.
pub fn locale(tag: &str, _: &()) -> garde::Result {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    let first = (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let fits =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if first && parts.all(fits) && tag.len() <= MAX_LOCALE_BYTES {
        return Ok(());
    }
    Err(garde::Error::new("use a language tag such as en or es-MX"))
}

/// `PUT /v1/me/email`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The address to be: at most 254 characters.
    #[garde(length(chars, max = 254), custom(super::email))]
    #[schema(min_length = 3, max_length = 254)]
    pub email: String,
    /// The account's password.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(format = Password, min_length = 1, max_length = 256)]
    pub password: String,
}

/// `POST /v1/email/verify`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmail {
    /// What stands behind the `#` of the link in the mail.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(min_length = 1, max_length = 256)]
    pub token: String,
}

/// `PUT /v1/me/password`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password that it is now.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(format = Password, min_length = 1, max_length = 256)]
    pub current_password: String,
    /// The password that it is to be: 10 to 256 bytes, and not easily guessed.
    #[garde(length(bytes, min = 10, max = 256))]
    #[schema(format = Password, min_length = 10, max_length = 256)]
    pub password: String,
}

/// `POST /v1/password/forgot`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// The handle or the verified e-mail address.
    #[garde(length(bytes, min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254)]
    pub identifier: String,
}

/// `POST /v1/password/reset`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// What stands behind the `#` of the link in the mail.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(min_length = 1, max_length = 256)]
    pub token: String,
    /// The password that it is to be: 10 to 256 bytes, and not easily guessed.
    #[garde(length(bytes, min = 10, max = 256))]
    #[schema(format = Password, min_length = 10, max_length = 256)]
    pub password: String,
}

/// The query of `GET /v1/operator/mail`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListMail {
    /// Where the page before ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 1024)))]
    #[param(min_length = 1, max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to 100; 20 if absent.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A mail in the outbox. Links in it let in whoever has them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentMail {
    /// Its id, which its `Message-ID` would be made of.
    #[schema(pattern = "^mai_[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    pub id: String,
    /// When what it tells happened.
    pub at: Timestamp,
    /// Whom it is for.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// A list of mails.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SentMails {
    /// Newest first.
    pub items: Vec<SentMail>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_the_form_of_a_tag() {
        let long = format!("en{}", "-abcdefgh".repeat(3)) + "-abcde";
        assert_eq!(long.len(), MAX_LOCALE_BYTES);
        for good in ["en", "es", "es-MX", "zh-Hant-TW", "sl-rozaj-biske-1994", "de-CH-x-phonebk", &long] {
            assert!(locale(good, &()).is_ok(), "{good}");
        }
        for bad in
            ["", "e", "-", "en-", "en_US", "español", "en us", "en\n", "1en", "abcdefghi", &(long + "f")]
        {
            assert!(locale(bad, &()).is_err(), "{bad:?}");
        }
    }
}
