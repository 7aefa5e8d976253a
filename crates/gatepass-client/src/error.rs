use std::io;

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server said no.
    #[error("{message} ({kind}, status {status}{})", request_id.as_ref().map(|id| format!(", {id}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// Kind of the error; see the table of errors.
        kind: String,
        /// What the server says.
        message: String,
        /// Id of the request, for the operator.
        request_id: Option<String>,
    },
    /// There is no server, or the connection broke.
    #[error(
        "cannot reach {server}: {reason}; is `gatepass serve` running, and is the address right?"
    )]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The transfer broke off.
    #[error("the transfer broke off: {0}")]
    Interrupted(String),
    /// The URL is none.
    #[error("this is no URL: {0}")]
    BadUrl(String),
    /// The local file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

impl ClientError {
    /// Of the HTTP library, without the URL: its query is a secret.
    pub(crate) fn transport(error: reqwest::Error) -> Self {
        let server = error.url().map(server_of);
        let error = error.without_url();
        let text = chain(&error);
        if error.is_builder() {
            Self::BadUrl(text)
        } else if error.is_connect() {
            let server = server.unwrap_or_else(|| "the server".to_owned());
            Self::Unreachable { server, reason: text }
        } else {
            Self::Interrupted(text)
        }
    }

    pub(crate) fn file(path: &std::path::Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502..=504),
            Self::Unreachable { .. } | Self::Interrupted(_) => true,
            Self::BadUrl(_) | Self::File { .. } => false,
        }
    }

    /// Reads an answer that is not a success.
    pub(crate) async fn refused(answer: reqwest::Response) -> Self {
        let status = answer.status();
        let id = answer.headers().get("x-request-id").and_then(|value| value.to_str().ok());
        let request_id = id.map(str::to_owned);
        let body: serde_json::Value = match answer.bytes().await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => serde_json::Value::Null,
        };
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        Self::Refused {
            status: status.as_u16(),
            kind: text("kind").unwrap_or_else(|| "http".to_owned()),
            message: text("message").unwrap_or_else(|| {
                status.canonical_reason().unwrap_or("the server refused").to_lowercase()
            }),
            request_id,
        }
    }
}

/// Host and port; neither a name nor a password, which a URL may have before them.
fn server_of(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
