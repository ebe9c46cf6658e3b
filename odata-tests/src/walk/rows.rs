//! Rows that no request can make: of sets that only the server writes, and such that lead from one tenant to the other, as a row does
//! whose tenant was changed. Written past the server, into its database.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use odonata::model::edm::{Edm, Value as Cell};
use odonata::model::schema::{ColumnKind, EntityType, Join, Navigation, Schema};
use odonata::model::text;
use serde_json::Value;

use super::places::is_telling;
use super::seed::Seed;
use super::site::{AWAY, HOME, Kind, Site, kinds};
use super::{Row, is_owned, is_ownership, own_part};
use crate::database::Database;

/// Which of a tenant's rows of a kind leads to rows of the other.
pub const CROSSING: usize = 2;
/// Which of them leads to rows that nobody ever made.
pub const DANGLING: usize = 3;

/// A connection to the database of a server.
pub enum Raw {
    /// SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

impl Raw {
    /// Opens one.
    pub fn open(database: &Database) -> Raw {
        let url = database.url();
        // References are not looked at: what is written here leads nowhere on purpose.
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("the database file is there");
                connection
                    .batch_execute("PRAGMA busy_timeout=20000; PRAGMA foreign_keys=OFF")
                    .expect("SQLite takes settings");
                Raw::Sqlite(connection)
            }
            None => {
                let mut connection = PgConnection::establish(&url).expect("PostgreSQL takes connections");
                connection
                    .batch_execute("SET session_replication_role = replica")
                    .expect("the tests' user may do that");
                Raw::Postgres(connection)
            }
        }
    }

    /// Runs a statement.
    pub fn run(&mut self, statement: &str) -> Result<(), String> {
        let outcome = match self {
            Raw::Sqlite(connection) => connection.batch_execute(statement),
            Raw::Postgres(connection) => connection.batch_execute(statement),
        };
        outcome.map_err(|error| format!("{statement}: {error}"))
    }

    /// A value as SQL has it.
    fn literal(&self, edm: Edm, json: &Value) -> String {
        let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
        let is_sqlite = matches!(self, Raw::Sqlite(_));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match (text::parse(edm, &text), edm) {
            (Some(Cell::Integer(number)), _) => number.to_string(),
            (Some(Cell::Double(number)), _) => number.to_string(),
            (Some(Cell::Boolean(yes)), _) if is_sqlite => i32::from(yes).to_string(),
            (Some(Cell::Boolean(yes)), _) => yes.to_string(),
            (Some(Cell::Text(text)), _) => format!("'{}'", text.replace('\'', "''")),
            (Some(Cell::Bytes(bytes)), _) if is_sqlite => format!("x'{}'", hex(&bytes)),
            (Some(Cell::Bytes(bytes)), Edm::Guid) => format!("'{}'::uuid", hex(&bytes)),
            (Some(Cell::Bytes(bytes)), _) => format!("'\\x{}'::bytea", hex(&bytes)),
            _ => "NULL".to_owned(),
        }
    }

    /// The literals of a row's key.
    fn key(&self, entity: &EntityType, row: &Row) -> Vec<String> {
        let edm = |ty: &odonata::model::schema::Type| ty.primitive().unwrap_or(Edm::String);
        entity
            .key_properties()
            .map(|key| self.literal(edm(&key.ty), &row.json[&key.name]))
            .collect()
    }
}

impl Site {
    /// Makes them all, and says how many.
    pub fn cross(&mut self) -> String {
        let mut raw = Raw::open(&self.site.database);
        let made = self.own_rows(&mut raw);
        let (mut crossed, mut failed) = (0, Vec::new());
        for row in self.first_of(CROSSING) {
            for (navigation, statement) in self.statements(&raw, &row, false) {
                match raw.run(&statement) {
                    Ok(()) => crossed += 1,
                    Err(why) => failed.push(format!("{}/{navigation}: {why}", row.path(&self.schema))),
                }
            }
        }
        for row in self.first_of(DANGLING) {
            for (navigation, statement) in self.statements(&raw, &row, true) {
                if let Err(why) = raw.run(&statement) {
                    failed.push(format!("{}/{navigation}: {why}", row.path(&self.schema)));
                }
            }
        }
        self.notes.extend(failed);
        format!("{made} rows of the server's own sets, {crossed} references across tenants")
    }

    /// Of every kind that the stranger sees, the row at this place: the own ones, and those that are everybody's.
    pub fn first_of(&self, place: usize) -> Vec<Row> {
        let all = kinds(&self.schema);
        all.into_iter().filter_map(|kind| self.seen(kind, place).cloned()).collect()
    }

    /// A row of a kind that the stranger sees.
    pub fn seen(&self, kind: Kind, place: usize) -> Option<&Row> {
        let rows = if is_owned(&self.schema, kind.2) { &self.away } else { &self.home };
        nth(rows, kind, place)
    }

    /// Rows of the sets that only the server writes.
    fn own_rows(&mut self, raw: &mut Raw) -> usize {
        let mut made = 0;
        for kind in kinds(&self.schema) {
            let (_, set, ty) = kind;
            let key = &self.schema.types[ty].key;
            let is_tenants = self.schema.types[ty].tenant.is_some_and(|tenant| key.contains(&tenant));
            let is_missing = self.schema.sets[set].read_only || nth(&self.home, kind, 0).is_none();
            if !is_missing || is_tenants || !is_owned(&self.schema, ty) {
                continue;
            }
            for (tenant, mark, boss) in [(HOME, "aqaq", "homeboss"), (AWAY, "bqbq", "stranger")] {
                for _ in 0..=DANGLING {
                    self.number += 1;
                    let seed = Seed { mark, number: self.number };
                    let Some(statement) = self.insert(raw, kind, &seed, tenant) else {
                        continue;
                    };
                    match raw.run(&statement) {
                        Ok(()) => made += 1,
                        Err(why) => self.notes.push(why),
                    }
                }
                let mut rows = self.take(&self.client(boss), kind);
                // What every tenant sees of a shared set is nobody's secret.
                rows.retain(|row| self.is_of(row, tenant));
                let known = if mark == "aqaq" { &mut self.home } else { &mut self.away };
                known.retain(|row| (row.endpoint, row.set, row.ty) != kind);
                known.extend(rows);
            }
        }
        made
    }

    /// Whether a row says that it is this tenant's.
    fn is_of(&self, row: &Row, tenant: &str) -> bool {
        let entity = &self.schema.types[row.ty];
        let own = entity.tenant.map(|index| &entity.properties[index].name);
        own.is_none_or(|name| row.json[name] == tenant)
    }

    fn insert(&self, raw: &Raw, (_, _, ty): Kind, seed: &Seed, tenant: &str) -> Option<String> {
        let entity = &self.schema.types[ty];
        let table = &self.schema.tables[entity.table?];
        let own = entity.properties.get(entity.tenant?)?;
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for column in table.columns.iter().filter(|column| !column.generated) {
            let ColumnKind::Primitive(edm) = column.kind else {
                if !column.nullable {
                    columns.push(format!("\"{}\"", column.name));
                    values.push("'[]'".to_owned());
                }
                continue;
            };
            let property = entity.properties.iter().find(|property| property.column == column.name);
            let facets = property.map(|property| property.facets.clone()).unwrap_or_default();
            let value = match column.name.as_str() {
                name if name == own.column => Value::from(tenant),
                // What has expired goes when the next one is made.
                "ExpiresAt" => Value::from("2999-01-01T00:00:00Z"),
                _ => seed.primitive(edm, &facets),
            };
            columns.push(format!("\"{}\"", column.name));
            values.push(raw.literal(edm, &value));
        }
        Some(format!(
            "INSERT INTO \"{}\" ({}) VALUES ({})",
            table.name,
            columns.join(", "),
            values.join(", ")
        ))
    }

    /// What makes a row lead, by each navigation, to a row of the other tenant, or to none.
    fn statements(&self, raw: &Raw, row: &Row, nowhere: bool) -> Vec<(String, String)> {
        let schema = &self.schema;
        let mut statements = Vec::new();
        for navigation in &schema.types[row.ty].navigations {
            let is_tenants = |ty: usize| schema.types[ty].tenant.is_some_and(|tenant| schema.types[ty].key.contains(&tenant));
            if !is_owned(schema, navigation.target) || is_ownership(schema, row.ty, navigation) || is_tenants(row.ty) {
                continue;
            }
            // Keys that tenants have each for themselves cannot lead to another.
            if schema.types[row.ty].has_tenant_key() || schema.types[navigation.target].has_tenant_key() {
                continue;
            }
            let Some(foreign) = self.beyond(navigation, nowhere) else {
                continue;
            };
            statements.extend(statement(raw, schema, row, navigation, &foreign, nowhere).map(|sql| (navigation.name.clone(), sql)));
        }
        statements
    }

    /// Where a navigation leads that goes too far: a row of the tenant [`HOME`], or one that is not there.
    pub fn beyond(&self, navigation: &Navigation, nowhere: bool) -> Option<Row> {
        let schema = &self.schema;
        let mut found = self.home.iter().filter(|row| schema.is_a(row.ty, navigation.target));
        // The second, so that the first stays as it is.
        let first = found.next()?;
        let foreign = found.next().unwrap_or(first);
        match nowhere {
            false => Some(foreign.clone()),
            true => self.absent(foreign),
        }
    }

    /// A row that nobody ever made, with values where the other one has any.
    pub fn absent(&self, like: &Row) -> Option<Row> {
        let entity = &self.schema.types[like.ty];
        let seed = Seed {
            mark: "zqzq",
            number: 9000 + like.set as u32,
        };
        let values = entity.properties.iter().filter(|property| property.is_structural());
        let json = values.map(|property| {
            let like = like.json.get(&property.name).unwrap_or(&Value::Null);
            let value = match like.as_str() {
                // What the server has written is everybody's.
                Some(text) if is_telling(property) && !text.contains("aqaq") => like.clone(),
                _ if like.is_null() => Value::Null,
                _ => seed.value(&self.schema, &property.ty, &property.facets),
            };
            (property.name.clone(), value)
        });
        self.row((like.endpoint, like.set, like.ty), Value::Object(json.collect()))
    }
}

/// The row of a kind at a place.
pub fn nth(rows: &[Row], (endpoint, set, ty): Kind, place: usize) -> Option<&Row> {
    let own = |row: &&Row| (row.endpoint, row.set, row.ty) == (endpoint, set, ty);
    rows.iter().filter(own).nth(place)
}

fn statement(raw: &Raw, schema: &Schema, row: &Row, navigation: &Navigation, foreign: &Row, nowhere: bool) -> Option<String> {
    let (own, other) = (&schema.types[row.ty], &schema.types[foreign.ty]);
    let pairs = |names: &[String], values: Vec<String>, between: &str| {
        let pairs = names.iter().zip(values).map(|(name, value)| format!("\"{name}\" = {value}"));
        pairs.collect::<Vec<_>>().join(between)
    };
    let columns = |entity: &EntityType| entity.key_properties().map(|key| key.column.clone()).collect::<Vec<_>>();
    let place = |entity: &EntityType, row: &Row| pairs(&columns(entity), raw.key(entity, row), " AND ");
    match navigation.join.as_ref()? {
        Join::Near { columns: held } => {
            let held = own_part(schema, foreign.ty, held);
            let is_key = held.iter().any(|column| own.key_properties().any(|key| key.column == *column));
            let table = &schema.tables[own.table?].name;
            let set = pairs(held, raw.key(other, foreign), ", ");
            (!is_key).then(|| format!("UPDATE \"{table}\" SET {set} WHERE {}", place(own, row)))
        }
        // Nobody's row can hold nothing's key.
        Join::Far { .. } if nowhere => None,
        Join::Far { columns: held } => {
            let held = own_part(schema, row.ty, held);
            let is_key = held.iter().any(|column| other.key_properties().any(|key| key.column == *column));
            let table = &schema.tables[other.table?].name;
            let set = pairs(held, raw.key(own, row), ", ");
            (!is_key).then(|| format!("UPDATE \"{table}\" SET {set} WHERE {}", place(other, foreign)))
        }
        // A pair that says its tenant cannot be of two.
        Join::Link { near, far, .. } if near.len() != own.key.len() || far.len() != other.key.len() => None,
        Join::Link { table, near, far } => {
            let names: Vec<String> = near.iter().chain(far).map(|name| format!("\"{name}\"")).collect();
            let values: Vec<String> = raw.key(own, row).into_iter().chain(raw.key(other, foreign)).collect();
            let table = &schema.tables[*table].name;
            Some(format!(
                "INSERT INTO \"{table}\" ({}) VALUES ({})",
                names.join(", "),
                values.join(", ")
            ))
        }
    }
}
