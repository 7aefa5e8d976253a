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

mod client;
mod content;
mod faults;
mod history;
mod kill;
mod lane;
mod model;
mod network;
mod power;
mod random;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/support.rs"]
mod support;
mod trace;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One line for the scorecard.
fn report(name: &str, seed: u64, trials: u64, begun: std::time::Instant, more: &str) {
    use std::io::Write as _;
    let seconds = begun.elapsed().as_secs_f64();
    let line = format!(
        "{{\"name\":\"{name}\",\"seed\":{seed},\"trials\":{trials},\"failures\":0,\"seconds\":{seconds:.1}{more}}}\n"
    );
    // Past the harness, which shows nothing of tests that pass.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
