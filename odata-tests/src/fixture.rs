//! What a case file starts from: plugin folders and rows. Prepared once per database system, copied for each file.
//!
//! `fixtures/<name>/` is a plugin folder (`plugin.toml`, `schema/`) with the rows in `data/`: files are loaded in the order
//! of their names, `01 Products.json` into the set, `02 Products Labels.csv` into the link table of a navigation.
//! `northwind` is imported from an EDMX at test time.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::case::User;
use crate::database::{Database, System};
use crate::server::{self, Server};

/// Plugins and a database that nobody writes to.
#[derive(Debug)]
pub struct Fixture {
    plugins: TempDir,
    database: Database,
}

/// A server with a database of its own.
#[derive(Debug)]
pub struct Site {
    /// Killed before the database is dropped.
    pub server: Server,
    /// Its database.
    pub database: Database,
}

impl Fixture {
    /// Prepares one; the error says what the command line answered. `Ok(None)` when material is missing.
    pub fn prepare(names: &[String], users: &[User], system: System) -> Result<Option<Fixture>, String> {
        let fixture = Fixture {
            plugins: TempDir::new().map_err(|error| error.to_string())?,
            database: Database::fresh(system),
        };
        for name in names {
            if name == "northwind" {
                if !fixture.northwind()? {
                    return Ok(None);
                }
            } else {
                fixture.plugin(name)?;
            }
        }
        for name in names.iter().filter(|name| *name != "northwind") {
            fixture.rows(name)?;
        }
        for user in users {
            fixture.user(user)?;
        }
        if names.is_empty() && users.is_empty() {
            fixture.run(&["check"])?;
        }
        Ok(Some(fixture))
    }

    /// The same without rows; what is there is only what the server itself makes, and the users.
    pub fn without_rows(names: &[String], users: &[User], system: System) -> Result<Fixture, String> {
        let fixture = Fixture {
            plugins: TempDir::new().map_err(|error| error.to_string())?,
            database: Database::fresh(system),
        };
        for name in names {
            fixture.plugin(name)?;
        }
        for user in users {
            fixture.user(user)?;
        }
        Ok(fixture)
    }

    /// Where its plugins are.
    pub fn plugins(&self) -> &Path {
        self.plugins.path()
    }

    /// Starts a server on a copy of the database.
    pub fn serve(&self, settings: &[(&str, &str)]) -> Result<Site, String> {
        let database = self.database.copy();
        let server = Server::try_start(&database.url(), self.plugins.path(), settings)?;
        Ok(Site { server, database })
    }

    /// Runs the command line on the database; the error is what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let output = server::run(&self.database.url(), self.plugins.path(), arguments);
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Err(format!(
            "odonata {}: {}: {}{}",
            arguments.join(" "),
            output.status,
            said[0],
            said[1]
        ))
    }

    fn plugin(&self, name: &str) -> Result<(), String> {
        let from = crate::here().join("fixtures").join(name);
        let to = self.plugins.path().join(name);
        copy(&from.join("schema"), &to.join("schema")).map_err(|error| format!("{}: {error}", from.display()))?;
        std::fs::copy(from.join("plugin.toml"), to.join("plugin.toml")).map_err(|error| format!("{}: {error}", from.display()))?;
        Ok(())
    }

    fn rows(&self, name: &str) -> Result<(), String> {
        let folder = crate::here().join("fixtures").join(name);
        let plugin = std::fs::read_to_string(folder.join("plugin.toml")).map_err(|error| error.to_string())?;
        let endpoint = plugin.lines().find_map(|line| line.strip_prefix("endpoint = "));
        let endpoint = endpoint.ok_or("plugin.toml names no endpoint")?.trim_matches(['"', ' ']);
        for file in sorted(&folder.join("data")) {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let place: Vec<&str> = stem.split(' ').skip(1).collect();
            self.run(&["load", &format!("{endpoint}/{}", place.join("/")), &file.to_string_lossy()])?;
        }
        Ok(())
    }

    fn user(&self, user: &User) -> Result<(), String> {
        let password = User::password(&user.name);
        let mut arguments = vec!["user", "add", &user.name, "--tenant", &user.tenant, "--password", &password];
        if let Some(role) = &user.role {
            arguments.extend(["--role", role]);
        }
        self.run(&arguments)
    }

    fn northwind(&self) -> Result<bool, String> {
        let Some(shared) = crate::shared() else {
            println!("skipped: no ../shared with Northwind");
            return Ok(false);
        };
        let model = shared.join("metadata-samples/northwind-v3.edmx");
        self.run(&["import", &model.to_string_lossy(), "--endpoint", "Northwind"])?;
        const ORDER: [&str; 11] = [
            "Categories",
            "Suppliers",
            "Shippers",
            "Customers",
            "Regions",
            "Territories",
            "Employees",
            "Products",
            "Orders",
            "Order_Details",
            "Employees/Territories",
        ];
        for place in ORDER {
            let name = if place == "Employees/Territories" {
                "EmployeeTerritories"
            } else {
                place
            };
            let file = shared.join("data/northwind").join(format!("{name}.csv"));
            self.run(&["load", &format!("Northwind/{place}"), &file.to_string_lossy()])?;
        }
        Ok(true)
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut files: Vec<PathBuf> = entries.unwrap_or_default();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
