//! The shared vectors, the differential run against an independent verifier, and properties.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

mod case;
mod differential;
#[path = "../../examples/answer/policy.rs"]
mod policy;
mod properties;
mod vectors;
