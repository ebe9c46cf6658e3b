//! Black-box protocol tests of Odonata: a real server as a child process, requests over HTTP, cases as text files.
//!
//! | module | duty |
//! |---|---|
//! | [`browser`] | a headless browser with a page of another origin |
//! | [`chaos`] | servers and runners that are killed, and what must be true afterwards |
//! | [`client`] | a small blocking HTTP/1.1 client |
//! | [`server`] | the binary: found or built, started, killed; its command line |
//! | [`multipart`] | answers to `$batch`, as a client reads them |
//! | [`peers`] | servers of others |
//! | [`postgres`] | a PostgreSQL of our own, or a given one |
//! | [`database`] | a fresh database for each test, on both systems |
//! | [`fixture`] | plugin folders and rows that a case file starts from |
//! | [`case`] | the format of case files |
//! | [`issuer`] | an issuer of tokens on loopback |
//! | [`jobs`] | random lives of jobs, and what must become of them |
//! | [`kdc`] | a Kerberos realm of our own |
//! | [`lists`] | random trees with access control lists, and who may do what with them |
//! | [`mailbox`] | a mail server |
//! | [`matching`] | expected against actual |
//! | [`runner`] | runs case files |
//! | [`programs`] | runs client programs |
//! | [`damage`] | random damage to texts |
//! | [`queries`] | what clients of Appclusive were seen to ask |
//! | [`random`] | a seeded generator, so that every failure can be repeated |
//! | [`semantics`] | random expressions, and what they mean |
//! | [`slapd`] | a directory of our own |
//! | [`spatial`] | random shapes, and what is measured of them |
//! | [`visible`] | random tenants, roles and rows, and who may see what |
//! | [`tokens`] | keys that are made for a test, and the tokens that they sign |
//! | [`walk`] | every place of every endpoint, and who may see what there |
//! | [`vectors`] | what other implementations expect |
//! | [`xml`] | a document as a tree |

pub mod agreement;
pub mod browser;
pub mod case;
pub mod chaos;
pub mod client;
pub mod damage;
pub mod database;
pub mod fixture;
pub mod issuer;
pub mod jobs;
pub mod kdc;
pub mod lists;
pub mod mailbox;
pub mod matching;
pub mod multipart;
pub mod peers;
pub mod postgres;
pub mod programs;
pub mod queries;
pub mod random;
pub mod runner;
pub mod semantics;
pub mod server;
pub mod slapd;
pub mod spatial;
pub mod tokens;
pub mod vectors;
pub mod visible;
pub mod walk;
pub mod xml;

use std::path::PathBuf;

/// The folder of this crate.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with material that is not part of the project; tests that need it say "skipped" when it is missing.
pub fn shared() -> Option<PathBuf> {
    let folder = here().join("../../shared");
    folder.is_dir().then_some(folder)
}
