//! The files of the program itself: configuration, secrets, the lock. Blobs and the catalog have
//! their own crates. This is the one place that touches them.
#![expect(clippy::disallowed_methods, reason = "this is the place that the rule names")]

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gatepass_sign::Secret;
use rustix::fs::{FlockOperation, flock};

pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A file's absolute path, its size and when it was changed.
pub(crate) fn identity(path: &Path) -> anyhow::Result<(PathBuf, u64, String)> {
    let failed = || format!("cannot read {}", path.display());
    let absolute = std::fs::canonicalize(path).with_context(failed)?;
    let metadata = std::fs::metadata(path).with_context(failed)?;
    let modified = format!("{:?}", metadata.modified().with_context(failed)?);
    Ok((absolute, metadata.len(), modified))
}

/// Writes a file that nobody else can read, in a directory that is made for it.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        make_data_directory(directory)?;
    }
    let mut options = OpenOptions::new();
    let opened = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    let failed = || format!("cannot write {}", path.display());
    opened.and_then(|mut file| file.write_all(text.as_bytes())).with_context(failed)
}

/// Removes a file; one that is not there counts as removed.
pub(crate) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// A secret in a file of its own, without the line end that editors add.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<String> {
    Ok(read_text(path)?.trim().to_owned())
}

/// Makes the data directory, readable by nobody else.
pub(crate) fn make_data_directory(path: &Path) -> anyhow::Result<()> {
    make_directory(path)
        .with_context(|| format!("cannot make the data directory {}", path.display()))
}

/// Makes a directory, and those above it, so that a power cut takes none of them away.
fn make_directory(path: &Path) -> std::io::Result<()> {
    let make = || DirBuilder::new().mode(0o700).create(path);
    let mut outcome = make();
    if let (Err(error), Some(above)) = (&outcome, path.parent())
        && error.kind() == ErrorKind::NotFound
    {
        make_directory(above)?;
        outcome = make();
    }
    match outcome {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
            // Whoever made it may have been killed before it was synced: nothing is in it until then. Or it
            // is another's, and not ours to sync.
            if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
                let _ = sync_parent(path);
            }
            Ok(())
        }
        failed => failed,
    }
}

/// Holds the data directory for one process, until dropped.
pub(crate) fn lock_data_directory(path: &Path) -> anyhow::Result<File> {
    let lock = path.join("gatepass.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .with_context(|| format!("cannot write to the data directory {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another gatepass serves the data directory {}: stop it, or use another --data",
            path.display()
        );
    }
    Ok(file)
}

/// Reads the master key, or makes one where that is allowed. `made` tells that it was.
pub(crate) fn master_key(
    path: &Path,
    make: Option<fn() -> Secret>,
) -> anyhow::Result<(Secret, bool)> {
    if path.exists() {
        return Ok((Secret::new(read_text(path)?), false));
    }
    let Some(make) = make else {
        bail!("the master key file {} is not there", path.display());
    };
    let text = make();
    // Lost with the power, it would take every API key with it; and half of one opens none. Each process
    // writes to a file of its own.
    let mut file = NewFile::create_as(path, &format!(".{}.partial", std::process::id()))?;
    file.write(text.expose().as_bytes())?;
    file.finish()?;
    Ok((text, true))
}

/// A file that is being written and has its name when it is whole. Nobody else can read it, and
/// none that is there is replaced.
pub(crate) struct NewFile {
    file: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        Self::create_as(path, ".partial")
    }

    /// With this behind its name until it is whole.
    fn create_as(path: &Path, suffix: &str) -> anyhow::Result<Self> {
        if path.exists() {
            bail!("{} is there already: it is not replaced", path.display());
        }
        let mut name = path.file_name().context("this names no file")?.to_owned();
        name.push(suffix);
        let partial = path.with_file_name(name);
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(true).write(true).mode(0o600).open(&partial);
        let file = opened.with_context(|| format!("cannot write {}", partial.display()))?;
        Ok(Self { file: BufWriter::new(file), partial, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", self.partial.display());
        self.file.write_all(bytes).with_context(failed)
    }

    /// On the disk, under its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).with_context(failed)?;
        std::fs::hard_link(&self.partial, &self.path).with_context(failed)?;
        std::fs::remove_file(&self.partial)
            .and_then(|()| sync_parent(&self.path))
            .with_context(failed)
    }
}

/// Opens a file to be read line by line, none longer than so many bytes.
pub(crate) fn read_lines(path: &Path, longest: usize) -> anyhow::Result<Lines> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Lines { file: BufReader::with_capacity(1 << 20, file), path: path.to_owned(), longest })
}

/// The lines of a file.
pub(crate) struct Lines {
    file: BufReader<File>,
    path: PathBuf,
    longest: usize,
}

impl Lines {
    /// The next line with its end; nothing at the end of the file.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let limit = u64::try_from(self.longest).unwrap_or(u64::MAX);
        let read = (&mut self.file).take(limit).read_until(b'\n', &mut line);
        read.with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok((!line.is_empty()).then_some(line))
    }
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
