//! HTTP/1.1 over one connection, one request at a time.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::content::Content;

/// Bytes that are read at once.
const SLICE: usize = 256 << 10;
/// Longest answer that is kept.
const KEPT: u64 = 64 << 10;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    content: Content,
    input: Vec<u8>,
    /// When the last byte of the last request was sent.
    pub(crate) sent: Instant,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<String>,
    /// The body, if it is short and has a declared length.
    pub(crate) body: Vec<u8>,
    chunked: bool,
}

impl Answer {
    /// The answer, if it is a success.
    pub(crate) fn success(self) -> anyhow::Result<Self> {
        ensure!(
            (200..300).contains(&self.status),
            "status {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self)
    }
}

impl Connection {
    pub(crate) async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, content: Content::new()?, input: vec![0; SLICE], sent: Instant::now() })
    }

    /// Sends a request whose body is `length` bytes that nobody has seen before.
    pub(crate) async fn upload(&mut self, head: &str, length: u64) -> anyhow::Result<Answer> {
        let (mut head, mut left) = (head.as_bytes(), length);
        while left > 0 {
            let mut body = self.content.next(left);
            left -= body.len() as u64;
            // Head and a small body leave in one write, as every client library does it.
            while !head.is_empty() || !body.is_empty() {
                let both = [IoSlice::new(head), IoSlice::new(body)];
                let count = self.stream.write_vectored(&both).await?;
                let of_head = count.min(head.len());
                head = &head[of_head..];
                body = &body[count - of_head..];
            }
        }
        self.stream.write_all(head).await?;
        self.answer().await
    }

    /// Sends a request with a body, or without one.
    pub(crate) async fn send(&mut self, head: &str, body: &str) -> anyhow::Result<Answer> {
        self.stream.write_all(format!("{head}{body}").as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        self.sent = Instant::now();
        loop {
            let (mut answer, rest) = self.head().await?;
            if answer.status == 100 {
                ensure!(rest.is_empty(), "an answer came with 100 Continue");
                continue;
            }
            if answer.chunked {
                self.chunks(&mut answer, rest).await?;
            } else if answer.length > KEPT {
                self.skip(answer.length - rest.len() as u64).await?;
            } else {
                self.keep(&mut answer, rest).await?;
            }
            return Ok(answer);
        }
    }

    /// An answer without its body, and where in the input what was read of the body is.
    async fn head(&mut self) -> anyhow::Result<(Answer, std::ops::Range<usize>)> {
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.input[filled..]).await?;
            ensure!(count > 0, "the connection ended");
            filled += count;
            if let Some(end) = find(&self.input[..filled], b"\r\n\r\n") {
                let answer = parse(std::str::from_utf8(&self.input[..end])?)?;
                return Ok((answer, end + 4..filled));
            }
        }
    }

    async fn skip(&mut self, mut left: u64) -> anyhow::Result<()> {
        while left > 0 {
            let length = usize::try_from(left)?.min(SLICE);
            let count = self.stream.read(&mut self.input[..length]).await?;
            if count == 0 {
                bail!("the body broke off");
            }
            left -= count as u64;
        }
        Ok(())
    }

    async fn keep(
        &mut self,
        answer: &mut Answer,
        rest: std::ops::Range<usize>,
    ) -> anyhow::Result<()> {
        let length = usize::try_from(answer.length)?;
        answer.body.extend_from_slice(&self.input[rest]);
        while answer.body.len() < length {
            let count = self.stream.read(&mut self.input).await?;
            ensure!(count > 0, "the body broke off");
            answer.body.extend_from_slice(&self.input[..count]);
        }
        Ok(())
    }

    /// Reads a body in chunks to its end; these are short answers, kept as they came.
    async fn chunks(
        &mut self,
        answer: &mut Answer,
        rest: std::ops::Range<usize>,
    ) -> anyhow::Result<()> {
        answer.body.extend_from_slice(&self.input[rest]);
        while !answer.body.ends_with(b"0\r\n\r\n") {
            let count = self.stream.read(&mut self.input).await?;
            ensure!(count > 0, "the body broke off");
            answer.body.extend_from_slice(&self.input[..count]);
        }
        Ok(())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn parse(head: &str) -> anyhow::Result<Answer> {
    let mut lines = head.split("\r\n");
    let first = lines.next().context("no status line")?;
    let status = first.split(' ').nth(1).context("no status")?.parse()?;
    let mut answer = Answer { status, ..Answer::default() };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            answer.length = value.parse()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            answer.chunked = true;
        } else if name.eq_ignore_ascii_case("location") {
            answer.location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("etag") {
            answer.etag = Some(value.to_owned());
        }
    }
    Ok(answer)
}
