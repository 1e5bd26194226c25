//! Free ports that stay ours while a server is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};

use anyhow::{Result, bail};

/// Below Linux's range for outgoing connections (from 32768): a client's own end of a connection could
/// otherwise take a server's port while that is down, even by connecting to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port reserved among all test beds of the machine, until it is dropped or its process ends.
pub(crate) struct Port {
    number: u16,
    /// A name in Linux's abstract socket namespace: it belongs to one process at a time and vanishes with it,
    /// which a lock file would not.
    _reservation: UnixListener,
}

impl Port {
    pub(crate) fn reserve() -> Result<Self> {
        // Test processes that run side by side begin their search far apart.
        let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("smaller than COUNT");
        for step in 0..COUNT {
            let number = FIRST + (begin + step) % COUNT;
            let name = UnixAddress::from_abstract_name(format!("tertulia-testbed-port-{number}"))?;
            let Ok(reservation) = UnixListener::bind_addr(&name) else { continue };
            // Another program may be listening there.
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _reservation: reservation });
            }
        }
        bail!("no free port between {FIRST} and {}", FIRST + COUNT - 1)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
