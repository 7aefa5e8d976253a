//! Pages of files: found by the counts that the schema keeps, so that neither the page's place nor
//! the number of files matters much.

use futures_util::future::{try_join, try_join_all, try_join4};
use gatepass_core::page::locate;
use gatepass_core::path_range::PathRange;
use gatepass_core::port::{CatalogError, FilePage, ListFiles};
use gatepass_core::{File, ProjectId};
use tokio_postgres::{Row, Statement};

use crate::error::Failure;
use crate::rows::{self, FILE_COLUMNS, number};
use crate::session::Session;

type Reading<T> = Result<T, Failure<CatalogError>>;

/// Counts and files are of one moment.
pub(crate) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Bits of a file's number that its bucket in `file_ages` leaves out.
const BUCKET_BITS: u32 = 14;
/// How many files a page skips without looking for its bucket, which would be another round trip.
const SKIPPED_MAX: u64 = 1 << BUCKET_BITS;

const TOTAL: &str = "SELECT coalesce(sum(files), 0)::bigint FROM (\
         SELECT files FROM file_ages WHERE project = $1 \
         UNION ALL SELECT files FROM file_changes WHERE project = $1) AS counted";
const BUCKETS: &str = "SELECT bucket, sum(files)::bigint FROM (\
         SELECT bucket, files FROM file_ages WHERE project = $1 \
         UNION ALL SELECT number >> 14, files FROM file_changes WHERE project = $1) AS counted \
     GROUP BY bucket ORDER BY bucket DESC";
const RUNS: &str = "SELECT first, sum(files)::bigint FROM (\
         SELECT first, files FROM file_runs WHERE project = $1 \
         UNION ALL SELECT coalesce((SELECT max(first) FROM file_runs \
             WHERE project = $1 AND first <= path), ''), files \
             FROM file_changes WHERE project = $1) AS counted \
     GROUP BY first ORDER BY first";
const COUNT: &str = "SELECT count(*) FROM files WHERE project = $1 AND path >= $2 AND path < $3";

pub(crate) async fn list(
    session: Session,
    project: &ProjectId,
    list: &ListFiles,
) -> Reading<FilePage> {
    match list.ranges() {
        None if list.offset <= SKIPPED_MAX => first_pages(&session, project, list).await,
        None => newest_first(&session, project, list).await,
        Some(ranges) => {
            let ranges: Vec<_> = ranges.iter().map(storable).collect();
            by_path(&session, project, list, &ranges).await
        }
    }
}

/// A page near the start, in one round trip.
async fn first_pages(
    session: &Session,
    project: &ProjectId,
    list: &ListFiles,
) -> Reading<FilePage> {
    let total = session.prepare_cached(TOTAL).await?;
    let page = session.prepare_cached(&newest_page()).await?;
    let (project, above) = (project.as_str(), i64::MAX);
    let ((), total, files, ()) = try_join4(
        session.batch_execute(BEGIN_SNAPSHOT),
        session.query_one(&total, &[&project]),
        session.query(&page, &[&project, &above, &number(list.offset), &number(list.limit)]),
        session.batch_execute("COMMIT"),
    )
    .await?;
    Ok(FilePage { files: to_files(&files)?, total: rows::count(&total, 0)? })
}

async fn newest_first(
    session: &Session,
    project: &ProjectId,
    list: &ListFiles,
) -> Reading<FilePage> {
    let buckets = session.prepare_cached(BUCKETS).await?;
    let page = session.prepare_cached(&newest_page()).await?;
    let project = project.as_str();
    let begin = session.batch_execute(BEGIN_SNAPSHOT);
    let ((), buckets) = try_join(begin, session.query(&buckets, &[&project])).await?;
    let buckets = buckets.iter().map(|row| Ok((rows::get(row, 0)?, rows::count(row, 1)?)));
    let buckets = buckets.collect::<Result<Vec<(i64, u64)>, CatalogError>>()?;
    let total = buckets.iter().map(|(_, files)| files).sum();
    // Behind the end there is no page; so there is none before the least number.
    let (bucket, skip) = locate(buckets, list.offset).unwrap_or((-1, 0));
    let above = bucket.saturating_add(1) << BUCKET_BITS;
    let (files, ()) = try_join(
        session.query(&page, &[&project, &above, &number(skip), &number(list.limit)]),
        session.batch_execute("COMMIT"),
    )
    .await?;
    Ok(FilePage { files: to_files(&files)?, total })
}

/// Rows that are skipped are not read, only their entries in the index.
fn newest_page() -> String {
    format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE project = $1 AND number <= \
             (SELECT number FROM files WHERE project = $1 AND number < $2 \
              ORDER BY number DESC LIMIT 1 OFFSET $3) \
         ORDER BY number DESC LIMIT $4"
    )
}

/// Likewise, from a place in the order of paths.
fn page_by_path() -> String {
    format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE project = $1 AND path >= \
             (SELECT path FROM files WHERE project = $1 AND path >= $2 \
              ORDER BY path LIMIT 1 OFFSET $3) \
         ORDER BY path LIMIT $4"
    )
}

async fn by_path(
    session: &Session,
    project: &ProjectId,
    list: &ListFiles,
    ranges: &[PathRange],
) -> Reading<FilePage> {
    let paths = Paths::load(session, project).await?;
    let spans = try_join_all(ranges.iter().map(|range| paths.span(range))).await?;
    let (mut pages, mut total, mut skip, mut wanted) = (Vec::new(), 0, list.offset, list.limit);
    for (before, past) in spans {
        let here = past.saturating_sub(before);
        total += here;
        let taken = wanted.min(here.saturating_sub(skip));
        if taken > 0 {
            pages.push((before + skip, taken));
        }
        (skip, wanted) = (skip.saturating_sub(here), wanted - taken);
    }
    let pages = try_join_all(pages.into_iter().map(|(place, limit)| paths.page(place, limit)));
    let commit = async { Ok(session.batch_execute("COMMIT").await?) };
    let (pages, ()) = try_join(pages, commit).await?;
    Ok(FilePage { files: pages.into_iter().flatten().collect(), total })
}

/// PostgreSQL's texts hold no U+0000, which a bound may have in it. Paths have no control characters
/// at all, so any other one tells them apart just so.
fn storable(range: &PathRange) -> PathRange {
    let text = |text: &String| text.replace('\0', "\u{1}");
    PathRange { start: text(&range.start), end: range.end.as_ref().map(text) }
}

/// The runs of a project's paths, by which a path's place in their order is found.
struct Paths<'a> {
    session: &'a Session,
    project: &'a ProjectId,
    runs: Vec<(String, u64)>,
    count: Statement,
    page: Statement,
}

impl<'a> Paths<'a> {
    /// Begins the snapshot that they are of. All statements are prepared before it: so nothing but
    /// their own answers is waited for, and the commit can be sent right behind them.
    async fn load(session: &'a Session, project: &'a ProjectId) -> Reading<Self> {
        let runs = session.prepare_cached(RUNS).await?;
        let count = session.prepare_cached(COUNT).await?;
        let page = session.prepare_cached(&page_by_path()).await?;
        let begin = session.batch_execute(BEGIN_SNAPSHOT);
        let ((), runs) = try_join(begin, session.query(&runs, &[&project.as_str()])).await?;
        let runs = runs.iter().map(|row| Ok((rows::get(row, 0)?, rows::count(row, 1)?)));
        let runs = runs.collect::<Result<_, CatalogError>>()?;
        Ok(Self { session, project, runs, count, page })
    }

    /// How many files come before a range, and how many before its end.
    async fn span(&self, range: &PathRange) -> Reading<(u64, u64)> {
        let past = async {
            match &range.end {
                Some(end) => self.before(end).await,
                None => Ok(self.runs.iter().map(|(_, files)| files).sum()),
            }
        };
        try_join(self.before(&range.start), past).await
    }

    /// How many files have a smaller path.
    async fn before(&self, path: &str) -> Reading<u64> {
        let upto = self.runs.partition_point(|(first, _)| first.as_str() <= path);
        let Some(((first, _), whole)) = self.runs[..upto].split_last() else { return Ok(0) };
        let project = self.project.as_str();
        let row = self.session.query_one(&self.count, &[&project, first, &path]).await?;
        Ok(whole.iter().map(|(_, files)| files).sum::<u64>() + rows::count(&row, 0)?)
    }

    /// So many files from a place in the order of paths.
    async fn page(&self, place: u64, limit: u64) -> Reading<Vec<File>> {
        let runs = self.runs.iter().map(|(first, files)| (first, *files));
        let Some((first, skip)) = locate(runs, place) else { return Ok(Vec::new()) };
        let (project, skip, limit) = (self.project.as_str(), number(skip), number(limit));
        Ok(to_files(&self.session.query(&self.page, &[&project, first, &skip, &limit]).await?)?)
    }
}

fn to_files(rows: &[Row]) -> Result<Vec<File>, CatalogError> {
    rows.iter().map(rows::file).collect()
}
