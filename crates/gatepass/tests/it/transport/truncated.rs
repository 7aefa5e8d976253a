//! Bodies that do not arrive as they were announced. None becomes a file, or a part of one.

use super::connection::{Connection, assert_well, blobs, eventually, put_head, target};
use crate::support::Server;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Name, framing, what comes of the body before the connection ends.
const BROKEN: &[(&str, &str, &str)] = &[
    ("length-short", "Content-Length: 10\r\n", "hello"),
    ("length-none", "Content-Length: 10\r\n", ""),
    ("chunk-size-overflow", CHUNKED, "FFFFFFFFFFFFFFFFF\r\nhello"),
    ("chunk-size-negative", CHUNKED, "-5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-size-empty", CHUNKED, "\r\nhello\r\n0\r\n\r\n"),
    ("chunk-too-long", CHUNKED, "1\r\nab\r\n0\r\n\r\n"),
    ("chunk-bare-newlines", CHUNKED, "1\na\n"),
    ("chunk-no-newline", CHUNKED, "1\r\naX0\r\n\r\n"),
    ("mid-chunk", CHUNKED, "A\r\nhello"),
    ("no-last-chunk", CHUNKED, "5\r\nhello\r\n"),
    ("last-chunk-cut", CHUNKED, "5\r\nhello\r\n0\r\n"),
    ("chunk-words", CHUNKED, "five\r\nhello\r\n0\r\n\r\n"),
];

#[test]
fn a_broken_body_is_never_a_file() {
    let server = Server::start();
    for (name, framing, body) in BROKEN {
        let mut connection = Connection::open(server.delivery);
        connection.say(format!("{}{body}", put_head(&server.put_url(name), framing)));
        connection.stop_sending();
        if let Some(answer) = connection.answer() {
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
            assert!(["body_incomplete", ""].contains(&&*answer.kind()), "{name}: {answer:?}");
        }
        connection.until_closed();
        assert_eq!(server.send("GET", &format!("/{name}"), b"").status, 404, "{name}");
    }
    eventually("no blob is left of a broken body", || blobs(&server) == 0);
    assert_well(&server);
}

#[test]
fn a_connection_that_breaks_in_a_large_body_leaves_nothing() {
    let server = Server::start();
    for round in 0..5 {
        let url = server.put_url(&format!("large-{round}"));
        let mut connection = Connection::open(server.delivery);
        connection.say(put_head(&url, "Content-Length: 50000000\r\n"));
        connection.say(vec![7; 1_000_000 * round + 1]);
        drop(connection);
    }
    eventually("no blob is left of a broken body", || blobs(&server) == 0);
    for round in 0..5 {
        assert_eq!(server.send("GET", &format!("/large-{round}"), b"").status, 404);
    }
    assert_well(&server);
}

#[test]
fn a_broken_chunk_is_not_recorded() {
    let server = Server::start();
    let url = server.put_url("chunks");
    let begun = server.request("PUT", &url).header("Content-Range", "bytes 0-4/30").body(b"hello");
    assert_eq!(begun.send().status, 202);
    for (name, framing, body) in BROKEN {
        let range = "Content-Range: bytes 10-19/30\r\n";
        let mut connection = Connection::open(server.delivery);
        connection.say(format!("{}{body}", put_head(&url, &format!("{range}{framing}"))));
        connection.stop_sending();
        if let Some(answer) = connection.answer() {
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
        }
        let state = server.request("PUT", &url).header("Content-Range", "bytes */30").send();
        assert_eq!(state.file()["received"], 5, "{name}: {state:?}");
    }
    assert_well(&server);
}

#[test]
fn a_body_without_a_declared_end_is_refused() {
    let server = Server::start();
    for (name, version, framing) in [
        ("http-1.0", "1.0", ""),
        ("http-1.0-alive", "1.0", "Connection: keep-alive\r\n"),
        ("http-1.0-chunked", "1.0", CHUNKED),
        ("http-1.1", "1.1", ""),
    ] {
        let url = server.put_url(name);
        let mut connection = Connection::open(server.delivery);
        let target = target(&url);
        let head = format!("PUT {target} HTTP/{version}\r\nHost: gatepass.test\r\n{framing}\r\n");
        connection.say(head + "5\r\nhello\r\n0\r\n\r\n");
        connection.stop_sending();
        let answer = connection.answer().unwrap();
        assert!(matches!(answer.status, 400 | 411), "{name}: {answer:?}");
        connection.until_closed();
        assert_eq!(server.send("GET", &format!("/{name}"), b"").status, 404, "{name}");
    }
    assert_eq!(blobs(&server), 0);
    assert_well(&server);
}
