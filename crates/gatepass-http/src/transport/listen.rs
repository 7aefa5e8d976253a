use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::conversation::converse;
use super::quota::{Place, Quota};
use super::{Limits, RequestBody};
use crate::answer::Answer;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Pause after the system refused a connection for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound address.
#[derive(Debug)]
pub struct Listening(TcpListener);

impl Listening {
    /// Binds an address; port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into()).map(Self)
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one.
    fn respond(&self, request: Request<RequestBody>) -> impl Future<Output = Answer> + Send;

    /// Answers one whose handling panicked.
    fn respond_to_panic(&self) -> Answer;
}

/// Accepts connections until `stop` becomes true; then lets running requests finish for
/// [`Limits::shutdown_grace`] and returns.
pub async fn serve<S: Service>(
    name: &'static str,
    listening: Listening,
    limits: Limits,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
) {
    let quota = Quota::new(limits.connections, limits.connections_per_address);
    let limits = Arc::new(limits);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listening.0.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let Some((stream, place)) = admit(name, &quota, accepted).await else { continue };
        let connection = converse(stream, Arc::clone(&limits), Arc::clone(&service), stop.clone());
        connections.spawn(async move {
            metrics::gauge!("gatepass_connections", "listener" => name).increment(1.0);
            connection.await;
            metrics::gauge!("gatepass_connections", "listener" => name).decrement(1.0);
            drop(place);
        });
    }
    drop(listening);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.shutdown_grace, rest).await.is_err() {
        tracing::warn!(listener = name, "connections were cut after the grace time");
    }
}

/// Returns when the service has to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can ask to stop any more: that is a stop.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

async fn admit(
    name: &'static str,
    quota: &Quota,
    accepted: io::Result<(TcpStream, SocketAddr)>,
) -> Option<(TcpStream, Place)> {
    let (stream, peer) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            metrics::counter!("gatepass_accept_errors_total", "listener" => name).increment(1);
            if !is_of_one_connection(&error) {
                tracing::warn!(%error, listener = name, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
            return None;
        }
    };
    match quota.take(canonical(peer.ip())) {
        Ok(place) => Some((stream, place)),
        Err(full) => {
            metrics::counter!("gatepass_connections_refused_total", "reason" => full.as_str())
                .increment(1);
            None
        }
    }
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether the connection is at fault, and not the process.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
