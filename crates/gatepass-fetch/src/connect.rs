use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use gatepass_core::SourceUrl;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// TLS with the certificates that the system trusts, which are read when they are first needed.
#[derive(Default)]
pub(crate) struct Tls(OnceLock<Result<TlsConnector, rustls::Error>>);

impl Tls {
    fn connector(&self) -> Result<&TlsConnector, rustls::Error> {
        self.0.get_or_init(connector).as_ref().map_err(Clone::clone)
    }
}

fn connector() -> Result<TlsConnector, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects to one of these addresses, in their order, and to nothing else.
pub(crate) async fn connect(
    addresses: &[SocketAddr],
    url: &SourceUrl,
    tls: &Tls,
) -> Result<Box<dyn Stream>, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(addresses).await?;
    if !url.is_https() {
        return Ok(Box::new(stream));
    }
    Ok(Box::new(tls.connector()?.connect(server_name(url)?, stream).await?))
}

/// What is wrong with the certificate, if that is why connecting failed.
pub(crate) fn distrust(error: &(dyn Error + Send + Sync + 'static)) -> Option<&'static str> {
    let error = error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(reason) = error else { return None };
    Some(match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::UnknownIssuer => {
            "comes from an authority that this server does not trust"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host"
        }
        CertificateError::Revoked => "is revoked",
        _ => "is not valid",
    })
}

fn server_name(
    url: &SourceUrl,
) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    match url.host() {
        Some(url::Host::Ipv4(address)) => Ok(ServerName::from(std::net::IpAddr::V4(address))),
        Some(url::Host::Ipv6(address)) => Ok(ServerName::from(std::net::IpAddr::V6(address))),
        Some(url::Host::Domain(name)) => ServerName::try_from(name.to_owned()),
        None => ServerName::try_from(String::new()),
    }
}
