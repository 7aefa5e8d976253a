use gatepass_core::port::CatalogError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why a database is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL makes no sense. It is not repeated: it may hold a password.
    #[error("the catalog's URL makes no sense")]
    Url(#[source] Error),
    /// The URL names no host.
    #[error("the catalog's URL names no host")]
    NoHost,
    /// The certificates to trust cannot be read.
    #[error("the certificates to trust cannot be read: {0}")]
    Certificates(String),
    /// The pool cannot be made.
    #[error("the pool of connections cannot be made: {0}")]
    Pool(String),
    /// It does not hold texts as UTF-8.
    #[error("the database {place} is in {found}: Gatepass needs one in UTF8")]
    Encoding {
        /// Where it is.
        place: String,
        /// Its encoding.
        found: String,
    },
    /// A later version of Gatepass has changed the database.
    #[error(
        "the database {place} was made by a newer gatepass (schema {found}, this one knows {known}): use that version"
    )]
    Newer {
        /// Where it is.
        place: String,
        /// Its schema.
        found: i32,
        /// The newest schema we know.
        known: i32,
    },
    /// There are tables of another program.
    #[error(
        "the database {0} holds tables, but not those of gatepass: give it a database of its own"
    )]
    Foreign(String),
    /// It does not answer, or says no.
    #[error("cannot use the database {place}")]
    Failed {
        /// Where it is.
        place: String,
        /// The reason.
        source: CatalogError,
    },
}

/// What came of one attempt at a change, when it was not made for certain.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The answer is lost with its connection: it may have been made. To be tried again.
    Lost(Error),
    /// It was not made, and another attempt may do better.
    Again(Error),
    /// It was not made.
    Final(E),
}

impl<E: From<CatalogError>> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        let Some(code) = error.code() else { return Self::Lost(error) };
        match *code {
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE => Self::Again(error),
            // The last one is a standby, or was made one.
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::TOO_MANY_CONNECTIONS
            | SqlState::READ_ONLY_SQL_TRANSACTION => Self::Lost(error),
            _ if code.code().starts_with("08") => Self::Lost(error),
            _ => Self::Final(catalog_error(error).into()),
        }
    }
}

impl<E: From<CatalogError>> From<CatalogError> for Failure<E> {
    fn from(error: CatalogError) -> Self {
        Self::Final(error.into())
    }
}

impl<E> Failure<E> {
    /// The same, of another kind of refusal.
    pub(crate) fn map<O>(self, map: impl FnOnce(E) -> O) -> Failure<O> {
        match self {
            Self::Lost(error) => Failure::Lost(error),
            Self::Again(error) => Failure::Again(error),
            Self::Final(refusal) => Failure::Final(map(refusal)),
        }
    }
}

impl Failure<CatalogError> {
    /// The error, where nothing is tried again.
    pub(crate) fn into_error(self) -> CatalogError {
        match self {
            Self::Lost(error) | Self::Again(error) => catalog_error(error),
            Self::Final(error) => error,
        }
    }
}

/// What an error of PostgreSQL means for the caller.
pub(crate) fn catalog_error(error: Error) -> CatalogError {
    match error.code() {
        Some(&SqlState::DISK_FULL) => CatalogError::Full(Box::new(error)),
        Some(&(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED)) => {
            CatalogError::Corrupt(error.to_string())
        }
        _ => CatalogError::Unavailable(Box::new(error)),
    }
}
