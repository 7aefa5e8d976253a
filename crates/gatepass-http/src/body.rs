use bytes::Bytes;
use gatepass_engine::receive;

use crate::transport::{BodyError, RequestBody};

impl receive::Body for RequestBody {
    async fn next(&mut self) -> Result<Option<Bytes>, receive::BodyError> {
        Self::next(self).await.map_err(|error| match error {
            BodyError::Stalled => receive::BodyError::Stalled,
            BodyError::Incomplete(_) => receive::BodyError::Incomplete,
        })
    }
}
