//! What a durable upload has to do on this disk, and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::tally::Tally;

const SLICE: u64 = 1 << 20;

#[derive(Args, Clone)]
pub(crate) struct Floor {
    /// Where to write
    directory: PathBuf,
    /// Bytes of a file
    #[arg(long, default_value_t = 16_384)]
    size: u64,
    /// Writers at once
    #[arg(long, default_value_t = 1)]
    clients: u64,
    /// How long to go on beginning files
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Most files of a writer; 0 for no bound
    #[arg(long, default_value_t = 0)]
    requests: u64,
}

/// Creates files, writes them, `fdatasync`s each and syncs its directory.
pub(crate) fn run(floor: &Floor) -> anyhow::Result<Value> {
    let start = Instant::now();
    let all = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..floor.clients)
            .map(|writer| scope.spawn(move || write_many(floor, writer, start)))
            .collect();
        writers.into_iter().try_fold(Tally::default(), |all, writer| {
            let one = writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
            anyhow::Ok(all.merge(one))
        })
    })?;
    all.report(start.elapsed())
}

fn write_many(floor: &Floor, writer: u64, start: Instant) -> anyhow::Result<Tally> {
    let directory = floor.directory.join(writer.to_string());
    std::fs::create_dir_all(&directory)?;
    let handle = File::open(&directory)?;
    let slice = vec![0x5a; usize::try_from(floor.size.min(SLICE))?];
    let mut tally = Tally::default();
    for number in 0.. {
        let enough = floor.requests > 0 && number >= floor.requests;
        if enough || start.elapsed().as_secs_f64() >= floor.seconds {
            break;
        }
        let begun = Instant::now();
        write_one(&directory.join(number.to_string()), &slice, floor.size)?;
        handle.sync_all()?;
        tally.add(start, begun, floor.size);
    }
    Ok(tally)
}

fn write_one(path: &Path, slice: &[u8], size: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left.min(SLICE)).unwrap_or(slice.len());
        file.write_all(&slice[..length])?;
        left -= length as u64;
    }
    file.sync_data()
}
