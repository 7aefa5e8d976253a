//! Pages of files: found by counts that the schema keeps, so that neither the page's place nor the
//! number of files matters much.

#[cfg(test)]
mod tests;

use gatepass_core::page::locate;
use gatepass_core::path_range::PathRange;
use gatepass_core::port::{FilePage, ListFiles};
use gatepass_core::{File, ProjectId};
use rusqlite::{Connection, params};

use crate::rows::{self, FILE_COLUMNS};

/// Bits of a file's number that its bucket in `file_ages` leaves out.
const BUCKET_BITS: u32 = 11;

pub(crate) fn list(
    connection: &Connection,
    project: &ProjectId,
    list: &ListFiles,
) -> rusqlite::Result<FilePage> {
    // Counts and files have to be of one moment.
    let transaction = connection.unchecked_transaction()?;
    match list.ranges() {
        None => newest_first(&transaction, project, list),
        Some(ranges) => by_path(&transaction, project, list, &ranges),
    }
}

fn newest_first(
    connection: &Connection,
    project: &ProjectId,
    list: &ListFiles,
) -> rusqlite::Result<FilePage> {
    let buckets: Vec<(i64, u64)> = connection
        .prepare_cached(
            "SELECT bucket, files FROM file_ages WHERE project = ?1 ORDER BY bucket DESC",
        )?
        .query_map([project.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let total = buckets.iter().map(|(_, files)| files).sum();
    let Some((bucket, skip)) = locate(buckets, list.offset) else {
        return Ok(FilePage { files: Vec::new(), total });
    };
    let above = bucket.saturating_add(1) << BUCKET_BITS;
    let query = format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE project = ?1 AND number < ?2 \
         ORDER BY number DESC LIMIT ?3 OFFSET ?4"
    );
    let files = connection
        .prepare_cached(&query)?
        .query_map(params![project.as_str(), above, rows(list.limit), rows(skip)], rows::file)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(FilePage { files, total })
}

fn by_path(
    connection: &Connection,
    project: &ProjectId,
    list: &ListFiles,
    ranges: &[PathRange],
) -> rusqlite::Result<FilePage> {
    let paths = Paths::load(connection, project)?;
    let (mut files, mut total, mut skip) = (Vec::new(), 0, list.offset);
    for range in ranges {
        let before = paths.before(connection, &range.start)?;
        let past = match &range.end {
            Some(end) => paths.before(connection, end)?,
            None => paths.total(),
        };
        let here = past.saturating_sub(before);
        total += here;
        let wanted = list.limit.saturating_sub(files.len() as u64);
        if skip < here && wanted > 0 {
            files.extend(paths.page(connection, before + skip, wanted.min(here - skip))?);
        }
        skip = skip.saturating_sub(here);
    }
    Ok(FilePage { files, total })
}

/// The runs of a project's paths, by which a path's place in their order is found.
struct Paths<'a> {
    project: &'a ProjectId,
    runs: Vec<(String, u64)>,
}

impl<'a> Paths<'a> {
    fn load(connection: &Connection, project: &'a ProjectId) -> rusqlite::Result<Self> {
        let runs = connection
            .prepare_cached("SELECT first, files FROM file_runs WHERE project = ?1 ORDER BY first")?
            .query_map([project.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { project, runs })
    }

    fn total(&self) -> u64 {
        self.runs.iter().map(|(_, files)| files).sum()
    }

    /// How many files have a smaller path.
    fn before(&self, connection: &Connection, path: &str) -> rusqlite::Result<u64> {
        let upto = self.runs.partition_point(|(first, _)| first.as_str() <= path);
        let Some(((first, _), whole)) = self.runs[..upto].split_last() else { return Ok(0) };
        let in_run: u64 = connection
            .prepare_cached(
                "SELECT count(*) FROM files WHERE project = ?1 AND path >= ?2 AND path < ?3",
            )?
            .query_row([self.project.as_str(), first, path], |row| row.get(0))?;
        Ok(whole.iter().map(|(_, files)| files).sum::<u64>() + in_run)
    }

    /// So many files from a place in the order of paths.
    fn page(&self, connection: &Connection, place: u64, limit: u64) -> rusqlite::Result<Vec<File>> {
        let runs = self.runs.iter().map(|(first, files)| (first, *files));
        let Some((first, skip)) = locate(runs, place) else { return Ok(Vec::new()) };
        let query = format!(
            "SELECT {FILE_COLUMNS} FROM files WHERE project = ?1 AND path >= ?2 \
             ORDER BY path LIMIT ?3 OFFSET ?4"
        );
        connection
            .prepare_cached(&query)?
            .query_map(params![self.project.as_str(), first, rows(limit), rows(skip)], rows::file)?
            .collect()
    }
}

fn rows(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
