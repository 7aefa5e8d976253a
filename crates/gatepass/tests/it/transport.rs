//! What a connection can do to the server, and the server to a connection: broken framing, broken
//! bodies, silence, floods, and the end of the process.

pub(crate) mod connection;
mod downloads;
mod framing;
mod gathering;
mod heads;
mod many;
mod memory;
mod order;
mod silence;
mod slow;
mod stopping;
mod truncated;
