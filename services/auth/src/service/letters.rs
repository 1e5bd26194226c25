//! What mails say, in the languages there are. A letter is written once, as text: its first line is the subject, and its HTML
//! is the same paragraphs, escaped, in one layout for all.

use minijinja::{Environment, context};

use crate::Error;

/// English first: it is for whoever reads none of the others, too.
const LANGUAGES: &[&str] = &["en", "es"];

macro_rules! templates {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

const TEMPLATES: &[(&str, &str)] = templates![
    "layout.html",
    "en/verify_email.txt",
    "en/email_replaced.txt",
    "en/reset_password.txt",
    "en/password_changed.txt",
    "en/account_erased.txt",
    "es/verify_email.txt",
    "es/email_replaced.txt",
    "es/reset_password.txt",
    "es/password_changed.txt",
    "es/account_erased.txt"
];

/// What a letter is filled in with. A handle is ASCII letters, digits and three marks: nobody's own words are mailed to
/// strangers in this instance's name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    pub(crate) handle: &'a str,
    /// Empty for letters without one.
    pub(crate) link: &'a str,
}

/// A letter, written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Writes letters.
pub(crate) struct Letters(Environment<'static>);

impl Letters {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).map_err(template)?;
        }
        Ok(Self(environment))
    }

    /// Writes a letter in the language of this tag, or else in English.
    pub(crate) fn write(
        &self,
        kind: &str,
        locale: Option<&str>,
        filling: Filling<'_>,
    ) -> Result<Written, Error> {
        let language = language(locale);
        let letter = self.0.get_template(&format!("{language}/{kind}.txt")).map_err(template)?;
        let Filling { handle, link } = filling;
        let whole = letter.render(context! { handle, link }).map_err(template)?;
        let (subject, text) =
            whole.split_once("\n\n").ok_or(Error::Template("a letter has no subject".to_owned()))?;
        let paragraphs: Vec<String> = text.split("\n\n").map(|it| it.trim().to_owned()).collect();
        let layout = self.0.get_template("layout.html").map_err(template)?;
        let html = layout.render(context! { language, subject, paragraphs, link }).map_err(template)?;
        Ok(Written { subject: subject.to_owned(), text: text.to_owned(), html })
    }
}

/// The language of a tag, as far as there are letters in it (RFC 4647 §3.4, lookup).
fn language(locale: Option<&str>) -> &'static str {
    let first = locale.and_then(|tag| tag.split('-').next()).unwrap_or_default();
    LANGUAGES.iter().copied().find(|known| known.eq_ignore_ascii_case(first)).unwrap_or(LANGUAGES[0])
}

fn template(error: impl std::fmt::Display) -> Error {
    Error::Template(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 5] =
        ["verify_email", "email_replaced", "reset_password", "password_changed", "account_erased"];
    const FILLING: Filling<'_> =
        Filling { handle: "ana", link: "https://chat.example/verify-email#usr_1.a-_b" };

    #[test]
    fn every_letter_is_written_in_every_language() {
        let letters = Letters::new().unwrap();
        for language in LANGUAGES {
            for kind in KINDS {
                let written = letters.write(kind, Some(language), FILLING).unwrap();
                assert!(written.text.contains("ana"), "{written:?}");
                assert_eq!(written.html.lines().nth(1), Some(format!("<html lang=\"{language}\">").as_str()));
                let has_link = written.text.contains(FILLING.link);
                assert_eq!(has_link, ["verify_email", "reset_password"].contains(&kind), "{written:?}");
                assert_eq!(written.html.contains("<a href="), has_link, "{written:?}");
            }
        }
    }

    #[test]
    fn a_tag_finds_the_nearest_language_there_is() {
        for (tag, found) in [("es", "es"), ("es-MX", "es"), ("ES-419", "es"), ("en-GB", "en"), ("fr", "en")] {
            assert_eq!(language(Some(tag)), found, "{tag}");
        }
        assert_eq!(language(None), "en");
    }

    #[test]
    fn the_html_says_what_the_text_says_and_escapes_it() {
        let letters = Letters::new().unwrap();
        let filling = Filling { handle: "<b>\"ana\"</b>", link: "https://x.example/?a=1&b=\"><script>" };
        let written = letters.write("verify_email", None, filling).unwrap();
        assert!(written.text.contains("<b>") && written.text.contains(filling.link), "{written:?}");
        assert!(!written.html.contains("<b>") && !written.html.contains("<script>"), "{written:?}");
        assert!(written.html.contains("&lt;b&gt;") && written.html.contains("a=1&amp;b="), "{written:?}");
    }

    #[test]
    fn a_letter_begins_with_its_subject() {
        let written = Letters::new().unwrap().write("password_changed", Some("es"), FILLING).unwrap();
        assert_eq!(written.subject, "Tu contraseña ha cambiado");
        assert!(written.text.starts_with("Hola, ana:\n\nTu cuenta tiene"), "{written:?}");
    }
}
