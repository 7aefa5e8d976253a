//! Who speaks when: connections that are used again, answers before the end of a request.

use std::process::Command;

use super::connection::{Connection, assert_well, blobs, put_head, target};
use crate::support::Server;

const GET: &str = "GET /a HTTP/1.1\r\nHost: gatepass.test\r\n\r\n";

/// A URL whose signature is wrong.
fn bad_url(server: &Server) -> String {
    let url = server.put_url("bad");
    let end = if url.ends_with('A') { "E" } else { "A" };
    format!("{}{end}", &url[..url.len() - 1])
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    for round in 0..50 {
        let url = server.put_url(&format!("round-{round}"));
        connection.say(put_head(&url, "Content-Length: 5\r\n") + "hello");
        assert_eq!(connection.answer().unwrap().status, 201);
    }
    connection.say("GET /round-0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(connection.answer().unwrap().body, b"hello");
    assert_eq!(connection.until_closed(), b"");
}

/// What was read of a body does not count for the next head.
#[test]
fn large_bodies_follow_one_another() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    for round in 0..10 {
        let url = server.put_url(&format!("round-{round}"));
        connection.say(put_head(&url, "Content-Length: 300000\r\n") + &"x".repeat(300_000));
        assert_eq!(connection.answer().unwrap().status, 201);
    }
}

#[test]
fn an_error_does_not_cost_the_connection() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    let bad = put_head(&bad_url(&server), "Content-Length: 5\r\n") + "hello";
    for (request, status) in [(GET, 404), (&bad, 403), ("GET //a HTTP/1.1\r\nHost: a\r\n\r\n", 400)]
    {
        connection.say(request);
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, status);
        if answer.header("connection") == Some("close") {
            connection = Connection::open(server.delivery);
        }
    }
    connection.say(GET);
    assert_eq!(connection.answer().unwrap().status, 404);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    let put = |name: &str| put_head(&server.put_url(name), "Content-Length: 5\r\n") + "hello";
    let read = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.say(format!("{}{}{read}", put("a"), put("b")));
    let mut status = || connection.answer().map(|answer| answer.status);
    assert_eq!(
        [status(), status(), status(), status()],
        [Some(201), Some(201), Some(200), Some(200)]
    );
}

#[test]
fn http_1_0_closes_unless_asked() {
    let server = Server::start();
    assert_eq!(server.send("PUT", &server.put_url("a"), b"hello").status, 201);
    let mut connection = Connection::open(server.delivery);
    connection.say("GET /a HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(connection.answer().unwrap().body, b"hello");
    assert_eq!(connection.until_closed(), b"");
}

#[test]
fn an_expectation_is_met_once_the_body_is_wanted() {
    let server = Server::start();
    let framing = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let mut connection = Connection::open(server.delivery);
    connection.say(put_head(&server.put_url("a"), framing));
    assert_eq!(connection.line(), "HTTP/1.1 100 Continue\r\n");
    assert_eq!(connection.line(), "\r\n");
    connection.say("hello");
    assert_eq!(connection.answer().unwrap().status, 201);
}

#[test]
fn an_expectation_is_refused_before_the_body() {
    let server = Server::start();
    let framing = "Content-Length: 5000000\r\nExpect: 100-continue\r\n";
    let signed_small = server.signed(
        "a",
        &gatepass_sign::Policy {
            max_size: Some(10),
            ..gatepass_sign::Policy::new(gatepass_sign::Action::Put, crate::support::now() + 600)
        },
    );
    for (url, status) in [(bad_url(&server), 403), (signed_small, 413)] {
        let mut connection = Connection::open(server.delivery);
        connection.say(put_head(&url, framing));
        let line = connection.line();
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
        connection.until_closed();
    }
    assert_eq!(blobs(&server), 0);
}

#[test]
fn a_client_that_writes_everything_first_sees_the_refusal() {
    let server = Server::start();
    for attempt in 0..10 {
        let mut connection = Connection::open(server.delivery);
        connection.say(put_head(&bad_url(&server), "Content-Length: 104857600\r\n"));
        let piece = vec![7; 1 << 20];
        // The server hangs up on the way.
        let written = (0..100).take_while(|_| connection.try_say(&piece).is_ok()).count();
        let answer = connection.answer();
        let answer = answer.unwrap_or_else(|| panic!("{attempt}: no answer after {written} MiB"));
        assert_eq!((answer.status, &*answer.kind()), (403, "signature_invalid"));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(blobs(&server), 0);
    assert_well(&server);
}

#[test]
fn a_small_body_that_is_not_wanted_is_passed_over() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    connection.say(put_head(&bad_url(&server), "Content-Length: 500000\r\n"));
    connection.say(vec![7; 500_000]);
    assert_eq!(connection.answer().unwrap().status, 403);
}

#[test]
fn curl_sees_the_refusal() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large");
    std::fs::File::create(&file).unwrap().set_len(100 << 20).unwrap();
    for expect in ["Expect: 100-continue", "Expect:"] {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "60", "-w", "%{http_code}", "-H", expect, "-T"])
            .arg(&file)
            .arg(bad_url(&server))
            .output();
        let Ok(output) = output else {
            eprintln!("not run: there is no curl");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.ends_with("403") && text.contains("signature_invalid"), "{expect} {text}");
    }
    assert_well(&server);
}

#[test]
fn what_follows_a_refused_body_is_not_a_request() {
    let server = Server::start();
    let smuggled = format!("DELETE {} HTTP/1.1\r\nHost: a\r\n\r\n", target(&server.put_url("a")));
    let mut connection = Connection::open(server.delivery);
    let head = put_head(&bad_url(&server), "Content-Length: 3000000\r\n");
    connection.say(format!("{head}{smuggled}"));
    assert_eq!(connection.answer().unwrap().status, 403);
    let _ = connection.try_say(smuggled.repeat(10_000));
    assert_eq!(connection.until_closed(), b"");
}
