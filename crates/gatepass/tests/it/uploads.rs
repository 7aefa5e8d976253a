//! Uploads in chunks: the rows C1 to C22 of the catalogue of threats, and what users expect.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use gatepass_sign::{Action, Policy};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, KEY, Server, Start, noise, now, on_s3};
use crate::transport::connection::{Connection, put_head};

fn chunk(server: &Server, url: &str, content_range: &str, body: &[u8]) -> Answer {
    server.request("PUT", url).header("Content-Range", content_range).body(body).send()
}

/// Sends `first..past` of a file.
fn send(server: &Server, url: &str, file: &[u8], first: usize, past: usize) -> Answer {
    let range = format!("bytes {first}-{}/{}", past - 1, file.len());
    chunk(server, url, &range, &file[first..past])
}

fn ask(server: &Server, url: &str) -> Answer {
    chunk(server, url, "bytes */*", b"")
}

/// Chunks as a store may keep them whole, and chunks that lie across such places.
#[test]
fn large_chunks_become_one_file_whatever_their_edges() {
    const MIB: usize = 1 << 20;
    let server = Server::start();
    let file = noise(20, 40 * MIB + 12_345);
    let length = file.len();
    for (path, edges) in [
        ("aligned", vec![0, 16 * MIB, 32 * MIB, length]),
        ("across", vec![0, 1, 7 * MIB + 7, 21 * MIB, 33 * MIB + 1, length - 1, length]),
    ] {
        let url = server.put_url(path);
        let mut chunks: Vec<_> = edges.windows(2).map(|edge| (edge[0], edge[1])).collect();
        chunks.reverse();
        let (last, others) = chunks.split_last().unwrap();
        for _twice in 0..2 {
            std::thread::scope(|scope| {
                for (first, past) in others {
                    scope.spawn(|| {
                        let answer = send(&server, &url, &file, *first, *past);
                        assert_eq!(answer.status, 202, "{path}: {}", answer.kind());
                    });
                }
            });
        }
        // Other bytes at these places are refused.
        let (first, past) = others[0];
        let mut other = file.clone();
        other[first] ^= 1;
        assert_eq!(send(&server, &url, &other, first, past).kind(), "part_conflict");
        assert_eq!(send(&server, &url, &file, last.0, last.1).status, 201);
        assert!(server.send("GET", &format!("/{path}"), b"").body == file, "{path}");
        let ranged = server.request("GET", &format!("/{path}"));
        let ranged =
            ranged.header("Range", &format!("bytes={}-{}", 8 * MIB - 5, 21 * MIB + 5)).send();
        assert_eq!(ranged.status, 206);
        assert!(ranged.body == file[8 * MIB - 5..=21 * MIB + 5]);
        // A late repeat, cut differently.
        assert_eq!(send(&server, &url, &file, 3 * MIB, 18 * MIB).status, 201);
    }
    assert_eq!(server.blobs(), 2);
}

#[test]
fn chunks_in_any_order_become_one_file() {
    let server = Server::start();
    let file = noise(1, 1_000_000);
    let url = server.put_url("a/big file.bin");
    let first = send(&server, &url, &file, 600_000, 1_000_000);
    assert_eq!(first.status, 202);
    let upload = first.file();
    assert_eq!((&upload["object"], &upload["status"]), (&json!("upload"), &json!("receiving")));
    assert_eq!((&upload["folder"], &upload["filename"]), (&json!("a"), &json!("big file.bin")));
    assert_eq!((&upload["filesize"], &upload["received"]), (&json!(1_000_000), &json!(400_000)));
    assert_eq!(upload["ranges"], json!([[600_000, 999_999]]));
    assert_eq!(upload["missing"], json!([[0, 599_999]]));
    assert_eq!(first.header("location"), upload["url"].as_str());
    assert_eq!(server.send("GET", "/a/big%20file.bin", b"").status, 404, "nothing is visible");

    let middle = send(&server, &url, &file, 200_000, 400_000);
    assert_eq!(middle.file()["missing"], json!([[0, 199_999], [400_000, 599_999]]));
    let head = server.send("HEAD", &url, b"");
    assert_eq!((head.status, head.header("upload-offset")), (204, Some("0")));
    assert_eq!(head.header("upload-length"), Some("1000000"));
    assert_eq!(head.header("upload-complete"), Some("?0"));
    assert_eq!(send(&server, &url, &file, 0, 200_000).status, 202);
    assert_eq!(server.send("HEAD", &url, b"").header("upload-offset"), Some("400000"));
    let last = send(&server, &url, &file, 400_000, 600_000);
    assert_eq!((last.status, &last.file()["filesize"]), (201, &json!(1_000_000)));
    assert!(last.header("gatepass-receipt").is_some());
    let got = server.send("GET", "/a/big%20file.bin", b"");
    assert!(got.body == file);
    assert_eq!(got.header("etag"), last.header("etag"));
    let head = server.send("HEAD", &url, b"");
    assert_eq!(head.header("upload-complete"), Some("?1"));
    assert_eq!(server.blobs(), 1);

    // The checksum was put together from those of the parts.
    let whole = server.send("PUT", &server.put_url("same"), &file).file();
    assert_eq!(whole["crc64"], last.file()["crc64"]);
}

#[test]
fn the_attack_corpus_of_ranges() {
    let server = Server::start();
    let far = "9223372036854775807";
    for (range, length, status, kind) in [
        (format!("bytes 9223372036854775806-9223372036854775806/{far}"), 1, 413, "too_large"),
        ("bytes 5-4/10".into(), 0, 400, "content_range_invalid"),
        ("bytes 0-10/10".into(), 11, 400, "content_range_invalid"),
        ("bytes -1-5/10".into(), 6, 400, "content_range_invalid"),
        (
            "bytes 0-18446744073709551616/99999999999999999999".into(),
            1,
            400,
            "content_range_invalid",
        ),
        ("bytes 0-9/100".into(), 9, 400, "content_range_invalid"),
        ("bytes 0-9/100".into(), 11, 400, "content_range_invalid"),
        ("bytes 0-9/".into(), 10, 400, "content_range_invalid"),
        ("bytes 0-9".into(), 10, 400, "content_range_invalid"),
        ("0-9/10".into(), 10, 400, "content_range_invalid"),
        ("items 0-9/10".into(), 10, 400, "content_range_invalid"),
        ("bytes 0-4,5-9/10".into(), 10, 400, "content_range_invalid"),
        ("bytes 0- 9/10".into(), 10, 400, "content_range_invalid"),
        ("bytes */10".into(), 5, 400, "content_range_invalid"),
        ("bytes */x".into(), 0, 400, "content_range_invalid"),
        ("bytes */10".into(), 0, 404, "upload_not_found"),
        (String::new(), 0, 400, "content_range_invalid"),
    ] {
        let answer = chunk(&server, &server.put_url("a"), &range, &noise(1, length));
        assert_eq!((answer.status, &*answer.kind()), (status, kind), "{range}, {length} bytes");
    }
    let twice = server
        .request("PUT", &server.put_url("a"))
        .header("Content-Range", "bytes 0-4/10")
        .header("Content-Range", "bytes 5-9/10")
        .body(b"hello");
    assert_eq!(twice.send().status, 400);
    assert_eq!(server.blobs(), 0, "nothing of this reached the disk");
    assert_eq!(list(&server)["meta"]["total"], 0);
}

fn list(server: &Server) -> Value {
    server.api_request("GET", "/uploads").bearer(KEY).send().json()
}

#[test]
fn the_header_of_the_published_example_is_understood() {
    let server = Server::start();
    let file = noise(2, 100_000);
    let url = server.put_url("a");
    // LAST one too far, as it stands there; the last chunk names TOTAL itself.
    assert_eq!(chunk(&server, &url, "bytes=0-60000/100000", &file[..60_000]).status, 202);
    assert_eq!(chunk(&server, &url, "bytes=60000-100000/100000", &file[60_000..]).status, 201);
    assert!(server.send("GET", "/a", b"").body == file);
    let strict = chunk(&server, &server.put_url("b"), "bytes 0-60000/100000", &file[..60_000]);
    assert_eq!(strict.kind(), "content_range_invalid");
    let told = strict.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("FIRST + length - 1"), "the message says what to do: {told}");
}

#[test]
fn the_total_may_come_late_but_never_changes() {
    let server = Server::start();
    let file = noise(3, 3_000);
    let url = server.put_url("a");
    assert_eq!(
        chunk(&server, &url, "bytes 0-999/*", &file[..1_000]).file()["filesize"],
        Value::Null
    );
    assert_eq!(chunk(&server, &url, "bytes 1000-1999/3000", &file[1_000..2_000]).status, 202);
    let other = chunk(&server, &url, "bytes 2000-2999/3001", &file[2_000..]);
    assert_eq!((other.status, other.kind()), (409, "length_inconsistent".into()));
    let beyond = chunk(&server, &url, "bytes 2000-3000/*", &noise(1, 1_001));
    assert_eq!(beyond.status, 409);
    assert_eq!(chunk(&server, &url, "bytes 2000-2999/*", &file[2_000..]).status, 201);

    // Or it is all that was missing.
    let url = server.put_url("b");
    assert_eq!(chunk(&server, &url, "bytes 0-2999/*", &file).status, 202);
    let short = chunk(&server, &url, "bytes */2999", b"");
    assert_eq!(short.kind(), "length_inconsistent");
    assert_eq!(chunk(&server, &url, "bytes */3000", b"").status, 201);
    assert!(server.send("GET", "/b", b"").body == file);
}

#[test]
fn every_chunk_may_be_sent_again() {
    let server = Server::start();
    let file = noise(4, 300_000);
    let url = server.put_url("a");
    for (first, past) in [(200_000, 300_000), (0, 100_000)] {
        for _ in 0..3 {
            let answer = send(&server, &url, &file, first, past);
            assert_eq!(answer.status, 202);
        }
    }
    // Other cuts than before, over what is there and what is not.
    assert_eq!(send(&server, &url, &file, 50_000, 150_000).status, 202);
    let last = send(&server, &url, &file, 50_000, 250_000);
    assert_eq!(last.status, 201);
    for (first, past) in [(0, 100_000), (200_000, 300_000), (10, 20), (0, 300_000)] {
        let late = send(&server, &url, &file, first, past);
        assert_eq!((late.status, late.file()), (201, last.file()), "the same file again");
    }
    assert_eq!(server.send("PUT", &url, &file).status, 200, "a whole one replaces it");
    let late = send(&server, &url, &file, 0, 100_000);
    assert_eq!(late.file()["etag"], last.file()["etag"], "the file that the upload became");
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn other_bytes_for_what_is_there_are_refused() {
    let server = Server::start();
    let (file, other) = (noise(5, 100_000), noise(6, 100_000));
    let url = server.put_url("a");
    send(&server, &url, &file, 0, 50_000);
    for (first, past) in [(0, 50_000), (10, 20), (0, 100_000), (49_999, 60_000)] {
        let refused = send(&server, &url, &other, first, past);
        assert_eq!((refused.status, refused.kind()), (409, "part_conflict".into()));
    }
    assert_eq!(ask(&server, &url).file()["received"], 50_000, "nothing was counted");
    assert_eq!(send(&server, &url, &file, 50_000, 100_000).status, 201);
    for (first, past) in [(0, 50_000), (10, 20), (0, 100_000)] {
        let refused = send(&server, &url, &other, first, past);
        assert_eq!((refused.status, refused.kind()), (409, "upload_complete".into()));
    }
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn a_chunk_that_breaks_off_counts_nothing() {
    let server = Server::start();
    let file = noise(7, 2 << 20);
    let url = server.put_url("a");
    for sent in [0, 1, 100_000, (1 << 20) - 1] {
        let head = server.request("PUT", &url).undeclared();
        let head = head.header("Content-Range", &format!("bytes 0-{}/{}", (1 << 20) - 1, 2 << 20));
        let head = head.header("Content-Length", &(1 << 20).to_string()).head();
        let mut stream = TcpStream::connect(server.delivery).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&file[..sent]).unwrap();
        drop(stream);
    }
    std::thread::sleep(Duration::from_millis(200));
    // Where beginning takes a while, all of them may have gone away before.
    let state = ask(&server, &url);
    assert!(state.status == 404 || state.file()["received"] == 0, "{}", state.kind());
    let lie = server
        .request("PUT", &url)
        .header("Content-Range", "bytes 0-9/2097152")
        .header("Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")
        .body(&file[..10]);
    assert_eq!(lie.send().kind(), "digest_mismatch");
    let whole = server
        .request("PUT", &url)
        .header("Content-Range", "bytes 0-9/2097152")
        .header("Repr-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")
        .body(&file[..10]);
    assert_eq!(whole.send().kind(), "header_invalid");
    assert_eq!(ask(&server, &url).file()["received"], 0);
    assert_eq!(send(&server, &url, &file, 0, 2 << 20).status, 201);
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn the_uploads_own_url_goes_on_without_the_signature() {
    let server = Server::start();
    let file = noise(8, 200_000);
    let begun = send(&server, &server.put_url("a"), &file, 0, 100_000);
    let own = begun.header("location").unwrap().to_owned();
    assert!(own.contains("?upload=upl_"), "{own}");
    assert_eq!(server.send("GET", &own, b"").file()["received"], 100_000);
    assert_eq!(server.send("HEAD", &own, b"").header("upload-offset"), Some("100000"));
    // It is good for this path and this upload only, and not for whole files.
    let elsewhere = own.replace("/a?", "/b?");
    assert_eq!(send(&server, &elsewhere, &file, 100_000, 200_000).kind(), "upload_not_found");
    let guessed = format!("{}0000", &own[..own.len() - 4]);
    assert_eq!(send(&server, &guessed, &file, 100_000, 200_000).kind(), "upload_not_found");
    assert_eq!(server.send("PUT", &own, &file).kind(), "content_range_invalid");
    let done = send(&server, &own, &file, 100_000, 200_000);
    assert_eq!(done.status, 201);
    assert!(done.header("gatepass-receipt").is_some(), "the receipt is of the URL it began with");
    assert_eq!(send(&server, &own, &file, 100_000, 200_000).file(), done.file());
}

#[test]
fn an_upload_outlives_its_url_but_not_its_key() {
    let server = Server::start();
    let file = noise(9, 200_000);
    // Within the leeway now, and past it in a few seconds.
    // A machine that stands still for two seconds lets it pass too early: then it is signed anew.
    let signed = || server.signed("a", &Policy::new(Action::Put, now() - 28));
    let begun = (0..5).map(|_| signed()).find(|url| {
        let answer = send(&server, url, &file, 0, 100_000);
        assert!(answer.status == 202 || answer.kind() == "url_expired", "{}", answer.kind());
        answer.status == 202
    });
    let url = begun.expect("a URL within the leeway begins an upload");
    let deadline = Instant::now() + Duration::from_mins(1);
    while server.send("PUT", &url, b"whole").kind() != "url_expired" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(ask(&server, &url).status, 202);
    let done = send(&server, &url, &file, 100_000, 200_000);
    assert!(matches!(done.status, 200 | 201), "{}", done.status);
    let repeat = send(&server, &url, &file, 0, 100_000);
    assert_eq!((repeat.status, repeat.file()), (done.status, done.file()), "a late repeat");
    let late = server.signed("b", &Policy::new(Action::Put, now() - 31));
    let refused = send(&server, &late, &file, 0, 100_000);
    assert_eq!(refused.kind(), "url_expired", "expiry gates the start");
    assert_eq!(server.send("HEAD", &late, b"").status, 403);
    assert_eq!(server.send("DELETE", &late, b"").kind(), "url_expired");
}

#[test]
fn giving_up_removes_what_was_sent() {
    let server = Server::start();
    let file = noise(10, 200_000);
    let url = server.put_url("a");
    assert_eq!(server.send("DELETE", &url, b"").kind(), "upload_not_found");
    let begun = send(&server, &url, &file, 0, 100_000);
    let own = begun.header("location").unwrap().to_owned();
    assert_eq!(server.send("DELETE", &url, b"").status, 204);
    assert_eq!(send(&server, &own, &file, 100_000, 200_000).kind(), "upload_not_found");
    assert_eq!(server.send("DELETE", &own, b"").kind(), "upload_not_found");
    // The signed URL may begin again.
    assert_eq!(ask(&server, &url).status, 404);
    assert_eq!(send(&server, &url, &file, 0, 200_000).status, 201);
    let complete = server.send("DELETE", &url, b"");
    assert_eq!((complete.status, complete.kind()), (409, "upload_complete".into()));
    assert!(server.send("GET", "/a", b"").body == file, "a finished file is not touched");
}

#[test]
fn policies_hold_for_chunks() {
    let server = Server::start();
    let file = noise(11, 1_000);
    let policy = |edit: &dyn Fn(&mut Policy)| {
        let mut policy = Policy::new(Action::Put, now() + 600);
        edit(&mut policy);
        policy
    };
    let max = server.signed("a", &policy(&|p| p.max_size = Some(999)));
    assert_eq!(send(&server, &max, &file, 0, 500).kind(), "too_large");
    assert_eq!(chunk(&server, &max, "bytes 500-999/*", &file[500..]).kind(), "too_large");
    let exact = server.signed("a", &policy(&|p| p.size = Some(999)));
    assert_eq!(send(&server, &exact, &file, 0, 500).kind(), "too_large");
    let exact = server.signed("a", &policy(&|p| p.size = Some(1_001)));
    assert_eq!(send(&server, &exact, &file, 0, 500).kind(), "policy_violation");

    let images = server.signed("a", &policy(&|p| p.types = vec!["image/*".into()]));
    assert_eq!(send(&server, &images, &file, 500, 1_000).status, 202);
    assert_eq!(send(&server, &images, &file, 0, 500).kind(), "policy_violation");
    assert_eq!(ask(&server, &images).status, 404, "it can never become a file");

    let digest: [u8; 32] = Sha256::digest(&file).into();
    let right = server.signed("right", &policy(&|p| p.sha256 = Some(digest)));
    assert_eq!(send(&server, &right, &file, 500, 1_000).status, 202);
    let done = send(&server, &right, &file, 0, 500);
    assert_eq!((done.status, done.file()["sha256"].as_str().map(str::len)), (201, Some(64)));
    let wrong = server.signed("wrong", &policy(&|p| p.sha256 = Some([1; 32])));
    assert_eq!(send(&server, &wrong, &file, 0, 500).status, 202);
    assert_eq!(send(&server, &wrong, &file, 500, 1_000).kind(), "digest_mismatch");
    assert_eq!(server.send("GET", "/wrong", b"").status, 404);

    let create = server.signed("right", &policy(&|p| p.overwrite = false));
    assert_eq!(send(&server, &create, &file, 0, 500).kind(), "file_exists");
    let described = server.signed(
        "described",
        &policy(&|p| {
            p.reference = Some("r".into());
            p.metadata.insert("k".into(), "v".into());
        }),
    );
    send(&server, &described, &file, 500, 1_000);
    let file = send(&server, &described, &file, 0, 500).file();
    assert_eq!((&file["ref"], &file["metadata"]["k"]), (&json!("r"), &json!("v")));
}

#[test]
fn thirty_two_last_chunks_are_one_finish() {
    let server = Server::start();
    let file = noise(12, 4 << 20);
    let url = server.put_url("a");
    assert_eq!(send(&server, &url, &file, 0, 1 << 20).status, 202);
    let barrier = Barrier::new(32);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let one = || {
            barrier.wait();
            loop {
                let answer = send(&server, &url, &file, 1 << 20, 4 << 20);
                // A turn may take longer than others wait for it; they are told to try again.
                if answer.kind() != "upload_interrupted" {
                    return answer;
                }
            }
        };
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in &answers {
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.file()), (201, answers[0].file()), "{text}");
    }
    assert_eq!(server.blobs(), 1);
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn a_dead_connection_is_taken_over() {
    let server = Server::start();
    let file = noise(13, 2 << 20);
    let url = server.put_url("a");
    let head = server.request("PUT", &url).undeclared().header("Expect", "100-continue");
    let head = head.header("Content-Range", "bytes 0-1048575/2097152");
    let mut stalled = Connection::open(server.delivery);
    stalled.say(head.header("Content-Length", "1048576").head());
    // Now it is certain that the older request runs, so that the next one is the newer.
    stalled.is_told_to_go_on();
    stalled.say(noise(99, 500_000));
    let begun = Instant::now();
    assert_eq!(send(&server, &url, &file, 0, 1 << 20).status, 202);
    // Less than the time after which a transfer that stands still is given up anyhow.
    assert!(begun.elapsed() < Duration::from_secs(40));
    // What the zombie still sends lands nowhere.
    let _ = stalled.try_say(noise(98, 548_576));
    let cut = stalled.answer();
    assert!(cut.is_none_or(|answer| answer.kind() == "upload_interrupted"));
    assert_eq!(send(&server, &url, &file, 1 << 20, 2 << 20).status, 201);
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn unfinished_uploads_are_listed_and_bounded() {
    let server =
        Start::fresh().flag("--max-open-uploads", "5").flag("--max-reserved-size", "1MiB").run();
    let file = noise(14, 100);
    for number in 0..5 {
        let url = server.put_url(&format!("u{number}"));
        assert_eq!(send(&server, &url, &file, 0, 50).status, 202);
    }
    let refused = send(&server, &server.put_url("u5"), &file, 0, 50);
    assert_eq!((refused.status, refused.kind()), (503, "too_many_uploads".into()));
    assert_eq!(refused.header("retry-after"), Some("60"));
    let page = server.api_request("GET", "/uploads?limit=2&page=2").bearer(KEY).send().json();
    assert_eq!((&page["meta"]["total"], &page["meta"]["pages"]), (&json!(5), &json!(3)));
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(page["links"]["next"], "/uploads?page=3&limit=2");
    let id = page["data"][0]["id"].as_str().unwrap();
    let one = format!("/uploads/{id}");
    assert_eq!(server.api_request("GET", &one).bearer(KEY).send().file()["id"], id);
    assert_eq!(server.api_request("GET", &one).send().status, 401);
    assert_eq!(server.api_request("DELETE", &one).bearer(KEY).send().status, 200);
    assert_eq!(server.api_request("GET", &one).bearer(KEY).send().file()["status"], "aborted");
    assert_eq!(server.api_request("GET", "/uploads?limit=0").bearer(KEY).send().status, 400);
    let large = chunk(&server, &server.put_url("large"), "bytes 0-49/2000000", &file[..50]);
    assert_eq!(large.kind(), "too_many_uploads", "too much is reserved");
    assert_eq!(send(&server, &server.put_url("u6"), &file, 0, 50).status, 202);
}

#[test]
fn silent_uploads_expire_and_go() {
    let server = Start::fresh().flag("--upload-lifetime", "6s").run();
    let file = noise(15, 100_000);
    let begun = send(&server, &server.put_url("a"), &file, 0, 50_000);
    let own = begun.header("location").unwrap().to_owned();
    // Longer than a chunk takes on a slow disk, so that the one before is taken in time.
    std::thread::sleep(Duration::from_millis(6_100));
    let late = send(&server, &own, &file, 50_000, 100_000);
    assert_eq!((late.status, late.kind()), (410, "upload_expired".into()));
    let (_, data) = server.terminate();
    let server = Start::at(&data.path).run();
    let deadline = Instant::now() + Duration::from_mins(2);
    while list(&server)["meta"]["total"] != 0 {
        assert!(Instant::now() < deadline, "it is never swept");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.api_request("GET", "/uploads").bearer(KEY).send().status, 200);
    assert_eq!(send(&server, &own, &file, 50_000, 100_000).kind(), "upload_expired");
}

/// It expires a while after its last byte, not after its last request.
#[test]
fn an_upload_lives_as_long_as_bytes_come() {
    let server = Start::fresh().flag("--upload-lifetime", "6s").run();
    let file = noise(19, 100);
    let mut slow = Connection::open(server.delivery);
    let framing = "Content-Length: 50\r\nContent-Range: bytes 0-49/100\r\n";
    slow.say(put_head(&server.put_url("a"), framing));
    for piece in file[..50].chunks(5) {
        std::thread::sleep(Duration::from_secs(1));
        slow.say(piece);
    }
    let answer = slow.answer().unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json());
    let own = answer.header("location").unwrap();
    assert_eq!(send(&server, own, &file, 50, 100).status, 201);
    assert!(server.send("GET", "/a", b"").body == file);
}

#[test]
fn an_upload_by_key_goes_on_and_ends() {
    let server = Server::start();
    let send = |file: &[u8], first: usize, past: usize| {
        let range = format!("bytes {first}-{}/{}", past - 1, file.len());
        let request = server.request("PUT", "/k").bearer(KEY).header("Content-Range", &range);
        request.body(&file[first..past]).send()
    };
    let (one, two) = (noise(16, 100_000), noise(17, 100_000));
    assert_eq!(send(&one, 0, 50_000).status, 202);
    assert_eq!(send(&one, 50_000, 100_000).status, 201);
    // A key is for any number of files: this is another one.
    assert_eq!(send(&two, 0, 50_000).status, 202);
    assert_eq!(send(&two, 50_000, 100_000).status, 200);
    assert!(server.send("GET", "/k", b"").body == two);
}

/// 2 GiB in chunks of 16 MiB, 8 at a time, shuffled, every tenth sent twice, every twentieth cut
/// in the middle, the server killed five times on the way.
#[test]
fn two_gib_through_kills_and_cuts() {
    const SIZE: u64 = 2 << 30;
    const CHUNK: u64 = 16 << 20;
    if std::env::var("GATEPASS_TEST_TIER").as_deref() == Ok("quick") {
        return;
    }
    let torture = crate::torture::Torture::new(SIZE, CHUNK);
    let file = torture.run(8, 5);
    assert_eq!(file["filesize"].as_u64(), Some(SIZE));
}

/// A request that does not say how long the file is may be on its way to behind its end when another
/// one ends it. What it still sends must not become part of the blob.
#[test]
fn nothing_is_written_behind_the_end_of_a_file() {
    let server = Server::start();
    let (url, file) = (server.put_url("a"), noise(18, 100));
    let framing =
        "Content-Length: 1000000\r\nContent-Range: bytes 100-1000099/*\r\nExpect: 100-continue\r\n";
    let mut behind = Connection::open(server.delivery);
    behind.say(put_head(&url, framing));
    assert_eq!(behind.line(), "HTTP/1.1 100 Continue\r\n");
    assert_eq!(behind.line(), "\r\n");
    behind.say(noise(97, 200_000));
    assert_eq!(send(&server, &url, &file, 0, 100).status, 201);
    let _ = behind.try_say(noise(96, 800_000));
    if let Some(answer) = behind.answer() {
        assert!(matches!(answer.status, 409 | 503), "{}", answer.json());
    }
    assert!(server.send("GET", "/a", b"").body == file);
    if !on_s3() {
        assert_eq!(blob_lengths(&server.data), [100]);
    }
}

fn blob_lengths(data: &Path) -> Vec<u64> {
    let entries = |path: PathBuf| std::fs::read_dir(path).unwrap().map(Result::unwrap);
    let folders = entries(data.join("blobs")).map(|folder| folder.path());
    folders.flat_map(entries).map(|blob| blob.metadata().unwrap().len()).collect()
}
