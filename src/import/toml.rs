//! TOML as people write it: a row for each property, quotes on keys only where they are needed.

use std::fmt::Write as _;

/// A basic string with its quotes.
pub(super) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key, bare if it can be.
pub(super) fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { text.to_owned() } else { string(text) }
}

/// An array of strings on one line.
pub(super) fn strings<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| string(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// Rows of `key = value`, in the order they were added.
#[derive(Default)]
pub(super) struct Rows(Vec<(String, String)>);

impl Rows {
    /// A value that is TOML already.
    pub fn raw(&mut self, name: &str, value: impl Into<String>) -> &mut Rows {
        self.0.push((key(name), value.into()));
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Rows {
        self.raw(name, string(value))
    }

    pub fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Rows {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub fn flag(&mut self, name: &str, value: Option<bool>) -> &mut Rows {
        match value {
            Some(value) => self.raw(name, value.to_string()),
            None => self,
        }
    }

    /// `true`, or no row.
    pub fn when(&mut self, value: bool, name: &str) -> &mut Rows {
        self.flag(name, value.then_some(true))
    }

    pub fn number(&mut self, name: &str, value: Option<u32>) -> &mut Rows {
        match value {
            Some(value) => self.raw(name, value.to_string()),
            None => self,
        }
    }

    /// A row unless the list is empty.
    pub fn list<T: AsRef<str>>(&mut self, name: &str, items: &[T]) -> &mut Rows {
        if items.is_empty() { self } else { self.raw(name, strings(items)) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line: `{ a = 1, b = 2 }`.
    pub fn inline(&self) -> String {
        let rows: Vec<String> = self.0.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", rows.join(", "))
    }

    /// A line for each.
    pub fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }

    /// A line for each, the equals signs below each other as far as that helps the eye.
    pub fn columns(&self) -> String {
        let widths = self.0.iter().map(|(key, _)| key.chars().count());
        let width = widths.filter(|&width| width <= 30).max().unwrap_or(0);
        self.0.iter().map(|(key, value)| format!("{key:width$} = {value}\n")).collect()
    }
}
