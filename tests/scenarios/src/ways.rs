//! The ways from each process to the servers it stands on, through a bad network that can be told to fail.

use std::net::SocketAddr;

use anyhow::Result;
use tertulia_testbed::{
    Testbed,
    toxiproxy::{self, Proxy, Toxiproxy},
};

/// One way: from a process of the product to one of its servers.
pub struct Way {
    /// `messaging-2`
    pub process: String,
    /// `documents`
    pub back_end: &'static str,
    proxy: Proxy,
}

/// Every way there is.
pub struct Ways {
    network: Toxiproxy,
    ways: Vec<Way>,
}

impl Ways {
    pub(crate) async fn start(bed: &Testbed) -> Result<Self> {
        Ok(Self { network: toxiproxy::start(bed).await?, ways: Vec::new() })
    }

    /// Opens a way and returns where the process finds its server.
    pub(crate) async fn open(
        &mut self,
        process: &str,
        back_end: &'static str,
        server: SocketAddr,
    ) -> Result<SocketAddr> {
        let proxy = self.network.proxy(server).await?;
        let address = proxy.address();
        self.ways.push(Way { process: process.to_owned(), back_end, proxy });
        Ok(address)
    }

    /// Closes the connections on some ways and refuses new ones.
    pub async fn cut(&self, which: impl Fn(&Way) -> bool) -> Result<()> {
        for way in self.ways.iter().filter(|way| which(way)) {
            way.proxy.cut().await?;
        }
        Ok(())
    }

    /// Mends all that is cut.
    pub async fn restore(&self) -> Result<()> {
        for way in &self.ways {
            way.proxy.restore().await?;
        }
        Ok(())
    }
}
