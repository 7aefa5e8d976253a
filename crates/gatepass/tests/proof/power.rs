//! Power loss: the trace of a run tells what was never synced; that is taken away, and then
//! everything that was acknowledged must be there all the same.
//!
//! A kill cannot see a missing sync: the system keeps what the process wrote. This can.
//!
//!     GATEPASS_CUTS=20000 cargo test --release -p gatepass --test proof power -- --nocapture

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::kill::kept_by;
use crate::lane::Lane;
use crate::random::Random;
use crate::support::{Server, Start};
use crate::trace::{CALLS, Volatile};

/// Each sync begins 10 ms late.
const SLOW_SYNCS: [&str; 2] = ["-e", "inject=fsync,fdatasync:delay_enter=10ms"];

#[test]
fn nothing_is_lost_by_power_cuts() {
    let (cycles, lanes) =
        (crate::setting("GATEPASS_CUTS", 300), crate::setting("GATEPASS_LANES", 6));
    if crate::support::left_out("strace", "power cuts") {
        return;
    }
    let (seed, begun) = (Random::seed(), Instant::now());
    let (left, harmed) = (AtomicU64::new(cycles), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (left, harmed) = (&left, &harmed);
            scope.spawn(move || {
                if let Err(text) = run(seed.wrapping_add(lane), left, harmed, &[]) {
                    let command = format!("GATEPASS_SEED={seed} GATEPASS_CUTS={cycles}");
                    panic!("{text}\nagain: {command} cargo test -p gatepass --test proof power");
                }
            });
        }
    });
    let harmed = harmed.load(Ordering::Relaxed);
    crate::report("power cut", seed, cycles, begun, &format!(",\"unsynced_things_lost\":{harmed}"));
    assert!(harmed > 0, "there was nothing to lose: the trace is not understood");
}

/// The harness itself: a server whose syncs do nothing must be caught.
#[test]
fn a_server_that_does_not_sync_is_caught() {
    if crate::support::left_out("strace", "power cuts without syncs") {
        return;
    }
    for calls in ["fdatasync", "fsync"] {
        let left = AtomicU64::new(60);
        let lie = format!("inject={calls}:retval=0");
        let caught = run(2, &left, &AtomicU64::new(0), &["-e", &lie]);
        assert!(caught.is_err(), "a server without {calls} passed");
    }
}

fn run(seed: u64, left: &AtomicU64, harmed: &AtomicU64, extra: &[&str]) -> Result<(), String> {
    let mut random = Random::new(seed);
    loop {
        let seed = random.next();
        let mut lane = Lane::new(seed);
        // Or else what the first start makes may be lost as well.
        if random.chance(50) {
            Start::at(&lane.data).run().terminate();
        }
        for _ in 0..=random.below(8) {
            let counted = |left: u64| left.checked_sub(1);
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted).is_err() {
                return Ok(());
            }
            let lost = cut(&mut lane, kept_by(seed), extra)?;
            harmed.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// One power cut. Returns how much was lost.
fn cut(lane: &mut Lane, kept: &str, extra: &[&str]) -> Result<u64, String> {
    let data = lane.data.clone();
    let log = data.with_file_name("trace");
    let (calls, log_name) = (format!("trace={CALLS}"), log.to_str().unwrap());
    let start = || Start::at(&data).for_proof().keeping(kept);
    let traced = |start: Start, extra: &[&str]| {
        let mut strace = vec!["strace", "-f", "--seccomp-bpf", "-y", "-v", "-s", "0", "-qq", "-o"];
        strace.extend([log_name, "-e", &calls]);
        strace.extend(extra);
        start.under(&strace)
    };
    let volatile = RefCell::new(Volatile::beginning_at(&data));
    // It ends when everything it traced has, and has written everything by then.
    let read = || volatile.borrow_mut().read(&std::fs::read_to_string(&log).unwrap());
    // One that does not get far.
    let stumble = |lane: &mut Lane| {
        if lane.random.chance(30) {
            let time = Duration::from_millis(lane.random.below(300));
            let _ = traced(start().killed_after(time), extra).try_run().map(Server::wait);
            read();
        }
    };
    // Every other one is killed while it waits for the disk, and another tells of what it has left.
    // From then on that counts, although nobody may have synced it yet.
    let is_followed = extra.is_empty() && lane.random.chance(50);
    stumble(lane);
    let server = traced(start(), if is_followed { &SLOW_SYNCS } else { extra }).run();
    work(lane, &server)?;
    server.wait();
    read();
    if is_followed {
        stumble(lane);
        let server = traced(start(), extra).run();
        lane.check(&server)?;
        if lane.random.chance(50) {
            work(lane, &server)?;
        } else {
            kill_tracee(&server);
        }
        server.wait();
        read();
    }
    let lost = volatile.borrow().forget(&mut lane.random);
    let _ = std::fs::remove_file(data.join("gatepass.db-shm"));
    let server = start().try_run()?;
    lane.check(&server)?;
    server.terminate();
    Ok(lost)
}

/// Clients work until the server is killed, after a while.
fn work(lane: &mut Lane, server: &Server) -> Result<(), String> {
    let pause = Duration::from_millis(5 + lane.random.below(60));
    let kill = || {
        std::thread::sleep(pause);
        kill_tracee(server);
    };
    lane.work(server.delivery, kill).map(drop)
}

/// Kills what the tracer traces, not the tracer.
pub(crate) fn kill_tracee(server: &Server) {
    let pid = server.pid();
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(Path::new(&children)).unwrap_or_default();
    for child in children.split_whitespace() {
        let _ = Command::new("kill").args(["-9", child]).status();
    }
}
