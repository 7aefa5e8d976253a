use std::sync::{Arc, Weak};
use std::time::Duration;

use gatepass_core::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::engine::Engine;
use crate::sweep;

/// How often the times of key use are written.
const KEY_USE_INTERVAL: Duration = Duration::from_mins(1);
/// How far the wall clock may stray between two sweeps. Beyond that the ages of blobs mean
/// nothing, and an upload in flight could pass for an orphan.
const CLOCK_JUMP_MAX: Duration = Duration::from_mins(5);

/// One task for each chore. They hold the engine weakly and end when it is gone.
pub(crate) fn spawn(engine: &Arc<Engine>) {
    tokio::spawn(follow_settings(Arc::downgrade(engine), engine.limits.settings_age_max));
    tokio::spawn(note_key_use(Arc::downgrade(engine)));
    tokio::spawn(sweep_regularly(Arc::downgrade(engine), engine.limits.sweep_interval));
}

async fn follow_settings(engine: Weak<Engine>, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        match engine.reload_settings().await {
            Ok(true) => tracing::info!(version = engine.directory().version(), "settings changed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "settings could not be read; the old ones stay"),
        }
    }
}

async fn note_key_use(engine: Weak<Engine>) {
    let mut ticks = interval_at(Instant::now() + KEY_USE_INTERVAL, KEY_USE_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        if let Err(error) = engine.flush_keys_used().await {
            tracing::warn!(%error, "times of key use were not written");
        }
    }
}

async fn sweep_regularly(engine: Weak<Engine>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let node = crate::random::name();
    let mut last: Option<(Instant, Timestamp)> = None;
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        let this = (Instant::now(), engine.now());
        let jumped = last.is_some_and(|last| clock_jumped(last, this));
        last = Some(this);
        if jumped {
            tracing::warn!(
                "the clock jumped: what looks old may be new, so this sweep is left out"
            );
            continue;
        }
        sweep_once(&engine, &node).await;
    }
}

/// Whether the wall clock went another way than the time that passed.
fn clock_jumped(last: (Instant, Timestamp), this: (Instant, Timestamp)) -> bool {
    let passed = this.0.saturating_duration_since(last.0);
    let expected = last.1.plus(passed);
    this.1 > expected.plus(CLOCK_JUMP_MAX) || this.1 < expected.minus(CLOCK_JUMP_MAX)
}

async fn sweep_once(engine: &Engine, node: &str) {
    match sweep::in_turn(engine, node).await {
        Ok(swept) if swept.is_empty() => {}
        Ok(swept) => tracing::info!(
            uploads = swept.uploads,
            retired = swept.retired,
            orphans = swept.orphans,
            bytes = swept.bytes,
            "swept"
        ),
        Err(error) => tracing::warn!(%error, "sweep did not finish"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_what_the_monotonic_clock_does_not_confirm() {
        let begun = Instant::now();
        let at = |seconds: u64| Timestamp::from_unix_seconds(1_000_000 + seconds);
        let hour = Duration::from_hours(1);
        assert!(!clock_jumped((begun, at(0)), (begun + hour, at(3_600))));
        assert!(!clock_jumped((begun, at(0)), (begun + hour, at(3_600 + 299))));
        assert!(clock_jumped((begun, at(0)), (begun + hour, at(3_600 + 301))));
        assert!(clock_jumped((begun, at(7_200)), (begun + hour, at(0))));
    }
}
