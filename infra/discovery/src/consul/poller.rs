//! Keeps the view of one role as fresh as the agent allows.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::Shared;
use crate::View;

/// The most often a role is asked for, should it change without pause.
const PAUSE: Duration = Duration::from_millis(50);

/// Polls until nobody watches, or discovery is dropped.
pub(super) fn start(shared: &Arc<Shared>, role: String, sender: Arc<watch::Sender<View>>) {
    let poller = Arc::new(Poller { shared: shared.clone(), role, sender });
    shared.supervisor.supervise("discovery poller", move || {
        let poller = poller.clone();
        async move {
            poller.run().await;
            Ok::<_, Infallible>(())
        }
    });
}

struct Poller {
    shared: Arc<Shared>,
    role: String,
    sender: Arc<watch::Sender<View>>,
}

impl Poller {
    async fn run(&self) {
        loop {
            tokio::select! {
                () = self.poll() => {}
                () = self.shared.ending.cancelled() => return,
                () = self.sender.closed() => {}
            }
            let mut watched = self.shared.watched();
            // Whoever watches from now on finds no poller and starts one.
            if self.sender.receiver_count() == 0 {
                watched.remove(&self.role);
                return;
            }
        }
    }

    async fn poll(&self) {
        let Shared { agent, wait, .. } = &*self.shared;
        let (mut index, mut failures) = (None, 0);
        loop {
            match agent.healthy(&self.role, index, *wait).await {
                Ok(answer) => {
                    index = next_index(index, answer.index);
                    if failures > 0 {
                        info!(role = self.role, "discovery answers again");
                    }
                    failures = 0;
                    self.show(answer.instances);
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    if failures == 0 {
                        warn!(role = self.role, %error, "discovery does not answer: going on with what is known");
                    }
                    failures += 1;
                    index = None;
                    self.sender.send_if_modified(|view| !std::mem::replace(&mut view.stale, true));
                    sleep(self.shared.delay(failures)).await;
                }
            }
        }
    }

    fn show(&self, mut instances: Vec<crate::Instance>) {
        instances.sort_by(|one, other| one.id.cmp(&other.id));
        let fresh = View { instances: instances.into(), stale: false };
        self.sender.send_if_modified(|view| {
            let is_news = *view != fresh;
            *view = fresh;
            is_news
        });
    }
}

/// What to ask with after this answer. An index that went backwards is of another history, that of a restarted
/// or restored server: then what is there is asked for anew, as Consul's documentation says to.
fn next_index(asked: Option<u64>, answered: u64) -> Option<u64> {
    asked.is_none_or(|asked| answered >= asked).then_some(answered)
}

#[cfg(test)]
mod tests {
    use super::next_index;

    #[test]
    fn an_index_that_went_backwards_starts_anew() {
        assert_eq!(next_index(None, 7), Some(7));
        assert_eq!(next_index(Some(7), 7), Some(7));
        assert_eq!(next_index(Some(7), 9), Some(9));
        assert_eq!(next_index(Some(7), 6), None);
    }
}
