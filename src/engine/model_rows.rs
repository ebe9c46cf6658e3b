//! `/api/Model`: the schema as rows of entity sets, written at start when it differs from what is there.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Engine;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::{EntityType, Navigation, Property, Schema, TypeId};
use crate::model::target::Body;
use crate::store::{Session, clear, fact, set_fact};

/// Name of the fact with the hash of the rows.
const MODEL_VERSION: &str = "model_version";
/// Sets of the endpoint, the referred-to before the referring.
const SETS: [&str; 5] = ["Endpoints", "EntityTypes", "EntitySets", "Properties", "Navigations"];

/// A row: property names and values.
type Facts = Vec<(&'static str, Value)>;

/// Writes the rows anew if the schema is not the one they were written for; whether it did.
pub fn refresh(engine: &Engine, session: &mut Session<'_>) -> Outcome<bool> {
    let schema = &engine.schema;
    let rows: [Vec<Facts>; 5] = [
        schema.endpoints.iter().map(endpoint_facts).collect(),
        (0..schema.types.len()).map(|ty| type_facts(schema, ty)).collect(),
        (0..schema.sets.len()).map(|set| set_facts(schema, set)).collect(),
        own(schema, |schema, id, ty| {
            (ty.own_properties..ty.properties.len())
                .map(|at| property_facts(schema, id, ty, at))
                .collect()
        }),
        own(schema, |schema, id, ty| {
            (ty.own_navigations..ty.navigations.len())
                .map(|at| navigation_facts(schema, id, ty, at))
                .collect()
        }),
    ];
    let mut hasher = DefaultHasher::new();
    format!("{rows:?}").hash(&mut hasher);
    let version = hasher.finish().to_string();
    if fact(session, MODEL_VERSION)?.as_ref() == Some(&version) {
        return Ok(false);
    }
    session.defer_references()?;
    for set in SETS.iter().rev() {
        let ty = model_type(schema, set)?;
        clear(
            session,
            schema,
            schema.types[ty].table.ok_or_else(|| Fault::internal("a set without a table"))?,
        )?;
    }
    for (set, rows) in SETS.iter().zip(rows) {
        let ty = model_type(schema, set)?;
        for facts in rows {
            insert(engine, session, ty, facts)?;
        }
    }
    set_fact(session, MODEL_VERSION, &version)?;
    Ok(true)
}

fn model_type(schema: &Schema, set: &str) -> Outcome<TypeId> {
    let found = schema.endpoint("Model").and_then(|endpoint| endpoint.set_names.get(set));
    found
        .map(|&set| schema.sets[set].entity_type)
        .ok_or_else(|| Fault::internal(format!("Model has no set {set}")))
}

fn insert(engine: &Engine, session: &mut Session<'_>, ty: TypeId, facts: Facts) -> Outcome<()> {
    let mut values = Vec::with_capacity(facts.len());
    for (name, value) in facts {
        let index = engine.schema.types[ty]
            .property(name)
            .ok_or_else(|| Fault::internal(format!("Model has no property {name}")))?;
        values.push((index, value));
    }
    let mut new = engine.new_entity(&Caller::server(), Body::new(ty, values))?;
    engine.insert(session, &mut new, &[])
}

fn own(schema: &Schema, facts: impl Fn(&Schema, TypeId, &EntityType) -> Vec<Facts>) -> Vec<Facts> {
    schema.types.iter().enumerate().flat_map(|(id, ty)| facts(schema, id, ty)).collect()
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn optional<T>(value: Option<T>, make: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, make)
}

/// The qualified name; two endpoints may have types of the same one, and then the later is told apart by its number.
fn type_id(schema: &Schema, ty: TypeId) -> String {
    let entity = &schema.types[ty];
    let name = entity.qualified();
    let twin = schema.types[..ty]
        .iter()
        .any(|other| other.name == entity.name && other.namespace == entity.namespace);
    if twin { format!("{name}#{ty}") } else { name }
}

fn endpoint_facts(endpoint: &crate::model::schema::Endpoint) -> Facts {
    let container = endpoint
        .containers
        .first()
        .map_or(String::new(), |container| format!("{}.{}", container.namespace, container.name));
    vec![
        ("Name", text(&endpoint.name)),
        ("Title", text(&endpoint.title)),
        ("Namespace", text(&endpoint.namespace)),
        ("Container", text(container)),
        ("PermissionPrefix", text(&endpoint.permission_prefix)),
    ]
}

fn set_facts(schema: &Schema, set: usize) -> Facts {
    let set = &schema.sets[set];
    let endpoint = &schema.endpoints[set.endpoint];
    let container = &endpoint.containers[set.container];
    let prefix = &endpoint.permission_prefix;
    let verbs = ["Create", "Read", "Update", "Delete"].map(|verb| format!("{prefix}:{}Can{verb}", set.name));
    vec![
        ("Id", text(format!("{}/{}", endpoint.name, set.name))),
        ("Name", text(&set.name)),
        ("Container", text(format!("{}.{}", container.namespace, container.name))),
        ("EndpointName", text(&endpoint.name)),
        ("EntityTypeId", text(type_id(schema, set.entity_type))),
        ("PageSize", optional(set.page_size, |size| Value::Integer(size as i64))),
        ("ReadOnly", Value::Boolean(set.read_only)),
        ("Permissions", text(verbs.join(" "))),
    ]
}

fn type_facts(schema: &Schema, ty: TypeId) -> Facts {
    let entity = &schema.types[ty];
    let key: Vec<&str> = entity.key_properties().map(|property| property.name.as_str()).collect();
    vec![
        ("Id", text(type_id(schema, ty))),
        ("Name", text(&entity.name)),
        ("Namespace", text(&entity.namespace)),
        ("BaseTypeId", optional(entity.base, |base| text(type_id(schema, base)))),
        ("Key", text(key.join(","))),
        ("Tenant", optional(entity.tenant, |index| text(&entity.properties[index].name))),
        ("Frame", Value::Boolean(entity.frame)),
        ("Security", Value::Boolean(entity.security)),
        ("IsAbstract", Value::Boolean(entity.is_abstract)),
        ("IsOpen", Value::Boolean(entity.is_open)),
        ("HasStream", Value::Boolean(entity.has_stream)),
    ]
}

fn property_facts(schema: &Schema, id: TypeId, ty: &EntityType, at: usize) -> Facts {
    let property: &Property = &ty.properties[at];
    let owner = type_id(schema, id);
    let number = |number: u32| Value::Integer(number.into());
    vec![
        ("Id", text(format!("{owner}/{}", property.name))),
        ("Name", text(&property.name)),
        ("EntityTypeId", text(owner)),
        ("Position", Value::Integer(at as i64)),
        ("Type", text(schema.type_name(&property.ty))),
        ("Nullable", Value::Boolean(property.nullable)),
        ("MaxLength", optional(property.facets.max_length.flatten(), number)),
        ("FixedLength", optional(property.facets.fixed_length, Value::Boolean)),
        ("Precision", optional(property.facets.precision, number)),
        ("Scale", optional(property.facets.scale, number)),
        ("Unicode", optional(property.facets.unicode, Value::Boolean)),
        ("Default", optional(property.facets.default_value.clone(), text)),
        ("IsKey", Value::Boolean(ty.key.contains(&at))),
        ("Concurrency", Value::Boolean(property.concurrency)),
        ("ReadOnly", Value::Boolean(property.read_only)),
        ("WriteOnly", Value::Boolean(property.write_only)),
        ("Generated", Value::Boolean(property.generated)),
        ("Unique", Value::Boolean(property.unique)),
        ("Indexed", Value::Boolean(property.indexed)),
    ]
}

fn navigation_facts(schema: &Schema, id: TypeId, ty: &EntityType, at: usize) -> Facts {
    let navigation: &Navigation = &ty.navigations[at];
    let association = &schema.associations[navigation.association];
    let owner = type_id(schema, id);
    let mut back = schema.types[navigation.target].navigations.iter();
    let partner = back.find(|other| other.association == navigation.association && other.from_end != navigation.from_end);
    let dependent = association
        .constraint
        .as_ref()
        .map(|constraint| constraint.dependent_properties.join(","));
    vec![
        ("Id", text(format!("{owner}/{}", navigation.name))),
        ("Name", text(&navigation.name)),
        ("EntityTypeId", text(owner)),
        ("Position", Value::Integer(at as i64)),
        ("TargetId", text(type_id(schema, navigation.target))),
        ("Multiplicity", text(navigation.multiplicity.text())),
        (
            "PartnerMultiplicity",
            text(association.ends[navigation.from_end].multiplicity.text()),
        ),
        ("Partner", optional(partner, |partner| text(&partner.name))),
        ("Relationship", text(format!("{}.{}", association.namespace, association.name))),
        ("ContainsTarget", Value::Boolean(navigation.contains_target)),
        ("Dependent", optional(dependent, text)),
    ]
}
