//! TLS to a server that something in front does it for. Trusted is what this machine trusts: its certificates, or those of
//! the file or folder that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.

use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use ureq::tls::{RootCerts, TlsConfig};

/// What bytes of a server go over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// For requests.
pub(super) fn for_requests() -> TlsConfig {
    TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build()
}

/// Makes a connection one that nobody between can read or change, to the server of this name or address.
///
/// # Errors
/// The server's certificate is not trusted here, or it does not speak TLS.
pub(super) async fn secure(stream: TcpStream, host: &str) -> io::Result<Box<dyn Wire>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let verified = builder.with_safe_default_protocol_versions().and_then(|builder| builder.with_platform_verifier());
    let mut config = verified.map_err(io::Error::other)?.with_no_client_auth();
    // A WebSocket begins as a request of this version.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

/// Why TLS failed, if it was that.
pub(super) fn reason(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(ToString::to_string)
}
