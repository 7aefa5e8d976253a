//! Bodies that make the server wait: what is left of them is read without HTTP, which is made anew
//! for the answer. Nobody can tell by what comes back.

use std::time::Duration;

use gatepass_sign::{Action, Policy};

use super::connection::{Connection, assert_well, blobs, eventually, put_head};
use crate::support::{Server, noise, now};

/// Several times as long as a body may have HTTP wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Begins an upload and pauses, before or within the body.
fn pausing(server: &Server, name: &str, framing: &str, begin: &[u8]) -> Connection {
    let mut connection = Connection::open(server.delivery);
    connection.say(put_head(&server.put_url(name), framing));
    std::thread::sleep(PAUSE);
    connection.say(begin);
    std::thread::sleep(PAUSE);
    connection
}

fn content(server: &Server, name: &str) -> Vec<u8> {
    server.send("GET", &format!("/{name}"), b"").body
}

#[test]
fn requests_behind_a_slow_body_are_answered_in_order() {
    let server = Server::start();
    let mut connection = pausing(&server, "a", "Content-Length: 10\r\n", b"hello");
    let next = put_head(&server.put_url("b"), "Content-Length: 3\r\n") + "abc";
    connection.say(format!("world{next}GET /b HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_eq!(connection.answer().unwrap().body, b"abc");
    assert_eq!(content(&server, "a"), b"helloworld");
    for round in 0..3 {
        let url = server.put_url(&format!("round-{round}"));
        connection.say(put_head(&url, "Content-Length: 5\r\n"));
        std::thread::sleep(PAUSE);
        connection.say("hello");
        assert_eq!(connection.answer().unwrap().status, 201);
    }
}

#[test]
fn a_client_may_hurry_after_a_pause() {
    let server = Server::start();
    let bytes = noise(1, 5_000_000);
    let framing = format!("Content-Length: {}\r\n", bytes.len());
    let mut connection = pausing(&server, "a", &framing, &bytes[..10_000]);
    connection.say(&bytes[10_000..]);
    assert_eq!(connection.answer().unwrap().status, 201);
    assert!(content(&server, "a") == bytes);
}

#[test]
fn what_the_head_asked_for_is_kept() {
    let server = Server::start();
    let framing = "Content-Length: 10\r\nConnection: close\r\n";
    let mut connection = pausing(&server, "closing", framing, b"hello");
    connection.say("world");
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")));
    assert_eq!(connection.until_closed(), b"");
    let framing = "Content-Length: 10\r\nExpect: 100-continue\r\n";
    let mut connection = pausing(&server, "expecting", framing, b"hello");
    assert_eq!(connection.line(), "HTTP/1.1 100 Continue\r\n");
    assert_eq!(connection.line(), "\r\n");
    connection.say("world");
    assert_eq!(connection.answer().unwrap().status, 201);
    let mut connection = pausing(&server, "coded", "Transfer-Encoding: chunked\r\n", b"5\r\nhe");
    connection.say("llo\r\n0\r\n\r\n");
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_eq!(content(&server, "coded"), b"hello");
}

#[test]
fn a_slow_body_that_is_cut_is_never_a_file() {
    let server = Server::start();
    for (name, begin) in [("none", &b""[..]), ("some", b"hello"), ("most", &[7; 9_000])] {
        let mut connection = pausing(&server, name, "Content-Length: 10000\r\n", begin);
        connection.stop_sending();
        let answer = connection.answer().unwrap();
        assert_eq!((answer.status, &*answer.kind()), (400, "body_incomplete"), "{name}");
        assert_eq!(connection.until_closed(), b"");
        assert_eq!(server.send("GET", &format!("/{name}"), b"").status, 404, "{name}");
    }
    eventually("no blob is left", || blobs(&server) == 0);
    assert_well(&server);
}

/// The client sees the refusal although it goes on sending, and the rest is no request.
#[test]
fn a_slow_body_may_be_refused_before_its_end() {
    let server = Server::start();
    let images = Policy { types: vec!["image/*".into()], ..Policy::new(Action::Put, now() + 600) };
    let url = server.signed("a", &images);
    let mut connection = Connection::open(server.delivery);
    connection.say(put_head(&url, "Content-Length: 500000\r\n"));
    std::thread::sleep(PAUSE);
    connection.say([b'x'; 1_000]);
    std::thread::sleep(PAUSE);
    connection.say(vec![b'x'; 400_000]);
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
    let _ = connection.try_say(vec![b'x'; 99_000]);
    assert_eq!(connection.until_closed(), b"");
    assert_well(&server);
}
