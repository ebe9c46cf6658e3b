//! Links between entities that are there: `$links` (WR-80..WR-82), and what the body of an update says of them (WR-36).
//!
//! A link is a foreign key in one of the two rows, or a row of a link table. To change a foreign key is to update the row that holds
//! it: that row gets a new version, and its set must be one that the caller may update. A row of a link table belongs to the entity
//! that the path begins at. The other end only has to be visible, unless it decides what callers may do.

use super::layout::Columns;
use super::permission::Verb;
use super::resolve::{Parent, Place, nothing};
use super::row::{Entity, is_none};
use super::{Engine, names, tenants};
use crate::model::caller::{Caller, Scope};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::Source;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{Join, Multiplicity, Navigation, Property, SetId, TypeId};
use crate::model::target::{Link, Linked, Resource, Step};
use crate::odata::url;
use crate::store::{Pair, Restriction, Select, Session, Update};

/// Most entities that lose their link because another one takes it: there is one, where the ends hold what they promise.
const RELEASED: usize = 10;

/// The other end of a link: an entity that the caller sees.
#[derive(Debug)]
pub(super) struct End {
    pub place: Place,
    pub key: Vec<Value>,
}

/// Columns that hold another entity's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'s> {
    /// The navigation that the client named.
    pub navigation: &'s str,
    pub columns: &'s [String],
    /// It has to lead somewhere.
    pub required: bool,
}

/// What is left to do when the row of an updated entity has been written: links that are kept in other rows.
pub(super) type Elsewhere = Vec<(usize, Option<End>)>;

impl Engine {
    /// Adds a link to a collection navigation, or sets that of a single one (WR-80, WR-81). One that is there already stays as it is.
    ///
    /// # Errors
    /// `NOT_FOUND` for either end, `FORBIDDEN`, `BAD_VALUE` for an entity of another type or when a key would change, `CONFLICT` when the
    /// other end belongs to somebody who cannot do without it.
    pub fn link(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, to: &Resource) -> Outcome<()> {
        let own = self.link_owner(session, caller, resource)?.1;
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        let end = self.end(session, caller, navigation, to).map_err(|fault| match fault.kind {
            // A link to nothing is a bad body when the entity around it is what matters; here the link is all there is.
            kind if kind == &fault::BAD_REFERENCE => Fault::new(&fault::NOT_FOUND, fault.message).of(&navigation.name),
            _ => fault,
        })?;
        self.connect(session, caller, &own, &end)
    }

    /// Takes a link away: the one of a collection navigation that a key names, or that of a single one (WR-82).
    ///
    /// # Errors
    /// `NOT_FOUND` for an entity that is not linked, `FORBIDDEN`, `BAD_VALUE` when the other end cannot be without.
    pub fn unlink(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource) -> Outcome<()> {
        let (place, own) = self.link_owner(session, caller, resource)?;
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        let Some(Join::Link { table, near, far }) = &navigation.join else {
            return match self.reference(navigation) {
                Some(reference) if matches!(resource.steps.last(), Some(Step::Key(_))) => {
                    self.refer(session, caller, &place, reference, None)
                }
                _ => self.disconnect(session, caller, &own, place.set),
            };
        };
        self.scope(caller, own.ty, own.set, Verb::Update)?;
        self.check_pair(caller, navigation, place.set)?;
        let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
        let key = self
            .one_row(session, &scope, &place, &self.key_columns(place.ty))?
            .ok_or_else(Fault::not_found)?;
        self.claim(session, caller, &Place::of(own.ty, own.set, own.key.clone()), Verb::Update)?;
        self.check_grant(session, caller, (own.ty, navigation), &own.key, &key)?;
        self.check_dependency(session, caller, (own.ty, navigation), &own.key, &key)?;
        let administered = self.administered(session, caller, own.ty)?;
        Pair::new(&self.schema, *table, (near, &own.key), (far, &key)).delete(session)?;
        self.audit_link(session, caller, &own, (place.ty, &key), "Unlinked")?;
        self.touched(session, own.ty)?;
        self.touched(session, place.ty)?;
        self.keep_administrator(session, administered, None)
    }

    /// Where the links of a path are, and the entity that they belong to.
    fn link_owner(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource) -> Outcome<(Place, Parent)> {
        let mut place = self.resolve(session, caller, resource)?;
        let own = place.parent.take().ok_or_else(|| Fault::internal("links of no navigation"))?;
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        if self.is_owned(own.ty, navigation) {
            return Err(Fault::new(&fault::BAD_VALUE, format!("{} is for the server to set.", navigation.name)).of(&navigation.name));
        }
        Ok((place, own))
    }

    /// The entity that a link leads to.
    ///
    /// # Errors
    /// `BAD_REFERENCE` for one that is not there for the caller, `BAD_VALUE` for one of another type.
    pub(super) fn end(&self, session: &mut Session<'_>, caller: &Caller, navigation: &Navigation, to: &Resource) -> Outcome<End> {
        let bad = |kind, why: &str| {
            let message = format!("{} cannot lead to {}: {why}.", navigation.name, self.path_of(to));
            Fault::new(kind, message).of(&navigation.name)
        };
        let absent = || bad(&fault::BAD_REFERENCE, "there is no such entity");
        if !self.schema.is_a(to.ty, navigation.target) && !self.schema.is_a(navigation.target, to.ty) {
            let wanted = self.schema.types[navigation.target].qualified();
            return Err(bad(&fault::BAD_VALUE, &format!("it takes entities of {wanted}")));
        }
        let mut place = self.resolve(session, caller, to).map_err(|fault| match fault.kind {
            kind if kind == &fault::NOT_FOUND => absent(),
            _ => fault,
        })?;
        let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
        if !self.schema.is_a(place.ty, navigation.target) {
            place.ty = navigation.target;
        }
        let columns = self.key_columns(place.ty);
        let key = if place.null {
            None
        } else {
            self.one_row(session, &scope, &place, &columns)?
        };
        let key = key.ok_or_else(absent)?;
        Ok(End {
            place: Place::of(place.ty, place.set, key.clone()),
            key,
        })
    }

    /// Links two entities; to one, it is the only link afterwards.
    pub(super) fn connect(&self, session: &mut Session<'_>, caller: &Caller, own: &Parent, end: &End) -> Outcome<()> {
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        let Some(reference) = self.reference(navigation) else {
            self.claim(session, caller, &Place::of(own.ty, own.set, own.key.clone()), Verb::Update)?;
            return self.pair(session, caller, own, end);
        };
        let row = Place::of(own.ty, own.set, own.key.clone());
        match &navigation.join {
            Some(Join::Near { .. }) => {
                if self.is_exclusive(navigation) {
                    self.release(session, caller, &row, reference, &end.key, Some(&own.key))?;
                }
                self.refer(session, caller, &row, reference, Some(&end.key))
            }
            _ => {
                if !navigation.is_many() {
                    self.release(session, caller, &end.place, reference, &own.key, Some(&end.key))?;
                }
                self.refer(session, caller, &end.place, reference, Some(&own.key))
            }
        }
    }

    /// Takes away the link of a single navigation; none is none (WR-82).
    pub(super) fn disconnect(&self, session: &mut Session<'_>, caller: &Caller, own: &Parent, set: Option<SetId>) -> Outcome<()> {
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        let Some(reference) = self.reference(navigation) else {
            return Ok(());
        };
        if let Some(Join::Near { .. }) = navigation.join {
            return self.refer(session, caller, &Place::of(own.ty, own.set, own.key.clone()), reference, None);
        }
        let mut place = Place::of(navigation.target, set, Vec::new());
        place.restrictions = vec![Restriction::Columns(reference.columns.to_vec(), own.key.clone())];
        match self.refer(session, caller, &place, reference, None) {
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(()),
            done => done,
        }
    }

    /// A row in the link table of a navigation, once.
    pub(super) fn pair(&self, session: &mut Session<'_>, caller: &Caller, own: &Parent, end: &End) -> Outcome<()> {
        let navigation = &self.schema.types[own.ty].navigations[own.navigation];
        let Some(Join::Link { table, near, far }) = &navigation.join else {
            return Err(Fault::internal("a navigation without a link table"));
        };
        self.check_pair(caller, navigation, end.place.set)?;
        self.check_grant(session, caller, (own.ty, navigation), &own.key, &end.key)?;
        self.check_dependency(session, caller, (own.ty, navigation), &own.key, &end.key)?;
        Pair::new(&self.schema, *table, (near, &own.key), (far, &end.key)).insert(session)?;
        self.check_held(session, (own.ty, navigation), &own.key, &end.key)?;
        self.audit_link(session, caller, own, (end.place.ty, &end.key), "Linked")?;
        self.touched(session, own.ty)?;
        self.touched(session, end.place.ty)
    }

    /// Who may not change what callers may do may not link to it either.
    pub(super) fn check_pair(&self, caller: &Caller, navigation: &Navigation, set: Option<SetId>) -> Outcome<()> {
        if self.schema.types[navigation.target].security {
            self.scope(caller, navigation.target, set, Verb::Update)?;
        }
        Ok(())
    }

    /// The foreign key behind a navigation; none for a link table.
    pub(super) fn reference<'s>(&'s self, navigation: &'s Navigation) -> Option<Reference<'s>> {
        let (columns, multiplicity) = match &navigation.join {
            Some(Join::Near { columns }) => (columns, navigation.multiplicity),
            Some(Join::Far { columns }) => (columns, self.near_multiplicity(navigation)),
            _ => return None,
        };
        Some(Reference {
            navigation: &navigation.name,
            columns,
            required: multiplicity == Multiplicity::One,
        })
    }

    /// What a client may say of a foreign key: without the tenant, which is the row's own anyway.
    pub(super) fn said<'s, T>(&self, target: TypeId, columns: &'s [T]) -> &'s [T] {
        &columns[columns.len().saturating_sub(self.schema.types[target].key.len())..]
    }

    /// Whether a link is the server's to set, as those to creator and tenant are.
    pub(super) fn is_owned(&self, ty: TypeId, navigation: &Navigation) -> bool {
        let (holder, columns) = match &navigation.join {
            Some(Join::Near { columns }) => (ty, self.said(navigation.target, columns)),
            Some(Join::Far { columns }) => (navigation.target, self.said(ty, columns)),
            _ => return false,
        };
        let holder = &self.schema.types[holder];
        let mut properties = holder.properties.iter().enumerate();
        properties.any(|(index, property)| columns.contains(&property.column) && (property.read_only || holder.tenant == Some(index)))
    }

    /// One at each end: a new link takes the place of the other entity's.
    pub(super) fn is_exclusive(&self, navigation: &Navigation) -> bool {
        !navigation.is_many() && self.near_multiplicity(navigation) != Multiplicity::Many
    }

    /// How many entities are at the end where a navigation begins.
    fn near_multiplicity(&self, navigation: &Navigation) -> Multiplicity {
        self.schema.associations[navigation.association].ends[navigation.from_end].multiplicity
    }

    /// Entities other than `except` that hold `key` in a foreign key lose it.
    pub(super) fn release(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        holder: &Place,
        reference: Reference<'_>,
        key: &[Value],
        except: Option<&[Value]>,
    ) -> Outcome<()> {
        let scope = self.scope(caller, holder.ty, holder.set, Verb::Update)?;
        let ty = self.schema.types[holder.ty].root;
        let sources = [Source {
            ty,
            set: holder.set,
            join: None,
            nested: false,
        }];
        let columns = Columns::of(&self.schema, ty, &nothing());
        let cells = columns.key_cells(&self.schema.types[ty]);
        let mut select = Select::new(&self.schema, &scope, &sources);
        select.outputs = columns.outputs;
        select.restrictions = vec![Restriction::Columns(reference.columns.to_vec(), key.to_vec())];
        select.limit = Some(RELEASED);
        let rows = select.fetch(session)?;
        for row in 0..rows.len() {
            let other: Vec<Value> = cells.iter().map(|&cell| rows.cell(row, cell)).map(Cell::to_value).collect();
            if except == Some(other.as_slice()) {
                continue;
            }
            let place = Place::of(ty, holder.set, other);
            self.refer(session, caller, &place, reference, None)
                .map_err(|fault| match fault.kind {
                    kind if kind == &fault::BAD_VALUE => {
                        let message = format!("{} leads to an entity that another one cannot be without.", reference.navigation);
                        Fault::new(&fault::CONFLICT, message).of(reference.navigation)
                    }
                    _ => fault,
                })?;
        }
        Ok(())
    }

    /// Changes the foreign key of the entity at a place, which is an update of it; what is right already stays as it is.
    fn refer(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        place: &Place,
        reference: Reference<'_>,
        to: Option<&[Value]>,
    ) -> Outcome<()> {
        let (scope, current) = self.claim(session, caller, place, Verb::Update)?;
        let (mut changed, mut hidden) = (current.clone(), Vec::new());
        self.set_reference(&mut changed, &mut hidden, reference, to)?;
        if changed.values == current.values && self.holds(session, &scope, place, &hidden)? {
            return Ok(());
        }
        self.save(session, caller, &scope, &current, &mut changed, &hidden)
    }

    /// Whether hidden columns of the entity at a place have these values.
    fn holds(&self, session: &mut Session<'_>, scope: &Scope, place: &Place, hidden: &[(String, Value)]) -> Outcome<bool> {
        let columns: Vec<String> = hidden.iter().map(|(column, _)| column.clone()).collect();
        let held = match hidden.is_empty() {
            true => return Ok(true),
            false => self.one_row(session, scope, place, &columns)?,
        };
        Ok(held.is_some_and(|held| held.iter().eq(hidden.iter().map(|(_, value)| value))))
    }

    /// Writes a foreign key, or that there is none, into an entity's values; what no property shows goes to `hidden`.
    ///
    /// # Errors
    /// `BAD_VALUE` when a part of it is fixed, or when it has to lead somewhere.
    pub(super) fn set_reference(
        &self,
        entity: &mut Entity,
        hidden: &mut Vec<(String, Value)>,
        reference: Reference<'_>,
        to: Option<&[Value]>,
    ) -> Outcome<()> {
        let bad = |message: String| Fault::new(&fault::BAD_VALUE, message).of(reference.navigation);
        let required = || bad(format!("{} must lead to an entity.", reference.navigation));
        if reference.required && to.is_none() {
            return Err(required());
        }
        let ty = &self.schema.types[entity.ty];
        let mut leads_nowhere = false;
        for (at, column) in reference.columns.iter().enumerate() {
            let Some(index) = ty.properties.iter().position(|property| property.column == *column) else {
                hidden.push((column.clone(), to.map_or(Value::Null, |key| key[at].clone())));
                leads_nowhere = true;
                continue;
            };
            let property = &ty.properties[index];
            let is_fixed = ty.key.contains(&index) || property.read_only || ty.tenant == Some(index);
            match to {
                Some(key) if is_fixed && entity.values[index] != key[at] => {
                    return Err(bad(format!("{} cannot change: {} is fixed.", reference.navigation, property.name)));
                }
                Some(key) => entity.values[index] = key[at].clone(),
                None if is_fixed => {}
                None => {
                    if let Some(none) = none_value(property) {
                        entity.values[index] = none;
                        leads_nowhere = true;
                    }
                }
            }
        }
        match to {
            None if !leads_nowhere => Err(required()),
            _ => Ok(()),
        }
    }

    /// Writes a changed entity, with a new version.
    pub(super) fn save(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        scope: &Scope,
        current: &Entity,
        changed: &mut Entity,
        hidden: &[(String, Value)],
    ) -> Outcome<()> {
        self.check_job_change(session, caller, current, changed)?;
        self.check_kind(session, Some(current), changed)?;
        self.check_job_kind(changed)?;
        self.stamp(caller, changed, false);
        super::accounts::people::settle_change(self, current, changed)?;
        self.check_task_change(session, caller, current, changed)?;
        let entity = &self.schema.types[current.ty];
        let key = current.key(entity);
        let mut update = Update::new(&self.schema, scope, current.ty, &key)?;
        update.values = self.changed_columns(current, changed);
        update
            .values
            .extend(hidden.iter().map(|(column, value)| (column.as_str(), value.clone())));
        self.check_power(session, caller, Some(current), Some(changed))?;
        tenants::check_change(self, session, caller, current, changed)?;
        let administered = self.administered(session, caller, current.ty)?;
        update.run(session)?;
        self.check_within(session, scope, changed)?;
        if entity.security {
            names::check(self, session, changed)?;
            self.user_changed(session, current, changed)?;
        }
        self.task_written(session, Some(current), changed)?;
        self.audit_change(session, caller, Some(current), Some(changed))?;
        self.touched(session, current.ty)?;
        self.keep_administrator(session, administered, self.moved(current, changed))
    }

    /// What the links of an update's body change in the entity's own row, and what they change elsewhere (WR-36, ATM-42). `given` are
    /// the properties that the body names. A link wins over a foreign key beside it, as clients send the old key along; but no link
    /// yields to a key that leads somewhere, as clients send navigations along that they never read.
    ///
    /// # Errors
    /// `BAD_BODY` for links to many and for entities inside the entity, `BAD_REFERENCE`, `BAD_VALUE`.
    pub(super) fn apply_links(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        set: Option<SetId>,
        changed: &mut Entity,
        hidden: &mut Vec<(String, Value)>,
        (links, given): (Vec<Link>, &[usize]),
    ) -> Outcome<Elsewhere> {
        let entity = &self.schema.types[changed.ty];
        let mut elsewhere = Elsewhere::new();
        for link in links {
            let navigation = &entity.navigations[link.navigation];
            let refuse = |why: &str| Err(Fault::new(&fault::BAD_BODY, format!("{} {why}", navigation.name)).of(&navigation.name));
            let to = match (link.to.as_slice(), navigation.is_many()) {
                _ if self.is_owned(changed.ty, navigation) => continue,
                ([], true) => continue,
                (_, true) => return refuse("leads to many: an update does not change such links, `$links` does."),
                ([], false) => None,
                ([Linked::Existing(to)], false) => Some(self.end(session, caller, navigation, to)?),
                ([Linked::New(_)], false) => return refuse("holds an entity: an update makes none."),
                _ => return refuse("leads to one entity."),
            };
            let Some(Join::Near { columns }) = &navigation.join else {
                elsewhere.push((link.navigation, to));
                continue;
            };
            let leads = |index: &usize| {
                let property = &entity.properties[*index];
                columns.contains(&property.column) && !is_none(&changed.values[*index], property.ty.primitive())
            };
            let Some(reference) = self.reference(navigation).filter(|_| to.is_some() || !given.iter().any(leads)) else {
                continue;
            };
            if let (Some(end), true) = (&to, self.is_exclusive(navigation)) {
                let row = Place::of(changed.ty, set, changed.key(entity));
                self.release(session, caller, &row, reference, &end.key, Some(&changed.key(entity)))?;
            }
            self.set_reference(changed, hidden, reference, to.as_ref().map(|end| end.key.as_slice()))?;
        }
        Ok(elsewhere)
    }

    /// The set at the end of a navigation, where there is one.
    pub(super) fn end_set(&self, set: Option<SetId>, navigation: &Navigation) -> Option<SetId> {
        set.and_then(|set| self.schema.target_set(set, navigation))
    }

    /// The columns of a type's row key.
    pub(super) fn key_columns(&self, ty: TypeId) -> Vec<String> {
        let key = self.schema.types[ty].row_key_properties();
        key.map(|property| property.column.clone()).collect()
    }

    /// A path to an entity as a client may write it: `Categories(1)`, with dots for what is behind a navigation.
    fn path_of(&self, resource: &Resource) -> String {
        let set = &self.schema.sets[resource.set];
        let mut path = set.name.clone().into_bytes();
        if let Some(Step::Key(values)) = resource.steps.first() {
            let key = &self.schema.types[set.entity_type].key;
            let cell = |property: usize| {
                key.iter()
                    .position(|&index| index == property)
                    .map_or(Cell::Null, |at| values[at].cell())
            };
            url::write_key(&self.schema, set.entity_type, &mut |property| cell(property), &mut path);
        }
        if resource.steps.iter().any(|step| matches!(step, Step::Navigate { .. })) {
            path.extend_from_slice(b"/...");
        }
        String::from_utf8(path).unwrap_or_else(|_| set.name.clone())
    }
}

/// What a foreign key holds that leads nowhere: null, or 0 and the zero Guid where it cannot be null.
fn none_value(property: &Property) -> Option<Value> {
    match property.ty.primitive() {
        _ if property.nullable => Some(Value::Null),
        Some(Edm::Guid) => Some(Value::Bytes(vec![0; 16])),
        Some(edm) if edm.integer_range().is_some() => Some(Value::Integer(0)),
        _ => None,
    }
}
