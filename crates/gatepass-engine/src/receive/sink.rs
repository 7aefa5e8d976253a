//! Where the bytes of a whole upload go as they come in: to the store, or, if they are few, to
//! memory, from where the catalog takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Staging};
use gatepass_core::{BlobId, ContentHasher, Payload};
use tokio::sync::OwnedSemaphorePermit;

use super::buffer::{BUFFER_BYTES, Buffer};
use super::content::Head;
use crate::engine::Engine;

/// Up to this size a file has memory from the beginning on.
const SMALL_BYTES: usize = 64 << 10;
/// So many bytes of a larger one have to come within [`FIRST_TIME`], or it goes to the store: who
/// trickles is one of thousands, and must not hold what a fast client could use.
const FIRST_BYTES: usize = 16 << 10;
const FIRST_TIME: Duration = Duration::from_secs(1);

/// Where the bytes of one upload go.
pub(super) struct Sink<'a> {
    engine: &'a Engine,
    blob: &'a BlobId,
    state: State,
}

enum State {
    Store(Box<dyn Staging>),
    Small(Box<Small>),
    First(Box<First>),
    Whole(Box<Whole>),
    /// It has been given up.
    Gone,
}

/// A small file.
struct Small {
    bytes: Head,
    size: usize,
    hasher: ContentHasher,
    room: OwnedSemaphorePermit,
}

/// The first bytes of a larger one, of which it is not known yet how fast it comes.
struct First {
    bytes: Vec<u8>,
    begun: Instant,
    size: usize,
    /// It has not seen these bytes.
    hasher: ContentHasher,
    room: OwnedSemaphorePermit,
}

/// One that has memory for all of it.
struct Whole {
    buffer: Buffer,
    hasher: ContentHasher,
}

/// Bytes that will not change any more.
pub(super) struct Filled {
    pub(super) committed: CommittedBlob,
    pub(super) payload: Payload,
    /// Held until the catalog has what is in memory, unless that gives it back itself.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl<'a> Sink<'a> {
    /// Memory is for a body of declared, small size, while there is room for it.
    pub(super) async fn open(
        engine: &'a Engine,
        blob: &'a BlobId,
        declared: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Self, BlobError> {
        let in_memory = declared.and_then(|size| room_for(engine, size));
        let state = match in_memory {
            Some((size, room)) if size <= SMALL_BYTES => {
                State::Small(Box::new(Small { bytes: Head::default(), size, hasher, room }))
            }
            Some((size, room)) => {
                let (bytes, begun) = (Vec::new(), Instant::now());
                State::First(Box::new(First { bytes, begun, size, hasher, room }))
            }
            None => State::Store(engine.ports.store.stage(blob, declared, hasher).await?),
        };
        Ok(Self { engine, blob, state })
    }

    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        if let State::First(first) = &mut self.state {
            if first.has_room_for(&piece) {
                first.bytes.extend_from_slice(&piece);
                return Ok(());
            }
            self.decide().await?;
        }
        match &mut self.state {
            State::Store(staging) => staging.write(piece).await,
            State::Small(small) => {
                small.hasher.update(&piece);
                small.bytes.push(&piece, small.size);
                Ok(())
            }
            State::Whole(whole) => {
                whole.push(&piece);
                Ok(())
            }
            State::First(_) | State::Gone => Err(gone()),
        }
    }

    /// Goes on in memory or, with what is slow or finds no room, in the store.
    async fn decide(&mut self) -> Result<(), BlobError> {
        let State::First(first) = std::mem::replace(&mut self.state, State::Gone) else {
            return Err(gone());
        };
        self.state = match first.into_whole(self.engine) {
            Ok(whole) => State::Whole(Box::new(whole)),
            Err(first) => {
                let First { bytes, size, hasher, .. } = *first;
                let size = Some(size as u64);
                let mut staging = self.engine.ports.store.stage(self.blob, size, hasher).await?;
                staging.write(bytes.into()).await?;
                State::Store(staging)
            }
        };
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<Filled, BlobError> {
        let (bytes, hasher, room) = match self.state {
            State::Store(staging) => {
                let committed = staging.commit().await?;
                return Ok(Filled { committed, payload: Payload::Stored, room: None });
            }
            State::Small(small) => (small.bytes.into_bytes(), small.hasher, Some(small.room)),
            State::Whole(whole) => (whole.buffer.freeze(), whole.hasher, None),
            State::First(mut first) => {
                first.hasher.update(&first.bytes);
                (first.bytes.into(), first.hasher, Some(first.room))
            }
            State::Gone => return Err(gone()),
        };
        let (size, digests) = (bytes.len() as u64, hasher.finish());
        let committed = CommittedBlob { size, digests, pieces: Vec::new() };
        Ok(Filled { committed, payload: Payload::Inline(bytes), room })
    }

    pub(super) async fn discard(self) {
        if let State::Store(staging) = self.state {
            staging.discard().await;
        }
    }
}

impl First {
    /// Whether a piece can wait with what came before.
    fn has_room_for(&self, piece: &Bytes) -> bool {
        self.bytes.len() + piece.len() <= FIRST_BYTES && self.begun.elapsed() < FIRST_TIME
    }

    /// Takes memory for all of it, if it comes fast and there is room.
    fn into_whole(self: Box<Self>, engine: &Engine) -> Result<Whole, Box<Self>> {
        if self.begun.elapsed() >= FIRST_TIME {
            return Err(self);
        }
        let Some(more) = take_room(engine, self.size.max(BUFFER_BYTES) - FIRST_BYTES) else {
            return Err(self);
        };
        let Self { bytes, size, hasher, mut room, .. } = *self;
        room.merge(more);
        let mut whole = Whole { buffer: engine.buffers.take(size, room), hasher };
        whole.push(&bytes);
        Ok(whole)
    }
}

impl Whole {
    fn push(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.buffer.fill(piece);
    }
}

/// The size of a file that may gather in memory, and its share of that for now.
fn room_for(engine: &Engine, size: u64) -> Option<(usize, OwnedSemaphorePermit)> {
    let size = usize::try_from(size).ok()?;
    let max = engine.limits.inline_bytes_max.min(engine.ports.catalog.inline_bytes_max());
    // At 0 the catalog keeps nothing, not even a file without bytes.
    if max == 0 || size > max {
        return None;
    }
    let room = take_room(engine, if size <= SMALL_BYTES { size } else { FIRST_BYTES })?;
    Some((size, room))
}

fn take_room(engine: &Engine, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&engine.inline_room).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

fn gone() -> BlobError {
    BlobError::Unavailable(std::io::Error::other("the upload has been given up"))
}
