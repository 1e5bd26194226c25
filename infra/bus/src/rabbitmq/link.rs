//! A connection that is made when it is needed and made again when it was lost.

use std::{sync::Arc, time::Duration};

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{Error, RetryPolicy};

/// The longest that any single answer of the broker is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// After an attempt to connect has failed, callers are told so for this long instead of queueing up to try.
const COOL_OFF: Duration = Duration::from_millis(200);
/// A connection that says nothing for two of these is dead.
const HEARTBEAT_SECONDS: u16 = 10;

/// How long consumers and listeners wait before they try again.
pub(super) const BACKOFF: RetryPolicy = RetryPolicy {
    attempts: u32::MAX,
    first_delay: Duration::from_millis(100),
    max_delay: Duration::from_secs(5),
};

/// One connection, shared by whoever needs channels.
pub(super) struct Link {
    uri: AMQPUri,
    purpose: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    failed: Option<(Instant, Error)>,
}

impl Link {
    pub(super) fn new(uri: &AMQPUri, purpose: &'static str) -> Self {
        let mut uri = uri.clone();
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Self { uri, purpose, state: Mutex::default() }
    }

    /// A new channel. It stays usable as long as it is held and the connection lives.
    pub(super) async fn channel(&self) -> Result<Channel, Error> {
        answer(self.connection().await?.create_channel()).await
    }

    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|known| known.status().connected()) {
            return Ok(connection.clone());
        }
        state.connection = None;
        if let Some((at, error)) = &state.failed
            && at.elapsed() < COOL_OFF
        {
            return Err(error.clone());
        }
        let name = format!("tertulia {}", self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        match answer(Connection::connect_uri(self.uri.clone(), properties)).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *state = State { connection: Some(connection.clone()), failed: None };
                Ok(connection)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// Waits for the broker's answer, within bounds.
pub(super) async fn answer<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answer) => answer.map_err(|error| failed(&error)),
        Err(_) => Err(Error::Unavailable("the broker did not answer in time".to_owned())),
    }
}

pub(super) fn failed(error: &lapin::Error) -> Error {
    Error::Unavailable(error.to_string())
}
