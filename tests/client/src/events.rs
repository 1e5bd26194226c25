//! A stream of server-sent events, as a browser's `EventSource` reads it (WHATWG HTML §9.2.6).

use tertulia_contracts::frames::ServerFrame;

use crate::{Api, ApiError};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerEvent {
    /// What sort: the frame's `t`.
    pub name: String,
    /// The frame's text.
    pub data: String,
}

/// The bytes of a stream, read as events.
#[derive(Debug, Default)]
pub struct EventReader {
    unread: Vec<u8>,
    event: ServerEvent,
    id: Option<String>,
    /// The last id that came with an event: what a client that comes back says.
    pub last_id: Option<String>,
    /// How long the server asked to wait before coming back.
    pub retry_ms: Option<u64>,
    /// Comments so far: signs of life.
    pub comments: usize,
}

impl EventReader {
    /// Reads on where `last_id` left off.
    pub fn new(last_id: Option<&str>) -> Self {
        Self { last_id: last_id.map(str::to_owned), ..Self::default() }
    }

    /// These bytes came.
    pub fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next event of what came; none if more must come first.
    pub fn next_event(&mut self) -> Option<ServerEvent> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            if let Some(event) = self.take_line(&line) {
                return Some(event);
            }
        }
        None
    }

    fn take_line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            self.last_id = self.id.take().or(self.last_id.take());
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.event.name),
            "data" => self.event.data.push_str(value),
            "id" => self.id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok(),
            _ => {}
        }
        None
    }
}

/// A stream that somebody listens to. Dropping it ends it.
pub struct EventStream {
    answer: reqwest::Response,
    /// What came of it so far.
    pub reader: EventReader,
}

impl EventStream {
    /// Opens `/v1/events` with this query as the user of `api`, where `last_id` left off.
    pub async fn open(api: &Api, query: &str, last_id: Option<&str>) -> Result<Self, ApiError> {
        let answer = api.listen(&format!("/v1/events?{query}"), last_id).await?;
        Ok(Self { answer, reader: EventReader::new(last_id) })
    }

    /// A header of the answer, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// The next event; none when the stream has ended. One that was cut in its midst never was.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            if let Some(event) = self.reader.next_event() {
                return Some(event);
            }
            let chunk = self.answer.chunk().await.ok().flatten()?;
            self.reader.take(&chunk);
        }
    }

    /// The next event as a frame.
    ///
    /// # Errors
    /// It is no frame of the protocol.
    pub async fn hear(&mut self) -> Option<Result<ServerFrame, serde_json::Error>> {
        Some(ServerFrame::from_json(&self.next().await?.data))
    }
}
