use std::path::Path;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{Client, ClientError, OnProgress};

/// Bytes that are read from the file at once.
const PIECE_BYTES: usize = 256 * 1024;

/// How to upload.
#[derive(Default, Clone)]
pub struct Upload {
    /// The declared content type.
    pub content_type: Option<String>,
    /// An API key, where the URL is not signed.
    pub api_key: Option<gatepass_sign::Secret>,
    /// Told of the progress.
    pub on_progress: Option<OnProgress>,
}

/// What came of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The File object.
    pub file: Value,
    /// Whether the path was new.
    pub created: bool,
    /// The receipt, after a signed upload.
    pub receipt: Option<String>,
}

impl Client {
    /// Uploads a file in one PUT.
    pub async fn put_file(
        &self,
        url: &str,
        path: &Path,
        upload: &Upload,
    ) -> Result<Uploaded, ClientError> {
        let failed = |error| ClientError::file(path, error);
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        self.put_reader(url, file, Some(metadata.len()), upload).await
    }

    /// Uploads everything that a reader gives; without a length in the chunked coding.
    pub async fn put_reader(
        &self,
        url: &str,
        reader: impl AsyncRead + Unpin + Send + 'static,
        length: Option<u64>,
        upload: &Upload,
    ) -> Result<Uploaded, ClientError> {
        let pieces = pieces(reader, length, upload.on_progress.clone());
        let mut request = self.http.put(url).body(reqwest::Body::wrap_stream(pieces));
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        if let Some(content_type) = &upload.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(key) = &upload.api_key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let answer = request.send().await.map_err(ClientError::transport)?;
        if !answer.status().is_success() {
            return Err(ClientError::refused(answer).await);
        }
        uploaded(answer).await
    }
}

/// Reads a File.
pub(crate) async fn uploaded(answer: reqwest::Response) -> Result<Uploaded, ClientError> {
    let created = answer.status() == reqwest::StatusCode::CREATED;
    let receipt = answer.headers().get("gatepass-receipt").and_then(|v| v.to_str().ok());
    let receipt = receipt.map(str::to_owned);
    let body = answer.bytes().await.map_err(ClientError::transport)?;
    Ok(Uploaded { file: object_of(&body), created, receipt })
}

/// The object of an answer, enveloped or not, by the version that the server speaks.
pub(crate) fn object_of(body: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get_mut("data").map(Value::take).unwrap_or(body)
}

pub(crate) fn pieces(
    reader: impl AsyncRead + Unpin + Send + 'static,
    length: Option<u64>,
    on_progress: Option<OnProgress>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    futures_util::stream::try_unfold((reader, 0_u64), move |(mut reader, sent)| {
        let on_progress = on_progress.clone();
        async move {
            let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
            let count = reader.read_buf(&mut piece).await?;
            let sent = sent + count as u64;
            if let Some(tell) = &on_progress {
                tell(sent, length);
            }
            Ok((count > 0).then(|| (piece.freeze(), (reader, sent))))
        }
    })
}
