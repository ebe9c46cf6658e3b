//! Properties: types, facets, defaults.

use crate::model::edm::{Edm, Value};
use crate::model::schema::{Facets, Property, Type};
use crate::model::text;

use super::build::Build;
use super::names;
use super::raw::{RawProperty, Unique};
use super::read::{At, Place};

/// Whose properties are being read.
pub(super) struct Owner {
    pub endpoint: usize,
    pub namespace: String,
    pub is_entity: bool,
}

/// Which kinds of type a place takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A property: no entities.
    Values,
    /// A parameter or result.
    Entities,
}

impl Build<'_> {
    /// A property with its checks.
    pub fn property(&self, owner: &Owner, raw: &RawProperty, column: String) -> Property {
        names::check(self.problems, raw.place, "property", &raw.name);
        let namespaces = [owner.namespace.as_str(), self.schema.endpoints[owner.endpoint].namespace.as_str()];
        let ty = self.value_type(owner.endpoint, &namespaces, &raw.ty, Takes::Values);
        let ty = ty.unwrap_or(Type::Primitive(Edm::String));
        self.facets(raw.place, &raw.name, &ty, &raw.facets);
        for fault in faults(owner, raw, &ty) {
            self.problems.add(raw.place, format!("`{}` {fault}.", raw.name));
        }
        let is_collection = matches!(ty, Type::Collection(_));
        let default = raw.default.as_ref().and_then(|text| self.default_value(raw, &ty, text));
        Property {
            name: raw.name.clone(),
            nullable: raw.nullable,
            facets: raw.facets.clone(),
            column,
            // A collection is never null (MET-24).
            default: default.or_else(|| is_collection.then(|| Value::Text("[]".to_owned()))),
            read_only: raw.read_only,
            write_only: raw.write_only,
            hashed: raw.hashed,
            generated: raw.generated,
            by_default: raw.by_default,
            concurrency: raw.concurrency,
            unique: raw.unique != Unique::No,
            indexed: raw.index,
            attributes: raw.attributes.clone(),
            ty,
        }
    }

    /// What a type name means: `Int32`, `Edm.Int32`, a complex type, `Collection(…)` of one; entities where they are taken.
    pub fn value_type(&self, endpoint: usize, namespaces: &[&str], said: &At<String>, takes: Takes) -> Option<Type> {
        let text = said.it.as_str();
        if text.is_empty() {
            return None;
        }
        if let Some(item) = text.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')) {
            let found = self.single_type(
                endpoint,
                namespaces,
                &At {
                    it: item.to_owned(),
                    place: said.place,
                },
                takes,
            )?;
            if matches!(found, Type::Primitive(Edm::Stream)) {
                self.problems.add(said.place, "There is no collection of streams.");
            }
            return Some(Type::Collection(Box::new(found)));
        }
        self.single_type(endpoint, namespaces, said, takes)
    }

    fn single_type(&self, endpoint: usize, namespaces: &[&str], said: &At<String>, takes: Takes) -> Option<Type> {
        let name = said.it.as_str();
        if let Some(edm) = Edm::from_name(name.strip_prefix("Edm.").unwrap_or(name)) {
            return Some(Type::Primitive(edm));
        }
        if let Some(id) = self.complex.find(endpoint, namespaces, name) {
            return Some(Type::Complex(id));
        }
        let entity = self.types.find(endpoint, namespaces, name);
        match (entity, takes) {
            (Some(id), Takes::Entities) => return Some(Type::Entity(id)),
            (Some(_), Takes::Values) => self
                .problems
                .add(said.place, format!("`{name}` is an entity type; a navigation leads to those.")),
            (None, _) => self.problems.add(said.place, format!("There is no type `{name}`.")),
        }
        None
    }

    /// Facets that contradict the type or each other.
    pub fn facets(&self, place: Place, name: &str, ty: &Type, facets: &Facets) {
        let edm = match ty {
            Type::Collection(item) => item.primitive(),
            other => other.primitive(),
        };
        let sized = matches!(edm, Some(Edm::String | Edm::Binary | Edm::Stream));
        if facets.max_length.is_some() && !sized {
            self.problems
                .add(place, format!("`{name}` has a `max`, which only String and Binary take."));
        }
        let is_srid = |srid: &str| srid.eq_ignore_ascii_case("Variable") || srid.parse::<u32>().is_ok();
        if facets.srid.as_deref().is_some_and(|srid| !is_srid(srid)) {
            self.problems
                .add(place, format!("`{name}` has a `srid` that is neither a number nor \"Variable\"."));
        }
        if let (Some(precision), Some(scale)) = (facets.precision, facets.scale)
            && scale > precision
        {
            self.problems.add(
                place,
                format!("`{name}` has a scale of {scale}, more than its precision of {precision}."),
            );
        }
    }

    fn default_value(&self, raw: &RawProperty, ty: &Type, said: &At<String>) -> Option<Value> {
        let Type::Primitive(edm) = ty else {
            self.problems.add(
                said.place,
                format!("`{}` has a default, which only primitive values can have.", raw.name),
            );
            return None;
        };
        let value = match edm {
            Edm::String => Some(Value::Text(said.it.clone())),
            edm => text::parse(*edm, &said.it),
        };
        if value.is_none() {
            self.problems.add(
                said.place,
                format!("The default `{}` of `{}` is not a value of {edm}.", said.it, raw.name),
            );
        }
        let max = raw.facets.max_length.flatten().filter(|_| *edm == Edm::String);
        if let Some(max) = max.filter(|&max| said.it.chars().count() > max as usize) {
            self.problems.add(
                said.place,
                format!("The default of `{}` is longer than {max} characters.", raw.name),
            );
        }
        value
    }
}

/// Combinations that make no sense.
fn faults(owner: &Owner, raw: &RawProperty, ty: &Type) -> impl Iterator<Item = &'static str> {
    let edm = ty.primitive();
    let comparable = edm.is_some_and(|edm| edm != Edm::Stream && !edm.is_spatial());
    let is_stream = edm == Some(Edm::Stream);
    let of_entities = raw.generated || raw.concurrency || raw.index || raw.unique != Unique::No;
    let table = [
        (
            raw.concurrency && !comparable,
            "cannot be part of the ETag: only primitive values that can be compared can",
        ),
        (raw.hashed && edm != Some(Edm::String), "is hashed and must be a String"),
        (
            (raw.index || raw.unique != Unique::No) && !comparable,
            "cannot have an index: only primitive values that can be compared can",
        ),
        (
            !owner.is_entity && of_entities,
            "stands in a complex type, which has no key, ETag or index",
        ),
        (!owner.is_entity && is_stream, "is a stream, which only entity types have"),
        (raw.generated && raw.nullable, "is generated and cannot be nullable"),
        (raw.generated && raw.default.is_some(), "is generated and cannot have a default"),
    ];
    table.into_iter().filter(|row| row.0).map(|row| row.1)
}
