//! `odonata user`.

use std::io::IsTerminal;

use super::{House, say, told};
use crate::auth::{guid, password};
use crate::engine::identity::{self, User};
use crate::engine::{Engine, names};
use crate::model::caller::{Guid, SYSTEM_TENANT, role};
use crate::model::edm::{Cell, Edm};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::text;
use crate::settings::Settings;
use crate::store::Session;

/// What to do with users.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a user; without --password it is asked for
    Add(Add),
    /// Give a user a new password; without --password it is asked for
    Password(Password),
    /// List all users
    List,
}

/// Arguments of `odonata user add`.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Name to sign in with
    name: String,
    /// The tenant that the user belongs to; made below SYSTEM if it is not there
    #[arg(long, value_name = "GUID", default_value = "11111111-1111-1111-1111-111111111111")]
    tenant: String,
    /// A role of the tenant; may be given several times
    #[arg(long = "role", value_name = "ROLE", default_value = role::CLOUD_USER)]
    roles: Vec<String>,
    /// The password; other users of the machine may see it while the command runs
    #[arg(long)]
    password: Option<String>,
}

/// Arguments of `odonata user password`.
#[derive(Debug, clap::Args)]
pub struct Password {
    /// Name of the user
    name: String,
    /// The user's tenant, where several have a user of this name
    #[arg(long, value_name = "GUID")]
    tenant: Option<String>,
    /// The password; other users of the machine may see it while the command runs
    #[arg(long)]
    password: Option<String>,
}

/// Does it.
pub fn run(settings: &Settings, command: &Command) -> Result<(), String> {
    match command {
        Command::Add(add) => {
            let tenant = guid(&add.tenant).ok_or_else(|| format!("--tenant: {} is not a Guid", add.tenant))?;
            let hash = password::hash(&wanted(add.password.as_deref())?).map_err(|fault| told(&fault))?;
            let house = House::open(settings)?;
            let (engine, name, roles) = (house.engine.clone(), add.name.clone(), add.roles.clone());
            let added = house
                .db
                .write_now(move |session| insert(&engine, session, &name, tenant, &roles, &hash));
            added.map_err(|fault| told(&fault))?;
            say(&format!(
                "{} is a user of tenant {} now, with {}.",
                add.name,
                shown(tenant),
                add.roles.join(", ")
            ));
        }
        Command::Password(change) => {
            let tenants: Vec<Guid> = match &change.tenant {
                Some(text) => vec![guid(text).ok_or_else(|| format!("--tenant: {text} is not a Guid"))?],
                None => Vec::new(),
            };
            let hash = password::hash(&wanted(change.password.as_deref())?).map_err(|fault| told(&fault))?;
            let house = House::open(settings)?;
            let (engine, name) = (house.engine.clone(), change.name.clone());
            let changed = house.db.write_now(move |session| {
                let user = the_one(&engine, session, &name, &tenants)?;
                identity::set_password(&engine, session, user.id, &hash)
            });
            changed.map_err(|fault| told(&fault))?;
            say(&format!("{} has a new password.", change.name));
        }
        Command::List => {
            let house = House::open(settings)?;
            let users = house
                .db
                .read_now(|session| identity::list_users(&house.engine, session))
                .map_err(|fault| told(&fault))?;
            say(&table(&users));
        }
    }
    Ok(())
}

fn insert(engine: &Engine, session: &mut Session<'_>, name: &str, tenant: Guid, roles: &[String], hash: &str) -> Outcome<()> {
    if !identity::tenant_exists(engine, session, tenant)? {
        identity::add_tenant(engine, session, tenant, &shown(tenant), SYSTEM_TENANT)?;
    }
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    identity::add_user(engine, session, name, tenant, &roles, Some(hash)).map(drop)
}

/// The only user of a name.
fn the_one(engine: &Engine, session: &mut Session<'_>, name: &str, tenants: &[Guid]) -> Outcome<User> {
    let mut users = names::of(engine, session, name, tenants, 2)?.into_iter();
    match (users.next(), users.next()) {
        (Some(user), None) => Ok(user),
        (Some(_), Some(_)) => Err(Fault::new(
            &fault::CONFLICT,
            format!("Several tenants have a user {name}: say --tenant."),
        )),
        (None, _) => Err(Fault::new(&fault::NOT_FOUND, format!("There is no user {name}."))),
    }
}

/// The password given, or typed twice.
fn wanted(given: Option<&str>) -> Result<String, String> {
    let password = match given {
        Some(password) => password.to_owned(),
        None if !std::io::stdin().is_terminal() => return Err("there is no terminal to ask for the password on; use --password".to_owned()),
        None => {
            let ask = |prompt: &str| rpassword::prompt_password(prompt).map_err(|error| format!("the password cannot be read: {error}"));
            let password = ask("Password: ")?;
            if password != ask("Again: ")? {
                return Err("the two passwords differ".to_owned());
            }
            password
        }
    };
    if password.is_empty() {
        Err("the password is empty".to_owned())
    } else {
        Ok(password)
    }
}

fn shown(tenant: Guid) -> String {
    let mut out = Vec::new();
    text::write(Edm::Guid, Cell::Bytes(&tenant), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn table(users: &[User]) -> String {
    let mut rows = vec![["NAME", "TENANT", "STATE", "ROLES"].map(str::to_owned)];
    rows.extend(users.iter().map(|user| {
        let state = if user.active { "active" } else { "inactive" };
        [user.name.clone(), shown(user.tenant), state.to_owned(), user.roles.join(", ")]
    }));
    let widths: Vec<usize> = (0..3)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 4]| {
        let text = format!(
            "{:w0$}  {:w1$}  {:w2$}  {}",
            row[0],
            row[1],
            row[2],
            row[3],
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2]
        );
        text.trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_a_table() {
        let user = |name: &str, active, roles: &[&str]| User {
            id: 1,
            name: name.to_owned(),
            tenant: SYSTEM_TENANT,
            source: "Internal".to_owned(),
            active,
            password_hash: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        let tenant = "11111111-1111-1111-1111-111111111111";
        let expected = format!(
            "NAME   TENANT{}  STATE     ROLES\nadmin  {tenant}  active    A, B\nü      {tenant}  inactive",
            " ".repeat(30)
        );
        assert_eq!(table(&[user("admin", true, &["A", "B"]), user("ü", false, &[])]), expected);
    }

    #[test]
    fn a_password_is_not_empty() {
        assert_eq!(wanted(Some("x")), Ok("x".to_owned()));
        assert!(wanted(Some("")).is_err());
    }
}
