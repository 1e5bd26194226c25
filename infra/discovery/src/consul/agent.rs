//! The few requests of Consul's agent API that discovery needs.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::ConsulConfig;
use crate::{Error, Instance};

pub(super) struct Agent {
    client: Client,
    url: String,
    token: Option<SecretString>,
    prefix: String,
    ttl: Duration,
    forget_after: Duration,
    timeout: Duration,
}

/// An answer to a blocking query.
pub(super) struct Answer {
    pub(super) instances: Vec<Instance>,
    /// What to ask with for the next change; never zero.
    pub(super) index: u64,
}

/// Whether the agent knew the instance.
pub(super) enum Pass {
    Renewed,
    Unknown,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: String,
    address: IpAddr,
    port: u16,
    check: Check,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    #[serde(rename = "TTL")]
    ttl: String,
    status: &'static str,
    deregister_critical_service_after: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Found,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(rename = "ID")]
    id: String,
    address: String,
    port: u16,
}

impl Agent {
    pub(super) fn new(config: ConsulConfig) -> Result<Self, Error> {
        let url = config.url.trim_end_matches('/').to_owned();
        reqwest::Url::parse(&url).map_err(|error| Error::Refused(format!("{url}: {error}")))?;
        // A proxy for the outer world has no business between a node and its agent.
        let client = Client::builder().no_proxy().connect_timeout(config.timeout).build();
        let client = client.map_err(|error| Error::Refused(chain(&error)))?;
        let ConsulConfig { token, prefix, ttl, forget_after, timeout, .. } = config;
        Ok(Self { client, url, token, prefix, ttl, forget_after, timeout })
    }

    pub(super) async fn register(&self, instance: &Instance) -> Result<(), Error> {
        let service = Service {
            id: &instance.id,
            name: self.service(&instance.role),
            address: instance.address.ip(),
            port: instance.address.port(),
            check: Check {
                id: check_id(&instance.id),
                ttl: milliseconds(self.ttl),
                status: "passing",
                deregister_critical_service_after: milliseconds(self.forget_after),
            },
        };
        let path = "agent/service/register?replace-existing-checks=true";
        let request = self.request(Method::PUT, path).timeout(self.timeout).json(&service);
        expect_success(send(request).await?).await.map(drop)
    }

    /// Says that the instance is healthy for another TTL.
    pub(super) async fn pass(&self, instance: &Instance) -> Result<Pass, Error> {
        let path = format!("agent/check/pass/{}", check_id(&instance.id));
        let answer = send(self.request(Method::PUT, &path).timeout(self.timeout)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(Pass::Unknown);
        }
        expect_success(answer).await.map(|_| Pass::Renewed)
    }

    pub(super) async fn deregister(&self, instance: &Instance) -> Result<(), Error> {
        let path = format!("agent/service/deregister/{}", instance.id);
        let answer = send(self.request(Method::PUT, &path).timeout(self.timeout)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        expect_success(answer).await.map(drop)
    }

    /// Who serves a role and is healthy: at once when `index` is none, otherwise when that has changed, or
    /// after `wait` at the latest.
    pub(super) async fn healthy(
        &self,
        role: &str,
        index: Option<u64>,
        wait: Duration,
    ) -> Result<Answer, Error> {
        let mut path = format!("health/service/{}?passing=true", self.service(role));
        let mut timeout = self.timeout;
        if let Some(index) = index {
            path = format!("{path}&index={index}&wait={}", milliseconds(wait));
            // Consul adds up to a sixteenth to the wait, by chance.
            timeout += wait + wait / 16;
        }
        let answer = send(self.request(Method::GET, &path).timeout(timeout)).await?;
        let answer = expect_success(answer).await?;
        let index = index_of(answer.headers());
        let entries: Vec<Entry> = answer.json().await.map_err(unavailable)?;
        let instances = entries.into_iter().filter_map(|entry| instance_of(role, entry)).collect();
        Ok(Answer { instances, index })
    }

    /// Whether the agent knows a leader, without which it can neither read nor write.
    pub(super) async fn leader(&self) -> Result<(), Error> {
        let answer = send(self.request(Method::GET, "status/leader").timeout(self.timeout)).await?;
        let leader: String = expect_success(answer).await?.json().await.map_err(unavailable)?;
        if leader.is_empty() {
            return Err(Error::Unavailable("Consul has no leader".to_owned()));
        }
        Ok(())
    }

    fn service(&self, role: &str) -> String {
        format!("{}{role}", self.prefix)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/v1/{path}", self.url));
        match &self.token {
            Some(token) => request.header("X-Consul-Token", token.expose_secret()),
            None => request,
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Error> {
    request.send().await.map_err(unavailable)
}

/// What the agent answers besides success: it is not well (5xx, 429), or it will never do this.
async fn expect_success(answer: Response) -> Result<Response, Error> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer.text().await.unwrap_or_default();
    let cause = format!("{status}: {}", said.trim());
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::Refused(cause));
    }
    Err(Error::Unavailable(cause))
}

fn instance_of(role: &str, entry: Entry) -> Option<Instance> {
    // A service without an address of its own is at its node's.
    let Entry { node, service: Found { id, address, port } } = entry;
    let address = if address.is_empty() { node.address } else { address };
    let Ok(ip) = address.parse::<IpAddr>() else {
        warn!(role, id, address, "an instance whose address is no IP address is passed over");
        return None;
    };
    Some(Instance { role: role.to_owned(), id, address: (ip, port).into() })
}

/// Zero would not wait, and Consul's documentation says to take it for one.
fn index_of(headers: &HeaderMap) -> u64 {
    let index = headers.get("X-Consul-Index").and_then(|index| index.to_str().ok()?.parse().ok());
    index.unwrap_or(0).max(1)
}

fn check_id(id: &str) -> String {
    format!("service:{id}")
}

/// As Go reads durations.
fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn unavailable(error: reqwest::Error) -> Error {
    Error::Unavailable(chain(&error.without_url()))
}

/// An error with its causes, which reqwest's own text leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
