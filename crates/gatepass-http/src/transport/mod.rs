//! Connections: accepted, bounded, drained.
//!
//! An accept loop of our own over hyper's HTTP/1.1, because every limit has to hold:
//!
//! | what a client does | what ends it |
//! |---|---|
//! | connects and sends nothing | [`Limits::first_byte`], by [`converse`](conversation) |
//! | sends a head byte by byte | [`Limits::head`], by [`TimedIo`](io) |
//! | keeps an idle connection | [`Limits::idle`], by [`converse`](conversation) |
//! | stops in the middle of a body | [`Limits::body_stall`], by [`RequestBody`]: 408 |
//! | does not read the answer | [`Limits::write_stall`], by [`TimedIo`](io) |
//! | sends a huge head | [`Limits::head_bytes`], [`Limits::headers`]: 431, 414 |
//! | opens many connections | [`Limits::connections`], [`Limits::connections_per_address`] |
//! | goes on sending after an early answer | read on for [`Limits::drain_bytes`] or [`Limits::drain_time`], so that it sees the answer |
//!
//! HTTP/2 is left to the proxy in front: uploads over it are slower, and a proxy is there for TLS
//! anyway.

mod body;
mod conversation;
mod direct;
mod exchange;
mod file_slice;
mod io;
mod limits;
mod lingering;
mod listen;
mod quota;
mod relay;

pub use body::{BodyError, RequestBody};
pub(crate) use exchange::Exchange;
pub(crate) use file_slice::{FileSlice, stand_in};
pub use limits::Limits;
pub use listen::{Listening, Service, serve};
