//! Requests whose end two readers could see in different places.

use super::connection::{Connection, assert_well, put_head};
use crate::support::{Answer, Server};

/// The body as chunks, and a second request behind it, which a reader of the other framing would
/// take for one.
const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";
const SECOND: &str = "GET /second HTTP/1.1\r\nHost: gatepass.test\r\n\r\n";

/// Sends the body in this framing and returns every answer until the server hangs up.
fn answers(server: &Server, url: &str, framing: &str) -> Vec<Answer> {
    let mut connection = Connection::open(server.delivery);
    connection.say(format!("{}{BODY}{SECOND}", put_head(url, framing)));
    let answers = std::iter::from_fn(|| connection.answer()).collect();
    connection.until_closed();
    answers
}

#[test]
fn two_framings_are_read_as_chunks_and_end_the_connection() {
    let server = Server::start();
    for (name, framing) in [
        ("cl-te", "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n"),
        ("te-cl", "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n"),
        ("short-cl-te", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        ("te-huge-cl", "Transfer-Encoding: chunked\r\nContent-Length: 100000\r\n"),
    ] {
        let answers = answers(&server, &server.put_url(name), framing);
        assert_eq!(answers.len(), 1, "{name}: {answers:?}");
        assert_eq!(answers[0].status, 201, "{name}: {answers:?}");
        let got = server.send("GET", &format!("/{name}"), b"");
        assert_eq!(got.body, b"hello", "{name}");
    }
    assert_well(&server);
}

#[test]
fn a_framing_that_is_not_understood_is_refused() {
    let server = Server::start();
    for (name, framing) in [
        ("two-lengths", "Content-Length: 15\r\nContent-Length: 3\r\n"),
        ("list-of-lengths", "Content-Length: 15, 3\r\n"),
        ("plus", "Content-Length: +5\r\n"),
        ("minus", "Content-Length: -5\r\n"),
        ("hex", "Content-Length: 0x5\r\n"),
        ("no-length", "Content-Length: \r\n"),
        ("huge-length", "Content-Length: 18446744073709551616\r\n"),
        ("xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunked-identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("gzip-last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
        ("blank-before-colon", "Transfer-Encoding : chunked\r\n"),
        ("blank-before-length", "Content-Length : 15\r\n"),
        ("folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("tab-in-name", "Transfer-Encoding\t: chunked\r\n"),
        ("vertical-tab", "Transfer-Encoding: \x0bchunked\r\n"),
    ] {
        let answers = answers(&server, &server.put_url(name), framing);
        assert_eq!(answers.len(), 1, "{name}: {answers:?}");
        assert_eq!(answers[0].status, 400, "{name}: {answers:?}");
        let got = server.send("GET", &format!("/{name}"), b"");
        assert_eq!(got.status, 404, "{name}");
    }
    assert_well(&server);
}

#[test]
fn one_framing_leaves_the_second_request_a_request() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    let head = put_head(&server.put_url("one"), "Transfer-Encoding: chunked\r\n");
    connection.say(format!("{head}{BODY}{SECOND}"));
    let first = connection.answer().unwrap();
    let second = connection.answer().unwrap();
    assert_eq!((first.status, second.status), (201, 404));
    assert_eq!(second.kind(), "file_not_found");
}
