//! Everywhere as somebody who has no business there: every entity set, navigation, action, function, service operation, link, property,
//! value, count, stream and query option of every endpoint, as the schema has them, on both databases. Nothing tells a tenant that
//! a foreign row exists, and who may do nothing gets nothing (design, section 5). `DEVIATIONS=FILE` writes all that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use odata_tests::case::User;
use odata_tests::client::{Reply, encode};
use odata_tests::database::System;
use odata_tests::walk::compare::{mark, plain};
use odata_tests::walk::crossings::Pair;
use odata_tests::walk::places::{Places, Probe, Verb};
use odata_tests::walk::rows::nth;
use odata_tests::walk::run::{Deviation, changed, dump, each, in_batches, send};
use odata_tests::walk::site::{HOME, Site, kinds, typed};
use odata_tests::walk::{Row, is_owned};
use odonata::engine::operation::{Who, handler_of, is_public};
use odonata::model::schema::{Behaviour, Navigation, TypeId};

/// Deviations that are shown.
const SHOWN: usize = 50;

/// In batches the stranger asks every so-manieth of his questions again.
const BATCHED: usize = 3;

/// Statuses by caller.
type Tally = Mutex<BTreeMap<(&'static str, u16), usize>>;

struct Walk {
    site: Site,
    tally: Tally,
    deviations: Vec<Deviation>,
}

#[test]
fn nobody_sees_what_is_not_his() {
    std::thread::scope(|scope| {
        for system in System::all() {
            scope.spawn(move || walk(system));
        }
    });
}

fn walk(system: System) {
    let begin = Instant::now();
    let mut site = Site::build(system);
    let crossed = site.cross();
    let seeded = begin.elapsed();
    for note in &site.notes {
        println!("{}: {note}", system.name());
    }
    let mut walk = Walk {
        site,
        tally: Tally::default(),
        deviations: Vec::new(),
    };
    let places = walk.places();
    let before = [true, false].map(|owned| dump(&walk.site, "homeboss", owned));
    walk.nobody(&places);
    walk.without_permission("guest", &places);
    walk.others(&places);
    for (owned, before) in [true, false].into_iter().zip(&before) {
        walk.unchanged("nobody, guest, plain, reader", owned, before);
    }
    walk.strangers();
    walk.unchanged("stranger, operator", true, &before[0]);
    walk.pages();
    walk.newcomers();
    walk.unchanged("stranger", true, &before[0]);
    walk.summary(
        system,
        &places,
        &format!("{crossed}; {seeded:.0?} to make them, {:.0?} in all", begin.elapsed()),
    );
}

impl Walk {
    /// Every request there is about the tenant's rows, in the order of the kinds.
    fn places(&self) -> Vec<Probe> {
        let (site, schema) = (&self.site, &self.site.schema);
        let target = |ty: TypeId| site.home.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let places = Places { schema, target: &target };
        let mut probes = Vec::new();
        for kind in kinds(schema) {
            probes.extend(places.list(kind));
            let Some(row) = nth(&site.home, kind, 0) else { continue };
            let end = |navigation: &Navigation| target(navigation.target);
            probes.extend(places.entity(row));
            probes.extend(places.navigations(row, &end, true));
            probes.extend(places.bound(row.endpoint, &typed(schema, row), row.set, row.ty, false));
        }
        probes.extend((0..schema.endpoints.len()).flat_map(|endpoint| places.unbound(endpoint)));
        probes
    }

    fn count(&self, caller: &'static str, reply: &Reply) {
        let mut tally = self.tally.lock().expect("no counter panics");
        *tally.entry((caller, reply.status)).or_default() += 1;
    }

    /// Without credentials everything is 401, with the same body.
    fn nobody(&mut self, places: &[Probe]) {
        let schema = &self.site.schema;
        let reference = self.site.client("").get("/api/Nowhere").expect("an answer");
        let mut probes = places.to_vec();
        for endpoint in &schema.endpoints {
            for path in ["", "$metadata", "Nowhere", "Nowhere(1)/Nothing"] {
                let mut probe = places[0].clone();
                probe.target = format!("/api/{}/{path}", endpoint.name);
                probes.push(probe);
            }
        }
        let found = each(&|| self.site.client(""), &probes, &|client, probe| {
            let mut probe = probe.clone();
            probe.headers.retain(|(name, _)| *name != "Accept");
            probe.headers.push(("Accept", "application/json"));
            let reply = send(client, &probe);
            self.count("nobody", &reply);
            let operation = probe
                .operation
                .map(|(endpoint, index)| &schema.endpoints[endpoint].operations[index]);
            if operation.is_some_and(is_public) {
                return expect("nobody", &probe, &reply, "2xx", (200..300).contains(&reply.status));
            }
            let same = plain(&reply, &[]) == plain(&reference, &[]);
            let is_bare = probe.method == "HEAD" || probe.target.contains("$format=atom");
            expect(
                "nobody",
                &probe,
                &reply,
                "401 as everywhere",
                reply.status == 401 && (same || is_bare),
            )
        });
        self.deviations.extend(found);
    }

    /// A user of the tenant whom no role permits anything.
    fn without_permission(&mut self, name: &'static str, places: &[Probe]) {
        let found = each(&|| self.site.client(name), places, &|client, probe| {
            let reply = send(client, probe);
            self.count(name, &reply);
            self.refused(name, probe, &reply)
        });
        self.deviations.extend(found);
    }

    fn refused(&self, name: &'static str, probe: &Probe, reply: &Reply) -> Vec<Deviation> {
        let operation = probe
            .operation
            .map(|(endpoint, index)| &self.site.schema.endpoints[endpoint].operations[index]);
        let (expected, fits) = match operation {
            Some(operation) if handler_of(operation).is_some_and(|handler| matches!(handler.who, Who::Anybody | Who::User)) => {
                ("2xx", (200..300).contains(&reply.status))
            }
            Some(operation) if operation.behaviour == Behaviour::Missing => ("403 or 501", matches!(reply.status, 403 | 501)),
            _ => ("403", reply.status == 403),
        };
        expect(name, probe, reply, expected, fits)
    }

    /// The parts of a batch are answered as the requests themselves.
    fn batches(&mut self, name: &'static str, caller: &'static str, places: &[Probe]) {
        let client = self.site.client(name);
        for endpoint in &self.site.schema.endpoints {
            let root = format!("/api/{}/", endpoint.name);
            let own: Vec<&Probe> = places
                .iter()
                .filter(|probe| probe.target.starts_with(&root) && probe.method != "HEAD")
                .collect();
            let answers = in_batches(&client, &endpoint.name, &own);
            let answers = answers.unwrap_or_else(|why| panic!("{name} {root}: {why}"));
            assert_eq!(answers.len(), own.len(), "{root}");
            for (probe, (status, body)) in own.into_iter().zip(answers) {
                let reply = Reply {
                    status,
                    headers: Vec::new(),
                    body: body.into_bytes(),
                };
                self.count(caller, &reply);
                let found = self.refused(caller, probe, &reply);
                self.deviations.extend(found);
            }
        }
    }

    /// The same for one who has no role at all, and for one who may read everything.
    fn others(&mut self, places: &[Probe]) {
        let user = |name: &str| format!("{{\"Name\":\"{name}\",\"Password\":\"{}\"}}", User::password(name));
        let plain = self.site.made("/api/Core/Users", &user("plain"));
        self.batches("plain", "plain in batches", places);
        let schema = &self.site.schema;
        let names: BTreeSet<String> = schema
            .sets
            .iter()
            .map(|set| format!("{}:{}CanRead", schema.endpoints[set.endpoint].permission_prefix, set.name))
            .collect();
        let permissions: Vec<String> = names.iter().map(|name| format!("{{\"Name\":\"{name}\"}}")).collect();
        let readers = format!(
            "{{\"Name\":\"Readers\",\"Permissions\":[{}],\"Users\":[{}]}}",
            permissions.join(","),
            user("reader")
        );
        let role = self.site.made("/api/Core/Roles", &readers);
        let found = each(&|| self.site.client("reader"), places, &|client, probe| {
            let reply = send(client, probe);
            self.count("reader", &reply);
            self.only_read(probe, &reply)
        });
        self.deviations.extend(found);
        // What was made for this is taken away again: the rows are compared.
        // A connection of its own for each: between them, it would be closed.
        let boss = || self.site.client("homeboss");
        let delete = |path: &str| {
            let reply = boss().send("DELETE", path, &[("If-Match", "*")], None).expect("an answer");
            assert_eq!(reply.status, 204, "{path}: {}", reply.text());
        };
        for set in ["Users", "Permissions"] {
            loop {
                let rows = boss().get(&format!("{role}/{set}?$select=Id")).expect("an answer").json();
                let rows = rows["value"].as_array().cloned().unwrap_or_default();
                if rows.is_empty() {
                    break;
                }
                for row in rows {
                    delete(&format!("/api/Core/{set}({}L)", row["Id"].as_str().unwrap_or_default()));
                }
            }
        }
        delete(&role);
        delete(&plain);
    }

    /// Reads are answered, and nothing else.
    fn only_read(&self, probe: &Probe, reply: &Reply) -> Vec<Deviation> {
        let is_reading = matches!(probe.method, "GET" | "HEAD");
        let operation = probe
            .operation
            .map(|(endpoint, index)| &self.site.schema.endpoints[endpoint].operations[index]);
        let reads = operation.and_then(handler_of).is_some_and(|handler| handler.who == Who::Reader);
        match probe.verb {
            Verb::Read => {
                let fits = reply.status == 200 || is_reading && matches!(reply.status, 204 | 404);
                expect("reader", probe, reply, "200, or nothing there", fits)
            }
            Verb::Invoke if reads => expect("reader", probe, reply, "2xx", (200..300).contains(&reply.status)),
            Verb::Invoke => self.refused("reader", probe, reply),
            // What is not there, or never changes, cannot be changed by anybody.
            _ if probe.sets.len() > 1 || probe.target.contains("/$links/") => {
                expect("reader", probe, reply, "a refusal", matches!(reply.status, 400 | 403 | 404))
            }
            _ => self.refused("reader", probe, reply),
        }
    }

    /// An administrator of another tenant, and an operator who acts in none but his own.
    fn strangers(&mut self) {
        let site = &self.site;
        let mut pairs = site.foreign_rows(&site.away);
        let rows = pairs.len();
        pairs.extend(site.filters());
        pairs.extend(site.ways_across());
        pairs.extend(site.references());
        // What changes something comes after everything that only looks.
        pairs.sort_by_key(|pair| !matches!(pair.foreign.method, "GET" | "HEAD"));
        println!("{rows} pairs about rows, {} in all", pairs.len());
        self.pairs("stranger", &pairs);
        let some: Vec<Pair> = pairs.into_iter().step_by(BATCHED).collect();
        self.pairs_in_batches("stranger", &some);
        self.lists("stranger");
        let operator: Vec<Pair> = self
            .site
            .foreign_rows(&[])
            .into_iter()
            .filter(|pair| !self.is_for_operators(pair))
            .collect();
        self.pairs("admin", &operator);
        self.lists("admin");
    }

    /// Operators are told of any tenant by what is bound to it.
    fn is_for_operators(&self, pair: &Pair) -> bool {
        let operation = pair.foreign.operation;
        operation.is_some_and(|(endpoint, index)| {
            let operation = &self.site.schema.endpoints[endpoint].operations[index];
            handler_of(operation).is_some_and(|handler| handler.any_tenant)
        })
    }

    fn pairs(&mut self, name: &'static str, pairs: &[Pair]) {
        let found = each(&|| self.site.client(name), pairs, &|client, pair| {
            let foreign = send(client, &pair.foreign);
            let absent = send(client, &pair.absent);
            self.count(name, &foreign);
            self.count(name, &absent);
            told(name, pair, &foreign, &absent)
        });
        self.deviations.extend(found);
    }

    fn pairs_in_batches(&mut self, name: &'static str, pairs: &[Pair]) {
        let client = self.site.client(name);
        let caller = "stranger in batches";
        for endpoint in &self.site.schema.endpoints {
            let root = format!("/api/{}/", endpoint.name);
            let own: Vec<&Pair> = pairs
                .iter()
                .filter(|pair| pair.foreign.target.starts_with(&root) && pair.foreign.method != "HEAD")
                .collect();
            let probes: Vec<&Probe> = own.iter().flat_map(|pair| [&pair.foreign, &pair.absent]).collect();
            let answers = in_batches(&client, &endpoint.name, &probes).unwrap_or_else(|why| panic!("{name} {root}: {why}"));
            assert_eq!(answers.len(), probes.len(), "{root}");
            for (pair, answers) in own.into_iter().zip(answers.chunks(2)) {
                let [foreign, absent] = [0, 1].map(|at| Reply {
                    status: answers[at].0,
                    headers: Vec::new(),
                    body: answers[at].1.clone().into_bytes(),
                });
                self.count(caller, &foreign);
                self.count(caller, &absent);
                let found = told(caller, pair, &foreign, &absent);
                self.deviations.extend(found);
            }
        }
    }

    /// What lists and operations of sets say to somebody of another tenant.
    fn lists(&mut self, name: &'static str) {
        let (site, schema) = (&self.site, &self.site.schema);
        let target = |ty: TypeId| site.away.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let places = Places { schema, target: &target };
        let mut probes: Vec<Probe> = kinds(schema)
            .into_iter()
            .filter(|kind| is_owned(schema, kind.2))
            .flat_map(|kind| places.list(kind))
            .filter(|probe| probe.verb != Verb::Create)
            .collect();
        probes.extend((0..schema.endpoints.len()).flat_map(|endpoint| places.unbound(endpoint)));
        let found = each(&|| self.site.client(name), &probes, &|client, probe| {
            let reply = send(client, probe);
            self.count(name, &reply);
            expect(name, probe, &reply, "nothing of the other tenant", shows(&reply).is_none())
        });
        self.deviations.extend(found);
    }

    /// A page that somebody else was on goes on with the own rows.
    fn pages(&mut self) {
        let schema = &self.site.schema;
        let (home, away) = (self.site.client("homeboss"), self.site.client("stranger"));
        let mut found = Vec::new();
        for kind in kinds(schema).into_iter().filter(|kind| is_owned(schema, kind.2)) {
            let Some(row) = nth(&self.site.home, kind, 0) else { continue };
            let mut probe = self.probe_of(row);
            probe.target.push_str("?$skiptoken=nothing");
            let refused = send(&away, &probe);
            self.count("stranger", &refused);
            let cut = self.probe_of(row);
            let reply = home.send(
                "GET",
                &encode(&cut.target),
                &[("Accept", "application/json"), ("Prefer", "odata.maxpagesize=1")],
                None,
            );
            let json = reply.expect("an answer").json();
            let Some(link) = json["odata.nextLink"].as_str() else { continue };
            let query = link.split_once('?').map_or("", |(_, query)| query);
            probe.target = format!("{}?{query}", cut.target);
            let reply = send(&away, &probe);
            self.count("stranger", &reply);
            found.extend(expect(
                "stranger",
                &probe,
                &reply,
                "nothing of the other tenant",
                shows(&reply).is_none(),
            ));
        }
        self.deviations.extend(found);
    }

    fn probe_of(&self, row: &Row) -> Probe {
        let url = row.url(&self.site.schema);
        Probe {
            method: "GET",
            target: url[..url.find('(').unwrap_or(url.len())].to_owned(),
            headers: vec![("Accept", "application/json")],
            body: None,
            verb: Verb::Read,
            sets: vec![row.set],
            operation: None,
        }
    }

    /// A key or a name that somebody else has is as good as any other.
    fn newcomers(&mut self) {
        let pairs = self.site.taken();
        let client = self.site.client("stranger");
        for pair in &pairs {
            let [taken, other] = [&pair.foreign, &pair.absent].map(|probe| send(&client, probe));
            self.count("stranger", &taken);
            self.count("stranger", &other);
            let fits = taken.status == other.status;
            let expected = format!("{} as for a key that nobody has", other.status);
            let found = expect("stranger", &pair.foreign, &taken, &expected, fits);
            self.deviations.extend(found);
        }
    }

    fn unchanged(&mut self, caller: &'static str, owned: bool, before: &BTreeMap<String, String>) {
        let after = dump(&self.site, "homeboss", owned);
        let found = changed(before, &after).into_iter().map(|what| Deviation {
            place: what,
            caller,
            expected: "unchanged rows".to_owned(),
            found: "changed ones".to_owned(),
        });
        self.deviations.extend(found);
    }

    fn summary(self, system: System, places: &[Probe], more: &str) {
        let tally = self.tally.into_inner().expect("no counter panics");
        let callers: BTreeSet<&str> = tally.keys().map(|(caller, _)| *caller).collect();
        let total: usize = tally.values().sum();
        println!(
            "{}: {} sets × {} places × {} callers = {total} requests; {more}",
            system.name(),
            self.site.schema.sets.len(),
            places.len(),
            callers.len()
        );
        for caller in callers {
            let own = tally.iter().filter(|((other, _), _)| *other == caller);
            let line: Vec<String> = own.map(|((_, status), count)| format!("{status}: {count}")).collect();
            println!("  {caller}: {}", line.join(", "));
        }
        let lines = self.deviations.iter().map(ToString::to_string);
        if let Ok(file) = std::env::var("DEVIATIONS") {
            let all: Vec<String> = lines.clone().collect();
            std::fs::write(format!("{file}.{}", system.name()), all.join("\n")).expect("the file can be written");
        }
        let lines: Vec<String> = lines.take(SHOWN).collect();
        assert!(
            self.deviations.is_empty(),
            "{}: {} deviations\n{}",
            system.name(),
            self.deviations.len(),
            lines.join("\n")
        );
    }
}

/// The deviation, if there is one.
fn expect(caller: &'static str, probe: &Probe, reply: &Reply, expected: &str, fits: bool) -> Vec<Deviation> {
    if fits {
        return Vec::new();
    }
    vec![Deviation {
        place: format!("{} {} {}", probe.method, probe.target, probe.body.as_deref().unwrap_or("")),
        caller,
        expected: expected.to_owned(),
        found: format!("{} {}", reply.status, reply.text()),
    }]
}

/// What an answer shows of the tenant whose rows nobody else sees. An answer that refuses may repeat what was asked.
fn shows(reply: &Reply) -> Option<&str> {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    let is_given = reply.status < 300;
    is_given.then(|| mark(reply, "aqaq").or(text.contains(HOME).then_some(HOME)))?
}

/// What two answers tell apart.
fn told(caller: &'static str, pair: &Pair, foreign: &Reply, absent: &Reply) -> Vec<Deviation> {
    let [left, right] = [plain(foreign, &pair.names[0]), plain(absent, &pair.names[1])];
    let mut found = Vec::new();
    if left != right {
        found.extend(expect(caller, &pair.foreign, foreign, &right, false));
    } else if foreign.status >= 500 && foreign.status != 501 || foreign.status == 0 {
        found.extend(expect(caller, &pair.foreign, foreign, "an answer", false));
    } else if pair.refused && foreign.status < 400 {
        found.extend(expect(caller, &pair.foreign, foreign, "a refusal, as the row is not there", false));
    } else if let Some(shown) = shows(foreign) {
        found.extend(expect(
            caller,
            &pair.foreign,
            foreign,
            &format!("nothing, but there is {shown}"),
            false,
        ));
    }
    found
}
