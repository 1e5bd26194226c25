//! Who is there, and that this device is.

use tertulia_contracts::{UserId, frames::ClientFrame, presence::DeviceStatus};

use super::{Client, Command, Session};

/// What a client says of presence.
#[derive(Debug, Clone)]
pub(super) enum Showing {
    /// Whom the person watches.
    Watched(Vec<UserId>),
    /// Whether they use this device.
    Device(DeviceStatus),
}

impl Showing {
    pub(super) fn frame(&self) -> ClientFrame {
        match self {
            Self::Watched(users) => ClientFrame::PresenceWatch { users: users.clone() },
            Self::Device(status) => ClientFrame::Presence { status: *status },
        }
    }
}

impl Session {
    /// Is told how these are seen, now and whenever that changes; of nobody else any more.
    pub async fn watch_people(&self, users: Vec<UserId>) {
        let _ = self.commands.send(Command::Show(Showing::Watched(users))).await;
    }

    /// Says whether somebody uses this device.
    pub async fn be(&self, status: DeviceStatus) {
        let _ = self.commands.send(Command::Show(Showing::Device(status))).await;
    }
}

impl<N> Client<N> {
    /// Takes the place of what was said of the same before.
    pub(super) fn show_from_now_on(&mut self, showing: Showing) {
        let is_same = |other: &Showing| std::mem::discriminant(other) == std::mem::discriminant(&showing);
        self.showing.retain(|other| !is_same(other));
        self.showing.push(showing);
    }
}
