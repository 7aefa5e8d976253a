//! What a run is told, and what it tells.

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One line for the scorecard.
pub(crate) fn report(name: &str, seed: u64, trials: u64, begun: std::time::Instant, more: &str) {
    use std::io::Write as _;
    let seconds = begun.elapsed().as_secs_f64();
    let line = format!(
        "{{\"name\":\"{name}\",\"seed\":{seed},\"trials\":{trials},\"failures\":0,\"seconds\":{seconds:.1}{more}}}\n"
    );
    // Past the harness, which shows nothing of tests that pass.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
