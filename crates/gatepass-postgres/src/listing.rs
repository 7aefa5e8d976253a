//! Pages of files.
//!
//! What lies before a page and how many there are is counted each time, in the index alone. SQLite
//! keeps counts; here their rows would be what all publications of a project queue up at.

use futures_util::future::{try_join_all, try_join4};
use gatepass_core::path_range::PathRange;
use gatepass_core::port::{CatalogError, FilePage, ListFiles};
use gatepass_core::{File, ProjectId};

use crate::error::Failure;
use crate::rows::{self, FILE_COLUMNS, number};
use crate::session::Session;

type Reading<T> = Result<T, Failure<CatalogError>>;

/// Counts and files are of one moment.
pub(crate) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) async fn list(
    session: Session,
    project: &ProjectId,
    list: &ListFiles,
) -> Reading<FilePage> {
    match list.ranges() {
        None => newest_first(&session, project, list).await,
        Some(ranges) => {
            let ranges: Vec<_> = ranges.iter().map(storable).collect();
            by_path(&session, project, list, &ranges).await
        }
    }
}

async fn newest_first(
    session: &Session,
    project: &ProjectId,
    list: &ListFiles,
) -> Reading<FilePage> {
    let count = "SELECT count(*) FROM files WHERE project = $1";
    let page = format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE project = $1 \
         ORDER BY number DESC LIMIT $2 OFFSET $3"
    );
    let count = session.prepare_cached(count).await?;
    let page = session.prepare_cached(&page).await?;
    let (project, limit, offset) = (project.as_str(), number(list.limit), number(list.offset));
    let ((), total, files, ()) = try_join4(
        session.batch_execute(BEGIN_SNAPSHOT),
        session.query_one(&count, &[&project]),
        session.query(&page, &[&project, &limit, &offset]),
        session.batch_execute("COMMIT"),
    )
    .await?;
    let files = files.iter().map(rows::file).collect::<Result<_, _>>()?;
    Ok(FilePage { files, total: rows::count(&total, 0)? })
}

async fn by_path(
    session: &Session,
    project: &ProjectId,
    list: &ListFiles,
    ranges: &[PathRange],
) -> Reading<FilePage> {
    session.batch_execute(BEGIN_SNAPSHOT).await?;
    let counts = try_join_all(ranges.iter().map(|range| count(session, project, range))).await?;
    let (mut files, mut skip) = (Vec::new(), list.offset);
    for (range, here) in ranges.iter().zip(&counts) {
        let wanted = list.limit.saturating_sub(files.len() as u64);
        if skip < *here && wanted > 0 {
            files.extend(page(session, project, range, skip, wanted).await?);
        }
        skip = skip.saturating_sub(*here);
    }
    session.batch_execute("COMMIT").await?;
    Ok(FilePage { files, total: counts.iter().sum() })
}

/// PostgreSQL's texts hold no U+0000, which a bound may have in it. Paths have no control characters
/// at all, so any other one tells them apart just so.
fn storable(range: &PathRange) -> PathRange {
    let text = |text: &String| text.replace('\0', "\u{1}");
    PathRange { start: text(&range.start), end: range.end.as_ref().map(text) }
}

/// A range without an end has a statement of its own: one for both would be planned for neither.
fn condition(range: &PathRange) -> &'static str {
    match range.end {
        Some(_) => "project = $1 AND path >= $2 AND path < $3",
        None => "project = $1 AND path >= $2 AND $3::text IS NULL",
    }
}

async fn count(session: &Session, project: &ProjectId, range: &PathRange) -> Reading<u64> {
    let count = format!("SELECT count(*) FROM files WHERE {}", condition(range));
    let count = session.prepare_cached(&count).await?;
    let project = project.as_str();
    let row = session.query_one(&count, &[&project, &range.start, &range.end]).await?;
    Ok(rows::count(&row, 0)?)
}

async fn page(
    session: &Session,
    project: &ProjectId,
    range: &PathRange,
    skip: u64,
    limit: u64,
) -> Reading<Vec<File>> {
    let page = format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE {} ORDER BY path LIMIT $4 OFFSET $5",
        condition(range)
    );
    let page = session.prepare_cached(&page).await?;
    let (project, limit, skip) = (project.as_str(), number(limit), number(skip));
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&project, &range.start, &range.end, &limit, &skip];
    let files = session.query(&page, &parameters).await?;
    Ok(files.iter().map(rows::file).collect::<Result<_, _>>()?)
}
