use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use crate::error::OpenError;

const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long a connection may be dead before the system notices.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What PostgreSQL is told about each connection.
///
/// A commit is answered when it is on the disk, and on the standby where there is a synchronous
/// one. What a node that stopped has locked is free again after 1.5 s. Nothing waits longer for a
/// lock, or works longer on a statement, than the node waits for the answer.
const SERVER_SETTINGS: &str = "-c synchronous_commit=on \
     -c idle_in_transaction_session_timeout=1500 \
     -c lock_timeout=2000 \
     -c statement_timeout=5000 \
     -c default_transaction_isolation=read\\ committed \
     -c client_encoding=UTF8";

/// Where the database is. It does not print its password.
#[derive(Clone)]
pub struct Options {
    pub(crate) config: Config,
    root_certificate: Option<PathBuf>,
    /// Most connections at once.
    pub connections: usize,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("at", &self.place()).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads `postgres://user:password@host:port/database?...`. Of the parameters, `sslmode` also
    /// takes libpq's `verify-ca` and `verify-full`, and `sslrootcert` names a file of certificates
    /// to trust in place of the system's. The error never repeats the URL.
    pub fn parse(url: &str, connections: usize) -> Result<Self, OpenError> {
        let (url, root_certificate) = take_root_certificate(url);
        let mut config: Config = url.parse().map_err(OpenError::Url)?;
        if config.get_hosts().is_empty() {
            return Err(OpenError::NoHost);
        }
        let given = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        config.options(format!("{given}{SERVER_SETTINGS}"));
        if config.get_application_name().is_none() {
            config.application_name("gatepass");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_MAX);
        }
        config.tcp_user_timeout(SILENCE_MAX);
        config.keepalives_idle(SILENCE_MAX);
        // Of several hosts the one that takes changes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, root_certificate, connections: connections.max(1) })
    }

    /// Hosts and database, for messages.
    pub(crate) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let host = |(at, host): (usize, &tokio_postgres::config::Host)| match host {
            tokio_postgres::config::Host::Tcp(name) => format!("{name}:{}", port(at)),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        };
        let hosts: Vec<_> = self.config.get_hosts().iter().enumerate().map(host).collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// A server's certificate is always checked; where it cannot be, `sslmode=disable` says so.
    pub(crate) fn tls(&self) -> Result<ClientConfig, OpenError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = if self.config.get_ssl_mode() == SslMode::Disable {
            RootCertStore::empty()
        } else {
            self.roots()?
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Certificates(error.to_string()))?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// What a setting is in a connection of these options.
    pub async fn show(&self, setting: &str) -> Result<String, OpenError> {
        let failed = |error| OpenError::Failed {
            place: self.place(),
            source: crate::error::catalog_error(error),
        };
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(self.tls()?);
        let (client, connection) = self.config.connect(tls).await.map_err(failed)?;
        tokio::spawn(connection);
        let query = "SELECT current_setting($1)";
        let row = client.query_one(query, &[&setting]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    fn roots(&self) -> Result<RootCertStore, OpenError> {
        let failed = |error: &dyn fmt::Display| OpenError::Certificates(error.to_string());
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.root_certificate else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
        Ok(roots)
    }
}

/// Parameters that libpq knows and our client does not.
fn take_root_certificate(url: &str) -> (String, Option<PathBuf>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let mut root = None;
    let rest: Vec<&str> = query
        .split('&')
        .filter_map(|pair| match pair.split_once('=') {
            Some(("sslrootcert", path)) => {
                root = Some(PathBuf::from(path));
                None
            }
            Some(("sslmode", "verify-ca" | "verify-full")) => Some("sslmode=require"),
            _ => Some(pair),
        })
        .collect();
    (format!("{base}?{}", rest.join("&")), root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let options = Options::parse("postgres://me:s3cret@db.test:6000,other/files", 4).unwrap();
        let shown = format!("{options:?}");
        assert!(shown.contains("db.test:6000,other:5432/files") && !shown.contains("s3cret"));
        for bad in ["postgres://me:s3cret@db.test/files?no_such=1", "postgres://me:s3cret@"] {
            let error = Options::parse(bad, 4).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn what_only_libpq_knows_is_understood() {
        let url = "postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem&application_name=x";
        let options = Options::parse(url, 4).unwrap();
        assert_eq!(options.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(options.root_certificate.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert_eq!(options.config.get_application_name(), Some("x"));
    }
}
