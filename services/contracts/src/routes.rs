//! The route table: every public path, who serves it and on what terms. The gateway is built from it, the
//! services' routers and the OpenAPI document are held against it by tests.

use std::time::Duration;

use http::Method;

use crate::identity::Scope;

/// The roles that serve public routes, by the names they are discovered under.
pub mod role {
    /// Accounts, sessions, keys.
    pub const AUTH: &str = "auth";
    /// Conversations and their logs.
    pub const MESSAGING: &str = "messaging";
    /// Sockets.
    pub const REALTIME: &str = "realtime";
    /// The edge.
    pub const GATEWAY: &str = "gateway";
}

/// Who may call a route at all. What they may see and do there, the service decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever has a valid access token.
    Member,
    /// The gateway lets the request through unseen: the socket authenticates in its first frame.
    InBand,
}

/// One public route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, as an axum pattern.
    pub path: &'static str,
    /// Who serves it.
    pub role: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What a token must be good for.
    pub scope: Scope,
    /// The largest body, in bytes.
    pub body_limit_bytes: usize,
    /// How long it may take; none for sockets and for answers that do not end by themselves.
    pub timeout: Option<Duration>,
    /// The path parameter that picks the instance, for routes that write to one log.
    pub affinity: Option<&'static str>,
    /// Whether doing it twice has the effect of doing it once, so that the edge may try it on another instance when
    /// the first broke off. What only reads is so by its method.
    pub repeatable: bool,
}

const JSON_BODY_BYTES: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(15);

impl Route {
    const fn new(method: Method, path: &'static str, role: &'static str) -> Self {
        let timeout = Some(TIMEOUT);
        let body_limit_bytes = JSON_BODY_BYTES;
        let scope = if matches!(method, Method::GET) { Scope::Read } else { Scope::Write };
        let (access, affinity, repeatable) = (Access::Member, None, false);
        Self { method, path, role, access, scope, body_limit_bytes, timeout, affinity, repeatable }
    }

    /// Manages the account itself, which no API token may.
    const fn account(mut self) -> Self {
        self.scope = Scope::Account;
        self
    }

    const fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    const fn socket(mut self) -> Self {
        self.access = Access::InBand;
        self.timeout = None;
        self
    }

    /// Its answer goes on for as long as the client listens.
    const fn endless(mut self) -> Self {
        self.timeout = None;
        self
    }

    const fn by(mut self, parameter: &'static str) -> Self {
        self.affinity = Some(parameter);
        self
    }

    /// What is sent carries its own name, or only moves something forward.
    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// Every public route but the gateway's own.
pub const ROUTES: &[Route] = &[
    Route::new(Method::POST, "/v1/accounts", role::AUTH).public(),
    Route::new(Method::POST, "/v1/sessions", role::AUTH).public(),
    Route::new(Method::POST, "/v1/sessions/refresh", role::AUTH).public(),
    Route::new(Method::GET, "/v1/sessions", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/sessions", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/sessions/{id}", role::AUTH).account(),
    Route::new(Method::POST, "/v1/sessions/current/step-up", role::AUTH).account(),
    Route::new(Method::POST, "/v1/tokens", role::AUTH).account(),
    Route::new(Method::GET, "/v1/tokens", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/tokens/{id}", role::AUTH).account(),
    Route::new(Method::POST, "/v1/bots", role::AUTH).account(),
    Route::new(Method::GET, "/v1/bots", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/bots/{id}", role::AUTH).account(),
    Route::new(Method::GET, "/v1/me", role::AUTH),
    Route::new(Method::PATCH, "/v1/me", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/me", role::AUTH).account(),
    Route::new(Method::POST, "/v1/erasures/report", role::AUTH).public(),
    Route::new(Method::PUT, "/v1/me/email", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/email/verification", role::AUTH).account(),
    Route::new(Method::PUT, "/v1/me/password", role::AUTH).account(),
    Route::new(Method::GET, "/v1/me/credentials", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/totp", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/me/totp", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/totp/confirm", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/recovery-codes", role::AUTH).account(),
    Route::new(Method::POST, "/v1/email/verify", role::AUTH).public(),
    Route::new(Method::POST, "/v1/password/forgot", role::AUTH).public(),
    Route::new(Method::POST, "/v1/password/reset", role::AUTH).public(),
    Route::new(Method::GET, "/v1/operator/mail", role::AUTH).account(),
    Route::new(Method::POST, "/v1/operator/invitations", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/invitations", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/operator/invitations/{id}", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/accounts", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/operator/accounts/{id}", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/erasures", role::AUTH).account(),
    Route::new(Method::PUT, "/v1/operator/accounts/{id}/moderator", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/operator/accounts/{id}/moderator", role::AUTH).account(),
    Route::new(Method::PUT, "/v1/operator/accounts/{id}/suspension", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/operator/accounts/{id}/suspension", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/audit", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/audit/verification", role::AUTH).account(),
    Route::new(Method::GET, "/v1/operator/keys", role::AUTH).account(),
    Route::new(Method::POST, "/v1/operator/keys/rotation", role::AUTH).account(),
    Route::new(Method::GET, "/v1/instance", role::AUTH).public(),
    Route::new(Method::GET, "/v1/users", role::AUTH),
    Route::new(Method::GET, "/v1/users/{id}", role::AUTH),
    Route::new(Method::GET, "/.well-known/jwks.json", role::AUTH).public(),
    Route::new(Method::GET, "/setup", role::AUTH).public(),
    Route::new(Method::GET, "/verify-email", role::AUTH).public(),
    Route::new(Method::GET, "/reset-password", role::AUTH).public(),
    Route::new(Method::GET, "/v1/openid", role::AUTH).public(),
    Route::new(Method::POST, "/v1/openid/{provider}/start", role::AUTH).public(),
    Route::new(Method::POST, "/v1/openid/finish", role::AUTH).public(),
    Route::new(Method::POST, "/v1/openid/accounts", role::AUTH).public(),
    Route::new(Method::GET, "/openid/callback", role::AUTH).public(),
    Route::new(Method::GET, "/v1/me/openid", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/openid/{provider}/start", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/openid/finish", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/me/openid/{id}", role::AUTH).account(),
    Route::new(Method::POST, "/v1/passkeys/start", role::AUTH).public(),
    Route::new(Method::POST, "/v1/passkeys/finish", role::AUTH).public(),
    Route::new(Method::POST, "/v1/me/passkeys/start", role::AUTH).account(),
    Route::new(Method::POST, "/v1/me/passkeys", role::AUTH).account(),
    Route::new(Method::GET, "/v1/me/passkeys", role::AUTH).account(),
    Route::new(Method::DELETE, "/v1/me/passkeys/{id}", role::AUTH).account(),
    Route::new(Method::POST, "/v1/conversations", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}", role::MESSAGING),
    Route::new(Method::PATCH, "/v1/conversations/{id}", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/members", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/members/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/members/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::POST, "/v1/conversations/{id}/owner", role::MESSAGING).by("id"),
    Route::new(Method::PUT, "/v1/conversations/{id}/archive", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/archive", role::MESSAGING).by("id"),
    Route::new(Method::POST, "/v1/conversations/{id}/invitations", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/invitations", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/invitations/{invitation_id}", role::MESSAGING),
    Route::new(Method::POST, "/v1/conversations/{id}/requests", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/requests", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/requests/{user_id}", role::MESSAGING),
    Route::new(Method::POST, "/v1/conversations/{id}/requests/{user_id}/approve", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/directory", role::MESSAGING),
    Route::new(Method::GET, "/v1/directory/{handle}", role::MESSAGING),
    Route::new(Method::GET, "/v1/invitations/{code}", role::MESSAGING),
    Route::new(Method::POST, "/v1/invitations/{code}/accept", role::MESSAGING).by("code"),
    Route::new(Method::POST, "/v1/conversations/{id}/messages", role::MESSAGING).by("id").repeatable(),
    Route::new(Method::GET, "/v1/conversations/{id}/messages", role::MESSAGING),
    Route::new(Method::PATCH, "/v1/conversations/{id}/messages/{message_id}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/messages/{message_id}", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/messages/{message_id}/edits", role::MESSAGING),
    Route::new(
        Method::PUT,
        "/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
        role::MESSAGING,
    )
    .by("id"),
    Route::new(
        Method::DELETE,
        "/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
        role::MESSAGING,
    )
    .by("id"),
    Route::new(Method::PUT, "/v1/conversations/{id}/messages/{message_id}/pin", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/messages/{message_id}/pin", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/pins", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/emoji", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/emoji/{name}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/emoji/{name}", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/roles", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/roles/{role_id}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/roles/{role_id}", role::MESSAGING).by("id"),
    Route::new(Method::PUT, "/v1/conversations/{id}/members/{user_id}/roles/{role_id}", role::MESSAGING)
        .by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/members/{user_id}/roles/{role_id}", role::MESSAGING)
        .by("id"),
    Route::new(Method::PUT, "/v1/conversations/{id}/members/{user_id}/override", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/members/{user_id}/override", role::MESSAGING).by("id"),
    Route::new(Method::POST, "/v1/conversations/{id}/scheduled", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/scheduled", role::MESSAGING),
    Route::new(Method::PATCH, "/v1/conversations/{id}/scheduled/{client_id}", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/scheduled/{client_id}", role::MESSAGING),
    Route::new(Method::POST, "/v1/conversations/{id}/scheduled/{client_id}/send", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/me/scheduled", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/log", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/cursor", role::MESSAGING).repeatable(),
    Route::new(Method::GET, "/v1/me/log", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/bans", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/bans/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/bans/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/mutes", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/mutes/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/mutes/{user_id}", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/moderation-log", role::MESSAGING),
    Route::new(Method::POST, "/v1/conversations/{id}/members/{user_id}/purge", role::MESSAGING).by("id"),
    Route::new(Method::POST, "/v1/conversations/{id}/reports", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/reports", role::MESSAGING),
    Route::new(Method::POST, "/v1/conversations/{id}/reports/{report_id}/decision", role::MESSAGING).by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/filters", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/filters", role::MESSAGING).by("id"),
    Route::new(Method::PATCH, "/v1/conversations/{id}/membership", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/receipts", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/draft", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/draft", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/draft", role::MESSAGING),
    Route::new(Method::GET, "/v1/me/drafts", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/messages/{message_id}/thread", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/messages/{message_id}/thread/cursor", role::MESSAGING)
        .repeatable(),
    Route::new(Method::PUT, "/v1/conversations/{id}/messages/{message_id}/thread/follow", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/messages/{message_id}/thread/follow", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/threads", role::MESSAGING),
    Route::new(Method::PUT, "/v1/conversations/{id}/messages/{message_id}/saved", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/messages/{message_id}/saved", role::MESSAGING),
    Route::new(Method::GET, "/v1/me/saved", role::MESSAGING),
    Route::new(Method::GET, "/v1/me/blocks", role::MESSAGING),
    Route::new(Method::PUT, "/v1/me/blocks/{user_id}", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/me/blocks/{user_id}", role::MESSAGING),
    Route::new(Method::GET, "/v1/me/privacy", role::MESSAGING),
    Route::new(Method::PUT, "/v1/me/privacy", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/export", role::MESSAGING).endless(),
    Route::new(Method::POST, "/v1/conversations/{id}/hooks", role::MESSAGING),
    Route::new(Method::GET, "/v1/conversations/{id}/hooks", role::MESSAGING),
    Route::new(Method::DELETE, "/v1/conversations/{id}/hooks/{hook_id}", role::MESSAGING),
    Route::new(Method::POST, "/v1/hooks/{secret}", role::MESSAGING).public(),
    Route::new(Method::PUT, "/v1/conversations/{id}/messages/{message_id}/poll/vote", role::MESSAGING)
        .by("id"),
    Route::new(Method::DELETE, "/v1/conversations/{id}/messages/{message_id}/poll/vote", role::MESSAGING)
        .by("id"),
    Route::new(Method::POST, "/v1/conversations/{id}/messages/{message_id}/poll/close", role::MESSAGING)
        .by("id"),
    Route::new(Method::GET, "/v1/conversations/{id}/messages/{message_id}/poll/votes", role::MESSAGING),
    Route::new(Method::GET, "/v1/me/presence", role::MESSAGING),
    Route::new(Method::PUT, "/v1/me/presence", role::MESSAGING),
    Route::new(Method::GET, "/v1/presence", role::REALTIME),
    Route::new(Method::GET, "/v1/realtime", role::REALTIME).socket(),
    Route::new(Method::GET, "/v1/events", role::REALTIME).endless(),
];

/// The route of this method at this pattern, if it is a public one. What answers `GET` answers `HEAD` (RFC 9110 §9.3.2).
pub fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find(|route| route.path == path && route.method == *method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_the_scope_that_fits_what_it_does() {
        let of_the_account = |path: &str| {
            let prefixes = [
                "/v1/sessions",
                "/v1/tokens",
                "/v1/bots",
                "/v1/me/credentials",
                "/v1/me/email",
                "/v1/me/openid",
                "/v1/me/passkeys",
                "/v1/me/password",
                "/v1/me/recovery-codes",
                "/v1/me/totp",
                "/v1/operator",
            ];
            prefixes.iter().any(|prefix| path.starts_with(prefix))
        };
        for route in ROUTES.iter().filter(|route| route.access != Access::Public) {
            let fitting = match () {
                () if of_the_account(route.path) => Scope::Account,
                () if route.path == "/v1/me" && route.method != Method::GET => Scope::Account,
                () if route.method == Method::GET => Scope::Read,
                () => Scope::Write,
            };
            assert_eq!(route.scope, fitting, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn a_route_is_found_by_what_names_it() {
        for route in ROUTES {
            let found = find(&route.method, route.path).map(|found| (&found.method, found.path));
            assert_eq!(found, Some((&route.method, route.path)));
        }
        assert_eq!(find(&Method::HEAD, "/v1/me").map(|route| &route.method), Some(&Method::GET));
        assert!(find(&Method::GET, "/internal/users/{id}").is_none());
    }
}
