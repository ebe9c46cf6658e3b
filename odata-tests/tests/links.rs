//! Links of every kind, changed at random from both ends, against a model in memory; and how much one body may make and link.

use std::collections::BTreeSet;

use odata_tests::client::Client;
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::random::Random;
use odonata::model::limits;
use serde_json::Value;

const TEAMS: usize = 3;
const PEOPLE: usize = 5;
const SKILLS: [&str; 2] = ["cook", "weld"];
const LOCKERS: usize = 3;
/// Changes on each database.
const CHANGES: usize = 400;

fn staff(system: System) -> Site {
    let fixture = Fixture::prepare(&["staff".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    fixture.serve(&[]).expect("the server starts")
}

/// Who is linked to whom. People, teams and lockers are counted from 0 here; their keys are one more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    team: [usize; PEOPLE],
    boss: [Option<usize>; PEOPLE],
    friends: BTreeSet<(usize, usize)>,
    skills: BTreeSet<(usize, usize)>,
    owner: [Option<usize>; LOCKERS],
}

/// A request, and the status that the model expects.
struct Change {
    method: &'static str,
    target: String,
    body: Option<String>,
    status: u16,
}

impl Change {
    fn of(method: &'static str, target: String, status: u16) -> Change {
        Change {
            method,
            target: format!("/api/Staff/{target}"),
            body: None,
            status,
        }
    }

    /// With a link as its body.
    fn to(self, url: String) -> Change {
        Change {
            body: Some(format!(r#"{{"url":"{url}"}}"#)),
            ..self
        }
    }
}

fn person(p: usize) -> String {
    format!("People({})", p + 1)
}

impl Model {
    /// Changes the model at random; the request that changes the server in the same way.
    fn change(&mut self, random: &mut Random) -> Change {
        let (p, q, t) = (random.below(PEOPLE), random.below(PEOPLE), random.below(TEAMS));
        let (s, l) = (random.below(SKILLS.len()), random.below(LOCKERS));
        let team = format!("Teams({}L)", t + 1);
        let skill = format!("Skills('{}')", SKILLS[s]);
        match random.below(14) {
            0 => {
                self.team[p] = t;
                Change::of("POST", format!("{team}/$links/Members"), 204).to(person(p))
            }
            1 => {
                self.team[p] = t;
                Change::of("PUT", format!("{}/$links/Team", person(p)), 204).to(team)
            }
            2 => {
                // Everybody is in a team.
                let status = if self.team[p] == t { 400 } else { 404 };
                Change::of("DELETE", format!("{team}/$links/Members({})", p + 1), status)
            }
            3 => {
                self.boss[p] = Some(q);
                Change::of("MERGE", format!("{}/$links/Boss", person(p)), 204).to(person(q))
            }
            4 => {
                self.boss[p] = None;
                Change::of("DELETE", format!("{}/$links/Boss", person(p)), 204)
            }
            5 => {
                self.boss[p] = Some(q);
                Change::of("POST", format!("{}/$links/Reports", person(q)), 204).to(person(p))
            }
            6 => {
                let status = if self.boss[p] == Some(q) { 204 } else { 404 };
                self.boss[p] = self.boss[p].filter(|boss| *boss != q);
                Change::of("DELETE", format!("{}/$links/Reports({})", person(q), p + 1), status)
            }
            7 => {
                self.friends.insert((p, q));
                let (from, to, navigation) = if random.one_in(2) { (p, q, "Friends") } else { (q, p, "FriendOf") };
                Change::of("POST", format!("{}/$links/{navigation}", person(from)), 204).to(person(to))
            }
            8 => {
                let status = if self.friends.remove(&(p, q)) { 204 } else { 404 };
                let (from, to, navigation) = if random.one_in(2) { (p, q, "Friends") } else { (q, p, "FriendOf") };
                Change::of("DELETE", format!("{}/$links/{navigation}({})", person(from), to + 1), status)
            }
            9 => {
                self.skills.insert((p, s));
                match random.one_in(2) {
                    true => Change::of("POST", format!("{}/$links/Skills", person(p)), 204).to(skill),
                    false => Change::of("POST", format!("{skill}/$links/People"), 204).to(person(p)),
                }
            }
            10 => {
                let status = if self.skills.remove(&(p, s)) { 204 } else { 404 };
                Change::of("DELETE", format!("{}/$links/Skills('{}')", person(p), SKILLS[s]), status)
            }
            11 => {
                self.own(Some(p), l);
                match random.one_in(2) {
                    true => Change::of("PUT", format!("{}/$links/Locker", person(p)), 204).to(format!("Lockers({})", l + 1)),
                    false => Change::of("PUT", format!("Lockers({})/$links/Owner", l + 1), 204).to(person(p)),
                }
            }
            12 => {
                self.owner
                    .iter_mut()
                    .filter(|owner| **owner == Some(p))
                    .for_each(|owner| *owner = None);
                Change::of("DELETE", format!("{}/$links/Locker", person(p)), 204)
            }
            _ => {
                // The same in the body of an update, several at once.
                (self.boss[p], self.team[p]) = (Some(q), t);
                self.own(Some(p), l);
                let body = format!(
                    r#"{{"Boss@odata.bind":"{}","Team@odata.bind":"{team}","Locker@odata.bind":"Lockers({})"}}"#,
                    person(q),
                    l + 1
                );
                Change {
                    body: Some(body),
                    ..Change::of("PATCH", person(p), 204)
                }
            }
        }
    }

    /// One person has one locker, one locker has one owner.
    fn own(&mut self, person: Option<usize>, locker: usize) {
        self.owner
            .iter_mut()
            .filter(|owner| **owner == person)
            .for_each(|owner| *owner = None);
        self.owner[locker] = person;
    }

    /// What the server has, read from both ends of every link.
    fn read(client: &Client) -> Model {
        let read = |target: &str| -> Vec<Value> {
            let reply = client.get(&format!("/api/Staff/{target}")).expect("an answer");
            assert_eq!(reply.status, 200, "{target}: {}", reply.text());
            reply.json()["value"].as_array().expect("a collection").clone()
        };
        let id = |value: &Value| -> Option<usize> {
            let number = value["Id"].as_u64().or_else(|| value["Id"].as_str()?.parse().ok());
            number.and_then(|number| usize::try_from(number).ok()).map(|id| id - 1)
        };
        let ids = |value: &Value| -> Vec<usize> { value.as_array().into_iter().flatten().filter_map(id).collect() };
        let mut model = Model {
            team: [0; PEOPLE],
            boss: [None; PEOPLE],
            friends: BTreeSet::new(),
            skills: BTreeSet::new(),
            owner: [None; LOCKERS],
        };
        let (mut reports, mut friend_of, mut lockers) = ([None; PEOPLE], BTreeSet::new(), [None; LOCKERS]);
        for value in read("People?$expand=Team,Boss,Reports,Friends,FriendOf,Skills,Locker&$orderby=Id") {
            let p = id(&value).expect("a number");
            model.team[p] = id(&value["Team"]).expect("a team");
            model.boss[p] = id(&value["Boss"]);
            ids(&value["Reports"]).into_iter().for_each(|q| reports[q] = Some(p));
            model.friends.extend(ids(&value["Friends"]).into_iter().map(|q| (p, q)));
            friend_of.extend(ids(&value["FriendOf"]).into_iter().map(|q| (q, p)));
            for skill in value["Skills"].as_array().expect("skills") {
                let at = SKILLS.iter().position(|name| skill["Name"] == *name);
                model.skills.insert((p, at.expect("a skill")));
            }
            if let Some(locker) = id(&value["Locker"]) {
                lockers[locker] = Some(p);
            }
        }
        for value in read("Lockers?$expand=Owner") {
            model.owner[id(&value).expect("a number")] = id(&value["Owner"]);
        }
        assert_eq!(
            (reports, friend_of, lockers),
            (model.boss, model.friends.clone(), model.owner),
            "both ends say the same"
        );
        model
    }
}

#[test]
fn random_changes_of_links() {
    for system in System::all() {
        let site = staff(system);
        let client = site.server.admin();
        let members: Vec<String> = (1..=PEOPLE).map(|id| format!(r#"{{"Id":{id},"Name":"p{id}"}}"#)).collect();
        let post = |target: &str, body: &str| {
            let reply = client.post(&format!("/api/Staff/{target}"), body).expect("an answer");
            assert_eq!(reply.status, 201, "{}", reply.text());
        };
        post("Teams", &format!(r#"{{"Name":"t1","Members":[{}]}}"#, members.join(",")));
        (2..=TEAMS).for_each(|team| post("Teams", &format!(r#"{{"Name":"t{team}"}}"#)));
        (1..=LOCKERS).for_each(|locker| post("Lockers", &format!(r#"{{"Id":{locker}}}"#)));
        let mut model = Model::read(&client);
        let mut random = Random::from_env(15);
        for number in 0..CHANGES {
            let before = model.clone();
            let change = model.change(&mut random);
            let headers = [("Content-Type", "application/json")];
            let body = change.body.as_ref().map(String::as_bytes);
            let reply = client.send(change.method, &change.target, &headers, body).expect("an answer");
            let what = format!("{} {number}: {} {} {:?}", system.name(), change.method, change.target, change.body);
            assert_eq!(reply.status, change.status, "{what}: {}\n{before:?}", reply.text());
            assert_eq!(Model::read(&client), model, "{what}\n{before:?}");
        }
    }
}

#[test]
fn a_body_makes_and_links_so_many_entities() {
    let site = staff(System::Sqlite);
    let client = site.server.admin();
    let mut next = 1;
    for (count, expected) in [(limits::BODY_ENTITIES, 201), (limits::BODY_ENTITIES + 1, 400)] {
        let members: Vec<String> = (next..next + count - 1).map(|id| format!(r#"{{"Id":{id},"Name":"p"}}"#)).collect();
        let body = format!(r#"{{"Name":"many","Members":[{}]}}"#, members.join(","));
        let reply = client.post("/api/Staff/Teams", &body).expect("an answer");
        assert_eq!(reply.status, expected, "{count}: {}", reply.text());
        next += count;
    }
    let binds = r#""People(1)","#.repeat(limits::BODY_ENTITIES);
    let body = format!(r#"{{"Name":"binds","Members@odata.bind":[{}]}}"#, binds.trim_end_matches(','));
    assert_eq!(client.post("/api/Staff/Teams", &body).expect("an answer").code(), "limit_exceeded");
    for (count, expected) in [(limits::BODY_PASSWORDS, 201), (limits::BODY_PASSWORDS + 1, 400)] {
        let members: Vec<String> = (next..next + count)
            .map(|id| format!(r#"{{"Id":{id},"Name":"p","Password":"secret {id}"}}"#))
            .collect();
        let body = format!(r#"{{"Name":"secrets","Members":[{}]}}"#, members.join(","));
        let reply = client.post("/api/Staff/Teams", &body).expect("an answer");
        assert_eq!(reply.status, expected, "{count}: {}", reply.text());
        next += count;
    }
    // Deeper than any body: refused, not a fault.
    let deep = r#"{"Id":1,"Name":"x","Boss":"#.repeat(40) + "null" + &"}".repeat(40);
    assert_eq!(client.post("/api/Staff/People", &deep).expect("an answer").status, 400);
}
