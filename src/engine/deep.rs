//! Creating an entity together with its links: to entities that are there (WR-16), and to such that the body holds itself, to any
//! depth (WR-17). All of it is one job: what fails leaves nothing.
//!
//! An entity is made after those that it refers to and before those that refer to it. A body is a tree, so there always is such an
//! order; only keys that a client writes into it by hand can refer in a circle, and then one of them leads nowhere (400).

use super::Engine;
use super::links::{End, Reference};
use super::permission::Verb;
use super::queue::Checked;
use super::resolve::{Parent, Place};
use super::row::Entity;
use crate::model::caller::Caller;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_DEPTH, BODY_ENTITIES};
use crate::model::page::Page;
use crate::model::schema::{EntityType, Join, Multiplicity, SetId, TypeId};
use crate::model::target::{Body, Link, Linked, Resource};
use crate::store::Session;

/// What a request to create has led to.
#[derive(Debug)]
pub struct Created {
    /// The entity.
    pub page: Page,
    /// The job that makes of it what it is to be, if its type has such.
    pub job: Option<i64>,
}

/// Foreign keys of an entity that is about to be made: columns and values.
#[derive(Debug, Default)]
struct Foreign(Vec<(String, Value)>);

impl Foreign {
    /// Notes a key. Two links may say the same, in both directions, but not different things.
    fn set(&mut self, reference: Reference<'_>, key: &[Value]) -> Outcome<()> {
        for (column, value) in reference.columns.iter().zip(key) {
            match self.0.iter().find(|(known, _)| known == column) {
                Some((_, known)) if known != value => {
                    let message = format!("{} is linked to two different entities.", reference.navigation);
                    return Err(Fault::new(&fault::BAD_BODY, message).of(reference.navigation));
                }
                Some(_) => {}
                None => self.0.push((column.clone(), value.clone())),
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Creates an entity in a set, or at the end of a collection navigation, which links it (WR-10), with all that its body links to.
    ///
    /// A link wins over a foreign key that stands beside it in the body: clients that set a link send the old key along.
    ///
    /// # Errors
    /// `FORBIDDEN`, `NOT_FOUND` (the path), `MISSING_PROPERTY`, `BAD_REFERENCE`, `BAD_BODY`, `CONFLICT`, `TOO_LARGE`.
    pub fn create(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, body: Body) -> Outcome<Created> {
        if count(&body, 0)? > BODY_ENTITIES {
            let message = format!("A body makes and links at most {BODY_ENTITIES} entities.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        let place = self.resolve(session, caller, resource)?;
        let Some(parent) = &place.parent else {
            let (new, job) = self.create_deep(session, caller, place.set, body, Foreign::default())?;
            let page = self.page_of(place.set, &new);
            return Ok(Created { page, job });
        };
        let navigation = &self.schema.types[parent.ty].navigations[parent.navigation];
        let mut foreign = Foreign::default();
        match self.reference(navigation) {
            Some(reference) => foreign.set(reference, &parent.key)?,
            None => self
                .claim(session, caller, &Place::of(parent.ty, parent.set, parent.key.clone()), Verb::Update)
                .map(drop)?,
        }
        let (new, job) = self.create_deep(session, caller, place.set, body, foreign)?;
        if let Some(Join::Link { .. }) = navigation.join {
            self.pair(session, caller, parent, &self.end_of(&new, place.set))?;
        }
        let page = self.page_of(place.set, &new);
        Ok(Created { page, job })
    }

    fn create_deep(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        set: Option<SetId>,
        mut body: Body,
        mut foreign: Foreign,
    ) -> Outcome<(Entity, Option<i64>)> {
        let ty = body.ty;
        let entity = &self.schema.types[ty];
        let scope = self.scope(caller, ty, set, Verb::Create)?;
        let mut later = Vec::new();
        for link in std::mem::take(&mut body.links) {
            let navigation = &entity.navigations[link.navigation];
            if self.is_owned(ty, navigation) {
                continue;
            }
            if !navigation.is_many() && link.to.len() > 1 {
                return Err(Fault::new(&fault::BAD_BODY, format!("{} leads to one entity.", navigation.name)).of(&navigation.name));
            }
            match (&navigation.join, self.reference(navigation)) {
                (Some(Join::Near { .. }), Some(reference)) => self.refer_new(session, caller, (ty, set), link, reference, &mut foreign)?,
                _ => later.push(link),
            }
        }
        self.check_required(ty, &foreign)?;
        let (mut hidden, mut fixed) = (Vec::new(), Vec::new());
        for (column, value) in foreign.0 {
            match entity.properties.iter().position(|property| property.column == column) {
                Some(index) => {
                    body.values.retain(|(given, _)| *given != index);
                    if !entity.properties[index].read_only {
                        body.values.push((index, value.clone()));
                    }
                    fixed.push((index, value));
                }
                None => hidden.push((column, value)),
            }
        }
        let numbered = number(entity, &mut body)?;
        let mut new = self.new_entity(caller, body)?;
        // What the server sets itself, such as the tenant, is not for a link to say.
        if let Some((index, _)) = fixed.iter().find(|(index, value)| new.values[*index] != *value) {
            let name = &entity.properties[*index].name;
            let message = match entity.tenant == Some(*index) {
                true => "What the entity leads to is of another tenant: name the tenant in the header.".to_owned(),
                false => format!("{name} is for the server to set."),
            };
            return Err(Fault::new(&fault::BAD_VALUE, message).of(name));
        }
        self.check_references(session, &scope, &new, None)?;
        self.check_power(session, caller, None, Some(&new))?;
        self.check_kind(session, None, &new)?;
        self.check_job_kind(&new)?;
        if let Checked::Known(known) = self.check_job(session, caller, &mut new)? {
            return Ok((*known, None));
        }
        if let Some(known) = self.check_new_task(session, caller, &mut new)? {
            return Ok((known, None));
        }
        self.insert(session, &mut new, &hidden)?;
        self.check_within(session, &scope, &new)?;
        if let Some(number) = numbered {
            self.skip_number(session, ty, number)?;
        }
        super::identity::settle(self, session, &new)?;
        self.audit_change(session, caller, None, Some(&new))?;
        self.touched(session, ty)?;
        for link in later {
            self.link_new(session, caller, (&new, set), link)?;
        }
        self.job_made(session, &mut new)?;
        let job = self.drive_create(session, caller, &new)?;
        self.task_written(session, None, &new)?;
        Ok((new, job))
    }

    /// A link whose key the new entity's own row holds: what it leads to is there first.
    fn refer_new(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        (ty, set): (TypeId, Option<SetId>),
        link: Link,
        reference: Reference<'_>,
        foreign: &mut Foreign,
    ) -> Outcome<()> {
        let navigation = &self.schema.types[ty].navigations[link.navigation];
        for to in link.to {
            let key = match to {
                Linked::Existing(to) => {
                    let end = self.end(session, caller, navigation, &to)?;
                    if self.is_exclusive(navigation) {
                        self.release(session, caller, &Place::of(ty, set, Vec::new()), reference, &end.key, None)?;
                    }
                    end.key
                }
                Linked::New(body) => {
                    let (made, _) = self.create_deep(session, caller, self.end_set(set, navigation), body, Foreign::default())?;
                    made.key(&self.schema.types[made.ty])
                }
            };
            foreign.set(reference, &key)?;
        }
        Ok(())
    }

    /// A link that the other row holds, or a link table: the new entity is there first.
    fn link_new(&self, session: &mut Session<'_>, caller: &Caller, (new, set): (&Entity, Option<SetId>), link: Link) -> Outcome<()> {
        let entity = &self.schema.types[new.ty];
        let navigation = &entity.navigations[link.navigation];
        let own = Parent {
            ty: new.ty,
            set,
            navigation: link.navigation,
            key: new.key(entity),
        };
        let end_set = self.end_set(set, navigation);
        for to in link.to {
            let (reference, to) = (self.reference(navigation), to);
            match (reference, to) {
                (Some(reference), Linked::New(body)) => {
                    let mut foreign = Foreign::default();
                    foreign.set(reference, &own.key)?;
                    self.create_deep(session, caller, end_set, body, foreign)?;
                }
                (None, Linked::New(body)) => {
                    let (made, _) = self.create_deep(session, caller, end_set, body, Foreign::default())?;
                    self.pair(session, caller, &own, &self.end_of(&made, end_set))?;
                }
                (Some(_), Linked::Existing(to)) => {
                    let end = self.end(session, caller, navigation, &to)?;
                    self.connect(session, caller, &own, &end)?;
                }
                (None, Linked::Existing(to)) => {
                    let end = self.end(session, caller, navigation, &to)?;
                    self.pair(session, caller, &own, &end)?;
                }
            }
        }
        Ok(())
    }

    /// A navigation to exactly one, whose key no property shows, is the only place where a body can say what it leads to.
    fn check_required(&self, ty: TypeId, foreign: &Foreign) -> Outcome<()> {
        let entity = &self.schema.types[ty];
        for navigation in &entity.navigations {
            let Some(Join::Near { columns }) = &navigation.join else { continue };
            let is_hidden = |column: &String| !entity.properties.iter().any(|property| property.column == *column);
            let is_missing = |column: &String| is_hidden(column) && !foreign.0.iter().any(|(known, _)| known == column);
            if navigation.multiplicity == Multiplicity::One && columns.iter().any(is_missing) {
                return Err(Fault::new(&fault::MISSING_PROPERTY, format!("{} is required.", navigation.name)).of(&navigation.name));
            }
        }
        Ok(())
    }

    fn end_of(&self, entity: &Entity, set: Option<SetId>) -> End {
        let key = entity.key(&self.schema.types[entity.ty]);
        End {
            place: Place::of(entity.ty, set, key.clone()),
            key,
        }
    }
}

/// How many entities a body makes and links.
fn count(body: &Body, depth: usize) -> Outcome<usize> {
    if depth > BODY_DEPTH {
        return Err(Fault::new(
            &fault::TOO_LARGE,
            format!("Entities nest at most {BODY_DEPTH} deep in a body."),
        ));
    }
    let mut all = 1;
    for to in body.links.iter().flat_map(|link| &link.to) {
        all += match to {
            Linked::Existing(_) => 1,
            Linked::New(body) => count(body, depth + 1)?,
        };
    }
    Ok(all)
}

/// Takes a 0 out of the body where the database numbers by default: to clients of the .NET kind it says that there is no number yet
/// (ATM-43). The number that the client chose otherwise; it leaves half of the numbers to the database, which goes on from there.
fn number(entity: &EntityType, body: &mut Body) -> Outcome<Option<i64>> {
    let Some(of) = entity.properties.iter().position(|property| property.by_default) else {
        return Ok(None);
    };
    let property = &entity.properties[of];
    let largest = property
        .ty
        .primitive()
        .and_then(Edm::integer_range)
        .map_or(i64::MAX, |range| range.1)
        / 2;
    match body.values.iter().find(|(index, _)| *index == of).map(|(_, value)| value) {
        Some(Value::Integer(number)) if *number > largest => {
            let message = format!("{} takes numbers up to {largest}.", property.name);
            Err(Fault::new(&fault::BAD_VALUE, message).of(&property.name))
        }
        Some(Value::Integer(number)) if *number > 0 => Ok(Some(*number)),
        Some(Value::Integer(0) | Value::Null) => {
            body.values.retain(|(index, _)| *index != of);
            Ok(None)
        }
        _ => Ok(None),
    }
}
