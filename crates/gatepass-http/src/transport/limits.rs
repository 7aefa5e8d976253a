use std::time::Duration;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a new connection may be silent. 10 s: enough for the slowest network, too short
    /// to hoard connections.
    pub first_byte: Duration,
    /// How long a request's head may take from its first byte on. 10 s, likewise.
    pub head: Duration,
    /// How long a connection may be idle between requests. 60 s: browsers and proxies reuse
    /// within that.
    pub idle: Duration,
    /// How long a body may pause. 60 s: a phone in a tunnel comes back or starts again.
    pub body_stall: Duration,
    /// How long the client may take none of the answer.
    pub write_stall: Duration,
    /// Largest head in bytes: 64 KiB holds a signed URL with all its metadata several times.
    pub head_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// Most connections in all.
    pub connections: usize,
    /// Most connections from one address. A proxy in front is one address: raise it there.
    pub connections_per_address: usize,
    /// Most bytes that are read and thrown away after an early answer.
    pub drain_bytes: u64,
    /// How long is read on after an early answer.
    pub drain_time: Duration,
    /// How long running requests may go on after the signal to stop.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            body_stall: Duration::from_mins(1),
            write_stall: Duration::from_mins(1),
            head_bytes: 64 * 1024,
            headers: 100,
            connections: 20_000,
            connections_per_address: 10_000,
            drain_bytes: 1 << 20,
            drain_time: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
