//! The server's side.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use gatepass_core::port::{BlobError, Content};
use gatepass_core::{ByteRange, MediaFacts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::wire;
use crate::believed::believed;
use crate::source::{FETCH_BYTES_MAX, FETCHED_BYTES_MAX};

/// Files after which a worker makes way for a new one: what libraries leak stays small.
const ANSWERS_MAX: u32 = 1_000;

/// Workers that are ready, and how to start another.
#[derive(Debug)]
pub(crate) struct Pool {
    program: PathBuf,
    arguments: Vec<OsString>,
    turns: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

/// Why a file was not looked through to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The worker could not be started, or ended.
    #[error("the worker ended")]
    Worker(#[from] io::Error),
    /// It says what no worker of ours says.
    #[error("the worker makes no sense")]
    Senseless,
    /// The file could not be read.
    #[error("the file could not be read")]
    Content(#[from] BlobError),
}

impl Pool {
    /// At most `workers` at once. They are started when they are needed.
    pub(crate) fn new(program: PathBuf, arguments: Vec<OsString>, workers: usize) -> Self {
        Self { program, arguments, turns: Semaphore::new(workers), idle: Mutex::default() }
    }

    /// Finds the facts of a file. What was found stays in `facts`, however this ends, and if it
    /// is dropped, too: that stops the worker.
    pub(crate) async fn ask(
        &self,
        content_type: &str,
        content: &dyn Content,
        facts: &mut MediaFacts,
    ) -> Result<(), Failure> {
        let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
        let mut worker = match self.ready() {
            Some(worker) => worker,
            None => self.start()?,
        };
        worker.ask(content_type, content, facts).await?;
        worker.answered += 1;
        if worker.answered < ANSWERS_MAX {
            self.idle().push(worker);
        }
        Ok(())
    }

    /// One that has not ended while nobody asked it anything.
    fn ready(&self) -> Option<Worker> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find_map(Worker::if_alive)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> io::Result<Worker> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            // A signal to the server's group lets it finish what it does.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Worker { child, input, output: BufReader::new(output), answered: 0 })
    }
}

/// A process that waits for a question, or answers one. Dropping it kills it.
#[derive(Debug)]
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    answered: u32,
}

impl Worker {
    fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Whatever the worker says is checked: hostile bytes may speak through it.
    async fn ask(
        &mut self,
        content_type: &str,
        content: &dyn Content,
        facts: &mut MediaFacts,
    ) -> Result<(), Failure> {
        self.input.write_all(&wire::question(content_type, content.size())).await?;
        let mut read: u64 = 0;
        loop {
            match self.output.read_u8().await? {
                wire::WANTS => {
                    let offset = self.output.read_u64().await?;
                    let length = self.output.read_u32().await?;
                    read = read.saturating_add(length.into());
                    let range = permitted(offset, length, content.size())
                        .filter(|_| read <= FETCHED_BYTES_MAX)
                        .ok_or(Failure::Senseless)?;
                    let bytes = content.read(range).await?;
                    self.input.write_all(&wire::framed(&bytes)).await?;
                }
                wire::FACTS => {
                    let length =
                        usize::try_from(self.output.read_u32().await?).unwrap_or(usize::MAX);
                    if length > wire::FACTS_BYTES_MAX {
                        return Err(Failure::Senseless);
                    }
                    let mut json = vec![0; length];
                    self.output.read_exact(&mut json).await?;
                    let found = serde_json::from_slice(&json).map_err(|_| Failure::Senseless)?;
                    *facts = believed(found);
                }
                wire::DONE => return Ok(()),
                _ => return Err(Failure::Senseless),
            }
        }
    }
}

fn permitted(offset: u64, length: u32, size: u64) -> Option<ByteRange> {
    let short = usize::try_from(length).is_ok_and(|length| length <= FETCH_BYTES_MAX);
    let end = offset.checked_add(length.into()).filter(|end| short && *end <= size)?;
    ByteRange::new(offset, end)
}
