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
        client.send("PUT", &url, &range, &content[first..past]).map(|reply| reply.status)
    };
    for number in [0, 2] {
        until("a part is taken", || expect(send(number), 202));
    }
    let other = "UPDATE parts SET memo = translate(memo, 'abdf', 'bafd') WHERE first = 0";
    rig.sql(other);
    // Told to come again or not told in time: it must never be taken, and ends the upload. Nobody
    // comes again while that may go on, for that would begin another one.
    until("the upload is given up", || {
        assert!(matches!(send(1), None | Some(503)), "a part was lost");
        let is_aborted = || rig.sql("SELECT status FROM uploads") == "aborted";
        (0..60).any(|_| {
            let over = is_aborted();
            if !over {
                std::thread::sleep(Duration::from_millis(500));
            }
            over
        })
    });
    assert_eq!(rig.sql("SELECT count(*) FROM files"), "0");
    // The same URL begins anew.
    for (number, status) in [(0, 202), (2, 202), (1, 201)] {
        until("a part is taken", || expect(send(number), status));
    }
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
    // On a busy machine the node may ask a second time before its answers stop.
    let unknown = (0..20).map(|number| format!("unknown/{number}")).find(|path| {
        rig.to_database.hold_answer_every.store(1, Ordering::Relaxed);
        let status = std::thread::scope(|scope| {
            scope.spawn(|| give_no_answers_once_made(&rig, path));
            client.send("PUT", &sign(Action::Put, path, 0), "", &content).map(|reply| reply.status)
        });
        rig.clear_weather();
        assert!(matches!(status, None | Some(201 | 503)), "{status:?}");
        status != Some(201)
    });
    let target = format!("/{}", unknown.expect("an answer is lost for good"));
    until("it is served again", || {
        let reply = client.send("GET", &target, "", b"");
        let Some(reply) = reply.filter(|reply| reply.status != 503) else { return false };
        assert!((reply.status, &reply.body) == (200, &content));
        true
    });
}

fn give_no_answers_once_made(rig: &Rig, path: &str) {
    let made = format!("SELECT count(*) FROM files WHERE path = '{path}'");
    let deadline = Instant::now() + Duration::from_mins(1);
    while rig.sql(&made) != "1" {
        assert!(Instant::now() < deadline, "the change is never made");
        std::thread::sleep(Duration::from_millis(10));
    }
    rig.to_database.delay.store(60_000, Ordering::Relaxed);
}

fn read_from(rig: &Arc<Rig>, path: &str) -> Vec<u8> {
    let mut client = rig.client(2, Duration::from_secs(30));
    let mut body = Vec::new();
    until("it is read", || {
        let reply = client.send("GET", &format!("/{path}"), "", b"");
        let status = reply.as_ref().map(|reply| reply.status);
        body = reply.map(|reply| reply.body).unwrap_or_default();
        expect(status, 200)
    });
    body
}

/// Whether that was answered; nothing else may be, but to come again, or nothing in time.
fn expect(status: Option<u16>, wanted: u16) -> bool {
    assert!(status.is_none_or(|status| status == wanted || status == 503), "{status:?}");
    status == Some(wanted)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
