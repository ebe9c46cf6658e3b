//! What there is in a world.

use crate::random::Random;

/// The root of the tenants: the first of every world.
pub const ROOT: usize = 0;
/// Its name.
pub const ROOT_GUID: &str = "11111111-1111-1111-1111-111111111111";
/// Roles that every tenant has, with what they permit at first.
pub const BUILT_IN: [(&str, &[&str]); 7] = [
    ("CloudAdmin", &["cop"]),
    ("CloudUser", &["*:*Can*"]),
    ("CloudGuest", &[]),
    ("CreatorOwner", &[]),
    ("Everyone", &["Apc:SessionsCanRead", "Apc:SessionsCanDelete"]),
    ("ParentTenant", &[]),
    ("ChildTenants", &[]),
];
/// The role of operators, in the root tenant.
pub const OPERATORS: &str = "UberAdmin";
/// What random roles permit.
const PERMISSIONS: [&str; 30] = [
    "Desk:NotesCanRead",
    "Desk:NotesCanRead",
    "Desk:NotesCanUpdate",
    "Desk:NotesCanCreate",
    "Desk:NotesCanDelete",
    "Desk:FoldersCanRead",
    "Desk:FoldersCanRead",
    "Desk:FoldersCanUpdate",
    "Desk:MarksCanRead",
    "Desk:MarksCanRead",
    "Desk:MarksCanUpdate",
    "Shop:LabelsCanRead",
    "Apc:UsersCanRead",
    "Apc:UsersCanUpdate",
    "Apc:RolesCanRead",
    "*:*CanRead",
    "*:NotesCan*",
    "*:*CanUpdate",
    "Desk:*CanRead",
    "Desk:*CanCreate",
    "Desk:N*CanRead",
    "Apc:*CanRead",
    "Apc:*Can*",
    "Apc:UsersCan*",
    "*:*CanDelete",
    "*:*Can*",
    "cop",
    "desk:NotesCanRead",
    "Desk:NotesCanReadX",
    "Shop:NotesCanRead",
];

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its Guid.
    pub guid: String,
    /// The tenant above; the root is its own.
    pub parent: usize,
}

/// A user.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// On the server.
    pub id: i64,
    /// To sign in with.
    pub name: String,
    /// The own tenant.
    pub tenant: usize,
}

/// A role.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// On the server.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: usize,
    /// Made by the server.
    pub built_in: bool,
    /// Counts.
    pub active: bool,
    /// Who holds it.
    pub users: Vec<usize>,
    /// What comes with it.
    pub includes: Vec<usize>,
    /// What it permits beside what it permitted at first.
    pub permissions: Vec<String>,
}

/// A row of a set, with what it leads to.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// On the server.
    pub id: i64,
    /// Unique in the world.
    pub name: String,
    /// Whose it is.
    pub tenant: usize,
    /// Who made it; none in a set that does not say so.
    pub owner: Option<usize>,
    /// A number to ask for.
    pub pages: i64,
    /// Of a note: its folder.
    pub folder: Option<usize>,
    /// Of a note: its marks.
    pub marks: Vec<usize>,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The root first.
    pub tenants: Vec<Tenant>,
    /// Callers.
    pub users: Vec<User>,
    /// Built-in ones first.
    pub roles: Vec<Role>,
    /// `Desk/Folders`.
    pub folders: Vec<Row>,
    /// `Desk/Notes`.
    pub notes: Vec<Row>,
    /// `Desk/Marks`, which do not say who made them.
    pub marks: Vec<Row>,
    /// `Shop/Labels`, which belong to nobody: their keys.
    pub labels: Vec<String>,
}

impl World {
    /// A world; `tag` is in every name, so that worlds can stand beside each other.
    pub fn random(random: &mut Random, tag: &str) -> World {
        let mut world = World::default();
        world.tenants.push(Tenant {
            guid: ROOT_GUID.to_owned(),
            parent: ROOT,
        });
        for number in 1..=4 {
            world.tenants.push(Tenant {
                guid: format!("{:08x}-0000-4000-8000-0000{:08x}", random.bits() as u32, random.bits() as u32),
                parent: random.below(number),
            });
        }
        for number in 0..7 {
            world.users.push(User {
                id: 0,
                name: format!("{tag}user{number}"),
                // Some are of the root tenant.
                tenant: random.below(world.tenants.len()),
            });
        }
        world.add_roles(random, tag);
        world.add_rows(random, tag);
        world
    }

    fn add_roles(&mut self, random: &mut Random, tag: &str) {
        for tenant in 1..self.tenants.len() {
            for (name, _) in BUILT_IN {
                let is_implied = !name.starts_with("Cloud");
                let mut role = Role {
                    name: name.to_owned(),
                    tenant,
                    built_in: true,
                    active: true,
                    ..Role::default()
                };
                if is_implied && random.one_in(2) {
                    role.permissions = permissions(random, 2);
                }
                for (user, of) in self.users.iter().enumerate() {
                    // Now and then somebody else's.
                    let chance = if of.tenant == tenant { 5 } else { 25 };
                    if !is_implied && random.one_in(chance) {
                        role.users.push(user);
                    }
                }
                self.roles.push(role);
            }
        }
        let first = self.roles.len();
        for number in 0..9 {
            let tenant = random.below(self.tenants.len());
            let users = (0..self.users.len()).filter(|_| random.one_in(5)).collect();
            self.roles.push(Role {
                name: format!("{tag}role{number}"),
                tenant,
                active: !random.one_in(4),
                users,
                permissions: permissions(random, 3),
                ..Role::default()
            });
        }
        // Roles include roles, forwards, backwards and themselves; now and then built-in ones.
        for role in first..self.roles.len() {
            for _ in 0..random.below(3) {
                let other = match random.one_in(6) {
                    true => random.below(first),
                    false => first + random.below(9),
                };
                if !self.roles[role].includes.contains(&other) {
                    self.roles[role].includes.push(other);
                }
            }
        }
    }

    fn add_rows(&mut self, random: &mut Random, tag: &str) {
        let tenants = self.tenants.len() - 1;
        let users = self.users.len();
        let row = |random: &mut Random, what: &str, number: usize| Row {
            name: format!("{tag}{what}{number}"),
            tenant: 1 + random.below(tenants),
            owner: Some(random.below(users)),
            pages: random.below(5) as i64,
            ..Row::default()
        };
        for number in 0..7 {
            self.folders.push(row(random, "f", number));
        }
        for number in 0..6 {
            let mark = row(random, "m", number);
            self.marks.push(Row { owner: None, ..mark });
        }
        for number in 0..14 {
            let mut note = row(random, "n", number);
            // Mostly of the same tenant, but rows are moved.
            note.folder = pick(random, &self.folders, note.tenant);
            for _ in 0..random.below(3) {
                note.marks.extend(pick(random, &self.marks, note.tenant));
            }
            note.marks.sort_unstable();
            note.marks.dedup();
            self.notes.push(note);
        }
        for _ in 0..2 {
            self.labels.push(format!(
                "{:08x}-1111-4000-8000-0000{:08x}",
                random.bits() as u32,
                random.bits() as u32
            ));
        }
    }
}

/// A row to lead to.
fn pick(random: &mut Random, rows: &[Row], tenant: usize) -> Option<usize> {
    let own: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].tenant == tenant).collect();
    match random.below(5) {
        0 => None,
        1 => Some(random.below(rows.len())),
        _ if own.is_empty() => None,
        _ => Some(*random.pick(&own)),
    }
}

fn permissions(random: &mut Random, most: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..=random.below(most) {
        let name = *random.pick(&PERMISSIONS);
        // Who may do everything is not interesting often.
        if !matches!(name, "cop" | "*:*Can*") || random.one_in(3) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}
