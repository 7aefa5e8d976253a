//! One large upload through whichever node comes first, and what becomes of one with a lost part.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gatepass_sign::Action;

use crate::client::sign;
use crate::rig::{NODES, Rig};
use crate::torture::Torture;

const CHUNK: u64 = 16 << 20;

/// In chunks of 16 MiB, 8 at a time, shuffled, every tenth sent twice, every twentieth cut in the
/// middle, each request to any of the three nodes, two of which are killed on the way; one of
/// these comes back.
///
///     GATEPASS_LARGE_MIB=2048 cargo test -p gatepass --test cluster large
#[test]
fn one_large_upload_through_any_node() {
    let (size, begun) = (crate::setting("GATEPASS_LARGE_MIB", 512) << 20, Instant::now());
    let rig = Rig::start();
    let torture = Torture::new(size, CHUNK);
    let direct = || torture.direct((0..NODES).filter_map(|node| rig.address(node)).collect());
    direct();
    let url = format!("http://any{}", sign(Action::Put, "large.bin", 0));
    let (file, ()) = torture.upload(&url, 8, || {
        for (percent, node) in [(25, 0), (50, 1)] {
            torture.wait_for(percent);
            // Clients find out by themselves.
            rig.kill_node(node);
            std::thread::sleep(Duration::from_millis(200));
            direct();
        }
        torture.wait_for(75);
        rig.start_node(1);
        direct();
    });
    assert_eq!(file["filesize"].as_u64(), Some(size));
    let seconds = begun.elapsed().as_secs_f64();
    torture.check(rig.address(2).unwrap());
    assert_eq!(rig.sql("SELECT count(*) FROM files"), "1");
    assert_eq!(rig.sql("SELECT count(*), min(status) FROM uploads"), "1|complete");
    rig.check_logs().unwrap();
    let more = format!(",\"mib\":{},\"uploaded_in\":{seconds:.1}", size >> 20);
    crate::report("large upload, three nodes", 0, 1, begun, &more);
}

/// A part is not what it was when it was recorded: the upload ends, and is no file.
#[test]
fn a_part_lost_at_finish_ends_the_upload() {
    const PART: usize = 5 << 20;
    let rig = Arc::new(Rig::start());
    let mut client = rig.client(1, Duration::from_secs(30));
    let content = crate::support::noise(1, 3 * PART);
    let url = sign(Action::Put, "lost.bin", 0);
    let mut send = |number: usize| {
        let (first, past) = (number * PART, (number + 1) * PART);
        let range = format!("Content-Range: bytes {first}-{}/{}\r\n", past - 1, content.len());
        client.send("PUT", &url, &range, &content[first..past]).unwrap().status
    };
    assert_eq!([send(0), send(2)], [202, 202]);
    let other = "UPDATE parts SET memo = translate(memo, 'abdf', 'bafd') WHERE first = 0";
    rig.sql(other);
    assert_eq!(send(1), 503);
    assert_eq!(rig.sql("SELECT status FROM uploads"), "aborted");
    assert_eq!(rig.sql("SELECT count(*) FROM files"), "0");
    // The same URL begins anew.
    assert_eq!([send(0), send(2), send(1)], [202, 202, 201]);
    let found = read_from(&rig, "lost.bin");
    assert!(found == content);
}

/// The catalog's change is made, its answer is lost, and nobody can be asked for longer than a
/// client is let wait: whoever reads afterwards finds the file, with its bytes.
#[test]
fn an_upload_of_unknown_outcome_is_whole_or_absent() {
    let rig = Arc::new(Rig::start());
    let content = crate::support::noise(3, 300_000);
    let mut client = rig.client(1, Duration::from_secs(30));
    rig.to_database.hold_answer_every.store(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let made = "SELECT count(*) FROM files";
            while rig.sql(made) != "1" {
                std::thread::sleep(Duration::from_millis(10));
            }
            // From now on nobody gets any answer.
            rig.to_database.delay.store(60_000, Ordering::Relaxed);
        });
        let reply = client.send("PUT", &sign(Action::Put, "unknown", 0), "", &content);
        assert_eq!(reply.unwrap().status, 503);
    });
    rig.clear_weather();
    let begun = Instant::now();
    loop {
        let reply = client.send("GET", "/unknown", "", b"").unwrap();
        if reply.status != 503 {
            assert!((reply.status, reply.body) == (200, content));
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "it is not served again");
    }
}

fn read_from(rig: &Arc<Rig>, path: &str) -> Vec<u8> {
    let mut client = rig.client(2, Duration::from_secs(30));
    client.send("GET", &format!("/{path}"), "", b"").unwrap().body
}
