//! Ports for servers that have to be told theirs.

use std::collections::HashSet;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Below those that the system gives to connections, and to whoever asks for any port: none of these
/// takes one before its server listens, or while it is away.
const PORTS: Range<u16> = 20_000..32_000;

/// A port of loopback on which nobody listens. Each is given once in a process.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    loop {
        let random = u16::try_from(getrandom::u32().unwrap() % u32::from(u16::MAX)).unwrap();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}
