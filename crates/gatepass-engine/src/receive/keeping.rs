use gatepass_core::port::UploadError;
use gatepass_core::{Timestamp, Upload};

use super::ReceiveError;
use super::part::record;
use crate::engine::Engine;

/// How often an upload is kept alive within its time.
const TIMES: u32 = 4;

/// Keeps an upload alive while bytes of it are coming: it expires a while after its last byte, and
/// one request may take longer than that.
pub(super) struct Keeping<'a> {
    engine: &'a Engine,
    upload: &'a Upload,
    next: Timestamp,
}

impl<'a> Keeping<'a> {
    pub(super) fn of(engine: &'a Engine, upload: &'a Upload) -> Self {
        Self { engine, upload, next: after(engine) }
    }

    /// Bytes have come. Fails if the upload was ended meanwhile.
    pub(super) async fn note(&mut self) -> Result<(), ReceiveError> {
        if self.engine.now() < self.next {
            return Ok(());
        }
        self.next = after(self.engine);
        let nothing = record(self.engine, self.upload, Vec::new(), None);
        // In a box: it is rare, and thousands of requests would have room for it.
        match Box::pin(self.engine.ports.catalog.record_parts(nothing)).await {
            // There is time to try again.
            Err(UploadError::Catalog(error)) => {
                tracing::warn!(%error, "an upload could not be kept alive");
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}

fn after(engine: &Engine) -> Timestamp {
    engine.now().plus(engine.limits.upload_keep / TIMES)
}
