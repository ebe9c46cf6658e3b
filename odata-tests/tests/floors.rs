//! The house of design.md section 2: a module names its own floor and lower ones; only `store` names diesel, only `http` names actix.

use std::path::{Path, PathBuf};

/// Module and floor. `odata`, `store` and `schedule` do not know each other.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("odata", 1),
    ("store", 1),
    ("schedule", 1),
    ("engine", 2),
    ("auth", 2),
    ("jobs", 3),
    ("http", 4),
    ("plugin", 5),
    ("import", 5),
    ("settings", 5),
    ("cli", 5),
    ("main", 5),
    ("lib", 5),
];

/// Modules of one floor that do not know each other.
const STRANGERS: &[(&str, &str)] = &[
    ("odata", "store"),
    ("odata", "schedule"),
    ("store", "odata"),
    ("store", "schedule"),
    ("schedule", "odata"),
    ("schedule", "store"),
];

/// Crates that one module names, and nobody else.
const OWNED: &[(&str, &str)] = &[
    ("diesel", "store"),
    ("diesel_migrations", "store"),
    ("actix_web", "http"),
    ("ldap3", "auth"),
    ("libgssapi", "auth"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources are here").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The words that follow `prefix` in a text without comments: `crate::{a, b::c}` gives `a` and `b`.
fn names(text: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => names.push(word(std::mem::take(&mut item).trim())),
                _ => {}
            }
            if !(c == ',' && depth == 0) {
                item.push(c);
            }
        }
        names.push(word(item.trim()));
    }
    names.retain(|name| !name.is_empty());
    names
}

fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_module_names_its_own_floor_and_lower_ones() {
    let root = odata_tests::here().join("../src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources are not where they were");
    let mut wrong = Vec::new();
    for file in files {
        let place = file.strip_prefix(&root).expect("it is below").to_string_lossy().into_owned();
        let module = place.split(['/', '.']).next().unwrap_or_default().to_owned();
        let floor = |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor);
        let Some(own) = floor(&module) else {
            wrong.push(format!("{place}: the module {module} has no floor in FLOORS"));
            continue;
        };
        let text = without_comments(&std::fs::read_to_string(&file).expect("a source can be read"));
        for name in names(&text, "crate::") {
            if floor(&name).is_some_and(|there| there > own) || STRANGERS.contains(&(module.as_str(), name.as_str())) {
                wrong.push(format!("{place} (floor {own}) names {name}"));
            }
        }
        for (owned, owner) in OWNED {
            let named = !names(&text, &format!("{owned}::")).is_empty() || text.contains(&format!("use {owned};"));
            if named && module != *owner {
                wrong.push(format!("{place} names {owned}, which only {owner} may"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn names_are_found() {
    let text = "use crate::{a::{b, c}, d};\nuse crate::e::f;\nlet x = crate::g(); mycrate::h";
    assert_eq!(names(text, "crate::"), ["a", "d", "e", "g"]);
}
