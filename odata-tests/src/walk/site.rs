//! A server with all fixtures at once, and rows of two tenants in every set that anybody can write to.

use std::path::Path;

use odonata::model::schema::{Join, Schema, SetId, TypeId};
use serde_json::{Value, json};

use super::seed::{Extent, Seed, literal};
use super::{Row, is_owned, key_holders, set_name};
use crate::case::User;
use crate::client::{Client, Reply, encode};
use crate::database::System;
use crate::fixture::{self, Fixture};

/// The tenant whose rows are looked for.
pub const HOME: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
/// That of the stranger.
pub const AWAY: &str = "bbbbbbbb-0000-4000-8000-00000000000b";
/// Rows of each type that each tenant makes in each set: more than stand on a page.
pub const EACH: usize = 4;
/// Users: name, tenant, role.
pub const USERS: [(&str, &str, &str); 3] = [
    ("homeboss", HOME, "CloudAdmin"),
    ("stranger", AWAY, "CloudAdmin"),
    ("guest", HOME, "CloudGuest"),
];

/// A server, and what there is in it.
#[derive(Debug)]
pub struct Site {
    /// Server and database.
    pub site: fixture::Site,
    /// What it serves.
    pub schema: Schema,
    /// Rows of the tenant [`HOME`], and such that belong to nobody.
    pub home: Vec<Row>,
    /// Rows of the tenant [`AWAY`].
    pub away: Vec<Row>,
    /// What could not be made, and why.
    pub notes: Vec<String>,
    /// The next number of a value.
    pub number: u32,
}

/// A set, and a type of which it holds entities.
pub type Kind = (usize, SetId, TypeId);

/// Every set of every endpoint with every type of which it can hold entities.
pub fn kinds(schema: &Schema) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (set, entry) in schema.sets.iter().enumerate() {
        let family = &schema.types[entry.entity_type].family;
        let concrete = family.iter().filter(|ty| !schema.types[**ty].is_abstract);
        kinds.extend(concrete.map(|&ty| (entry.endpoint, set, ty)));
    }
    kinds
}

/// The names of all fixtures.
fn fixtures() -> Vec<String> {
    let folder = std::fs::read_dir(crate::here().join("fixtures")).expect("the fixtures are there");
    let folders = folder.flatten().filter(|entry| entry.path().join("plugin.toml").is_file());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Site {
    /// Starts one, with rows.
    pub fn build(system: System) -> Site {
        let users: Vec<User> = USERS
            .iter()
            .map(|(name, tenant, role)| User {
                name: (*name).to_owned(),
                tenant: (*tenant).to_owned(),
                role: Some((*role).to_owned()),
            })
            .collect();
        let fixture = Fixture::without_rows(&fixtures(), &users, system).unwrap_or_else(|why| panic!("{}: {why}", system.name()));
        let schema = load(fixture.plugins());
        let served = fixture
            .serve(&[("ODONATA_PAGE_SIZE", "3")])
            .unwrap_or_else(|why| panic!("{}: {why}", system.name()));
        let mut site = Site {
            site: served,
            schema,
            home: Vec::new(),
            away: Vec::new(),
            notes: Vec::new(),
            number: 0,
        };
        site.fill();
        site
    }

    /// A connection as somebody; as nobody without a name.
    pub fn client(&self, name: &str) -> Client {
        match name {
            "" => self.site.server.anonymous(),
            "admin" => self.site.server.admin(),
            name => self.site.server.anonymous().basic(name, &User::password(name)),
        }
    }

    fn fill(&mut self) {
        let (all, owned): (Vec<Kind>, Vec<Kind>) = {
            let all = kinds(&self.schema);
            let owned = all.iter().copied().filter(|kind| is_owned(&self.schema, kind.2)).collect();
            (all, owned)
        };
        for (name, mark, kinds) in [("homeboss", "aqaq", all), ("stranger", "bqbq", owned)] {
            let rows = self.make(name, mark, kinds);
            self.join(name, &rows);
            match name {
                "homeboss" => self.home = rows,
                _ => self.away = rows,
            }
        }
    }

    /// Makes rows of every kind, those that others need first.
    fn make(&mut self, name: &str, mark: &'static str, mut kinds: Vec<Kind>) -> Vec<Row> {
        let client = self.client(name);
        let mut rows = Vec::new();
        let mut why = Vec::new();
        loop {
            let before = rows.len();
            why.clear();
            kinds.retain(|&kind| match self.make_kind(&client, mark, kind, &mut rows) {
                Ok(()) => false,
                Err(reason) => {
                    why.push(format!("{}: {reason}", self.kind_name(kind)));
                    true
                }
            });
            if rows.len() == before {
                break;
            }
        }
        for kind in kinds {
            rows.extend(self.take(&client, kind));
        }
        self.notes.extend(why.into_iter().map(|why| format!("{name}: {why}")));
        rows
    }

    /// `Core/Nodes (Folder)`.
    pub fn kind_name(&self, (endpoint, set, ty): Kind) -> String {
        let schema = &self.schema;
        let own = if schema.sets[set].entity_type == ty {
            String::new()
        } else {
            format!(" ({})", schema.types[ty].name)
        };
        format!("{}/{}{own}", schema.endpoints[endpoint].name, set_name(schema, endpoint, set))
    }

    fn make_kind(&mut self, client: &Client, mark: &'static str, kind: Kind, rows: &mut Vec<Row>) -> Result<(), String> {
        let (endpoint, set, ty) = kind;
        if self.schema.sets[set].read_only {
            return Err("only the server writes it".to_owned());
        }
        let mut made = Vec::new();
        for _ in 0..EACH {
            self.number += 1;
            // What belongs to nobody is nobody's secret.
            let seed = Seed {
                mark: if is_owned(&self.schema, ty) { mark } else { "sqsq" },
                number: self.number,
            };
            made.push(self.post(client, &seed, (endpoint, set, ty), rows)?);
        }
        rows.extend(made);
        Ok(())
    }

    /// One row, as full as the server takes it.
    fn post(&self, client: &Client, seed: &Seed, kind: Kind, rows: &[Row]) -> Result<Row, String> {
        let (endpoint, set, ty) = kind;
        let schema = &self.schema;
        let url = format!("/api/{}/{}", schema.endpoints[endpoint].name, set_name(schema, endpoint, set));
        let target = |ty: TypeId| rows.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let mut last = String::new();
        for extent in [Extent::Full, Extent::Required] {
            let draft = seed.body(schema, ty, extent, &target).ok_or("what it needs is not there")?;
            if schema.types[ty].has_stream {
                return self.upload(client, seed, kind, &url, Value::Object(draft.members));
            }
            let reply = client
                .post(&encode(&url), &Value::Object(draft.members).to_string())
                .map_err(|error| error.to_string())?;
            match reply.status {
                201 => return self.row(kind, reply.json()).ok_or_else(|| reply.text()),
                status => last = format!("{status} {}", short(&reply)),
            }
        }
        Err(last)
    }

    /// A media entity comes with its bytes, and gets its properties afterwards.
    fn upload(&self, client: &Client, seed: &Seed, kind: Kind, url: &str, body: Value) -> Result<Row, String> {
        let slug = seed.text();
        let target = match self.schema.sets[kind.1].entity_type == kind.2 {
            true => url.to_owned(),
            false => format!("{url}/{}", self.schema.types[kind.2].qualified()),
        };
        let headers = [
            ("Content-Type", "text/plain"),
            ("Slug", slug.as_str()),
            ("Accept", "application/json"),
        ];
        let reply = client.send("POST", &encode(&target), &headers, Some(slug.as_bytes()));
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.status != 201 {
            return Err(format!("{} {}", reply.status, short(&reply)));
        }
        let row = self.row(kind, reply.json()).ok_or_else(|| reply.text())?;
        let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
        let url = encode(&row.url(&self.schema));
        let changed = client.send("PATCH", &url, &headers, Some(body.to_string().as_bytes()));
        let read = changed.and_then(|_| client.get(&url)).map_err(|error| error.to_string())?;
        Ok(self.row(kind, read.json()).unwrap_or(row))
    }

    /// A row from its JSON light.
    pub fn row(&self, (endpoint, set, ty): Kind, json: Value) -> Option<Row> {
        let keys = self.schema.types[ty].key_properties();
        let key: Option<Vec<String>> = keys.map(|property| literal(property, &json[&property.name])).collect();
        Some(Row {
            endpoint,
            set,
            ty,
            key: key?,
            json,
        })
    }

    /// What is there already.
    pub fn take(&self, client: &Client, kind: Kind) -> Vec<Row> {
        let (endpoint, set, ty) = kind;
        let schema = &self.schema;
        let cast = match schema.sets[set].entity_type == ty {
            true => String::new(),
            false => format!("/{}", schema.types[ty].qualified()),
        };
        let url = format!("/api/{}/{}{cast}", schema.endpoints[endpoint].name, set_name(schema, endpoint, set));
        let page = |query: &str| {
            let reply = client.get(&encode(&format!("{url}{query}")));
            reply.map_or(Value::Null, |reply| reply.json())["value"].as_array().cloned()
        };
        let name = schema.types[ty].qualified();
        let own = |json: &Value| json.get("odata.type").is_none_or(|other| *other == name.as_str());
        let found = ["", "?$skip=3"].into_iter().filter_map(page).flatten().filter(own);
        found.take(EACH).filter_map(|json| self.row(kind, json)).collect()
    }

    /// Links between the rows of one tenant, and bytes of named streams.
    fn join(&mut self, name: &str, rows: &[Row]) {
        let client = self.client(name);
        let schema = &self.schema;
        let mut refused = 0;
        for row in rows {
            let entity = &schema.types[row.ty];
            for property in entity.properties.iter().filter(|property| !property.is_structural()) {
                let url = format!("{}/{}", self.typed(row), property.name);
                let bytes = rows_mark(row);
                let _ = client.send("PUT", &encode(&url), &[("Content-Type", "text/plain")], Some(bytes.as_bytes()));
            }
            let first = rows.iter().find(|other| (other.set, other.ty) == (row.set, row.ty));
            let is_first = first.is_some_and(|first| first.key == row.key);
            for navigation in &entity.navigations {
                // Where the other end holds the key, it leads to one only.
                if matches!(navigation.join, Some(Join::Far { .. })) && !is_first {
                    continue;
                }
                let is_held = key_holders(schema, row.ty, navigation).is_some();
                let target = rows.iter().find(|other| schema.is_a(other.ty, navigation.target));
                let Some(target) = target.filter(|_| !is_held) else { continue };
                let url = format!("{}/$links/{}", self.typed(row), navigation.name);
                let body = json!({"url": target.path(schema)}).to_string();
                let method = if navigation.is_many() { "POST" } else { "PUT" };
                let reply = client.send(
                    method,
                    &encode(&url),
                    &[("Content-Type", "application/json")],
                    Some(body.as_bytes()),
                );
                refused += usize::from(reply.is_ok_and(|reply| reply.status >= 400));
            }
        }
        self.notes.push(format!("{name}: {refused} links refused"));
    }

    /// Makes a row as the tenant's administrator, and gives its path.
    pub fn made(&self, path: &str, body: &str) -> String {
        let reply = self.client("homeboss").post(path, body).expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.text());
        let location = reply.header("Location").unwrap_or_default();
        format!("/{}", location.splitn(4, '/').nth(3).unwrap_or_default())
    }

    /// The URL of a row, cast to its own type where the set is of another.
    pub fn typed(&self, row: &Row) -> String {
        typed(&self.schema, row)
    }
}

/// The URL of a row, cast to its own type where the set is of another.
pub fn typed(schema: &Schema, row: &Row) -> String {
    match schema.sets[row.set].entity_type == row.ty {
        true => row.url(schema),
        false => format!("{}/{}", row.url(schema), schema.types[row.ty].qualified()),
    }
}

/// A text with the row's mark.
fn rows_mark(row: &Row) -> String {
    let texts = row.json.as_object().into_iter().flatten();
    let mut texts = texts
        .filter_map(|(_, value)| value.as_str())
        .filter(|text| text.len() == 8 && text[1..4].starts_with('q'));
    texts.next().unwrap_or("a stream").to_owned()
}

fn short(reply: &Reply) -> String {
    reply.text().chars().take(200).collect()
}

/// What a server with these plugins serves.
fn load(plugins: &Path) -> Schema {
    odonata::plugin::load(Some(plugins)).unwrap_or_else(|problems| panic!("{problems:?}"))
}
