//! The proof that nothing acknowledged is lost: load, faults, and one checker of what must hold.
//!
//! Takes minutes; `scripts/test quick` leaves it out. Counts and seeds come from the environment,
//! and a failure prints the command that repeats it. See docs/reliability.md.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[allow(dead_code, reason = "shared with the cluster, which uses more of it")]
mod client;
mod content;
mod faults;
mod hang;
mod history;
mod kill;
mod lane;
mod model;
mod network;
mod power;
mod random;
mod run;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/support.rs"]
mod support;
mod trace;

pub(crate) use run::{report, setting};
