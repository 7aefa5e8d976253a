//! HTTP: listeners, routes, header syntax and answers.
//!
//! A request's way through this crate:
//!
//! 1. [`transport`] accepts the connection and keeps every limit on time, bytes and counts;
//! 2. `service` gives the request its id, finds the host's project and logs the outcome;
//! 3. `delivery` (public paths) or `api` (management) routes it;
//! 4. the door of `gatepass-sign` turns it into a grant;
//! 5. `routes` has one file for each operation, which calls one use case of the engine;
//! 6. `answer` and [`problem`] write what goes back.

mod answer;
mod api;
mod body;
mod cors;
mod delivery;
mod openapi;
pub mod problem;
mod request_line;
mod routes;
mod service;
pub mod transport;
mod wire;

pub use answer::{Answer, AnswerBody};
pub use api::{Call, KeyedCall, OpenCall, ROUTES, Route};
pub use service::{App, Endpoint, Listener};
pub use wire::range::parse as parse_range;
