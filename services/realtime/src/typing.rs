//! Typing, and where it is not told: in the direct conversation of two who keep apart. Messaging knows that; it is asked
//! when somebody types and not for every frame, and says when it may be another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tertulia_bus::Broadcast;
use tertulia_contracts::{
    UserId,
    live::{Typing, log_channel},
};

use crate::{
    feed::{Feed, Owner},
    hub::Hub,
};

/// What messaging said holds for so long, should the word that it is another be lost.
const LASTS_MS: u64 = 60_000;

/// Whether a conversation's two keep apart, as messaging said last.
#[derive(Default)]
pub(crate) struct Hush(Mutex<Said>);

#[derive(Default)]
struct Said {
    /// The answer, and when it came, in milliseconds of the hub's life.
    answer: Option<(bool, u64)>,
    /// How often it was forgotten: an answer to a question from before that says nothing.
    forgotten: u64,
}

impl Hush {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It may be another by now.
    pub(crate) fn forget(&self) {
        let mut said = self.said();
        said.answer = None;
        said.forgotten += 1;
    }

    /// The answer, if there is one that holds; else what to name in [`Self::learn`].
    fn known(&self, now_ms: u64) -> Result<bool, u64> {
        let said = self.said();
        let holding = said.answer.filter(|(_, at_ms)| now_ms.saturating_sub(*at_ms) < LASTS_MS);
        holding.map(|(apart, _)| apart).ok_or(said.forgotten)
    }

    /// Messaging answered. Whether that still holds.
    fn learn(&self, asked: u64, apart: bool, now_ms: u64) -> bool {
        let mut said = self.said();
        let holds = said.forgotten == asked;
        if holds {
            said.answer = Some((apart, now_ms));
        }
        holds
    }
}

impl Hub {
    /// Tells the other listeners of a conversation that somebody is typing, unless its two keep apart. Lossy.
    pub(crate) async fn say_typing(&self, feed: &Feed, user: UserId) {
        let Owner::Conversation(conversation) = feed.owner else { return };
        let apart = match feed.hush.known(self.uptime_ms()) {
            Ok(apart) => apart,
            Err(asked) => match self.upstream.apart(conversation).await {
                Ok(apart) if feed.hush.learn(asked, apart, self.uptime_ms()) => apart,
                Ok(_) => return,
                Err(refusal) => {
                    return tracing::debug!(
                        code = refusal.code,
                        "typing is not told: whether it may be is not known"
                    );
                }
            },
        };
        if apart {
            return;
        }
        let payload = serde_json::to_vec(&Typing { typing: user }).expect("an id is plain data and encodes");
        let message = Broadcast { channel: log_channel(conversation), payload: payload.into() };
        if let Err(error) = self.bus.broadcast(message).await {
            tracing::debug!(%error, "typing was not broadcast");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_minute_and_until_it_may_be_another() {
        let hush = Hush::default();
        let asked = hush.known(0).unwrap_err();
        assert!(hush.learn(asked, true, 0));
        assert_eq!(hush.known(LASTS_MS - 1), Ok(true));
        assert_eq!(hush.known(LASTS_MS), Err(asked));
        hush.forget();
        let again = hush.known(1).unwrap_err();
        assert!(!hush.learn(asked, true, 1), "an answer from before");
        assert!(hush.learn(again, false, 1));
        assert_eq!(hush.known(2), Ok(false));
    }
}
