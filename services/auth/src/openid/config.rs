//! Which providers there are.

use serde::{Deserialize, Serialize};
use tertulia_runtime::config::Secret;

use super::{fetch::is_secured, parse};

/// The most providers; more is a list that nobody reads.
const MAX_PROVIDERS: usize = 20;

/// A provider that people may sign in with: `[[auth.openid]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenidConfig {
    /// What it is called in paths: lower-case letters, digits and `-`.
    pub id: String,
    /// What people are shown.
    pub name: String,
    /// Its issuer identifier, exactly as it says it itself: `https://accounts.google.com`.
    pub issuer: String,
    /// What it calls this instance.
    pub client_id: String,
    /// What this instance shows to it. None, if it was registered as a public client.
    #[serde(default)]
    pub client_secret: Secret,
    /// What it is asked for; `openid` always is.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
}

fn usual_scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

impl OpenidConfig {
    /// The scopes as they are asked for.
    pub(super) fn scope(&self) -> String {
        let others = self.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid");
        std::iter::once("openid").chain(others).collect::<Vec<_>>().join(" ")
    }
}

/// Says what is wrong with the list.
pub(super) fn check(configs: &[OpenidConfig]) -> Result<(), String> {
    if configs.len() > MAX_PROVIDERS {
        return Err(format!("auth.openid: at most {MAX_PROVIDERS} providers"));
    }
    for (at, config) in configs.iter().enumerate() {
        let wrong = |what: &str| Err(format!("auth.openid[{at}]: {what}"));
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&config.id.len()) || !config.id.bytes().all(named) {
            return wrong("id is 1 to 32 lower-case letters, digits and -");
        }
        if configs[..at].iter().any(|other| other.id == config.id || other.issuer == config.issuer) {
            return wrong("another provider has the same id or issuer");
        }
        if config.name.trim().is_empty() || config.client_id.is_empty() {
            return wrong("name and client_id must be set");
        }
        let issuer = parse(&config.issuer);
        if !issuer.is_some_and(|url| is_secured(&url) && url.query().is_none() && url.fragment().is_none()) {
            return wrong("issuer is a https URL without query and fragment");
        }
        let fine = |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
        if !config.scopes.iter().all(fine) {
            return wrong("scopes are words without white space");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn google() -> OpenidConfig {
        OpenidConfig {
            id: "google".to_owned(),
            name: "Google".to_owned(),
            issuer: "https://accounts.google.com".to_owned(),
            client_id: "it".to_owned(),
            client_secret: Secret::new("hush"),
            scopes: usual_scopes(),
        }
    }

    #[test]
    fn what_cannot_be_a_provider_is_refused_at_start() {
        check(&[google()]).unwrap();
        let on_this_machine = OpenidConfig { issuer: "http://127.0.0.1:9000/op".to_owned(), ..google() };
        check(&[on_this_machine]).unwrap();
        let text = str::to_owned;
        let wrong = [
            OpenidConfig { id: text("Google"), ..google() },
            OpenidConfig { id: text(""), ..google() },
            OpenidConfig { id: "x".repeat(33), ..google() },
            OpenidConfig { name: text(" "), ..google() },
            OpenidConfig { client_id: text(""), ..google() },
            OpenidConfig { issuer: text("http://id.example"), ..google() },
            OpenidConfig { issuer: text("https://id.example/?a=1"), ..google() },
            OpenidConfig { issuer: text("https://id.example/#a"), ..google() },
            OpenidConfig { issuer: text("id.example"), ..google() },
            OpenidConfig { scopes: vec![text("a b")], ..google() },
        ];
        for config in wrong {
            check(std::slice::from_ref(&config)).expect_err(&format!("{config:?}"));
        }
        check(&[google(), google()]).unwrap_err();
        let many = |count: usize| -> Vec<OpenidConfig> {
            let numbered =
                |n| OpenidConfig { id: format!("p{n}"), issuer: format!("https://{n}.example"), ..google() };
            (0..count).map(numbered).collect()
        };
        check(&many(MAX_PROVIDERS)).unwrap();
        check(&many(MAX_PROVIDERS + 1)).unwrap_err();
    }

    #[test]
    fn openid_is_always_asked_for_and_the_secret_never_shown() {
        let config = OpenidConfig { scopes: vec!["email".to_owned(), "openid".to_owned()], ..google() };
        assert_eq!(config.scope(), "openid email");
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hush"));
    }
}
