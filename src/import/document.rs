//! A CSDL document with its names looked up and its references checked.

use std::collections::{HashMap, HashSet};

use super::files::STORE_GENERATED;
use super::{Report, bad_document};
use crate::model::edm::Edm;
use crate::model::fault::Outcome;
use crate::odata::csdl::{
    Association, AssociationEnd, ComplexType, Container, Document, EDM_NAMESPACES, EntityType, Navigation, Property, item_type,
};

/// Something with its namespace.
#[derive(Debug)]
pub(super) struct In<'d, T> {
    pub namespace: &'d str,
    pub it: &'d T,
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

/// What a type name of the document means.
pub(super) enum Kind {
    Primitive(Edm),
    Enum,
    Complex,
    Entity,
    Unknown,
}

/// A document, indexed by qualified names.
pub(super) struct Index<'d> {
    /// In document order.
    pub types: Vec<In<'d, EntityType>>,
    /// In document order.
    pub complex: Vec<In<'d, ComplexType>>,
    /// In document order.
    pub associations: Vec<In<'d, Association>>,
    /// The default one first.
    pub containers: Vec<In<'d, Container>>,
    /// Whether the document says of any property that the store makes it; then it does so of all.
    pub says_generated: bool,
    by_name: HashMap<String, usize>,
    complex_names: HashSet<String>,
    enum_names: HashSet<String>,
    /// Sets of a type: index of the container and name.
    sets: HashMap<&'d str, Vec<(usize, &'d str)>>,
}

impl<'d> Index<'d> {
    pub fn new(document: &'d Document, report: &mut Report) -> Outcome<Index<'d>> {
        let mut index = Index {
            types: Vec::new(),
            complex: Vec::new(),
            associations: Vec::new(),
            containers: Vec::new(),
            says_generated: false,
            by_name: HashMap::new(),
            complex_names: HashSet::new(),
            enum_names: HashSet::new(),
            sets: HashMap::new(),
        };
        for schema in &document.schemas {
            let namespace = schema.namespace.as_str();
            index.types.extend(schema.entity_types.iter().map(|it| In { namespace, it }));
            index.complex.extend(schema.complex_types.iter().map(|it| In { namespace, it }));
            index.associations.extend(schema.associations.iter().map(|it| In { namespace, it }));
            index.containers.extend(schema.containers.iter().map(|it| In { namespace, it }));
            let qualified = |name: &String| format!("{namespace}.{name}");
            index.enum_names.extend(schema.enum_types.iter().map(qualified));
            index
                .complex_names
                .extend(schema.complex_types.iter().map(|ty| qualified(&ty.name)));
        }
        for (position, ty) in index.types.iter().enumerate() {
            let name = format!("{}.{}", ty.namespace, ty.it.name);
            if index.by_name.insert(name.clone(), position).is_some() {
                return Err(bad_document(format!("The entity type {name} is there twice.")));
            }
        }
        let mut properties = index.types.iter().flat_map(|ty| &ty.it.properties);
        let says = |property: &Property| property.attributes.iter().any(|attribute| attribute.name == STORE_GENERATED);
        index.says_generated = properties.any(says);
        index.choose_default(report);
        for (position, container) in index.containers.iter().enumerate() {
            for set in &container.it.sets {
                if !index.by_name.contains_key(&set.ty) {
                    let path = format!("{}.{}/{}", container.namespace, container.it.name, set.name);
                    report.lose(path, format!("the entity set, because the type {} is not in the document", set.ty));
                    continue;
                }
                index.sets.entry(&set.ty).or_default().push((position, &set.name));
            }
        }
        index.check_types()?;
        index.check_complex()?;
        notes(document, report);
        Ok(index)
    }

    fn choose_default(&mut self, report: &mut Report) {
        let marked = self.containers.iter().position(|container| container.it.is_default);
        let default = marked.unwrap_or_else(|| {
            let largest = (0..self.containers.len()).rev().max_by_key(|&at| self.containers[at].it.sets.len());
            largest.unwrap_or(0)
        });
        match self.containers.get(default) {
            Some(container) if marked.is_none() => {
                let path = format!("{}.{}", container.namespace, container.it.name);
                report.derive(path, "is the default container; the document marks none");
            }
            Some(_) => {}
            None => report.derive("", "an entity container, because the document has none"),
        }
        if default < self.containers.len() {
            self.containers[..=default].rotate_right(1);
        }
    }

    fn check_types(&self) -> Outcome<()> {
        for ty in &self.types {
            let name = format!("{}.{}", ty.namespace, ty.it.name);
            match &ty.it.base {
                Some(base) if !self.by_name.contains_key(base) => {
                    return Err(bad_document(format!("The base type {base} of {name} is not in the document.")));
                }
                Some(_) if self.ancestors(*ty).len() > self.types.len() => {
                    return Err(bad_document(format!("The entity type {name} derives from itself.")));
                }
                None if ty.it.key.is_empty() => {
                    return Err(bad_document(format!("The entity type {name} has neither a key nor a base type.")));
                }
                _ => {}
            }
            for key in &ty.it.key {
                let property = ty.it.properties.iter().find(|property| property.name == *key);
                let kind = property.map(|property| self.kind(&property.ty));
                if !matches!(kind, Some(Kind::Primitive(_))) {
                    return Err(bad_document(format!(
                        "The key property {key} of {name} is not a primitive property."
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_complex(&self) -> Outcome<()> {
        for ty in &self.complex {
            if let Some(base) = ty.it.base.as_ref().filter(|base| !self.complex_names.contains(*base)) {
                let message = format!(
                    "The base type {base} of {}.{} is not a complex type of the document.",
                    ty.namespace, ty.it.name
                );
                return Err(bad_document(message));
            }
        }
        Ok(())
    }

    /// An entity type by its qualified name.
    pub fn entity(&self, name: &str) -> Option<In<'d, EntityType>> {
        self.by_name.get(name).map(|&at| self.types[at])
    }

    /// What a type name without `Collection(...)` means.
    pub fn kind(&self, name: &str) -> Kind {
        if let Some(edm) = name.strip_prefix("Edm.").and_then(Edm::from_name) {
            Kind::Primitive(edm)
        } else if self.complex_names.contains(name) {
            Kind::Complex
        } else if self.by_name.contains_key(name) {
            Kind::Entity
        } else if self.enum_names.contains(name) {
            Kind::Enum
        } else {
            Kind::Unknown
        }
    }

    /// The type and its base types, nearest first; longer than the number of types if there is a circle.
    pub fn ancestors(&self, ty: In<'d, EntityType>) -> Vec<In<'d, EntityType>> {
        let above = |ty: &In<'d, EntityType>| self.entity(ty.it.base.as_ref()?);
        std::iter::successors(Some(ty), above).take(self.types.len() + 1).collect()
    }

    /// Whether one is the other or derives from it.
    pub fn is_a(&self, ty: &str, base: &str) -> bool {
        let Some(ty) = self.entity(ty) else { return false };
        let mut ancestors = self.ancestors(ty).into_iter();
        ancestors.any(|ty| base.strip_prefix(ty.namespace).and_then(|rest| rest.strip_prefix('.')) == Some(&ty.it.name))
    }

    /// A property of the type or of what it derives from.
    pub fn property(&self, ty: &str, name: &str) -> Option<&'d Property> {
        let mut ancestors = self.ancestors(self.entity(ty)?).into_iter();
        ancestors.find_map(|ty| ty.it.properties.iter().find(|property| property.name == name))
    }

    /// The key of the type, from the top of its hierarchy.
    pub fn key(&self, ty: &str) -> Vec<&'d Property> {
        let Some(root) = self.entity(ty).and_then(|ty| self.ancestors(ty).pop()) else {
            return Vec::new();
        };
        let property = |name: &String| root.it.properties.iter().find(|property| property.name == *name);
        root.it.key.iter().filter_map(property).collect()
    }

    /// The type's own sets as schema files name them.
    pub fn sets_of(&self, ty: &str) -> Vec<String> {
        let sets = self.sets.get(ty).into_iter().flatten();
        sets.map(|&(container, name)| self.set_name(container, name)).collect()
    }

    /// Whether the sets of a container include the name.
    pub fn has_set(&self, container: usize, name: &str) -> bool {
        let mut sets = self.containers[container].it.sets.iter();
        sets.any(|set| set.name == name && self.by_name.contains_key(&set.ty))
    }

    /// `Set` in the default container, `Container.Set` in another one.
    pub fn set_name(&self, container: usize, set: &str) -> String {
        match container {
            0 => set.to_owned(),
            _ => format!("{}.{set}", self.containers[container].it.name),
        }
    }

    /// A type as a schema file in `namespace` names it.
    pub fn type_text(&self, ty: &str, namespace: &str) -> String {
        let (item, collection) = item_type(ty);
        let text = match item.rsplit_once('.') {
            _ if matches!(self.kind(item), Kind::Enum) => "String",
            Some(("Edm", name)) => name,
            Some((prefix, name)) if prefix == namespace && Edm::from_name(name).is_none() => name,
            _ => item,
        };
        if collection {
            format!("Collection({text})")
        } else {
            text.to_owned()
        }
    }
}

/// An association with the navigations over it.
pub(super) struct Relation<'d> {
    pub association: In<'d, Association>,
    /// From end 0 and from end 1.
    pub navigations: [Option<&'d Navigation>; 2],
}

impl<'d> Relation<'d> {
    pub fn end(&self, end: usize) -> &'d AssociationEnd {
        &self.association.it.ends[end]
    }

    pub fn qualified(&self) -> String {
        format!("{}.{}", self.association.namespace, self.association.it.name)
    }

    /// The end whose navigation says `relationship`: the association's first end in the schema.
    pub fn first(&self) -> usize {
        usize::from(self.navigations[0].is_none())
    }

    /// Path of a navigation, for the report.
    pub fn path(&self, end: usize) -> String {
        let name = self.navigations[end].map_or("", |navigation| &navigation.name);
        format!("{}/{name}", self.end(end).ty)
    }
}

impl<'d> Index<'d> {
    /// Every association that a navigation uses; the others and the navigations that fit no association are lost.
    pub fn relations(&self, report: &mut Report) -> Vec<Relation<'d>> {
        let mut at: HashMap<String, usize> = HashMap::new();
        let mut relations = Vec::new();
        for &association in &self.associations {
            let relation = Relation {
                association,
                navigations: [None, None],
            };
            if let Some(end) = relation.association.it.ends.iter().find(|end| self.entity(&end.ty).is_none()) {
                report.lose(
                    relation.qualified(),
                    format!("the association, because the type {} is not in the document", end.ty),
                );
                continue;
            }
            at.insert(relation.qualified(), relations.len());
            relations.push(relation);
        }
        for ty in &self.types {
            let name = format!("{}.{}", ty.namespace, ty.it.name);
            for navigation in &ty.it.navigations {
                let relation = at.get(&navigation.relationship).map(|&at| &mut relations[at]);
                let place = relation.and_then(|relation| {
                    let ends = &relation.association.it.ends;
                    let from = ends.iter().position(|end| end.role == navigation.from_role && end.ty == name)?;
                    let free = ends[1 - from].role == navigation.to_role && relation.navigations[from].is_none();
                    free.then_some(&mut relation.navigations[from])
                });
                match place {
                    Some(place) => *place = Some(navigation),
                    None => report.lose(
                        format!("{name}/{}", navigation.name),
                        format!(
                            "the navigation, because it does not fit the association {}",
                            navigation.relationship
                        ),
                    ),
                }
            }
        }
        relations.retain(|relation| {
            let used = relation.navigations.iter().any(Option::is_some);
            if !used {
                report.lose(relation.qualified(), "the association, because no navigation uses it");
            }
            used
        });
        relations
    }
}

/// Differences of the whole document.
fn notes(document: &Document, report: &mut Report) {
    for schema in &document.schemas {
        let path = schema.namespace.as_str();
        if schema.xmlns != EDM_NAMESPACES[0] {
            report.derive(path, format!("is written in {} instead of {}", EDM_NAMESPACES[0], schema.xmlns));
        }
        if let Some(alias) = &schema.alias {
            report.derive(path, format!("is written out where the document has the alias {alias}"));
        }
        if schema.entity_types.is_empty()
            && schema.complex_types.is_empty()
            && schema.associations.is_empty()
            && schema.containers.is_empty()
        {
            report.lose(path, "the schema, because it is empty");
        }
    }
}
