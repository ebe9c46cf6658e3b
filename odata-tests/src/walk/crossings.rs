//! Requests that lead from what a caller sees to what it does not see, in twos: about a row of somebody else, and about one that
//! nobody ever made. Whoever cannot tell the answers apart has learned nothing.

use odonata::model::schema::{Join, Navigation, TypeId};
use serde_json::{Value, json};

use super::places::{Places, Probe, Verb, is_telling};
use super::rows::{CROSSING, DANGLING, nth};
use super::seed::{Extent, Seed, literal};
use super::site::{Kind, Site, typed};
use super::{Row, is_owned, is_ownership, key_holders, set_name};

/// Two requests whose answers must be the same but for the names of the rows.
#[derive(Debug, Clone)]
pub struct Pair {
    /// About a row of somebody else.
    pub foreign: Probe,
    /// About one that is not there.
    pub absent: Probe,
    /// What is called by other names in them.
    pub names: [Vec<String>; 2],
    /// The answer must refuse something.
    pub refused: bool,
}

impl Site {
    /// Every path below a foreign row and below an absent one. `own` are rows that the caller sees.
    pub fn foreign_rows(&self, own: &[Row]) -> Vec<Pair> {
        let schema = &self.schema;
        let target = |ty: TypeId| own.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let places = Places { schema, target: &target };
        let mut pairs = Vec::new();
        for foreign in self.owned_kinds().filter_map(|kind| nth(&self.home, kind, 0)) {
            let Some(absent) = self.absent(foreign) else { continue };
            let probes = |row: &Row| {
                let end = |navigation: &Navigation| {
                    let absent = || self.any_absent(navigation.target);
                    target(navigation.target).or_else(absent)
                };
                let mut probes = places.entity(row);
                probes.extend(places.navigations(row, &end, true));
                probes.extend(places.bound(row.endpoint, &typed(schema, row), row.set, row.ty, false));
                probes
            };
            let mut two = twos(probes(foreign), probes(&absent), [foreign, &absent], false);
            // Nothing is there; only what asks the whole set has an answer.
            for pair in &mut two {
                pair.refused = pair.foreign.target.starts_with(&foreign.url(schema));
            }
            pairs.extend(two);
        }
        pairs
    }

    /// Every path from a row that the stranger sees to one of somebody else, where the row says that it leads there.
    pub fn ways_across(&self) -> Vec<Pair> {
        let schema = &self.schema;
        let target = |ty: TypeId| self.away.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let places = Places { schema, target: &target };
        let mut pairs = Vec::new();
        for row in self.first_of(CROSSING) {
            let Some(dangling) = self.seen((row.endpoint, row.set, row.ty), DANGLING) else {
                continue;
            };
            let probes = |row: &Row, nowhere: bool| {
                let end = |navigation: &Navigation| self.end_beyond(row, navigation, nowhere);
                places.navigations(row, &end, false)
            };
            let mut two = twos(probes(&row, false), probes(dangling, true), [&row, dangling], false);
            for pair in &mut two {
                pair.refused = !matches!(pair.foreign.method, "GET" | "HEAD");
                for (names, nowhere) in pair.names.iter_mut().zip([false, true]) {
                    let navigations = &schema.types[row.ty].navigations;
                    let ends = navigations
                        .iter()
                        .filter_map(|navigation| self.end_beyond(&row, navigation, nowhere));
                    names.extend(ends.map(|end| end.parentheses(schema)));
                }
            }
            pairs.extend(two);
            pairs.extend(self.own_filters(&row, dangling));
        }
        pairs
    }

    fn end_beyond(&self, row: &Row, navigation: &Navigation, nowhere: bool) -> Option<Row> {
        let goes = is_owned(&self.schema, navigation.target) && !is_ownership(&self.schema, row.ty, navigation);
        goes.then(|| self.beyond(navigation, nowhere)).flatten()
    }

    fn any_absent(&self, ty: TypeId) -> Option<Row> {
        let row = self.home.iter().find(|row| self.schema.is_a(row.ty, ty))?;
        self.absent(row)
    }

    /// What filters say of the own row that leads to a foreign one, and of one that leads nowhere.
    fn own_filters(&self, row: &Row, dangling: &Row) -> Vec<Pair> {
        let schema = &self.schema;
        let mut pairs = Vec::new();
        for navigation in &schema.types[row.ty].navigations {
            if self.end_beyond(row, navigation, false).is_none() {
                continue;
            }
            let path = self.in_filter(row.set, row.ty, navigation);
            let text = self.telling(navigation.target);
            let conditions = match (navigation.is_many(), text) {
                (true, _) => vec![
                    format!("{path}/any()"),
                    format!("{path}/any(x:true)"),
                    format!("{path}/all(x:false)"),
                ],
                (false, Some(text)) => vec![
                    format!("{path}/{text} ne null"),
                    format!("{path}/{text} eq null"),
                    format!("length({path}/{text}) gt 0"),
                ],
                (false, None) => Vec::new(),
            };
            for condition in conditions {
                let probe = |row: &Row| self.ask(row, &format!("/$count?$filter={} and {condition}", row.filter(schema, "")));
                pairs.extend(twos(vec![probe(row)], vec![probe(dangling)], [row, dangling], false));
            }
            if let (false, Some(text)) = (navigation.is_many(), text) {
                let both = format!("({}) or ({})", row.filter(schema, ""), dangling.filter(schema, ""));
                let key = schema.types[row.ty].key_properties().next().map_or("", |key| &key.name);
                let order = |direction: &str| {
                    self.ask(
                        row,
                        &format!("?$filter={both}&$orderby={path}/{text} {direction},{key}&$select={key}"),
                    )
                };
                pairs.extend(twos(vec![order("asc")], vec![order("desc")], [row, row], false));
            }
        }
        pairs
    }

    /// A navigation as filters name it.
    fn in_filter(&self, set: usize, ty: TypeId, navigation: &Navigation) -> String {
        match self.schema.sets[set].entity_type == ty {
            true => navigation.name.clone(),
            false => format!("{}/{}", self.schema.types[ty].qualified(), navigation.name),
        }
    }

    fn ask(&self, row: &Row, query: &str) -> Probe {
        let schema = &self.schema;
        Probe {
            method: "GET",
            target: format!(
                "/api/{}/{}{query}",
                schema.endpoints[row.endpoint].name,
                set_name(schema, row.endpoint, row.set)
            ),
            headers: vec![("Accept", "application/json")],
            body: None,
            verb: Verb::Read,
            sets: vec![row.set],
            operation: None,
        }
    }

    /// A property whose values tell whose row it is, and that is no key.
    fn telling(&self, ty: TypeId) -> Option<&str> {
        let entity = &self.schema.types[ty];
        let mut found = entity.properties.iter().enumerate();
        let found = found.find(|(index, property)| is_telling(property) && !entity.key.contains(index));
        found.map(|(_, property)| property.name.as_str())
    }

    /// Filters and orders that go through a navigation of a set to what a foreign row, or none, has.
    pub fn filters(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for row in self.first_of(0) {
            for navigation in &self.schema.types[row.ty].navigations {
                let [Some(foreign), Some(absent)] = [false, true].map(|nowhere| self.end_beyond(&row, navigation, nowhere)) else {
                    continue;
                };
                let probes = |end: &Row| self.filters_of(&row, navigation, end);
                pairs.extend(twos(probes(&foreign), probes(&absent), [&foreign, &absent], false));
            }
        }
        pairs
    }

    fn filters_of(&self, row: &Row, navigation: &Navigation, end: &Row) -> Vec<Probe> {
        let path = self.in_filter(row.set, row.ty, navigation);
        let target = &self.schema.types[navigation.target];
        let text = self.telling(navigation.target).and_then(|name| {
            let property = &target.properties[target.property(name)?];
            Some((name, literal(property, &end.json[name])?))
        });
        let mut probes = Vec::new();
        let mut ask = |query: String| probes.push(self.ask(row, &query));
        if navigation.is_many() {
            ask(format!("/$count?$filter={path}/any(x:{})", end.filter(&self.schema, "x/")));
            ask(format!("?$filter={path}/any(x:{})", end.filter(&self.schema, "x/")));
            if let Some((name, value)) = &text {
                ask(format!("?$filter={path}/any(x:x/{name} eq {value})"));
                ask(format!(
                    "?$filter=not {path}/all(x:x/{name} ne {value})&$inlinecount=allpages&$top=2"
                ));
            }
        } else {
            ask(format!("/$count?$filter={}", end.filter(&self.schema, &format!("{path}/"))));
            if let Some((name, value)) = &text {
                ask(format!("?$filter={path}/{name} eq {value}"));
                ask(format!("?$filter=substringof({value},{path}/{name})&$orderby={path}/{name} desc"));
            }
        }
        probes
    }

    /// Bodies that refer to a foreign row, and such that refer to none.
    pub fn references(&self) -> Vec<Pair> {
        let schema = &self.schema;
        let mut pairs = Vec::new();
        for row in self.first_of(0) {
            if schema.sets[row.set].read_only {
                continue;
            }
            for navigation in &schema.types[row.ty].navigations {
                let [Some(foreign), Some(absent)] = [false, true].map(|nowhere| self.end_beyond(&row, navigation, nowhere)) else {
                    continue;
                };
                let probes = |end: &Row| self.references_to(&row, navigation, end);
                pairs.extend(twos(probes(&foreign), probes(&absent), [&foreign, &absent], true));
            }
        }
        pairs
    }

    fn references_to(&self, row: &Row, navigation: &Navigation, end: &Row) -> Vec<Probe> {
        let schema = &self.schema;
        let mut bodies = Vec::new();
        if let Some(held) = key_holders(schema, row.ty, navigation) {
            let entity = &schema.types[row.ty];
            if held
                .iter()
                .any(|&index| !entity.properties[index].is_given() || entity.key.contains(&index))
            {
                return Vec::new();
            }
            let names = schema.types[navigation.target].key_properties().map(|key| &key.name);
            let members = held
                .iter()
                .zip(names)
                .map(|(&index, name)| (entity.properties[index].name.clone(), end.json[name].clone()));
            bodies.push(Value::Object(members.collect()));
        }
        // What only the server says is passed over from either end.
        if let Some(Join::Far { columns }) = &navigation.join {
            let target = &schema.types[navigation.target];
            let mut held = target.properties.iter().filter(|property| columns.contains(&property.column));
            if held.any(|property| !property.is_given()) {
                return Vec::new();
            }
        }
        if let Some(url) = end.url_in(schema, row.endpoint) {
            let url = if navigation.is_many() { json!([url]) } else { json!(url) };
            bodies.push(json!({ format!("{}@odata.bind", navigation.name): url }));
        }
        let mut probes = Vec::new();
        for body in bodies {
            let change = self.ask(row, "");
            let headers = vec![
                ("Accept", "application/json"),
                ("Content-Type", "application/json"),
                ("If-Match", "*"),
            ];
            probes.push(Probe {
                method: "PATCH",
                target: typed(schema, row),
                headers: headers.clone(),
                body: Some(body.to_string()),
                verb: Verb::Update,
                ..change.clone()
            });
            let Some(new) = self
                .new_row(row, 8100, Extent::Required)
                .filter(|_| !schema.types[row.ty].has_stream)
            else {
                continue;
            };
            let mut new = new;
            new.extend(body.as_object().cloned().unwrap_or_default());
            probes.push(Probe {
                method: "POST",
                headers: headers[..2].to_vec(),
                body: Some(Value::Object(new).to_string()),
                verb: Verb::Create,
                ..change
            });
        }
        probes
    }

    /// A body for one more row like this, with references to the stranger's own.
    fn new_row(&self, row: &Row, number: u32, extent: Extent) -> Option<serde_json::Map<String, Value>> {
        let schema = &self.schema;
        let target = |ty: TypeId| self.away.iter().find(|row| schema.is_a(row.ty, ty)).cloned();
        let seed = Seed { mark: "wqwq", number };
        Some(seed.body(schema, row.ty, extent, &target)?.members)
    }

    /// New rows of the stranger with all that a foreign row has which no two rows may have, and such with what nobody has.
    pub fn taken(&self) -> Vec<Pair> {
        let schema = &self.schema;
        let mut pairs = Vec::new();
        for kind in self.owned_kinds() {
            let Some(foreign) = nth(&self.home, kind, 1).or_else(|| nth(&self.home, kind, 0)) else {
                continue;
            };
            let entity = &schema.types[kind.2];
            if schema.sets[kind.1].read_only || entity.has_stream {
                continue;
            }
            let taken = entity.properties.iter().enumerate();
            let taken: Vec<&str> = taken
                .filter(|(index, property)| property.is_given() && (property.unique || entity.key.contains(index)))
                .map(|(_, property)| property.name.as_str())
                .collect();
            let (Some(mut same), Some(other)) = (
                self.new_row(foreign, 8200 + 2 * kind.1 as u32, Extent::Required),
                self.new_row(foreign, 8201 + 2 * kind.1 as u32, Extent::Required),
            ) else {
                continue;
            };
            for name in &taken {
                same.insert((*name).to_owned(), foreign.json[*name].clone());
            }
            let probe = |body: serde_json::Map<String, Value>| Probe {
                method: "POST",
                headers: vec![("Accept", "application/json"), ("Content-Type", "application/json")],
                body: Some(Value::Object(body).to_string()),
                verb: Verb::Create,
                ..self.ask(foreign, "")
            };
            if !taken.is_empty() {
                pairs.extend(twos(vec![probe(same)], vec![probe(other)], [foreign, foreign], false));
            }
        }
        pairs
    }

    fn owned_kinds(&self) -> impl Iterator<Item = Kind> {
        let all = super::site::kinds(&self.schema);
        all.into_iter().filter(|kind| is_owned(&self.schema, kind.2))
    }
}

fn twos(foreign: Vec<Probe>, absent: Vec<Probe>, rows: [&Row; 2], refused: bool) -> Vec<Pair> {
    assert_eq!(foreign.len(), absent.len(), "the same is asked of both: {}", foreign[0].target);
    let names = rows.map(names);
    let both = foreign.into_iter().zip(absent);
    both.map(|(foreign, absent)| Pair {
        foreign,
        absent,
        names: names.clone(),
        refused,
    })
    .collect()
}

/// What a row is called in answers.
fn names(row: &Row) -> Vec<String> {
    let parts: Vec<String> = match row.key.as_slice() {
        [one] => vec![format!("({one})")],
        _ => row.key.clone(),
    };
    parts
}

/// Whether a navigation leads by a table of pairs.
pub fn is_linked(navigation: &Navigation) -> bool {
    matches!(navigation.join, Some(Join::Link { .. }))
}
