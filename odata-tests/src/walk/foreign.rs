//! Somebody of another tenant, sent everywhere: what is asked about a foreign row is asked about one that nobody ever made, too.

use odonata::engine::operation::handler_of;
use odonata::model::schema::TypeId;

use super::callers::{Walk, expect};
use super::compare::{mark, plain};
use super::crossings::Pair;
use super::places::{Places, Probe, Verb};
use super::rows::nth;
use super::run::{Deviation, each, in_batches, send};
use super::site::{HOME, kinds};
use super::{Row, is_owned};
use crate::client::{Reply, encode};

/// In batches the stranger asks every so-manieth of his questions again.
const BATCHED: usize = 3;

impl Walk {
    /// An administrator of another tenant, and an operator who acts in none but his own.
    pub fn strangers(&mut self) {
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
        probes.retain(|probe| !self.is_open(probe));
        let found = each(&|| self.site.client(name), &probes, &|client, probe| {
            let reply = send(client, probe);
            self.count(name, &reply);
            expect(name, probe, &reply, "nothing of the other tenant", shows(&reply).is_none())
        });
        self.deviations.extend(found);
    }

    /// A page that somebody else was on goes on with the own rows.
    pub fn pages(&mut self) {
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
            let reply = home.get(&encode(&cut.target));
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

    /// Whether the schema says that no two rows of all tenants have the same name.
    fn is_everywhere_unique(&self, pair: &Pair) -> bool {
        let schema = &self.site.schema;
        let entity = schema.set_type(pair.foreign.sets[0]);
        let tenant = entity.tenant.map(|index| &entity.properties[index].column);
        let indexes = entity.table.map(|table| &schema.tables[table].indexes);
        let mut indexes = indexes.into_iter().flatten();
        indexes.any(|index| index.unique && !index.columns.iter().any(|column| Some(column) == tenant))
    }

    /// A key or a name that somebody else has is as good as any other; but see `unique = "global"` in schema files.
    pub fn newcomers(&mut self) {
        let pairs = self.site.taken();
        let client = self.site.client("stranger");
        for pair in &pairs {
            let [taken, other] = [&pair.foreign, &pair.absent].map(|probe| send(&client, probe));
            self.count("stranger", &taken);
            self.count("stranger", &other);
            let fits = taken.status == other.status;
            // Names to sign in with are told apart without a tenant: who takes one learns that.
            if taken.status == 409 && self.is_everywhere_unique(pair) {
                self.site
                    .notes
                    .push(format!("known: {} is 409 for a name of another tenant", pair.foreign.target));
                continue;
            }
            let expected = format!("{} as for a key that nobody has", other.status);
            let found = expect("stranger", &pair.foreign, &taken, &expected, fits);
            self.deviations.extend(found);
        }
    }
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
