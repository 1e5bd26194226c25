//! Asking a provider, within bounds.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::header;
use reqwest::{Client, RequestBuilder, redirect};
use serde::de::DeserializeOwned;
use tertulia_runtime::problem::chain;
use url::{Host, Url, form_urlencoded};

use super::{MAX_ANSWER_BYTES, TIMEOUT, parse};
use crate::{Error, error::WayIn};

/// A client that goes nowhere but where it is sent.
#[derive(Clone)]
pub(super) struct Fetch(Client);

impl Fetch {
    pub(super) fn new() -> Result<Self, Error> {
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
        client.map(Self).map_err(|error| Error::OpenidConfig(chain(&error)))
    }

    /// What is read at this address.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, Error> {
        match read(self.0.get(secured(url)?)).await {
            // Nobody asked for anything but what everybody may read.
            Err(Error::WayIn(WayIn::OpenidRefused(what))) => Err(WayIn::ProviderWrong(what).into()),
            answered => answered,
        }
    }

    /// What these fields of a form are answered, the client naming itself by `basic` (RFC 6749 §2.3.1).
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: &str,
        basic: Option<(&str, &str)>,
        fields: &[(&str, &str)],
    ) -> Result<T, Error> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.0.post(secured(url)?).body(body);
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((id, secret)) = basic {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
            request = request.header(header::AUTHORIZATION, format!("Basic {both}"));
        }
        read(request).await
    }
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Error> {
    let request = request.header(header::ACCEPT, "application/json");
    let mut answer = request.send().await.map_err(away)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(WayIn::ProviderWrong(format!("its answer exceeds {MAX_ANSWER_BYTES} bytes")).into());
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_server_error() {
        return Err(WayIn::ProviderAway(format!("it answered {status}")).into());
    }
    if status.is_client_error() {
        // The error's name alone: what it says besides is its own business.
        return Err(WayIn::OpenidRefused(format!("it answered {status} {}", named(&body))).into());
    }
    if !status.is_success() {
        return Err(WayIn::ProviderWrong(format!("it answered {status}")).into());
    }
    serde_json::from_slice(&body).map_err(|error| WayIn::ProviderWrong(format!("its answer: {error}")).into())
}

/// The `error` of RFC 6749 §5.2, if that is what it is.
fn named(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = value.as_ref().and_then(|value| value["error"].as_str()).unwrap_or_default();
    error.chars().filter(char::is_ascii_graphic).take(64).collect()
}

fn away(error: reqwest::Error) -> Error {
    WayIn::ProviderAway(chain(&error.without_url())).into()
}

/// The address, if nobody on the way can read or change what is said there.
pub(super) fn secured(url: &str) -> Result<Url, Error> {
    parse(url)
        .filter(is_secured)
        .ok_or_else(|| WayIn::ProviderWrong(format!("it names {url:?}, which is not https")).into())
}

/// Encrypted, or on this very machine.
pub(super) fn is_secured(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_spoken_to() {
        for fine in
            ["https://id.example/a?b=c", "http://127.0.0.1:80", "http://localhost:1", "http://[::1]:2/x"]
        {
            secured(fine).unwrap();
        }
        let wrong = [
            "http://id.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ftp://127.0.0.1",
            "//id.example",
            "",
        ];
        for wrong in wrong {
            assert!(matches!(secured(wrong), Err(Error::WayIn(WayIn::ProviderWrong(_)))), "{wrong}");
        }
    }
}
