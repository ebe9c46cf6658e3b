//! The requests about a row, a set, a navigation, an operation: one for every path and every method that it takes.

use odonata::model::edm::{Class, Edm};
use odonata::model::schema::{Navigation, Operation, OperationKind, Parameter, Property, Schema, SetId, Type, TypeId};
use serde_json::{Map, Value, json};

use super::seed::{Extent, Seed, literal};
use super::site::{Kind, typed};
use super::{Row, set_name};

/// What a request needs a permission for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Verb {
    Read,
    Create,
    Update,
    Delete,
    Invoke,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The method.
    pub method: &'static str,
    /// Path and query, not yet encoded.
    pub target: String,
    /// Beside the credentials.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Option<String>,
    /// What it needs a permission for.
    pub verb: Verb,
    /// Of these sets; the first is where the path begins.
    pub sets: Vec<SetId>,
    /// What it invokes: endpoint and index.
    pub operation: Option<(usize, usize)>,
}

/// The methods that change an entity.
const CHANGES: [&str; 3] = ["PUT", "PATCH", "MERGE"];

/// Makes requests.
pub struct Places<'a> {
    /// What is served.
    pub schema: &'a Schema,
    /// Rows that bodies may refer to.
    pub target: &'a dyn Fn(TypeId) -> Option<Row>,
}

impl Places<'_> {
    fn probe(&self, method: &'static str, target: String, verb: Verb, sets: &[SetId]) -> Probe {
        Probe {
            method,
            target,
            headers: vec![("Accept", "application/json")],
            body: None,
            verb,
            sets: sets.to_vec(),
            operation: None,
        }
    }

    fn with_json(&self, probe: Probe, body: Value) -> Probe {
        Probe {
            headers: vec![("Accept", "application/json"), ("Content-Type", "application/json")],
            body: Some(body.to_string()),
            ..probe
        }
    }

    fn with_text(&self, probe: Probe, body: &str) -> Probe {
        Probe {
            headers: vec![("Accept", "*/*"), ("Content-Type", "text/plain")],
            body: Some(body.to_owned()),
            ..probe
        }
    }

    fn any(&self, mut probe: Probe) -> Probe {
        probe.headers.push(("If-Match", "*"));
        probe
    }

    /// A body that fits, whoever sends it.
    fn body(&self, ty: TypeId) -> Value {
        let seed = Seed {
            mark: "wqwq",
            number: 8000,
        };
        let entity = &self.schema.types[ty];
        let concrete = match entity.is_abstract {
            true => entity
                .family
                .iter()
                .copied()
                .find(|ty| !self.schema.types[*ty].is_abstract)
                .unwrap_or(ty),
            false => ty,
        };
        let draft = seed.body(self.schema, concrete, Extent::Required, self.target).unwrap_or_default();
        Value::Object(draft.members)
    }

    /// The set where a navigation of a row leads.
    fn end(&self, row: &Row, navigation: &Navigation) -> Vec<SetId> {
        let end = self.schema.target_set(row.set, navigation).filter(|end| *end != row.set);
        std::iter::once(row.set).chain(end).collect()
    }

    /// The entity itself, and what it consists of.
    pub fn entity(&self, row: &Row) -> Vec<Probe> {
        let (plain, own) = (row.url(self.schema), typed(self.schema, row));
        let sets = [row.set];
        let read = |target: String| self.probe("GET", target, Verb::Read, &sets);
        let mut probes = vec![read(plain.clone()), read(format!("{plain}?$format=atom"))];
        probes.push(Probe {
            method: "HEAD",
            ..read(plain.clone())
        });
        let entity = &self.schema.types[row.ty];
        probes.push(read(format!("{own}?$select={}", entity.properties[entity.key[0]].name)));
        for method in CHANGES {
            let change = self.with_json(self.probe(method, own.clone(), Verb::Update, &sets), self.body(row.ty));
            // With a condition, and without.
            probes.push(if method == "MERGE" { change } else { self.any(change) });
        }
        probes.push(self.any(self.probe("DELETE", plain.clone(), Verb::Delete, &sets)));
        for (index, property) in entity.properties.iter().enumerate() {
            let is_key = entity.key.contains(&index) || entity.tenant == Some(index);
            self.property(&own, &sets, property, is_key, &mut probes);
        }
        if entity.is_open {
            probes.push(read(format!("{own}/Undeclared")));
        }
        if entity.has_stream {
            self.stream(format!("{own}/$value"), &sets, &mut probes);
        }
        let set = format!(
            "/api/{}/{}",
            self.schema.endpoints[row.endpoint].name,
            set_name(self.schema, row.endpoint, row.set)
        );
        let same = row.filter(self.schema, "");
        probes.push(read(format!("{set}?$filter={same}")));
        probes.push(read(format!("{set}/$count?$filter={same}")));
        probes.push(read(format!("{set}?$filter={same}&$inlinecount=allpages&$top=0")));
        for property in entity.properties.iter().filter(|property| is_telling(property)) {
            let (name, value) = (&property.name, &row.json[&property.name]);
            if let Some(literal) = literal(property, value) {
                let cast = own_prefix(self.schema, row);
                probes.push(read(format!("{set}/$count?$filter={cast}{name} eq {literal}")));
                probes.push(read(format!(
                    "{set}?$filter=substringof({literal},{cast}{name})&$orderby={cast}{name}"
                )));
            }
        }
        probes
    }

    fn property(&self, own: &str, sets: &[SetId], property: &Property, is_key: bool, probes: &mut Vec<Probe>) {
        let target = format!("{own}/{}", property.name);
        if property.ty == Type::Primitive(Edm::Stream) {
            return self.stream(target, sets, probes);
        }
        if property.write_only {
            return;
        }
        probes.push(self.probe("GET", target.clone(), Verb::Read, sets));
        if property.ty.primitive().is_some_and(|edm| !edm.is_spatial()) {
            let value = self.probe("GET", format!("{target}/$value"), Verb::Read, sets);
            probes.push(Probe {
                headers: vec![("Accept", "*/*")],
                ..value
            });
        }
        if let Type::Complex(complex) = property.ty {
            let inner = self.schema.complex[complex].properties.iter();
            probes.extend(inner.map(|inner| self.probe("GET", format!("{target}/{}", inner.name), Verb::Read, sets)));
        }
        if !property.is_given() || is_key {
            return;
        }
        let seed = Seed {
            mark: "wqwq",
            number: 8001,
        };
        let value = seed.value(self.schema, &property.ty, &property.facets);
        let put = self.probe("PUT", target.clone(), Verb::Update, sets);
        probes.push(self.any(self.with_json(put, json!({ "value": value }))));
        if let Type::Complex(_) = property.ty {
            let patch = self.probe("PATCH", target.clone(), Verb::Update, sets);
            probes.push(self.any(self.with_json(patch, value.clone())));
        }
        if property.ty == Type::Primitive(Edm::String) {
            let put = self.probe("PUT", format!("{target}/$value"), Verb::Update, sets);
            probes.push(self.any(self.with_text(put, value.as_str().unwrap_or_default())));
        }
        if property.nullable && !matches!(property.ty, Type::Collection(_)) {
            probes.push(self.any(self.probe("DELETE", target, Verb::Update, sets)));
        }
    }

    fn stream(&self, target: String, sets: &[SetId], probes: &mut Vec<Probe>) {
        for method in ["GET", "HEAD"] {
            let read = self.probe(method, target.clone(), Verb::Read, sets);
            probes.push(Probe {
                headers: vec![("Accept", "*/*")],
                ..read
            });
        }
        let put = self.probe("PUT", target, Verb::Update, sets);
        probes.push(self.any(self.with_text(put, "written by somebody else")));
    }

    /// What can be reached from a row by its navigations; `end` is the row at the other end. Without `unlinking`, what would take a
    /// row's own links away is left out.
    pub fn navigations(&self, row: &Row, end: &dyn Fn(&Navigation) -> Option<Row>, unlinking: bool) -> Vec<Probe> {
        let own = typed(self.schema, row);
        let mut probes = Vec::new();
        for navigation in &self.schema.types[row.ty].navigations {
            let Some(end) = end(navigation) else { continue };
            let sets = self.end(row, navigation);
            let at = Along {
                path: format!("{own}/{}", navigation.name),
                links: format!("{own}/$links/{}", navigation.name),
                endpoint: row.endpoint,
                navigation,
                end,
                sets,
                unlinking,
            };
            let expand = match self.schema.sets[row.set].entity_type == row.ty {
                true => navigation.name.clone(),
                false => format!("{}/{}", self.schema.types[row.ty].qualified(), navigation.name),
            };
            let read = |target: String| self.probe("GET", target, Verb::Read, &at.sets);
            probes.push(read(format!("{}?$expand={expand}&$select={expand}", row.url(self.schema))));
            probes.push(read(at.path.clone()));
            probes.push(read(at.links.clone()));
            if navigation.is_many() {
                self.many(&at, &mut probes);
            } else {
                self.one(&at, &mut probes);
            }
        }
        probes
    }

    /// A navigation to one.
    fn one(&self, at: &Along<'_>, probes: &mut Vec<Probe>) {
        let target = &self.schema.types[at.navigation.target];
        let key = target.properties[target.key[0]].name.clone();
        let read = |target: String| self.probe("GET", target, Verb::Read, &at.sets);
        probes.push(Probe {
            method: "HEAD",
            ..read(at.path.clone())
        });
        probes.push(read(format!("{}/{key}", at.path)));
        probes.push(read(format!("{}/{key}/$value", at.path)));
        probes.push(read(format!("{}?$select={key}", at.path)));
        if let Some(next) = target.navigations.first() {
            probes.push(read(format!("{}/{}", at.path, next.name)));
            probes.push(read(format!("{}?$expand={}", at.path, next.name)));
        }
        for method in ["PUT", "PATCH"] {
            let change = self.probe(method, at.path.clone(), Verb::Update, &at.sets);
            probes.push(self.any(self.with_json(change, self.body(at.navigation.target))));
        }
        probes.push(self.any(self.probe("DELETE", at.path.clone(), Verb::Delete, &at.sets)));
        if let Some(url) = at.end.url_in(self.schema, at.endpoint) {
            let put = self.probe("PUT", at.links.clone(), Verb::Update, &at.sets);
            probes.push(self.with_json(put, json!({ "url": url })));
        }
        if at.unlinking {
            probes.push(self.probe("DELETE", at.links.clone(), Verb::Update, &at.sets));
        }
    }

    /// A navigation to many.
    fn many(&self, at: &Along<'_>, probes: &mut Vec<Probe>) {
        let target = &self.schema.types[at.navigation.target];
        let key = target.properties[target.key[0]].name.clone();
        let read = |target: String| self.probe("GET", target, Verb::Read, &at.sets);
        probes.push(read(format!("{}/$count", at.path)));
        probes.push(read(format!("{}/$count", at.links)));
        probes.push(read(format!("{}?$inlinecount=allpages&$top=0", at.path)));
        probes.push(read(format!(
            "{}?$filter={} or true&$orderby={key} desc",
            at.path,
            at.end.filter(self.schema, "")
        )));
        let one = format!("{}{}", at.path, at.end.parentheses(self.schema));
        probes.push(read(one.clone()));
        probes.push(read(format!("{one}/{key}")));
        if let Some(next) = target.navigations.first() {
            probes.push(read(format!("{one}/{}", next.name)));
        }
        for method in ["PUT", "PATCH"] {
            let change = self.probe(method, one.clone(), Verb::Update, &at.sets);
            probes.push(self.any(self.with_json(change, self.body(at.navigation.target))));
        }
        probes.push(self.any(self.probe("DELETE", one, Verb::Delete, &at.sets)));
        if let Some(url) = at.end.url_in(self.schema, at.endpoint) {
            let post = self.probe("POST", at.links.clone(), Verb::Update, &at.sets);
            probes.push(self.with_json(post, json!({ "url": url })));
        }
        let link = format!("{}{}", at.links, at.end.parentheses(self.schema));
        probes.push(self.probe("DELETE", link, Verb::Update, &at.sets));
        if at.unlinking {
            let post = self.probe("POST", at.path.clone(), Verb::Create, &at.sets);
            probes.push(self.with_json(post, self.body(at.navigation.target)));
        }
    }

    /// What is bound to a row, or to what a set holds.
    pub fn bound(&self, endpoint: usize, path: &str, set: SetId, ty: TypeId, many: bool) -> Vec<Probe> {
        let operations = self.schema.endpoints[endpoint].operations.iter().enumerate();
        let own = operations.filter(|(_, operation)| {
            operation
                .binding()
                .is_some_and(|(bound, all)| all == many && self.schema.is_a(ty, bound))
        });
        own.map(|(index, operation)| self.invoke(endpoint, format!("{path}/"), &[set], (index, operation)))
            .collect()
    }

    /// What is bound to nothing.
    pub fn unbound(&self, endpoint: usize) -> Vec<Probe> {
        let root = format!("/api/{}/", self.schema.endpoints[endpoint].name);
        let operations = self.schema.endpoints[endpoint].operations.iter().enumerate();
        let free = operations.filter(|(_, operation)| !operation.is_bound());
        free.map(|(index, operation)| {
            let sets: Vec<SetId> = operation.set.into_iter().collect();
            self.invoke(endpoint, root.clone(), &sets, (index, operation))
        })
        .collect()
    }

    fn invoke(&self, endpoint: usize, path: String, sets: &[SetId], (index, operation): (usize, &Operation)) -> Probe {
        let container = &self.schema.endpoints[endpoint].containers[operation.container].name;
        let name = format!("{path}{container}.{}", operation.name);
        let literals = |between: &str| {
            let given = operation
                .arguments()
                .iter()
                .map(|parameter| format!("{}={}", parameter.name, self.argument(parameter)));
            given.collect::<Vec<_>>().join(between)
        };
        let (method, target) = match operation.kind() {
            OperationKind::Action => ("POST", name),
            OperationKind::Function if operation.arguments().is_empty() => ("GET", name),
            OperationKind::Function => ("GET", format!("{name}({})", literals(","))),
            OperationKind::Service => (service_method(operation), format!("{name}?{}", literals("&"))),
        };
        let probe = Probe {
            operation: Some((endpoint, index)),
            ..self.probe(method, target, Verb::Invoke, sets)
        };
        match operation.kind() {
            OperationKind::Action => {
                let given = operation.arguments().iter();
                let members: Map<String, Value> = given
                    .map(|parameter| (parameter.name.clone(), self.argument_json(parameter)))
                    .collect();
                self.with_json(probe, Value::Object(members))
            }
            _ => probe,
        }
    }

    fn argument_json(&self, parameter: &Parameter) -> Value {
        let seed = Seed { mark: "wqwq", number: 3 };
        seed.value(self.schema, &parameter.ty, &parameter.facets)
    }

    fn argument(&self, parameter: &Parameter) -> String {
        let json = self.argument_json(parameter);
        let property = parameter.primitive().map(|edm| {
            let mut property = self.schema.types[0].properties[0].clone();
            property.ty = Type::Primitive(edm);
            property
        });
        property
            .and_then(|property| literal(&property, &json))
            .unwrap_or_else(|| json.to_string())
    }

    /// Something to order entities by.
    fn order(&self, ty: TypeId) -> String {
        let properties = self.schema.types[ty].properties.iter();
        let ordered = |edm: Edm| edm.class() != Class::Equatable && edm.class() != Class::Opaque;
        let mut found = properties.filter(|property| !property.write_only && property.ty.primitive().is_some_and(ordered));
        found.next().map_or_else(|| "true".to_owned(), |property| property.name.clone())
    }

    /// A set as a whole.
    pub fn list(&self, (endpoint, set, ty): Kind) -> Vec<Probe> {
        let schema = self.schema;
        let base = schema.sets[set].entity_type == ty;
        let root = format!("/api/{}/{}", schema.endpoints[endpoint].name, set_name(schema, endpoint, set));
        let url = match base {
            true => root.clone(),
            false => format!("{root}/{}", schema.types[ty].qualified()),
        };
        let sets = [set];
        let read = |target: String| self.probe("GET", target, Verb::Read, &sets);
        let entity = &schema.types[ty];
        let key = &entity.properties[entity.key[0]].name;
        let mut probes = vec![
            read(url.clone()),
            read(format!("{url}/$count")),
            read(format!("{url}?$inlinecount=allpages&$top=0")),
            read(format!("{url}?$orderby={} desc&$top=3&$select={key}", self.order(ty))),
            read(format!("{url}?$format=atom&$filter={key} ne null")),
            Probe {
                method: "HEAD",
                ..read(url.clone())
            },
        ];
        if schema.types[ty].has_stream {
            let mut post = self.with_text(self.probe("POST", root, Verb::Create, &sets), "bytes");
            post.headers.push(("Slug", "wqwq8002"));
            probes.push(post);
        } else {
            probes.push(self.with_json(self.probe("POST", root, Verb::Create, &sets), self.body(ty)));
        }
        if base {
            probes.extend(self.bound(endpoint, &url, set, ty, true));
        }
        probes
    }
}

/// A navigation of a row on which requests are made.
struct Along<'a> {
    path: String,
    links: String,
    endpoint: usize,
    navigation: &'a Navigation,
    end: Row,
    sets: Vec<SetId>,
    unlinking: bool,
}

/// Whether a value of it tells whose row it is of.
pub fn is_telling(property: &Property) -> bool {
    property.ty == Type::Primitive(Edm::String) && !property.write_only
}

/// `NS.Type/` where a property is not of the set's own type.
fn own_prefix(schema: &Schema, row: &Row) -> String {
    match schema.sets[row.set].entity_type == row.ty {
        true => String::new(),
        false => format!("{}/", schema.types[row.ty].qualified()),
    }
}

fn service_method(operation: &Operation) -> &'static str {
    match operation.http_method.as_deref() {
        Some("GET") => "GET",
        Some("PUT") => "PUT",
        Some("DELETE") => "DELETE",
        Some("PATCH" | "MERGE") => "PATCH",
        _ => "POST",
    }
}
