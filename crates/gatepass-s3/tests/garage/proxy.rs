//! A proxy in front of a node that answers for it, or spoils its answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
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
}

/// Method and target of a request.
pub(crate) type Asked = (String, String);

/// Decides over each request.
pub(crate) type Script = dyn Fn(&Asked, u64) -> Fault + Send + Sync;

const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code>\
     <Message>Try again.</Message></Error>";

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    faults: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts one in front of an endpoint. The script gets a running number with each request.
    pub(crate) async fn start(
        behind: &str,
        script: impl Fn(&Asked, u64) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let behind: SocketAddr = behind.strip_prefix("http://").unwrap().parse().unwrap();
        let (faults, script): (_, Arc<Script>) = (Arc::new(AtomicU64::new(0)), Arc::new(script));
        let counted = Arc::clone(&faults);
        tokio::spawn(async move {
            let number = Arc::new(AtomicU64::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                let (script, faults) = (Arc::clone(&script), Arc::clone(&counted));
                tokio::spawn(serve(stream, behind, script, Arc::clone(&number), faults));
            }
        });
        Self { endpoint, faults }
    }

    /// How often something went wrong so far.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: TcpStream,
    behind: SocketAddr,
    script: Arc<Script>,
    number: Arc<AtomicU64>,
    faults: Arc<AtomicU64>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = (request.method().to_string(), request.uri().to_string());
        let fault = script(&asked, number.fetch_add(1, Ordering::SeqCst));
        faults.fetch_add(u64::from(fault != Fault::None), Ordering::SeqCst);
        answer(request, behind, fault)
    });
    // An error of the service cuts the connection.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    behind: SocketAddr,
    fault: Fault,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let cut = || std::io::Error::other("cut");
    let (head, body) = request.into_parts();
    if fault == Fault::Cut {
        return Err(cut());
    }
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let made = |status, text: &'static str| {
        Ok(Response::builder().status(status).body(Full::from(text)).unwrap())
    };
    match fault {
        Fault::Status(status) => return made(status, ERROR),
        Fault::ErrorInSuccess => return made(200, ERROR),
        _ => {}
    }
    let answer = forward(Request::from_parts(head, Full::new(body)), behind).await;
    match fault {
        Fault::LostReply => Err(cut()),
        Fault::Late => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(answer)
        }
        _ => Ok(answer),
    }
}

async fn forward(request: Request<Full<Bytes>>, behind: SocketAddr) -> Response<Full<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(behind).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
}
