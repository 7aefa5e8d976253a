use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use gatepass_core::SourceUrl;
use gatepass_core::port::{Fetch, FetchError, Fetched};
use tokio::time::{Instant, timeout_at};

use crate::Guard;
use crate::connect::{Stream, Tls, connect, distrust};
use crate::exchange::{Pace, Reply, exchange};
use crate::resolve::{Names, addresses};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 3;

/// How long a fetch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Until a connection is there: the name, TCP and TLS. For each redirect again.
    pub connect: Duration,
    /// Without a byte from the source.
    pub idle: Duration,
    /// In all.
    pub total: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            total: Duration::from_hours(1),
        }
    }
}

/// Fetches by HTTP/1.1, with TLS or without.
pub struct Fetcher {
    guard: Guard,
    names: Names,
    tls: Tls,
    limits: FetchLimits,
}

impl Fetcher {
    /// Asks `name_server`, or those that the system is set up with. Has to be called within a
    /// runtime of tokio.
    pub fn new(guard: Guard, name_server: Option<SocketAddr>, limits: FetchLimits) -> Self {
        Self { guard, names: Names::new(name_server), tls: Tls::default(), limits }
    }

    /// One request: everything is looked at as if there had been none before.
    async fn ask(&self, url: &SourceUrl, deadline: Instant) -> Result<Reply, FetchError> {
        let connected = within(self.limits.connect, deadline, self.connect(url)).await;
        let stream = connected.map_err(failure)?;
        let pace = Pace { idle: self.limits.idle, deadline };
        let until = deadline.min(Instant::now() + self.limits.idle);
        match timeout_at(until, exchange(stream, url, pace)).await {
            Ok(reply) => reply,
            Err(elapsed) => Err(FetchError::Unreachable(elapsed.into())),
        }
    }

    async fn connect(
        &self,
        url: &SourceUrl,
    ) -> Result<Box<dyn Stream>, Box<dyn Error + Send + Sync>> {
        let addresses = addresses(&self.names, &self.guard, url).await?;
        connect(&addresses, url, &self.tls).await
    }

    /// Where a redirect leads, if it may lead there.
    fn follow(&self, from: &SourceUrl, location: &str) -> Result<SourceUrl, FetchError> {
        let to = from.join(location).map_err(|_| FetchError::RedirectRefused)?;
        let downgrade = from.is_https() && !to.is_https();
        if downgrade || !self.guard.permits_port(to.port()) {
            return Err(FetchError::RedirectRefused);
        }
        Ok(to)
    }
}

#[async_trait]
impl Fetch for Fetcher {
    async fn open(&self, url: &SourceUrl) -> Result<Fetched, FetchError> {
        if !self.guard.permits_port(url.port()) {
            return Err(FetchError::PortRefused);
        }
        let deadline = Instant::now() + self.limits.total;
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            match self.ask(&url, deadline).await? {
                Reply::Content(fetched) => return Ok(fetched),
                Reply::Redirect(location) => url = self.follow(&url, &location)?,
            }
        }
        Err(FetchError::TooManyRedirects)
    }
}

/// Whoever shows a certificate was connected to, and so is one of those that may be: telling what is
/// wrong with it maps nothing.
fn failure(error: Box<dyn Error + Send + Sync>) -> FetchError {
    match distrust(&*error) {
        Some(reason) => FetchError::Untrusted(reason),
        None => FetchError::Unreachable(error),
    }
}

async fn within<T>(
    limit: Duration,
    deadline: Instant,
    work: impl Future<Output = Result<T, Box<dyn Error + Send + Sync>>>,
) -> Result<T, Box<dyn Error + Send + Sync>> {
    match timeout_at(deadline.min(Instant::now() + limit), work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}
