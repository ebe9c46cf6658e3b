//! The texts of the schema files.

use std::collections::HashSet;

use super::document::{In, Index, Kind};
use super::joins::{self, Joins};
use super::toml::{Rows, key};
use super::{Report, operations};
use crate::model::edm::Edm;
use crate::model::fault::Outcome;
use crate::model::schema::{Attribute, Facets};
use crate::model::text;
use crate::odata::csdl::{ComplexType, EntityType, Property, item_type};

/// Says who makes a property's value.
pub(super) const STORE_GENERATED: &str = "annotation:StoreGeneratedPattern";

/// Names and texts of all files.
pub(super) fn write(index: &Index<'_>, endpoint: &str, report: &mut Report) -> Outcome<Vec<(String, String)>> {
    let namespace = main_namespace(index, endpoint);
    let relations = index.relations(report);
    let joins = joins::joins(index, &relations, report);
    let mut names = Names::default();
    let mut files = vec![
        ("plugin.toml".to_owned(), plugin(endpoint)),
        (names.schema_file("endpoint", ""), endpoint_file(index, endpoint, &namespace)),
    ];
    for ty in &index.types {
        let text = entity(index, *ty, &namespace, &joins, report);
        files.push((names.schema_file(&ty.it.name, ty.namespace), text));
    }
    files.extend(complex_files(index, &namespace, &mut names, report));
    let others = [
        ("operations", operations::operations(index, &namespace, report)),
        ("association_sets", operations::association_sets(index, &relations, report)),
    ];
    for (name, text) in others {
        if !text.is_empty() {
            files.push((names.schema_file(name, ""), text));
        }
    }
    Ok(files)
}

/// The one with the most entity types; the first of them.
fn main_namespace(index: &Index<'_>, endpoint: &str) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for ty in &index.types {
        match counts.iter_mut().find(|(namespace, _)| *namespace == ty.namespace) {
            Some((_, count)) => *count += 1,
            None => counts.push((ty.namespace, 1)),
        }
    }
    let main = counts.iter().rev().max_by_key(|(_, count)| *count);
    main.map_or_else(|| format!("Odonata.{endpoint}"), |(namespace, _)| (*namespace).to_owned())
}

fn plugin(endpoint: &str) -> String {
    let mut rows = Rows::default();
    rows.text("name", endpoint)
        .text("endpoint", endpoint)
        .text("version", "1.0.0")
        .text("author", "odonata import")
        .text("title", "Imported from a $metadata document.");
    rows.lines()
}

fn endpoint_file(index: &Index<'_>, endpoint: &str, namespace: &str) -> String {
    let names: Vec<String> = index
        .containers
        .iter()
        .map(|container| format!("{}.{}", container.namespace, container.it.name))
        .collect();
    let mut rows = Rows::default();
    rows.text("endpoint", endpoint)
        .text("title", "Imported from a $metadata document.")
        .text("namespace", namespace);
    if let Some((first, others)) = names.split_first() {
        rows.text("container", first).list("containers", others);
    }
    rows.lines()
}

fn entity(index: &Index<'_>, ty: In<'_, EntityType>, main: &str, joins: &Joins<'_>, report: &mut Report) -> String {
    let name = format!("{}.{}", ty.namespace, ty.it.name);
    let mut rows = Rows::default();
    rows.text("entity", &ty.it.name);
    rows.optional("namespace", (ty.namespace != main).then_some(ty.namespace));
    match index.sets_of(&name).as_slice() {
        [] => {}
        [set] if !set.contains('.') => {
            rows.text("set", set);
        }
        sets => {
            rows.list("sets", sets);
        }
    }
    let base = ty.it.base.as_ref().map(|base| index.type_text(base, ty.namespace));
    rows.optional("base", base.as_deref())
        .when(ty.it.is_abstract, "abstract")
        .when(ty.it.is_open, "open")
        .when(ty.it.has_stream, "has_stream");
    if ty.it.base.is_none() {
        rows.list("key", &ty.it.key);
    }
    attributes(&mut rows, &ty.it.attributes, false);
    let single_key = matches!(ty.it.key.as_slice(), [_]) && ty.it.base.is_none();
    let properties = properties(index, &name, ty.namespace, &ty.it.properties, report, |property| {
        match (ty.it.key.contains(&property.name), single_key) {
            (false, _) => Role::Value,
            (true, true) if !joins.keys.contains(&(name.as_str(), property.name.clone())) => Role::OwnKey,
            (true, _) => Role::Key,
        }
    });
    let mut text = rows.lines();
    if !properties.is_empty() {
        text.push_str("\n[properties]\n");
        text.push_str(&properties.columns());
    }
    for navigation in &ty.it.navigations {
        if let Some(rows) = joins.navigations.get(&(name.as_str(), navigation.name.as_str())) {
            text.push_str(&format!("\n[navigation.{}]\n{}", key(&navigation.name), rows.lines()));
        }
    }
    text
}

/// A file for each namespace, so that types of the same name do not meet.
fn complex_files(index: &Index<'_>, main: &str, names: &mut Names, report: &mut Report) -> Vec<(String, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for ty in &index.complex {
        let text = complex(index, *ty, main, report);
        match files.iter_mut().find(|(namespace, _)| *namespace == ty.namespace) {
            Some((_, file)) => {
                file.push('\n');
                file.push_str(&text);
            }
            None => files.push((ty.namespace, text)),
        }
    }
    files
        .into_iter()
        .map(|(namespace, text)| {
            let name = match namespace == main {
                true => "complex_types".to_owned(),
                false => format!("complex_types_{namespace}"),
            };
            (names.schema_file(&name, ""), text)
        })
        .collect()
}

fn complex(index: &Index<'_>, ty: In<'_, ComplexType>, main: &str, report: &mut Report) -> String {
    let name = format!("{}.{}", ty.namespace, ty.it.name);
    let table = key(&ty.it.name);
    let mut rows = Rows::default();
    rows.optional("namespace", (ty.namespace != main).then_some(ty.namespace));
    let base = ty.it.base.as_ref().map(|base| index.type_text(base, ty.namespace));
    rows.optional("base", base.as_deref()).when(ty.it.is_abstract, "abstract");
    attributes(&mut rows, &ty.it.attributes, false);
    let properties = properties(index, &name, ty.namespace, &ty.it.properties, report, |_| Role::Value);
    let mut text = String::new();
    if !rows.is_empty() || properties.is_empty() {
        text.push_str(&format!("[complex.{table}]\n{}", rows.lines()));
    }
    if !properties.is_empty() {
        text.push_str(&format!("[complex.{table}.properties]\n{}", properties.columns()));
    }
    text
}

/// What a property is to its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Value,
    /// A part of the key, or the key of another row.
    Key,
    /// The whole key.
    OwnKey,
}

fn properties(
    index: &Index<'_>,
    owner: &str,
    namespace: &str,
    properties: &[Property],
    report: &mut Report,
    role: impl Fn(&Property) -> Role,
) -> Rows {
    let mut rows = Rows::default();
    for property in properties {
        let path = format!("{owner}/{}", property.name);
        let (item, collection) = item_type(&property.ty);
        let kind = index.kind(item);
        match kind {
            Kind::Unknown | Kind::Entity => {
                report.lose(path, format!("the property, because {item} is not a type that a property can have"));
                continue;
            }
            Kind::Enum => report.lose(&path, format!("the enumeration type {item}; the property is a String")),
            Kind::Primitive(_) | Kind::Complex => {}
        }
        let role = role(property);
        let in_key = role != Role::Value;
        if in_key && property.nullable {
            report.derive(&path, "is not nullable, because it is in the key");
        }
        let edm = match kind {
            Kind::Primitive(edm) if !collection => Some(edm),
            _ => None,
        };
        let numbers = role == Role::OwnKey && matches!(edm, Some(Edm::Int16 | Edm::Int32 | Edm::Int64));
        let generated = numbers && is_identity(property);
        let by_default = numbers && !index.says_generated;
        if by_default {
            report.derive(&path, "is numbered by the database where a client sends no number, or 0");
        }
        let mut row = Rows::default();
        row.text("type", &index.type_text(&property.ty, namespace));
        facets(&mut row, edm, &property.facets);
        row.when(property.nullable && !in_key, "nullable")
            .when(property.concurrency, "concurrency")
            .when(generated, "generated")
            .optional("generated", by_default.then_some("by default"));
        attributes(&mut row, &property.attributes, generated);
        rows.raw(&property.name, row.inline());
    }
    rows
}

fn is_identity(property: &Property) -> bool {
    let says = |attribute: &Attribute| attribute.name == STORE_GENERATED && attribute.value == "Identity";
    property.attributes.iter().any(says)
}

/// `edm` is the type if it is a primitive one. A default that is a value of it is filled in by the server too.
pub(super) fn facets(rows: &mut Rows, edm: Option<Edm>, facets: &Facets) {
    match facets.max_length {
        Some(Some(number)) => rows.number("max", Some(number)),
        Some(None) => rows.text("max", "Max"),
        None => rows,
    };
    rows.flag("fixed", facets.fixed_length)
        .flag("unicode", facets.unicode)
        .number("precision", facets.precision)
        .number("scale", facets.scale)
        .optional("collation", facets.collation.as_deref())
        .optional("srid", facets.srid.as_deref())
        .optional("collection_kind", facets.collection_kind.as_deref());
    if let Some(value) = &facets.default_value {
        let is_value = edm.is_some_and(|edm| text::parse(edm, value).is_some());
        rows.text(if is_value { "default" } else { "default_value" }, value);
    }
}

/// The identity annotation goes without saying on a generated property.
fn attributes(rows: &mut Rows, attributes: &[Attribute], generated: bool) {
    let mut row = Rows::default();
    for attribute in attributes
        .iter()
        .filter(|attribute| !generated || attribute.name != STORE_GENERATED)
    {
        row.text(&attribute.name, &attribute.value);
    }
    if !row.is_empty() {
        rows.raw("attributes", row.inline());
    }
}

/// File names: unique without regard to case.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// `schema/<name in snake case>.toml`, with the namespace's last part or a number if that is taken.
    fn schema_file(&mut self, name: &str, namespace: &str) -> String {
        let name = snake(name);
        let part = snake(namespace.rsplit('.').next().unwrap_or_default());
        let plain = [name.clone(), format!("{part}_{name}")];
        let mut candidates = plain.into_iter().chain((2u32..).map(|number| format!("{name}_{number}")));
        let free = candidates.find(|candidate| self.0.insert(candidate.clone())).unwrap_or_default();
        format!("schema/{free}.toml")
    }
}

/// `OrderDetail` is `order_detail`, `ODataURL` is `odata_url`; at most 80 characters.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, &c) in chars.iter().enumerate().take(80) {
        if !c.is_ascii_alphanumeric() {
            if !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let after_lower = at > 0 && (chars[at - 1].is_ascii_lowercase() || chars[at - 1].is_ascii_digit());
        let before_lower = chars.get(at + 1).is_some_and(char::is_ascii_lowercase) && at > 1 && chars[at - 1].is_ascii_uppercase();
        if c.is_ascii_uppercase() && (after_lower || before_lower) && !out.ends_with('_') {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
