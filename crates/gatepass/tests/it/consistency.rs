//! Many at once: every reader sees one whole version, every race has one winner.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use gatepass_sign::{Action, Policy};

use crate::support::{Answer, Server, noise, now, on_postgres};

/// A version that can be told from its first bytes, of a length of its own.
fn version(number: u64) -> Vec<u8> {
    let length = 1_000 + usize::try_from(number.wrapping_mul(7_919) % 200_000).unwrap();
    let mut bytes = noise(number, length);
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Looks that a body is exactly one version; returns which.
fn identify(body: &[u8]) -> u64 {
    let number = u64::from_le_bytes(body[..8].try_into().unwrap());
    assert!(body == version(number), "a mix, or a piece, of {number}: {} bytes", body.len());
    number
}

/// Where all connections to the catalog wait for one path, some are told to come again.
fn until_taken(send: impl Fn() -> Answer) -> Answer {
    loop {
        let answer = send();
        if !(on_postgres() && answer.status == 503) {
            return answer;
        }
    }
}

#[test]
fn fifty_writers_and_every_read_is_one_whole_version() {
    const WRITERS: u64 = 50;
    const EACH: u64 = 6;
    let server = Server::start();
    server.send("PUT", &server.put_url("a"), &version(0));
    let url = server.put_url("a");
    let tags = Mutex::new(std::collections::HashMap::<String, u64>::new());
    let writing = AtomicBool::new(true);
    let reads = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (server, url, tags) = (&server, &url, &tags);
                scope.spawn(move || {
                    for round in 0..EACH {
                        let number = 1 + writer * EACH + round;
                        let put = until_taken(|| server.send("PUT", url, &version(number)));
                        assert_eq!(put.status, 200, "{}", put.kind());
                        let tag = put.header("etag").unwrap().to_owned();
                        assert_eq!(tags.lock().unwrap().insert(tag, number), None);
                    }
                })
            })
            .collect();
        for _ in 0..4 {
            scope.spawn(|| {
                while writing.load(Ordering::SeqCst) {
                    let got = server.send("GET", "/a", b"");
                    assert_eq!(got.status, 200);
                    let number = identify(&got.body);
                    let tag = got.header("etag").unwrap();
                    // The writer may not have its answer yet.
                    let known = tags.lock().unwrap().get(tag).copied();
                    assert!(known.is_none_or(|known| known == number), "{tag} is another version");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        writing.store(false, Ordering::SeqCst);
    });
    assert!(reads.load(Ordering::SeqCst) > 0);
    let last = server.send("GET", "/a", b"");
    let number = tags.lock().unwrap()[last.header("etag").unwrap()];
    assert_eq!(identify(&last.body), number);
}

#[test]
fn one_of_fifty_creators_wins() {
    let server = Server::start();
    let url = server.put_url("a");
    let barrier = Barrier::new(50);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let create = |number: u64| {
            let (server, url, barrier) = (&server, &url, &barrier);
            scope.spawn(move || {
                barrier.wait();
                until_taken(|| {
                    let put = server.request("PUT", url).header("If-None-Match", "*");
                    put.body(&version(number)).send()
                })
            })
        };
        let threads: Vec<_> = (0..50).map(create).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<usize> = (0..50).filter(|number| answers[*number].status == 201).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 412)));
    let body = server.send("GET", "/a", b"").body;
    assert_eq!(identify(&body), u64::try_from(won[0]).unwrap());
    assert_eq!(server.blobs(), 1, "the others left nothing");
}

/// C17: what a slow reader gets is the version that its head named, whatever happens meanwhile.
#[test]
fn a_slow_reader_keeps_its_version() {
    let server = Server::start();
    let (old, new) = (noise(1, 24 << 20), noise(2, 24 << 20));
    server.send("PUT", &server.put_url("a"), &old);
    let mut readers: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(server.delivery).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut first = [0; 1_000];
            stream.read_exact(&mut first).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(server.send("PUT", &server.put_url("a"), &new).status, 200);
    }
    let delete = server.signed("a", &Policy::new(Action::Delete, now() + 60));
    assert_eq!(server.send("DELETE", &delete, b"").status, 200);
    for reader in &mut readers {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(&old[old.len() - (20 << 20)..]), "another version was mixed in");
    }
}

#[test]
fn deleting_while_others_write_and_read() {
    let server = Server::start();
    let put = server.put_url("a");
    let delete = server.signed("a", &Policy::new(Action::Delete, now() + 600));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..100 {
                assert!(matches!(server.send("PUT", &put, &version(number)).status, 200 | 201));
            }
        });
        scope.spawn(|| {
            for _ in 0..100 {
                assert!(matches!(server.send("DELETE", &delete, b"").status, 200 | 404));
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let got = server.send("GET", "/a", b"");
                    match got.status {
                        200 => drop(identify(&got.body)),
                        status => assert_eq!(status, 404),
                    }
                }
            });
        }
    });
}
