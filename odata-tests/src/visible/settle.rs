//! Brings a world into a server: what an operator can make by requests, and what leads from one tenant to the other past the server, into
//! its database.

use odonata::model::schema::{Join, Schema};
use serde_json::{Value, json};

use super::world::{Role, World};
use crate::case::User as Account;
use crate::client::{Client, encode};
use crate::database::Database;
use crate::walk::rows::Raw;

/// Makes everything, and writes down what the server calls it.
pub fn settle(world: &mut World, admin: &Client, database: &Database, schema: &Schema) {
    let ask = Ask { client: admin };
    for tenant in 1..world.tenants.len() {
        let parent = world.tenants[world.tenants[tenant].parent].guid.clone();
        let guid = world.tenants[tenant].guid.clone();
        let body = json!({"Id": guid, "Name": guid, "ParentId": parent});
        ask.post("Core/Tenants", &parent, &body);
    }
    for user in 0..world.users.len() {
        let tenant = world.tenants[world.users[user].tenant].guid.clone();
        let name = world.users[user].name.clone();
        let password = Account::password(&name);
        let made = ask.post("Core/Users", &tenant, &json!({"Name": name, "Password": password}));
        world.users[user].id = number(&made["Id"]);
    }
    for role in 0..world.roles.len() {
        let tenant = world.tenants[world.roles[role].tenant].guid.clone();
        let Role {
            name, built_in, active, ..
        } = world.roles[role].clone();
        let row = match built_in {
            true => ask.first("Core/Roles", &tenant, &format!("Name eq '{name}'")),
            false => ask.post("Core/Roles", &tenant, &json!({"Name": name, "Active": active})),
        };
        world.roles[role].id = number(&row["Id"]);
    }
    add_rows(world, &ask);
    let mut raw = Raw::open(database);
    link_roles(world, &ask, &mut raw, schema);
    link_rows(world, &mut raw, schema);
    // The server learns that roles have changed when one does by a request.
    let role = world.roles.last().expect("there are roles");
    let tenant = &world.tenants[role.tenant].guid;
    ask.change(&format!("Core/Roles({}L)", role.id), tenant, &json!({"Description": "settled"}));
}

fn add_rows(world: &mut World, ask: &Ask<'_>) {
    let World {
        tenants,
        folders,
        notes,
        marks,
        labels,
        ..
    } = world;
    for (set, rows) in [("Folders", folders), ("Notes", notes), ("Marks", marks)] {
        for row in rows {
            let body = match set {
                "Marks" => json!({"Text": row.name}),
                "Notes" => json!({"Name": row.name, "Pages": row.pages}),
                _ => json!({"Name": row.name}),
            };
            let made = ask.post(&format!("Desk/{set}"), &tenants[row.tenant].guid, &body);
            row.id = number(&made["Id"]);
        }
    }
    for label in labels {
        ask.post("Shop/Labels", "", &json!({"Code": label, "Text": "x"}));
    }
}

/// Pairs of keys for the link table of a navigation.
fn pairs(raw: &mut Raw, schema: &Schema, set: &str, navigation: &str, pairs: &[(i64, i64)]) {
    let (endpoint, set) = set.split_once('/').expect("an endpoint and a set");
    let set = schema.endpoint(endpoint).expect("it is served").set_names[set];
    let entity = schema.set_type(set);
    let along = &entity.navigations[entity.navigation(navigation).expect("it is declared")];
    let Some(Join::Link { table, near, far }) = &along.join else {
        panic!("{navigation} has no table of pairs");
    };
    for (own, other) in pairs {
        let table = &schema.tables[*table].name;
        let statement = format!("INSERT INTO \"{table}\" (\"{}\", \"{}\") VALUES ({own}, {other})", near[0], far[0]);
        raw.run(&statement).unwrap_or_else(|why| panic!("{why}"));
    }
}

fn link_roles(world: &World, ask: &Ask<'_>, raw: &mut Raw, schema: &Schema) {
    let all = || world.roles.iter();
    let users: Vec<(i64, i64)> = all()
        .flat_map(|role| role.users.iter().map(|&user| (role.id, world.users[user].id)))
        .collect();
    let roles: Vec<(i64, i64)> = all()
        .flat_map(|role| role.includes.iter().map(|&other| (role.id, world.roles[other].id)))
        .collect();
    let mut permissions = Vec::new();
    for role in all() {
        for name in &role.permissions {
            // What every role has at first is not there twice.
            let is_there = super::world::BUILT_IN.iter().any(|(built_in, names)| {
                let is_it = role.built_in && *built_in == role.name;
                is_it && names.contains(&name.as_str())
            });
            if !is_there {
                permissions.push((role.id, ask.permission(name)));
            }
        }
    }
    pairs(raw, schema, "Core/Roles", "Users", &users);
    pairs(raw, schema, "Core/Roles", "Roles", &roles);
    pairs(raw, schema, "Core/Roles", "Permissions", &permissions);
}

fn link_rows(world: &World, raw: &mut Raw, schema: &Schema) {
    let table = |name: &str| {
        let endpoint = schema.endpoint("Desk").expect("it is served");
        let table = schema.set_type(endpoint.set_names[name]).table.expect("it has rows");
        schema.tables[table].name.clone()
    };
    let (folders, notes) = (table("Folders"), table("Notes"));
    let mut run = |statement: String| raw.run(&statement).unwrap_or_else(|why| panic!("{why}"));
    for (table, rows) in [(&folders, &world.folders), (&notes, &world.notes)] {
        for row in rows {
            let owner = row.owner.map_or(1, |owner| world.users[owner].id);
            run(format!(
                "UPDATE \"{table}\" SET \"CreatedById\" = {owner} WHERE \"Id\" = {}",
                row.id
            ));
        }
    }
    for note in &world.notes {
        if let Some(folder) = note.folder {
            let folder = world.folders[folder].id;
            run(format!("UPDATE \"{notes}\" SET \"FolderId\" = {folder} WHERE \"Id\" = {}", note.id));
        }
    }
    let marks = world.notes.iter();
    let marks: Vec<(i64, i64)> = marks
        .flat_map(|note| note.marks.iter().map(|&mark| (note.id, world.marks[mark].id)))
        .collect();
    pairs(raw, schema, "Desk/Notes", "Marks", &marks);
}

/// Int64 is a string in JSON light, Int32 a number.
pub fn number(json: &Value) -> i64 {
    let text = json.as_str().map(str::to_owned).unwrap_or_else(|| json.to_string());
    text.parse().unwrap_or_else(|_| panic!("{json} is no number"))
}

struct Ask<'a> {
    client: &'a Client,
}

impl Ask<'_> {
    fn send(&self, method: &str, path: &str, tenant: &str, body: Option<&Value>) -> Value {
        let mut headers = vec![("Accept", "application/json"), ("Content-Type", "application/json")];
        if !tenant.is_empty() {
            headers.push(("Tenant-Id", tenant));
        }
        let text = body.map(Value::to_string);
        let target = encode(&format!("/api/{path}"));
        let reply = self
            .client
            .send(method, &target, &headers, text.as_ref().map(String::as_bytes))
            .expect("an answer");
        assert!(reply.status < 300, "{method} {path} {body:?}: {} {}", reply.status, reply.text());
        reply.json()
    }

    fn post(&self, path: &str, tenant: &str, body: &Value) -> Value {
        self.send("POST", path, tenant, Some(body))
    }

    fn change(&self, path: &str, tenant: &str, body: &Value) {
        self.send("PATCH", path, tenant, Some(body));
    }

    fn first(&self, set: &str, tenant: &str, filter: &str) -> Value {
        let json = self.send("GET", &format!("{set}?$filter={filter}"), tenant, None);
        json["value"][0].clone()
    }

    /// The number of the permission with a name, which may have to be made.
    fn permission(&self, name: &str) -> i64 {
        let found = self.first("Core/Permissions", "", &format!("Name eq '{name}'"));
        match found.is_null() {
            true => number(&self.post("Core/Permissions", "", &json!({ "Name": name }))["Id"]),
            false => number(&found["Id"]),
        }
    }
}
