//! The Rust client: sign, upload, download.
//!
//! Bytes are streamed, never loaded whole. A URL's query is a secret: it appears in no error.
//!
//! ```no_run
//! # async fn run() -> Result<(), gatepass_client::ClientError> {
//! use gatepass_client::{Client, Upload};
//!
//! let client = Client::new()?;
//! let url = "http://127.0.0.1:8080/a.png?expiry=4102444800&method=put&signature=...";
//! let uploaded = client.put_file(url, "a.png".as_ref(), &Upload::default()).await?;
//! println!("{}", uploaded.file["url"]);
//! # Ok(()) }
//! ```

mod chunks;
mod error;
mod get;
mod put;

pub use chunks::{ChunkedUpload, OnRetry, OnUploadUrl};
pub use error::ClientError;
pub use gatepass_sign as sign;
pub use get::{Download, Downloaded};
pub use put::{Upload, Uploaded};

use std::sync::Arc;
use std::time::Duration;

/// Told how many bytes are done, and how many there are if that is known.
pub type OnProgress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// How long a server may be silent.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// How often a reader lets itself be sent on.
const REDIRECTS_MAX: usize = 3;
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A client. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Goes where it is sent: to the store that has a file.
    reading: reqwest::Client,
}

impl Client {
    /// Makes a client. A rustls crypto provider must have been installed by the program.
    pub fn new() -> Result<Self, ClientError> {
        let client = |redirects| {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_MAX)
                .read_timeout(SILENCE_MAX)
                .redirect(redirects)
                .user_agent(concat!("gatepass-client/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(ClientError::transport)
        };
        // A signed URL is for one place: nobody may send its bytes to another.
        let http = client(reqwest::redirect::Policy::none())?;
        let reading = client(reqwest::redirect::Policy::limited(REDIRECTS_MAX))?;
        Ok(Self { http, reading })
    }

    /// The status that a URL is answered with.
    pub async fn status(&self, url: &str) -> Result<u16, ClientError> {
        let answer = self.http.get(url).send().await.map_err(ClientError::transport)?;
        Ok(answer.status().as_u16())
    }

    /// The time that a server tells, in Unix seconds: the `Date` header of its answer.
    pub async fn server_date(&self, origin: &str) -> Result<Option<String>, ClientError> {
        let url = format!("{}/.well-known/gatepass/livez", origin.trim_end_matches('/'));
        let answer = self.http.head(url).send().await.map_err(ClientError::transport)?;
        let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
        Ok(date.map(str::to_owned))
    }
}
