//! Reading TOML so that every fault has its place.

use std::cell::RefCell;
use std::collections::HashSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// Where something stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Index into the files of [`Problems`].
    pub file: usize,
    /// Counted from 1.
    pub line: usize,
}

/// Something with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    /// The thing.
    pub it: T,
    /// Where it stood.
    pub place: Place,
}

/// The faults found so far, and the files that places point into.
#[derive(Debug, Default)]
pub(super) struct Problems {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Name, and where its lines begin.
    files: Vec<(String, Vec<usize>)>,
    /// Files with syntax errors: what else seems wrong in them is a consequence.
    broken: HashSet<usize>,
    found: Vec<Problem>,
}

impl Problems {
    /// Makes a file known.
    fn file(&self, name: &str, text: &str) -> usize {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let files = &mut self.state.borrow_mut().files;
        files.push((name.to_owned(), starts.collect()));
        files.len() - 1
    }

    /// The place of a byte of a file.
    fn place(&self, file: usize, offset: usize) -> Place {
        let line = self.state.borrow().files[file].1.partition_point(|&start| start <= offset);
        Place { file, line: line.max(1) }
    }

    /// `file:line`.
    pub fn show(&self, place: Place) -> String {
        format!("{}:{}", self.state.borrow().files[place.file].0, place.line)
    }

    /// The file's name.
    pub fn file_name(&self, place: Place) -> String {
        self.state.borrow().files[place.file].0.clone()
    }

    /// Notes a fault.
    pub fn add(&self, place: Place, message: impl Into<String>) {
        let state = &mut *self.state.borrow_mut();
        if !state.broken.contains(&place.file) {
            let file = state.files.get(place.file).map(|file| file.0.clone()).unwrap_or_default();
            state.found.push(Problem {
                file,
                line: place.line,
                message: message.into(),
            });
        }
    }

    /// All faults, by file and line.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.state.into_inner().found;
        found.sort();
        found.dedup();
        found
    }

    /// Parses a file as far as it goes; syntax errors are noted, and hide the other faults of the file.
    pub fn parse<T>(&self, name: &str, text: &str, then: impl FnOnce(Fields<'_>) -> T) -> T {
        let file = self.file(name, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut starts: Vec<_> = errors
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), error.message()))
            .collect();
        starts.sort_unstable();
        let mut last = 0;
        for (start, message) in starts {
            let place = self.place(file, start);
            // What follows on the same line is mostly a consequence.
            if place.line != last {
                self.add(place, format!("The file is not TOML: {}.", message.trim_end_matches('.')));
                last = place.line;
            }
        }
        if !errors.is_empty() {
            self.state.borrow_mut().broken.insert(file);
        }
        then(Fields::new(self, table.get_ref(), Place { file, line: 1 }, "a schema file"))
    }
}

/// A TOML table being read: each key is asked for once, and [`Fields::finish`] names those that nobody asked for.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// Where the table stands.
    pub place: Place,
    /// What it describes, with its article.
    what: &'static str,
    problems: &'a Problems,
    entries: Vec<Entry<'a>>,
    asked: Vec<&'static str>,
}

/// One key of a table.
#[derive(Debug)]
struct Entry<'a> {
    key: &'a str,
    place: Place,
    value: &'a DeValue<'a>,
}

impl<'a> Fields<'a> {
    fn new(problems: &'a Problems, table: &'a DeTable<'a>, place: Place, what: &'static str) -> Self {
        let mut found: Vec<_> = table.iter().collect();
        // The map is sorted by name; schema files mean their own order.
        found.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<_>)| {
            let key: &'a Spanned<std::borrow::Cow<'a, str>> = key;
            Entry {
                key: key.get_ref(),
                place: problems.place(place.file, key.span().start),
                value: value.get_ref(),
            }
        };
        let entries = found.into_iter().map(entry).collect();
        Fields {
            place,
            what,
            problems,
            entries,
            asked: Vec::new(),
        }
    }

    /// Names what the table describes, for messages.
    pub fn describe(&mut self, what: &'static str) {
        self.what = what;
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Whether the key is there, with a string.
    pub fn has_text(&self, key: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.key == key && matches!(entry.value, DeValue::String(_)))
    }

    fn ask(&mut self, key: &'static str) -> Option<(Place, &'a DeValue<'a>)> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some((entry.place, entry.value))
    }

    fn wrong(&self, key: &str, place: Place, value: &DeValue<'_>, wanted: &str) {
        self.problems.add(place, format!("`{key}` must be {wanted}, not {}.", kind(value)));
    }

    /// A string.
    pub fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let (place, value) = self.ask(key)?;
        match value {
            DeValue::String(text) => Some(At {
                it: text.to_string(),
                place,
            }),
            _ => {
                self.wrong(key, place, value, "a string");
                None
            }
        }
    }

    /// A string that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Option<At<String>> {
        if !self.has(key) {
            self.problems
                .add(self.place, format!("`{key}` is missing: {} needs it.", self.what));
        }
        self.text(key)
    }

    /// true or false, if it is there.
    pub fn choice(&mut self, key: &'static str) -> Option<bool> {
        let (place, value) = self.ask(key)?;
        match value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong(key, place, value, "true or false");
                None
            }
        }
    }

    /// true or false; false if it is not there.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.choice(key).unwrap_or(false)
    }

    /// A number within bounds.
    pub fn number(&mut self, key: &'static str, min: u32, max: u32) -> Option<At<u32>> {
        let (place, value) = self.ask(key)?;
        let number = match value {
            DeValue::Integer(integer) => u32::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => {
                self.wrong(key, place, value, "a number");
                return None;
            }
        };
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.problems.add(place, format!("`{key}` must be between {min} and {max}."));
        }
        number.map(|it| At { it, place })
    }

    /// A value that has a text form: string, number, boolean, date.
    pub fn scalar(&mut self, key: &'static str) -> Option<At<String>> {
        let (place, value) = self.ask(key)?;
        let it = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            _ => {
                self.wrong(key, place, value, "a string, a decimal number, true or false");
                return None;
            }
        };
        Some(At { it, place })
    }

    /// A string or true: `Some(None)` is true, and false is as if it were not there.
    pub fn text_or_true(&mut self, key: &'static str) -> Option<At<Option<String>>> {
        let (place, value) = self.ask(key)?;
        match value {
            DeValue::Boolean(true) => Some(At { it: None, place }),
            DeValue::Boolean(false) => None,
            DeValue::String(text) => Some(At {
                it: Some(text.to_string()),
                place,
            }),
            _ => {
                self.wrong(key, place, value, "true, false or a string");
                None
            }
        }
    }

    /// An array of strings; empty if it is not there.
    pub fn texts(&mut self, key: &'static str) -> Vec<At<String>> {
        let Some((place, value)) = self.ask(key) else { return Vec::new() };
        self.strings(key, place, value)
    }

    /// An array of arrays of strings; empty if it is not there.
    pub fn text_lists(&mut self, key: &'static str) -> Vec<At<Vec<At<String>>>> {
        let Some((place, value)) = self.ask(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.wrong(key, place, value, "an array of arrays of strings");
            return Vec::new();
        };
        let item = |item: &'a Spanned<DeValue<'a>>| {
            let place = self.problems.place(place.file, item.span().start);
            At {
                it: self.strings(key, place, item.get_ref()),
                place,
            }
        };
        items.iter().map(item).collect()
    }

    fn strings(&self, key: &str, place: Place, value: &DeValue<'_>) -> Vec<At<String>> {
        let DeValue::Array(items) = value else {
            self.wrong(key, place, value, "an array of strings");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let place = self.problems.place(place.file, item.span().start);
            match item.get_ref() {
                DeValue::String(text) => texts.push(At {
                    it: text.to_string(),
                    place,
                }),
                other => self.problems.add(place, format!("`{key}` must hold strings, not {}.", kind(other))),
            }
        }
        texts
    }

    /// A table of tables, in the order of the file.
    pub fn tables(&mut self, key: &'static str, what: &'static str) -> Vec<(At<String>, Fields<'a>)> {
        let Some((place, value)) = self.ask(key) else { return Vec::new() };
        let DeValue::Table(table) = value else {
            self.wrong(key, place, value, "a table");
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in Fields::new(self.problems, table, place, what).entries {
            match entry.value {
                DeValue::Table(inner) => {
                    let name = At {
                        it: entry.key.to_owned(),
                        place: entry.place,
                    };
                    found.push((name, Fields::new(self.problems, inner, entry.place, what)));
                }
                other => self.wrong(entry.key, entry.place, other, "a table"),
            }
        }
        found
    }

    /// A table with keys of its own.
    pub fn table(&mut self, key: &'static str, what: &'static str) -> Option<Fields<'a>> {
        let (place, value) = self.ask(key)?;
        match value {
            DeValue::Table(table) => Some(Fields::new(self.problems, table, place, what)),
            other => {
                self.wrong(key, place, other, "a table");
                None
            }
        }
    }

    /// An array of tables.
    pub fn list(&mut self, key: &'static str, what: &'static str) -> Vec<Fields<'a>> {
        let Some((place, value)) = self.ask(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.wrong(key, place, value, "an array of tables");
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            let place = self.problems.place(place.file, item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => found.push(Fields::new(self.problems, table, place, what)),
                other => self.wrong(key, place, other, "an array of tables"),
            }
        }
        found
    }

    /// A table whose keys are free and whose values are strings.
    pub fn pairs(&mut self, key: &'static str) -> Vec<(At<String>, String)> {
        let Some((place, value)) = self.ask(key) else { return Vec::new() };
        let DeValue::Table(table) = value else {
            self.wrong(key, place, value, "a table of strings");
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in Fields::new(self.problems, table, place, self.what).entries {
            match entry.value {
                DeValue::String(text) => found.push((
                    At {
                        it: entry.key.to_owned(),
                        place: entry.place,
                    },
                    text.to_string(),
                )),
                other => self.wrong(entry.key, entry.place, other, "a string"),
            }
        }
        found
    }

    /// Notes a fault.
    pub fn fault(&self, place: Place, message: impl Into<String>) {
        self.problems.add(place, message);
    }

    /// Names the keys that nobody asked for.
    pub fn finish(self) {
        for entry in &self.entries {
            if !self.asked.contains(&entry.key) {
                let near = self.asked.iter().find(|known| distance(known, entry.key) <= 2);
                let hint = near.map(|known| format!(" Did you mean `{known}`?")).unwrap_or_default();
                self.problems
                    .add(entry.place, format!("`{}` is not a key of {}.{hint}", entry.key, self.what));
            }
        }
    }
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// How many letters have to be added, left out or replaced to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
