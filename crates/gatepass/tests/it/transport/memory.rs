//! What a connection costs in memory while nothing much happens on it. The bounds are a quarter to a half
//! above what was measured, and a fraction of what careless buffers take.

use std::io::Write as _;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::{Connection, eventually, metric, put_head};
use crate::support::{Server, on_s3};

const CONNECTIONS: u32 = 500;
/// Bytes that each client sends, one at a time.
const BYTES: usize = 40;
/// Pause between two of them, so that most are read one at a time, too.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens the connections, has something happen on each, and returns what each costs, in bytes.
fn cost_of_each(server: &Server, begin: impl Fn(u32) -> Connection, trickle: usize) -> u64 {
    let before = settled_memory(server);
    let mut connections: Vec<_> = (0..CONNECTIONS).map(begin).collect();
    let open = || metric(server, "gatepass_connections{listener=\"delivery\"}");
    eventually("all are there", || open() > f64::from(CONNECTIONS) - 0.5);
    for _ in 0..trickle {
        for connection in &mut connections {
            connection.say("x");
        }
        std::thread::sleep(PAUSE);
    }
    settled_memory(server).saturating_sub(before) / u64::from(CONNECTIONS)
}

/// The server's memory once it stays what it is.
fn settled_memory(server: &Server) -> u64 {
    let (mut last, mut equal) = (0, 0);
    eventually("the memory stays as it is", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = server.own_memory();
        let stays = std::mem::replace(&mut last, now).abs_diff(now) < 64 << 10;
        // Once may be a server that the machine did not let run.
        equal = if stays { equal + 1 } else { 0 };
        equal == 3
    });
    last
}

/// A server that has done everything once.
fn warm() -> Server {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let server = Server::start();
    assert_eq!(server.send("PUT", &server.put_url("warm"), &vec![7; 200_000]).status, 201);
    assert_eq!(server.send("GET", "/warm", b"").status, 200);
    server
}

fn assert_at_most(what: &str, cost: u64, kib: u64) {
    let line = format!("{what}: {}.{} KiB each\n", cost >> 10, (cost % 1024) * 10 / 1024);
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(cost <= kib << 10, "{line}");
}

#[test]
fn idle_connections_keep_next_to_nothing() {
    let server = warm();
    let begin = |_| {
        let mut connection = Connection::open(server.delivery);
        connection.say("GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(connection.answer().unwrap().status, 404);
        connection
    };
    assert_at_most("idle connections", cost_of_each(&server, begin, 0), 6);
}

#[test]
fn bodies_that_trickle_keep_little() {
    if on_s3() {
        return;
    }
    let server = warm();
    let begin = |number| {
        let mut connection = Connection::open(server.delivery);
        let url = server.put_url(&format!("slow/{number}"));
        connection.say(put_head(&url, "Content-Length: 1000000\r\n") + &"x".repeat(1_000));
        connection
    };
    assert_at_most("bodies that trickle", cost_of_each(&server, begin, BYTES), 28);
}

#[test]
fn chunks_that_trickle_keep_little() {
    if on_s3() {
        return;
    }
    let server = warm();
    let framing = "Content-Length: 1000000\r\nContent-Range: bytes 0-999999/2000000\r\n";
    let begin = |number| {
        let mut connection = Connection::open(server.delivery);
        let url = server.put_url(&format!("slow/{number}"));
        connection.say(put_head(&url, framing) + &"x".repeat(1_000));
        connection
    };
    assert_at_most("chunks that trickle", cost_of_each(&server, begin, BYTES), 40);
}

/// What is on its way to a slow reader is the system's, not the server's.
#[test]
fn readers_that_take_nothing_keep_little() {
    if on_s3() {
        return;
    }
    let server = warm();
    assert_eq!(server.send("PUT", &server.put_url("large"), &vec![7; 64 << 20]).status, 201);
    let begin = |_| {
        let mut connection = Connection::open(server.delivery);
        connection.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(connection.head().0, 200);
        connection
    };
    assert_at_most("readers that take nothing", cost_of_each(&server, begin, 0), 24);
}
