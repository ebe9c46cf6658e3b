//! Complex and entity types: names, bases, properties, keys.

use std::collections::HashMap;

use crate::model::edm::Edm;
use crate::model::schema::{ComplexType, Driven, EntityType, Property, Type};

use super::build::{Build, Declared};
use super::names::{self, Namer};
use super::properties::Owner;
use super::raw::{RawComplex, RawType};
use super::read::{At, Place};

impl<'a> Build<'a> {
    /// Declares and fills all complex types.
    pub fn complex_types(&mut self) {
        let mut declared: Vec<(usize, &'a RawComplex)> = Vec::new();
        for (endpoint, raw) in self.raw.iter().enumerate() {
            for complex in &raw.complex {
                let namespace = self.namespace(endpoint, complex.namespace.as_ref());
                names::check(self.problems, complex.place, "complex type", &complex.name);
                let qualified = format!("{namespace}.{}", complex.name);
                if !self.complex.add(endpoint, qualified.clone(), declared.len()) {
                    let other = self
                        .complex
                        .own(endpoint, &qualified)
                        .map_or(complex.place, |id| declared[id].1.place);
                    self.duplicate(complex.place, "complex type", &qualified, other);
                    continue;
                }
                declared.push((endpoint, complex));
                self.schema.complex.push(ComplexType {
                    name: complex.name.clone(),
                    namespace,
                    base: None,
                    is_abstract: complex.is_abstract,
                    properties: Vec::new(),
                    own_properties: 0,
                    attributes: complex.attributes.clone(),
                });
            }
        }
        let said = |id: usize| (declared[id].1.base.as_ref(), declared[id].1.name.as_str());
        let find = |id: usize, base: &str| {
            let (endpoint, _) = declared[id];
            let namespaces = [
                self.schema.complex[id].namespace.as_str(),
                self.schema.endpoints[endpoint].namespace.as_str(),
            ];
            self.complex.find(endpoint, &namespaces, base)
        };
        let bases = self.bases(declared.len(), said, find);
        for &id in &order(&bases) {
            self.schema.complex[id].base = bases[id];
        }
        self.complex_properties(&declared, &order(&bases));
    }

    fn complex_properties(&mut self, declared: &[(usize, &'a RawComplex)], bases_first: &[usize]) {
        for &id in bases_first {
            let (endpoint, raw) = declared[id];
            let inherited = self.schema.complex[id]
                .base
                .map_or_else(Vec::new, |base| self.schema.complex[base].properties.clone());
            let owner = Owner {
                endpoint,
                namespace: self.schema.complex[id].namespace.clone(),
                is_entity: false,
            };
            let mut properties = inherited;
            let own = properties.len();
            for property in &raw.properties {
                if properties.iter().any(|other| other.name == property.name) {
                    self.problems.add(
                        property.place,
                        format!("`{}` has a property `{}` already.", raw.name, property.name),
                    );
                    continue;
                }
                properties.push(self.property(&owner, property, String::new()));
            }
            self.schema.complex[id].properties = properties;
            self.schema.complex[id].own_properties = own;
        }
    }

    /// Declares and fills all entity types, without their navigations.
    pub fn entity_types(&mut self) {
        for (endpoint, raw) in self.raw.iter().enumerate() {
            for ty in &raw.types {
                self.declare(endpoint, ty);
            }
        }
        let said = |id: usize| (self.declared[id].raw.base.as_ref(), self.declared[id].raw.name.as_str());
        let find = |id: usize, base: &str| self.find_type(id, base);
        let bases = self.bases(self.declared.len(), said, find);
        self.bases_first = order(&bases);
        for id in self.bases_first.clone() {
            let root = bases[id].map_or(id, |base| self.schema.types[base].root);
            let ty = &mut self.schema.types[id];
            (ty.base, ty.root) = (bases[id], root);
            let mut at = Some(id);
            while let Some(member) = at {
                self.schema.types[member].family.push(id);
                at = bases[member];
            }
            self.fill(id);
        }
    }

    fn declare(&mut self, endpoint: usize, raw: &'a RawType) {
        let namespace = self.namespace(endpoint, raw.namespace.as_ref());
        names::check(self.problems, raw.place, "entity type", &raw.name);
        let qualified = format!("{namespace}.{}", raw.name);
        let id = self.declared.len();
        if let Some(other) = self.types.own(endpoint, &qualified) {
            return self.duplicate(raw.place, "entity type", &qualified, self.declared[other].raw.place);
        }
        if self.complex.own(endpoint, &qualified).is_some() {
            self.problems
                .add(raw.place, format!("There is a complex type `{qualified}` already (MET-21)."));
            return;
        }
        self.types.add(endpoint, qualified, id);
        self.declared.push(Declared { endpoint, raw });
        self.drafts.push(Vec::new());
        self.schema.types.push(EntityType {
            name: raw.name.clone(),
            namespace,
            base: None,
            root: id,
            family: Vec::new(),
            is_abstract: raw.is_abstract,
            is_open: raw.is_open,
            has_stream: raw.has_stream,
            key: Vec::new(),
            row_key: Vec::new(),
            properties: Vec::new(),
            own_properties: 0,
            navigations: Vec::new(),
            own_navigations: 0,
            table: None,
            tenant: None,
            frame: raw.frame,
            security: raw.security,
            shared: raw.is_shared,
            rows: Vec::new(),
            jobs: Driven::default(),
            attributes: raw.attributes.clone(),
        });
    }

    /// Properties, key and tenant of a type whose base is complete.
    fn fill(&mut self, id: usize) {
        let raw = self.declared[id].raw;
        let base = self.schema.types[id].base;
        let root = self.schema.types[id].root;
        let mut columns = self.columns.remove(&root).unwrap_or_else(Namer::columns);
        let mut properties: Vec<Property> = base.map_or_else(Vec::new, |base| self.schema.types[base].properties.clone());
        let mut at: HashMap<String, usize> = properties.iter().enumerate().map(|(i, p)| (p.name.clone(), i)).collect();
        let own = properties.len();
        let namespace = self.schema.types[id].namespace.clone();
        let owner = Owner {
            endpoint: self.declared[id].endpoint,
            namespace,
            is_entity: true,
        };
        for said in self.own_properties(id) {
            if at.contains_key(&said.name) {
                let place = if said.place.file == raw.place.file { said.place } else { raw.place };
                self.problems
                    .add(place, format!("`{}` has a property `{}` already.", raw.name, said.name));
                continue;
            }
            let refines = raw.frame
                && self
                    .frame
                    .properties
                    .iter()
                    .any(|other| other.name == said.name && other.place != said.place);
            if refines && (!matches!(said.ty.it.as_str(), "String" | "Edm.String") || said.nullable != (said.name == "Description")) {
                let message = format!(
                    "`{}` of the frame keeps its type: a String that is nullable only in `Description`.",
                    said.name
                );
                self.problems.add(said.place, message);
            }
            let wanted = if base.is_some() {
                format!("{}_{}", raw.name, said.name)
            } else {
                said.name.clone()
            };
            let column = columns.take(&wanted);
            at.insert(said.name.clone(), properties.len());
            properties.push(self.property(&owner, said, column));
        }
        self.columns.insert(root, columns);
        let ty = &mut self.schema.types[id];
        (ty.properties, ty.own_properties) = (properties, own);
        match base {
            Some(base) => self.inherit(id, base),
            None => {
                self.key(id, &at);
                self.schema.types[id].tenant = self.tenant(id, &at);
                self.row_key(id);
            }
        }
    }

    /// What a derived type has from its base, and may not say itself.
    fn inherit(&mut self, id: usize, base: usize) {
        let raw = self.declared[id].raw;
        let from = &self.schema.types[base];
        let (key, row_key, tenant, frame) = (from.key.clone(), from.row_key.clone(), from.tenant, from.frame);
        let (open, stream, security, shared) = (from.is_open, from.has_stream, from.security, from.shared);
        let said = [("key", !raw.key.is_empty()), ("frame", raw.frame), ("tenant", raw.tenant.is_some())];
        for (what, _) in said.iter().filter(|(_, said)| *said) {
            self.problems.add(
                raw.place,
                format!(
                    "`{}` has a base type, which gives it its `{what}`; it cannot say its own.",
                    raw.name
                ),
            );
        }
        let ty = &mut self.schema.types[id];
        (ty.key, ty.row_key, ty.tenant, ty.frame) = (key, row_key, tenant, frame);
        (ty.is_open, ty.has_stream, ty.security) = (ty.is_open || open, ty.has_stream || stream, ty.security || security);
        ty.shared |= shared;
    }

    /// The key of a type without a base (MET-20).
    fn key(&mut self, id: usize, at: &HashMap<String, usize>) {
        let raw = self.declared[id].raw;
        if raw.frame && !raw.key.is_empty() {
            self.problems
                .add(raw.key[0].place, "A type with `frame` has the key `Id`; it cannot name another.");
        }
        let said: &[At<String>] = if raw.frame { &self.frame.key } else { &raw.key };
        if said.is_empty() {
            self.problems
                .add(raw.place, format!("`{}` needs a `key`, a `base` or `frame = true`.", raw.name));
        }
        let mut key = Vec::new();
        for name in said {
            let Some(&index) = at.get(&name.it) else {
                self.problems.add(
                    name.place,
                    format!("The key names `{}`, which is not a property of `{}`.", name.it, raw.name),
                );
                continue;
            };
            let property = &self.schema.types[id].properties[index];
            let fits = property.ty.primitive().is_some_and(|edm| edm != Edm::Stream && !edm.is_spatial());
            let fault = match () {
                _ if key.contains(&index) => "stands in the key twice",
                _ if !fits => "is in the key, but only primitive values that can be compared can be",
                _ if property.nullable => "is in the key and must not be nullable",
                _ => "",
            };
            if fault.is_empty() {
                key.push(index);
            } else {
                self.problems.add(name.place, format!("`{}` {fault} (MET-20).", name.it));
            }
        }
        self.generated(id, &key);
        self.schema.types[id].key = key;
    }

    /// Keys that clients choose are the tenant's own; those that the server makes are different in all tenants.
    fn row_key(&mut self, id: usize) {
        let ty = &self.schema.types[id];
        let mut row_key = ty.key.clone();
        let chosen = ty.key_properties().any(|property| !property.generated && !property.read_only);
        let by_default = ty.key_properties().any(|property| property.by_default);
        if let Some(tenant) = ty.tenant.filter(|tenant| !ty.key.contains(tenant)) {
            let wrong = match () {
                () if by_default => "keys that are `generated = \"by default\"` would tell one tenant which numbers others have",
                () if chosen && ty.shared => {
                    "keys that clients choose would be several rows' of one tenant, as the root tenant's are `shared`"
                }
                () => "",
            };
            if !wrong.is_empty() {
                let message = format!("The rows of `{}` belong to tenants: {wrong}. Say `generated = true`.", ty.name);
                self.problems.add(self.declared[id].raw.place, message);
            }
            if chosen {
                row_key.insert(0, tenant);
            }
        }
        self.schema.types[id].row_key = row_key;
    }

    /// Only the one key property can be numbered by the database.
    fn generated(&self, id: usize, key: &[usize]) {
        let wrong = |index: usize, property: &Property| {
            let number = matches!(property.ty, Type::Primitive(Edm::Int16 | Edm::Int32 | Edm::Int64));
            property.generated && !(number && key == [index])
        };
        let properties = &self.schema.types[id].properties;
        for (index, said) in self.own_properties(id).into_iter().enumerate() {
            if properties.get(index).is_some_and(|property| wrong(index, property)) {
                let rule = "only a key of one Int16, Int32 or Int64 property can be numbered by the database";
                self.problems
                    .add(said.place, format!("`{}` cannot be `generated`: {rule}.", said.name));
            }
        }
    }

    /// The property that holds the row's tenant.
    fn tenant(&self, id: usize, at: &HashMap<String, usize>) -> Option<usize> {
        let raw = self.declared[id].raw;
        let said = raw.tenant.as_ref()?;
        let name = match (&said.it, raw.frame) {
            (None, true) => "Tid",
            (None, false) => {
                let message = "Without `frame`, `tenant` must name the Guid property that holds the tenant.";
                self.problems.add(said.place, message);
                return None;
            }
            (Some(name), _) => name,
        };
        let index = at.get(name).copied();
        let is_guid = |&index: &usize| {
            let property = &self.schema.types[id].properties[index];
            property.ty == Type::Primitive(Edm::Guid) && !property.nullable
        };
        let index = index.filter(is_guid);
        if index.is_none() {
            self.problems.add(
                said.place,
                format!("`tenant` names `{name}`, which is not a Guid property that is never null."),
            );
        }
        index
    }

    /// Finds the bases of types; unknown and cyclic ones are noted and left out.
    fn bases<'n>(
        &self,
        count: usize,
        said: impl Fn(usize) -> (Option<&'n At<String>>, &'n str),
        find: impl Fn(usize, &str) -> Option<usize>,
    ) -> Vec<Option<usize>> {
        let mut bases = vec![None; count];
        for (id, found) in bases.iter_mut().enumerate() {
            let (Some(base), name) = said(id) else { continue };
            *found = find(id, &base.it);
            if found.is_none() {
                self.problems
                    .add(base.place, format!("The base type `{}` of `{name}` is not declared.", base.it));
            }
        }
        for id in 0..count {
            if let (true, (Some(base), name)) = (reaches(&bases, id), said(id)) {
                self.problems.add(base.place, format!("`{name}` derives from itself."));
                bases[id] = None;
            }
        }
        bases
    }

    /// The namespace a declaration says, or the endpoint's.
    fn namespace(&self, endpoint: usize, said: Option<&At<String>>) -> String {
        if let Some(said) = said {
            names::check_qualified(self.problems, said.place, "namespace", &said.it);
        }
        said.map_or_else(|| self.schema.endpoints[endpoint].namespace.clone(), |said| said.it.clone())
    }

    /// What a name means in the file of a type.
    pub fn find_type(&self, from: usize, name: &str) -> Option<usize> {
        let endpoint = self.declared[from].endpoint;
        let namespaces = [
            self.schema.types[from].namespace.as_str(),
            self.schema.endpoints[endpoint].namespace.as_str(),
        ];
        self.types.find(endpoint, &namespaces, name)
    }

    fn duplicate(&self, place: Place, what: &str, name: &str, other: Place) {
        self.problems.add(
            place,
            format!(
                "The {what} `{name}` is declared twice; the other place is {}.",
                self.problems.show(other)
            ),
        );
    }
}

/// Whether the chain of bases leads back to where it began.
fn reaches(bases: &[Option<usize>], id: usize) -> bool {
    let mut at = bases[id];
    for _ in 0..bases.len() {
        match at {
            Some(base) if base == id => return true,
            Some(base) => at = bases[base],
            None => return false,
        }
    }
    false
}

/// Every index after its base; there is no cycle.
fn order(bases: &[Option<usize>]) -> Vec<usize> {
    let mut done = vec![false; bases.len()];
    let mut order = Vec::with_capacity(bases.len());
    for id in 0..bases.len() {
        let mut chain = Vec::new();
        let mut at = Some(id);
        while let Some(member) = at.filter(|&member| !done[member]) {
            done[member] = true;
            chain.push(member);
            at = bases[member];
        }
        order.extend(chain.into_iter().rev());
    }
    order
}
