//! One large upload, with everything that can happen to it.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Data, Server, Start, noise};

/// The file: one stretch of noise again and again, each with its number in front.
pub(crate) struct Torture {
    size: u64,
    chunk: u64,
    stretch: Vec<u8>,
    /// The server at this moment; none while it is down.
    address: Mutex<Option<SocketAddr>>,
    finished: Mutex<Vec<Value>>,
    done: AtomicBool,
    sent: AtomicUsize,
}

impl Torture {
    pub(crate) fn new(size: u64, chunk: u64) -> Self {
        Self {
            size,
            chunk,
            stretch: noise(1, 1 << 20),
            address: Mutex::default(),
            finished: Mutex::default(),
            done: AtomicBool::default(),
            sent: AtomicUsize::default(),
        }
    }

    fn bytes(&self, chunk: u64) -> Vec<u8> {
        let first = (chunk * self.chunk) >> 20;
        let mut bytes = Vec::new();
        for number in first..first + (self.chunk >> 20) {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&self.stretch[8..]);
        }
        bytes
    }

    /// Uploads with so many clients through so many kills; returns the File.
    pub(crate) fn run(&self, clients: usize, kills: usize) -> Value {
        let count = self.size / self.chunk;
        let mut chunks: Vec<u64> = (0..count).collect();
        // Shuffled, the same way each time; every tenth is there twice.
        chunks.sort_by_key(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        let twice: Vec<u64> = chunks.iter().copied().filter(|number| number % 10 == 3).collect();
        let queue = Mutex::new(chunks.into_iter().chain(twice).collect::<VecDeque<_>>());
        // One port for its whole life, so that the URL stays what it is.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let start = |data: &PathBuf| Start::at(data).replace("--listen", &port.to_string()).run();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = start(&data);
        let url = server.put_url("large.bin");
        *self.address.lock().unwrap() = Some(server.delivery);
        let server = std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| self.send_all(&queue, &url));
            }
            self.kill(server, kills, usize::try_from(count).unwrap(), &start)
        });
        let files = self.finished.lock().unwrap().clone();
        assert!(files.iter().all(|file| *file == files[0]), "one finish, one File");
        self.check(&server);
        files[0].clone()
    }

    fn kill(
        &self,
        mut server: Server,
        kills: usize,
        count: usize,
        start: &dyn Fn(&PathBuf) -> Server,
    ) -> Server {
        for kill in 1..=kills {
            let until = count * kill / (kills + 1);
            while self.sent.load(Ordering::SeqCst) < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            *self.address.lock().unwrap() = None;
            let Data { path, .. } = server.kill();
            server = start(&path);
            *self.address.lock().unwrap() = Some(server.delivery);
        }
        server
    }

    fn send_all(&self, queue: &Mutex<VecDeque<u64>>, url: &str) {
        loop {
            let Some(chunk) = queue.lock().unwrap().pop_front() else { return };
            if chunk % 20 == 7 {
                self.send(url, chunk, true);
            }
            let deadline = Instant::now() + Duration::from_mins(2);
            while !self.send(url, chunk, false) {
                assert!(Instant::now() < deadline, "chunk {chunk} is never taken");
                std::thread::sleep(Duration::from_millis(20));
            }
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Sends a chunk, or half of it; whether it was taken.
    fn send(&self, url: &str, chunk: u64, cut: bool) -> bool {
        let Some(address) = *self.address.lock().unwrap() else { return false };
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let bytes = self.bytes(chunk);
        let target = url.split_once("//").unwrap().1.split_once('/').unwrap().1;
        let first = chunk * self.chunk;
        let head = format!(
            "PUT /{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Range: bytes {first}-{}/{}\r\n\r\n",
            bytes.len(),
            first + self.chunk - 1,
            self.size
        );
        let body = if cut { &bytes[..bytes.len() / 2] } else { &bytes[..] };
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(body).is_err() || cut {
            return false;
        }
        let Some(answer) = Answer::read(&mut stream, false) else { return false };
        match answer.status {
            202 => true,
            200 | 201 => {
                self.finished.lock().unwrap().push(answer.file());
                self.done.store(true, Ordering::SeqCst);
                true
            }
            503 => false,
            status => panic!("{status} {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    fn check(&self, server: &Server) {
        assert!(self.done.load(Ordering::SeqCst), "it never became a file");
        let mut stream = TcpStream::connect(server.delivery).unwrap();
        let head = b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut reader = std::io::BufReader::new(stream);
        crate::support::read_head(&mut reader).unwrap();
        let (mut found, mut expected) = (Sha256::new(), Sha256::new());
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            found.update(&buffer[..count]);
        }
        for chunk in 0..self.size / self.chunk {
            expected.update(self.bytes(chunk));
        }
        assert!(found.finalize() == expected.finalize(), "it came back different");
        assert_eq!(server.blobs(), 1);
    }
}
