//! Endpoints and what hangs on them: containers, sets, association sets, and which types their metadata declares.

use std::collections::{HashMap, HashSet};

use crate::model::schema::{AssociationSet, ComplexId, Container, Endpoint, EntitySet, Property, SetId, Type, TypeId};

use super::build::Build;
use super::names::{self, split_qualified};
use super::raw::RawEndpoint;
use super::read::{At, Place};

impl<'a> Build<'a> {
    /// Endpoints with their containers.
    pub fn endpoints(&mut self) {
        for (index, raw) in self.raw.iter().enumerate() {
            names::check(self.problems, raw.place, "endpoint", &raw.name);
            let same = |other: &&RawEndpoint| other.name.to_lowercase() == raw.name.to_lowercase();
            if let Some(other) = self.raw[..index].iter().find(same) {
                let message = format!(
                    "There is an endpoint `{}` already, at {}.",
                    other.name,
                    self.problems.show(other.place)
                );
                self.problems.add(raw.place, message);
            }
            let namespace = raw
                .namespace
                .as_ref()
                .map_or_else(|| format!("Odonata.{}", raw.name), |said| said.it.clone());
            names::check_qualified(
                self.problems,
                raw.namespace.as_ref().map_or(raw.place, |said| said.place),
                "namespace",
                &namespace,
            );
            let default = raw.container.clone().unwrap_or(At {
                it: format!("Default.{}", raw.name),
                place: raw.place,
            });
            let containers: Vec<_> = std::iter::once(&default)
                .chain(&raw.containers)
                .map(|said| self.container(said, &namespace))
                .collect();
            for (said, container) in raw.containers.iter().zip(containers.iter().skip(1)) {
                if containers.iter().filter(|other| *other == container).count() > 1 {
                    self.problems
                        .add(said.place, format!("The container `{}` is named twice.", said.it));
                }
            }
            self.schema.endpoints.push(Endpoint {
                name: raw.name.clone(),
                namespace,
                title: raw.title.clone(),
                containers,
                sets: Vec::new(),
                types: Vec::new(),
                complex: Vec::new(),
                operations: Vec::new(),
                association_sets: Vec::new(),
                permission_prefix: raw.permission_prefix.clone().unwrap_or_else(|| raw.name.clone()),
                ignores_unknown_arguments: raw.ignores_unknown_arguments,
                set_names: HashMap::new(),
            });
        }
    }

    fn container(&self, said: &At<String>, namespace: &str) -> Container {
        names::check_qualified(self.problems, said.place, "container", &said.it);
        let (own, name) = split_qualified(&said.it);
        Container {
            namespace: own.unwrap_or(namespace).to_owned(),
            name: name.to_owned(),
        }
    }

    /// Own sets of all endpoints, then the shared ones.
    pub fn sets(&mut self) {
        for ty in 0..self.declared.len() {
            let declared = self.declared[ty];
            for said in &declared.raw.sets {
                let (container, name) = split_qualified(&said.it);
                names::check(self.problems, said.place, "entity set", name);
                let Some(container) = self.container_index(declared.endpoint, container, said) else {
                    continue;
                };
                let set = EntitySet {
                    name: name.to_owned(),
                    endpoint: declared.endpoint,
                    container,
                    entity_type: ty,
                    page_size: declared.raw.page_size.or(self.raw[declared.endpoint].page_size),
                    read_only: declared.raw.read_only,
                    targets: HashMap::new(),
                };
                self.add_set(set, said.place);
            }
        }
        for (endpoint, raw) in self.raw.iter().enumerate() {
            for said in &raw.shared {
                let found = said.it.split_once('/').and_then(|(other, set)| self.find_set(other, set));
                let Some(id) = found.filter(|&id| self.schema.sets[id].endpoint != endpoint) else {
                    let message = format!(
                        "`shared` names `{}`, which is not a set of another endpoint, such as `Core/Users`.",
                        said.it
                    );
                    self.problems.add(said.place, message);
                    continue;
                };
                let from = &self.schema.sets[id];
                let set = EntitySet {
                    name: from.name.clone(),
                    endpoint,
                    container: 0,
                    entity_type: from.entity_type,
                    page_size: from.page_size.or(raw.page_size),
                    read_only: from.read_only,
                    targets: HashMap::new(),
                };
                self.add_set(set, said.place);
            }
        }
    }

    fn add_set(&mut self, set: EntitySet, place: Place) {
        let id = self.schema.sets.len();
        let endpoint = &mut self.schema.endpoints[set.endpoint];
        let name = match set.container {
            0 => set.name.clone(),
            other => format!("{}.{}", endpoint.containers[other].name, set.name),
        };
        if endpoint.set_names.contains_key(&name) {
            self.problems
                .add(place, format!("The endpoint `{}` has a set `{name}` already.", endpoint.name));
            return;
        }
        endpoint.set_names.insert(name, id);
        endpoint.sets.push(id);
        self.schema.sets.push(set);
    }

    /// The container that a name or qualified name means; the default one without a name.
    pub fn container_index(&self, endpoint: usize, said: Option<&str>, at: &At<String>) -> Option<usize> {
        let Some(said) = said else { return Some(0) };
        let (namespace, name) = split_qualified(said);
        let matches = |container: &Container| container.name == name && namespace.is_none_or(|namespace| container.namespace == namespace);
        let found = self.schema.endpoints[endpoint].containers.iter().position(matches);
        if found.is_none() {
            self.problems.add(
                at.place,
                format!("The endpoint has no container `{said}`; `containers` in endpoint.toml lists them."),
            );
        }
        found
    }

    /// A set by the names of its endpoint and itself.
    fn find_set(&self, endpoint: &str, set: &str) -> Option<SetId> {
        self.schema.endpoint(endpoint)?.set_names.get(set).copied()
    }

    /// The type of such a set.
    pub fn find_set_type(&self, endpoint: &str, set: &str) -> Option<TypeId> {
        self.find_set(endpoint, set).map(|id| self.schema.sets[id].entity_type)
    }

    /// A set that a file names: `Set`, `Container.Set` or with the container's namespace.
    pub fn named_set(&self, endpoint: usize, said: &At<String>) -> Option<SetId> {
        let found = self.lookup_set(endpoint, &said.it);
        if found.is_none() {
            self.problems.add(said.place, format!("The endpoint has no set `{}`.", said.it));
        }
        found
    }

    fn lookup_set(&self, endpoint: usize, name: &str) -> Option<SetId> {
        let endpoint = &self.schema.endpoints[endpoint];
        endpoint.set_names.get(name).copied().or_else(|| {
            let (container, name) = split_qualified(name);
            let (namespace, container) = split_qualified(container?);
            endpoint.sets.iter().copied().find(|&id| {
                let set = &self.schema.sets[id];
                let own = &endpoint.containers[set.container];
                set.name == name && own.name == container && namespace.is_none_or(|namespace| own.namespace == namespace)
            })
        })
    }

    /// Where navigations lead: association sets, and `set` of navigations.
    pub fn association_sets(&mut self) {
        for (endpoint, raw) in self.raw.iter().enumerate() {
            for said in &raw.association_sets {
                names::check(self.problems, said.name.place, "association set", &said.name.it);
                let sets = [0, 1].map(|end: usize| self.named_set(endpoint, &said.sets[end]));
                let container = said.container.as_ref();
                let container = self.container_index(endpoint, container.map(|said| said.it.as_str()), container.unwrap_or(&said.name));
                let own = &self.schema.endpoints[endpoint].namespace;
                let key = |name: String| self.associations.get(&(endpoint, name)).copied();
                let association = key(said.relationship.it.clone()).or_else(|| key(format!("{own}.{}", said.relationship.it)));
                let Some(association) = association else {
                    self.problems.add(
                        said.relationship.place,
                        format!("There is no association `{}`.", said.relationship.it),
                    );
                    continue;
                };
                let ([Some(first), Some(second)], Some(container)) = (sets, container) else {
                    continue;
                };
                if self.sets_fit(association, [first, second], said.place) {
                    self.lead(association, [first, second]);
                    let set = AssociationSet {
                        name: said.name.it.clone(),
                        container,
                        association,
                        sets: [first, second],
                    };
                    self.schema.endpoints[endpoint].association_sets.push(set);
                }
            }
        }
        for ty in 0..self.drafts.len() {
            for index in 0..self.drafts[ty].len() {
                self.navigation_set(ty, index);
            }
        }
    }

    /// Whether the sets can hold entities of the association's ends.
    fn sets_fit(&self, association: usize, sets: [SetId; 2], place: Place) -> bool {
        let mut fit = true;
        for (end, set) in self.schema.associations[association].ends.iter().zip(sets) {
            let held = self.schema.sets[set].entity_type;
            if !self.related(held, end.entity_type) {
                let message = format!(
                    "The set `{}` does not hold entities of `{}`.",
                    self.schema.sets[set].name, self.schema.types[end.entity_type].name
                );
                self.problems.add(place, message);
                fit = false;
            }
        }
        fit
    }

    fn related(&self, a: TypeId, b: TypeId) -> bool {
        self.schema.is_a(a, b) || self.schema.is_a(b, a)
    }

    /// Notes where the navigations of an association lead from each of the two sets.
    fn lead(&mut self, association: usize, sets: [SetId; 2]) {
        for end in [0, 1] {
            let from = self.schema.associations[association].ends[end].entity_type;
            if self.drafts[from].iter().any(|draft| draft.association == Some((association, end))) {
                self.schema.sets[sets[end]].targets.insert(association, sets[1 - end]);
            }
        }
    }

    /// `set` of a navigation, for every set that has the navigation and knows a set of that name.
    fn navigation_set(&mut self, ty: TypeId, index: usize) {
        let draft = &self.drafts[ty][index];
        let (Some(said), Some((association, _)), Some(target)) = (&draft.raw.set, draft.association, draft.target) else {
            return;
        };
        let Some(named) = self.named_set(self.declared[ty].endpoint, said) else {
            return;
        };
        if !self.related(self.schema.sets[named].entity_type, target) {
            let message = format!(
                "The set `{}` does not hold entities of `{}`.",
                said.it, self.schema.types[target].name
            );
            return self.problems.add(said.place, message);
        }
        for id in 0..self.schema.sets.len() {
            let set = &self.schema.sets[id];
            let leads = self
                .lookup_set(set.endpoint, &said.it)
                .filter(|&leads| self.related(self.schema.sets[leads].entity_type, target));
            if let (true, Some(leads)) = (self.related(set.entity_type, ty), leads) {
                self.schema.sets[id].targets.insert(association, leads);
            }
        }
    }

    /// Which types each endpoint's metadata declares: its own and everything that can be reached from them.
    pub fn closures(&mut self) {
        for endpoint in 0..self.schema.endpoints.len() {
            let mut reached = Reached::default();
            let own = (0..self.declared.len()).filter(|&ty| self.declared[ty].endpoint == endpoint);
            reached.waiting.extend(own);
            let sets = &self.schema.endpoints[endpoint].sets;
            reached.waiting.extend(sets.iter().map(|&set| self.schema.sets[set].entity_type));
            for operation in &self.schema.endpoints[endpoint].operations {
                operation
                    .result
                    .iter()
                    .chain(operation.parameters.iter().map(|parameter| &parameter.ty))
                    .for_each(|ty| reached.see(ty));
            }
            let namespace_complex = self.raw[endpoint].complex.iter().filter_map(|complex| {
                let namespace = complex
                    .namespace
                    .as_ref()
                    .map_or(&self.schema.endpoints[endpoint].namespace, |said| &said.it);
                self.complex.own(endpoint, &format!("{namespace}.{}", complex.name))
            });
            reached.waiting_complex.extend(namespace_complex);
            self.follow(&mut reached);
            let types = self.bases_first.iter().copied().filter(|ty| reached.types.contains(ty)).collect();
            self.schema.endpoints[endpoint].complex = self.complex_bases_first(&reached.complex);
            self.schema.endpoints[endpoint].types = types;
        }
    }

    fn follow(&self, reached: &mut Reached) {
        while let Some(ty) = reached.waiting.pop() {
            if reached.types.insert(ty) {
                let entity = &self.schema.types[ty];
                reached.waiting.extend(entity.base);
                reached.waiting.extend(&entity.family);
                reached
                    .waiting
                    .extend(entity.navigations.iter().map(|navigation| navigation.target));
                reached.see_all(&entity.properties);
            }
        }
        while let Some(id) = reached.waiting_complex.pop() {
            if reached.complex.insert(id) {
                reached.waiting_complex.extend(self.schema.complex[id].base);
                reached.see_all(&self.schema.complex[id].properties);
            }
        }
    }

    fn complex_bases_first(&self, wanted: &HashSet<ComplexId>) -> Vec<ComplexId> {
        let depth = |id: ComplexId| std::iter::successors(self.schema.complex[id].base, |&base| self.schema.complex[base].base).count();
        let mut found: Vec<_> = wanted.iter().copied().collect();
        found.sort_by_key(|&id| (depth(id), id));
        found
    }
}

/// Types found so far while following everything that types mention.
#[derive(Debug, Default)]
struct Reached {
    types: HashSet<TypeId>,
    complex: HashSet<ComplexId>,
    waiting: Vec<TypeId>,
    waiting_complex: Vec<ComplexId>,
}

impl Reached {
    fn see(&mut self, ty: &Type) {
        match ty {
            Type::Primitive(_) => {}
            Type::Complex(id) => self.waiting_complex.push(*id),
            Type::Entity(id) => self.waiting.push(*id),
            Type::Collection(item) => self.see(item),
        }
    }

    fn see_all(&mut self, properties: &[Property]) {
        properties.iter().for_each(|property| self.see(&property.ty));
    }
}
