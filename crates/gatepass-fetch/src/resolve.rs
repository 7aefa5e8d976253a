use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatepass_core::SourceUrl;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::Guard;

/// How long a name server may take, and how often it is asked.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;
/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Asks for the addresses of names. It is no thread of the system's resolver that waits here: a
/// name server that never answers would hold all of those.
pub(crate) struct Names(Result<TokioResolver, String>);

impl Names {
    /// Asks this server, or those that the system is set up with.
    pub(crate) fn new(server: Option<SocketAddr>) -> Self {
        let builder = match server {
            Some(server) => Ok(TokioResolver::builder_with_config(
                ask_only(server),
                TokioRuntimeProvider::default(),
            )),
            None => TokioResolver::builder_tokio(),
        };
        let resolver = builder.and_then(|mut builder| {
            set(builder.options_mut());
            builder.build()
        });
        Self(resolver.map_err(|error| error.to_string()))
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        let resolver = self.0.as_ref().map_err(Clone::clone)?;
        Ok(resolver.lookup_ip(name).await?.iter().collect())
    }
}

fn ask_only(server: SocketAddr) -> ResolverConfig {
    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut name_server.connections {
        connection.port = server.port();
    }
    ResolverConfig::from_name_servers(vec![name_server])
}

fn set(options: &mut ResolverOpts) {
    options.timeout = ANSWER_MAX;
    options.attempts = ATTEMPTS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

/// The addresses that a URL's host has at this moment and that may be connected to. They are
/// asked for once; whoever connects uses these, and nothing resolves the name again.
pub(crate) async fn addresses(
    names: &Names,
    guard: &Guard,
    url: &SourceUrl,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let port = url.port();
    let found = match url.host() {
        // No resolver is asked for these: they have to come by the guard all the same.
        Some(url::Host::Ipv4(address)) => vec![IpAddr::V4(address)],
        Some(url::Host::Ipv6(address)) => vec![IpAddr::V6(address)],
        Some(url::Host::Domain(name)) => names.look_up(name).await?,
        None => Vec::new(),
    };
    let permitted = found.iter().filter(|address| guard.permits(**address, port));
    let permitted: Vec<_> =
        permitted.take(ADDRESSES_MAX).map(|address| SocketAddr::new(*address, port)).collect();
    if permitted.is_empty() {
        return Err(io::Error::other("the host has no address that may be connected to").into());
    }
    Ok(permitted)
}
