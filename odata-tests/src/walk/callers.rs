//! Everybody who has no business there, sent everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use odonata::engine::operation::{Who, handler_of, is_public};
use odonata::model::schema::{Behaviour, Navigation, Operation, TypeId};

use super::compare::{mark, plain};
use super::places::{Places, Probe, Verb};
use super::rows::nth;
use super::run::{Deviation, changed, dump, each, in_batches, send};
use super::site::{Site, kinds, typed};
use crate::case::User;
use crate::client::{Reply, encode};

/// Statuses by caller.
pub type Tally = Mutex<BTreeMap<(&'static str, u16), usize>>;

/// A site, and what was found there.
pub struct Walk {
    /// The site.
    pub site: Site,
    /// Names of the permissions that every user of a tenant holds.
    pub everyone: BTreeSet<String>,
    /// Answers by caller and status.
    pub tally: Tally,
    /// What was not as it should be.
    pub deviations: Vec<Deviation>,
}

impl Walk {
    /// In a site.
    pub fn new(site: Site) -> Walk {
        Walk {
            everyone: everyone(&site),
            site,
            tally: Tally::default(),
            deviations: Vec::new(),
        }
    }

    /// Every request there is about the tenant's rows, in the order of the kinds.
    pub fn places(&self) -> Vec<Probe> {
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

    /// Counts an answer.
    pub fn count(&self, caller: &'static str, reply: &Reply) {
        let mut tally = self.tally.lock().expect("no counter panics");
        *tally.entry((caller, reply.status)).or_default() += 1;
    }

    /// Without credentials everything is 401, with the same body.
    pub fn nobody(&mut self, places: &[Probe]) {
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
    pub fn without_permission(&mut self, name: &'static str, places: &[Probe]) {
        let found = each(&|| self.site.client(name), places, &|client, probe| {
            let reply = send(client, probe);
            self.count(name, &reply);
            self.refused(name, probe, &reply)
        });
        self.deviations.extend(found);
    }

    fn refused(&self, name: &'static str, probe: &Probe, reply: &Reply) -> Vec<Deviation> {
        let operation = self.operation(probe);
        let (expected, fits) = match operation {
            Some(operation) if operation.behaviour == Behaviour::Missing => ("403 or 501", matches!(reply.status, 403 | 501)),
            _ if self.is_everyones(probe) => ("nothing of others", reply.status < 500 && mark(reply, "aqaq").is_none()),
            _ => ("403", reply.status == 403),
        };
        expect(name, probe, reply, expected, fits)
    }

    fn operation(&self, probe: &Probe) -> Option<&Operation> {
        let (endpoint, index) = probe.operation?;
        Some(&self.site.schema.endpoints[endpoint].operations[index])
    }

    /// Whether every user may do it, or may at least read where the path begins.
    fn is_everyones(&self, probe: &Probe) -> bool {
        let read = Probe {
            verb: Verb::Read,
            operation: None,
            ..probe.clone()
        };
        let leads_on = probe.sets.len() > 1 && self.everyone.contains(&self.permission(&read));
        leads_on || self.everyone.contains(&self.permission(probe))
    }

    /// The name of the permission that a request needs.
    fn permission(&self, probe: &Probe) -> String {
        let schema = &self.site.schema;
        let Some(set) = probe.sets.first().map(|&set| &schema.sets[set]) else {
            return String::new();
        };
        let verb = self
            .operation(probe)
            .map_or_else(|| format!("{:?}", probe.verb), |operation| operation.name.clone());
        format!("{}:{}Can{verb}", schema.endpoints[set.endpoint].permission_prefix, set.name)
    }

    /// Whether everybody who can sign in may invoke it, or everybody at all.
    pub fn is_open(&self, probe: &Probe) -> bool {
        let handler = self.operation(probe).and_then(handler_of);
        handler.is_some_and(|handler| matches!(handler.who, Who::Anybody | Who::User))
    }

    /// What is there for everybody gives nobody anything of somebody else's; nobody gets only what is public.
    pub fn open(&mut self, probes: &[Probe]) {
        let mut found = Vec::new();
        for name in ["", "guest", "stranger"] {
            let caller = if name.is_empty() { "nobody" } else { name };
            for probe in probes {
                let reply = send(&self.site.client(name), probe);
                self.count(caller, &reply);
                let is_public = self.operation(probe).is_some_and(is_public);
                let (expected, fits) = match name {
                    "" if !is_public => ("401", reply.status == 401),
                    _ => ("nothing of others", reply.status < 500 && mark(&reply, "aqaq").is_none()),
                };
                found.extend(expect(caller, probe, &reply, expected, fits));
            }
        }
        self.deviations.extend(found);
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
                // What has to be counted is not carried out in batches at all.
                if reply.status == 400 && probe.operation.is_some() {
                    continue;
                }
                let found = self.refused(caller, probe, &reply);
                self.deviations.extend(found);
            }
        }
    }

    /// Makes a user who has no role at all, and one who may read everything.
    pub fn hire(&self) {
        let user = |name: &str| format!("{{\"Name\":\"{name}\",\"Password\":\"{}\"}}", User::password(name));
        self.site.made("/api/Core/Users", &user("plain"));
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
        self.site.made("/api/Core/Roles", &readers);
    }

    /// The same for one who has no role at all, and for one who may read everything.
    pub fn others(&mut self, places: &[Probe]) {
        self.batches("plain", "plain in batches", places);
        let found = each(&|| self.site.client("reader"), places, &|client, probe| {
            let reply = send(client, probe);
            self.count("reader", &reply);
            self.only_read(probe, &reply)
        });
        self.deviations.extend(found);
    }

    /// Reads are answered, and nothing else.
    fn only_read(&self, probe: &Probe, reply: &Reply) -> Vec<Deviation> {
        let is_reading = matches!(probe.method, "GET" | "HEAD");
        let reads = self
            .operation(probe)
            .and_then(handler_of)
            .is_some_and(|handler| handler.who == Who::Reader);
        let has_rules = |set: &usize| !self.site.schema.set_type(*set).rows.is_empty();
        match probe.verb {
            Verb::Read => {
                let fits = reply.status == 200 || is_reading && matches!(reply.status, 204 | 404);
                expect("reader", probe, reply, "200, or nothing there", fits)
            }
            // That it has been asked with an argument that means nothing shows that he may ask.
            Verb::Invoke if reads => {
                let is_nonsense = reply.status == 400 && ["bad_argument", "bad_condition"].iter().any(|code| reply.text().contains(code));
                expect("reader", probe, reply, "2xx", (200..300).contains(&reply.status) || is_nonsense)
            }
            Verb::Invoke => self.refused("reader", probe, reply),
            // What is not there, or never changes, cannot be changed by anybody.
            _ if probe.sets.len() > 1 || probe.target.contains("/$links/") || probe.sets.iter().any(has_rules) => {
                expect("reader", probe, reply, "a refusal", matches!(reply.status, 400 | 403 | 404))
            }
            _ => self.refused("reader", probe, reply),
        }
    }

    /// The rows of the tenant, or those of nobody, are what they were.
    pub fn unchanged(&mut self, caller: &'static str, owned: bool, before: &BTreeMap<String, String>) {
        let after = dump(&self.site, "homeboss", owned);
        let found = changed(before, &after).into_iter().map(|what| Deviation {
            place: what,
            caller,
            expected: "unchanged rows".to_owned(),
            found: "changed ones".to_owned(),
        });
        self.deviations.extend(found);
    }
}

/// What every user of the tenant may do by being one.
fn everyone(site: &Site) -> BTreeSet<String> {
    let target = "/api/Core/Roles?$filter=Name eq 'Everyone'&$expand=Permissions";
    let reply = site.client("homeboss").get(&encode(target)).expect("an answer").json();
    let permissions = reply["value"][0]["Permissions"].as_array().cloned().unwrap_or_default();
    permissions
        .iter()
        .filter_map(|permission| Some(permission["Name"].as_str()?.to_owned()))
        .collect()
}

/// The deviation, if there is one.
pub fn expect(caller: &'static str, probe: &Probe, reply: &Reply, expected: &str, fits: bool) -> Vec<Deviation> {
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
