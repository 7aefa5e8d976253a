use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepass_core::UploadId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Lets one request at a time finish an upload. It only spares work: that an upload is finished
/// once is the catalog's doing.
#[derive(Default)]
pub(crate) struct Finishing {
    turns: Mutex<HashMap<UploadId, Arc<AsyncMutex<()>>>>,
}

/// A turn. It ends when dropped.
pub(crate) struct Turn<'a> {
    finishing: &'a Finishing,
    upload: UploadId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Finishing {
    pub(crate) async fn lock(&self, upload: &UploadId) -> Turn<'_> {
        let mutex = Arc::clone(self.turns().entry(upload.clone()).or_default());
        let guard = mutex.lock_owned().await;
        Turn { finishing: self, upload: upload.clone(), guard: Some(guard) }
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<AsyncMutex<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = self.finishing.turns();
        // Those who wait hold a copy.
        if turns.get(&self.upload).is_some_and(|mutex| Arc::strong_count(mutex) == 1) {
            turns.remove(&self.upload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_follow_each_other_and_leave_nothing() {
        let finishing = Arc::new(Finishing::default());
        let id = UploadId::from_random([1; 26]);
        let first = finishing.lock(&id).await;
        let (waiting, upload) = (Arc::clone(&finishing), id.clone());
        let second = tokio::spawn(async move { drop(waiting.lock(&upload).await) });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
        assert!(finishing.turns().is_empty());
    }
}
