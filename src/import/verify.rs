//! There and back: the files are loaded, `$metadata` is written from them and compared with the document. Whatever
//! differs and is not in the report yet is put there.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;

use super::{Item, Report};
use crate::model::schema::{Attribute, Facets};
use crate::odata::csdl::{self, Association, ComplexType, Container, Document, EntityType, FunctionImport, Parameter, Property};
use crate::odata::metadata;
use crate::plugin::{Source, load_sources};

/// Adds to the report what the files do not say, say besides, or say in a way that the server refuses.
pub(super) fn verify(document: &Document, texts: &[(String, String)], endpoint: &str, report: &mut Report) {
    let schema = match load_sources(vec![Source { files: texts.to_vec() }]) {
        Ok(schema) => schema,
        Err(problems) => {
            for problem in problems {
                report.lose("", format!("the server will refuse {problem}"));
            }
            return;
        }
    };
    let Some(index) = schema.endpoints.iter().position(|found| found.name == endpoint) else {
        return;
    };
    let after = match csdl::read(&metadata::write(&schema, index)) {
        Ok(after) => facts(&after),
        Err(fault) => return report.lose("", format!("the $metadata of the files cannot be read: {fault}")),
    };
    let before = facts(document);
    let (lost, derived) = (Known::new(&report.lost), Known::new(&report.derived));
    for (path, what) in before.difference(&after).filter(|fact| !lost.has(&fact.0)) {
        report.lose(path, what);
    }
    for (path, what) in after
        .difference(&before)
        .filter(|fact| !lost.has(&fact.0) && !derived.0.contains(&fact.0))
    {
        report.derive(path, what);
    }
}

/// What the report has items about.
struct Known(HashSet<String>);

impl Known {
    fn new(items: &[Item]) -> Known {
        let written = |item: &&Item| !item.path.is_empty() && !item.note.starts_with("attribute ") && !item.note.starts_with("element ");
        Known(items.iter().filter(written).map(|item| item.path.clone()).collect())
    }

    /// The path itself or what it stands in; what follows `(` tells overloads apart.
    fn has(&self, path: &str) -> bool {
        let ends = path.match_indices(['/', '(']).map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| self.0.contains(&path[..end]))
    }
}

/// Path, and an attribute or an element in CSDL's words.
type Fact = (String, String);

/// Everything a document says, apart from the order of what has none.
pub(super) fn facts(document: &Document) -> BTreeSet<Fact> {
    let mut facts = Facts::default();
    facts.optional("", "DataServiceVersion", document.data_service_version.as_ref());
    facts.optional("", "MaxDataServiceVersion", document.max_data_service_version.as_ref());
    for schema in &document.schemas {
        let qualified = |name: &str| format!("{}.{name}", schema.namespace);
        for ty in &schema.entity_types {
            facts.entity_type(&qualified(&ty.name), ty);
        }
        for ty in &schema.complex_types {
            facts.complex_type(&qualified(&ty.name), ty);
        }
        for association in &schema.associations {
            facts.association(&qualified(&association.name), association);
        }
        for container in &schema.containers {
            facts.container(&qualified(&container.name), container);
        }
    }
    facts.0
}

#[derive(Default)]
struct Facts(BTreeSet<Fact>);

impl Facts {
    fn add(&mut self, path: &str, what: impl Into<String>) {
        self.0.insert((path.to_owned(), what.into()));
    }

    fn optional(&mut self, path: &str, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(path, format!("{name}=\"{value}\""));
        }
    }

    fn when(&mut self, path: &str, name: &str, value: bool) {
        self.optional(path, name, value.then_some(true));
    }

    fn attributes(&mut self, path: &str, attributes: &[Attribute]) {
        for attribute in attributes {
            self.optional(path, &attribute.name, Some(&attribute.value));
        }
    }

    fn entity_type(&mut self, path: &str, ty: &EntityType) {
        self.add(path, "EntityType");
        self.optional(path, "BaseType", ty.base.as_ref());
        self.when(path, "Abstract", ty.is_abstract);
        self.when(path, "OpenType", ty.is_open);
        self.when(path, "m:HasStream", ty.has_stream);
        if !ty.key.is_empty() {
            self.add(path, format!("Key {}", ty.key.join(", ")));
        }
        self.attributes(path, &ty.attributes);
        self.properties(path, &ty.properties, &ty.key);
        for navigation in &ty.navigations {
            let path = format!("{path}/{}", navigation.name);
            let roles = format!("{} to {}", navigation.from_role, navigation.to_role);
            self.add(&path, format!("NavigationProperty over {} from {roles}", navigation.relationship));
            self.when(&path, "ContainsTarget", navigation.contains_target);
        }
    }

    fn complex_type(&mut self, path: &str, ty: &ComplexType) {
        self.add(path, "ComplexType");
        self.optional(path, "BaseType", ty.base.as_ref());
        self.when(path, "Abstract", ty.is_abstract);
        self.attributes(path, &ty.attributes);
        self.properties(path, &ty.properties, &[]);
    }

    /// Order counts where it is that of the ETag (MET-23). Key properties are never null (MET-20).
    fn properties(&mut self, path: &str, properties: &[Property], key: &[String]) {
        let tokens: Vec<&str> = properties.iter().filter(|it| it.concurrency).map(|it| it.name.as_str()).collect();
        if tokens.len() > 1 {
            self.add(path, format!("ConcurrencyMode in the order {}", tokens.join(", ")));
        }
        for property in properties {
            let path = format!("{path}/{}", property.name);
            self.optional(&path, "Type", Some(&property.ty));
            let can_be_null = !key.contains(&property.name);
            self.optional(&path, "Nullable", can_be_null.then_some(property.nullable));
            self.facets(&path, &property.facets);
            self.optional(&path, "ConcurrencyMode", property.concurrency.then_some("Fixed"));
            self.attributes(&path, &property.attributes);
        }
    }

    fn facets(&mut self, path: &str, facets: &Facets) {
        let max_length = facets
            .max_length
            .map(|max| max.map_or_else(|| "Max".to_owned(), |max| max.to_string()));
        self.optional(path, "MaxLength", max_length);
        self.optional(path, "FixedLength", facets.fixed_length);
        self.optional(path, "Precision", facets.precision);
        self.optional(path, "Scale", facets.scale);
        self.optional(path, "Unicode", facets.unicode);
        self.optional(path, "Collation", facets.collation.as_ref());
        self.optional(path, "SRID", facets.srid.as_ref());
        self.optional(path, "CollectionKind", facets.collection_kind.as_ref());
        self.optional(path, "DefaultValue", facets.default_value.as_ref());
    }

    fn association(&mut self, path: &str, association: &Association) {
        for end in &association.ends {
            self.add(path, format!("End {} of {} {}", end.role, end.multiplicity.text(), end.ty));
            self.optional(path, &format!("End {} OnDelete", end.role), end.cascade.then_some("Cascade"));
        }
        if let Some(constraint) = &association.constraint {
            let side = |side: &(String, Vec<String>)| format!("{}({})", side.0, side.1.join(", "));
            let (principal, dependent) = (side(&constraint.principal), side(&constraint.dependent));
            self.add(path, format!("ReferentialConstraint from {dependent} to {principal}"));
        }
    }

    fn container(&mut self, path: &str, container: &Container) {
        self.add(path, "EntityContainer");
        self.when(path, "m:IsDefaultEntityContainer", container.is_default);
        for set in &container.sets {
            self.add(&format!("{path}/{}", set.name), format!("EntitySet of {}", set.ty));
        }
        for set in &container.association_sets {
            let mut ends: Vec<String> = set.ends.iter().map(|(role, set)| format!("{role} in {set}")).collect();
            ends.sort();
            let what = format!("AssociationSet of {}: {}", set.association, ends.join(", "));
            self.add(&format!("{path}/{}", set.name), what);
        }
        for import in &container.function_imports {
            self.function_import(path, import);
        }
    }

    fn function_import(&mut self, path: &str, import: &FunctionImport) {
        let of = |parameter: &Parameter| format!("{} {}", parameter.ty, parameter.name);
        let parameters: Vec<String> = import.parameters.iter().map(of).collect();
        let path = format!("{path}/{}({})", import.name, parameters.join(", "));
        self.add(&path, "FunctionImport");
        self.optional(&path, "ReturnType", import.result.as_ref());
        self.optional(&path, "EntitySet", import.set.as_ref());
        self.optional(&path, "EntitySetPath", import.set_path.as_ref());
        self.optional(&path, "m:HttpMethod", import.http_method.as_ref());
        self.optional(&path, "IsBindable", import.bindable);
        self.optional(&path, "IsSideEffecting", import.side_effecting);
        self.optional(&path, "IsComposable", import.composable);
        self.optional(&path, "m:IsAlwaysBindable", import.always_bindable);
        for parameter in &import.parameters {
            let path = format!("{path}/{}", parameter.name);
            self.optional(&path, "Nullable", parameter.nullable);
            self.optional(&path, "Mode", parameter.mode.as_ref());
            self.facets(&path, &parameter.facets);
        }
    }
}
