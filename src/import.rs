//! `odonata import`: a CSDL document becomes a plugin folder of schema files, in the format of `schema/README.md`.
//!
//! What the schema files cannot say is listed in the [`Report`] item by item, and so is everything that the document
//! does not say and that had to be derived. The files are loaded and `$metadata` is written from them before they
//! reach the disk, so the report has every difference, also those that nobody thought of.

use std::fmt;
use std::path::Path;

use crate::model::fault::{BAD_BODY, BAD_REQUEST, CONFLICT, Fault, INTERNAL, Outcome};
use crate::model::limits::NAME_BYTES;
use crate::odata::csdl;

mod document;
mod files;
mod joins;
mod operations;
#[cfg(test)]
mod tests;
mod toml;
mod verify;

/// What `import` has to say to the person who called it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The files written, relative to the folder.
    pub files: Vec<String>,
    /// What is in the document and not in the files.
    pub lost: Vec<Item>,
    /// What is in the files and not in the document.
    pub derived: Vec<Item>,
}

/// A line of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is about: `NorthwindModel.Category/Picture`.
    pub path: String,
    /// A phrase.
    pub note: String,
}

impl Report {
    fn lose(&mut self, path: impl Into<String>, note: impl Into<String>) {
        let (path, note) = (path.into(), note.into());
        self.lost.push(Item { path, note });
    }

    fn derive(&mut self, path: impl Into<String>, note: impl Into<String>) {
        let (path, note) = (path.into(), note.into());
        self.derived.push(Item { path, note });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files written", self.files.len())?;
        for (title, items) in [("not kept", &self.lost), ("derived", &self.derived)] {
            writeln!(f, "{title}: {}", items.len())?;
            for item in items {
                match item.path.as_str() {
                    "" => writeln!(f, "  {}", item.note)?,
                    path => writeln!(f, "  {path}: {}", item.note)?,
                }
            }
        }
        Ok(())
    }
}

/// Reads `document` and writes `folder` (`plugins/<name>`): `plugin.toml` and `schema/*.toml` for the endpoint of that name.
///
/// Errors: `bad_body` for a document that is not CSDL, `bad_request` for a name that cannot stand in a URL, `conflict`
/// for a folder that has files already; nothing is written then.
pub fn import(document: &[u8], endpoint: &str, folder: &Path) -> Outcome<Report> {
    let (texts, report) = convert(document, endpoint)?;
    if let Some(entry) = first_entry(folder)? {
        let message = format!("The folder {} has files already, such as {entry}.", folder.display());
        return Err(Fault::new(&CONFLICT, message));
    }
    let failed = |path: &Path, error: std::io::Error| Fault::new(&INTERNAL, format!("{} cannot be written: {error}.", path.display()));
    let schema = folder.join("schema");
    std::fs::create_dir_all(&schema).map_err(|error| failed(&schema, error))?;
    for (name, text) in texts {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(report)
}

/// The same without a folder: names relative to it, and texts.
pub fn convert(document: &[u8], endpoint: &str) -> Outcome<(Vec<(String, String)>, Report)> {
    if !is_identifier(endpoint) {
        let message = format!("{endpoint:?} cannot be the name of an endpoint: letters, digits and underscores, no digit first.");
        return Err(Fault::new(&BAD_REQUEST, message));
    }
    let document = csdl::read(document)?;
    let mut report = Report::default();
    for dropped in &document.dropped {
        report.lose(&dropped.path, &dropped.what);
    }
    let index = document::Index::new(&document, &mut report)?;
    let texts = files::write(&index, endpoint, &mut report)?;
    verify::verify(&document, &texts, endpoint, &mut report);
    report.files = texts.iter().map(|(name, _)| name.clone()).collect();
    Ok((texts, report))
}

fn is_identifier(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.len() <= NAME_BYTES && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn first_entry(folder: &Path) -> Outcome<Option<String>> {
    let failed = |error: std::io::Error| Fault::new(&INTERNAL, format!("{} cannot be read: {error}.", folder.display()));
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            let entry = entries.next().transpose().map_err(failed)?;
            Ok(entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn bad_document(message: String) -> Fault {
    Fault::new(&BAD_BODY, message)
}
