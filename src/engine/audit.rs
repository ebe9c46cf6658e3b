//! Who did what: rows of `Diagnostics/AuditTrails`, in the tenant that they are about. Changes of users, roles, permissions and tenants
//! stand in the transaction of the change; signing in, which changes nothing, is written down a moment later ([`Journal`]).
//!
//! Invariant: no secret. What is never shown of an entity is never written here, only that it was changed.

mod journal;

use serde_json::{Map, Value as Json};

use super::Engine;

use super::resolve::Parent;
use super::row::Entity;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Scope};
use crate::model::clock::SECOND;
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op, Source};
use crate::model::fault::Outcome;
use crate::model::limits::AUDIT_SWEEP_ROWS;
use crate::model::schema::{EntityType, Property, TypeId};
use crate::model::target::Body;
use crate::model::text;
use crate::store::{Delete, Output, Select, Session};

pub use journal::{Journal, SignIn};

/// Longest text of one property in a row: a trail is no backup.
const VALUE_CHARACTERS: usize = 1_000;
/// Columns that every change changes, and that say nothing about it.
const STAMPS: &[&str] = &["Modified", "ModifiedById", "RowVersion"];

/// A row to be.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// What was done: `Name`.
    pub what: &'a str,
    /// `EntityState`.
    pub state: &'a str,
    /// Whose trail it belongs to.
    pub tenant: Guid,
    /// Who did it: `CreatedById`.
    pub by: i64,
    /// What it was done to: type and key.
    pub about: (TypeId, String),
    /// Before and after, as JSON objects.
    pub before: Map<String, Json>,
    pub after: Map<String, Json>,
}

impl Engine {
    /// Writes a row.
    pub(super) fn audit(&self, session: &mut Session<'_>, entry: Entry<'_>) -> Outcome<()> {
        let ty = self.type_of("Diagnostics", "AuditTrails")?;
        let (of, id) = (self.schema.types[entry.about.0].qualified(), entry.about.1);
        let (what, state) = (entry.what.to_owned(), entry.state.to_owned());
        let (by, told) = (entry.by, (of.clone(), id.clone()));
        // What is undone has not happened.
        session.after_commit(move || tracing::info!(what, state, by, of = told.0, id = told.1, "audit"));
        let json = |members: Map<String, Json>| match members.is_empty() {
            true => Value::Text(String::new()),
            false => Value::Text(Json::Object(members).to_string()),
        };
        let mut values = Vec::new();
        for (name, value) in [
            ("Name", Value::Text(entry.what.to_owned())),
            ("EntityId", Value::Text(id)),
            ("EntityType", Value::Text(of)),
            ("EntityState", Value::Text(entry.state.to_owned())),
            ("Original", json(entry.before)),
            ("Current", json(entry.after)),
        ] {
            values.push((self.property_of(ty, name)?, value));
        }
        let mut caller = Caller::server();
        (caller.user, caller.tenant) = (entry.by, entry.tenant);
        let mut new = self.new_entity(&caller, Body::new(ty, values))?;
        self.insert(session, &mut new, &[])
    }

    /// Writes down a change of an entity, if it is of a type that decides who may do what.
    pub(super) fn audit_change(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        before: Option<&Entity>,
        after: Option<&Entity>,
    ) -> Outcome<()> {
        let Some(entity) = after.or(before).filter(|entity| self.schema.types[entity.ty].security) else {
            return Ok(());
        };
        let ty = &self.schema.types[entity.ty];
        let differs = |index: usize| match (before, after) {
            (Some(before), Some(after)) => before.values[index] != after.values[index],
            _ => true,
        };
        let told = |entity: Option<&Entity>| -> Map<String, Json> {
            let Some(entity) = entity else { return Map::new() };
            let properties = ty.properties.iter().enumerate();
            let properties = properties.filter(|(index, property)| differs(*index) && !STAMPS.contains(&property.name.as_str()));
            let member = |(index, property): (usize, &Property)| Some((property.name.clone(), json_of(property, &entity.values[index])?));
            properties.filter_map(member).collect()
        };
        let state = match (before, after) {
            (None, _) => "Added",
            (_, None) => "Deleted",
            _ => "Modified",
        };
        let entry = Entry {
            what: &ty.name,
            state,
            tenant: tenant_of(ty, entity),
            by: caller.user,
            about: (entity.ty, key_text(ty, &entity.key(ty))),
            before: told(before),
            after: told(after),
        };
        self.audit(session, entry)
    }

    /// Writes down that two entities were linked or are not any more, if one of them is of such a type. `there` is the other end.
    pub(super) fn audit_link(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        own: &Parent,
        there: (TypeId, &[Value]),
        state: &str,
    ) -> Outcome<()> {
        let (ty, other) = (&self.schema.types[own.ty], &self.schema.types[there.0]);
        if !ty.security && !other.security {
            return Ok(());
        }
        let link = Map::from_iter([
            ("Link".to_owned(), Json::from(ty.navigations[own.navigation].name.as_str())),
            ("To".to_owned(), Json::from(key_text(other, there.1))),
        ]);
        let (before, after) = match state {
            "Linked" => (Map::new(), link),
            _ => (link, Map::new()),
        };
        let entry = Entry {
            what: &ty.name,
            state,
            tenant: caller.tenant,
            by: caller.user,
            about: (own.ty, key_text(ty, &own.key)),
            before,
            after,
        };
        self.audit(session, entry)
    }

    /// Writes down what the holder of an account, or somebody with its token, did.
    pub(super) fn audit_account(
        &self,
        session: &mut Session<'_>,
        what: &str,
        user: (i64, Guid),
        by: i64,
        after: &[(&str, &str)],
    ) -> Outcome<()> {
        let after = after.iter().map(|(name, text)| ((*name).to_owned(), Json::from(*text)));
        let entry = Entry {
            what,
            state: "Succeeded",
            tenant: user.1,
            by,
            about: (self.core_type("Users")?, user.0.to_string()),
            before: Map::new(),
            after: after.collect(),
        };
        self.audit(session, entry)
    }

    /// How many rows there are, of all tenants.
    pub fn count_trails(&self, session: &mut Session<'_>) -> Outcome<u64> {
        let everything = Scope::everything();
        let sources = [Source {
            ty: self.type_of("Diagnostics", "AuditTrails")?,
            set: None,
            join: None,
            nested: false,
        }];
        Select::new(&self.schema, &everything, &sources).count(session)
    }

    /// Deletes rows whose time has come; whether there are more of them.
    pub fn sweep_audit(&self, session: &mut Session<'_>) -> Outcome<bool> {
        if self.accounts.audit_days == 0 {
            return Ok(false);
        }
        let ty = self.type_of("Diagnostics", "AuditTrails")?;
        let (id, created) = (self.property_of(ty, "Id")?, self.property_of(ty, "Created")?);
        let before = self.clock.now() - self.accounts.audit_days * 86_400 * SECOND;
        let filter = Expr::Binary {
            op: Op::Lt,
            edm: Edm::DateTimeOffset,
            left: Box::new(Expr::Column {
                source: 0,
                ty,
                property: created,
            }),
            right: Box::new(Expr::Literal(
                Edm::DateTimeOffset,
                Value::Text(text::ticks_to_text(before - before % 10)),
            )),
        };
        let everything = Scope::everything();
        let sources = [Source {
            ty,
            set: None,
            join: None,
            nested: false,
        }];
        let mut select = Select::new(&self.schema, &everything, &sources);
        select.outputs.push(Output::Property(ty, id));
        select.filter = Some(&filter);
        select.order = self.total_order(ty, &[]);
        select.limit = Some(AUDIT_SWEEP_ROWS);
        let rows = select.fetch(session)?;
        for row in 0..rows.len() {
            let key = [rows.cell(row, 0).to_value()];
            Delete::new(&self.schema, &everything, ty, &key)?.run(session)?;
        }
        Ok(rows.len() == AUDIT_SWEEP_ROWS)
    }
}

/// What a trail may say about a property; none for streams. Of what is never shown it says that it is there.
fn json_of(property: &Property, value: &Value) -> Option<Json> {
    if !property.is_structural() || property.column.is_empty() {
        return None;
    }
    if property.write_only {
        return Some(if value.is_null() { Json::Null } else { Json::from("(not shown)") });
    }
    Some(match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        value => Json::from(plain(property.ty.primitive().unwrap_or(Edm::String), value)),
    })
}

fn plain(edm: Edm, value: &Value) -> String {
    let mut out = Vec::new();
    text::write(edm, value.cell(), &mut out);
    String::from_utf8_lossy(&out).chars().take(VALUE_CHARACTERS).collect()
}

/// The values of a key as one text.
pub(super) fn key_text(ty: &EntityType, key: &[Value]) -> String {
    let parts = ty.key_properties().zip(key);
    let parts: Vec<String> = parts
        .map(|(property, value)| plain(property.ty.primitive().unwrap_or(Edm::String), value))
        .collect();
    parts.join(",")
}

fn tenant_of(ty: &EntityType, entity: &Entity) -> Guid {
    let value = ty.tenant.map(|index| &entity.values[index]);
    match value {
        Some(Value::Bytes(bytes)) => Guid::try_from(bytes.as_slice()).unwrap_or(SYSTEM_TENANT),
        _ => SYSTEM_TENANT,
    }
}
