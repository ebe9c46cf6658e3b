//! Media resources and named streams (WR-90..WR-93): which bytes an entity has. The bytes themselves are uploaded before, and belong to
//! nobody until the entity's row names them.

use super::Engine;
use super::permission::Verb;
use super::resolve::Place;
use super::row::Entity;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::media::Media;
use crate::model::page::Page;
use crate::model::schema::{EntityType, MEDIA_COLUMN, Property, Type};
use crate::model::target::{Body, Leaf, Preconditions, Resource};
use crate::odata::json_read::check_facets;
use crate::store::{Session, Update, media};

impl Engine {
    /// What the media resource or named stream at the end of a path holds; none if it was never written.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`.
    pub fn stream(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource) -> Outcome<Option<Media>> {
        let place = self.resolve(session, caller, resource)?;
        if place.null {
            self.scope(caller, place.ty, place.set, Verb::Read)?;
            return Err(Fault::not_found());
        }
        let scope = match self.scope(caller, place.ty, place.set, Verb::Read) {
            Ok(scope) => scope,
            Err(refused) => self.scope_of_worker(session, caller, &place)?.ok_or(refused)?,
        };
        let column = column(self, &place, resource)?;
        let row = self.one_row(session, &scope, &place, &[column])?.ok_or_else(Fault::not_found)?;
        Ok(row.first().and_then(held))
    }

    /// Whether the caller may write the stream, asked before its bytes are taken in. For a collection: whether it may create.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`, `PRECONDITION`.
    pub fn may_upload(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        preconditions: &Preconditions,
    ) -> Outcome<()> {
        let place = self.resolve(session, caller, resource)?;
        if resource.collection {
            return self.scope(caller, resource.ty, place.set, Verb::Create).map(drop);
        }
        let held = self.stream(session, caller, resource)?;
        let current = match self.scope(caller, place.ty, place.set, Verb::Update) {
            Ok(scope) => {
                let current = self.entity_at(session, &Scope::of(caller), &place, false)?;
                self.check_within(session, &scope, &current)?;
                current
            }
            Err(refused) => {
                let scope = self.scope_of_worker(session, caller, &place)?.ok_or(refused)?;
                self.entity_at(session, &scope, &place, false)?
            }
        };
        self.check_job_stream(&current, property(resource), preconditions.claim.as_ref())?;
        check_preconditions(held.as_ref(), preconditions)
    }

    /// Gives an entity the bytes of an upload; those that it had are deleted.
    ///
    /// # Errors
    /// As [`Engine::may_upload`].
    pub fn put_stream(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        uploaded: &Media,
        preconditions: &Preconditions,
    ) -> Outcome<()> {
        let place = self.resolve(session, caller, resource)?;
        let (scope, current) = match self.claim(session, caller, &place, Verb::Update) {
            Err(refused) if refused.kind == &fault::FORBIDDEN => {
                let scope = self.scope_of_worker(session, caller, &place)?.ok_or(refused)?;
                let current = self.locked(session, &scope, &place)?;
                (scope, current)
            }
            claimed => claimed?,
        };
        self.check_job_stream(&current, property(resource), preconditions.claim.as_ref())?;
        let entity = &self.schema.types[current.ty];
        let (column, old) = match &resource.leaf {
            Leaf::Property { property, .. } => (entity.properties[*property].column.as_str(), held(&current.values[*property])),
            _ => (MEDIA_COLUMN, held(&current.media)),
        };
        check_preconditions(old.as_ref(), preconditions)?;
        media::keep(session, &uploaded.id)?;
        let key = current.key(entity);
        let mut update = Update::new(&self.schema, &scope, current.ty, &key)?;
        update.values = vec![(column, Value::Text(uploaded.to_text()))];
        update.run(session)?;
        old.map_or(Ok(()), |old| media::discard(session, &old.id))
    }

    /// Creates a media entity whose media resource is an upload (WR-90). What the client will say of it comes afterwards, so required
    /// properties begin with the empty value of their type; `slug` is the key where that is one string that the client chooses.
    ///
    /// # Errors
    /// As [`Engine::create`].
    pub fn create_media(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        uploaded: &Media,
        slug: Option<&str>,
    ) -> Outcome<Page> {
        let entity = &self.schema.types[resource.ty];
        let mut values = Vec::new();
        for (index, property) in entity.properties.iter().enumerate() {
            if entity.key.contains(&index) && !property.generated {
                values.push((index, new_key(entity, property, slug)?));
            } else if let Some(empty) = empty(property) {
                values.push((index, empty));
            }
        }
        let body = Body {
            media: Some(uploaded.clone()),
            ..Body::new(resource.ty, values)
        };
        let page = self.create(session, caller, resource, body)?.page;
        media::keep(session, &uploaded.id)?;
        Ok(page)
    }

    /// Deletes the bytes that the columns of streams name.
    pub(super) fn discard_held(session: &mut Session<'_>, columns: &[Value]) -> Outcome<()> {
        for media in columns.iter().filter_map(held) {
            media::discard(session, &media.id)?;
        }
        Ok(())
    }

    /// Deletes the bytes of an entity that is gone.
    pub(super) fn discard_streams(&self, session: &mut Session<'_>, gone: &Entity) -> Outcome<()> {
        let entity = &self.schema.types[gone.ty];
        let named = entity
            .properties
            .iter()
            .zip(&gone.values)
            .filter(|(property, _)| !property.is_structural());
        let streams: Vec<Value> = named.map(|(_, value)| value).chain([&gone.media]).cloned().collect();
        Engine::discard_held(session, &streams)
    }
}

/// The named stream at the end of a path.
fn property(resource: &Resource) -> Option<usize> {
    match &resource.leaf {
        Leaf::Property { property, .. } => Some(*property),
        _ => None,
    }
}

/// The column that says what a stream holds.
fn column(engine: &Engine, place: &Place, resource: &Resource) -> Outcome<String> {
    match &resource.leaf {
        Leaf::Media => Ok(MEDIA_COLUMN.to_owned()),
        Leaf::Property { property, .. } => Ok(engine.schema.types[place.ty].properties[*property].column.clone()),
        _ => Err(Fault::internal("no stream")),
    }
}

fn held(value: &Value) -> Option<Media> {
    match value {
        Value::Text(text) => Media::parse(text),
        _ => None,
    }
}

/// Preconditions are about the stream's own ETag (WR-72).
fn check_preconditions(current: Option<&Media>, preconditions: &Preconditions) -> Outcome<()> {
    let tag = current.map(Media::etag);
    let contains = |tags: &crate::model::target::Tags| tag.as_deref().is_some_and(|tag| tags.contain(tag));
    let matches = preconditions.if_match.as_ref().is_none_or(contains);
    let differs = !preconditions.if_none_match.as_ref().is_some_and(contains);
    if matches && differs {
        return Ok(());
    }
    Err(Fault::new(&fault::PRECONDITION, "The stream has changed since its ETag was read."))
}

/// A key that the client does not say: a new Guid, or the slug.
fn new_key(entity: &EntityType, property: &Property, slug: Option<&str>) -> Outcome<Value> {
    match (&property.ty, slug) {
        (Type::Primitive(Edm::Guid), _) => Ok(Value::Bytes(uuid::Uuid::new_v4().as_bytes().to_vec())),
        (Type::Primitive(Edm::String), Some(slug)) if entity.key.len() == 1 && !slug.is_empty() => {
            let key = Value::Text(slug.to_owned());
            check_facets(property, &key).map(|()| key)
        }
        _ => Err(Fault::new(
            &fault::MISSING_PROPERTY,
            format!(
                "{} is the key: create the entity first, then PUT its media resource to `$value`.",
                property.name
            ),
        )
        .of(&property.name)),
    }
}

/// The value of a required property before the client says one.
fn empty(property: &Property) -> Option<Value> {
    if property.nullable || property.default.is_some() || property.read_only || property.generated || property.hashed {
        return None;
    }
    match property.ty.primitive()? {
        Edm::String => Some(Value::Text(String::new())),
        Edm::Boolean => Some(Value::Boolean(false)),
        Edm::Byte | Edm::SByte | Edm::Int16 | Edm::Int32 | Edm::Int64 | Edm::Time => Some(Value::Integer(0)),
        Edm::Single | Edm::Double => Some(Value::Double(0.0)),
        Edm::Decimal => Some(Value::Text("0".to_owned())),
        Edm::Guid => Some(Value::Bytes(vec![0; 16])),
        Edm::Binary => Some(Value::Bytes(Vec::new())),
        Edm::DateTime | Edm::DateTimeOffset => Some(Value::Text(crate::model::text::ticks_to_text(0))),
        _ => None,
    }
}
