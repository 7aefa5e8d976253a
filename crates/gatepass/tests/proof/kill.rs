//! kill -9 at random moments under mixed load.
//!
//!     GATEPASS_KILLS=1000000 cargo test --release -p gatepass --test proof kill -- --nocapture

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lane::{Lane, check_blobs, wait_for_sweep};
use crate::random::Random;
use crate::support::{Data, Server, Start};

#[test]
fn nothing_is_lost_by_kills() {
    let (cycles, lanes) =
        (crate::setting("GATEPASS_KILLS", 4_000), crate::setting("GATEPASS_LANES", 8));
    let (seed, begun) = (Random::seed(), Instant::now());
    let (left, answered) = (AtomicU64::new(cycles), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (left, answered) = (&left, &answered);
            scope.spawn(move || {
                if let Err(text) = run(seed.wrapping_add(lane), left, answered) {
                    let command = format!("GATEPASS_SEED={seed} GATEPASS_KILLS={cycles}");
                    panic!("{text}\nagain: {command} cargo test -p gatepass --test proof kill");
                }
            });
        }
    });
    let requests = answered.load(Ordering::Relaxed);
    crate::report("kill -9", seed, cycles, begun, &format!(",\"requests\":{requests}"));
    // Where a sync takes longer than a server lives, hardly more than reads are answered.
    assert!(requests * 10 > cycles, "hardly any request was answered before the kill");
}

/// In every other lane the catalog keeps most of the large files as well.
pub(crate) fn kept_by(lane: u64) -> &'static str {
    if lane.is_multiple_of(2) { "4KiB" } else { "256KiB" }
}

fn run(seed: u64, left: &AtomicU64, answered: &AtomicU64) -> Result<(), String> {
    let mut lane = Lane::new(seed);
    let data = lane.data.clone();
    let kept = kept_by(seed);
    let start = || Start::at(&data).for_proof().keeping(kept);
    let mut server = start().run();
    while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    {
        let pause = Duration::from_micros(1_000 + lane.random.below(40_000));
        let pid = server.pid().to_string();
        let kill = || {
            std::thread::sleep(pause);
            let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
            assert!(killed.unwrap().success());
        };
        let requests = lane.work(server.delivery, kill)?;
        answered.fetch_add(requests, Ordering::Relaxed);
        let log = server.log();
        if log.contains("panicked") {
            return Err(log);
        }
        let Data { .. } = server.kill();
        // Now and then the next one does not get far.
        while lane.random.chance(20) {
            let time = Duration::from_millis(lane.random.below(80));
            let _ = start().killed_after(time).try_run().map(Server::wait);
        }
        server = start().run();
        lane.check(&server)?;
    }
    server.terminate();
    check_blobs(&data, || {
        let server = start().run();
        wait_for_sweep(&server);
        server.terminate();
    })
}
