//! Bodies that do something when they end: one comes home if nobody read of it, one holds a count.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::{Frame, SizeHint};

use crate::{Until, pool::InFlight};

type Step = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// Where a body waits to be lent, and comes back to when the borrower drops it unread. The client keeps the
/// request that it could not send, and this is how it is got back.
#[derive(Clone, Default)]
pub(crate) struct Home(Arc<Mutex<Option<Body>>>);

impl Home {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// None when some of the body has been read.
    pub(crate) fn lend(&self) -> Option<Body> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Body::new(Lent { body, is_read: false, home: self.clone() }))
    }
}

struct Lent {
    body: Body,
    is_read: bool,
    home: Home,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Step {
        self.is_read = true;
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_read {
            let body = std::mem::take(&mut self.body);
            *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

/// An answer's body, which keeps its instance counted as busy until it is read or dropped, and ends early when
/// the caller leaves.
pub(crate) struct Held {
    pub(crate) body: UnsyncBoxBody<Bytes, axum::Error>,
    pub(crate) until: Option<Until>,
    pub(crate) _in_flight: InFlight,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Step {
        if let Some(until) = &mut self.until
            && Pin::new(until).poll(context).is_ready()
        {
            self.until = None;
            self.body = Body::empty().boxed_unsync();
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
