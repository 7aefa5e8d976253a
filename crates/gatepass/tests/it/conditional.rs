//! Conditional and range requests, to the letter of RFC 9110, sections 13 and 14.

use crate::support::{Answer, Server, noise};

const OLD: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
const NEVER: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

/// A server with a file of 1,000 bytes at `/a`, its entity tag and its date.
fn with_file() -> (Server, String, String) {
    let server = Server::start();
    let etag = server.send("PUT", &server.put_url("a"), &noise(7, 1_000));
    let etag = etag.header("etag").unwrap().to_owned();
    let modified = server.send("HEAD", "/a", b"").header("last-modified").unwrap().to_owned();
    (server, etag, modified)
}

fn ask(server: &Server, method: &str, headers: &[(&str, &str)]) -> Answer {
    let request = server.request(method, "/a");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn lists_of_tags_follow_the_grammar() {
    let (server, etag, _) = with_file();
    for (value, status) in [
        (format!("\"x\", {etag}"), 304),
        (format!("W/\"x\" ,, {etag},"), 304),
        (format!("\"x,y\",{etag}"), 304),
        ("\"a,b\"".to_owned(), 200),
        ("\"\"".to_owned(), 200),
        ("\"\u{fc}\"".to_owned(), 200),
        (format!("\"{},x\"", etag.trim_matches('"')), 200),
        ("x".to_owned(), 400),
        ("\"x".to_owned(), 400),
        ("\"x\" \"y\"".to_owned(), 400),
        (format!("*, {etag}"), 400),
        (String::new(), 400),
    ] {
        let got = ask(&server, "GET", &[("If-None-Match", &value)]);
        assert_eq!(got.status, status, "{value}");
    }
    let two_lines = ask(&server, "GET", &[("If-None-Match", "\"x\""), ("If-None-Match", &etag)]);
    assert_eq!(two_lines.status, 304);
}

#[test]
fn preconditions_are_evaluated_in_order() {
    let (server, etag, modified) = with_file();
    for (headers, status) in [
        // Step 1 before step 3, and 2 before 4.
        (vec![("If-Match", "\"x\""), ("If-None-Match", &*etag)], 412),
        (vec![("If-Match", &*etag), ("If-None-Match", &*etag)], 304),
        (vec![("If-Unmodified-Since", OLD), ("If-None-Match", &*etag)], 412),
        (vec![("If-Unmodified-Since", NEVER), ("If-None-Match", "\"x\"")], 200),
        // A tag outranks a date.
        (vec![("If-Match", &*etag), ("If-Unmodified-Since", OLD)], 200),
        (vec![("If-None-Match", "\"x\""), ("If-Modified-Since", NEVER)], 200),
        (vec![("If-None-Match", &*etag), ("If-Modified-Since", OLD)], 304),
        // Dates in all three forms; what is none is ignored, and so is a list.
        (vec![("If-Modified-Since", &*modified)], 304),
        (vec![("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], 200),
        (vec![("If-Unmodified-Since", "Sun Nov  6 08:49:37 1994")], 412),
        (vec![("If-Unmodified-Since", "yesterday")], 200),
        (vec![("If-Unmodified-Since", OLD), ("If-Unmodified-Since", OLD)], 200),
        (vec![("If-Modified-Since", NEVER), ("If-Modified-Since", NEVER)], 200),
        // Preconditions come before the range (step 5).
        (vec![("If-None-Match", &*etag), ("Range", "bytes=0-1")], 304),
        (vec![("If-Match", "\"x\""), ("Range", "bytes=5000-")], 412),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(ask(&server, method, &headers).status, status, "{method} {headers:?}");
        }
    }
    // They are ignored where the answer without them would be no success.
    let missing = server.request("GET", "/none").header("If-None-Match", "*").send();
    assert_eq!(missing.status, 404);
    let missing = server.request("GET", "/none").header("If-Match", "*").send();
    assert_eq!(missing.status, 404);
}

#[test]
fn an_answer_without_a_body_has_the_fields_of_one_with() {
    let (server, etag, modified) = with_file();
    let whole = ask(&server, "GET", &[]);
    let not_modified = ask(&server, "GET", &[("If-None-Match", &etag)]);
    let part = ask(&server, "GET", &[("Range", "bytes=0-1"), ("If-Range", &etag)]);
    assert_eq!([whole.status, not_modified.status, part.status], [200, 304, 206]);
    for answer in [&whole, &not_modified, &part] {
        assert_eq!(answer.header("etag"), Some(&*etag));
        assert_eq!(answer.header("last-modified"), Some(&*modified));
        assert_eq!(answer.header("cache-control"), Some("public, no-cache"));
        assert!(answer.header("date").is_some());
    }
    assert_eq!(not_modified.header("content-length"), None);
    let head = ask(&server, "HEAD", &[]);
    let differing = ["date", "x-request-id"];
    let fields = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|name, _| !differing.contains(&&**name));
        headers
    };
    assert_eq!(fields(&head), fields(&whole), "HEAD tells what GET would");
}

#[test]
fn ranges_are_for_get_and_bytes() {
    let (server, etag, modified) = with_file();
    for (method, headers, status) in [
        ("GET", vec![("Range", "BYTES=0-0")], 206),
        ("HEAD", vec![("Range", "bytes=0-0")], 200),
        ("HEAD", vec![("Range", "bytes=5000-")], 200),
        ("GET", vec![("Range", "bytes=0-0"), ("Range", "bytes=1-1")], 200),
        ("GET", vec![("Range", "bytes=0-0,5000-")], 200),
        ("GET", vec![("Range", "bytes=5000-5001,6000-")], 200),
        ("GET", vec![("If-Range", &*etag)], 200),
        ("GET", vec![("If-Range", &*etag), ("Range", "bytes=5000-")], 416),
        ("GET", vec![("If-Range", "\"x\""), ("Range", "bytes=5000-")], 200),
        // A date is no strong validator: a file can change twice within its second.
        ("GET", vec![("If-Range", &*modified), ("Range", "bytes=0-0")], 200),
        ("GET", vec![("If-Range", "nonsense"), ("Range", "bytes=0-0")], 200),
    ] {
        assert_eq!(ask(&server, method, &headers).status, status, "{method} {headers:?}");
    }
    // A suffix of an empty file can be satisfied, and no Content-Range can say so.
    server.send("PUT", &server.put_url("empty"), b"");
    for (range, status) in [("bytes=-1", 200), ("bytes=-0", 416), ("bytes=0-", 416)] {
        let got = server.request("GET", "/empty").header("Range", range).send();
        assert_eq!(got.status, status, "{range}");
        assert_eq!(got.header("content-range").is_some(), status == 416, "{range}");
    }
}

#[test]
fn conditions_guard_writes() {
    let (server, etag, _) = with_file();
    let write = |method: &str, name: &str, value: &str| {
        let url = match method {
            "PUT" => server.put_url("a"),
            _ => "/a".to_owned(),
        };
        let request = server.request(method, &url).bearer(crate::support::KEY);
        let request = if method == "PUT" { request.body(b"new") } else { request };
        request.header(name, value).send().status
    };
    for method in ["DELETE", "PUT"] {
        for (name, value) in [
            ("If-Match", "\"x\""),
            ("If-Match", &*format!("W/{etag}")),
            ("If-None-Match", "*"),
            ("If-None-Match", &*format!("W/{etag}")),
            ("If-Unmodified-Since", OLD),
        ] {
            assert_eq!(write(method, name, value), 412, "{method} {name}: {value}");
        }
        assert_eq!(write(method, "If-Match", "\"x"), 400, "{method}: a guard that cannot be read");
    }
    // For reading only.
    assert_eq!(write("PUT", "If-Modified-Since", NEVER), 200);
    assert_eq!(write("DELETE", "If-Match", "*"), 200);
    assert_eq!(write("DELETE", "If-Match", "*"), 404);
}
