//! Reading a file.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use gatepass_core::byte_range::{self, RangeSpec, Resolved};
use gatepass_core::condition::{self, ClientTag, Conditions, Current, ReadVerdict};
use gatepass_core::port::{BlobError, CatalogError, InlineBytes, Link, OpenBlob};
use gatepass_core::safe_serving;
use gatepass_core::{
    BlobId, ByteRange, ETag, File, FileId, Grant, ObjectPath, Operation, ProjectId,
};

use crate::engine::Engine;

/// What a reader asks for.
#[derive(Debug, Clone, Default)]
pub struct ReadRequest {
    /// Its conditions.
    pub conditions: Conditions,
    /// One range, if it asked for one that is well-formed.
    pub range: Option<RangeSpec>,
    /// The version that the range is meant for.
    pub if_range: Option<ClientTag>,
    /// Only what is known of the file, no bytes.
    pub head_only: bool,
    /// Whether the reader may be sent to the store itself.
    pub may_leave: bool,
}

/// What a reader gets.
pub enum Served {
    /// Bytes of the file.
    Content {
        /// The file.
        file: Arc<File>,
        /// The part, if it is not the whole.
        part: Option<ByteRange>,
        /// The bytes; none if only the head was asked for.
        body: Option<Source>,
    },
    /// To be read from the store itself, by [`link`].
    Elsewhere(Arc<File>),
    /// The client has this version.
    NotModified(Arc<File>),
    /// The range lies outside the file.
    RangeUnsatisfiable(Arc<File>),
}

/// Where the bytes of a file come from.
pub enum Source {
    /// They are here.
    Memory(Bytes),
    /// The store has them, or the catalog has a file with them.
    Open(OpenBlob),
}

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The grant is for something else.
    #[error("the grant is not for reading")]
    NotARead,
    /// There is no file at the path.
    #[error("no such file")]
    NotFound,
    /// A condition does not hold for this version.
    #[error("precondition does not hold")]
    PreconditionFailed(ETag),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Opens a file for reading.
///
/// 1. look the path up;
/// 2. evaluate the conditions;
/// 3. resolve the range;
/// 4. open the blob. If it was replaced and swept meanwhile, start again with the new version.
pub async fn open(
    engine: &Engine,
    grant: &Grant,
    request: &ReadRequest,
) -> Result<Served, ServeError> {
    if grant.operation() != Operation::Read {
        return Err(ServeError::NotARead);
    }
    match open_once(engine, grant, request).await {
        Err(ServeError::Store(BlobError::NotFound)) => open_once(engine, grant, request).await,
        result => result,
    }
}

async fn open_once(
    engine: &Engine,
    grant: &Grant,
    request: &ReadRequest,
) -> Result<Served, ServeError> {
    let (file, bytes) = find(engine, grant, request.head_only).await?;
    let etag = file.etag();
    let current = Current { etag: &etag, updated: file.updated };
    match condition::evaluate_read(&request.conditions, current) {
        ReadVerdict::NotModified => return Ok(Served::NotModified(file)),
        ReadVerdict::PreconditionFailed => return Err(ServeError::PreconditionFailed(etag)),
        ReadVerdict::Proceed => {}
    }
    let asked = request
        .range
        .filter(|_| condition::range_applies(request.if_range.as_ref(), &etag))
        .map(|range| byte_range::resolve(range, file.size));
    let part = match asked {
        Some(Resolved::Unsatisfiable) => return Ok(Served::RangeUnsatisfiable(file)),
        Some(Resolved::Part(part)) => Some(part),
        Some(Resolved::Whole) | None => None,
    };
    if request.may_leave && !request.head_only && leaves(engine, &file) {
        return Ok(Served::Elsewhere(file));
    }
    let range = part.unwrap_or(ByteRange::first(file.size));
    let body =
        if request.head_only { None } else { Some(body(engine, &file, bytes, range).await?) };
    Ok(Served::Content { file, part, body })
}

/// Whether a file is read from the store itself: it is safe without the headers that a store does
/// not send, and large enough that another request is worth it.
fn leaves(engine: &Engine, file: &File) -> bool {
    !file.inline
        && file.size > engine.limits.inline_bytes_max as u64
        && safe_serving::may_leave(&file.media.content_type)
}

/// The store's own URL of a file, with what it is to send; `None` if the store has none.
pub fn link(engine: &Engine, file: &File, headers: LinkHeaders) -> Option<String> {
    let LinkHeaders { content_type, disposition, cache_control } = headers;
    let valid = engine.limits.link_lifetime;
    let link = Link { content_type, disposition, cache_control, valid };
    engine.ports.store.link(&file.blob, &link)
}

/// What a store is to send.
#[derive(Debug, Clone)]
pub struct LinkHeaders {
    /// `Content-Type`.
    pub content_type: String,
    /// `Content-Disposition`.
    pub disposition: String,
    /// `Cache-Control`.
    pub cache_control: String,
}

/// The file, and its bytes if the catalog keeps them and they are wanted.
async fn find(
    engine: &Engine,
    grant: &Grant,
    head_only: bool,
) -> Result<(Arc<File>, Option<InlineBytes>), ServeError> {
    let (catalog, project, path) = (&engine.ports.catalog, grant.project(), grant.path());
    let found = if head_only {
        catalog.find_file(project, path).await?.map(|file| (Arc::new(file), None))
    } else {
        catalog.read_file(project, path).await?
    };
    found.ok_or(ServeError::NotFound)
}

async fn body(
    engine: &Engine,
    file: &File,
    bytes: Option<InlineBytes>,
    range: ByteRange,
) -> Result<Source, BlobError> {
    if !file.inline {
        return engine.ports.store.open(&file.blob, range).await.map(Source::Open);
    }
    match bytes {
        Some(InlineBytes::File(open)) => Ok(Source::Open(OpenBlob::Descriptor(open))),
        Some(InlineBytes::Memory(bytes)) => {
            within(&bytes, range).map(Source::Memory).ok_or(BlobError::Corrupt)
        }
        None => Err(BlobError::Corrupt),
    }
}

fn within(bytes: &Bytes, range: ByteRange) -> Option<Bytes> {
    let [start, end] = [range.start(), range.end()].map(usize::try_from);
    let (start, end) = (start.ok()?, end.ok()?);
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}

/// Where the file with this id is.
pub async fn path_of(
    engine: &Engine,
    project: &ProjectId,
    id: &FileId,
) -> Result<Option<ObjectPath>, CatalogError> {
    let file = engine.ports.catalog.find_file_by_id(project, id).await?;
    Ok(file.map(|file| file.path))
}

/// Reads a small range into memory. The caller bounds it.
pub(crate) async fn read_all(
    engine: &Engine,
    blob: &BlobId,
    range: ByteRange,
) -> Result<Bytes, BlobError> {
    let reader = engine.ports.store.read(blob, range).await?;
    let all = reader
        .try_fold(BytesMut::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await?;
    Ok(all.freeze())
}
