//! A disk that hangs holds up who waits for it, and nobody else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepass_sign::Action;

use crate::client::{Client, sign};
use crate::content::{length, version};
use crate::faults::Tracer;
use crate::support::Start;

/// The third sync of each thread, for longer than the test takes. Uploads that come one soon after the
/// other are synced by those threads that take requests, so that one of these hangs.
const HANGS: &str = "fdatasync:delay_enter=30000000:when=3+";
const READS: u64 = 20;

#[test]
fn others_are_served_while_the_disk_hangs() {
    if crate::support::left_out("strace", "a disk that hangs") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Start::at(&directory.path().join("data")).for_proof().run();
    // Small enough for the journal: others have a sync of their own.
    let number = (1..500).find(|number| (16..4_000).contains(&length(*number))).unwrap();
    let put = |path: &str| {
        let target = sign(Action::Put, path, 0);
        Client::new(server.delivery).send("PUT", &target, "", &version(number))
    };
    assert_eq!(put("there").map(|reply| reply.status), Some(201));
    let tracer = Tracer::attach(&server, HANGS);
    let answered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        // Until one is not answered.
        let first = scope.spawn(|| {
            while put("first").is_some() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        wait_until_one_hangs(&answered);
        let second = scope.spawn(|| put("second").map(|reply| reply.status));
        for number in 0..READS {
            // Each from a new connection: it has to be taken, too.
            let found = Client::new(server.delivery).look("there");
            assert!(found.is_ok(), "read {number} while the disk hangs");
            assert!(!first.is_finished(), "the disk did not hang as long as the reads took");
        }
        assert!(!second.is_finished(), "it was answered before it was durable");
        let pid = server.pid().to_string();
        let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
        assert!(killed.unwrap().success());
        tracer.detach();
        // Not durable, not acknowledged.
        assert_eq!(second.join().unwrap(), None);
    });
}

/// Longer than an attempt may go on once a newer one is there.
const SLOW_SYNCS: &str = "fdatasync:delay_enter=4000000";

#[test]
fn a_chunk_that_has_come_whole_is_not_given_up_for_its_repeat() {
    if crate::support::left_out("strace", "a chunk on a slow disk") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Start::at(&directory.path().join("data")).for_proof().run();
    let target = sign(Action::Put, "chunks", 0);
    let chunk = || {
        let range = "Content-Range: bytes 0-4999/10000\r\n";
        Client::new(server.delivery).send("PUT", &target, range, &[7; 5_000])
    };
    let tracer = Tracer::attach(&server, SLOW_SYNCS);
    std::thread::scope(|scope| {
        let first = scope.spawn(chunk);
        // All of it is there, and waits for the disk.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(chunk().map(|reply| reply.status), Some(202));
        assert_eq!(first.join().unwrap().map(|reply| reply.status), Some(202));
    });
    tracer.detach();
}

/// Until no upload is answered any more for a time that no disk takes by itself.
fn wait_until_one_hangs(answered: &AtomicU64) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut last = (0, Instant::now());
    while last.0 == 0 || last.1.elapsed() < Duration::from_secs(3) {
        assert!(Instant::now() < deadline, "nothing hangs");
        std::thread::sleep(Duration::from_millis(10));
        let now = answered.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
}
