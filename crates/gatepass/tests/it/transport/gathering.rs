//! Where the bytes of a file of middle size wait until all of them are there: in memory if they come
//! fast, and while there is room.

use std::time::{Duration, Instant};

use super::connection::{Connection, blobs, eventually, put_head};
use crate::support::{Server, noise, on_postgres, on_s3};

/// The largest file that the catalog keeps.
const LENGTH: usize = 256 << 10;
/// More of them than may wait at once.
const MANY: u32 = 260;

fn begin(server: &Server, at: &str, first: &[u8]) -> Connection {
    let mut connection = Connection::open(server.delivery);
    let length = format!("Content-Length: {LENGTH}\r\n");
    connection.say(put_head(&server.put_url(at), &length));
    connection.say(first);
    connection
}

fn assert_content(server: &Server, at: &str, content: &[u8]) {
    let got = server.send("GET", &format!("/{at}"), b"");
    assert!((got.status, &*got.body) == (200, content), "{at}");
}

#[test]
fn who_is_fast_gets_memory_and_who_trickles_does_not() {
    if on_s3() || on_postgres() {
        return;
    }
    let server = Server::start();
    let content = noise(1, LENGTH);
    // A machine that stands still makes slow whoever is fast: that one is fast once more.
    eventually("the catalog keeps what comes fast", || {
        let before = blobs(&server);
        let mut fast = begin(&server, "fast", &content);
        assert!(matches!(fast.answer().unwrap().status, 200 | 201));
        blobs(&server) == before
    });
    let before = blobs(&server);

    let mut slow = begin(&server, "slow", &content[..1_000]);
    std::thread::sleep(Duration::from_millis(1_100));
    slow.say(&content[1_000..]);
    assert_eq!(slow.answer().unwrap().status, 201);
    assert_eq!(blobs(&server), before + 1, "the store has it");

    for at in ["fast", "slow"] {
        assert_content(&server, at, &content);
        let get = server.request("GET", &format!("/{at}"));
        let part = get.header("Range", "bytes=70001-80000").send();
        assert!((part.status, &*part.body) == (206, &content[70_001..80_001]), "{at}");
    }
}

/// Whoever finds no room goes to the store; the others go on where they are.
#[test]
fn memory_is_for_so_many_at_once() {
    if on_s3() || on_postgres() {
        return;
    }
    let server = Server::start();
    let content = noise(2, LENGTH);
    let is_kept = |at: &str| {
        let before = blobs(&server);
        assert!(matches!(server.send("PUT", &server.put_url(at), &content).status, 200 | 201));
        assert_content(&server, at, &content);
        blobs(&server) == before
    };
    // They have a second: a machine that takes longer for all of them begins once more.
    let mut waiting = Vec::new();
    eventually("the memory is used up", || {
        let begun = Instant::now();
        waiting = (0..MANY)
            .map(|number| begin(&server, &format!("waiting/{number}"), &content[..20_000]))
            .collect();
        while is_kept("after") {
            if begun.elapsed() > Duration::from_secs(1) {
                return false;
            }
        }
        true
    });
    for connection in &mut waiting {
        connection.say(&content[20_000..]);
        assert_eq!(connection.answer().unwrap().status, 201);
    }
    assert_content(&server, "waiting/0", &content);
    assert_content(&server, &format!("waiting/{}", MANY - 1), &content);
    eventually("it is given back", || is_kept("last"));
}
