//! Projects, domains and keys.

use futures_util::future::{try_join, try_join4};
use gatepass_core::Timestamp;
use gatepass_core::port::CatalogError;
use gatepass_core::project::{Project, SealedKey, SettingsChange, SettingsRecords};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::listing::BEGIN_SNAPSHOT;
use crate::rows::{self, DOMAIN_COLUMNS, KEY_COLUMNS, PROJECT_COLUMNS, number};
use crate::session::{Session, unavailable};

type Reading<T> = Result<T, Failure<CatalogError>>;

const VERSION: &str = "SELECT version FROM settings WHERE one = 1";

pub(crate) async fn version(session: Session) -> Reading<u64> {
    let version = session.prepare_cached(VERSION).await?;
    Ok(rows::count(&session.query_one(&version, &[]).await?, 0)?)
}

/// Reads everything in one snapshot, so that it fits together.
pub(crate) async fn load(session: Session) -> Reading<SettingsRecords> {
    let begin = async { Ok(session.batch_execute(BEGIN_SNAPSHOT).await?) };
    let ((), records) = try_join(begin, records(&session)).await?;
    session.batch_execute("COMMIT").await?;
    Ok(records)
}

/// Likewise, in the caller's transaction.
pub(crate) async fn records(session: &Session) -> Reading<SettingsRecords> {
    let version = "SELECT version, importing FROM settings WHERE one = 1";
    let projects = format!("SELECT {PROJECT_COLUMNS} FROM projects ORDER BY created, id");
    let domains = format!("SELECT {DOMAIN_COLUMNS} FROM domains ORDER BY created, host");
    let keys = format!("SELECT {KEY_COLUMNS} FROM api_keys ORDER BY created, id");
    let version = session.prepare_cached(version).await?;
    let projects = session.prepare_cached(&projects).await?;
    let domains = session.prepare_cached(&domains).await?;
    let keys = session.prepare_cached(&keys).await?;
    let (version, projects, domains, keys) = try_join4(
        session.query_one(&version, &[]),
        session.query(&projects, &[]),
        session.query(&domains, &[]),
        session.query(&keys, &[]),
    )
    .await?;
    Ok(SettingsRecords {
        version: rows::count(&version, 0)?,
        projects: all(&projects, rows::project)?,
        domains: all(&domains, rows::domain)?,
        keys: all(&keys, rows::key)?,
        importing: rows::get(&version, 1)?,
    })
}

fn all<T>(rows: &[Row], read: fn(&Row) -> Result<T, CatalogError>) -> Result<Vec<T>, CatalogError> {
    rows.iter().map(read).collect()
}

/// All or none. Each change says how things are from now on, so one in doubt is made again.
pub(crate) async fn change(session: Session, changes: &[SettingsChange]) -> Reading<()> {
    session.batch_execute("BEGIN").await?;
    let only_touches = changes.iter().all(|change| matches!(change, SettingsChange::TouchKeys(_)));
    if !only_touches {
        // First, for the sake of its lock: changes are made one after the other.
        let version = raise_version(&session).await?;
        let outdated = |change: &SettingsChange| matches!(change, SettingsChange::RequireVersion(required) if *required != version);
        if changes.iter().any(outdated) {
            return Err(CatalogError::Outdated.into());
        }
    }
    for change in changes {
        apply(&session, change).await?;
    }
    session.batch_execute("COMMIT").await?;
    Ok(())
}

/// Raises the version and returns the one before.
pub(crate) async fn raise_version(session: &Session) -> Reading<u64> {
    let raise = "UPDATE settings SET version = version + 1 WHERE one = 1 RETURNING version - 1";
    Ok(rows::count(&session.query_one(raise, &[]).await?, 0)?)
}

pub(crate) async fn apply(session: &Session, change: &SettingsChange) -> Reading<()> {
    match change {
        SettingsChange::RequireVersion(_) => {}
        SettingsChange::PutProject(project) => put_project(session, project).await?,
        SettingsChange::PutDomain(domain) => {
            let put = "INSERT INTO domains (host, project, public_url, created) \
                 VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (host) DO UPDATE SET project = $2, public_url = $3";
            let created = domain.created.unix_millis();
            let project = domain.project.as_str();
            session.execute(put, &[&domain.host, &project, &domain.public_url, &created]).await?;
        }
        SettingsChange::RemoveDomain(host) => {
            session.execute("DELETE FROM domains WHERE host = $1", &[host]).await?;
        }
        SettingsChange::PutKey(key) => put_key(session, key).await?,
        SettingsChange::SetImporting(what) => {
            session.execute("UPDATE settings SET importing = $1 WHERE one = 1", &[what]).await?;
        }
        SettingsChange::TouchKeys(used) => {
            // In one order, so that nodes that do it at once do not wait for each other in a ring.
            let touch = "UPDATE api_keys SET last_used = greatest(coalesce(last_used, 0), used.at) \
                 FROM unnest($1::text[], $2::bigint[]) AS used (key, at) WHERE id = used.key";
            let mut used: Vec<_> = used.clone();
            used.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
            let keys: Vec<&str> = used.iter().map(|(key, _)| key.as_str()).collect();
            let times: Vec<i64> = used.iter().map(|(_, at)| at.unix_millis()).collect();
            session.execute(touch, &[&keys, &times]).await?;
        }
    }
    Ok(())
}

async fn put_project(session: &Session, project: &Project) -> Reading<()> {
    let put = "INSERT INTO projects (id, org, name, catch_all, legacy_urls, max_expiry_seconds, \
             file_bytes_max, access_rules, created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET org = $2, name = $3, catch_all = $4, legacy_urls = $5, \
             max_expiry_seconds = $6, file_bytes_max = $7, access_rules = $8";
    let rules = serde_json::to_string(&project.access_rules).map_err(rows::senseless)?;
    session
        .execute(
            put,
            &[
                &project.id.as_str(),
                &project.org.as_bytes(),
                &project.name.as_bytes(),
                &project.catch_all,
                &project.legacy_urls.as_str(),
                &project.max_expiry_seconds.map(number),
                &project.file_bytes_max.map(number),
                &rules,
                &project.created.unix_millis(),
            ],
        )
        .await?;
    Ok(())
}

async fn put_key(session: &Session, key: &SealedKey) -> Reading<()> {
    let put = "INSERT INTO api_keys (id, project, name, scopes, prefix, state, verify_until, \
             created, last_used, master_id, nonce, ciphertext) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (id) DO UPDATE SET project = $2, name = $3, scopes = $4, prefix = $5, \
             state = $6, verify_until = $7, last_used = $9, master_id = $10, nonce = $11, \
             ciphertext = $12";
    session
        .execute(
            put,
            &[
                &key.id.as_str(),
                &key.project.as_str(),
                &key.name.as_bytes(),
                &key.scopes.to_string(),
                &key.prefix,
                &key.state.as_str(),
                &key.verify_until.map(Timestamp::unix_millis),
                &key.created.unix_millis(),
                &key.last_used.map(Timestamp::unix_millis),
                &key.master_id,
                &key.nonce,
                &key.ciphertext,
            ],
        )
        .await?;
    Ok(())
}

/// Whether changes are taken: not by a standby, nor by a primary that was made one.
pub(crate) async fn check(session: Session) -> Reading<()> {
    let look = "SELECT current_setting('transaction_read_only')::boolean, version \
         FROM settings WHERE one = 1";
    let look = session.prepare_cached(look).await?;
    let read_only: bool = rows::get(&session.query_one(&look, &[]).await?, 0)?;
    if read_only { Err(unavailable("the database takes no changes").into()) } else { Ok(()) }
}
