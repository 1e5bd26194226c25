//! The HTTP API as one user.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    auth::{Account, CreateAccount, CreateSession, RefreshSession, SignedIn},
    frames::{Resume, ServerFrame},
    messaging::{
        Block, Conversation, Conversations, CreateConversation, Draft, EditMessage, FollowedThreads,
        Following, Log, Membership, Message, Messages, MoveCursor, Pins, PostMessage, Posted, PutDraft,
        UserLog, Versions,
    },
};

use crate::{Socket, SocketError, Trust};

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer, or half of one: it may have been done.
    #[error("no answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// The server said no.
    #[error("{status}: {code}: {detail}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its stable code.
        code: String,
        /// Its sentence.
        detail: String,
        /// After how long it may be tried again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the API promises.
    #[error("the answer does not decode: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl ApiError {
    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// After how long the same request may be tried again, if the refusal says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request may succeed later: no answer, 429, 502, 503 and 504.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Refused { status, .. } => matches!(status.as_u16(), 429 | 502..=504),
            Self::Malformed(_) => false,
        }
    }
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

#[derive(Debug, Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

/// One user's way into one server. Clones share the login.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    trust: Option<Trust>,
    http: reqwest::Client,
    tokens: Arc<Mutex<Option<Tokens>>>,
}

impl Api {
    /// Nobody yet, at `http://host:port`.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            trust: None,
            http: reqwest::Client::new(),
            tokens: Arc::default(),
        }
    }

    /// Nobody yet, at `https://host:port` of whom is trusted.
    pub fn trusting(base: &str, trust: &Trust) -> Result<Self, ApiError> {
        let http = reqwest::Client::builder().tls_backend_preconfigured(trust.config()).build()?;
        Ok(Self { trust: Some(trust.clone()), http, ..Self::new(base) })
    }

    /// Whom it believes over TLS.
    pub(crate) fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    /// Opens a socket as this user and says hello; what follows the `ready` is left to be heard.
    pub async fn hello(&self, resume: Option<Resume>) -> Result<(Socket, ServerFrame), SocketError> {
        let mut socket = Socket::reach(&self.base, self.trust()).await?;
        let ready = socket.greet(&self.token(), resume).await?;
        Ok((socket, ready))
    }

    /// The same user through another gateway.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The same server as somebody with this access token.
    #[must_use]
    pub fn with_token(&self, access: &str) -> Self {
        let tokens = Tokens { access: access.to_owned(), refresh: String::new() };
        Self { tokens: Arc::new(Mutex::new(Some(tokens))), ..self.clone() }
    }

    /// `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The newest access token; empty before signing in.
    pub fn token(&self) -> String {
        self.tokens().as_ref().map(|tokens| tokens.access.clone()).unwrap_or_default()
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Option<Tokens>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, signed_in: SignedIn) -> Account {
        let (access, refresh) = (signed_in.access_token, signed_in.refresh_token);
        *self.tokens() = Some(Tokens { access, refresh });
        signed_in.account
    }

    /// Makes an account and is it from now on.
    pub async fn sign_up(&self, handle: &str, password: &str) -> Result<Account, ApiError> {
        let (handle, password) = (handle.to_owned(), password.to_owned());
        let account = CreateAccount {
            handle,
            password,
            display_name: None,
            email: None,
            locale: None,
            invitation: None,
            setup_token: None,
        };
        Ok(self.keep(self.send(Method::POST, "/v1/accounts", Some(&account)).await?))
    }

    /// Signs in and is that user from now on.
    pub async fn sign_in(&self, identifier: &str, password: &str) -> Result<Account, ApiError> {
        let session = CreateSession {
            identifier: identifier.to_owned(),
            password: password.to_owned(),
            totp: None,
            recovery_code: None,
        };
        Ok(self.keep(self.send(Method::POST, "/v1/sessions", Some(&session)).await?))
    }

    /// Gets a fresh access token.
    pub async fn refresh(&self) -> Result<Account, ApiError> {
        let refresh_token = self.tokens().as_ref().map(|tokens| tokens.refresh.clone()).unwrap_or_default();
        let refresh = RefreshSession { refresh_token };
        Ok(self.keep(self.send(Method::POST, "/v1/sessions/refresh", Some(&refresh)).await?))
    }

    /// Makes a conversation.
    pub async fn create(&self, conversation: &CreateConversation) -> Result<Conversation, ApiError> {
        self.send(Method::POST, "/v1/conversations", Some(conversation)).await
    }

    /// One conversation.
    pub async fn conversation(&self, c: ConversationId) -> Result<Conversation, ApiError> {
        self.get(&format!("/v1/conversations/{c}")).await
    }

    /// The user's conversations, first page.
    pub async fn conversations(&self) -> Result<Conversations, ApiError> {
        self.get("/v1/conversations").await
    }

    /// Adds a member, or joins.
    pub async fn put_member(&self, c: ConversationId, user: UserId) -> Result<serde_json::Value, ApiError> {
        self.send::<(), _>(Method::PUT, &format!("/v1/conversations/{c}/members/{user}"), None).await
    }

    /// Removes a member, or leaves.
    pub async fn delete_member(
        &self,
        c: ConversationId,
        user: UserId,
    ) -> Result<serde_json::Value, ApiError> {
        self.send::<(), _>(Method::DELETE, &format!("/v1/conversations/{c}/members/{user}"), None).await
    }

    /// Posts a message.
    pub async fn post(&self, c: ConversationId, message: &PostMessage) -> Result<Posted, ApiError> {
        self.send(Method::POST, &format!("/v1/conversations/{c}/messages"), Some(message)).await
    }

    /// Changes what a message of one's own says.
    pub async fn edit(&self, c: ConversationId, message: MessageId, body: &str) -> Result<Message, ApiError> {
        let edit = EditMessage { body: body.to_owned() };
        self.send(Method::PATCH, &format!("/v1/conversations/{c}/messages/{message}"), Some(&edit)).await
    }

    /// Deletes a message for everybody.
    pub async fn delete_message(&self, c: ConversationId, message: MessageId) -> Result<(), ApiError> {
        self.alter(Method::DELETE, c, message, "").await
    }

    /// Reacts to a message with one emoji.
    pub async fn react(&self, c: ConversationId, message: MessageId, emoji: &str) -> Result<(), ApiError> {
        self.alter(Method::PUT, c, message, &reaction(emoji)).await
    }

    /// Takes a reaction back.
    pub async fn unreact(&self, c: ConversationId, message: MessageId, emoji: &str) -> Result<(), ApiError> {
        self.alter(Method::DELETE, c, message, &reaction(emoji)).await
    }

    /// Pins a message.
    pub async fn pin(&self, c: ConversationId, message: MessageId) -> Result<(), ApiError> {
        self.alter(Method::PUT, c, message, "/pin").await
    }

    /// Unpins a message.
    pub async fn unpin(&self, c: ConversationId, message: MessageId) -> Result<(), ApiError> {
        self.alter(Method::DELETE, c, message, "/pin").await
    }

    /// What is pinned.
    pub async fn pins(&self, c: ConversationId) -> Result<Pins, ApiError> {
        self.get(&format!("/v1/conversations/{c}/pins")).await
    }

    /// What a message has said.
    pub async fn edits(&self, c: ConversationId, message: MessageId) -> Result<Versions, ApiError> {
        self.get(&format!("/v1/conversations/{c}/messages/{message}/edits")).await
    }

    async fn alter(
        &self,
        method: Method,
        c: ConversationId,
        message: MessageId,
        rest: &str,
    ) -> Result<(), ApiError> {
        self.send::<(), _>(method, &format!("/v1/conversations/{c}/messages/{message}{rest}"), None).await
    }

    /// The messages behind a position, ascending.
    pub async fn messages(
        &self,
        c: ConversationId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Messages, ApiError> {
        self.get(&format!("/v1/conversations/{c}/messages?after_seq={after_seq}&limit={limit}")).await
    }

    /// The newest messages below a message, ascending.
    pub async fn thread(&self, c: ConversationId, root: MessageId) -> Result<Messages, ApiError> {
        self.get(&format!("/v1/conversations/{c}/messages/{root}/thread")).await
    }

    /// The threads that the user follows, first page.
    pub async fn threads(&self, c: ConversationId) -> Result<FollowedThreads, ApiError> {
        self.get(&format!("/v1/conversations/{c}/threads")).await
    }

    /// Says how far the user has read in a thread.
    pub async fn read_thread(
        &self,
        c: ConversationId,
        root: MessageId,
        seq: u64,
    ) -> Result<Following, ApiError> {
        let path = format!("/v1/conversations/{c}/messages/{root}/thread/cursor");
        self.send(Method::PUT, &path, Some(&MoveCursor { seq })).await
    }

    /// Says how far the user has read.
    pub async fn move_cursor(&self, c: ConversationId, seq: u64) -> Result<Membership, ApiError> {
        self.send(Method::PUT, &format!("/v1/conversations/{c}/cursor"), Some(&MoveCursor { seq })).await
    }

    /// The log behind a position.
    pub async fn log(&self, c: ConversationId, after_seq: u64, limit: usize) -> Result<Log, ApiError> {
        self.get(&format!("/v1/conversations/{c}/log?after_seq={after_seq}&limit={limit}")).await
    }

    /// The user's own log behind a position.
    pub async fn my_log(&self, after_useq: u64, limit: usize) -> Result<UserLog, ApiError> {
        self.get(&format!("/v1/me/log?after_useq={after_useq}&limit={limit}")).await
    }

    /// The user's draft in a conversation.
    pub async fn draft(&self, c: ConversationId) -> Result<Draft, ApiError> {
        self.get(&format!("/v1/conversations/{c}/draft")).await
    }

    /// Puts a draft in the place of the one it names; none if it is empty.
    pub async fn put_draft(&self, c: ConversationId, draft: &PutDraft) -> Result<Option<Draft>, ApiError> {
        self.send(Method::PUT, &format!("/v1/conversations/{c}/draft"), Some(draft)).await
    }

    /// Wants nothing to do with somebody.
    pub async fn block(&self, user: UserId) -> Result<Block, ApiError> {
        self.send::<(), _>(Method::PUT, &format!("/v1/me/blocks/{user}"), None).await
    }

    /// Takes that back.
    pub async fn unblock(&self, user: UserId) -> Result<(), ApiError> {
        self.send::<(), _>(Method::DELETE, &format!("/v1/me/blocks/{user}"), None).await
    }

    /// A request that is answered for as long as somebody listens.
    pub(crate) async fn listen(
        &self,
        path: &str,
        last_id: Option<&str>,
    ) -> Result<reqwest::Response, ApiError> {
        let mut request = self.http.get(format!("{}{path}", self.base)).bearer_auth(self.token());
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            let retry_after = retry_after(&answer);
            return Err(refused(status, retry_after, &answer.bytes().await?));
        }
        Ok(answer)
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ApiError> {
        self.send::<(), _>(Method::GET, path, None).await
    }

    /// Any request in JSON; an empty answer reads as `null`.
    pub async fn send<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<A, ApiError> {
        let bytes = self.ask(method, path, body).await?;
        Ok(serde_json::from_slice(if bytes.is_empty() { b"null" } else { &bytes })?)
    }

    /// Any request in JSON whose answer is text.
    pub async fn send_for_text<Q: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<String, ApiError> {
        Ok(String::from_utf8_lossy(&self.ask(method, path, body).await?).into_owned())
    }

    async fn ask<Q: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<Vec<u8>, ApiError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        let token = self.token();
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let retry_after = retry_after(&answer);
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            return Err(refused(status, retry_after, &bytes));
        }
        Ok(bytes.to_vec())
    }
}

/// How long an answer says to wait (RFC 9110 §10.2.3).
fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refused(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> ApiError {
    let unsaid = || Problem { code: status.to_string(), detail: "(no problem)".to_owned() };
    let Problem { code, detail } = serde_json::from_slice(body).unwrap_or_else(|_| unsaid());
    ApiError::Refused { status, code, detail, retry_after }
}

/// The end of a reaction's path, every byte percent-encoded (RFC 3986 §2.1): a keycap begins with `#`.
fn reaction(emoji: &str) -> String {
    emoji.bytes().fold("/reactions/".to_owned(), |path, byte| path + &format!("%{byte:02X}"))
}
