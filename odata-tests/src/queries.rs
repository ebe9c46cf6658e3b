//! The queries that clients of Appclusive were seen to send: the table in section 6.4 of `../shared/reference/appclusive.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// For `<g>`: the tenant that everything belongs to.
pub const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
/// Rows that the service itself refused, although the table does not say so: its `$metadata` has no such property.
const REFUSED: &[(usize, &str)] = &[(6, "a Tenant has no Tid")];

/// A row of the table.
#[derive(Debug)]
pub struct Query {
    /// In the table.
    pub number: usize,
    /// `Core/Nodes`, `Core/Roles(5L)/Permissions`, `Core/*`.
    pub place: String,
    /// Options as they stand in a URL, blanks and all.
    pub options: Vec<String>,
    /// What must come back.
    pub status: u16,
    /// Of a model that nobody stored.
    pub second_generation: bool,
}

impl Query {
    /// Its `$filter`.
    pub fn filter(&self) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix("$filter="))
    }
}

/// The rows of the table, one for each place that a row names.
pub fn queries(text: &str) -> Vec<Query> {
    let section = text
        .split("### 6.4 ")
        .nth(1)
        .and_then(|rest| rest.split("\n### ").next())
        .unwrap_or_default();
    section.lines().flat_map(rows).collect()
}

fn rows(line: &str) -> Vec<Query> {
    let cells: Vec<&str> = line.trim_matches('|').splitn(3, '|').map(str::trim).collect();
    let [number, places, rest] = cells[..] else { return Vec::new() };
    let Ok(number) = number.parse() else { return Vec::new() };
    let query = rest.rsplit_once('|').map_or(rest, |(query, _)| query);
    let code = query.split('`').nth(1).unwrap_or_default();
    let options: Vec<String> = code.split(" & ").filter(|option| !option.is_empty()).map(option).collect();
    let status = query
        .rsplit("→")
        .next()
        .and_then(|end| end.trim().get(..3)?.parse().ok())
        .unwrap_or(if REFUSED.iter().any(|(refused, _)| *refused == number) {
            400
        } else {
            200
        });
    let places = places
        .replace("(gen-2)", "")
        .replace("(set not recorded)", "")
        .replace("<g>", TENANT);
    let mut found = Vec::new();
    for place in places.split(", ").map(str::trim) {
        let place = match place.strip_prefix('/') {
            Some(rest) => format!("Core/{rest}"),
            None => place.trim_matches('`').to_owned(),
        };
        found.push(Query {
            number,
            place,
            options: options.clone(),
            status,
            second_generation: line.contains("(gen-2)"),
        });
    }
    found
}

/// `$top=1` stays; what names no option is the filter.
fn option(text: &str) -> String {
    let long = "k".repeat(475);
    let text = text
        .trim()
        .replace("<475 characters>", &long)
        .replace("<475>", &long)
        .replace("<g>", TENANT);
    let text = text.replace("%20", " ");
    if text.starts_with('$') { text } else { format!("$filter={text}") }
}

/// What an entity must be like so that a filter finds it: members and values as the filter's literals say them.
pub fn wanted(filter: &str) -> BTreeMap<String, Value> {
    let words = words(filter);
    // Letters matter where the filter does not say otherwise.
    let needle = |word: &str| match filter.contains("tolower") {
        true => literal(&word.to_lowercase()),
        false => literal(word),
    };
    let mut wanted = BTreeMap::new();
    let mut at = 0;
    while at < words.len() {
        let [first, second, third] = [at, at + 1, at + 2].map(|at| words.get(at).map_or("", String::as_str));
        match (first, second) {
            ("startswith", _) => drop(wanted.insert(second.to_owned(), literal(third))),
            // A needle that must not be there is not put there.
            ("substringof", _) if words.get(at + 4).is_some_and(|word| word == "false") => {}
            ("substringof", _) => drop(wanted.insert(third.to_owned(), needle(second))),
            (_, "eq") => drop(wanted.insert(first.to_owned(), literal(third))),
            (_, "gt") => drop(wanted.insert(first.to_owned(), json!(literal(third).as_i64().unwrap_or_default() + 1))),
            _ => {
                at += 1;
                continue;
            }
        }
        at += 3;
    }
    wanted
}

/// Names, literals and operators, without `tolower`, parentheses and commas.
fn words(filter: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in filter.chars() {
        quoted ^= c == '\'';
        if quoted || !" (),".contains(c) {
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty() && word != "tolower");
    words
}

fn literal(text: &str) -> Value {
    let text = text.strip_prefix("guid").unwrap_or(text);
    match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(text) => text.into(),
        None => text.trim_end_matches('L').parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_what_they_want() {
        let text = "### 6.4 Q\n| # | Set |\n| 7 | Core/Roles, /Acls(5L)/Aces | `(tolower(Name) eq 'x') and (Id gt 5L) & $top=1` | PS |\n\
            | 45 | Core/Bags | `substringof('A b', Text) eq true and substringof('c', Name) eq false` → 400, no property | Scr |\n### 6.5\n";
        let queries = queries(text);
        let found: Vec<_> = queries
            .iter()
            .map(|query| (query.number, query.place.as_str(), query.status))
            .collect();
        assert_eq!(
            found,
            [(7, "Core/Roles", 200), (7, "Core/Acls(5L)/Aces", 200), (45, "Core/Bags", 400)]
        );
        assert_eq!(queries[0].options, ["$filter=(tolower(Name) eq 'x') and (Id gt 5L)", "$top=1"]);
        let members = |query: &Query| serde_json::to_value(query.filter().map(wanted).unwrap_or_default()).unwrap();
        assert_eq!(members(&queries[0]), json!({"Name": "x", "Id": 6}));
        assert_eq!(members(&queries[2]), json!({"Text": "A b"}));
    }
}
