//! How a session reaches the product: over the real network, or over one that a simulation makes up.

use tertulia_contracts::{
    ConversationId,
    messaging::{Log, UserLog},
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Api, ApiError, Socket, SocketError, Wire};

/// One user's ways into the product.
pub trait Network: Send + Sync + 'static {
    /// What carries a socket.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The newest access token.
    fn token(&self) -> String;

    /// Gets a fresh access token.
    fn refresh(&self) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// Opens a socket at a gateway; says nothing yet.
    fn connect(
        &self,
        gateway: &str,
    ) -> impl Future<Output = Result<Socket<Self::Stream>, SocketError>> + Send;

    /// The log of a conversation behind a position.
    fn log(
        &self,
        c: ConversationId,
        after_seq: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Log, ApiError>> + Send;

    /// The user's own log behind a position.
    fn my_log(&self, after_useq: u64, limit: usize)
    -> impl Future<Output = Result<UserLog, ApiError>> + Send;
}

impl Network for Api {
    type Stream = Wire;

    fn token(&self) -> String {
        self.token()
    }

    async fn refresh(&self) -> Result<(), ApiError> {
        self.refresh().await.map(drop)
    }

    async fn connect(&self, gateway: &str) -> Result<Socket, SocketError> {
        Socket::reach(gateway, self.trust()).await
    }

    async fn log(&self, c: ConversationId, after_seq: u64, limit: usize) -> Result<Log, ApiError> {
        self.log(c, after_seq, limit).await
    }

    async fn my_log(&self, after_useq: u64, limit: usize) -> Result<UserLog, ApiError> {
        self.my_log(after_useq, limit).await
    }
}
