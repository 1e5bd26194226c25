//! The test bed: a temporary folder, the ports in use, and the watchdog that ends it all.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

use crate::port::Port;
use crate::watchdog::Watchdog;

/// What the servers of one test stand on. It lives until the last clone, and the last server started on it,
/// is dropped; then its folder goes.
#[derive(Clone)]
pub struct Testbed {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    watchdog: Watchdog,
    servers: AtomicU32,
    ports: Mutex<Vec<Port>>,
}

impl Testbed {
    /// An empty test bed in a new temporary folder.
    pub fn new() -> Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    /// The same below this folder, which decides on whose disk the servers write.
    pub fn new_in(folder: &Path) -> Result<Self> {
        // Others may pass through the folder, since a server that refuses to be root runs as another user;
        // only what is theirs is open to them.
        let folder = tempfile::Builder::new()
            .prefix("tertulia-testbed-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(folder)
            .context("making the test bed's folder")?
            .keep();
        let watchdog = Watchdog::start(&folder)?;
        Ok(Self {
            inner: Arc::new(Inner { folder, watchdog, servers: AtomicU32::new(0), ports: Mutex::default() }),
        })
    }

    /// Holds everything that the servers write, and is removed with the test bed.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// An address of 127.0.0.1 that no server of any test bed on this machine has, kept until this test bed
    /// ends.
    pub fn free_address(&self) -> Result<SocketAddr> {
        let port = Port::reserve()?;
        let address = port.address();
        self.keep(port);
        Ok(address)
    }

    fn keep(&self, port: Port) {
        self.inner.ports.lock().expect("no holder of this lock panics").push(port);
    }

    /// A new folder for one server: `redis-0`, `redis-1` and so on.
    pub(crate) fn server_folder(&self, name: &str) -> Result<PathBuf> {
        let number = self.inner.servers.fetch_add(1, Ordering::Relaxed);
        let folder = self.inner.folder.join(format!("{name}-{number}"));
        std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }

    /// Whether we are root, which some servers refuse to be.
    pub(crate) fn is_root(&self) -> Result<bool> {
        Ok(self.inner.folder.metadata()?.uid() == 0)
    }

    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.inner.watchdog
    }
}
