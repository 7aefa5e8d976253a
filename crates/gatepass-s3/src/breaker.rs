//! Spares a service that does not answer, and the clients who would wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which nothing is tried for a while. More than one call's tries, and
/// far less than what a busy node has on its way.
const FAILURES_MAX: u32 = 16;
/// How long nothing is tried. Then one call finds out whether the service is back.
const REST: Duration = Duration::from_secs(2);

/// Closed while calls succeed; open for a rest after many failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be tried now. After a rest it is one call at a time.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.rests_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.rests_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    pub(crate) fn note_success(&self) {
        *self.state() = State::default();
        metrics::gauge!("gatepass_store_breaker_open", "engine" => "s3").set(0.0);
    }

    pub(crate) fn note_failure(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX {
            state.rests_until = Some(now + REST);
            metrics::gauge!("gatepass_store_breaker_open", "engine" => "s3").set(1.0);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_many_failures_one_call_at_a_time_finds_out() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..FAILURES_MAX {
            breaker.note_failure(now);
        }
        assert!(breaker.admits(now));
        breaker.note_failure(now);
        assert!(!breaker.admits(now));
        let later = now + REST;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "only one");
        breaker.note_failure(later);
        assert!(!breaker.admits(later));
        breaker.note_success();
        assert!(breaker.admits(later));
    }
}
