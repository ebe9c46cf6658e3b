//! Changing one property of an entity, or a member of a complex one (WR-46, WR-55..WR-57).

use super::Engine;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::{Property, Schema, Type, TypeId};
use crate::model::target::{Preconditions, Resource};
use crate::odata::canonical;
use crate::store::Session;

/// What a property is to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Index in the properties of the resource's type.
    pub property: usize,
    /// Names of members inside a complex property.
    pub path: Vec<String>,
    /// Null takes the value away.
    pub value: Value,
    /// Members of a complex value that `value` does not have stay (WR-56).
    pub merge: bool,
}

impl Assignment {
    /// The property, or the member, that is changed.
    pub fn declared<'s>(&self, schema: &'s Schema, ty: TypeId) -> Outcome<&'s Property> {
        declared(schema, ty, self.property, &self.path)
    }
}

/// The property at the end of a path into a complex one.
pub fn declared<'s>(schema: &'s Schema, ty: TypeId, property: usize, path: &[String]) -> Outcome<&'s Property> {
    let mut found = &schema.types[ty].properties[property];
    for name in path {
        let Type::Complex(id) = &found.ty else {
            return Err(Fault::not_found());
        };
        let complex = &schema.complex[*id];
        found = complex
            .property(name)
            .map(|index| &complex.properties[index])
            .ok_or_else(Fault::not_found)?;
    }
    Ok(found)
}

impl Engine {
    /// Gives a property of an entity a value; the entity as it is then.
    ///
    /// # Errors
    /// `NOT_FOUND` for the entity, and for a member of a complex value that is null; `FORBIDDEN`, `PRECONDITION`; `BAD_VALUE` for what
    /// is the key or the server's, and for null where there has to be a value; `BAD_REFERENCE`, `CONFLICT`.
    pub fn assign(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        assignment: &Assignment,
        preconditions: &Preconditions,
    ) -> Outcome<Page> {
        let declared = assignment.declared(&self.schema, resource.ty)?;
        self.check_assignable(resource.ty, assignment, declared)?;
        let (place, scope, current) = self.to_change(session, caller, resource, preconditions)?;
        let mut changed = current.clone();
        let value = &mut changed.values[assignment.property];
        *value = match (&declared.ty, assignment.path.is_empty(), &*value, &assignment.value) {
            (Type::Complex(_), true, Value::Text(now), Value::Text(change)) if assignment.merge => {
                Value::Text(canonical::merge(now, change))
            }
            (_, true, _, value) => value.clone(),
            (_, false, Value::Text(now), value) => {
                let put = canonical::put(now, &assignment.path, &declared.ty, value.cell(), assignment.merge);
                Value::Text(put.ok_or_else(|| nothing_around(assignment))?)
            }
            _ => return Err(nothing_around(assignment)),
        };
        let whole = &self.schema.types[resource.ty].properties[assignment.property];
        *value = self.complete(whole, std::mem::replace(value, Value::Null))?;
        self.check_references(session, &scope, &changed, Some(&current))?;
        self.save(session, caller, &scope, &current, &mut changed, &[])?;
        Ok(self.page_of(place.set, &changed))
    }

    /// What a client may change on its own: neither the key (WR-34) nor what the server sets.
    fn check_assignable(&self, ty: TypeId, assignment: &Assignment, declared: &Property) -> Outcome<()> {
        let entity = &self.schema.types[ty];
        let whole = &entity.properties[assignment.property];
        let bad = |why: &str| Err(Fault::new(&fault::BAD_VALUE, format!("{} {why}.", declared.name)).of(&declared.name));
        if entity.key.contains(&assignment.property) {
            return bad("is the key of the entity, which never changes");
        }
        if whole.read_only || whole.generated || entity.tenant == Some(assignment.property) {
            return bad("is for the server to set");
        }
        if assignment.value.is_null() && (!declared.nullable || matches!(declared.ty, Type::Collection(_))) {
            return bad("must not be null");
        }
        Ok(())
    }
}

/// A complex value that is null has no members to change.
fn nothing_around(assignment: &Assignment) -> Fault {
    let inside = assignment.path.join("/");
    Fault::new(&fault::NOT_FOUND, format!("The value around {inside} is null: set that first.")).of(inside)
}
