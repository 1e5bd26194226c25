//! Somebody comes in by an account elsewhere.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use http::Method;
use reqwest::{Client, Response, Url, header, redirect};
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::auth::{LinkedIdentities, OpenidProviders, OpenidStarted, SignedIn};

use crate::{person::PATIENCE, system::System};

/// More pages than signing in at a provider has.
const MAX_PAGES: usize = 10;

/// Nadia has no account here: she signs in at a provider, chooses a name, and comes in again by another gateway. Ana has one,
/// and links hers. Nobody finishes what somebody else began, nothing is finished twice, and nobody removes their last way in.
pub(super) async fn in_by_an_account_elsewhere(system: &System) -> Result<()> {
    let number = system.next_number();
    let (nadia, ana) = (format!("nadia{number}"), format!("ana{number}"));
    let gateways = system.gateways_from(0);
    let (here, there) = (system.stranger(&gateways[0])?, system.stranger(&gateways[1 % gateways.len()])?);
    let providers: OpenidProviders = here.send::<(), _>(Method::GET, "/v1/openid", None).await?;
    ensure!(providers.items.len() == 1, "{providers:?}");

    let answer = Elsewhere::sign_in(&here, "/v1/openid", &nadia).await?;
    let stolen = answer.with_secret(&Elsewhere::sign_in(&here, "/v1/openid", "eve").await?.secret);
    is_refused(&there, "/v1/openid/finish", &stolen, "openid_flow_invalid").await?;
    is_refused(&there, "/v1/openid/finish", &answer.body, "account_needed").await?;
    is_refused(&here, "/v1/openid/finish", &answer.body, "openid_flow_invalid").await?;
    let wish = json!({"state": answer.state, "secret": answer.secret, "handle": nadia});
    let first: SignedIn = here.send(Method::POST, "/v1/openid/accounts", Some(&wish)).await?;
    let answer = Elsewhere::sign_in(&there, "/v1/openid", &nadia).await?;
    let again: SignedIn = here.send(Method::POST, "/v1/openid/finish", Some(&answer.body)).await?;
    ensure!(again.account.id == first.account.id && again.session.id != first.session.id);
    let nadias = here.with_token(&again.access_token);
    let path = format!("/v1/me/openid/{}", only_link(&nadias).await?);
    let last: Result<Value, ApiError> = nadias.send::<(), _>(Method::DELETE, &path, None).await;
    ensure!(last.as_ref().err().and_then(ApiError::code) == Some("last_way_in"), "{last:?}");

    let anas = system.stranger(&gateways[0])?;
    let account = anas.sign_up(&ana, "correct horse battery staple").await?;
    let answer = Elsewhere::sign_in(&anas, "/v1/me/openid", &ana).await?;
    is_refused(&nadias, "/v1/me/openid/finish", &answer.body, "openid_flow_invalid").await?;
    let _: Value = anas.send(Method::POST, "/v1/me/openid/finish", Some(&answer.body)).await?;
    let answer = Elsewhere::sign_in(&there, "/v1/openid", &ana).await?;
    let by_it: SignedIn = there.send(Method::POST, "/v1/openid/finish", Some(&answer.body)).await?;
    ensure!(by_it.account.id == account.id, "{:?}", by_it.account);
    let path = format!("/v1/me/openid/{}", only_link(&anas).await?);
    let _: Value = anas.send::<(), _>(Method::DELETE, &path, None).await.context("unlinking")?;
    let answer = Elsewhere::sign_in(&there, "/v1/openid", &ana).await?;
    is_refused(&there, "/v1/openid/finish", &answer.body, "account_needed").await
}

async fn only_link(who: &Api) -> Result<String> {
    let linked: LinkedIdentities = who.send::<(), _>(Method::GET, "/v1/me/openid", None).await?;
    ensure!(linked.items.len() == 1, "{linked:?}");
    Ok(linked.items[0].id.to_string())
}

async fn is_refused(api: &Api, path: &str, body: &Value, code: &str) -> Result<()> {
    let answer: Result<Value, ApiError> = api.send(Method::POST, path, Some(body)).await;
    ensure!(answer.as_ref().err().and_then(ApiError::code) == Some(code), "{path}: {answer:?}");
    Ok(())
}

/// What somebody came back with from the provider.
struct Elsewhere {
    state: String,
    secret: String,
    body: Value,
}

impl Elsewhere {
    /// Begins as this client, and walks through the provider's pages as a browser would, as far as the address that it sends
    /// people back to.
    async fn sign_in(api: &Api, at: &str, who: &str) -> Result<Self> {
        let started: OpenidStarted = api
            .send(Method::POST, &format!("{at}/elsewhere/start"), Some(&json!({})))
            .await
            .context("beginning")?;
        let mut browser = Browser::open()?;
        let mut address: Url = started.authorization_url.parse()?;
        let host = address.authority().to_owned();
        for _ in 0..MAX_PAGES {
            if address.authority() != host {
                return Self::came_back(&started, &address);
            }
            address = browser.go_on(address, who).await?;
        }
        anyhow::bail!("the provider's pages have no end: {address}")
    }

    fn came_back(started: &OpenidStarted, address: &Url) -> Result<Self> {
        ensure!(address.path() == "/openid/callback", "{address}");
        let told: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        let (state, secret) = (started.state.clone(), started.secret.clone());
        ensure!(told.get("state") == Some(&state), "{told:?}");
        let code = told.get("code").with_context(|| format!("no code came back: {told:?}"))?;
        let body = json!({"state": state, "secret": secret, "code": code, "iss": told.get("iss")});
        Ok(Self { state, secret, body })
    }

    fn with_secret(&self, secret: &str) -> Value {
        let mut body = self.body.clone();
        body["secret"] = json!(secret);
        body
    }
}

/// HTTP with cookies, which is all of a browser that the provider's pages need.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn open() -> Result<Self> {
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).build()?;
        Ok(Self { client, cookies: BTreeMap::new() })
    }

    /// Opens an address; on a page with a form, fills it in. Where that leads to.
    async fn go_on(&mut self, address: Url, who: &str) -> Result<Url> {
        let answer = self.ask(Method::GET, &address, String::new()).await?;
        if answer.status().is_redirection() {
            return next(&address, &answer);
        }
        let page = answer.error_for_status()?.text().await?;
        let form = if page.contains("value=\"login\"") {
            format!("prompt=login&login={who}&password=whatever")
        } else {
            ensure!(page.contains("value=\"consent\""), "no form that is known: {page}");
            "prompt=consent".to_owned()
        };
        let answer = self.ask(Method::POST, &address, form).await?;
        next(&address, &answer)
    }

    async fn ask(&mut self, method: Method, address: &Url, form: String) -> Result<Response> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, address.clone()).header(header::COOKIE, cookies.join("; "));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await?;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

fn next(address: &Url, answer: &Response) -> Result<Url> {
    let place = answer.headers().get(header::LOCATION).with_context(|| format!("{address} leads nowhere"))?;
    Ok(address.join(place.to_str()?)?)
}
