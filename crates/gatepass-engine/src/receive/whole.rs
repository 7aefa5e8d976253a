use bytes::Bytes;
use gatepass_core::admission::{self, Admission, UploadFacts};
use gatepass_core::condition::Conditions;
use gatepass_core::port::{CommittedBlob, PublishError};
use gatepass_core::publication::{self, NewFile};
use gatepass_core::{BlobId, ContentHasher, Grant, MediaInfo, Operation, Payload};

use super::content::{Head, Sniffer, inspect};
use super::sink::{Filled, Sink};
use super::{Body, ReceiveError, Received, file_bytes_max, issue_receipt, signer};
use crate::engine::Engine;
use crate::random;

/// Takes a whole file in one body.
///
/// 1. admit what the request declares;
/// 2. refuse early what the path does not permit, to spare the client the way;
/// 3. stream the body into a new blob, or into memory if it is small, watching size and type;
/// 4. make the blob durable and check its digests;
/// 5. find the media facts;
/// 6. point the path to it: the one commit point;
/// 7. sign the receipt.
pub async fn whole(
    engine: &Engine,
    grant: &Grant,
    facts: &UploadFacts,
    conditions: Conditions,
    body: impl Body,
) -> Result<Received, ReceiveError> {
    if grant.operation() != Operation::Upload {
        return Err(ReceiveError::NotAnUpload);
    }
    if grant.lapsed() {
        return Err(ReceiveError::UrlExpired);
    }
    let admission =
        admission::admit(grant.policy(), facts, file_bytes_max(engine, grant.project()))?;
    check_path_early(engine, grant, &conditions).await?;
    let blob = random::blob_id();
    let stored = store_body(engine, &blob, facts, &admission, body).await?;
    let Filled { committed, payload, room } = stored.filled;
    let media = inspect(engine, &blob, committed.size, stored.content_type, &stored.head).await;
    let is_stored = payload == Payload::Stored;
    let new = new_file(engine, grant, blob.clone(), payload, committed, media, conditions);
    let publication = match engine.ports.catalog.publish(new).await {
        Ok(publication) => publication,
        Err(PublishError::Refused(refusal)) => {
            if is_stored {
                abandon(engine, &blob).await;
            }
            return Err(refusal.into());
        }
        // The change may have been made although its answer was lost: the blob has to stay. If
        // nothing points to it, the sweeper will find it.
        Err(error) => return Err(error.into()),
    };
    drop(room);
    let receipt = signer(grant).map(|secret| issue_receipt(engine, secret, &publication.file));
    Ok(Received { file: publication.file, created: publication.created, receipt })
}

fn may_overwrite(grant: &Grant) -> bool {
    grant.policy().is_none_or(|policy| policy.overwrite)
}

/// Most uploads have no condition; they are spared the look-up.
async fn check_path_early(
    engine: &Engine,
    grant: &Grant,
    conditions: &Conditions,
) -> Result<(), ReceiveError> {
    let overwrite = may_overwrite(grant);
    if overwrite && *conditions == Conditions::default() {
        return Ok(());
    }
    let existing = engine.ports.catalog.find_file(grant.project(), grant.path()).await?;
    Ok(publication::check(overwrite, conditions, existing.as_ref())?)
}

/// All bytes of an upload, and what was seen of them on the way.
struct Stored {
    filled: Filled,
    content_type: String,
    head: Bytes,
}

async fn store_body(
    engine: &Engine,
    blob: &BlobId,
    facts: &UploadFacts,
    admission: &Admission,
    body: impl Body,
) -> Result<Stored, ReceiveError> {
    let hasher = ContentHasher::new(admission.digests());
    let mut sink = Sink::open(engine, blob, facts.declared_size, hasher).await?;
    let declared_type = facts.declared_type.as_deref();
    let mut sniffer =
        Sniffer { engine, declared_type, admission, head: Head::default(), found: None };
    match pour(&mut sink, admission, &mut sniffer, body).await {
        Ok(()) => {}
        Err(error) => {
            sink.discard().await;
            return Err(error);
        }
    }
    let content_type = match sniffer.decide() {
        Ok(content_type) => content_type,
        Err(error) => {
            sink.discard().await;
            return Err(error.into());
        }
    };
    let filled = sink.commit().await?;
    if let Err(error) = admission.check_digests(&filled.committed.digests) {
        if filled.payload == Payload::Stored {
            abandon(engine, blob).await;
        }
        return Err(error.into());
    }
    let head = match &filled.payload {
        Payload::Inline(bytes) => bytes.clone(),
        Payload::Stored => sniffer.head.bytes(),
    };
    Ok(Stored { filled, content_type, head })
}

async fn pour(
    sink: &mut Sink<'_>,
    admission: &Admission,
    sniffer: &mut Sniffer<'_>,
    mut body: impl Body,
) -> Result<(), ReceiveError> {
    let mut received: u64 = 0;
    while let Some(piece) = body.next().await? {
        received = received.saturating_add(piece.len() as u64);
        admission.check_received(received)?;
        sniffer.observe(&piece)?;
        sink.write(piece).await?;
    }
    admission.check_final_size(received)?;
    Ok(())
}

fn new_file(
    engine: &Engine,
    grant: &Grant,
    blob: BlobId,
    payload: Payload,
    committed: CommittedBlob,
    media: MediaInfo,
    conditions: Conditions,
) -> NewFile {
    let (policy, now) = (grant.policy(), engine.now());
    NewFile {
        id: random::file_id(now),
        media_id: random::media_id(),
        project: grant.project().clone(),
        path: grant.path().clone(),
        blob,
        payload,
        size: committed.size,
        digests: committed.digests,
        media,
        reference: policy.and_then(|policy| policy.reference.clone()),
        label: None,
        metadata: policy.map(|policy| policy.metadata.clone()).unwrap_or_default(),
        now,
        overwrite: may_overwrite(grant),
        conditions,
    }
}

/// Removes a blob that will never be a file. If that fails, the sweeper does it later.
pub(super) async fn abandon(engine: &Engine, blob: &BlobId) {
    if let Err(error) = engine.ports.store.delete(blob).await {
        tracing::warn!(%error, "an abandoned blob is left to the sweeper");
    }
}
