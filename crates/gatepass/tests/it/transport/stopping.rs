//! The signal to stop: what runs may end, what is new is refused, nothing holds it up for longer
//! than the time it has.

use super::connection::{Connection, eventually, put_head};
use crate::support::{Server, Start};

/// A server that waits this long for running requests, and for nothing else.
fn start(shutdown: &str) -> Server {
    let long = ["--first-byte-timeout", "--head-timeout", "--idle-timeout", "--stall-timeout"];
    let start = Start::fresh().flag("--shutdown-timeout", shutdown);
    long.into_iter().fold(start, |start, flag| start.flag(flag, "1h")).run()
}

/// Announces ten bytes and sends five.
fn half_an_upload(server: &Server, name: &str) -> Connection {
    let mut connection = Connection::open(server.delivery);
    let head = put_head(&server.put_url(name), "Content-Length: 10\r\nExpect: 100-continue\r\n");
    connection.say(head);
    // Now it is certain that the request runs.
    connection.is_told_to_go_on();
    connection.say("hello");
    connection
}

#[test]
fn a_running_upload_ends_well_and_nothing_new_begins() {
    let server = start("20s");
    let mut running = half_an_upload(&server, "running");
    let mut idle = Connection::open(server.delivery);
    idle.say("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.answer().unwrap().status, 404);
    server.signal_stop();
    for address in [server.delivery, server.api] {
        eventually("new connections are refused", || Connection::try_open(address).is_err());
    }
    assert_eq!(idle.until_closed(), b"");
    running.say("world");
    let answer = running.answer().unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(running.until_closed(), b"");
    let (code, data) = server.terminate();
    assert_eq!(code, Some(0));
    let again = Start::at(&data.path).run();
    assert_eq!(again.send("GET", "/running", b"").body, b"helloworld");
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let server = start("1h");
    let mut idle: Vec<_> = (0..20).map(|_| Connection::open(server.delivery)).collect();
    for connection in &mut idle {
        connection.say("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(connection.answer().unwrap().status, 404);
    }
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn silent_connections_hold_it_up_no_longer_than_its_time() {
    let server = start("500ms");
    let silent: Vec<_> = (0..20).map(|_| Connection::open(server.delivery)).collect();
    let mut half = Connection::open(server.delivery);
    half.say("GET /a HTTP/1.1\r\nHos");
    // Answered after them, so that they have been accepted.
    assert_eq!(server.send("GET", "/a", b"").status, 404);
    assert_eq!(server.terminate().0, Some(0));
    drop(silent);
}

#[test]
fn an_upload_that_does_not_end_is_cut_and_leaves_no_file() {
    let server = start("500ms");
    let mut running = half_an_upload(&server, "endless");
    let (code, data) = server.terminate();
    assert_eq!(code, Some(0));
    running.until_closed();
    let again = Start::at(&data.path).run();
    assert_eq!(again.send("GET", "/endless", b"").status, 404);
}
