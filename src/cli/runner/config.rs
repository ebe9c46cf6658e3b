//! `runner.toml`: what a runner may do, and within which bounds. Everything that is wrong in it is named, each with its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::template::Template;
use crate::auth::issuer::ask::is_safe;
use crate::model::limits::{JOB_KINDS, JOB_TAGS, RUNNER_DAYS, RUNNER_OUTPUT_MB, RUNNER_SLOTS};

/// The variable with the token.
pub const TOKEN: &str = "ODONATA_RUNNER_TOKEN";

/// Where programs are looked for that a command starts, when the runner's own environment does not say.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A kind of jobs that nobody claims.
const RESERVED: &str = "external";

/// What a runner runs with. Not for logs: the token is in it.
#[derive(Default)]
pub struct Config {
    /// Where the server is, without a slash at the end.
    pub server: String,
    plain: bool,
    token_file: Option<PathBuf>,
    /// Who it is towards the server.
    pub token: String,
    /// What it calls itself.
    pub name: String,
    /// What jobs may ask for.
    pub tags: Vec<String>,
    /// Of several runners that wait, the one with the highest gets the job.
    pub priority: i64,
    /// Jobs at once.
    pub slots: usize,
    /// Folder of the scratch folders.
    pub work_dir: PathBuf,
    /// What it does, by kinds of jobs.
    pub kinds: BTreeMap<String, Kind>,
}

/// What is done for a kind of job.
#[derive(Debug, Default)]
pub struct Kind {
    /// Program and arguments.
    pub command: Vec<Template>,
    /// Longest run.
    pub seconds: u64,
    /// Most resident memory of all its processes together.
    pub memory_mb: Option<u64>,
    /// Longest output, and longest file.
    pub output_mb: u64,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Lines `progress 0.4 text` of its standard output tell how far it is.
    pub progress: bool,
    /// Arguments of jobs may begin with `-`.
    pub dashes: bool,
    /// Media type of the output.
    pub content_type: String,
}

/// One row of a table of keys; `T` is what it sets something of.
pub struct Key<T: 'static> {
    /// The key.
    pub name: &'static str,
    /// What stands for the value in help.
    pub value: &'static str,
    /// As it would stand in the file; empty is none.
    pub default: &'static str,
    /// For people.
    pub help: &'static str,
    set: fn(&mut T, &DeValue<'_>) -> Result<(), String>,
}

/// The keys of the file.
pub const RUNNER: &[Key<Config>] = &[
    Key {
        name: "server",
        value: "URL",
        default: "",
        help: "Where the server is: https://, or http:// on this machine",
        set: |config, value| {
            config.server = text(value)?.trim_end_matches('/').to_owned();
            let known = ["http://", "https://"].iter().any(|scheme| config.server.starts_with(scheme));
            let fit = known && !config.server.contains(['?', '#', ' ']) && is_safe(&config.server.replacen("http://", "https://", 1));
            fit.then_some(()).ok_or("is an http:// or https:// address".to_owned())
        },
    },
    Key {
        name: "plain",
        value: "true|false",
        default: "false",
        help: "Send the token over a network without TLS",
        set: |config, value| flag(value).map(|plain| config.plain = plain),
    },
    Key {
        name: "token_file",
        value: "FILE",
        default: "",
        help: "File with the token that CreateRunner gave; without it the environment has it",
        set: |config, value| text(value).map(|file| config.token_file = Some(file.into())),
    },
    Key {
        name: "name",
        value: "NAME",
        default: "\"runner\"",
        help: "What it calls itself towards the server and in its log",
        set: |config, value| {
            config.name = text(value)?.to_owned();
            let fit = !config.name.is_empty() && config.name.len() <= 100 && config.name.chars().all(|c| c.is_ascii_graphic());
            fit.then_some(())
                .ok_or("is a name of at most 100 letters, digits and signs".to_owned())
        },
    },
    Key {
        name: "tags",
        value: "[TAGS]",
        default: "[]",
        help: "What jobs may ask a runner for",
        set: |config, value| {
            config.tags = texts(value)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            let fit = |tag: &String| (1..=100).contains(&tag.len()) && tag.chars().all(plain);
            let few = config.tags.len() <= JOB_TAGS && config.tags.iter().all(fit);
            few.then_some(()).ok_or(format!(
                "is a list of at most {JOB_TAGS} words of letters, digits, dots, dashes and underscores"
            ))
        },
    },
    Key {
        name: "priority",
        value: "NUMBER",
        default: "0",
        help: "Of several runners that wait, the one with the highest gets the job",
        set: |config, value| number(value, -100, 100).map(|number| config.priority = number),
    },
    Key {
        name: "slots",
        value: "NUMBER",
        default: "1",
        help: "Jobs at once",
        set: |config, value| number(value, 1, RUNNER_SLOTS as i64).map(|number| config.slots = number as usize),
    },
    Key {
        name: "work_dir",
        value: "FOLDER",
        default: "\"data/runner\"",
        help: "Folder of the scratch folders; made if it is not there, and no other runner's",
        set: |config, value| {
            let folder = std::path::absolute(text(value)?).map_err(|error| error.to_string())?;
            config.work_dir = folder;
            Ok(())
        },
    },
];

/// The keys of `[kinds.NAME]`.
pub const KIND: &[Key<Kind>] = &[
    Key {
        name: "command",
        value: "[PROGRAM, ARGUMENTS]",
        default: "",
        help: "The program by its whole path, and its arguments, with places: {input} and {output} (paths), {job}, {attempt}, {arguments.NAME}",
        set: |kind, value| {
            let items = texts(value).map_err(|_| "is a list of texts: the program and its arguments, without a shell".to_owned())?;
            kind.command = items.iter().map(|item| Template::parse(item)).collect::<Result<_, _>>()?;
            let program = kind.command.first().ok_or("names no program")?;
            let program = program.fixed().ok_or("has a place in its program; only arguments may")?;
            check_program(Path::new(program))
        },
    },
    Key {
        name: "seconds",
        value: "NUMBER",
        default: "3600",
        help: "Longest run; past it the process group is ended, and the attempt has failed",
        set: |kind, value| number(value, 1, RUNNER_DAYS as i64 * 86_400).map(|number| kind.seconds = number as u64),
    },
    Key {
        name: "memory_mb",
        value: "NUMBER",
        default: "",
        help: "Most resident memory of all its processes together, looked at ten times a second; without it there is no limit",
        set: |kind, value| {
            kind.memory_mb = Some(number(value, 1, 16 << 20)? as u64);
            let known = Path::new("/proc/self/status").exists();
            known.then_some(()).ok_or("needs /proc, which this system does not have".to_owned())
        },
    },
    Key {
        name: "output_mb",
        value: "NUMBER",
        default: "256",
        help: "Longest output, and longest file that it may write",
        set: |kind, value| number(value, 1, RUNNER_OUTPUT_MB as i64).map(|number| kind.output_mb = number as u64),
    },
    Key {
        name: "env",
        value: "[NAMES]",
        default: "[]",
        help: "Variables that it gets beside PATH: NAME is the runner's own, NAME=VALUE this value",
        set: |kind, value| {
            let items = texts(value)?;
            kind.env.extend(
                items
                    .iter()
                    .map(|item| variable(item))
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten(),
            );
            Ok(())
        },
    },
    Key {
        name: "progress",
        value: "true|false",
        default: "false",
        help: "Lines `progress 0.4 text` of its standard output tell how far it is, and are no output",
        set: |kind, value| flag(value).map(|progress| kind.progress = progress),
    },
    Key {
        name: "dashes",
        value: "true|false",
        default: "false",
        help: "Let an argument that begins with a value of the job begin with -, and so be an option",
        set: |kind, value| flag(value).map(|dashes| kind.dashes = dashes),
    },
    Key {
        name: "content_type",
        value: "TYPE",
        default: "\"application/octet-stream\"",
        help: "Media type of the output",
        set: |kind, value| {
            kind.content_type = text(value)?.to_owned();
            let fit = kind
                .content_type
                .split_once('/')
                .is_some_and(|(main, sub)| !main.is_empty() && !sub.is_empty());
            let plain = kind.content_type.chars().all(|c| c == ' ' || c.is_ascii_graphic());
            (fit && plain).then_some(()).ok_or("is a media type like text/plain".to_owned())
        },
    },
];

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().filter(|text| !text.is_empty()).ok_or("is a text".to_owned())
}

fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let DeValue::Array(items) = value else {
        return Err("is a list of texts".to_owned());
    };
    let text = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    items.iter().map(text).collect::<Option<_>>().ok_or("is a list of texts".to_owned())
}

fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(value) => Ok(*value),
        _ => Err("is true or false".to_owned()),
    }
}

fn number(value: &DeValue<'_>, least: i64, most: i64) -> Result<i64, String> {
    let found = match value {
        DeValue::Integer(number) => number.to_string().parse().ok(),
        _ => None,
    };
    found
        .filter(|number| (least..=most).contains(number))
        .ok_or(format!("is a number from {least} to {most}"))
}

fn check_program(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    if !path.is_absolute() {
        return Err(format!("{}: a program is named by its whole path", path.display()));
    }
    match std::fs::metadata(path) {
        Err(error) => Err(format!("{}: {error}", path.display())),
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(format!("{}: is not a program", path.display())),
    }
}

/// A variable of the command; none if the runner has none of that name.
fn variable(item: &str) -> Result<Option<(String, String)>, String> {
    let (name, value) = item.split_once('=').map_or((item, None), |(name, value)| (name, Some(value)));
    if name.is_empty() || item.contains('\0') {
        return Err(format!("`{item}`: is NAME or NAME=VALUE"));
    }
    if name == TOKEN {
        return Err(format!("{TOKEN} is the runner's own, and no command's"));
    }
    let value = value.map(str::to_owned).or_else(|| std::env::var(name).ok());
    Ok(value.map(|value| (name.to_owned(), value)))
}

/// The file being read: what is wrong so far, and where lines begin.
struct Reading<'a> {
    name: &'a str,
    text: &'a str,
    wrong: Vec<(usize, String)>,
}

impl Reading<'_> {
    fn line(&self, position: usize) -> usize {
        1 + self.text.bytes().take(position).filter(|byte| *byte == b'\n').count()
    }

    fn add(&mut self, line: usize, why: impl Into<String>) {
        self.wrong.push((line, why.into()));
    }

    /// Takes every key of a table that is none of `others`.
    fn take<T>(&mut self, keys: &[Key<T>], into: &mut T, table: &DeTable<'_>, others: &[&str], prefix: &str) {
        for (key, value) in table.iter().filter(|(key, _)| !others.contains(&key.get_ref().as_ref())) {
            let (line, name) = (self.line(key.span().start), key.get_ref());
            let done = match keys.iter().find(|known| known.name == name) {
                Some(known) => (known.set)(into, value.get_ref()),
                None => Err("there is no such key; `odonata runner --help` lists them".to_owned()),
            };
            if let Err(why) = done {
                self.add(line, format!("{prefix}{name}: {why}"));
            }
        }
    }

    fn kinds(&mut self, kinds: &DeValue<'_>, line: usize) -> BTreeMap<String, Kind> {
        let mut found = BTreeMap::new();
        let DeValue::Table(kinds) = kinds else {
            self.add(line, "kinds: is a section [kinds.NAME] for each kind of job");
            return found;
        };
        for (name, table) in kinds {
            let (line, name) = (self.line(name.span().start), name.get_ref());
            let fit = |c: char| c.is_alphanumeric() || "_-.".contains(c);
            if name.is_empty() || name.len() > 200 || !name.chars().all(fit) || name == RESERVED {
                self.add(line, format!("kinds: `{name}` is no name of a kind: letters, digits, _, - and ."));
            }
            let DeValue::Table(table) = table.get_ref() else {
                self.add(line, format!("kinds.{name}: is a section"));
                continue;
            };
            let mut kind = with_defaults(KIND);
            let path = std::env::var("PATH").ok().filter(|path| !path.is_empty());
            kind.env.push(("PATH".to_owned(), path.unwrap_or_else(|| PATH.to_owned())));
            self.take(KIND, &mut kind, table, &[], &format!("kinds.{name}."));
            if !table.contains_key("command") {
                self.add(line, format!("kinds.{name}: has no command"));
            }
            found.insert(name.to_string(), kind);
        }
        if found.len() > JOB_KINDS {
            self.add(line, format!("kinds: a runner does at most {JOB_KINDS} kinds of jobs"));
        }
        found
    }
}

/// What the defaults of a table make.
fn with_defaults<T: Default>(keys: &[Key<T>]) -> T {
    let mut made = T::default();
    for key in keys.iter().filter(|key| !key.default.is_empty()) {
        let value = DeValue::parse(key.default).expect("every default in the table is TOML");
        (key.set)(&mut made, value.get_ref()).expect("every default in the table is a value of its key");
    }
    made
}

/// Reads a configuration. `environment` answers with the value of a variable.
pub fn read(name: &str, text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
    let mut reading = Reading {
        name,
        text,
        wrong: Vec::new(),
    };
    let mut config: Config = with_defaults(RUNNER);
    match DeTable::parse(text) {
        Err(error) => {
            let line = error.span().map_or(1, |span| reading.line(span.start));
            reading.add(line, error.message());
        }
        Ok(table) => {
            let table = table.get_ref();
            reading.take(RUNNER, &mut config, table, &["kinds"], "");
            if let Some((key, kinds)) = table.get_key_value("kinds") {
                config.kinds = reading.kinds(kinds.get_ref(), reading.line(key.span().start));
            }
            let place = |key: &str| table.get_key_value(key).map_or(1, |(key, _)| reading.line(key.span().start));
            let more = whole(&mut config, table, environment)
                .into_iter()
                .map(|(key, why)| (place(key), why));
            let more: Vec<(usize, String)> = more.collect();
            reading.wrong.extend(more);
        }
    }
    if reading.wrong.is_empty() {
        return Ok(config);
    }
    reading.wrong.sort();
    let lines: Vec<String> = reading
        .wrong
        .iter()
        .map(|(line, why)| format!("{}:{line}: {why}", reading.name))
        .collect();
    Err(lines.join("\n"))
}

/// What is missing, what goes together, and the token: keys and what is wrong with them.
fn whole(config: &mut Config, table: &DeTable<'_>, environment: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if !table.contains_key("server") {
        wrong.push(("server", "server: is missing".to_owned()));
    } else if !config.plain && config.server.starts_with("http://") && !is_safe(&config.server) {
        let why = "server: the token would cross the network without TLS: https://, or else plain = true";
        wrong.push(("server", why.to_owned()));
    }
    if table
        .get("kinds")
        .is_none_or(|kinds| kinds.get_ref().as_table().is_some_and(DeTable::is_empty))
    {
        wrong.push(("kinds", "there is no section [kinds.NAME]: nothing may be run".to_owned()));
    }
    let given = environment(TOKEN).map(Ok);
    let file = config.token_file.as_ref();
    let read = |file: &PathBuf| std::fs::read_to_string(file).map_err(|error| format!("token_file: {}: {error}", file.display()));
    match given.or_else(|| file.map(read)) {
        None => wrong.push(("token_file", format!("token_file: is missing, and so is {TOKEN}"))),
        Some(Err(why)) => wrong.push(("token_file", why)),
        Some(Ok(token)) => {
            config.token = token.trim().to_owned();
            if config.token.is_empty() || !config.token.chars().all(|c| c.is_ascii_graphic()) {
                wrong.push(("token_file", "token_file: there is no token in it".to_owned()));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
