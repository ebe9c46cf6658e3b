//! Every item of the checklist `../shared/reference/odata-v3.md` is named by a black-box test: in the title of a case, or in another test of
//! this crate. Unit tests and code of `src` are counted apart; they do not show what a client sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Must,
    Should,
    May,
}

/// A statement of the checklist.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    id: String,
    level: Level,
}

impl Item {
    /// `PRM` of `PRM-20`.
    fn section(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }
}

/// A statement is a duty unless the only thing it says of itself is SHOULD or MAY.
fn level(statement: &str) -> Level {
    let words = || statement.split(|c: char| !c.is_ascii_alphanumeric());
    if words().any(|word| word == "MUST") {
        return Level::Must;
    }
    match words().find(|word| ["SHOULD", "MAY"].contains(word)) {
        Some("SHOULD") => Level::Should,
        Some(_) => Level::May,
        None => Level::Must,
    }
}

/// Capitals, a hyphen, digits: `PRM-20`. What stands in longer words is none.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.'));
    words.map(|word| word.trim_matches('.')).filter(|word| {
        let (letters, digits) = word.split_once('-').unwrap_or_default();
        (2..=3).contains(&letters.len())
            && letters.bytes().all(|byte| byte.is_ascii_uppercase())
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The items in the order of the document: `- **PRM-1** MUST …` and rows `| FLT-50 | … |`.
fn items(checklist: &str) -> Vec<Item> {
    let statements = checklist.lines().filter_map(|line| {
        let listed = line.strip_prefix("- **").and_then(|rest| rest.split_once("** "));
        let (id, statement) = listed.or_else(|| line.strip_prefix("| ")?.split_once(" |"))?;
        (ids(id).next() == Some(id)).then(|| Item {
            id: id.to_owned(),
            level: level(statement),
        })
    });
    statements.collect()
}

fn walk(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !path.ends_with("node_modules") {
            walk(&path, extensions, found);
        } else if extensions.contains(&extension.as_str()) {
            found.push(path);
        }
    }
}

/// The ids in the lines of all such files, and a file that has each.
fn named(folders: &[&str], extensions: &[&str], line_counts: impl Fn(&str) -> bool) -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&odata_tests::here().join(folder), extensions, &mut files);
    }
    // This file names what is not tested.
    files.retain(|path| !path.ends_with("coverage.rs"));
    let mut named = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source can be read");
        let lines = text.lines().filter(|line| line_counts(line));
        named.extend(lines.flat_map(ids).map(|id| (id.to_owned(), path.clone())));
    }
    named
}

#[test]
fn every_item_is_named_by_a_case() {
    let Some(shared) = odata_tests::shared() else {
        println!("skipped: no ../shared with the checklist");
        return;
    };
    let checklist = std::fs::read_to_string(shared.join("reference/odata-v3.md")).expect("the checklist can be read");
    let items = items(&checklist);
    assert!(items.len() > 300, "the checklist is not what it was");
    let mut cases = named(&["cases"], &["http"], |line| line.starts_with("### "));
    cases.extend(named(&["tests", "clients"], &["rs", "js", "py", "html"], |_| true));
    let sources = named(&["../src"], &["rs"], |_| true);

    let mut sections: Vec<&str> = Vec::new();
    for item in &items {
        if !sections.contains(&item.section()) {
            sections.push(item.section());
        }
    }
    println!("{:8} {:>6} {:>8} {:>10}  not named", "section", "items", "by cases", "src only");
    for section in sections {
        let items: Vec<&Item> = items.iter().filter(|item| item.section() == section).collect();
        let by_cases = items.iter().filter(|item| cases.contains_key(&item.id)).count();
        let rest: Vec<&&Item> = items.iter().filter(|item| !cases.contains_key(&item.id)).collect();
        let by_sources = rest.iter().filter(|item| sources.contains_key(&item.id)).count();
        let unnamed = rest.iter().map(|item| match item.level {
            Level::Must => item.id.clone(),
            Level::Should => format!("({} SHOULD)", item.id),
            Level::May => format!("({} MAY)", item.id),
        });
        let unnamed: Vec<String> = unnamed.collect();
        println!("{section:8} {:6} {by_cases:8} {by_sources:10}  {}", items.len(), unnamed.join(" "));
    }

    let known: BTreeSet<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let prefixes: BTreeSet<&str> = items.iter().map(Item::section).collect();
    let of_checklist = |id: &str| prefixes.contains(id.split('-').next().unwrap_or_default());
    let misspelt: Vec<_> = cases
        .iter()
        .filter(|(id, _)| of_checklist(id) && !known.contains(id.as_str()))
        .collect();
    assert!(misspelt.is_empty(), "the checklist has no such items: {misspelt:#?}");
    let duties = items
        .iter()
        .filter(|item| item.level == Level::Must && !cases.contains_key(&item.id));
    let unnamed: Vec<&str> = duties.map(|item| item.id.as_str()).collect();
    assert!(unnamed.is_empty(), "a case must name these: {unnamed:?}");
}

#[test]
fn statements_are_read() {
    let text = "# A\n- **PRM-1** MUST support. It SHOULD be fast. [X]\n- **LIT-6** `null`; MAY accept. [Y]\n- **VAL** no item\n\
        | id | call |\n|---|---|\n| FLT-50 | `a` | MUST also work |\n| JL-1 | none |\n| SvcDoc.Core.3002 | a rule |\n- **RD-5** HEAD. SHOULD\n";
    let found: Vec<(String, Level)> = items(text).into_iter().map(|item| (item.id, item.level)).collect();
    let expected = [
        ("PRM-1", Level::Must),
        ("LIT-6", Level::May),
        ("FLT-50", Level::Must),
        ("JL-1", Level::Must),
        ("RD-5", Level::Should),
    ];
    assert_eq!(found, expected.map(|(id, level)| (id.to_owned(), level)));
    let title = "### SEL-4 SEL-3 of (WR-12), PTH-27. not UTF-8x, A-1, Feed.Core-20, ISO-8601Z or a WR-";
    assert_eq!(ids(title).collect::<Vec<_>>(), ["SEL-4", "SEL-3", "WR-12", "PTH-27"]);
}
