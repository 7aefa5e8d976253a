//! Files on their way to the client. On a directory the system sends them by itself: whatever
//! happens on the way, a client gets the bytes of its file or a connection that is cut.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Advice, fadvise};

use super::connection::{Connection, assert_well, eventually, metric};
use crate::support::{Server, noise, on_s3};

/// Around what the catalog keeps itself, and around what is sent at once.
const SIZES: [usize; 8] =
    [1, 65_536, 65_537, 524_289, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000];

fn content(size: usize) -> Vec<u8> {
    noise(size as u64, size)
}

fn put(server: &Server, size: usize) {
    let put = server.send("PUT", &server.put_url(&size.to_string()), &content(size));
    assert_eq!(put.status, 201);
}

fn get(path: impl std::fmt::Display, more: &str) -> String {
    format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{more}\r\n")
}

/// Where the directory keeps the one blob of this size.
fn blob_file(server: &Server, size: usize) -> PathBuf {
    let folders = std::fs::read_dir(server.data.join("blobs")).unwrap();
    let mut files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let of_size = |file: &std::fs::DirEntry| file.metadata().unwrap().len() == size as u64;
    files.find_map(|file| file.ok().filter(of_size)).unwrap().path()
}

/// Blobs that the server has open.
fn open_blobs(server: &Server) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let of_blobs = |at: &PathBuf| {
        at.parent().and_then(|at| at.parent()?.file_name()?.to_str()) == Some("blobs")
    };
    open.filter_map(|open| std::fs::read_link(open.ok()?.path()).ok()).filter(of_blobs).count()
}

#[test]
fn one_connection_serves_files_of_every_size() {
    let server = Server::start();
    let mut connection = Connection::open(server.delivery);
    for size in SIZES {
        put(&server, size);
        for _ in 0..2 {
            connection.say(get(size, ""));
            let answer = connection.answer().unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.body == content(size), "{size} bytes");
        }
    }
    assert_well(&server);
}

#[test]
fn every_range_of_a_large_file_is_exact() {
    const SIZE: usize = 5_000_000;
    let server = Server::start();
    put(&server, SIZE);
    let whole = content(SIZE);
    let mut connection = Connection::open(server.delivery);
    let edges = [0, 1, 4_095, 4_096, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, SIZE - 1];
    for first in edges {
        for last in edges.into_iter().filter(|last| *last >= first) {
            connection.say(get(SIZE, &format!("Range: bytes={first}-{last}\r\n")));
            let answer = connection.answer().unwrap();
            assert_eq!(answer.status, 206);
            assert!(answer.body == whole[first..=last], "bytes {first} to {last}");
        }
    }
}

/// The answers wait for one another, and for a client that is slow: each gets its own file.
#[test]
fn files_that_are_asked_for_at_once_do_not_mix() {
    let server = Server::start();
    for size in SIZES {
        put(&server, size);
    }
    let mut connection = Connection::open(server.delivery);
    let order = [7, 2, 7, 0, 5, 1, 7, 3, 4, 6, 2, 7].map(|at| SIZES[at]);
    let none = get("none", "");
    let requests: String = order.iter().map(|size| get(size, "") + &none).collect();
    connection.say(requests);
    // Until nothing more fits between the two.
    std::thread::sleep(Duration::from_millis(300));
    for size in order {
        let answer = connection.answer().unwrap();
        assert!(answer.body == content(size), "{size} bytes: {}", answer.body.len());
        assert_eq!(connection.answer().unwrap().status, 404);
    }
    assert_well(&server);
}

#[test]
fn a_head_alone_sends_no_file() {
    const SIZE: usize = 200_000;
    let server = Server::start();
    put(&server, SIZE);
    let mut connection = Connection::open(server.delivery);
    for _ in 0..3 {
        connection.say(get(SIZE, "").replace("GET", "HEAD"));
        let (status, headers) = connection.head();
        assert_eq!((status, &*headers["content-length"]), (200, "200000"));
        connection.say(get(SIZE, ""));
        assert!(connection.answer().unwrap().body == content(SIZE));
    }
}

/// Bytes that are not in memory have to be read first, window after window.
#[test]
fn a_file_that_is_not_in_memory_is_read() {
    const SIZE: usize = 5_000_000;
    if on_s3() {
        return;
    }
    let server = Server::start();
    put(&server, SIZE);
    let file = File::open(blob_file(&server, SIZE)).unwrap();
    for more in ["", "Range: bytes=1000000-3999999\r\n"] {
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        let mut connection = Connection::open(server.delivery);
        connection.say(get(SIZE, more));
        let body = connection.answer().unwrap().body;
        let wanted = if more.is_empty() { 0..SIZE } else { 1_000_000..4_000_000 };
        assert!(body == content(SIZE)[wanted]);
    }
}

#[test]
fn a_file_that_is_too_short_is_no_answer() {
    const SIZE: usize = 3_000_000;
    if on_s3() {
        return;
    }
    let server = Server::start();
    put(&server, SIZE);
    let file = OpenOptions::new().write(true).open(blob_file(&server, SIZE)).unwrap();
    file.set_len(2_999_999).unwrap();
    let mut connection = Connection::open(server.delivery);
    connection.say(get(SIZE, ""));
    assert_eq!(connection.answer().unwrap().status, 500);
    connection.say(get(SIZE, "Range: bytes=0-9\r\n"));
    assert!(connection.answer().unwrap().body == content(SIZE)[..10]);
}

#[test]
fn a_file_that_ends_while_it_is_sent_cuts_the_connection() {
    const SIZE: usize = 64 << 20;
    if on_s3() {
        return;
    }
    let server = Server::start();
    put(&server, SIZE);
    let mut connection = Connection::open(server.delivery);
    connection.say(get(SIZE, ""));
    let (status, headers) = connection.head();
    assert_eq!((status, &*headers["content-length"]), (200, &*SIZE.to_string()));
    let file = OpenOptions::new().write(true).open(blob_file(&server, SIZE)).unwrap();
    file.set_len(40 << 20).unwrap();
    let rest = connection.until_closed();
    assert!(rest.len() < SIZE, "all of {} bytes came", rest.len());
    assert!(content(SIZE).starts_with(&rest), "bytes that were never in the file");
    eventually("the operator is told", || {
        server.log().contains("a file could not be read to its end")
    });
    assert_well(&server);
}

/// A client that goes away leaves nothing open.
#[test]
fn a_client_that_leaves_in_the_middle_leaves_no_file_open() {
    const SIZE: usize = 64 << 20;
    let server = Server::start();
    put(&server, SIZE);
    let open = || metric(&server, "gatepass_connections{listener=\"delivery\"}");
    eventually("the upload's connection is gone", || open() < 0.5);
    let mut readers: Vec<_> = (0..20).map(|_| Connection::open(server.delivery)).collect();
    for reader in &mut readers {
        reader.say(get(SIZE, ""));
        let mut first = vec![0; 100_000];
        reader.read_exact(&mut first);
    }
    if !on_s3() {
        assert_eq!(open_blobs(&server), 20);
    }
    drop(readers);
    eventually("all are gone", || open() < 0.5);
    eventually("nothing is left open", || open_blobs(&server) == 0);
    assert_well(&server);
}
