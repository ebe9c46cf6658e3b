//! What a caller may do: names of permissions, understood once for each caller and held against every set, verb and operation of the
//! schema.
//!
//! A name is `<prefix>:<Set>Can<Read|Create|Update|Delete|Operation>` (`reference/appclusive.md` 4.1), where `*` stands for anything;
//! `cop`, the administrator of a tenant; or of one of core4's protocols (`reference/core4.md` 2.3): `api://<expression>[/<letters of
//! crud>]` for sets and operations, whose subject is `<Endpoint>.<Set>`, and `app://` and `mongodb://`, which no set asks for.
//! Any other text is a permission too, of somebody who asks for it by that name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::Regex;

use super::caller::Guid;
use super::expr::Expr;
use super::limits::PERMISSION_BYTES;
use super::schema::{Schema, SetId, TypeId};

/// What a caller wants to do with entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Read,
    Create,
    Update,
    Delete,
}

impl Verb {
    /// Every verb, in the order of their bits.
    pub const ALL: [Verb; 4] = [Verb::Read, Verb::Create, Verb::Update, Verb::Delete];

    /// In names of permissions.
    pub fn name(self) -> &'static str {
        ["Read", "Create", "Update", "Delete"][self as usize]
    }

    fn letter(self) -> char {
        ['r', 'c', 'u', 'd'][self as usize]
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The caller may not.
    Nothing,
    /// Rows that the caller has made.
    Own,
    /// All rows that are there for the caller.
    All,
}

/// The administrator of a tenant.
pub const ADMINISTRATOR: &str = "cop";

/// Something that a permission may allow.
#[derive(Debug)]
pub struct Target {
    /// The name of its permission.
    pub name: String,
    what: What,
    /// core4's name for it, and the letter that it takes; none for an operation that needs all.
    subject: String,
    letter: char,
    /// What a name must hold literally to count here; empty where patterns are enough.
    literal: String,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Set(SetId, Verb),
    /// Index of the endpoint and of the operation.
    Operation(usize, usize),
}

/// Everything that permissions may allow, for one schema.
#[derive(Debug, Default)]
pub struct Targets {
    /// In the order of endpoints, sets and operations.
    pub list: Vec<Target>,
    sets: usize,
    /// What a name must hold literally to be about a set that decides what callers may do.
    guarded: Vec<String>,
}

impl Targets {
    /// Of a schema.
    pub fn of(schema: &Schema) -> Targets {
        let mut list = Vec::new();
        for (id, set) in schema.sets.iter().enumerate() {
            let prefix = &schema.endpoints[set.endpoint].permission_prefix;
            let ty = &schema.types[set.entity_type];
            for verb in Verb::ALL {
                list.push(Target {
                    name: format!("{prefix}:{}Can{}", set.name, verb.name()),
                    what: What::Set(id, verb),
                    subject: format!("{}.{}", schema.endpoints[set.endpoint].name, set.name),
                    letter: verb.letter(),
                    literal: if ty.security && verb != Verb::Read {
                        set.name.clone()
                    } else {
                        String::new()
                    },
                });
            }
        }
        for (index, endpoint) in schema.endpoints.iter().enumerate() {
            for (at, operation) in endpoint.operations.iter().enumerate() {
                let bound = operation.binding().map(|(ty, _)| ty);
                let set = bound.and_then(|ty| schema.set_of(index, ty));
                let owner = set.map_or(endpoint.name.as_str(), |set| schema.sets[set].name.as_str());
                let security = bound.is_some_and(|ty| schema.types[ty].security);
                list.push(Target {
                    name: format!("{}:{owner}Can{}", endpoint.permission_prefix, operation.name),
                    what: What::Operation(index, at),
                    subject: format!("{}.{owner}", endpoint.name),
                    letter: 'x',
                    literal: if security { owner.to_owned() } else { String::new() },
                });
            }
        }
        let guarded: HashSet<&String> = list.iter().map(|target| &target.literal).filter(|text| !text.is_empty()).collect();
        Targets {
            guarded: guarded.into_iter().map(|set| format!(":{set}Can")).collect(),
            sets: schema.sets.len(),
            list,
        }
    }
}

impl Targets {
    /// The permission of a verb with a set.
    pub fn name_of(&self, set: SetId, verb: Verb) -> Option<&str> {
        let is_it = |target: &&Target| matches!(target.what, What::Set(of, what) if of == set && what == verb);
        self.list.iter().find(is_it).map(|target| target.name.as_str())
    }
}

/// Whether a text is the name of a permission: of a known protocol in its shape, or of none.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > PERMISSION_BYTES {
        return Err(format!("A permission's name has 1 to {PERMISSION_BYTES} bytes."));
    }
    let Some((protocol, rest)) = name.split_once("://") else {
        return Ok(());
    };
    let has_blank = rest.contains(char::is_whitespace);
    let fits = !rest.is_empty()
        && !has_blank
        && match protocol {
            "api" => Api::read(rest).is_some(),
            "job" => JobGrant::read(rest).is_some(),
            "app" | "mongodb" => true,
            _ => false,
        };
    fits.then_some(()).ok_or_else(|| {
        format!("`{protocol}://…` is no permission of this shape: api://EXPRESSION[/LETTERS OF crud], job://EXPRESSION/x or /r, app://KEY.")
    })
}

/// `api://…`
#[derive(Debug)]
struct Api {
    text: String,
    subject: Regex,
    /// None is all.
    letters: Option<String>,
}

impl Api {
    fn read(rest: &str) -> Option<Api> {
        let (subject, letters) = match rest.split_once('/') {
            Some((subject, letters)) => (subject, Some(letters)),
            None => (rest, None),
        };
        let known = letters.is_none_or(|letters| letters.chars().all(|letter| "crud".contains(letter)));
        Some(Api {
            text: subject.to_owned(),
            subject: expression(subject).filter(|_| known)?,
            letters: letters.map(str::to_owned),
        })
    }

    fn allows(&self, target: &Target) -> bool {
        let letter = self.letters.as_ref().is_none_or(|letters| letters.contains(target.letter));
        letter && self.text.contains(&target.literal) && self.subject.is_match(&target.subject)
    }
}

/// A regular expression that has to fit from the start, not to the end.
fn expression(text: &str) -> Option<Regex> {
    regex::RegexBuilder::new(&format!("^(?:{text})")).size_limit(1 << 20).build().ok()
}

/// Names of permissions that somebody holds, understood.
#[derive(Debug, Default)]
pub struct Grants {
    administrator: bool,
    exact: HashSet<String>,
    patterns: Vec<String>,
    apis: Vec<Api>,
    jobs: Vec<JobGrant>,
}

/// `job://EXPRESSION/x` or `/r`: jobs of the kinds that the expression fits, to make and change or only to see (reference core4, 2.5).
#[derive(Debug)]
struct JobGrant {
    kinds: Regex,
    changes: bool,
}

impl JobGrant {
    fn read(rest: &str) -> Option<JobGrant> {
        let (kinds, letter) = rest.rsplit_once('/')?;
        let fits = !kinds.is_empty() && !kinds.contains('/') && matches!(letter, "x" | "r");
        Some(JobGrant {
            kinds: expression(kinds).filter(|_| fits)?,
            changes: letter == "x",
        })
    }
}

impl Grants {
    /// Of names. What cannot be understood allows nothing.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Grants {
        let mut grants = Grants::default();
        for name in names {
            match name.split_once("://") {
                Some(("api", rest)) => grants.apis.extend(Api::read(rest)),
                Some(("job", rest)) => grants.jobs.extend(JobGrant::read(rest)),
                None if name == ADMINISTRATOR => grants.administrator = true,
                None if name.contains('*') => grants.patterns.push(name.to_owned()),
                _ => {}
            }
            grants.exact.insert(name.to_owned());
        }
        grants
    }

    fn allows(&self, target: &Target) -> bool {
        let literal = |pattern: &str| target.literal.is_empty() || pattern.contains(&format!(":{}Can", target.literal));
        self.administrator
            || self.exact.contains(&target.name)
            || self.patterns.iter().any(|pattern| literal(pattern) && fits(pattern, &target.name))
            || self.apis.iter().any(|api| api.allows(target))
    }

    /// Whether who holds these holds `name`, too, be it a pattern itself. What no pattern allows is within none: to be the administrator, and
    /// the names of protocols.
    fn covers(&self, name: &str, guarded: &[String]) -> bool {
        let named: Vec<&String> = guarded.iter().filter(|literal| name.contains(literal.as_str())).collect();
        let fits = |pattern: &String| fits(pattern, name) && named.iter().all(|literal| pattern.contains(literal.as_str()));
        let may_fit = name != ADMINISTRATOR && !name.contains("://");
        self.administrator || self.exact.contains(name) || may_fit && self.patterns.iter().any(fits)
    }
}

/// Whether a text fits a pattern in which `*` stands for any text. In `text` a `*` is a letter like any other, so that a pattern
/// that fits another covers all that the other fits.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A role that a caller holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `Roles.Id`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whose role it is.
    pub tenant: Guid,
}

/// Which rows of a type are there, where not all of the tenant's are: by the top of the type's hierarchy. `source` 0 of the expression
/// is the row.
pub type RowRules = Arc<HashMap<TypeId, Expr>>;

/// What a caller may do in one tenant. Made once, and good until users, roles, permissions or tenants change.
#[derive(Debug, Default)]
pub struct Rights {
    /// May do anything in any tenant.
    pub operator: bool,
    /// May do anything in the tenant.
    pub administrator: bool,
    /// The roles that count.
    pub roles: Vec<Role>,
    /// Names of all permissions held, in alphabetical order.
    pub names: Vec<String>,
    grants: Grants,
    guarded: Vec<String>,
    /// For each set a bit for each verb: on all rows, and on one's own.
    all: Vec<u8>,
    own: Vec<u8>,
    operations: HashSet<(usize, usize)>,
    /// By verb.
    pub rows: [RowRules; 4],
    /// Guarded kinds of jobs that the caller may not make or change.
    pub closed_kinds: HashSet<String>,
}

/// What [`Rights`] are made of.
#[derive(Debug, Default)]
pub struct Holding<'a> {
    /// Holds the operators' role.
    pub operator: bool,
    /// The roles that count.
    pub roles: Vec<Role>,
    /// Names of the permissions of those roles.
    pub names: Vec<String>,
    /// Names of the permissions on what the caller has made.
    pub own: Vec<String>,
    /// Nothing but these, whatever the roles say: the scope of a token.
    pub limit: Option<&'a [String]>,
}

impl Rights {
    /// Of what somebody holds. An operator holds everything.
    pub fn new(targets: &Targets, held: Holding<'_>) -> Rights {
        let mut grants = Grants::of(held.names.iter().map(String::as_str));
        grants.administrator |= held.operator;
        let own = Grants::of(held.own.iter().map(String::as_str));
        let limit = held.limit.map(|names| Grants::of(names.iter().map(String::as_str)));
        let unlimited = limit.as_ref().is_none_or(|limit| limit.administrator);
        let within = |target: &Target| limit.as_ref().is_none_or(|limit| limit.allows(target));
        let mut rights = Rights {
            operator: held.operator && unlimited,
            administrator: grants.administrator && unlimited,
            roles: held.roles,
            all: vec![0; targets.sets],
            own: vec![0; targets.sets],
            guarded: targets.guarded.clone(),
            ..Rights::default()
        };
        for target in targets.list.iter().filter(|target| within(target)) {
            match target.what {
                What::Set(set, verb) => {
                    rights.all[set] |= if grants.allows(target) { verb.bit() } else { 0 };
                    rights.own[set] |= if own.allows(target) { verb.bit() } else { 0 };
                }
                What::Operation(endpoint, index) if grants.allows(target) || own.allows(target) => {
                    rights.operations.insert((endpoint, index));
                }
                What::Operation(..) => {}
            }
        }
        rights.grants = match held.limit {
            // What the scope names, as far as the roles hold it.
            Some(limit) => Grants::of(
                limit
                    .iter()
                    .map(String::as_str)
                    .filter(|name| grants.covers(name, &targets.guarded)),
            ),
            None => grants,
        };
        rights.names = rights.grants.exact.iter().cloned().collect();
        rights.names.sort();
        rights
    }

    /// The server itself, which may do everything.
    pub fn server() -> Rights {
        Rights {
            operator: true,
            administrator: true,
            ..Rights::default()
        }
    }

    /// How far a verb reaches in a set.
    pub fn reach(&self, set: SetId, verb: Verb) -> Reach {
        let has = |bits: &[u8]| bits.get(set).is_some_and(|bits| bits & verb.bit() != 0);
        match () {
            () if self.administrator || has(&self.all) => Reach::All,
            () if has(&self.own) => Reach::Own,
            () => Reach::Nothing,
        }
    }

    /// Whether an operation may be invoked: index of its endpoint, and its own there.
    pub fn may_invoke(&self, endpoint: usize, operation: usize) -> bool {
        self.administrator || self.operations.contains(&(endpoint, operation))
    }

    /// Whether a permission is held, by its name or within another: what nobody may grant who does not hold it.
    pub fn covers(&self, name: &str) -> bool {
        self.administrator || self.grants.covers(name, &self.guarded)
    }

    /// Whether what a permission of this name allows is allowed, by whatever name: with all rows of a set, or by an operation. A permission
    /// that is about neither has to be held.
    pub fn holds(&self, targets: &Targets, name: &str) -> bool {
        let mut about = targets.list.iter().filter(|target| target.name == name).peekable();
        if about.peek().is_none() {
            return self.covers(name);
        }
        about.any(|target| match target.what {
            What::Set(set, verb) => self.reach(set, verb) == Reach::All,
            What::Operation(endpoint, index) => self.may_invoke(endpoint, index),
        })
    }

    /// Whether jobs of a guarded kind may be made and changed, or only seen.
    pub fn may_job(&self, kind: &str, changes: bool) -> bool {
        let mut about = self.grants.jobs.iter().filter(|grant| grant.changes || !changes);
        self.administrator || about.any(|grant| grant.kinds.is_match(kind))
    }

    /// The names held that are about kinds of jobs.
    pub fn job_names(&self) -> Vec<String> {
        match self.administrator {
            true => vec!["job://.*/x".to_owned()],
            false => self.names.iter().filter(|name| name.starts_with("job://")).cloned().collect(),
        }
    }

    /// Whether there is anything that these rights allow.
    pub fn is_nothing(&self) -> bool {
        !self.operator && self.names.is_empty()
    }
}

#[cfg(test)]
mod tests;
