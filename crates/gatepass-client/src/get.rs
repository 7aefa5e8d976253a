use std::path::Path;

use futures_util::StreamExt as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{Client, ClientError, OnProgress};

/// How to download.
#[derive(Default, Clone)]
pub struct Download {
    /// An API key, where the URL is neither signed nor public.
    pub api_key: Option<gatepass_sign::Secret>,
    /// Told of the progress.
    pub on_progress: Option<OnProgress>,
}

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Number of bytes.
    pub bytes: u64,
    /// The content type that the server gave.
    pub content_type: Option<String>,
}

impl Client {
    /// Downloads to a file. It gets its name only when it is whole.
    pub async fn get_file(
        &self,
        url: &str,
        path: &Path,
        download: &Download,
    ) -> Result<Downloaded, ClientError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = Path::new(&name);
        let answer = self.begin_get(url, download).await?;
        let mut file =
            tokio::fs::File::create(part).await.map_err(|e| ClientError::file(part, e))?;
        let done = pour(answer, &mut file, download).await;
        match done {
            Ok(downloaded) => {
                file.sync_all().await.map_err(|error| ClientError::file(part, error))?;
                tokio::fs::rename(part, path)
                    .await
                    .map_err(|error| ClientError::file(path, error))?;
                Ok(downloaded)
            }
            Err(error) => {
                // What is left of it is of no use to anybody.
                let _ = tokio::fs::remove_file(part).await;
                Err(error)
            }
        }
    }

    /// Downloads into a writer.
    pub async fn get_to(
        &self,
        url: &str,
        mut writer: impl AsyncWrite + Unpin,
        download: &Download,
    ) -> Result<Downloaded, ClientError> {
        let answer = self.begin_get(url, download).await?;
        pour(answer, &mut writer, download).await
    }

    async fn begin_get(
        &self,
        url: &str,
        download: &Download,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.reading.get(url);
        if let Some(key) = &download.api_key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let answer = request.send().await.map_err(ClientError::transport)?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(ClientError::refused(answer).await)
        }
    }
}

async fn pour(
    answer: reqwest::Response,
    writer: &mut (impl AsyncWrite + Unpin),
    download: &Download,
) -> Result<Downloaded, ClientError> {
    let length = answer.content_length();
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let here = Path::new("the output");
    let mut pieces = answer.bytes_stream();
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(ClientError::transport)?;
        writer.write_all(&piece).await.map_err(|error| ClientError::file(here, error))?;
        bytes += piece.len() as u64;
        if let Some(tell) = &download.on_progress {
            tell(bytes, length);
        }
    }
    writer.flush().await.map_err(|error| ClientError::file(here, error))?;
    Ok(Downloaded { bytes, content_type })
}
