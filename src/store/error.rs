use std::path::{Path, PathBuf};

use paper::PaperId;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk; nothing of the failed write is kept.
    #[error("the disk is full: make room and run the same command again; nothing stored so far is lost")]
    Full,
    /// Another program holds the database for longer than is waited.
    #[error(
        "the library database is locked by another program (a backup, an SQL shell); let that finish and run the same \
         command again; nothing stored so far is lost"
    )]
    Busy,
    /// The file is damaged or is no database.
    #[error("{} is not a usable library database ({reason}); restore it from a backup, or move it away and sync again", file.display())]
    Corrupt {
        /// The database file.
        file: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// The file cannot be opened or written.
    #[error("cannot open the library database {}: {reason}", file.display())]
    Unavailable {
        /// The database file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A row that the program cannot read back, from a newer version or from outside.
    #[error("a stored {what} cannot be read back: {source}")]
    Unreadable {
        /// What kind of row.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Several papers have the identifier.
    #[error("{}", several(key, papers))]
    Ambiguous {
        /// The identifier.
        key: String,
        /// Their ids and titles.
        papers: Vec<(PaperId, String)>,
    },
    /// Records cannot be joined or separated as it was asked.
    #[error("{why}")]
    Undecidable {
        /// Why.
        why: String,
    },
    /// There is no such decision to take back.
    #[error("there is no decision {id} that holds; `lectern papers decisions` lists them")]
    NoDecision {
        /// Its number.
        id: i64,
    },
    /// Any other failure of the database.
    #[error("the library database failed: {0}")]
    Database(sqlx::Error),
}

fn several(key: &str, papers: &[(PaperId, String)]) -> String {
    const MOST: usize = 10;
    let named: Vec<String> = papers.iter().take(MOST).map(|(id, title)| format!("{id} (“{title}”)")).collect();
    let more = papers.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} papers have the id `{key}`; name one by its own id: {}{more}", papers.len(), named.join(", "))
}

/// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;

impl StoreError {
    /// Whether what was asked for cannot be done, rather than the store.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        matches!(self, Self::Ambiguous { .. } | Self::Undecidable { .. } | Self::NoDecision { .. })
    }

    pub(super) fn opening(file: &Path, source: sqlx::Error) -> Self {
        let reason = source.to_string();
        let file = file.to_owned();
        match primary_code(&source) {
            Some(SQLITE_FULL) => Self::Full,
            Some(SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy,
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Self::Corrupt { file, reason },
            _ => Self::Unavailable { file, reason },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        match primary_code(&source) {
            Some(SQLITE_FULL) => Self::Full,
            Some(SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy,
            _ => Self::Database(source),
        }
    }
}

/// The low byte of an extended result code is the primary one.
fn primary_code(source: &sqlx::Error) -> Option<u32> {
    let inner = match source {
        sqlx::Error::Migrate(migrate) => match migrate.as_ref() {
            sqlx::migrate::MigrateError::Execute(inner) | sqlx::migrate::MigrateError::ExecuteMigration(inner, _) => {
                inner
            }
            _ => return None,
        },
        other => other,
    };
    let code: u32 = inner.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
