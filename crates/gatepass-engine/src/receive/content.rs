//! What is found in the content on its way, or in its first bytes.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use gatepass_core::admission::{Admission, AdmissionError};
use gatepass_core::port::{BlobError, Content};
use gatepass_core::{BlobId, ByteRange, MediaInfo};

use crate::engine::Engine;
use crate::serve;

/// Finds the content type as soon as enough bytes are there.
pub(super) struct Sniffer<'a> {
    pub(super) engine: &'a Engine,
    pub(super) declared_type: Option<&'a str>,
    pub(super) admission: &'a Admission,
    pub(super) head: Head,
    pub(super) found: Option<String>,
}

impl Sniffer<'_> {
    pub(super) fn observe(&mut self, piece: &Bytes) -> Result<(), AdmissionError> {
        if self.found.is_some() {
            return Ok(());
        }
        let wanted = self.engine.limits.sniff_bytes;
        self.head.share(piece, wanted);
        if self.head.len() < wanted {
            return Ok(());
        }
        // Where types are restricted, the first bytes decide, not the whole upload.
        if self.admission.restricts_type() || self.head.is_gathered() {
            let found = self.decide()?;
            // Whoever sends them in pieces is slow, and one of thousands.
            if self.head.is_gathered() && !self.engine.ports.probe.has_facts(&found) {
                self.head = Head::Empty;
            }
        }
        Ok(())
    }

    pub(super) fn decide(&mut self) -> Result<String, AdmissionError> {
        if let Some(found) = &self.found {
            return Ok(found.clone());
        }
        let found = self.engine.ports.probe.content_type(&self.head.bytes(), self.declared_type);
        self.admission.check_type(&found)?;
        self.found = Some(found.clone());
        Ok(found)
    }
}

/// Larger pieces are not shared: whoever holds one holds the whole buffer that it was read into, and
/// the connection would need another one for what comes next.
const SHARED_BYTES_MAX: usize = 64 << 10;

/// The first bytes of a body. A first piece that is long enough is shared, not copied, unless it is
/// much longer.
#[derive(Default)]
pub(super) enum Head {
    #[default]
    Empty,
    One(Bytes),
    /// Pieces that are on their way to the store, too.
    Shared(Vec<Bytes>),
    Joined(BytesMut),
}

/// Pieces below this are copied: to keep many of them takes more than their bytes.
const SHARED_BYTES_MIN: usize = 512;

impl Head {
    /// Takes in a piece of which somebody else has a copy for a while.
    fn share(&mut self, piece: &Bytes, wanted: usize) {
        let is_short = self.len() < wanted;
        match self {
            Self::One(first) if is_short && first.len().min(piece.len()) >= SHARED_BYTES_MIN => {
                *self = Self::Shared(vec![first.clone(), piece.clone()]);
            }
            Self::Shared(pieces) if is_short && piece.len() >= SHARED_BYTES_MIN => {
                pieces.push(piece.clone());
            }
            _ => self.push(piece, wanted),
        }
    }

    /// Whether it came in several pieces.
    fn is_gathered(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::Joined(_))
    }

    pub(super) fn push(&mut self, piece: &Bytes, wanted: usize) {
        if self.len() >= wanted || piece.is_empty() {
            return;
        }
        *self = match std::mem::take(self) {
            Self::Empty if piece.len() > SHARED_BYTES_MAX => {
                Self::One(Bytes::copy_from_slice(&piece[..piece.len().min(wanted)]))
            }
            Self::Empty => Self::One(piece.clone()),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(wanted);
                joined.extend_from_slice(&first);
                Self::joined(joined, piece, wanted)
            }
            Self::Shared(pieces) => {
                let mut joined = BytesMut::with_capacity(wanted);
                for piece in &pieces {
                    joined.extend_from_slice(piece);
                }
                Self::joined(joined, piece, wanted)
            }
            Self::Joined(joined) => Self::joined(joined, piece, wanted),
        };
    }

    fn joined(mut joined: BytesMut, piece: &Bytes, wanted: usize) -> Self {
        let missing = wanted.saturating_sub(joined.len()).min(piece.len());
        joined.extend_from_slice(&piece[..missing]);
        Self::Joined(joined)
    }

    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(bytes) => bytes.len(),
            Self::Shared(pieces) => pieces.iter().map(Bytes::len).sum(),
            Self::Joined(bytes) => bytes.len(),
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::One(bytes) => bytes.clone(),
            Self::Shared(pieces) => pieces.concat().into(),
            Self::Joined(bytes) => bytes.clone().freeze(),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Joined(bytes) => bytes.freeze(),
            other => other.bytes(),
        }
    }
}

/// What a durable blob is. It never decides over an upload: what cannot be found is left out.
pub(super) async fn inspect(
    engine: &Engine,
    blob: &BlobId,
    size: u64,
    content_type: String,
    head: &Bytes,
) -> MediaInfo {
    let content = Durable { engine, blob, size, head };
    let facts = engine.ports.probe.facts(&content_type, &content).await;
    MediaInfo::of_type(content_type).with(facts)
}

/// A durable blob, of whose first bytes a copy is still in memory.
struct Durable<'a> {
    engine: &'a Engine,
    blob: &'a BlobId,
    size: u64,
    head: &'a Bytes,
}

#[async_trait]
impl Content for Durable<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: ByteRange) -> Result<Bytes, BlobError> {
        let within = |at: u64| usize::try_from(at).ok().filter(|at| *at <= self.head.len());
        if let (Some(start), Some(end)) = (within(range.start()), within(range.end())) {
            return Ok(self.head.slice(start..end));
        }
        serve::read_all(self.engine, self.blob, range).await
    }
}
