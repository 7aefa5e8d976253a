//! Uploading a file in chunks: several at once, again where one fails, from where it was left.
//!
//! Nothing has to be remembered for it: the server says what is missing.

use std::collections::VecDeque;
use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncSeekExt as _;

use crate::put::{Uploaded, object_of, pieces, uploaded};
use crate::{Client, ClientError, Upload};

/// How to upload in chunks.
#[derive(Clone)]
pub struct ChunkedUpload {
    /// What is common to all uploads. Progress is told in bytes that the server has or is being
    /// sent.
    pub upload: Upload,
    /// Bytes of a chunk. 16 MiB: large enough that its round trips do not count, small enough
    /// that losing one does not hurt.
    pub chunk_bytes: u64,
    /// Most chunks at once. Fewer are sent as long as the server does not keep up.
    pub connections_max: usize,
    /// How often in a row a chunk may fail before the upload is left for later.
    pub attempts_max: u32,
    /// Told the upload's own URL, by which anybody who has it can go on.
    pub on_upload_url: Option<OnUploadUrl>,
    /// Told why something is about to be tried again.
    pub on_retry: Option<OnRetry>,
}

/// Told an upload's own URL.
pub type OnUploadUrl = Arc<dyn Fn(&str) + Send + Sync>;

/// Told what went wrong this time.
pub type OnRetry = Arc<dyn Fn(&ClientError) + Send + Sync>;

impl Default for ChunkedUpload {
    fn default() -> Self {
        Self {
            upload: Upload::default(),
            chunk_bytes: 16 << 20,
            connections_max: 8,
            attempts_max: 12,
            on_upload_url: None,
            on_retry: None,
        }
    }
}

/// Bytes from `first` on, before `past`.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    first: u64,
    past: u64,
    attempts: u32,
}

/// What came of a chunk.
enum Taken {
    /// More is missing.
    Received,
    /// It was the last one.
    Finished(Box<Uploaded>),
}

/// One upload on its way.
struct Transfer<'a> {
    client: &'a Client,
    url: String,
    path: &'a Path,
    size: u64,
    how: &'a ChunkedUpload,
    done: Arc<AtomicU64>,
}

/// Shortest and longest pause before another attempt.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);

impl Client {
    /// Uploads a file in chunks to a signed URL, or to an upload's own URL. What the server has
    /// already is not sent again, so calling this again goes on with an upload that broke off.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if the server says no for good; any other error leaves an upload
    /// that can be gone on with.
    pub async fn put_file_in_chunks(
        &self,
        url: &str,
        path: &Path,
        how: &ChunkedUpload,
    ) -> Result<Uploaded, ClientError> {
        let metadata =
            tokio::fs::metadata(path).await.map_err(|error| ClientError::file(path, error))?;
        let (size, done) = (metadata.len(), Arc::default());
        let mut transfer = Transfer { client: self, url: url.to_owned(), path, size, how, done };
        transfer.run().await
    }
}

impl Transfer<'_> {
    async fn run(&mut self) -> Result<Uploaded, ClientError> {
        let mut missing = match self.state().await? {
            // Sent again, the last chunk tells whether this is the same file.
            State::Complete => vec![(self.size.saturating_sub(1), self.size)],
            State::Missing(missing) => missing,
        };
        loop {
            if let Some(uploaded) = self.send_all(&missing).await? {
                return Ok(uploaded);
            }
            // The answer with the File was lost.
            missing = match self.state().await? {
                State::Complete => vec![(self.size.saturating_sub(1), self.size)],
                State::Missing(missing) => missing,
            };
        }
    }

    /// Asks what is missing.
    async fn state(&mut self) -> Result<State, ClientError> {
        let mut attempt = 0;
        loop {
            let range = format!("bytes */{}", self.size);
            let request = self.request(&range).header(CONTENT_LENGTH, 0);
            let error = match request.send().await.map_err(ClientError::transport) {
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
                    return Ok(State::Missing(vec![(0, self.size)]));
                }
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    let upload = self.note(answer).await?;
                    let missing = ranges(&upload["missing"]);
                    let left: u64 = missing.iter().map(|(first, past)| past - first).sum();
                    self.done.store(self.size.saturating_sub(left), Ordering::Relaxed);
                    return Ok(State::Missing(missing));
                }
                Ok(answer) if answer.status().is_success() => return Ok(State::Complete),
                Ok(answer) => ClientError::refused(answer).await,
                Err(error) => error,
            };
            attempt += 1;
            if !error.may_heal() || attempt >= self.how.attempts_max {
                return Err(error);
            }
            self.tell_retry(&error);
            tokio::time::sleep(pause(attempt, None)).await;
        }
    }

    fn tell_retry(&self, error: &ClientError) {
        if let Some(tell) = &self.how.on_retry {
            tell(error);
        }
    }

    /// Sends what is missing, several chunks at once: one more after each success, half as many
    /// after a failure.
    async fn send_all(&self, missing: &[(u64, u64)]) -> Result<Option<Uploaded>, ClientError> {
        let mut queue = self.cut(missing);
        let mut running = FuturesUnordered::new();
        let mut wanted = 2.min(self.how.connections_max.max(1));
        loop {
            while running.len() < wanted {
                let Some(chunk) = queue.pop_front() else { break };
                running.push(self.send(chunk));
            }
            let Some((chunk, result)) = running.next().await else { return Ok(None) };
            match result {
                Ok(Taken::Finished(uploaded)) => return Ok(Some(*uploaded)),
                Ok(Taken::Received) => wanted = (wanted + 1).min(self.how.connections_max.max(1)),
                Err(error) => {
                    let attempts = chunk.attempts + 1;
                    if !error.may_heal() || attempts >= self.how.attempts_max {
                        return Err(error);
                    }
                    self.tell_retry(&error);
                    wanted = (wanted / 2).max(1);
                    queue.push_front(Chunk { attempts, ..chunk });
                }
            }
        }
    }

    fn cut(&self, missing: &[(u64, u64)]) -> VecDeque<Chunk> {
        let bytes = self.how.chunk_bytes.max(1);
        let mut chunks = VecDeque::new();
        for (first, past) in missing {
            let mut at = *first;
            while at < *past {
                let end = (at + bytes).min(*past);
                chunks.push_back(Chunk { first: at, past: end, attempts: 0 });
                at = end;
            }
        }
        chunks
    }

    async fn send(&self, chunk: Chunk) -> (Chunk, Result<Taken, ClientError>) {
        if chunk.attempts > 0 {
            tokio::time::sleep(pause(chunk.attempts, None)).await;
        }
        let sent = Arc::new(AtomicU64::new(0));
        let result = self.send_once(chunk, &sent).await;
        if result.is_err() {
            self.done.fetch_sub(sent.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        (chunk, result)
    }

    async fn send_once(&self, chunk: Chunk, sent: &Arc<AtomicU64>) -> Result<Taken, ClientError> {
        let failed = |error| ClientError::file(self.path, error);
        let mut file = tokio::fs::File::open(self.path).await.map_err(failed)?;
        file.seek(SeekFrom::Start(chunk.first)).await.map_err(failed)?;
        let length = chunk.past - chunk.first;
        let section = tokio::io::AsyncReadExt::take(file, length);
        let range = format!("bytes {}-{}/{}", chunk.first, chunk.past - 1, self.size);
        let body = pieces(section, Some(length), Some(self.progress(sent)));
        let mut request = self
            .request(&range)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(body));
        if let Some(content_type) = &self.how.upload.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let answer = request.send().await.map_err(ClientError::transport)?;
        match answer.status() {
            StatusCode::ACCEPTED => {
                self.note(answer).await?;
                Ok(Taken::Received)
            }
            status if status.is_success() => Ok(Taken::Finished(Box::new(uploaded(answer).await?))),
            _ => {
                let asked = retry_after(&answer);
                let error = ClientError::refused(answer).await;
                if let Some(asked) = asked.filter(|_| error.may_heal()) {
                    tokio::time::sleep(pause(1, Some(asked))).await;
                }
                Err(error)
            }
        }
    }

    /// Counts the bytes of one attempt, which may be in vain.
    fn progress(&self, sent: &Arc<AtomicU64>) -> crate::OnProgress {
        let (sent, done, size) = (Arc::clone(sent), Arc::clone(&self.done), self.size);
        let tell = self.how.upload.on_progress.clone();
        Arc::new(move |so_far, _| {
            let before = sent.swap(so_far, Ordering::Relaxed);
            let grown = so_far.saturating_sub(before);
            let all = done.fetch_add(grown, Ordering::Relaxed) + grown;
            if let Some(tell) = &tell {
                tell(all.min(size), Some(size));
            }
        })
    }

    fn request(&self, content_range: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.http.put(&self.url).header(CONTENT_RANGE, content_range);
        if let Some(key) = &self.how.upload.api_key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        request
    }

    /// Reads an Upload, and tells its own URL.
    async fn note(&self, answer: Response) -> Result<Value, ClientError> {
        let body = answer.bytes().await.map_err(ClientError::transport)?;
        let upload = object_of(&body);
        if let (Some(tell), Some(url)) = (&self.how.on_upload_url, upload["url"].as_str()) {
            tell(&at_same_place(&self.url, url));
        }
        Ok(upload)
    }
}

/// An upload's own URL, at the address that is in use: the one in the answer is at the project's
/// public one, which may not be reachable from here.
fn at_same_place(used: &str, own: &str) -> String {
    let place = used.split_once('?').map_or(used, |(place, _)| place);
    match own.split_once('?') {
        Some((_, query)) => format!("{place}?{query}"),
        None => own.to_owned(),
    }
}

enum State {
    Complete,
    Missing(Vec<(u64, u64)>),
}

/// `[[first, last], ...]` on the wire.
fn ranges(value: &Value) -> Vec<(u64, u64)> {
    let pairs = value.as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_u64()?, pair[1].as_u64()? + 1))).collect()
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Longer after each failure, and different for every client, so that they do not come back all
/// at once.
fn pause(attempt: u32, asked: Option<Duration>) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << attempt.min(10)).min(PAUSE_MAX);
    let share = f64::from(jitter()) / f64::from(u32::MAX);
    let chosen = PAUSE_MIN + longest.mul_f64(share);
    asked.map_or(chosen, |asked| asked.min(PAUSE_MAX) + chosen.min(PAUSE_MIN * 2))
}

/// Different each time: hash maps are seeded at random.
fn jitter() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    let hash = RandomState::new().hash_one(0);
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uploads_own_url_is_where_the_upload_went() {
        let own = "https://files.example.net/a?upload=upl_1";
        for used in ["http://127.0.0.1:8080/a?expiry=1&signature=x", "http://127.0.0.1:8080/a"] {
            assert_eq!(at_same_place(used, own), "http://127.0.0.1:8080/a?upload=upl_1");
        }
        assert_eq!(at_same_place("http://h/a", "http://g/a"), "http://g/a");
    }

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 0..40 {
            let pause = pause(attempt, None);
            assert!(pause >= PAUSE_MIN && pause <= PAUSE_MIN + PAUSE_MAX, "{attempt}: {pause:?}");
        }
        let asked = pause(1, Some(Duration::from_secs(2)));
        assert!(asked >= Duration::from_secs(2));
        assert!(pause(1, Some(Duration::from_hours(1))) < Duration::from_mins(1));
    }

    #[test]
    fn missing_ranges_are_inclusive_on_the_wire() {
        let value = serde_json::json!([[0, 9], [20, 20]]);
        assert_eq!(ranges(&value), [(0, 10), (20, 21)]);
        assert!(ranges(&Value::Null).is_empty());
    }
}
