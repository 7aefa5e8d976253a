//! A connection that says what the test wants, byte by byte.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Answer, Server, on_s3, read_head};

/// How long anything may take before the test gives up: a bound of liveness, not of speed. Less than
/// a server lets a connection be idle that nobody has told otherwise, so that what is closed only
/// then is noticed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::try_open(to).unwrap()
    }

    pub(crate) fn try_open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends bytes to a server that takes them.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).unwrap();
    }

    /// Sends bytes to a server that may have hung up.
    pub(crate) fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Sends nothing more, but goes on listening.
    pub(crate) fn stop_sending(&mut self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    /// The next answer; `None` if the connection ends before.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        Answer::read_from(&mut self.reader, false)
    }

    /// Status and headers of the next answer, whose body is left to be read.
    pub(crate) fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        read_head(&mut self.reader).unwrap()
    }

    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) {
        self.reader.read_exact(bytes).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    /// Reads the answer to `Expect: 100-continue`: from then on the request runs.
    pub(crate) fn is_told_to_go_on(&mut self) {
        assert_eq!(self.line(), "HTTP/1.1 100 Continue\r\n");
        assert_eq!(self.line(), "\r\n");
    }

    /// Everything until the server closes the connection, which it must.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            // The server closed before it had read everything.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the server does not close the connection: {error}"),
        }
        rest
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Path and query of a URL.
pub(crate) fn target(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// The head of a PUT to a signed URL, with these lines of framing.
pub(crate) fn put_head(url: &str, framing: &str) -> String {
    format!("PUT {} HTTP/1.1\r\nHost: gatepass.test\r\n{framing}\r\n", target(url))
}

/// Blobs that the server keeps.
pub(crate) fn blobs(server: &Server) -> usize {
    if on_s3() {
        return server.blobs();
    }
    let folders = std::fs::read_dir(server.data.join("blobs")).unwrap();
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

/// A number in the server's metrics; 0 if it is not there.
pub(crate) fn metric(server: &Server, name: &str) -> f64 {
    let text = server.api_request("GET", "/metrics").send().body;
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

/// The server is well: it answers, and nothing in it panicked. One whose times are short may let go
/// of a client that the machine does not let run; that one tries again.
pub(crate) fn assert_well(server: &Server) {
    eventually("the server is well", || {
        let Ok(mut connection) = Connection::try_open(server.delivery) else { return false };
        let head = put_head(&server.put_url("well.txt"), "Content-Length: 4\r\n");
        let _ = connection.try_say(head + "well");
        let Some(put) = connection.answer() else { return false };
        assert!(matches!(put.status, 200 | 201 | 408 | 503), "{put:?}");
        put.status < 300
    });
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
