use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, bail, ensure};
use gatepass_sign::{Action, ObjectPath, Policy, Secret, sign_url};

/// Bytes that are written at once.
const SLICE: usize = 1 << 20;
/// Far enough that no run outlives it.
const EXPIRY: u64 = 4_102_444_800;

/// A connection that is kept.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    server: SocketAddr,
    key: Option<Secret>,
    slice: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let key = std::env::var("GATEPASS_API_KEY").ok().map(Secret::new);
        // Not zeros: nothing on the way may find them easy.
        let slice = (0..SLICE).map(|i| u8::try_from(i * 167 % 251).unwrap_or(0)).collect();
        Ok(Self { reader: BufReader::with_capacity(SLICE, stream), server, key, slice })
    }

    /// Uploads `size` bytes; returns how many.
    pub(crate) fn put(&mut self, path: &str, size: u64) -> anyhow::Result<u64> {
        let target = self.target(path)?;
        let mut request = format!(
            "PUT /{target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {size}\r\n\r\n",
            self.server
        )
        .into_bytes();
        let mut left = usize::try_from(size)?;
        // Head and a small body leave in one write, as every client library does it.
        let first = left.min(64 << 10);
        request.extend_from_slice(&self.slice[..first]);
        self.reader.get_mut().write_all(&request)?;
        left -= first;
        while left > 0 {
            let length = left.min(SLICE);
            self.reader.get_mut().write_all(&self.slice[..length])?;
            left -= length;
        }
        let (status, length) = self.head()?;
        self.skip(length)?;
        ensure!(matches!(status, 200 | 201 | 204), "status {status}");
        Ok(size)
    }

    /// Downloads a path; returns how many bytes it has.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<u64> {
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.server);
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (status, length) = self.head()?;
        self.skip(length)?;
        ensure!(status == 200, "status {status}");
        Ok(length)
    }

    fn target(&self, path: &str) -> anyhow::Result<String> {
        let Some(key) = &self.key else { return Ok(path.to_owned()) };
        let path = ObjectPath::from_decoded(path)?;
        let url = sign_url(key, "", &path, &Policy::new(Action::Put, EXPIRY));
        Ok(url.trim_start_matches('/').to_owned())
    }

    fn head(&mut self) -> anyhow::Result<(u16, u64)> {
        let mut line = String::new();
        ensure!(self.reader.read_line(&mut line)? > 0, "the connection ended");
        let status = line.split(' ').nth(1).context("no status")?.trim().parse()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            ensure!(self.reader.read_line(&mut line)? > 0, "the head broke off");
            if line == "\r\n" {
                return Ok((status, length));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
    }

    fn skip(&mut self, length: u64) -> anyhow::Result<()> {
        let mut left = length;
        while left > 0 {
            let length = usize::try_from(left)?.min(SLICE);
            let count = self.reader.read(&mut self.slice[..length])?;
            if count == 0 {
                bail!("the body broke off");
            }
            left -= count as u64;
        }
        Ok(())
    }
}
