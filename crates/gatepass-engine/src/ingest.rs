//! Fetching a file from a URL.
//!
//! The bytes go the way of every upload that takes several requests: each slice of them is
//! appended, durable and recorded before the next, so that whoever asks for the upload sees how
//! far it is, and whoever gives it up ends the fetch.

mod slice;

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepass_core::admission::{self, UploadFacts};
use gatepass_core::condition::Conditions;
use gatepass_core::port::{FetchError, Fetched, FetchedBody, Outlook};
use gatepass_core::publication;
use gatepass_core::sanitise::{SanitiseError, SanitisedName, sanitise};
use gatepass_core::source_url::SourceUrlError;
use gatepass_core::upload::UploadRefusal;
use gatepass_core::{Action, Grant, KeyGrant, Policy, SourceUrl, Upload, UploadStatus};
use gatepass_sign::VerifyError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::receive::{self, Append, Progress, ReceiveError, Received, Wishes};
use slice::Source;

/// Longest label in bytes: that of a reference.
const LABEL_BYTES_MAX: usize = 1_024;

/// What an app asks for.
#[derive(Debug, Clone, Default)]
pub struct IngestRequest {
    /// Where the file is.
    pub url: String,
    /// The filename, as a user may have chosen it; without one, the URL's last segment.
    pub filename: Option<String>,
    /// The folder, likewise.
    pub folder: Option<String>,
    /// The app's own reference.
    pub reference: Option<String>,
    /// A label for people.
    pub label: Option<String>,
    /// The app's own metadata.
    pub metadata: BTreeMap<String, String>,
}

/// A fetch that has begun. It goes on whether or not anybody waits for it.
pub struct Ingest {
    upload: Upload,
    task: JoinHandle<Result<Received, IngestError>>,
}

/// Why nothing was fetched, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The URL is none to fetch from.
    #[error(transparent)]
    Url(#[from] SourceUrlError),
    /// Neither the request nor the URL names the file.
    #[error("the URL does not name the file: give a filename")]
    NameMissing,
    /// The filename or the folder.
    #[error(transparent)]
    Name(#[from] SanitiseError),
    /// The label.
    #[error("at most {LABEL_BYTES_MAX} bytes without control characters")]
    Label,
    /// A reference or metadata that cannot be taken, or what the key may do.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// Too many fetches run.
    #[error("the server fetches from too many sources at this time")]
    Busy,
    /// The source.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The upload was given up meanwhile.
    #[error("the upload was given up")]
    GivenUp,
    /// The bytes could not be taken.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
}

/// Has a file fetched.
///
/// 1. check what can be checked without asking anybody: URL, name, key, path;
/// 2. ask the source;
/// 3. begin the upload, if what it declares is admitted;
/// 4. take the content, in a task of its own.
///
/// Before the third step nothing is stored, and who goes away ends it.
pub async fn begin(
    engine: &Arc<Engine>,
    key: &KeyGrant,
    request: IngestRequest,
    conditions: Conditions,
) -> Result<Ingest, IngestError> {
    let url = SourceUrl::parse(&request.url)?;
    let name = name(&url, &request)?;
    let grant = key.ingest(&name.path)?;
    let (policy, label) = describe(engine, request)?;
    check_path(engine, &grant, &conditions).await?;
    let room = Arc::clone(&engine.ingest_room).try_acquire_owned();
    let room = room.map_err(|_| IngestError::Busy)?;
    let Fetched { declared_size, declared_type, body } = ask(engine, &url).await?;
    let upload = begin_upload(engine, &grant, policy, declared_size, declared_type).await?;
    let wishes = Wishes { conditions, label };
    let task = tokio::spawn(take(Arc::clone(engine), upload.clone(), body, wishes, room));
    Ok(Ingest { upload, task })
}

impl Ingest {
    /// The upload, as it began.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Waits for the file.
    pub async fn finish(self) -> Result<Received, IngestError> {
        self.task.await.map_err(ReceiveError::lost)?
    }
}

fn name(url: &SourceUrl, request: &IngestRequest) -> Result<SanitisedName, IngestError> {
    let of_url = || url.filename().ok_or(IngestError::NameMissing);
    let filename = request.filename.clone().map_or_else(of_url, Ok)?;
    Ok(sanitise(&filename, request.folder.as_deref())?)
}

/// The description as a policy, by whose rules it is checked, and the label.
fn describe(
    engine: &Engine,
    request: IngestRequest,
) -> Result<(Policy, Option<String>), IngestError> {
    let expiry = engine.now().plus(engine.limits.upload_keep).unix_seconds();
    let policy = Policy {
        max_size: Some(engine.limits.ingest_bytes_max.min(gatepass_sign::SIZE_MAX)),
        reference: request.reference,
        metadata: request.metadata,
        ..Policy::new(Action::Put, expiry)
    };
    policy.check().map_err(VerifyError::from)?;
    let is_bad = |label: &String| label.len() > LABEL_BYTES_MAX || label.contains(char::is_control);
    if request.label.as_ref().is_some_and(is_bad) {
        return Err(IngestError::Label);
    }
    Ok((policy, request.label))
}

/// Refuses early what the path does not permit, to spare everybody the way.
async fn check_path(
    engine: &Engine,
    grant: &Grant,
    conditions: &Conditions,
) -> Result<(), ReceiveError> {
    if *conditions == Conditions::default() {
        return Ok(());
    }
    let existing = engine.ports.catalog.find_file(grant.project(), grant.path()).await?;
    Ok(publication::check(true, conditions, existing.as_ref())?)
}

async fn ask(engine: &Engine, url: &SourceUrl) -> Result<Fetched, FetchError> {
    let fetched = engine.ports.fetch.open(url).await;
    // The one who asked is not told; the operator may have to know.
    if let Err(FetchError::Unreachable(cause)) = &fetched {
        tracing::info!(source = ?url, %cause, "a source could not be reached");
    }
    fetched
}

async fn begin_upload(
    engine: &Engine,
    grant: &Grant,
    policy: Policy,
    declared_size: Option<u64>,
    declared_type: Option<String>,
) -> Result<Upload, ReceiveError> {
    let facts = UploadFacts { declared_size, ..UploadFacts::default() };
    let max = receive::file_bytes_max(engine, grant.project());
    admission::admit(Some(&policy), &facts, max)?;
    let outlook = Outlook { total: declared_size, first: slice::first(declared_size) };
    receive::begin_as(engine, grant, policy, outlook, declared_type.as_deref()).await
}

/// All or nothing: what cannot be completed is given up.
async fn take(
    engine: Arc<Engine>,
    upload: Upload,
    body: FetchedBody,
    wishes: Wishes,
    _room: OwnedSemaphorePermit,
) -> Result<Received, IngestError> {
    let taken = pour(&engine, upload.clone(), body, wishes).await;
    match &taken {
        Ok(received) => {
            metrics::counter!("gatepass_received_bytes_total").increment(received.file.size);
        }
        Err(error) => {
            receive::end(&engine, &upload, UploadStatus::Aborted).await;
            tracing::info!(upload = upload.id.as_str(), %error, "a fetch failed");
        }
    }
    taken
}

async fn pour(
    engine: &Arc<Engine>,
    mut upload: Upload,
    body: FetchedBody,
    wishes: Wishes,
) -> Result<Received, IngestError> {
    let mut source = Source::new(body);
    while !source.has_ended() {
        let append = Append { offset: upload.parts.offset(), ..Append::default() };
        let slice = source.slice(append.offset);
        match receive::append_to(engine, &upload, append, wishes.clone(), slice).await {
            Ok(Progress::Finished(received)) => return Ok(without_receipt(*received)),
            Ok(Progress::Receiving(now)) => upload = *now,
            Err(error) => return Err(source.explain(error)),
        }
    }
    // A source that did not declare its size has now shown it.
    let size = upload.parts.offset();
    let record = receive::record(engine, &upload, Vec::new(), Some(size));
    let upload = engine.ports.catalog.record_parts(record).await.map_err(ReceiveError::from)?;
    match receive::finish_if_complete_as(engine, upload, wishes).await? {
        Progress::Finished(received) => Ok(without_receipt(*received)),
        Progress::Receiving(_) => Err(FetchError::Incomplete.into()),
    }
}

/// Receipts are for signed uploads: here nobody hands the file on.
fn without_receipt(received: Received) -> Received {
    Received { receipt: None, ..received }
}

impl Source {
    /// What was behind an error of the upload.
    fn explain(&mut self, error: ReceiveError) -> IngestError {
        match (self.take_failure(), error) {
            (Some(failure), _) => failure.into(),
            (None, ReceiveError::Interrupted | ReceiveError::Upload(UploadRefusal::Aborted)) => {
                IngestError::GivenUp
            }
            (None, error) => error.into(),
        }
    }
}
