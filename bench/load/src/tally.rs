//! What was measured.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What one client did, or all of them.
#[derive(Default)]
pub(crate) struct Tally {
    latencies: Vec<Duration>,
    /// Requests that ended in each second of the run.
    seconds: Vec<u64>,
    bytes: u64,
    errors: Vec<String>,
}

impl Tally {
    /// Notes a request of a run that began at `start`.
    pub(crate) fn add(&mut self, start: Instant, begun: Instant, bytes: u64) {
        self.latencies.push(begun.elapsed());
        self.bytes += bytes;
        let second = usize::try_from(start.elapsed().as_secs()).unwrap_or(0);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, 0);
        }
        self.seconds[second] += 1;
    }

    /// Notes a failure; fails itself when there were too many.
    pub(crate) fn fail(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        self.errors.push(format!("{error:#}"));
        anyhow::ensure!(self.errors.len() < 10, "{error:#}");
        Ok(())
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.seconds.resize(self.seconds.len().max(other.seconds.len()), 0);
        for (mine, theirs) in self.seconds.iter_mut().zip(other.seconds) {
            *mine += theirs;
        }
        self.bytes += other.bytes;
        self.errors.extend(other.errors);
        self
    }

    pub(crate) fn report(mut self, elapsed: Duration) -> anyhow::Result<Value> {
        self.latencies.sort_unstable();
        anyhow::ensure!(!self.latencies.is_empty(), "no request succeeded");
        let at = |share: usize| {
            let index = (self.latencies.len() * share / 100).min(self.latencies.len() - 1);
            self.latencies[index].as_secs_f64() * 1_000.0
        };
        Ok(json!({
            "seconds": elapsed.as_secs_f64(),
            "requests": self.latencies.len(),
            "bytes": self.bytes,
            "p50_ms": at(50),
            "p99_ms": at(99),
            "per_second": self.seconds,
            "errors": self.errors,
        }))
    }
}
