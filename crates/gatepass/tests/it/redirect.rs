//! `delivery = redirect`: readers of large media are sent to the store. It takes a real one
//! (`GATEPASS_TEST_STORE=s3`); without it only the refusal of a directory can be seen.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::Command;

use gatepass_sign::{Action, Policy};

use crate::support::{Answer, KEY, Request, Server, Start, gatepass, noise, now, on_s3};

/// A PNG, then noise: large, and found to be a picture.
fn picture(seed: u64, length: usize) -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x03\x08\x06\0\0\0".to_vec();
    content.extend(noise(seed, length - content.len()));
    content
}

fn start() -> Option<Server> {
    on_s3().then(|| Start::fresh().flag("--delivery", "redirect").run())
}

fn get_url(server: &Server, path: &str, download: Option<&str>) -> String {
    let policy = Policy::new(Action::Get, now() + 600);
    server.signed(path, &Policy { download: download.map(str::to_owned), ..policy })
}

/// Where an answer sends its reader.
fn target(answer: &Answer) -> String {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("cache-control"), Some("private, no-store"), "nobody keeps it");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    answer.header("location").unwrap().to_owned()
}

fn host(url: &str) -> (String, SocketAddr) {
    let host = url.split('/').nth(2).unwrap().to_owned();
    let address = host.to_socket_addrs().unwrap().next().unwrap();
    (host, address)
}

/// Asks the store, with nothing but what a browser repeats.
fn follow(answer: &Answer, headers: &[(&str, &str)]) -> Answer {
    ask(&target(answer), headers)
}

fn ask(url: &str, headers: &[(&str, &str)]) -> Answer {
    let (host, address) = host(url);
    let request = Request::new(address, "GET", url).host(&host);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn a_directory_has_nothing_to_redirect_to() {
    let start = Start::fresh().variable("GATEPASS_STORE", "file:");
    let start = if on_s3() { start.replace("--store", "file:") } else { start };
    let (code, said) = start.flag("--delivery", "redirect").refuse();
    assert!(code == Some(1) && said.contains("only an s3:// store"), "{said}");
}

#[test]
fn large_media_leave_from_the_store_with_the_right_headers() {
    let Some(server) = start() else { return };
    let content = picture(1, 300_000);
    for path in ["photo.png", "private/photo.png"] {
        assert_eq!(server.send("PUT", &server.put_url(path), &content).status, 201);
    }
    let public = follow(&server.send("GET", "/photo.png", b""), &[]);
    assert_eq!(public.status, 200, "{:?}", String::from_utf8_lossy(&public.body));
    assert!(public.body == content);
    assert_eq!(public.header("content-type"), Some("image/png"));
    assert_eq!(public.header("content-disposition"), Some("inline"));
    assert_eq!(public.header("cache-control"), Some("public, no-cache"));

    assert_eq!(server.send("GET", "/private/photo.png", b"").status, 401);
    let url = get_url(&server, "private/photo.png", Some("My \u{e9}\"; x=.png"));
    let private = follow(&server.send("GET", &url, b""), &[]);
    assert!(private.status == 200 && private.body == content);
    assert_eq!(private.header("cache-control"), Some("private, no-store"));
    let disposition = private.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; filename=\"My ___ x=.png\"; "), "{disposition}");
    assert!(
        disposition.ends_with("filename*=UTF-8''My%20%C3%A9%22%3B%20x%3D.png"),
        "{disposition}"
    );

    // Ranges are repeated to the store; HEAD is answered here, with our own tag.
    let range = [("Range", "bytes=100000-199999")];
    let answer = server.request("GET", "/photo.png").header(range[0].0, range[0].1).send();
    let part = follow(&answer, &range);
    assert!(part.status == 206 && part.body == content[100_000..200_000], "{}", part.status);
    assert_eq!(part.header("content-range"), Some("bytes 100000-199999/300000"));
    let suffix = [("Range", "bytes=-5")];
    let answer = server.request("GET", "/photo.png").header("Range", "bytes=-5").send();
    assert!(follow(&answer, &suffix).body == content[299_995..]);
    let outside = server.request("GET", "/photo.png").header("Range", "bytes=300000-").send();
    assert_eq!(outside.status, 416);
    let head = server.send("HEAD", "/photo.png", b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("300000")));
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    let cors = server.request("GET", "/photo.png").header("Origin", "https://a.test").send();
    assert_eq!(cors.header("access-control-allow-origin"), Some("*"));
    target(&cors);
}

/// What the store would understand otherwise than it is meant here is answered here.
#[test]
fn conditions_and_keys_stay_here() {
    let Some(server) = start() else { return };
    let content = picture(2, 200_000);
    assert_eq!(server.send("PUT", &server.put_url("a.png"), &content).status, 201);
    let head = server.send("HEAD", "/a.png", b"");
    let (etag, date) = (head.header("etag").unwrap(), head.header("last-modified").unwrap());
    for (name, value, status) in [
        ("If-None-Match", etag, 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-Modified-Since", date, 304),
        ("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT", 200),
        ("If-Match", etag, 200),
        ("If-Match", "\"other\"", 412),
        ("If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT", 412),
        ("If-Unmodified-Since", date, 200),
        ("Authorization", &format!("Bearer {KEY}"), 200),
        ("Range", "bytes=0-1,5-6", 200),
        ("Range", "lines=1-2", 200),
    ] {
        let answer = server.request("GET", "/a.png").header(name, value).send();
        assert_eq!(answer.status, status, "{name}: {value}");
        assert!(status != 200 || answer.body == content, "{name}: {value}");
    }
    for (tag, status, length) in [(etag, 206, 10), ("\"other\"", 200, content.len())] {
        let request = server.request("GET", "/a.png").header("Range", "bytes=5-14");
        let answer = request.header("If-Range", tag).send();
        assert_eq!((answer.status, answer.body.len()), (status, length), "If-Range: {tag}");
    }
}

/// The store sends neither `nosniff` nor a sandbox: what could run is never read from there.
#[test]
fn what_could_run_never_leaves_from_the_store() {
    let Some(server) = start() else { return };
    let padded = |head: &[u8]| {
        let mut content = head.to_vec();
        content.resize(150_000, b' ');
        content
    };
    let script = b"alert(1);//";
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let pdf = b"/*%PDF-1.4*/alert(1);";
    let html = b"<!doctype html><script>alert(1)</script>";
    for (path, content) in [
        ("a.js", padded(script)),
        ("a.png", padded(script)),
        ("b.png", padded(html)),
        ("a.svg", padded(svg)),
        ("a.html", padded(html)),
        ("a.xml", padded(b"<?xml version=\"1.0\"?><a/>")),
        ("a.pdf", padded(pdf)),
        ("a.bin", noise(4, 150_000)),
        ("a.txt", padded(b"text")),
        ("a.zip", padded(b"PK\x03\x04")),
        // Small enough that another request costs more than the bytes.
        ("small.png", picture(5, 60_000)),
        ("tiny.png", picture(6, 600)),
    ] {
        for declared in ["image/png", "application/octet-stream"] {
            let request = server.request("PUT", &server.put_url(path));
            let put = request.header("Content-Type", declared).body(&content).send();
            assert!(put.status < 300, "{path}: {put:?}");
            for url in [format!("/{path}"), get_url(&server, path, None)] {
                let answer = server.send("GET", &url, b"");
                assert!(
                    answer.status == 200 && answer.body == content,
                    "{path}: {}",
                    answer.status
                );
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
                let policy = answer.header("content-security-policy").unwrap();
                assert!(policy.contains("sandbox"), "{path}");
            }
        }
    }
}

/// A link is for one object, one moment, and exactly the headers that were signed.
#[test]
fn a_link_cannot_be_bent() {
    let Some(server) = start() else { return };
    let content = picture(7, 150_000);
    for path in ["private/a.png", "private/b.png"] {
        assert_eq!(server.send("PUT", &server.put_url(path), &content).status, 201);
    }
    let link = |path: &str| target(&server.send("GET", &get_url(&server, path, None), b""));
    let (a, b) = (link("private/a.png"), link("private/b.png"));
    assert_eq!(ask(&a, &[]).status, 200);
    assert!(a.contains("X-Amz-Expires=60&"), "{a}");
    let name = |url: &str| url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let elsewhere = a.replace(&name(&a), &name(&b));
    for bent in [
        elsewhere,
        a.replace("image%2Fpng", "text%2Fhtml"),
        a.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        a.replace("inline", "attachment"),
        a.split('?').next().unwrap().to_owned(),
    ] {
        assert!(bent != a, "{a}");
        assert_eq!(ask(&bent, &[]).status, 403, "{bent}");
    }
    let (host, address) = host(&a);
    for method in ["PUT", "DELETE"] {
        let answer = Request::new(address, method, &a).host(&host).send();
        assert_eq!(answer.status, 403, "{method}");
    }
    assert_eq!(ask(&a, &[]).status, 200, "it is still there");
    assert!(!server.log().contains("X-Amz-Signature"), "a link is a secret");
}

#[test]
fn clients_name_the_store_as_they_reach_it_and_the_command_line_follows() {
    let Some(server) = start() else { return };
    let content = picture(8, 200_000);
    assert_eq!(server.send("PUT", &server.put_url("a.png"), &content).status, 201);
    let to = server.data.with_extension("png");
    let mut get: Command = gatepass();
    get.args(["get", &format!("http://{}/a.png", server.delivery), "--output"]).arg(&to);
    let output = get.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(&to).unwrap() == content);

    let (own, data) = (target(&server.send("GET", "/a.png", b"")), server.data.clone());
    let (_, _data) = server.terminate();
    let start = Start::at(&data).flag("--delivery", "redirect");
    let (host, _) = host(&own);
    let other = host.replace("127.0.0.1", "localhost");
    let server = start.with_store(|store| format!("{store}&public_endpoint=http://{other}")).run();
    let url = target(&server.send("GET", "/a.png", b""));
    assert!(url.starts_with(&format!("http://{other}/")), "{url}");
    assert!(ask(&url, &[]).body == content);
}
