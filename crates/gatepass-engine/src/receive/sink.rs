//! Where the bytes of a whole upload go as they come in: to the store, or, if they are few, to
//! memory, from where the catalog takes them.

use std::sync::Arc;

use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Staging};
use gatepass_core::{BlobId, ContentHasher, Payload};
use tokio::sync::OwnedSemaphorePermit;

use super::content::Head;
use crate::engine::Engine;

pub(super) enum Sink {
    Store(Box<dyn Staging>),
    Memory(Box<Memory>),
}

pub(super) struct Memory {
    bytes: Head,
    size: usize,
    hasher: ContentHasher,
    room: OwnedSemaphorePermit,
}

/// Bytes that will not change any more.
pub(super) struct Filled {
    pub(super) committed: CommittedBlob,
    pub(super) payload: Payload,
    /// Held until the catalog has what is in memory.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Sink {
    /// Memory is for a body of declared, small size, while there is room for it.
    pub(super) async fn open(
        engine: &Engine,
        blob: &BlobId,
        declared: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Self, BlobError> {
        if let Some((size, room)) = declared.and_then(|size| take_room(engine, size)) {
            return Ok(Self::Memory(Box::new(Memory {
                bytes: Head::default(),
                size,
                hasher,
                room,
            })));
        }
        Ok(Self::Store(engine.ports.store.stage(blob, declared, hasher).await?))
    }

    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        match self {
            Self::Store(staging) => staging.write(piece).await,
            Self::Memory(memory) => {
                memory.hasher.update(&piece);
                memory.bytes.push(&piece, memory.size);
                Ok(())
            }
        }
    }

    pub(super) async fn commit(self) -> Result<Filled, BlobError> {
        match self {
            Self::Store(staging) => {
                let committed = staging.commit().await?;
                Ok(Filled { committed, payload: Payload::Stored, room: None })
            }
            Self::Memory(memory) => {
                let bytes = memory.bytes.bytes();
                let digests = memory.hasher.finish();
                let committed =
                    CommittedBlob { size: bytes.len() as u64, digests, pieces: Vec::new() };
                Ok(Filled { committed, payload: Payload::Inline(bytes), room: Some(memory.room) })
            }
        }
    }

    pub(super) async fn discard(self) {
        if let Self::Store(staging) = self {
            staging.discard().await;
        }
    }
}

fn take_room(engine: &Engine, size: u64) -> Option<(usize, OwnedSemaphorePermit)> {
    let size = usize::try_from(size).ok()?;
    let max = engine.limits.inline_bytes_max.min(engine.ports.catalog.inline_bytes_max());
    // At 0 the catalog keeps nothing, not even a file without bytes.
    if max == 0 || size > max {
        return None;
    }
    let room = Arc::clone(&engine.inline_room).try_acquire_many_owned(u32::try_from(size).ok()?);
    Some((size, room.ok()?))
}
