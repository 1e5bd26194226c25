//! How events and reasons are written down, alike in every adapter.

use bytes::Bytes;
use tertulia_runtime::Event;

use crate::{
    Error,
    port::{MAX_MESSAGE_BYTES, MAX_REASON_CHARS},
};

/// The event's JSON.
pub(crate) fn encode(event: &Event) -> Result<Bytes, Error> {
    let encoded = serde_json::to_vec(event).expect("an event is plain data and encodes");
    check_size(encoded.len())?;
    Ok(encoded.into())
}

/// Reads what [`encode`] wrote; the error is the reason on the dead letter it becomes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Event, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("what is queued is not an event: {error}"))
}

/// Refuses what is over the bound of a message.
pub(crate) fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_MESSAGE_BYTES {
        return Err(Error::TooLarge { bytes, limit: MAX_MESSAGE_BYTES });
    }
    Ok(())
}

/// A handler may quote a whole body in its reason; a dead letter keeps the beginning.
pub(crate) fn shorten(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(MAX_REASON_CHARS) {
        reason.truncate(end);
    }
    reason
}
