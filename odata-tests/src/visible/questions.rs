//! What is asked as a caller, and what must come back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::reference::{Caller, FOLDERS, LABELS, MARKS, NOTES, Reach, Set, USERS};
use super::settle::number;
use super::world::{Row, World};
use crate::client::Reply;

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// One of these statuses.
    Status(Vec<u16>),
    /// These entities of the list, by their Ids.
    Ids(BTreeSet<String>),
    /// A number.
    Count(usize),
    /// Entities with what is expanded in them: `1: 2 3`.
    Nested(BTreeSet<String>),
}

/// A request, and its answer.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: &'static str,
    /// Path and query, not encoded.
    pub target: String,
    /// The body.
    pub body: Option<String>,
    /// What must come back.
    pub expected: Expected,
}

/// Every question to ask as a caller; `tag` is in the names of the world's rows.
pub fn questions(world: &World, caller: Caller, tag: &str) -> Vec<Question> {
    let ask = Asking { world, caller, tag };
    if !world.may_act(caller) {
        return vec![ask.get("/api/Desk/Notes".to_owned(), Expected::Status(vec![403]))];
    }
    let mut all = Vec::new();
    for (set, rows) in [(NOTES, &world.notes), (FOLDERS, &world.folders), (MARKS, &world.marks)] {
        ask.list(set, rows, &mut all);
        for row in rows {
            ask.one(set, row, &mut all);
        }
    }
    ask.through_notes(&mut all);
    ask.through_folders(&mut all);
    ask.nested(&mut all);
    ask.links(&mut all);
    ask.others(&mut all);
    all
}

struct Asking<'a> {
    world: &'a World,
    caller: Caller,
    tag: &'a str,
}

impl Asking<'_> {
    fn get(&self, target: String, expected: Expected) -> Question {
        Question {
            method: "GET",
            target,
            body: None,
            expected,
        }
    }

    /// What must come back where all of some sets may be read, else 403.
    fn where_read(&self, sets: &[Set], expected: Expected) -> Expected {
        let read = |set: &Set| self.world.reach(self.caller, *set, "Read") != Reach::Nothing;
        match sets.iter().all(read) {
            true => expected,
            false => Expected::Status(vec![403]),
        }
    }

    fn seen<'b>(&self, set: Set, rows: &'b [Row]) -> Vec<&'b Row> {
        rows.iter().filter(|row| self.world.sees(self.caller, set, row)).collect()
    }

    fn list(&self, set: Set, rows: &[Row], all: &mut Vec<Question>) {
        let seen = self.seen(set, rows);
        let root = format!("/api/{}/{}", set.endpoint, set.name);
        let text = if set == MARKS { "Text" } else { "Name" };
        let own = format!("startswith({text},'{}')", self.tag);
        let count = self.where_read(&[set], Expected::Count(seen.len()));
        all.push(self.get(format!("{root}?$select=Id"), self.where_read(&[set], ids(&seen))));
        all.push(self.get(
            format!("{root}?$filter={own}&$orderby=Id desc"),
            self.where_read(&[set], ids(&seen)),
        ));
        all.push(self.get(format!("{root}/$count"), count.clone()));
        all.push(self.get(format!("{root}/$count?$filter={own}"), count));
    }

    fn one(&self, set: Set, row: &Row, all: &mut Vec<Question>) {
        let path = path(set, row);
        let status = |found: u16| {
            let there = self.world.sees(self.caller, set, row);
            self.where_read(&[set], Expected::Status(vec![if there { found } else { 404 }]))
        };
        all.push(self.get(path.clone(), status(200)));
        all.push(self.get(format!("{path}/Id/$value"), status(200)));
        let changed = match set == MARKS {
            true => json!({"Text": row.name}),
            false => json!({"Description": "changed"}),
        };
        for (method, verb, body) in [("PATCH", "Update", Some(changed.to_string())), ("DELETE", "Delete", None)] {
            let expected = match self.world.reach(self.caller, set, verb) {
                Reach::Nothing => Expected::Status(vec![403]),
                _ if self.world.sees(self.caller, set, row) && !self.world.holds(self.caller, set, verb, row) => {
                    Expected::Status(vec![403])
                }
                // What is there to delete stays for the others.
                _ if method == "DELETE" && self.world.sees(self.caller, set, row) => continue,
                _ => status(204),
            };
            all.push(Question {
                method,
                body,
                ..self.get(path.clone(), expected)
            });
        }
    }

    /// Filters through what notes lead to.
    fn through_notes(&self, all: &mut Vec<Question>) {
        let notes = self.seen(NOTES, &self.world.notes);
        let folder = |note: &Row| {
            let folder = note.folder.map(|folder| &self.world.folders[folder]);
            folder.filter(|folder| self.world.sees(self.caller, FOLDERS, folder))
        };
        let marks = |note: &Row| {
            let marks = note.marks.iter().map(|&mark| &self.world.marks[mark]);
            marks.filter(|mark| self.world.sees(self.caller, MARKS, mark)).collect::<Vec<_>>()
        };
        let mut push = |sets: &[Set], filter: String, holds: &dyn Fn(&Row) -> bool| {
            let found: Vec<&Row> = notes.iter().copied().filter(|note| holds(note)).collect();
            let target = format!("/api/Desk/Notes?$filter={filter}&$select=Id");
            all.push(self.get(target, self.where_read(sets, ids(&found))));
            let target = format!("/api/Desk/Notes/$count?$filter={filter}");
            all.push(self.get(target, self.where_read(sets, Expected::Count(found.len()))));
        };
        for name in self.world.folders.iter().map(|folder| &folder.name).take(3) {
            push(&[NOTES, FOLDERS], format!("Folder/Name eq '{name}'"), &|note| {
                folder(note).is_some_and(|folder| folder.name == *name)
            });
        }
        push(&[NOTES, FOLDERS], "Folder/Name eq null".to_owned(), &|note| folder(note).is_none());
        push(&[NOTES, MARKS], "Marks/any()".to_owned(), &|note| !marks(note).is_empty());
        push(&[NOTES, MARKS], "Marks/all(m:m/Id lt 0)".to_owned(), &|note| marks(note).is_empty());
        for name in self.world.marks.iter().map(|mark| &mark.name).take(2) {
            push(
                &[NOTES, MARKS],
                format!("Marks/any(m:m/Text eq '{name}') and Pages lt 4"),
                &|note| note.pages < 4 && marks(note).iter().any(|mark| mark.name == *name),
            );
        }
        let pages = "Folder/Notes/any(n:n/Pages gt 2)";
        push(&[NOTES, FOLDERS], pages.to_owned(), &|note| {
            let folder = folder(note).and_then(|own| self.world.folders.iter().position(|folder| folder.id == own.id));
            folder.is_some_and(|folder| notes.iter().any(|other| other.folder == Some(folder) && other.pages > 2))
        });
    }

    /// Filters through the notes of folders.
    fn through_folders(&self, all: &mut Vec<Question>) {
        let folders = self.seen(FOLDERS, &self.world.folders);
        type Holds = fn(&[&Row]) -> bool;
        let conditions: [(&str, Holds); 4] = [
            ("Notes/any()", |notes| !notes.is_empty()),
            ("not Notes/any()", |notes| notes.is_empty()),
            ("Notes/all(n:n/Pages gt 1)", |notes| notes.iter().all(|note| note.pages > 1)),
            ("Notes/any(n:n/Pages eq 0)", |notes| notes.iter().any(|note| note.pages == 0)),
        ];
        for (filter, holds) in conditions {
            let found: Vec<&Row> = folders.iter().copied().filter(|folder| holds(&self.notes_in(folder))).collect();
            let target = format!("/api/Desk/Folders?$filter={filter}&$select=Id");
            all.push(self.get(target, self.where_read(&[FOLDERS, NOTES], ids(&found))));
        }
    }

    /// The notes of a folder that are there for the caller.
    fn notes_in(&self, folder: &Row) -> Vec<&Row> {
        let at = self.world.folders.iter().position(|other| other.id == folder.id);
        let notes = self.world.notes.iter().filter(|note| note.folder == at);
        notes.filter(|note| self.world.sees(self.caller, NOTES, note)).collect()
    }

    fn nested(&self, all: &mut Vec<Question>) {
        let folders = self.seen(FOLDERS, &self.world.folders);
        let lines = folders.iter().map(|folder| line(folder, &self.notes_in(folder)));
        all.push(self.get(
            "/api/Desk/Folders?$expand=Notes&$select=Id,Notes/Id".to_owned(),
            self.where_read(&[FOLDERS, NOTES], Expected::Nested(lines.collect())),
        ));
        let notes = self.seen(NOTES, &self.world.notes);
        let lines = notes.iter().map(|note| {
            let folder = note.folder.map(|folder| &self.world.folders[folder]);
            let folder = folder.filter(|folder| self.world.sees(self.caller, FOLDERS, folder));
            line(note, &folder.into_iter().collect::<Vec<_>>())
        });
        all.push(self.get(
            "/api/Desk/Notes?$expand=Folder&$select=Id,Folder/Id".to_owned(),
            self.where_read(&[NOTES, FOLDERS], Expected::Nested(lines.collect())),
        ));
        let lines = notes.iter().map(|note| line(note, &self.marks_of(note)));
        all.push(self.get(
            "/api/Desk/Notes?$expand=Marks&$select=Id,Marks/Id".to_owned(),
            self.where_read(&[NOTES, MARKS], Expected::Nested(lines.collect())),
        ));
    }

    fn marks_of(&self, note: &Row) -> Vec<&Row> {
        let marks = note.marks.iter().map(|&mark| &self.world.marks[mark]);
        marks.filter(|mark| self.world.sees(self.caller, MARKS, mark)).collect()
    }

    fn links(&self, all: &mut Vec<Question>) {
        for folder in &self.world.folders {
            let notes = self.notes_in(folder);
            let there = self.world.sees(self.caller, FOLDERS, folder);
            let expected = |found: Expected| match there {
                true => self.where_read(&[FOLDERS, NOTES], found),
                false if self.world.reach(self.caller, FOLDERS, "Read") == Reach::Nothing => Expected::Status(vec![403]),
                // Who may not read notes need not learn whether there is the folder.
                false => Expected::Status(vec![404, 403]),
            };
            let path = path(FOLDERS, folder);
            all.push(self.get(format!("{path}/Notes/$count"), expected(Expected::Count(notes.len()))));
            all.push(self.get(format!("{path}/Notes"), expected(ids(&notes))));
            let links = notes.iter().map(|note| note.id.to_string()).collect();
            all.push(self.get(format!("{path}/$links/Notes"), expected(Expected::Ids(links))));
        }
        for note in self.seen(NOTES, &self.world.notes) {
            let marks = self.marks_of(note);
            let target = format!("{}/$links/Marks", path(NOTES, note));
            all.push(self.get(target, self.where_read(&[NOTES, MARKS], ids(&marks))));
            let folder = note.folder.map(|folder| &self.world.folders[folder]);
            let statuses = match folder {
                Some(folder) if self.world.sees(self.caller, FOLDERS, folder) => vec![200],
                // That nothing is there looks the same, whatever the own row names.
                _ => vec![204],
            };
            let expected = Expected::Status(statuses);
            let target = format!("{}/Folder", path(NOTES, note));
            all.push(self.get(target, self.where_read(&[NOTES, FOLDERS], expected)));
        }
    }

    /// Sets of nobody, and users.
    fn others(&self, all: &mut Vec<Question>) {
        for label in &self.world.labels {
            let expected = self.where_read(&[LABELS], Expected::Status(vec![200]));
            all.push(self.get(format!("/api/Shop/Labels(guid'{label}')"), expected));
        }
        let tag = self.tag;
        let users = self.world.users.iter();
        let users = users.filter(|user| {
            let all = self.world.reach(self.caller, USERS, "Read") == Reach::All;
            all && user.tenant == self.caller.tenant
        });
        let found = Expected::Ids(users.map(|user| user.id.to_string()).collect());
        let target = format!("/api/Core/Users?$filter=startswith(Name,'{tag}')&$select=Id");
        all.push(self.get(target, self.where_read(&[USERS], found)));
        for user in &self.world.users {
            if self.world.reach(self.caller, USERS, "Update") == Reach::Nothing {
                all.push(Question {
                    method: "PATCH",
                    body: Some(json!({"Description": "changed"}).to_string()),
                    ..self.get(format!("/api/Core/Users({}L)", user.id), Expected::Status(vec![403]))
                });
            }
        }
    }
}

fn path(set: Set, row: &Row) -> String {
    let suffix = if set == MARKS { "" } else { "L" };
    format!("/api/{}/{}({}{suffix})", set.endpoint, set.name, row.id)
}

fn ids(rows: &[&Row]) -> Expected {
    Expected::Ids(rows.iter().map(|row| row.id.to_string()).collect())
}

fn line(row: &Row, inner: &[&Row]) -> String {
    let mut inner: Vec<i64> = inner.iter().map(|row| row.id).collect();
    inner.sort_unstable();
    format!("{}: {inner:?}", row.id)
}

/// What is wrong with an answer.
pub fn fault(question: &Question, reply: &Reply) -> Option<String> {
    let found = match &question.expected {
        Expected::Status(statuses) => {
            let fits = statuses.contains(&reply.status);
            return (!fits).then(|| format!("{} {}", reply.status, reply.text()));
        }
        _ if reply.status != 200 => return Some(format!("{} {}", reply.status, reply.text())),
        Expected::Count(_) => Expected::Count(reply.text().trim_start_matches('\u{FEFF}').parse().unwrap_or(usize::MAX)),
        Expected::Ids(_) => Expected::Ids(items(&reply.json()).iter().map(id).collect()),
        Expected::Nested(_) => Expected::Nested(items(&reply.json()).iter().map(nested).collect()),
    };
    (found != question.expected).then(|| format!("{found:?}"))
}

fn items(json: &Value) -> Vec<Value> {
    json["value"].as_array().cloned().unwrap_or_default()
}

/// The Id of an entity, or of the one that a link leads to.
fn id(item: &Value) -> String {
    match item["url"].as_str() {
        Some(url) => url.chars().skip(url.rfind('(').unwrap_or(0)).filter(char::is_ascii_digit).collect(),
        None => number(&item["Id"]).to_string(),
    }
}

fn nested(item: &Value) -> String {
    let members = item.as_object().into_iter().flatten();
    let inner = members.filter(|(name, value)| !name.contains('.') && (value.is_array() || value.is_object() || value.is_null()));
    let mut ids: Vec<i64> = inner
        .flat_map(|(_, value)| match value {
            Value::Array(items) => items.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        })
        .map(|inner| number(&inner["Id"]))
        .collect();
    ids.sort_unstable();
    format!("{}: {ids:?}", id(item))
}
