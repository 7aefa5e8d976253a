//! Uploading whole files, reading and deleting them.

use std::collections::BTreeSet;

use gatepass_sign::{Action, Policy};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Server, noise, now};

/// The smallest PNG with these dimensions in its header.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn put_policy(edit: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::new(Action::Put, now() + 600);
    edit(&mut policy);
    policy
}

#[test]
fn a_file_goes_up_and_comes_back() {
    let server = Server::start();
    for (path, content) in [
        ("a/b.txt", b"hello".to_vec()),
        ("empty", Vec::new()),
        ("large.bin", noise(1, 5 << 20)),
        ("a b/ü.png", png(640, 360)),
    ] {
        let put = server.send("PUT", &server.put_url(path), &content);
        assert_eq!(put.status, 201, "{path}");
        let file = put.file();
        assert_eq!(file["filesize"], content.len(), "{path}");
        let url = file["url"].as_str().unwrap();
        assert_eq!(put.header("location"), Some(url));
        let got = server.send("GET", url, b"");
        assert_eq!(got.status, 200, "{path}");
        assert!(got.body == content, "{path} came back different");
        assert_eq!(got.header("etag"), put.header("etag"));
        let head = server.send("HEAD", url, b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(&*content.len().to_string()));
    }
    assert_eq!(server.blobs(), 4);
}

#[test]
fn the_file_object_says_what_is_known() {
    let server = Server::start();
    let policy = put_policy(|policy| {
        policy.reference = Some("order 7".into());
        policy.metadata.insert("user_id".into(), "é 7".into());
        policy.sha256 = Some(Sha256::digest(png(640, 360)).into());
    });
    let put = server.send("PUT", &server.signed("users/7/cat.png", &policy), &png(640, 360));
    let file = put.file();
    for name in [
        "id", "media_id", "object", "kind", "type", "filesize", "url", "created", "updated",
        "status",
    ] {
        assert!(!file[name].is_null(), "{name} is always there");
    }
    let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
    assert!(text("id").starts_with("file_") && text("id").len() == 21);
    assert!(text("media_id").starts_with("med_"));
    assert_eq!((text("object"), text("kind")), ("source".into(), "image".into()));
    assert_eq!((text("type"), text("status")), ("image/png".into(), "ready".into()));
    assert_eq!((text("folder"), text("filename")), ("users/7".into(), "cat.png".into()));
    assert_eq!((&file["width"], &file["height"]), (&json!(640), &json!(360)));
    assert_eq!(text("orientation"), "landscape");
    assert_eq!((text("ref"), &file["metadata"]["user_id"]), ("order 7".into(), &json!("é 7")));
    assert_eq!(text("sha256").len(), 64);
    assert_eq!(put.header("etag"), Some(&*format!("\"{}\"", text("etag"))));
}

#[test]
fn answers_come_in_three_versions() {
    let server = Server::start();
    let ask = |header: &str, version: &str| {
        let put = server.request("PUT", &server.put_url("v")).body(b"x").header(header, version);
        put.send()
    };
    let members = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let default = server.send("PUT", &server.put_url("v"), b"x").json();
    assert_eq!(members(&default), set(&["meta", "data", "error", "links"]));
    assert_eq!(default["meta"]["version"], "2025-07-01");
    assert_eq!(default["meta"]["type"], "object");
    assert!(default["meta"]["request_id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(
        members(&ask("Accept-Version", "2025-01-01").json()),
        set(&["meta", "data", "links"])
    );
    for version in ["2025-08-20", "latest"] {
        assert_eq!(ask("ACCEPT_VERSION", version).json()["object"], "source");
    }
    let unknown = ask("Accept-Version", "2024-01-01");
    assert_eq!(unknown.kind(), "version_unknown");
    assert_eq!(unknown.header("access-control-allow-origin"), Some("*"), "pages may read it, too");

    let refused = |version: &str| {
        server.request("GET", "/nothing").header("Accept-Version", version).send().json()
    };
    assert_eq!(members(&refused("2025-07-01")), set(&["meta", "data", "error", "links"]));
    assert_eq!(members(&refused("latest")), set(&["kind", "message", "error"]));
    assert_eq!(refused("latest")["kind"], "file_not_found");
}

#[test]
fn a_path_keeps_its_id_when_it_is_replaced() {
    let server = Server::start();
    let first = server.send("PUT", &server.put_url("a"), b"one");
    let second = server.send("PUT", &server.put_url("a"), b"two");
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.file()["id"], second.file()["id"]);
    assert_eq!(first.file()["created"], second.file()["created"]);
    assert_ne!(first.file()["etag"], second.file()["etag"]);
    assert_eq!(server.send("GET", "/a", b"").body, b"two");

    let create = put_policy(|policy| policy.overwrite = false);
    let refused = server.send("PUT", &server.signed("a", &create), b"three");
    assert_eq!((refused.status, refused.kind()), (409, "file_exists".into()));
    assert_eq!(server.send("PUT", &server.signed("b", &create), b"three").status, 201);
    assert_eq!(server.send("GET", "/a", b"").body, b"two");
}

#[test]
fn conditions_are_kept() {
    let server = Server::start();
    let put = |name: &str, value: &str| {
        server.request("PUT", &server.put_url("a")).body(b"new").header(name, value).send()
    };
    assert_eq!(put("If-Match", "*").status, 412);
    let etag = put("If-None-Match", "*").header("etag").unwrap().to_owned();
    assert_eq!(put("If-None-Match", "*").kind(), "precondition_failed");
    assert_eq!(put("If-Match", "\"other\"").status, 412);
    let replaced = put("If-Match", &etag);
    assert_eq!(replaced.status, 200);
    assert_eq!(put("If-Match", &etag).status, 412, "the tag is of the old version");

    let etag = replaced.header("etag").unwrap().to_owned();
    let modified = server.send("GET", "/a", b"").header("last-modified").unwrap().to_owned();
    let get = |name: &str, value: &str| server.request("GET", "/a").header(name, value).send();
    for (name, value, status) in [
        ("If-None-Match", &*etag, 304),
        ("If-None-Match", &*format!("W/{etag}"), 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-Match", &etag, 200),
        ("If-Match", &*format!("W/{etag}"), 412),
        ("If-Match", "\"other\"", 412),
        ("If-Modified-Since", &modified, 304),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", 412),
        ("If-Modified-Since", "nonsense", 200),
    ] {
        let got = get(name, value);
        assert_eq!(got.status, status, "{name}: {value}");
        assert_eq!(got.body.is_empty(), status == 304, "{name}: {value}");
    }
}

#[test]
fn one_range_is_served() {
    let server = Server::start();
    let content = noise(2, 1_000);
    let etag = server.send("PUT", &server.put_url("a"), &content).header("etag").map(str::to_owned);
    let etag = etag.unwrap();
    let get = |range: &str| server.request("GET", "/a").header("Range", range).send();
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=990-", 990, 1_000),
        ("bytes=990-5000", 990, 1_000),
        ("bytes=-10", 990, 1_000),
        ("bytes=-5000", 0, 1_000),
        ("bytes=0-18446744073709551615", 0, 1_000),
        ("bytes=-99999999999999999999", 0, 1_000),
    ] {
        let got = get(range);
        assert_eq!(got.status, 206, "{range}");
        assert!(got.body == content[start..end], "{range}");
        let expected = format!("bytes {start}-{}/1000", end - 1);
        assert_eq!(got.header("content-range"), Some(&*expected));
    }
    for range in ["bytes=1000-", "bytes=-0", "bytes=5000-6000"] {
        let got = get(range);
        assert_eq!((got.status, got.kind()), (416, "range_unsatisfiable".into()), "{range}");
        assert_eq!(got.header("content-range"), Some("bytes */1000"));
    }
    let many = format!("bytes={}", vec!["0-"; 1_300].join(","));
    for range in ["bytes=5-4", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=", &many] {
        let got = get(range);
        assert_eq!((got.status, got.body.len()), (200, 1_000), "{range}");
    }
    let if_range = |tag: &str| {
        server.request("GET", "/a").header("Range", "bytes=0-9").header("If-Range", tag).send()
    };
    assert_eq!(if_range(&etag).status, 206);
    assert_eq!(if_range("\"other\"").status, 200);
    assert_eq!(if_range(&format!("W/{etag}")).status, 200);
    server.send("PUT", &server.put_url("empty"), b"");
    let empty = server.request("GET", "/empty").header("Range", "bytes=0-0").send();
    assert_eq!(empty.status, 416);
}

#[test]
fn what_was_uploaded_cannot_attack_who_reads_it() {
    let server = Server::start();
    let html = b"<!doctype html><script>alert(1)</script>";
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for (path, declared, content, inline) in [
        ("a.png", "image/png", &*png(1, 1), true),
        ("a.html", "text/html", html, false),
        ("fake.png", "image/png", html, false),
        ("a.svg", "image/svg+xml", svg, false),
        ("a.pdf", "application/pdf", b"%PDF-1.7\n", false),
        ("a.bin", "image/png", b"\x01\x02\x03", false),
    ] {
        let put = server.request("PUT", &server.put_url(path)).body(content);
        assert_eq!(put.header("Content-Type", declared).send().status, 201);
        let got = server.send("GET", &format!("/{path}"), b"");
        let disposition = got.header("content-disposition").unwrap();
        assert_eq!(disposition.starts_with("inline"), inline, "{path}: {disposition}");
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        assert!(got.header("content-security-policy").unwrap().contains("sandbox"));
        let found = got.header("content-type").unwrap();
        assert!(inline || !found.starts_with("image/png"), "{path} is served as {found}");
    }
}

#[test]
fn a_name_for_downloads_cannot_break_out_of_its_header() {
    let server = Server::start();
    server.send("PUT", &server.put_url("a"), b"x");
    let policy = Policy {
        download: Some("x\"; filename=\"evil.exe\\ é".into()),
        ..Policy::new(Action::Get, now() + 60)
    };
    let got = server.send("GET", &server.signed("a", &policy), b"");
    let disposition = got.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
    let quoted = disposition.replace("\\\"", "");
    assert!(!quoted.contains("filename=\"evil"), "{disposition}");
    assert!(disposition.contains("filename*=UTF-8''"), "{disposition}");
}

#[test]
fn private_files_are_for_those_who_may() {
    let server = Server::start();
    server.send("PUT", &server.put_url("private/a"), b"secret");
    server.send("PUT", &server.put_url("a"), b"public");
    let public = server.send("GET", "/a", b"");
    assert_eq!(public.header("cache-control"), Some("public, no-cache"));
    let refused = server.send("GET", "/private/a", b"");
    assert_eq!((refused.status, refused.kind()), (401, "credentials_missing".into()));
    assert_eq!(refused.header("cache-control"), Some("private, no-store"));
    let missing = server.send("GET", "/private/none", b"");
    assert_eq!(missing.status, 401, "nothing tells whether it exists");
    let url = server.signed("private/a", &Policy::new(Action::Get, now() + 60));
    let signed = server.send("GET", &url, b"");
    assert_eq!((signed.status, &*signed.body), (200, &b"secret"[..]));
    assert_eq!(signed.header("cache-control"), Some("private, no-store"));
    let bearer = server.request("GET", "/private/a").bearer(crate::support::KEY).send();
    assert_eq!(bearer.status, 200);
}

#[test]
fn digests_are_verified_or_refused() {
    use base64::Engine as _;
    let server = Server::start();
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let right = base64(&Sha256::digest(b"hello"));
    let wrong = base64(&Sha256::digest(b"other"));
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    for (name, value, status, kind) in [
        ("Content-Digest", format!("sha-256=:{right}:"), 201, ""),
        ("Repr-Digest", format!("sha-256=:{right}:"), 200, ""),
        ("Content-MD5", md5.to_owned(), 200, ""),
        ("Content-Digest", format!("sha-256=:{wrong}:"), 400, "digest_mismatch"),
        ("Repr-Digest", format!("sha-256=:{wrong}:"), 400, "digest_mismatch"),
        ("Content-MD5", base64(&[0; 16]), 400, "digest_mismatch"),
        ("Content-Digest", "sha-256=hello".to_owned(), 400, "header_invalid"),
        ("Content-Digest", "crc32=:AAAAAA==:".to_owned(), 400, "header_invalid"),
        ("Content-MD5", "short".to_owned(), 400, "header_invalid"),
    ] {
        let put = server.request("PUT", &server.put_url("d")).body(b"hello").header(name, &value);
        let put = put.send();
        assert_eq!((put.status, &*put.kind()), (status, kind), "{name}: {value}");
    }
    let signed = put_policy(|policy| policy.sha256 = Some(Sha256::digest(b"hello").into()));
    let url = server.signed("signed", &signed);
    assert_eq!(server.send("PUT", &url, b"other").kind(), "digest_mismatch");
    assert_eq!(server.send("GET", "/signed", b"").status, 404);
    assert_eq!(server.send("PUT", &url, b"hello").status, 201);
}

#[test]
fn policies_are_kept() {
    let server = Server::start();
    let max = put_policy(|policy| policy.max_size = Some(5));
    let exact = put_policy(|policy| policy.size = Some(5));
    let images = put_policy(|policy| policy.types = vec!["image/*".into()]);
    for (policy, body, status, kind) in [
        (&max, &b"12345"[..], 201, ""),
        (&max, b"123456", 413, "too_large"),
        (&exact, b"12345", 200, ""),
        (&exact, b"1234", 403, "policy_violation"),
        (&exact, b"123456", 413, "too_large"),
        (&images, &png(1, 1), 200, ""),
        (&images, b"%PDF-1.7", 403, "policy_violation"),
    ] {
        let blobs = server.blobs();
        let url = server.signed("p", policy);
        let put = server.send("PUT", &url, body);
        assert_eq!((put.status, &*put.kind()), (status, kind), "{url}");
        let chunked =
            server.request("PUT", &url).undeclared().header("Transfer-Encoding", "chunked");
        let coded = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
        let chunked = chunked.body(&coded).send();
        assert_eq!(chunked.status, if status == 201 { 200 } else { status }, "{url}, chunked");
        assert_eq!(server.blobs() > blobs, status < 300, "{url}: what is refused leaves nothing");
    }
}

#[test]
fn receipts_are_for_the_apps_backend() {
    let server = Server::start();
    let put = server.send("PUT", &server.put_url("a"), b"hello");
    let token = put.header("gatepass-receipt").unwrap().to_owned();
    assert_eq!(put.json()["meta"]["receipt"], token);
    let secret = gatepass_sign::Secret::new(crate::support::KEY);
    let claims = gatepass_sign::Receipt::verify(&secret, &token, now()).unwrap();
    assert_eq!((claims.path.as_str(), claims.size), ("a", 5));
    assert_eq!(put.file()["id"], claims.sub);
    let bearer = server.request("PUT", "/a").bearer(crate::support::KEY).body(b"x").send();
    assert_eq!((bearer.status, bearer.header("gatepass-receipt")), (200, None));
}

#[test]
fn a_file_can_be_deleted() {
    let server = Server::start();
    server.send("PUT", &server.put_url("a"), b"x");
    let url = server.signed("a", &Policy::new(Action::Delete, now() + 60));
    let wrong = server.request("DELETE", &url).header("If-Match", "\"other\"").send();
    assert_eq!(wrong.status, 412);
    let deleted = server.send("DELETE", &url, b"");
    assert_eq!(deleted.status, 200);
    assert!(deleted.file()["message"].as_str().unwrap().ends_with("deleted"));
    assert_eq!(server.send("GET", "/a", b"").status, 404);
    assert_eq!(server.send("DELETE", &url, b"").kind(), "file_not_found");
    assert_eq!(server.send("PUT", &server.put_url("a"), b"x").status, 201);
}

#[test]
fn pages_of_any_origin_may_upload() {
    let server = Server::start();
    let preflight = server
        .request("OPTIONS", "/a?expiry=1")
        .header("Origin", "https://evil.example")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "content-type,x-custom")
        .send();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type,x-custom"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT"));
    for (method, url, status) in
        [("PUT", server.put_url("a"), 201), ("GET", "/a".into(), 200), ("PUT", "/a".into(), 401)]
    {
        for origin in ["https://evil.example", "null"] {
            let answer = server.request(method, &url).header("Origin", origin).send();
            assert!(answer.status == status || answer.status == 200);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert!(answer.header("access-control-expose-headers").unwrap().contains("ETag"));
        }
    }
}

#[test]
fn the_api_makes_signatures() {
    let server = Server::start();
    let sign = |body: &Value| {
        server.api_request("POST", "/signatures").bearer(crate::support::KEY).json(body).send()
    };
    let made = sign(&json!({
        "filename": "My cat?.png", "folder": "../users//7/", "method": "put",
        "max_size": 100, "type": ["image/*", "text/plain"], "ref": "r", "metadata": {"k": "v"},
    }));
    assert_eq!(made.status, 200);
    let made = made.file();
    assert_eq!((&made["filename"], &made["folder"]), (&json!("My-cat.png"), &json!("users/7")));
    let url = made["url"].as_str().unwrap();
    let put = server.send("PUT", url, b"hello world");
    assert_eq!((put.status, &put.file()["ref"]), (201, &json!("r")));
    assert_eq!(server.send("PUT", url, &noise(1, 101)).status, 413);

    let default = sign(&json!({ "filename": "a.txt" })).file();
    assert_eq!(default["method"], "get");
    let hour = default["expiry"].as_u64().unwrap() - now();
    assert!((3_590..=3_600).contains(&hour), "{hour}");
    for (body, status, kind) in [
        (json!({ "filename": "?#" }), 400, "path_invalid"),
        (json!({ "filename": "a", "expiry": 1 }), 422, "body_invalid"),
        (json!({ "filename": "a", "expiry": "soon" }), 422, "body_invalid"),
        (json!({ "filename": "a", "method": "post" }), 422, "body_invalid"),
        (json!({ "filename": "a", "maxsize": 1 }), 422, "body_invalid"),
        (json!({ "filename": "a", "type": "nonsense" }), 422, "body_invalid"),
        (json!([]), 422, "body_invalid"),
    ] {
        let refused = sign(&body);
        assert_eq!((refused.status, &*refused.kind()), (status, kind), "{body}");
    }
}
