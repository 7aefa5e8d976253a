//! A proxy in front of nodes that answers for them, or spoils their answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// An answer with this status, without asking the node.
    Status(u16),
    /// An answer of success whose body is an error, without asking the node.
    ErrorInSuccess,
    /// The connection is cut before the node is asked.
    Cut,
    /// The node does it, and the connection is cut before it can tell.
    LostReply,
    /// The answer comes late.
    Late,
    /// Nobody is asked, and no answer ever comes, until [`Proxy::heal`].
    HalfOpen,
}

/// How many attempts at a node's connection are made before a request is given up.
const NODES_ASKED_MAX: usize = 3;

/// Method and target of a request.
pub type Asked = (String, String);

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Decides over each request.
pub type Script = dyn Fn(&Asked, u64) -> Fault + Send + Sync;

const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code>\
     <Message>Try again.</Message></Error>";

/// A running proxy.
pub struct Proxy {
    /// Where it listens.
    pub endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    behind: Vec<SocketAddr>,
    script: Box<Script>,
    number: AtomicU64,
    faults: AtomicU64,
    healed: Notify,
}

impl Proxy {
    /// Starts one in front of endpoints, which are asked in turns: of those that are gone, another.
    /// The script gets a running number with each request.
    pub async fn start(
        behind: &[String],
        script: impl Fn(&Asked, u64) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let address = |one: &String| one.strip_prefix("http://").unwrap().parse().unwrap();
        let shared = Arc::new(Shared {
            behind: behind.iter().map(address).collect(),
            script: Box::new(script),
            number: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            healed: Notify::new(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { endpoint, shared }
    }

    /// How often something went wrong so far.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }

    /// Cuts what is half open.
    pub fn heal(&self) {
        self.shared.healed.notify_waiters();
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    });
    // An error of the service cuts the connection.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn cut() -> std::io::Error {
    std::io::Error::other("cut")
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, std::io::Error> {
        let asked = (request.method().to_string(), request.uri().to_string());
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let fault = (self.script)(&asked, number);
        self.faults.fetch_add(u64::from(fault != Fault::None), Ordering::SeqCst);
        if fault == Fault::Cut {
            return Err(cut());
        }
        if fault == Fault::HalfOpen {
            self.healed.notified().await;
            return Err(cut());
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let made = |status, text: &'static str| {
            let body = Full::from(text).map_err(|never| match never {}).boxed();
            Ok(Response::builder().status(status).body(body).unwrap())
        };
        match fault {
            Fault::Status(status) => return made(status, ERROR),
            Fault::ErrorInSuccess => return made(200, ERROR),
            _ => {}
        }
        let stream = self.connect(number).await?;
        let answer = forward(Request::from_parts(head, Full::new(body)), stream).await?;
        match fault {
            Fault::LostReply => Err(cut()),
            Fault::Late => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    /// A connection to the node whose turn it is, or to the next one that is there.
    async fn connect(&self, number: u64) -> Result<TcpStream, std::io::Error> {
        let first = usize::try_from(number % self.behind.len() as u64).unwrap();
        for node in self.behind.iter().cycle().skip(first).take(NODES_ASKED_MAX) {
            if let Ok(stream) = TcpStream::connect(node).await {
                return Ok(stream);
            }
        }
        Err(cut())
    }
}

async fn forward(
    request: Request<Full<Bytes>>,
    stream: TcpStream,
) -> Result<Answer, std::io::Error> {
    let lost = std::io::Error::other;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    tokio::spawn(connection);
    // The body goes through as it comes: it may be large.
    Ok(sender.send_request(request).await.map_err(lost)?.map(BodyExt::boxed))
}
