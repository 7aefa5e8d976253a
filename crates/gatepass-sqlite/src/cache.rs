//! Files that were read lately, so that reading one again costs no query and no other thread.
//!
//! It is exact: the writer's connection tells of every row that a transaction touched, and these
//! are forgotten before anybody learns of the transaction. Changes of other processes show in
//! `PRAGMA data_version`, which the writer looks at with each group, and whenever somebody asks for
//! the version of the settings: a server does so every 2 s. Then everything is forgotten.
//!
//! What is in the journal and not in the database yet is here, too, until it is there: it stands
//! before whatever the database says of its path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepass_core::{File, FileId, ObjectPath, ProjectId};
use lru::LruCache;

use crate::content::FileAndContent;
use crate::journal::{Accepted, Place};

/// Bytes of contents that are kept, with what the files take beside them.
const BYTES_MAX: usize = 24 << 20;
/// What a file takes beside its content.
const FILE_BYTES: usize = 1_024;

/// A file that is in the journal and not in the database yet.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) file: Arc<File>,
    /// Where its bytes are, unless the store has them.
    pub(crate) place: Option<Place>,
}

/// What is known of a path without asking the database.
pub(crate) enum Lookup {
    /// The database does not have it yet.
    Waiting(Waiting),
    /// It was read lately.
    Kept(Arc<FileAndContent>),
    /// Nothing; if it is looked up, this is the epoch in which that begins.
    Unknown(Epoch),
}

#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Kept>>);

struct Kept {
    /// What the database does not have yet.
    accepted: HashMap<ProjectId, HashMap<ObjectPath, Waiting>>,
    /// By the numbers of their rows, the latest used last to go.
    files: LruCache<i64, Arc<FileAndContent>>,
    numbers: HashMap<ProjectId, HashMap<ObjectPath, i64>>,
    bytes: usize,
    /// Rises with each transaction.
    epoch: Epoch,
}

/// Which transactions a query may have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Cache {
    pub(crate) fn find(&self, project: &ProjectId, path: &ObjectPath) -> Lookup {
        let mut kept = self.lock();
        if let Some(waiting) = kept.waiting(project, path) {
            return Lookup::Waiting(waiting.clone());
        }
        let number = kept.numbers.get(project).and_then(|paths| paths.get(path)).copied();
        let found = number.and_then(|number| kept.files.get(&number).cloned());
        found.map_or(Lookup::Unknown(kept.epoch), Lookup::Kept)
    }

    /// A file that the database does not have yet.
    pub(crate) fn accepted(&self, project: &ProjectId, path: &ObjectPath) -> Option<Waiting> {
        self.lock().waiting(project, path).cloned()
    }

    /// The same by its id.
    pub(crate) fn accepted_by_id(&self, project: &ProjectId, id: &FileId) -> Option<Arc<File>> {
        let kept = self.lock();
        let found = kept.accepted.get(project)?.values().find(|waiting| waiting.file.id == *id);
        found.map(|waiting| Arc::clone(&waiting.file))
    }

    /// Whether the database has everything.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().accepted.is_empty()
    }

    /// These are durable, and not in the database yet.
    pub(crate) fn accept<'a>(&self, files: impl Iterator<Item = &'a Accepted>) {
        let mut kept = self.lock();
        for Accepted { file, place, .. } in files {
            let paths = kept.accepted.entry(file.project.clone()).or_default();
            let waiting = Waiting { file: Arc::clone(file), place: *place };
            paths.insert(file.path.clone(), waiting);
        }
    }

    /// The database has these, and these rows were touched for it.
    pub(crate) fn settled(&self, files: &[Accepted], numbers: &[i64]) {
        let mut kept = self.lock();
        kept.touched(numbers);
        for Accepted { file, .. } in files {
            kept.settled(file);
        }
    }

    /// Keeps what was looked up, unless a transaction came between: it may have changed it.
    pub(crate) fn keep(&self, looked_up_in: Epoch, number: i64, file: Arc<FileAndContent>) {
        let mut kept = self.lock();
        if kept.epoch == looked_up_in {
            kept.insert(number, file);
        }
    }

    /// A transaction has touched these rows, or may have.
    pub(crate) fn touched(&self, numbers: &[i64]) {
        self.lock().touched(numbers);
    }

    /// Anything may have changed in the database.
    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        let epoch = Epoch(kept.epoch.0 + 1);
        let accepted = std::mem::take(&mut kept.accepted);
        *kept = Kept { accepted, epoch, ..Kept::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Kept {
    fn default() -> Self {
        let (files, numbers) = (LruCache::unbounded(), HashMap::new());
        Self { accepted: HashMap::new(), files, numbers, bytes: 0, epoch: Epoch(0) }
    }
}

impl Kept {
    fn waiting(&self, project: &ProjectId, path: &ObjectPath) -> Option<&Waiting> {
        self.accepted.get(project).and_then(|paths| paths.get(path))
    }

    /// A later version of the path waits on.
    fn settled(&mut self, file: &File) {
        let Some(paths) = self.accepted.get_mut(&file.project) else { return };
        if paths.get(&file.path).is_some_and(|waiting| waiting.file.blob == file.blob) {
            paths.remove(&file.path);
        }
        if paths.is_empty() {
            self.accepted.remove(&file.project);
        }
    }

    fn touched(&mut self, numbers: &[i64]) {
        self.epoch.0 += 1;
        for number in numbers {
            self.remove(*number);
        }
    }

    fn insert(&mut self, number: i64, kept: Arc<FileAndContent>) {
        self.remove(number);
        let file = &kept.file;
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
    fn forget(&mut self, kept: &FileAndContent) {
        self.bytes -= cost(kept);
        let Some(paths) = self.numbers.get_mut(&kept.file.project) else { return };
        paths.remove(&kept.file.path);
        if paths.is_empty() {
            self.numbers.remove(&kept.file.project);
        }
    }
}

fn cost(kept: &FileAndContent) -> usize {
    FILE_BYTES + kept.content.memory_bytes()
}

#[cfg(test)]
mod tests {
    use gatepass_core::publication::{self, NewFile};
    use gatepass_testkit::builders::{new_file, noise, path, project_id, time};

    use super::*;
    use crate::content::Content;

    fn file(at: &str, length: usize) -> Arc<FileAndContent> {
        let new = NewFile { ..new_file(at, time(1)) };
        let file = publication::publish(new, None).unwrap().file;
        let content = Content::Memory(noise(1, length));
        Arc::new(FileAndContent { file: Arc::new(file), content })
    }

    fn epoch(cache: &Cache) -> Epoch {
        match cache.find(&project_id(), &path("nowhere")) {
            Lookup::Unknown(epoch) => epoch,
            _ => panic!("it is there"),
        }
    }

    fn is_kept(cache: &Cache, at: &str) -> bool {
        !matches!(cache.find(&project_id(), &path(at)), Lookup::Unknown(_))
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
