//! Random trees with random access control lists: what everybody sees and may do, compared with an evaluator that walks the tree; how many
//! lists a tenant may have. `SEED=…` repeats a failure.

use std::collections::{BTreeMap, BTreeSet};

use odata_tests::case::User;
use odata_tests::client::{Client, encode};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::lists::Verb::{Create, Delete, Update};
use odata_tests::lists::{Ace, Kind, PERMISSIONS, ROLES, Tree, Trustee, USERS};
use odata_tests::random::Random;
use odonata::model::limits;
use serde_json::{Value, json};

/// Trees on each database.
const TREES: u64 = 5;
const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";

/// A server with the users, and what its rows are called.
struct World {
    site: Site,
    names: BTreeMap<String, i64>,
}

fn text(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl World {
    fn new(fixture: &Fixture) -> World {
        let site = fixture.serve(&[("ODONATA_PAGE_SIZE", "1000")]).expect("the server starts");
        let mut world = World {
            site,
            names: BTreeMap::new(),
        };
        for name in ["Apc:ScheduledJobsCan*", "Apc:N*"] {
            world.post("Permissions", json!({ "Name": name }));
        }
        for name in ["Inner", "Outer"] {
            world.post("Roles", json!({ "Name": name }));
        }
        for set in ["Permissions", "Roles", "Users"] {
            let reply = world
                .chief()
                .get(&format!("/api/Core/{set}?$select=Id,Name"))
                .expect("an answer")
                .json();
            for row in reply["value"].as_array().expect("rows") {
                world
                    .names
                    .insert(format!("{set} {}", row["Name"].as_str().unwrap_or_default()), text(&row["Id"]));
            }
        }
        let (inner, outer) = (world.id("Roles", "Inner"), world.id("Roles", "Outer"));
        let links = [
            (outer, "Roles", format!("Roles({inner})")),
            (inner, "Users", format!("Users({})", world.id("Users", "ann"))),
            (outer, "Users", format!("Users({})", world.id("Users", "bob"))),
        ];
        for (role, navigation, url) in links {
            let target = format!("/api/Core/Roles({role})/$links/{navigation}");
            let reply = world.chief().post(&target, &json!({ "url": url }).to_string()).expect("an answer");
            assert_eq!(reply.status, 204, "{}", reply.text());
        }
        world
    }

    fn client(&self, user: &str) -> Client {
        self.site.server.anonymous().basic(user, &User::password(user))
    }

    fn chief(&self) -> Client {
        self.client("chief")
    }

    fn id(&self, set: &str, name: &str) -> i64 {
        self.names[&format!("{set} {name}")]
    }

    fn post(&self, target: &str, body: Value) -> i64 {
        let reply = self
            .chief()
            .post(&format!("/api/Core/{target}"), &body.to_string())
            .expect("an answer");
        assert_eq!(reply.status, 201, "{target} {body}: {}", reply.text());
        text(&reply.json()["Id"])
    }

    /// Makes a tree: nodes each by its maker, then lists.
    fn grow(&self, tree: &mut Tree) {
        let chief = "chief";
        for number in 0..tree.nodes.len() {
            let node = &tree.nodes[number];
            let parent = node.parent.map_or(0, |parent| tree.nodes[parent].id);
            let body = json!({"Name": format!("n{number}"), "ParentId": parent.to_string()}).to_string();
            let maker = self.client(USERS.get(node.maker).unwrap_or(&chief));
            let reply = maker.post(&format!("/api/Core/{}", node.kind.set()), &body).expect("an answer");
            assert_eq!(reply.status, 201, "{}", reply.text());
            tree.nodes[number].id = text(&reply.json()["Id"]);
        }
        for (node, list) in &tree.lists {
            let aces: Vec<Value> = list.aces.iter().map(|ace| self.ace(ace)).collect();
            let id = tree.nodes[*node].id.to_string();
            self.post(
                "Acls",
                json!({"Name": "list", "EntityId": id, "NoInheritanceFromParent": list.breaks, "Aces": aces}),
            );
        }
    }

    fn ace(&self, ace: &Ace) -> Value {
        let (of, trustee) = match ace.trustee {
            Trustee::User(user) => (1, self.id("Users", USERS[user])),
            Trustee::Role(role) => (0, self.id("Roles", ROLES[role].0)),
            Trustee::Owners => (0, self.id("Roles", "CreatorOwner")),
        };
        let permission = match ace.permission {
            0 => 0,
            number => self.id("Permissions", PERMISSIONS[number].0),
        };
        json!({"Name": "ace", "Type": ace.kind.to_string(), "TrusteeType": of.to_string(), "TrusteeId": trustee.to_string(),
            "PermissionId": permission.to_string()})
    }

    /// The ids that somebody is given, or what he is answered instead.
    fn ids(&self, client: &Client, target: &str) -> Result<BTreeSet<i64>, String> {
        let reply = client
            .get(&format!("/api/Core/{}", encode(target)))
            .map_err(|error| error.to_string())?;
        if reply.status != 200 {
            return Err(format!("{} {}", reply.status, reply.text()));
        }
        let body = reply.json();
        Ok(body["value"].as_array().into_iter().flatten().map(|row| text(&row["Id"])).collect())
    }

    /// What a user sees, by every way.
    fn check_reads(&self, tree: &Tree, user: usize) {
        let client = self.client(USERS[user]);
        let sees = |node: usize| tree.sees(user, node);
        let parent = |node: usize| tree.nodes[node].parent.filter(|parent| sees(*parent));
        let asked = [
            ("Nodes?$select=Id".to_owned(), tree.ids(sees)),
            (
                "Folders?$select=Id".to_owned(),
                tree.ids(|node| sees(node) && tree.nodes[node].kind == Kind::Folder),
            ),
            (
                "Nodes?$select=Id&$filter=Parent ne null".to_owned(),
                tree.ids(|node| sees(node) && parent(node).is_some()),
            ),
            (
                "Nodes?$select=Id&$filter=Children/any()".to_owned(),
                tree.ids(|node| sees(node) && tree.children(node).any(sees)),
            ),
            (
                "Nodes?$select=Id&$filter=Children/all(c: endswith(c/Name, '1'))".to_owned(),
                tree.ids(|node| sees(node) && tree.children(node).filter(|child| sees(*child)).all(|child| child % 10 == 1)),
            ),
            (
                "Nodes?$select=Id&$filter=Parent/Parent/Name ne null".to_owned(),
                tree.ids(|node| sees(node) && parent(node).and_then(parent).is_some()),
            ),
        ];
        for (target, expected) in asked {
            assert_eq!(
                self.ids(&client, &target),
                Ok(expected),
                "{} asks {target} of {tree:?}",
                USERS[user]
            );
        }
        let count = client.get("/api/Core/Nodes/$count").expect("an answer").text();
        assert_eq!(count, tree.ids(sees).len().to_string(), "{} counts {tree:?}", USERS[user]);
        let expanded = client
            .get("/api/Core/Nodes?$select=Id,Children/Id&$expand=Children")
            .expect("an answer")
            .json();
        for row in expanded["value"].as_array().expect("rows") {
            let node = tree
                .nodes
                .iter()
                .position(|node| node.id == text(&row["Id"]))
                .expect("a node of the tree");
            let children = row["Children"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|row| text(&row["Id"]))
                .collect();
            assert_eq!(
                tree.ids(|child| sees(child) && tree.nodes[child].parent == Some(node)),
                children,
                "{tree:?}"
            );
        }
        for (number, node) in tree.nodes.iter().enumerate() {
            let status = client.get(&format!("/api/Core/Nodes({})", node.id)).expect("an answer").status;
            assert_eq!(
                status,
                if sees(number) { 200 } else { 404 },
                "{} reads {number} of {tree:?}",
                USERS[user]
            );
            let target = format!("Nodes({})/Children", node.id);
            let children = self.ids(&client, &target).map_err(|said| said[..3].to_owned());
            let expected = tree.ids(|child| sees(child) && tree.nodes[child].parent == Some(number));
            assert_eq!(
                children,
                if sees(number) { Ok(expected) } else { Err("404".to_owned()) },
                "{target} {tree:?}"
            );
        }
    }

    /// What a user may do; what he has done is undone.
    fn check_writes(&self, tree: &mut Tree, user: usize) {
        let client = self.client(USERS[user]);
        let json = [("Content-Type", "application/json")];
        for number in (0..tree.nodes.len()).rev() {
            let id = tree.nodes[number].id;
            let what = |what: &str| format!("{} {what} {number} of {tree:?}", USERS[user]);
            let answer = |sees: bool, may: bool, done: u16| match (sees, may) {
                (false, _) => 404,
                (true, false) => 403,
                (true, true) => done,
            };
            let sees = tree.sees(user, number);
            let body = json!({"Description": USERS[user]}).to_string();
            let target = format!("/api/Core/Nodes({id})");
            let reply = client.send("PATCH", &target, &json, Some(body.as_bytes())).expect("an answer");
            assert_eq!(
                reply.status,
                answer(sees, tree.may_with(user, Update, number), 204),
                "{}",
                what("changes")
            );
            let may = tree.may(user, Create, (Kind::Node, true), Some(number));
            let reply = client.post(&format!("{target}/Children"), r#"{"Name": "new"}"#).expect("an answer");
            assert_eq!(reply.status, answer(sees, may, 201), "{}", what("adds to"));
            if reply.status == 201 {
                let new = format!("/api/Core/Nodes({})", text(&reply.json()["Id"]));
                assert_eq!(self.chief().send("DELETE", &new, &[], None).expect("an answer").status, 204);
            }
            if tree.children(number).next().is_none() && number + 1 == tree.nodes.len() {
                let may = tree.may_with(user, Delete, number);
                let reply = client.send("DELETE", &target, &[], None).expect("an answer");
                assert_eq!(reply.status, answer(sees, may, 204), "{}", what("deletes"));
                if reply.status == 204 {
                    tree.nodes.pop();
                    tree.lists.remove(&number);
                }
            }
        }
    }

    /// The administrator moves a node.
    fn change(&self, tree: &mut Tree, random: &mut Random) {
        let (node, to) = (random.below(tree.nodes.len()), random.below(tree.nodes.len()));
        if node == to {
            return;
        }
        let is_circle = tree.is_below(to, node);
        let target = format!("/api/Core/Nodes({})/$links/Parent", tree.nodes[node].id);
        let body = json!({"url": format!("Nodes({})", tree.nodes[to].id)}).to_string();
        let headers = [("Content-Type", "application/json")];
        let reply = self
            .chief()
            .send("PUT", &target, &headers, Some(body.as_bytes()))
            .expect("an answer");
        assert_eq!(reply.status, if is_circle { 400 } else { 204 }, "{}", reply.text());
        if !is_circle {
            tree.nodes[node].parent = Some(to);
        }
    }
}

fn prepared(system: System) -> Fixture {
    let user = |name: &str, role: &str| User {
        name: name.to_owned(),
        tenant: TENANT.to_owned(),
        role: Some(role.to_owned()),
    };
    let mut users: Vec<User> = USERS.iter().map(|name| user(name, "CloudUser")).collect();
    users.push(user("chief", "CloudAdmin"));
    Fixture::prepare(&[], &users, system)
        .expect("the fixture is good")
        .expect("it is here")
}

fn run(system: System, seed: u64) {
    let fixture = prepared(system);
    let (mut seen, mut hidden) = (0, 0);
    for number in 0..TREES {
        let mut random = Random::new(seed.wrapping_add(number));
        let mut tree = Tree::random(&mut random);
        let world = World::new(&fixture);
        world.grow(&mut tree);
        for _ in 0..3 {
            for user in 0..USERS.len() {
                world.check_reads(&tree, user);
                let sees = (0..tree.nodes.len()).filter(|node| tree.sees(user, *node)).count();
                seen += sees;
                hidden += tree.nodes.len() - sees;
            }
            world.change(&mut tree, &mut random);
        }
        for user in 0..USERS.len() {
            world.check_writes(&mut tree, user);
        }
    }
    println!("{}: {TREES} trees, nodes seen {seen} times, hidden {hidden} times", system.name());
    assert!(seen > 100 && hidden > 100, "too little is hidden or seen");
}

#[test]
fn lists_say_who_sees_what() {
    let seed = Random::from_env(4_203).bits();
    std::thread::scope(|scope| {
        for system in System::all() {
            scope.spawn(move || run(system, seed));
        }
    });
}

/// Rows as `odonata load` takes them.
fn loaded(count: usize, mut row: impl FnMut(usize) -> Value) -> String {
    let rows = (1..=count).map(|number| {
        let mut row = row(number);
        row["Id"] = json!(number.to_string());
        row["Name"] = json!(format!("r{number}"));
        row
    });
    Value::Array(rows.collect()).to_string()
}

#[test]
fn lists_have_limits() {
    for system in System::all() {
        let fixture = prepared(system);
        let load = |set: &str, rows: String| {
            let file = fixture.plugins().join("rows.json");
            std::fs::write(&file, rows).expect("a file can be written");
            let loaded = fixture.run(&["load", "--tenant", TENANT, &format!("Core/{set}"), &file.to_string_lossy()]);
            loaded.expect("rows can be loaded");
        };
        load("Nodes", loaded(limits::ACLS + 1, |_| json!({"ParentId": "0"})));
        load("Acls", loaded(limits::ACLS - 1, |number| json!({"EntityId": number.to_string()})));
        let ace = json!({"AclId": "1", "Type": "3", "TrusteeType": "1", "TrusteeId": "2"});
        load("Aces", loaded(limits::ACES - 1, |_| ace.clone()));
        let world = World::new(&fixture);
        let chief = world.chief();
        for (last, status, code) in [(limits::ACLS, 201, ""), (limits::ACLS + 1, 400, "limit_exceeded")] {
            let body = json!({"Name": "one more", "EntityId": last.to_string()}).to_string();
            let reply = chief.post("/api/Core/Acls", &body).expect("an answer");
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
        }
        for (status, code) in [(201, ""), (400, "limit_exceeded")] {
            let body = json!({"Name": "one more", "AclId": "1", "Type": "2", "TrusteeType": "1",
                "TrusteeId": world.id("Users", "ann").to_string()});
            let reply = chief.post("/api/Core/Aces", &body.to_string()).expect("an answer");
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
        }
        // As many lists as there may be, and all but one node of them empty.
        assert_eq!(
            world.ids(&world.client("bob"), "Nodes?$select=Id").map(|ids| ids.len()),
            Ok(limits::ACLS)
        );
        assert_eq!(world.ids(&world.client("ann"), "Nodes?$select=Id").map(|ids| ids.len()), Ok(1_000));
    }
}

#[test]
fn trees_have_so_many_levels() {
    for system in System::all() {
        let fixture = prepared(system);
        let file = fixture.plugins().join("rows.json");
        // A line of as many nodes as there may be levels, and two short lines.
        let ends = [limits::NODE_DEPTH + 1, limits::NODE_DEPTH + 3];
        let parent = |number: usize| if number == 1 || ends.contains(&number) { 0 } else { number - 1 };
        let rows = loaded(limits::NODE_DEPTH + 4, |number| json!({"ParentId": parent(number).to_string()}));
        std::fs::write(&file, rows).expect("a file can be written");
        let loaded = fixture.run(&["load", "--tenant", TENANT, "Core/Nodes", &file.to_string_lossy()]);
        loaded.expect("rows can be loaded");
        let world = World::new(&fixture);
        let chief = world.chief();
        let make = |parent: usize| {
            let body = json!({"Name": "one more", "ParentId": parent.to_string()}).to_string();
            chief.post("/api/Core/Nodes", &body).expect("an answer")
        };
        let hang = |node: usize, parent: usize| {
            let body = json!({"ParentId": parent.to_string()}).to_string();
            let headers = [("Content-Type", "application/json")];
            let target = format!("/api/Core/Nodes({node})");
            chief.send("PATCH", &target, &headers, Some(body.as_bytes())).expect("an answer")
        };
        let last = limits::NODE_DEPTH;
        let link = |navigation: &str, of: usize, to: usize| {
            let target = format!("/api/Core/Nodes({of})/$links/{navigation}");
            let body = json!({"url": format!("Nodes({to})")}).to_string();
            let method = if navigation == "Parent" { "PUT" } else { "POST" };
            let headers = [("Content-Type", "application/json")];
            chief.send(method, &target, &headers, Some(body.as_bytes())).expect("an answer")
        };
        for (reply, status) in [
            (make(last), 400),
            (make(last - 1), 201),
            // Two levels hang where there is room for them.
            (hang(ends[0], last - 1), 400),
            (link("Parent", ends[0], last - 1), 400),
            (link("Children", last - 1, ends[0]), 400),
            (hang(ends[0], last - 2), 204),
            (link("Parent", ends[1], last - 2), 204),
            (hang(1, ends[1] + 1), 400),
        ] {
            assert_eq!(reply.status, status, "{}", reply.text());
            let code = if status == 400 { "limit_exceeded" } else { "" };
            assert!(reply.code() == code || reply.text().contains("below itself"), "{}", reply.text());
        }
    }
}
