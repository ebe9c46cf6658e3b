//! Names: which are allowed, which type one means, and which ones the database gets.

use std::collections::{HashMap, HashSet};

use crate::model::limits::NAME_BYTES;
use crate::model::schema::TYPE_COLUMN;

use super::read::{Place, Problems};

/// PostgreSQL's longest identifier.
const DATABASE_NAME_BYTES: usize = 63;

/// Columns that PostgreSQL has in every table, and the one that we add to hierarchies.
const RESERVED_COLUMNS: &[&str] = &[TYPE_COLUMN, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Types by name. Two endpoints may declare the same qualified name; each sees its own.
#[derive(Debug, Default)]
pub(super) struct Names {
    own: HashMap<(usize, String), usize>,
    all: HashMap<String, Vec<usize>>,
}

impl Names {
    /// Adds a qualified name; false if the endpoint has it already.
    pub fn add(&mut self, endpoint: usize, qualified: String, id: usize) -> bool {
        if self.own.contains_key(&(endpoint, qualified.clone())) {
            return false;
        }
        self.all.entry(qualified.clone()).or_default().push(id);
        self.own.insert((endpoint, qualified), id);
        true
    }

    /// The endpoint's own type of exactly that name.
    pub fn own(&self, endpoint: usize, qualified: &str) -> Option<usize> {
        self.own.get(&(endpoint, qualified.to_owned())).copied()
    }

    /// What a name means to the endpoint: in one of the namespaces, qualified, or qualified and another endpoint's.
    pub fn find(&self, endpoint: usize, namespaces: &[&str], name: &str) -> Option<usize> {
        let in_namespace = |namespace: &&str| self.own(endpoint, &format!("{namespace}.{name}"));
        let elsewhere = || match self.all.get(name).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            _ => None,
        };
        namespaces
            .iter()
            .find_map(in_namespace)
            .or_else(|| self.own(endpoint, name))
            .or_else(elsewhere)
    }
}

/// Notes a name that MET-33 does not allow, or that is too long.
pub(super) fn check(problems: &Problems, place: Place, what: &str, name: &str) {
    if name.len() > NAME_BYTES {
        problems.add(place, format!("The name of the {what} is longer than {NAME_BYTES} bytes."));
    } else if !is_identifier(name) {
        let rule = "a name begins with a letter or underscore and goes on with letters, digits and underscores";
        problems.add(place, format!("`{name}` cannot be the name of the {what}: {rule}."));
    }
}

/// As [`check`], for names with dots between their parts.
pub(super) fn check_qualified(problems: &Problems, place: Place, what: &str, name: &str) {
    if name.len() > NAME_BYTES || !name.split('.').all(is_identifier) {
        problems.add(
            place,
            format!("`{name}` cannot be the name of the {what}: it must be names with dots between, at most {NAME_BYTES} bytes."),
        );
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first == '_' || first.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric())
}

/// Everything before the last dot, and what follows it.
pub(super) fn split_qualified(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once('.') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    }
}

/// `KeyNameValues` becomes `key_name_values`, `HTTPLogs` becomes `http_logs`.
pub(super) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && (chars[i - 1].is_lowercase() || chars[i - 1].is_numeric());
        let before_lower = i > 0 && chars[i - 1].is_uppercase() && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        match c.is_alphanumeric() {
            true => out.extend(c.to_lowercase()),
            false => out.push('_'),
        }
    }
    out
}

/// Gives out names of a table's columns, or of tables: short enough for both databases, and different even where
/// case does not count, as in SQLite.
#[derive(Debug, Default)]
pub(super) struct Namer {
    used: HashSet<String>,
}

impl Namer {
    /// For the columns of a table.
    pub fn columns() -> Namer {
        Namer {
            used: RESERVED_COLUMNS.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// The name itself if it is short and free, else a shortened one with a hash.
    pub fn take(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut attempt = 0;
        while name.len() > DATABASE_NAME_BYTES || !self.used.insert(name.to_lowercase()) {
            name = with_hash(wanted, attempt);
            attempt += 1;
        }
        name
    }
}

fn with_hash(name: &str, attempt: u32) -> String {
    let suffix = format!("_{:08x}", fnv(name).wrapping_add(attempt));
    let mut end = name.len().min(DATABASE_NAME_BYTES - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// FNV-1a: the same in every version of the server, which a table's name must be.
fn fnv(text: &str) -> u32 {
    text.bytes()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case() {
        for (name, snaked) in [
            ("KeyNameValues", "key_name_values"),
            ("core_Users", "core_users"),
            ("HTTPLogs", "http_logs"),
            ("Order_Details", "order_details"),
            ("A1B", "a1_b"),
            ("üCategories", "ü_categories"),
            ("SP.Lists", "sp_lists"),
        ] {
            assert_eq!(snake(name), snaked);
        }
    }

    #[test]
    fn given_names_are_short_and_differ_without_case() {
        let mut namer = Namer::columns();
        assert_eq!(namer.take("Name"), "Name");
        let second = namer.take("NAME");
        assert!(second.starts_with("NAME_"), "{second}");
        assert_ne!(namer.take("xmin"), "xmin");
        let long = "ü".repeat(100);
        let (first, second) = (namer.take(&long), namer.take(&long));
        assert!(first.len() <= DATABASE_NAME_BYTES && second.len() <= DATABASE_NAME_BYTES && first != second);
    }

    #[test]
    fn identifiers() {
        for (name, allowed) in [
            ("Name", true),
            ("_x", true),
            ("üCategories", true),
            ("", false),
            ("1a", false),
            ("a b", false),
            ("a.b", false),
        ] {
            assert_eq!(is_identifier(name), allowed, "{name}");
        }
    }
}
