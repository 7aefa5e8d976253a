//! Peers that are slow or silent. Every test shortens one time and stretches all others, so that
//! only the one under test can end the connection.

use std::time::Duration;

use super::connection::{Connection, assert_well, blobs, eventually, metric, put_head};
use crate::support::{Server, Start};

const TIMES: [&str; 4] =
    ["--first-byte-timeout", "--head-timeout", "--idle-timeout", "--stall-timeout"];

/// A server on which this time is short and all others are long.
fn short(time: &str, value: &str) -> Server {
    let start =
        |start: Start, flag: &str| start.flag(flag, if flag == time { value } else { "1h" });
    TIMES.into_iter().fold(Start::fresh(), start).run()
}

#[test]
fn a_new_connection_must_say_something() {
    let server = short("--first-byte-timeout", "1s");
    let mut silent: Vec<_> = (0..20).map(|_| Connection::open(server.delivery)).collect();
    for connection in &mut silent {
        assert_eq!(connection.until_closed(), b"");
    }
    assert_eq!(Connection::open(server.api).until_closed(), b"");
    assert_well(&server);
}

#[test]
fn a_head_must_come_to_its_end() {
    let server = short("--head-timeout", "1s");
    let mut half = Connection::open(server.delivery);
    half.say("GET /a HTTP/1.1\r\nHost: gate");
    let mut trickling = Connection::open(server.delivery);
    let mut large = Connection::open(server.delivery);
    large.say(format!("GET /a HTTP/1.1\r\nX-Large: {}", "x".repeat(30_000)));
    eventually("a head that trickles in is given up", || trickling.try_say("G").is_err());
    half.until_closed();
    large.until_closed();
    assert_well(&server);
}

#[test]
fn the_second_head_must_come_to_its_end_too() {
    let server = short("--head-timeout", "1s");
    let mut connection = Connection::open(server.delivery);
    connection.say("GET /a HTTP/1.1\r\nHost: gatepass.test\r\n\r\n");
    assert_eq!(connection.answer().unwrap().status, 404);
    connection.say("GET /b HTTP/1.1\r\nHost:");
    connection.until_closed();
}

#[test]
fn an_idle_connection_is_closed() {
    let server = short("--idle-timeout", "1s");
    let mut connection = Connection::open(server.delivery);
    connection.say("GET /a HTTP/1.1\r\nHost: gatepass.test\r\n\r\n");
    assert_eq!(connection.answer().unwrap().status, 404);
    assert_eq!(connection.until_closed(), b"");
}

#[test]
fn an_idle_connection_has_its_own_time() {
    let flags = [("--first-byte-timeout", "1s"), ("--head-timeout", "1s")];
    let start =
        flags.into_iter().fold(Start::fresh(), |start, (flag, time)| start.flag(flag, time));
    let server = start.flag("--stall-timeout", "1s").flag("--idle-timeout", "1h").run();
    let mut connection = Connection::open(server.delivery);
    for _ in 0..2 {
        connection.say("GET /a HTTP/1.1\r\nHost: gatepass.test\r\n\r\n");
        assert_eq!(connection.answer().unwrap().status, 404);
        std::thread::sleep(Duration::from_secs(2));
    }
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let server = short("--stall-timeout", "1s");
    for (name, framing, body) in [
        ("length", "Content-Length: 10\r\n", "hello"),
        ("nothing", "Content-Length: 10\r\n", ""),
        ("chunks", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
    ] {
        let mut connection = Connection::open(server.delivery);
        connection.say(format!("{}{body}", put_head(&server.put_url(name), framing)));
        let answer = connection.answer().unwrap();
        assert_eq!((answer.status, &*answer.kind()), (408, "client_timeout"), "{name}");
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        connection.until_closed();
        assert_eq!(server.send("GET", &format!("/{name}"), b"").status, 404, "{name}");
    }
    eventually("no blob is left of a stalled body", || blobs(&server) == 0);
    assert_well(&server);
}

#[test]
fn a_slow_body_that_goes_on_is_taken() {
    let server = short("--stall-timeout", "5s");
    let mut connection = Connection::open(server.delivery);
    connection.say(put_head(&server.put_url("slow"), "Content-Length: 12\r\n"));
    // Six seconds in all: longer than it may stand still.
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(500));
        connection.say("x");
    }
    assert_eq!(connection.answer().unwrap().status, 201);
}

#[test]
fn a_reader_that_takes_nothing_is_cut() {
    const SIZE: usize = 64 << 20;
    let server = short("--stall-timeout", "2s");
    let put = server.send("PUT", &server.put_url("large"), &vec![7; SIZE]);
    assert_eq!(put.status, 201);
    let open = || metric(&server, "gatepass_connections{listener=\"delivery\"}");
    eventually("the upload's connection is gone", || open() < 0.5);
    let mut connection = Connection::open(server.delivery);
    connection.say("GET /large HTTP/1.1\r\nHost: gatepass.test\r\n\r\n");
    eventually("the download has begun", || open() > 0.5);
    eventually("the reader is cut", || open() < 0.5);
    assert!(connection.until_closed().len() < SIZE);
    assert_well(&server);
}
