//! Files that were read lately, so that reading one again costs no query and no other thread.
//!
//! It is exact: the writer's connection tells of every row that a transaction touched, and these
//! are forgotten before anybody learns of the transaction. Changes of other processes show in
//! `PRAGMA data_version`, which the writer looks at with each group, and whenever somebody asks for
//! the version of the settings: a server does so every 2 s. Then everything is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatepass_core::{File, ObjectPath, ProjectId};
use lru::LruCache;

/// Bytes of contents that are kept, with what the files take beside them.
const BYTES_MAX: usize = 24 << 20;
/// What a file takes beside its content.
const FILE_BYTES: usize = 1_024;

/// A file and, if the catalog keeps it, its content.
pub(crate) type FileAndBytes = (File, Option<Bytes>);

#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Kept>>);

struct Kept {
    /// By the numbers of their rows, the latest used last to go.
    files: LruCache<i64, Arc<FileAndBytes>>,
    numbers: HashMap<ProjectId, HashMap<ObjectPath, i64>>,
    bytes: usize,
    /// Rises with each transaction.
    epoch: Epoch,
}

/// Which transactions a query may have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Cache {
    /// A file that was kept; else the epoch in which it is looked up.
    pub(crate) fn find(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Arc<FileAndBytes>, Epoch> {
        let mut kept = self.lock();
        let number = kept.numbers.get(project).and_then(|paths| paths.get(path)).copied();
        let found = number.and_then(|number| kept.files.get(&number).cloned());
        found.ok_or(kept.epoch)
    }

    /// Keeps what was looked up, unless a transaction came between: it may have changed it.
    pub(crate) fn keep(&self, looked_up_in: Epoch, number: i64, file: Arc<FileAndBytes>) {
        let mut kept = self.lock();
        if kept.epoch == looked_up_in {
            kept.insert(number, file);
        }
    }

    /// A transaction has touched these rows, or may have.
    pub(crate) fn touched(&self, numbers: &[i64]) {
        let mut kept = self.lock();
        kept.epoch.0 += 1;
        for number in numbers {
            kept.remove(*number);
        }
    }

    /// Anything may have changed.
    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        let epoch = Epoch(kept.epoch.0 + 1);
        *kept = Kept { epoch, ..Kept::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Kept {
    fn default() -> Self {
        let (files, numbers) = (LruCache::unbounded(), HashMap::new());
        Self { files, numbers, bytes: 0, epoch: Epoch(0) }
    }
}

impl Kept {
    fn insert(&mut self, number: i64, kept: Arc<FileAndBytes>) {
        self.remove(number);
        let file = &kept.0;
        let paths = self.numbers.entry(file.project.clone()).or_default();
        paths.insert(file.path.clone(), number);
        self.bytes += cost(&kept);
        self.files.put(number, kept);
        while self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.files.pop_lru() else { return };
            self.forget(&oldest);
        }
    }

    fn remove(&mut self, number: i64) {
        if let Some(file) = self.files.pop(&number) {
            self.forget(&file);
        }
    }

    /// What is left of one that is no longer among the files.
    fn forget(&mut self, kept: &FileAndBytes) {
        self.bytes -= cost(kept);
        let Some(paths) = self.numbers.get_mut(&kept.0.project) else { return };
        paths.remove(&kept.0.path);
        if paths.is_empty() {
            self.numbers.remove(&kept.0.project);
        }
    }
}

fn cost(kept: &FileAndBytes) -> usize {
    FILE_BYTES + kept.1.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use gatepass_core::publication::{self, NewFile};
    use gatepass_testkit::builders::{new_file, noise, path, project_id, time};

    use super::*;

    fn file(at: &str, length: usize) -> Arc<FileAndBytes> {
        let new = NewFile { ..new_file(at, time(1)) };
        let file = publication::publish(new, None).unwrap().file;
        Arc::new((file, Some(noise(1, length))))
    }

    fn epoch(cache: &Cache) -> Epoch {
        cache.find(&project_id(), &path("nowhere")).unwrap_err()
    }

    fn is_kept(cache: &Cache, at: &str) -> bool {
        cache.find(&project_id(), &path(at)).is_ok()
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_touched() {
        let cache = Cache::default();
        cache.keep(epoch(&cache), 1, file("a", 10));
        cache.keep(epoch(&cache), 2, file("b", 10));
        assert!(is_kept(&cache, "a") && is_kept(&cache, "b"));
        cache.touched(&[1, 77]);
        assert!(!is_kept(&cache, "a") && is_kept(&cache, "b"));
        cache.clear();
        assert!(!is_kept(&cache, "b"));
    }

    #[test]
    fn what_was_looked_up_before_a_transaction_is_not_kept_after_it() {
        let cache = Cache::default();
        let before = epoch(&cache);
        cache.touched(&[]);
        cache.keep(before, 1, file("a", 10));
        assert!(!is_kept(&cache, "a"));
        let before = epoch(&cache);
        cache.clear();
        cache.keep(before, 1, file("a", 10));
        assert!(!is_kept(&cache, "a"));
    }

    #[test]
    fn it_is_bounded_and_the_oldest_goes_first() {
        let cache = Cache::default();
        let length = BYTES_MAX / 4;
        for (number, at) in [(1, "a"), (2, "b"), (3, "c")] {
            cache.keep(epoch(&cache), number, file(at, length));
        }
        assert!(is_kept(&cache, "a"));
        cache.keep(epoch(&cache), 4, file("d", length));
        assert!(is_kept(&cache, "a") && !is_kept(&cache, "b") && is_kept(&cache, "d"));
        let kept = cache.lock();
        assert!(kept.bytes <= BYTES_MAX && kept.files.len() == 3);
        assert_eq!(kept.numbers[&project_id()].len(), 3);
    }

    /// A file that takes another one's path, as after a rename, does not hide it for ever.
    #[test]
    fn a_row_that_moved_is_found_where_it_is() {
        let cache = Cache::default();
        cache.keep(epoch(&cache), 1, file("a", 10));
        cache.touched(&[1]);
        cache.keep(epoch(&cache), 1, file("b", 10));
        cache.keep(epoch(&cache), 2, file("a", 10));
        cache.touched(&[1]);
        assert!(is_kept(&cache, "a") && !is_kept(&cache, "b"));
    }
}
