//! Function imports and association sets.

use std::collections::HashMap;

use super::Report;
use super::document::{Index, Kind, Relation};
use super::files::facets;
use super::toml::Rows;
use crate::model::schema::Facets;
use crate::odata::csdl::{AssociationSet, FunctionImport, item_type};

/// The text of all `[[operation]]` tables.
pub(super) fn operations(index: &Index<'_>, main: &str, report: &mut Report) -> String {
    let mut tables = Vec::new();
    for (at, container) in index.containers.iter().enumerate() {
        for import in &container.it.function_imports {
            let path = format!("{}.{}/{}", container.namespace, container.it.name, import.name);
            if let Some(rows) = operation(index, at, import, main, &path, report) {
                tables.push(format!("[[operation]]\n{}", rows.lines()));
            }
        }
    }
    tables.join("\n")
}

/// None if a type of it is not in the document.
fn operation(index: &Index<'_>, container: usize, import: &FunctionImport, main: &str, path: &str, report: &mut Report) -> Option<Rows> {
    for ty in import.result.iter().chain(import.parameters.iter().map(|parameter| &parameter.ty)) {
        let (item, _) = item_type(ty);
        match index.kind(item) {
            Kind::Unknown => {
                report.lose(path, format!("the function import, because the type {item} is not in the document"));
                return None;
            }
            Kind::Enum => report.lose(path, format!("the enumeration type {item}; it is a String here")),
            Kind::Primitive(_) | Kind::Complex | Kind::Entity => {}
        }
    }
    let mut rows = Rows::default();
    rows.text("name", &import.name);
    rows.optional("container", container_name(index, container).as_deref())
        .optional("http_method", import.http_method.as_deref())
        .flag("bindable", import.bindable)
        .flag("side_effecting", import.side_effecting)
        .flag("composable", import.composable)
        .flag("always_bindable", import.always_bindable);
    let result = import.result.as_ref().map(|ty| index.type_text(ty, main));
    rows.optional("returns", result.as_deref());
    let set = import.set.as_ref().filter(|set| index.has_set(container, set));
    rows.optional("set", set.map(|set| index.set_name(container, set)).as_deref());
    rows.optional("set_path", import.set_path.as_deref());
    let parameters: Vec<String> = import
        .parameters
        .iter()
        .map(|parameter| {
            let mut row = Rows::default();
            row.text("name", &parameter.name)
                .text("type", &index.type_text(&parameter.ty, main))
                .flag("nullable", parameter.nullable)
                .optional("mode", parameter.mode.as_deref());
            facets(
                &mut row,
                None,
                &Facets {
                    default_value: None,
                    ..parameter.facets.clone()
                },
            );
            row.inline()
        })
        .collect();
    match parameters.as_slice() {
        [] => {}
        [single] => {
            rows.raw("parameters", format!("[{single}]"));
        }
        several => {
            rows.raw("parameters", format!("[\n  {},\n]", several.join(",\n  ")));
        }
    }
    Some(rows)
}

/// The text of all `[[association_set]]` tables.
pub(super) fn association_sets(index: &Index<'_>, relations: &[Relation<'_>], report: &mut Report) -> String {
    let by_name: HashMap<String, &Relation<'_>> = relations.iter().map(|relation| (relation.qualified(), relation)).collect();
    let mut tables = Vec::new();
    for (at, container) in index.containers.iter().enumerate() {
        for set in &container.it.association_sets {
            let relation = by_name.get(&set.association);
            match relation.and_then(|relation| set_names(index, at, set, relation)) {
                Some(sets) => {
                    let mut rows = Rows::default();
                    rows.text("name", &set.name)
                        .text("relationship", &set.association)
                        .list("sets", &sets);
                    rows.optional("container", container_name(index, at).as_deref());
                    tables.push(format!("[[association_set]]\n{}", rows.lines()));
                }
                None => report.lose(
                    format!("{}.{}/{}", container.namespace, container.it.name, set.name),
                    "the association set, because its ends are not two sets of the container and a kept association",
                ),
            }
        }
    }
    tables.join("\n")
}

/// The sets at the association's first and second end.
fn set_names(index: &Index<'_>, container: usize, set: &AssociationSet, relation: &Relation<'_>) -> Option<[String; 2]> {
    let first = relation.first();
    let name_at = |end: usize| {
        let role = &relation.end(end).role;
        let (_, name) = set.ends.iter().find(|(at, _)| at == role)?;
        index.has_set(container, name).then(|| index.set_name(container, name))
    };
    (set.ends.len() == 2).then_some(())?;
    Some([name_at(first)?, name_at(1 - first)?])
}

/// Qualified; none for the default container.
fn container_name(index: &Index<'_>, container: usize) -> Option<String> {
    let found = &index.containers[container];
    (container > 0).then(|| format!("{}.{}", found.namespace, found.it.name))
}
