//! The loader: schema files in, [`Schema`] out. Built-in endpoints and plugin folders go the same way.
//!
//! Two phases: [`raw`] reads every file into plain structures that remember where each thing stood; [`build`] resolves names
//! and derives what the rest of the house needs: inheritance, associations, joins, tables. Every fault is collected.

mod associations;
mod build;
mod endpoints;
mod jobs;
mod joins;
mod names;
mod navigations;
mod operations;
mod properties;
mod raw;
mod read;
mod row_rules;
mod tables;
mod types;

use std::fmt;
use std::path::Path;

use rust_embed::Embed;

use crate::model::schema::Schema;
use read::Problems;

/// The built-in schema: inside the release binary, read from disk in a debug build.
#[derive(Embed)]
#[folder = "schema"]
struct BuiltIn;

/// One fault of a schema file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as the loader found it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// A full sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// The files of one endpoint: `endpoint.toml` or `plugin.toml` (or both), and any number of others.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Name, as it is shown in a [`Problem`], and content. The last part of the name says what the file is.
    pub files: Vec<(String, String)>,
}

/// Loads the built-in endpoints and the plugin folders under `plugins`; a folder that is not there is empty.
pub fn load(plugins: Option<&Path>) -> Result<Schema, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut sources = built_in();
    if sources.is_empty() {
        problems.push(problem("schema", "The built-in schema files are missing."));
    }
    if let Some(folder) = plugins {
        sources.extend(plugin_folders(folder, &mut problems));
    }
    match load_sources(sources) {
        Ok(schema) if problems.is_empty() => Ok(schema),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            problems.sort();
            Err(problems)
        }
    }
}

/// Loads endpoints from texts.
pub fn load_sources(sources: Vec<Source>) -> Result<Schema, Vec<Problem>> {
    let problems = Problems::default();
    let endpoints = raw::endpoints(&sources, &problems);
    let schema = build::build(&endpoints, &problems);
    let found = problems.into_sorted();
    if found.is_empty() { Ok(schema) } else { Err(found) }
}

/// The built-in endpoints, one source for each folder of `schema/`.
pub fn built_in() -> Vec<Source> {
    let mut sources: Vec<(String, Source)> = Vec::new();
    let mut names: Vec<_> = BuiltIn::iter().filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    for name in names {
        let Some((folder, _)) = name.split_once('/') else { continue };
        let Some(file) = BuiltIn::get(&name) else { continue };
        let file = (format!("schema/{name}"), String::from_utf8_lossy(&file.data).into_owned());
        match sources.last_mut() {
            Some((last, source)) if last == folder => source.files.push(file),
            _ => sources.push((folder.to_owned(), Source { files: vec![file] })),
        }
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

/// `<folder>/*/plugin.toml` with `<folder>/*/schema/*.toml`, in the order of their names.
fn plugin_folders(folder: &Path, problems: &mut Vec<Problem>) -> Vec<Source> {
    let mut sources = Vec::new();
    for plugin in entries(folder, problems) {
        let manifest = plugin.join("plugin.toml");
        if !manifest.is_file() {
            if plugin.join("schema").is_dir() {
                problems.push(problem(
                    &manifest.display().to_string(),
                    "The file is missing: a plugin folder needs it beside `schema`.",
                ));
            }
            continue;
        }
        let mut paths = entries(&plugin.join("schema"), problems);
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.insert(0, manifest);
        let mut source = Source::default();
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => source.files.push((path.display().to_string(), text)),
                Err(error) => problems.push(problem(&path.display().to_string(), &format!("The file cannot be read: {error}."))),
            }
        }
        sources.push(source);
    }
    sources
}

/// What is in a folder, sorted; nothing if the folder is not there.
fn entries(folder: &Path, problems: &mut Vec<Problem>) -> Vec<std::path::PathBuf> {
    let read = match std::fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(problem(
                &folder.display().to_string(),
                &format!("The folder cannot be read: {error}."),
            ));
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn problem(file: &str, message: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        line: 1,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
