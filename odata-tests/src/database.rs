//! A fresh database for each test, on both systems; gone when dropped.

use std::path::{Path, PathBuf};

use diesel::connection::{Connection, SimpleConnection};
use tempfile::TempDir;

use crate::postgres::Postgres;

/// A database system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum System {
    Sqlite,
    Postgres,
}

impl System {
    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            System::Sqlite => "SQLite",
            System::Postgres => "PostgreSQL",
        }
    }

    /// Both; only the first, after one line that says so, when there is no PostgreSQL.
    pub fn all() -> Vec<System> {
        [System::Sqlite, System::Postgres]
            .into_iter()
            .filter(|system| system.is_there())
            .collect()
    }

    /// Whether tests can use it. `REQUIRE_POSTGRES=1` makes the absence of PostgreSQL a failure.
    pub fn is_there(self) -> bool {
        if self == System::Sqlite || Postgres::shared().is_some() {
            return true;
        }
        assert!(
            std::env::var("REQUIRE_POSTGRES").is_err(),
            "REQUIRE_POSTGRES is set and there is no PostgreSQL"
        );
        println!("skipped: no PostgreSQL");
        false
    }
}

/// One database.
#[derive(Debug)]
pub enum Database {
    /// A file in a folder of its own.
    Sqlite(TempDir),
    /// A database of the cluster.
    Postgres(String),
}

impl Database {
    /// An empty one.
    pub fn fresh(system: System) -> Database {
        match system {
            System::Sqlite => Database::Sqlite(TempDir::new().expect("a temporary folder can be made")),
            System::Postgres => Database::Postgres(cluster().create(None)),
        }
    }

    /// Another one with the same content. Nobody may be connected to this one.
    pub fn copy(&self) -> Database {
        match self {
            Database::Sqlite(folder) => {
                let copy = TempDir::new().expect("a temporary folder can be made");
                for name in ["odonata.db", "odonata.db-wal"] {
                    let from = folder.path().join(name);
                    if from.exists() {
                        std::fs::copy(from, copy.path().join(name)).expect("the database file can be copied");
                    }
                }
                Database::Sqlite(copy)
            }
            Database::Postgres(name) => Database::Postgres(cluster().create(Some(name))),
        }
    }

    /// For `ODONATA_DATABASE`.
    pub fn url(&self) -> String {
        match self {
            Database::Sqlite(folder) => format!("sqlite:{}", file(folder.path()).display()),
            Database::Postgres(name) => cluster().url(name),
        }
    }

    /// Does something to it that no server would do.
    pub fn run(&self, sql: &str) {
        let url = self.url();
        let done = match self {
            Database::Sqlite(_) => {
                let connection = diesel::SqliteConnection::establish(url.trim_start_matches("sqlite:"));
                let all = format!("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON; {sql}");
                connection.expect("it opens").batch_execute(&all)
            }
            Database::Postgres(_) => diesel::PgConnection::establish(&url).expect("it opens").batch_execute(sql),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Database::Postgres(name) = self {
            cluster().remove(name);
        }
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("odonata.db")
}

fn cluster() -> &'static Postgres {
    Postgres::shared().expect("PostgreSQL is there: System::is_there was asked")
}
