//! One large upload, with everything that can happen to it.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatepass_testkit::free_port;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Data, Server, Start, noise};

/// The file: one stretch of noise again and again, each with its number in front.
pub(crate) struct Torture {
    size: u64,
    chunk: u64,
    stretch: Vec<u8>,
    /// The servers at this moment; each request goes to any of them.
    addresses: Mutex<Vec<SocketAddr>>,
    finished: Mutex<Vec<Value>>,
    done: AtomicBool,
    sent: AtomicUsize,
    tries: AtomicU64,
}

impl Torture {
    pub(crate) fn new(size: u64, chunk: u64) -> Self {
        Self {
            size,
            chunk,
            stretch: noise(1, 1 << 20),
            addresses: Mutex::default(),
            finished: Mutex::default(),
            done: AtomicBool::default(),
            sent: AtomicUsize::default(),
            tries: AtomicU64::default(),
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

    /// Where requests go from now on.
    pub(crate) fn direct(&self, addresses: Vec<SocketAddr>) {
        *self.addresses.lock().unwrap() = addresses;
    }

    /// Uploads with so many clients, while something else happens; returns the File.
    pub(crate) fn upload<T>(
        &self,
        url: &str,
        clients: usize,
        meanwhile: impl FnOnce() -> T,
    ) -> (Value, T) {
        let count = self.size / self.chunk;
        let mut chunks: Vec<u64> = (0..count).collect();
        // Shuffled, the same way each time; every tenth is there twice.
        chunks.sort_by_key(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        let twice: Vec<u64> = chunks.iter().copied().filter(|number| number % 10 == 3).collect();
        let queue = Mutex::new(chunks.into_iter().chain(twice).collect::<VecDeque<_>>());
        let happened = std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| self.send_all(&queue, url));
            }
            meanwhile()
        });
        let files = self.finished.lock().unwrap().clone();
        assert!(self.done.load(Ordering::SeqCst), "it never became a file");
        let other = files.iter().find(|file| **file != files[0]);
        assert_eq!(other, None, "one finish, one File: {}", files[0]);
        (files[0].clone(), happened)
    }

    /// Waits until so many hundredths of all chunks were taken.
    pub(crate) fn wait_for(&self, percent: u64) {
        let until = usize::try_from(self.size / self.chunk * percent / 100).unwrap();
        let deadline = Instant::now() + Duration::from_mins(10);
        while self.sent.load(Ordering::SeqCst) < until {
            assert!(Instant::now() < deadline, "its clients have stopped");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Uploads to one server with so many clients, through so many kills; returns the File.
    pub(crate) fn run(&self, clients: usize, kills: u64) -> Value {
        // One port for its whole life, so that the URL stays what it is.
        let address = format!("127.0.0.1:{}", free_port());
        let start = |data: &PathBuf| Start::at(data).replace("--listen", &address).run();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = start(&data);
        let url = server.put_url("large.bin");
        self.direct(vec![server.delivery]);
        let (file, server) = self.upload(&url, clients, || self.kill(server, kills, &start));
        self.check(server.delivery);
        assert_eq!(server.blobs(), 1);
        file
    }

    fn kill(&self, mut server: Server, kills: u64, start: &dyn Fn(&PathBuf) -> Server) -> Server {
        for kill in 1..=kills {
            self.wait_for(100 * kill / (kills + 1));
            self.direct(Vec::new());
            let Data { path, .. } = server.kill();
            server = start(&path);
            self.direct(vec![server.delivery]);
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

    /// Any of the servers.
    fn address(&self) -> Option<SocketAddr> {
        let addresses = self.addresses.lock().unwrap();
        let turn = self.tries.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let any = (turn >> 32).checked_rem(addresses.len() as u64)?;
        addresses.get(usize::try_from(any).unwrap()).copied()
    }

    /// Sends a chunk, or half of it; whether it was taken.
    fn send(&self, url: &str, chunk: u64, cut: bool) -> bool {
        let Some(address) = self.address() else { return false };
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

    /// What is read is what was sent.
    pub(crate) fn check(&self, address: SocketAddr) {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut reader = std::io::BufReader::new(stream);
        let (status, _) = crate::support::read_head(&mut reader).unwrap();
        assert_eq!(status, 200);
        let mut size = 0;
        let (mut found, mut expected) = (Sha256::new(), Sha256::new());
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            found.update(&buffer[..count]);
            size += count as u64;
        }
        assert_eq!(size, self.size, "it broke off");
        for chunk in 0..self.size / self.chunk {
            expected.update(self.bytes(chunk));
        }
        assert!(found.finalize() == expected.finalize(), "it came back different");
    }
}
