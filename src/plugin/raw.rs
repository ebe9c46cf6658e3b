//! Phase one: what the files of an endpoint say, word for word, with places. The format is described in `schema/README.md`.

mod operations;

use crate::model::limits::PAGE_SIZE_MAX;
use crate::model::schema::{Attribute, Facets, Multiplicity};

use super::Source;
use super::read::{At, Fields, Place, Problems};
pub(super) use operations::{RawBehaviour, RawOperation, RawParameter};

/// All files of one endpoint.
#[derive(Debug, Default)]
pub(super) struct RawEndpoint {
    pub place: Place,
    pub name: String,
    pub title: String,
    pub namespace: Option<At<String>>,
    pub container: Option<At<String>>,
    pub containers: Vec<At<String>>,
    pub permission_prefix: Option<String>,
    pub ignores_unknown_arguments: bool,
    pub shared: Vec<At<String>>,
    pub page_size: Option<usize>,
    pub types: Vec<RawType>,
    pub complex: Vec<RawComplex>,
    pub operations: Vec<RawOperation>,
    pub association_sets: Vec<RawAssociationSet>,
}

/// `entity = …` and what goes with it.
#[derive(Debug, Default)]
pub(super) struct RawType {
    pub place: Place,
    pub name: String,
    pub namespace: Option<At<String>>,
    pub sets: Vec<At<String>>,
    pub base: Option<At<String>>,
    pub is_abstract: bool,
    pub is_open: bool,
    pub has_stream: bool,
    pub frame: bool,
    /// `Some(None)` is `tenant = true`.
    pub tenant: Option<At<Option<String>>>,
    pub security: bool,
    pub is_shared: bool,
    pub rows: Vec<RawRowRule>,
    pub jobs: RawJobs,
    pub read_only: bool,
    pub page_size: Option<usize>,
    pub key: Vec<At<String>>,
    pub indexes: Vec<At<Vec<At<String>>>>,
    pub attributes: Vec<Attribute>,
    pub properties: Vec<RawProperty>,
    pub navigations: Vec<RawNavigation>,
}

/// `[complex.X]`
#[derive(Debug)]
pub(super) struct RawComplex {
    pub place: Place,
    pub name: String,
    pub namespace: Option<At<String>>,
    pub base: Option<At<String>>,
    pub is_abstract: bool,
    pub attributes: Vec<Attribute>,
    pub properties: Vec<RawProperty>,
}

/// `[[rows]]`
#[derive(Debug)]
pub(super) struct RawRowRule {
    pub roles: Vec<At<String>>,
    pub verbs: Vec<At<String>>,
    pub filter: Option<At<String>>,
}

/// `[jobs]`
#[derive(Debug, Default)]
pub(super) struct RawJobs {
    pub create: Option<At<String>>,
    pub delete: Option<At<String>>,
}

/// How far `unique` reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unique {
    No,
    /// Within the tenant, if rows have one.
    Tenant,
    /// Over all tenants.
    Global,
}

/// A line of `[properties]`.
#[derive(Debug, Clone)]
pub(super) struct RawProperty {
    pub place: Place,
    pub name: String,
    /// Empty if it is missing, which has been said then.
    pub ty: At<String>,
    pub nullable: bool,
    pub facets: Facets,
    pub default: Option<At<String>>,
    pub generated: bool,
    /// `generated = "by default"`
    pub by_default: bool,
    pub concurrency: bool,
    pub read_only: bool,
    pub write_only: bool,
    pub hashed: bool,
    pub unique: Unique,
    pub index: bool,
    pub attributes: Vec<Attribute>,
}

/// `[navigation.X]`
#[derive(Debug, Clone)]
pub(super) struct RawNavigation {
    pub place: Place,
    pub name: String,
    /// Empty if it is missing, which has been said then.
    pub to: At<String>,
    pub multiplicity: Multiplicity,
    pub partner: Option<At<String>>,
    pub partner_multiplicity: Option<Multiplicity>,
    pub key: Vec<At<String>>,
    pub target_key: Vec<At<String>>,
    pub link: Option<At<String>>,
    pub cascade: bool,
    pub target_cascade: bool,
    pub constraint: bool,
    pub relationship: Option<At<String>>,
    pub role: Option<At<String>>,
    pub target_role: Option<At<String>>,
    pub contains_target: bool,
    pub set: Option<At<String>>,
}

/// `[[association_set]]`
#[derive(Debug)]
pub(super) struct RawAssociationSet {
    pub place: Place,
    pub name: At<String>,
    pub relationship: At<String>,
    pub sets: Vec<At<String>>,
    pub container: Option<At<String>>,
}

/// Reads the files of every endpoint.
pub(super) fn endpoints(sources: &[Source], problems: &Problems) -> Vec<RawEndpoint> {
    let mut found: Vec<_> = sources.iter().filter_map(|source| endpoint(source, problems)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The type that stands for the frame (`schema/README.md`): its properties and navigations go into every type that asks for it.
pub(super) fn frame(problems: &Problems) -> RawType {
    let mut endpoint = RawEndpoint::default();
    problems.parse("frame", include_str!("frame.toml"), |fields| file(fields, &mut endpoint));
    endpoint.types.pop().unwrap_or_default()
}

fn endpoint(source: &Source, problems: &Problems) -> Option<RawEndpoint> {
    let mut endpoint = RawEndpoint::default();
    let mut name: Option<At<String>> = None;
    for (path, text) in &source.files {
        let last = path.rsplit(['/', '\\']).next().unwrap_or(path);
        problems.parse(path, text, |fields| match last {
            "plugin.toml" => merge_name(&mut name, manifest(fields, &mut endpoint), problems),
            "endpoint.toml" => merge_name(&mut name, settings(fields, &mut endpoint), problems),
            _ => file(fields, &mut endpoint),
        });
    }
    let Some(name) = name else {
        let first = source.files.first().map_or("schema", |file| file.0.as_str());
        problems.parse(first, "", |fields| {
            fields.fault(
                fields.place,
                "The folder has no `endpoint.toml` or `plugin.toml` that names its `endpoint`.",
            );
        });
        return None;
    };
    endpoint.place = name.place;
    endpoint.name = name.it;
    Some(endpoint)
}

/// `endpoint` of plugin.toml and of endpoint.toml must be the same.
fn merge_name(name: &mut Option<At<String>>, said: Option<At<String>>, problems: &Problems) {
    match (name.as_ref(), said) {
        (Some(first), Some(second)) if first.it != second.it => {
            let first = format!("`{}` at {}", first.it, problems.show(first.place));
            problems.add(second.place, format!("The endpoint is `{}` here and {first}.", second.it));
        }
        (None, Some(second)) => *name = Some(second),
        _ => {}
    }
}

/// plugin.toml
fn manifest(mut fields: Fields<'_>, endpoint: &mut RawEndpoint) -> Option<At<String>> {
    fields.describe("plugin.toml");
    let name = fields.required_text("endpoint");
    if let Some(title) = fields.text("title") {
        endpoint.title = title.it;
    }
    for key in ["name", "version", "author"] {
        fields.text(key);
    }
    fields.finish();
    name
}

/// endpoint.toml
fn settings(mut fields: Fields<'_>, endpoint: &mut RawEndpoint) -> Option<At<String>> {
    fields.describe("endpoint.toml");
    let name = fields.text("endpoint");
    if let Some(title) = fields.text("title") {
        endpoint.title = title.it;
    }
    endpoint.namespace = fields.text("namespace");
    endpoint.container = fields.text("container");
    endpoint.containers = fields.texts("containers");
    endpoint.permission_prefix = fields.text("permission_prefix").map(|prefix| prefix.it);
    endpoint.ignores_unknown_arguments = fields.flag("ignore_unknown_arguments");
    endpoint.shared = fields.texts("shared");
    endpoint.page_size = page_size(&mut fields);
    additions(&mut fields, endpoint);
    fields.finish();
    name
}

/// Any other file.
fn file(mut fields: Fields<'_>, endpoint: &mut RawEndpoint) {
    if let Some(name) = fields.text("entity") {
        fields.describe("an entity type");
        let ty = entity(&mut fields, name);
        endpoint.types.push(ty);
    }
    additions(&mut fields, endpoint);
    fields.finish();
}

/// What can stand in any file of the folder.
fn additions(fields: &mut Fields<'_>, endpoint: &mut RawEndpoint) {
    endpoint
        .complex
        .extend(fields.tables("complex", "a complex type").into_iter().map(complex));
    endpoint.operations.extend(
        fields
            .list("operation", "an operation")
            .into_iter()
            .filter_map(operations::operation),
    );
    let sets = fields.list("association_set", "an association set");
    endpoint.association_sets.extend(sets.into_iter().filter_map(association_set));
}

fn page_size(fields: &mut Fields<'_>) -> Option<usize> {
    let max = u32::try_from(PAGE_SIZE_MAX).unwrap_or(u32::MAX);
    fields.number("page_size", 1, max).map(|size| size.it as usize)
}

fn attributes(fields: &mut Fields<'_>) -> Vec<Attribute> {
    let mut found = Vec::new();
    for (name, value) in fields.pairs("attributes") {
        if !name.it.contains(':') {
            fields.fault(name.place, format!("The attribute `{}` needs a prefix, such as `m:`.", name.it));
        }
        found.push(Attribute { name: name.it, value });
    }
    found
}

fn entity(fields: &mut Fields<'_>, name: At<String>) -> RawType {
    let mut sets = fields.texts("sets");
    if let Some(set) = fields.text("set") {
        if !sets.is_empty() {
            fields.fault(set.place, "`set` and `sets` exclude each other.");
        }
        sets.insert(0, set);
    }
    RawType {
        place: name.place,
        name: name.it,
        namespace: fields.text("namespace"),
        sets,
        base: fields.text("base"),
        is_abstract: fields.flag("abstract"),
        is_open: fields.flag("open"),
        has_stream: fields.flag("has_stream"),
        frame: fields.flag("frame"),
        tenant: fields.text_or_true("tenant"),
        security: fields.flag("security"),
        is_shared: fields.flag("shared"),
        rows: fields.list("rows", "a row rule").into_iter().map(row_rule).collect(),
        jobs: fields
            .table("jobs", "the jobs of an entity type")
            .map_or_else(RawJobs::default, jobs),
        read_only: fields.flag("read_only"),
        page_size: page_size(fields),
        key: fields.texts("key"),
        indexes: fields.text_lists("indexes"),
        attributes: attributes(fields),
        properties: properties(fields),
        navigations: fields.tables("navigation", "a navigation").into_iter().map(navigation).collect(),
    }
}

fn row_rule(mut fields: Fields<'_>) -> RawRowRule {
    let rule = RawRowRule {
        roles: fields.texts("roles"),
        verbs: fields.texts("verbs"),
        filter: fields.required_text("filter"),
    };
    fields.finish();
    rule
}

fn jobs(mut fields: Fields<'_>) -> RawJobs {
    let jobs = RawJobs {
        create: fields.text("create"),
        delete: fields.text("delete"),
    };
    fields.finish();
    jobs
}

fn complex((name, mut fields): (At<String>, Fields<'_>)) -> RawComplex {
    let complex = RawComplex {
        place: name.place,
        name: name.it,
        namespace: fields.text("namespace"),
        base: fields.text("base"),
        is_abstract: fields.flag("abstract"),
        attributes: attributes(&mut fields),
        properties: properties(&mut fields),
    };
    fields.finish();
    complex
}

fn properties(fields: &mut Fields<'_>) -> Vec<RawProperty> {
    fields.tables("properties", "a property").into_iter().map(property).collect()
}

fn property((name, mut fields): (At<String>, Fields<'_>)) -> RawProperty {
    let mut facets = facets(&mut fields);
    let default = fields.scalar("default");
    let default_value = fields.scalar("default_value").map(|value| value.it);
    facets.default_value = default_value.or_else(|| default.as_ref().map(|value| value.it.clone()));
    let hashed = fields.flag("hashed");
    let (generated, by_default) = generated(&mut fields);
    let property = RawProperty {
        place: name.place,
        name: name.it,
        ty: type_name(&mut fields, "type"),
        nullable: fields.flag("nullable"),
        facets,
        default,
        generated,
        by_default,
        concurrency: fields.flag("concurrency"),
        read_only: fields.flag("read_only"),
        write_only: fields.flag("write_only") || hashed,
        hashed,
        unique: unique(&mut fields),
        index: fields.flag("index"),
        attributes: attributes(&mut fields),
    };
    fields.finish();
    property
}

/// Whether the database numbers it, and whether only by default.
fn generated(fields: &mut Fields<'_>) -> (bool, bool) {
    match fields.text_or_true("generated") {
        None => (false, false),
        Some(At { it: None, .. }) => (true, false),
        Some(At { it: Some(when), place }) => {
            if when != "by default" {
                fields.fault(place, "`generated` must be true, false or \"by default\".");
            }
            (true, true)
        }
    }
}

fn unique(fields: &mut Fields<'_>) -> Unique {
    match fields.text_or_true("unique") {
        None => Unique::No,
        Some(At { it: None, .. }) => Unique::Tenant,
        Some(At { it: Some(reach), place }) => {
            if reach != "global" {
                fields.fault(place, "`unique` must be true, false or \"global\".");
            }
            Unique::Global
        }
    }
}

/// A required name of a type; empty after the fault has been noted.
fn type_name(fields: &mut Fields<'_>, key: &'static str) -> At<String> {
    let place = fields.place;
    fields.required_text(key).unwrap_or(At { it: String::new(), place })
}

fn facets(fields: &mut Fields<'_>) -> Facets {
    let max_length = match fields.has_text("max") {
        true => fields.text("max").and_then(|max| {
            let is_max = max.it == "Max";
            if !is_max {
                fields.fault(max.place, "`max` must be a number or \"Max\".");
            }
            is_max.then_some(None)
        }),
        false => fields.number("max", 1, u32::MAX).map(|max| Some(max.it)),
    };
    Facets {
        max_length,
        fixed_length: fields.choice("fixed"),
        precision: fields.number("precision", 0, u32::MAX).map(|number| number.it),
        scale: fields.number("scale", 0, u32::MAX).map(|number| number.it),
        unicode: fields.choice("unicode"),
        collation: fields.text("collation").map(|text| text.it),
        srid: fields.scalar("srid").map(|text| text.it),
        collection_kind: fields.text("collection_kind").map(|text| text.it),
        default_value: None,
    }
}

fn multiplicity(fields: &mut Fields<'_>, key: &'static str) -> Option<Multiplicity> {
    let text = fields.text(key)?;
    let parsed = Multiplicity::parse(&text.it);
    if parsed.is_none() {
        fields.fault(text.place, format!("`{key}` must be \"1\", \"0..1\" or \"*\"."));
    }
    parsed
}

fn navigation((name, mut fields): (At<String>, Fields<'_>)) -> RawNavigation {
    let navigation = RawNavigation {
        place: name.place,
        name: name.it,
        to: type_name(&mut fields, "to"),
        multiplicity: multiplicity(&mut fields, "multiplicity").unwrap_or(Multiplicity::ZeroOrOne),
        partner: fields.text("partner"),
        partner_multiplicity: multiplicity(&mut fields, "partner_multiplicity"),
        key: fields.texts("key"),
        target_key: fields.texts("target_key"),
        link: fields.text("link"),
        cascade: fields.flag("cascade"),
        target_cascade: fields.flag("target_cascade"),
        constraint: fields.choice("constraint").unwrap_or(true),
        relationship: fields.text("relationship"),
        role: fields.text("role"),
        target_role: fields.text("target_role"),
        contains_target: fields.flag("contains_target"),
        set: fields.text("set"),
    };
    fields.finish();
    navigation
}

fn association_set(mut fields: Fields<'_>) -> Option<RawAssociationSet> {
    let place = fields.place;
    let name = fields.required_text("name");
    let relationship = fields.required_text("relationship");
    let sets = fields.texts("sets");
    let container = fields.text("container");
    if sets.len() != 2 {
        fields.fault(place, "`sets` must name two sets: those at the association's first and second end.");
    }
    fields.finish();
    (sets.len() == 2).then_some(())?;
    Some(RawAssociationSet {
        place,
        name: name?,
        relationship: relationship?,
        sets,
        container,
    })
}
