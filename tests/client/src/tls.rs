//! How a client knows that a server is who it says.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, Error, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tokio_util::either::Either;

/// What carries bytes to a server: TCP, with TLS over it for `https`.
pub type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The certificates that are believed over TLS, and no others: those of authorities, or servers' own.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Believes the certificates in this PEM (RFC 7468).
    ///
    /// # Errors
    /// It holds none, or one that is not a certificate.
    pub fn only(pem: &str) -> Result<Self, Error> {
        let mut believed = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| Error::General(error.to_string()))?;
            believed.add(certificate)?;
        }
        if believed.is_empty() {
            return Err(Error::General("there is no certificate to believe".to_owned()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(believed)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.0)
    }

    /// Speaks TLS on a connection to this host.
    ///
    /// # Errors
    /// The host is not who it should be, or the connection breaks.
    pub async fn secure(&self, host: &str, stream: TcpStream) -> std::io::Result<Wire> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        let secure = TlsConnector::from(self.0.clone()).connect(name, stream).await?;
        Ok(Either::Right(Box::new(secure)))
    }
}
