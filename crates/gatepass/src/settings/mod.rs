//! Settings: declared once in [`table`], gathered by [`gather`], and resolved here into values
//! that need no further check.

mod gather;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gatepass_fetch::{FetchLimits, Guard};
use gatepass_postgres::Options;
use gatepass_s3::S3Location;
use gatepass_sign::Secret;

pub(crate) use gather::{Flags, Raw, Source};

use crate::units;

/// Where the catalog is.
#[derive(Debug, Clone)]
pub(crate) enum CatalogAt {
    /// In the data directory.
    Embedded,
    /// Shared with other nodes.
    Postgres(Box<Options>),
}

/// Where the blobs are.
#[derive(Debug)]
pub(crate) enum StoreAt {
    /// In the data directory.
    Data,
    /// In a bucket.
    S3(Box<S3Location>),
}

/// Settings, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) catalog: CatalogAt,
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) api_listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) api_host: Option<String>,
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) api_key: Option<Secret>,
    pub(crate) allow_weak_key: bool,
    pub(crate) limits: gatepass_core::limits::Limits,
    pub(crate) ingest: Ingest,
    pub(crate) store: StoreAt,
    pub(crate) redirects: bool,
    pub(crate) keep_free: u64,
    pub(crate) transport: gatepass_http::transport::Limits,
    pub(crate) json_logs: bool,
    pub(crate) log_level: String,
}

/// Settings of fetches from URLs.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) guard: Guard,
    pub(crate) name_server: Option<SocketAddr>,
    pub(crate) limits: FetchLimits,
}

impl Settings {
    /// Checks what was gathered; an error names the setting, where its value comes from, and what
    /// is wrong with it.
    pub(crate) fn resolve(raw: &[Raw]) -> anyhow::Result<Self> {
        let values = Values(raw);
        let connections = values.parsed("catalog-connections", number)?;
        let store = values.parsed("store", store)?;
        let stall = values.parsed("stall-timeout", units::parse_duration)?;
        Ok(Self {
            catalog: values.parsed("catalog", |text| catalog(text, connections))?,
            data: values.parsed("data", |text| Ok(PathBuf::from(text)))?,
            listen: values.parsed("listen", address)?,
            api_listen: values.parsed("api-listen", address)?,
            public_url: values.optional("public-url", public_url)?,
            api_host: values.optional("api-host", |text| Ok(text.to_owned()))?,
            master_key_file: values.optional("master-key-file", |text| Ok(PathBuf::from(text)))?,
            api_key: values.optional("api-key", |text| Ok(Secret::new(text.trim())))?,
            allow_weak_key: values.parsed("allow-weak-key", boolean)?,
            limits: gatepass_core::limits::Limits {
                file_bytes_max: values.parsed("max-file-size", units::parse_size)?,
                inline_bytes_max: match values.optional("inline-size", units::parse_size)? {
                    Some(size) => usize::try_from(size)?,
                    None => inline_bytes_max(&store),
                },
                uploads_open_max: values
                    .parsed("max-open-uploads", |text| Ok(u64::try_from(number(text)?)?))?,
                uploads_reserved_bytes_max: values
                    .parsed("max-reserved-size", units::parse_size)?,
                ingest_bytes_max: values.parsed("ingest-max-size", units::parse_size)?,
                ingests_max: values.parsed("max-ingests", number)?,
                upload_keep: values.parsed("upload-lifetime", units::parse_duration)?,
                retired_blob_keep: values.parsed("keep-deleted", units::parse_duration)?,
                ..gatepass_core::limits::Limits::default()
            },
            ingest: Ingest {
                guard: Guard::new(
                    values.parsed("ingest-ports", |text| list(text, "80,443"))?,
                    values
                        .optional("ingest-allow", |text| list(text, "10.1.0.0/16,10.2.3.4:9000"))?
                        .unwrap_or_default(),
                ),
                name_server: values.optional("ingest-name-server", address)?,
                limits: FetchLimits {
                    connect: values.parsed("ingest-connect-timeout", units::parse_duration)?,
                    idle: values.parsed("ingest-idle-timeout", units::parse_duration)?,
                    total: values.parsed("ingest-timeout", units::parse_duration)?,
                },
            },
            redirects: values.parsed("delivery", |text| delivery(text, &store))?,
            store,
            keep_free: values.parsed("keep-free", units::parse_size)?,
            transport: gatepass_http::transport::Limits {
                first_byte: values.parsed("first-byte-timeout", units::parse_duration)?,
                head: values.parsed("head-timeout", units::parse_duration)?,
                idle: values.parsed("idle-timeout", units::parse_duration)?,
                body_stall: stall,
                write_stall: stall,
                connections: values.parsed("max-connections", number)?,
                connections_per_address: values.parsed("max-connections-per-address", number)?,
                shutdown_grace: values.parsed("shutdown-timeout", units::parse_duration)?,
                ..gatepass_http::transport::Limits::default()
            },
            json_logs: values.parsed("log-format", log_format)?,
            log_level: values.parsed("log-level", log_level)?,
        })
    }

    /// Scheme and host for links, given the address that was bound.
    pub(crate) fn public_url_for(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{bound}"))
    }
}

struct Values<'a>(&'a [Raw]);

impl Values<'_> {
    fn raw(&self, name: &str) -> anyhow::Result<&Raw> {
        self.0.iter().find(|raw| raw.setting.name == name).context("a setting is not declared")
    }

    fn optional<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let raw = self.raw(name)?;
        let Some(value) = &raw.value else { return Ok(None) };
        parse(value).map(Some).with_context(|| {
            if raw.setting.secret {
                format!("setting {name} ({})", raw.source)
            } else {
                format!("setting {name} is {:?} ({})", without_password(value), raw.source)
            }
        })
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.optional(name, parse)?.with_context(|| format!("setting {name} is missing"))
    }
}

fn catalog(text: &str, connections: usize) -> anyhow::Result<CatalogAt> {
    match text.split_once(':') {
        Some(("sqlite", "")) => Ok(CatalogAt::Embedded),
        Some(("postgres" | "postgresql", _)) => {
            Ok(CatalogAt::Postgres(Box::new(Options::parse(text, connections)?)))
        }
        _ => bail!("expected sqlite: or postgres://user@host/database"),
    }
}

/// A value as it may be shown. A URL may hold a password, in front of its host or as a parameter.
pub(crate) fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    let place = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => place.to_owned(),
        },
        None => place.to_owned(),
    };
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hidden).collect::<Vec<_>>().join("&"));
    format!("{scheme}://{place}{}", query.map(|query| format!("?{query}")).unwrap_or_default())
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().ok().context("expected an address and a port, such as 127.0.0.1:8080 or [::]:80")
}

fn public_url(text: &str) -> anyhow::Result<String> {
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']) => {
            Ok(url.to_owned())
        }
        _ => bail!("expected scheme and host, such as https://files.example.net"),
    }
}

fn store(text: &str) -> anyhow::Result<StoreAt> {
    if text == "file:" {
        return Ok(StoreAt::Data);
    }
    if !text.starts_with("s3:") {
        bail!("expected file: for the data directory, or s3://bucket/prefix");
    }
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|n| std::env::var(n).ok());
    Ok(StoreAt::S3(Box::new(S3Location::parse(text, region.as_deref())?)))
}

/// Beside a directory of files, as much as its disk is faster for. Beside a bucket no more than what is
/// small: who takes one wants the bytes there.
fn inline_bytes_max(store: &StoreAt) -> usize {
    match store {
        StoreAt::Data => gatepass_core::limits::Limits::default().inline_bytes_max,
        StoreAt::S3(_) => 64 << 10,
    }
}

/// Whether readers are sent to the store.
fn delivery(text: &str, store: &StoreAt) -> anyhow::Result<bool> {
    match (text, store) {
        ("proxy", _) => Ok(false),
        ("redirect", StoreAt::S3(_)) => Ok(true),
        ("redirect", StoreAt::Data) => bail!("only an s3:// store can be read from directly"),
        _ => bail!("expected proxy or redirect"),
    }
}

fn boolean(text: &str) -> anyhow::Result<bool> {
    text.parse().ok().context("expected true or false")
}

fn number(text: &str) -> anyhow::Result<usize> {
    text.parse().ok().filter(|number| *number > 0).context("expected a whole number above 0")
}

/// Items divided by commas; nothing is an empty list.
fn list<T: FromStr>(text: &str, example: &str) -> anyhow::Result<Vec<T>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let one = |item: &str| {
        item.parse().ok().with_context(|| format!("{item:?}: expected a list such as {example}"))
    };
    items.map(one).collect()
}

fn log_format(text: &str) -> anyhow::Result<bool> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => bail!("expected text or json"),
    }
}

fn log_level(text: &str) -> anyhow::Result<String> {
    match text {
        "error" | "warn" | "info" | "debug" | "trace" => Ok(text.to_owned()),
        _ => bail!("expected error, warn, info, debug or trace"),
    }
}

/// `docs/configuration.md`.
pub(crate) fn markdown() -> String {
    use std::fmt::Write as _;
    let mut page = String::from(
        "# Configuration\n\n\
         Every setting is a flag of `gatepass serve`, an environment variable and a key of the\n\
         configuration file (TOML, named by `--config` or `GATEPASS_CONFIG`). A flag counts before\n\
         the environment, the environment before the file. `gatepass config print` shows what is\n\
         in force and where it comes from. This page is made from the table in\n\
         `crates/gatepass/src/settings/table.rs` by `cargo xtask docs`.\n\n\
         Sizes: `10MB` (10^6), `10MiB` (2^20). Times: `500ms`, `90s`, `15m`, `1h`, `7d`.\n\n\
         | key | flag | variable | default | meaning |\n|---|---|---|---|---|\n",
    );
    for setting in table::SETTINGS {
        let flag =
            if setting.secret { String::from("none") } else { format!("`--{}`", setting.name) };
        let twin = if setting.secret { " (or `..._FILE`)" } else { "" };
        let default = setting.default.map_or("none".to_owned(), |text| format!("`{text}`"));
        let (key, variable) = (setting.key(), setting.variable());
        let _ = writeln!(
            page,
            "| `{key}` | {flag} | `{variable}`{twin} | {default} | {} |",
            setting.help
        );
    }
    page
}

/// How long `check` and `doctor` wait for a server.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("postgres://me:pw@h/d?sslmode=require", "postgres://me:***@h/d?sslmode=require"),
            ("postgres://me:p@w:x@h:1,i/d", "postgres://me:***@h:1,i/d"),
            ("postgres://me@h/d?password=pw&a=b", "postgres://me@h/d?password=***&a=b"),
            ("sqlite:", "sqlite:"),
            ("http://h:80/", "http://h:80/"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
