//! Sources that are fetched from: small servers that say what the test wants, byte by byte.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connection to a source, whatever it is made of.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A server on loopback. It ends with the test.
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Source {
    /// On a free port. The manner is what it does with a connection whose request was read; it
    /// is closed afterwards.
    pub(crate) fn start(manner: impl Fn(&str, &mut dyn Wire) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", manner)
    }

    /// That answers every request with these bytes.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, wire| drop(wire.write_all(&answer)))
    }

    /// At a certain address.
    pub(crate) fn at(
        address: &str,
        manner: impl Fn(&str, &mut dyn Wire) + Send + Sync + 'static,
    ) -> Self {
        Self::accepting(address, manner, |stream| Some(Box::new(stream)))
    }

    /// With something between TCP and HTTP.
    pub(crate) fn accepting(
        address: &str,
        manner: impl Fn(&str, &mut dyn Wire) + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, manner, wrap) = (Arc::clone(&requests), Arc::new(manner), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, manner) = (Arc::clone(&seen), Arc::clone(&manner));
                let wrap = Arc::clone(&wrap);
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                    let _ = stream.set_write_timeout(Some(Duration::from_secs(30)));
                    seen.lock().unwrap().push(String::new());
                    let Some(mut wire) = wrap(stream) else { return };
                    let Some(request) = read_request(&mut *wire) else { return };
                    seen.lock().unwrap().push(request.clone());
                    manner(&request, &mut *wire);
                    let _ = wire.flush();
                });
            }
        });
        Self { address, requests }
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections and requests so far; an empty one for a connection.
    pub(crate) fn contacts(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The heads that were sent to it.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| !request.is_empty()).cloned().collect()
    }
}

fn read_request(wire: &mut dyn Wire) -> Option<String> {
    let mut head = String::new();
    let mut reader = BufReader::with_capacity(1, wire);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if line == "\r\n" {
            return Some(head);
        }
        head.push_str(&line);
    }
}

/// An answer that is as it should be.
pub(crate) fn file(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A redirect.
pub(crate) fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}
