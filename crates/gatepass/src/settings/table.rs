//! The one declaration of every setting: its flag, its environment variable, its key in the
//! configuration file, its default and its help all come from here.

/// A setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// `listen` is the flag `--listen`, the variable `GATEPASS_LISTEN` and the key `listen`.
    pub(crate) name: &'static str,
    /// What stands for the value in the help.
    pub(crate) value: &'static str,
    /// `None` where nothing stands for "not set".
    pub(crate) default: Option<&'static str>,
    /// Never printed, and can be given as a file: `GATEPASS_API_KEY_FILE`. It has no flag,
    /// because command lines can be seen by everybody on the machine.
    pub(crate) secret: bool,
    /// Whether commands that work on the data directory take it, too.
    pub(crate) of_data: bool,
    pub(crate) help: &'static str,
}

impl Setting {
    pub(crate) fn variable(&self) -> String {
        format!("GATEPASS_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    pub(crate) fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}

const fn setting(
    name: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { name, value, default, secret: false, of_data: false, help }
}

const fn of_data(setting: Setting) -> Setting {
    Setting { of_data: true, ..setting }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

pub(crate) const SETTINGS: &[Setting] = &[
    of_data(setting(
        "data",
        "DIR",
        Some("./gatepass-data"),
        "Directory for the catalog, the blobs and the master key; made if it is not there",
    )),
    setting(
        "listen",
        "ADDR",
        Some("127.0.0.1:8080"),
        "Address of the public listener; port 0 takes a free one",
    ),
    setting(
        "api-listen",
        "ADDR",
        Some("127.0.0.1:8081"),
        "Address of the management listener: API, console, metrics",
    ),
    of_data(setting(
        "public-url",
        "URL",
        None,
        "Scheme and host by which clients reach the public listener; http:// and its address if not set",
    )),
    setting("api-host", "HOST", None, "Host for which the public listener answers the API, too"),
    of_data(setting(
        "catalog",
        "URL",
        Some("sqlite:"),
        "Where the catalog is; `sqlite:` is the database in the data directory, `postgres://user:password@host/database` one that nodes share (its password is better given in the variable than on a command line)",
    )),
    setting(
        "catalog-connections",
        "N",
        Some("16"),
        "Most connections of this node to a shared catalog",
    ),
    of_data(setting(
        "store",
        "URL",
        Some("file:"),
        "Where the blobs are; `file:` is the data directory, `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` a bucket (docs/scaling.md)",
    )),
    setting(
        "delivery",
        "WAY",
        Some("proxy"),
        "`proxy` sends all bytes itself; `redirect` sends readers of large images, videos and sound to the bucket (docs/delivery.md)",
    ),
    of_data(setting(
        "master-key-file",
        "FILE",
        None,
        "File with the master key that seals API keys; made in the data directory if not set; a shared catalog needs it, the same for all nodes",
    )),
    secret(setting(
        "api-key",
        "KEY",
        None,
        "First API key of a new data directory; client commands sign with it",
    )),
    setting(
        "allow-weak-key",
        "BOOL",
        Some("false"),
        "Take an API key of less than 128 bits: for trials only",
    ),
    setting("max-file-size", "SIZE", Some("5TiB"), "Largest file"),
    setting(
        "inline-size",
        "SIZE",
        None,
        "Largest file that the catalog keeps itself, if it can; 256KiB if not set, 64KiB beside S3; 0 for none",
    ),
    setting("max-open-uploads", "NUMBER", Some("10000"), "Most unfinished uploads of a project"),
    setting(
        "max-reserved-size",
        "SIZE",
        Some("10TiB"),
        "Most bytes that a project's unfinished uploads may come to",
    ),
    setting(
        "upload-lifetime",
        "TIME",
        Some("24h"),
        "How long an unfinished upload is kept after its last byte",
    ),
    setting(
        "keep-deleted",
        "TIME",
        Some("10m"),
        "How long the bytes of a file that was replaced or deleted are kept: for readers, and for backups of the catalog that still have it",
    ),
    setting("ingest-max-size", "SIZE", Some("50GiB"), "Largest file that is fetched from a URL"),
    setting(
        "ingest-ports",
        "PORTS",
        Some("80,443"),
        "Ports at which files are fetched from public addresses",
    ),
    setting(
        "ingest-allow",
        "NETWORKS",
        None,
        "Networks that are fetched from although they are not public, such as 10.1.0.0/16 or 10.1.2.3:9000, divided by commas",
    ),
    setting(
        "ingest-name-server",
        "ADDR",
        None,
        "Name server that is asked for the addresses of sources; those of the system if not set",
    ),
    setting(
        "ingest-connect-timeout",
        "TIME",
        Some("30s"),
        "How long connecting to a source may take",
    ),
    setting("ingest-idle-timeout", "TIME", Some("60s"), "How long a source may send nothing"),
    setting("ingest-timeout", "TIME", Some("1h"), "How long a whole fetch may take"),
    setting("max-ingests", "NUMBER", Some("100"), "Most fetches at a time"),
    setting("keep-free", "SIZE", Some("64MiB"), "Disk space that uploads leave free"),
    setting("max-connections", "NUMBER", Some("20000"), "Most connections of a listener"),
    setting(
        "max-connections-per-address",
        "NUMBER",
        Some("10000"),
        "Most connections from one address",
    ),
    setting("first-byte-timeout", "TIME", Some("10s"), "How long a new connection may be silent"),
    setting("head-timeout", "TIME", Some("10s"), "How long the head of a request may take"),
    setting(
        "idle-timeout",
        "TIME",
        Some("60s"),
        "How long a connection may be idle between requests",
    ),
    setting(
        "stall-timeout",
        "TIME",
        Some("60s"),
        "How long a transfer may stand still, in either direction",
    ),
    setting(
        "shutdown-timeout",
        "TIME",
        Some("30s"),
        "How long running requests may go on after SIGTERM",
    ),
    setting("log-format", "FORMAT", Some("text"), "text or json"),
    setting(
        "log-level",
        "LEVEL",
        Some("info"),
        "error, warn, info, debug (with a line for each request) or trace",
    ),
];
