//! Three nodes, three nodes of an object store, one PostgreSQL, bad networks between them; and the
//! checker of the proof. Each request goes to another node.
//!
//! Takes minutes; `scripts/test quick` leaves it out. See docs/reliability.md.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "../proof/client.rs"]
mod client;
#[path = "../proof/content.rs"]
mod content;
mod faults;
#[path = "../proof/history.rs"]
mod history;
mod ledger;
mod load;
#[path = "../proof/random.rs"]
mod random;
mod rig;
#[path = "../proof/run.rs"]
mod run;
mod storm;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/support.rs"]
mod support;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/torture.rs"]
mod torture;
mod upload;

pub(crate) use run::{report, setting};
