//! Writes `$metadata`: complete CSDL 3.0 for one endpoint (MET-1 to MET-50). The same schema gives the same bytes.
//!
//! Only what the endpoint declares is written: a navigation to a type of another endpoint that this one does not
//! serve is left out with its association.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::csdl::{ANNOTATION_NAMESPACE, EDM_NAMESPACES, EDMX_NAMESPACE, METADATA_NAMESPACE};
use crate::model::edm::Edm;
use crate::model::schema::{
    Association, Attribute, ComplexType, EntityType, Facets, Navigation, Operation, Property, Schema, SetId, Type, TypeId,
};

#[cfg(test)]
mod tests;
mod xml;

use xml::Xml;

const STORE_GENERATED: &str = "annotation:StoreGeneratedPattern";

/// The document for `schema.endpoints[endpoint]`, UTF-8.
pub fn write(schema: &Schema, endpoint: usize) -> Vec<u8> {
    let writer = Writer::new(schema, endpoint);
    let mut xml = Xml::default();
    let version = writer.version();
    xml.declaration();
    xml.open("edmx:Edmx")
        .attribute("Version", "1.0")
        .attribute("xmlns:edmx", EDMX_NAMESPACE);
    xml.open("edmx:DataServices")
        .attribute("m:DataServiceVersion", &format!("{}.{}", version.0, version.1))
        .attribute("m:MaxDataServiceVersion", "3.0")
        .attribute("xmlns:m", METADATA_NAMESPACE)
        .attribute("xmlns:annotation", ANNOTATION_NAMESPACE);
    for namespace in writer.namespaces() {
        writer.schema_element(&mut xml, namespace);
    }
    xml.close();
    xml.close();
    xml.finish()
}

/// The lowest version that carries the document, which is the `DataServiceVersion` of the answer too (MET-3, MET-4).
pub fn data_service_version(schema: &Schema, endpoint: usize) -> (u8, u8) {
    Writer::new(schema, endpoint).version()
}

/// An association set: its name and the sets at both ends.
struct AssociationSet<'s> {
    name: String,
    association: usize,
    sets: [&'s str; 2],
}

struct Writer<'s> {
    schema: &'s Schema,
    endpoint: usize,
    declared: HashSet<TypeId>,
    /// Indexes of the associations, in the order of the navigations.
    associations: Vec<usize>,
}

impl<'s> Writer<'s> {
    fn new(schema: &'s Schema, endpoint: usize) -> Writer<'s> {
        let mut writer = Writer {
            schema,
            endpoint,
            declared: schema.endpoints[endpoint].types.iter().copied().collect(),
            associations: Vec::new(),
        };
        let mut seen = HashSet::new();
        let navigations = writer.types().flat_map(|ty| writer.own_navigations(ty));
        writer.associations = navigations
            .map(|navigation| navigation.association)
            .filter(|&association| seen.insert(association))
            .collect();
        writer
    }

    fn types(&self) -> impl Iterator<Item = &'s EntityType> + use<'s> {
        let schema = self.schema;
        schema.endpoints[self.endpoint].types.iter().map(|&ty| &schema.types[ty])
    }

    fn complex_types(&self) -> impl Iterator<Item = &'s ComplexType> + use<'s> {
        let schema = self.schema;
        schema.endpoints[self.endpoint].complex.iter().map(|&ty| &schema.complex[ty])
    }

    /// Those whose both ends the endpoint declares.
    fn own_navigations(&self, ty: &'s EntityType) -> impl Iterator<Item = &'s Navigation> {
        ty.navigations[ty.own_navigations..].iter().filter(|navigation| {
            let ends = &self.schema.associations[navigation.association].ends;
            ends.iter().all(|end| self.declared.contains(&end.entity_type))
        })
    }

    /// In the order of their first use; those of the containers last.
    fn namespaces(&self) -> Vec<&'s str> {
        let endpoint = &self.schema.endpoints[self.endpoint];
        let types = self.types().map(|ty| ty.namespace.as_str());
        let complex = self.complex_types().map(|ty| ty.namespace.as_str());
        let associations = self
            .associations
            .iter()
            .map(|&index| self.schema.associations[index].namespace.as_str());
        let containers = endpoint.containers.iter().map(|container| container.namespace.as_str());
        let mut seen = HashSet::new();
        types
            .chain(complex)
            .chain(associations)
            .chain(containers)
            .filter(|&namespace| seen.insert(namespace))
            .collect()
    }

    fn schema_element(&self, xml: &mut Xml, namespace: &str) {
        xml.open("Schema")
            .attribute("Namespace", namespace)
            .attribute("xmlns", EDM_NAMESPACES[0]);
        for ty in self.types().filter(|ty| ty.namespace == namespace) {
            self.entity_type(xml, ty);
        }
        for ty in self.complex_types().filter(|ty| ty.namespace == namespace) {
            self.complex_type(xml, ty);
        }
        for &index in &self.associations {
            let association = &self.schema.associations[index];
            if association.namespace == namespace {
                self.association(xml, association);
            }
        }
        for (index, container) in self.schema.endpoints[self.endpoint].containers.iter().enumerate() {
            if container.namespace == namespace {
                self.container(xml, index, &container.name);
            }
        }
        xml.close();
    }

    fn entity_type(&self, xml: &mut Xml, ty: &'s EntityType) {
        let base = ty.base.map(|base| &self.schema.types[base]);
        let base_name = base.map(EntityType::qualified);
        // OpenType and HasStream are inherited (MET-30), so only the first type of a branch says them.
        xml.open("EntityType")
            .attribute("Name", &ty.name)
            .optional("BaseType", base_name.as_deref())
            .when(ty.is_abstract, "Abstract")
            .when(ty.is_open && base.is_none_or(|base| !base.is_open), "OpenType")
            .when(ty.has_stream && base.is_none_or(|base| !base.has_stream), "m:HasStream");
        foreign(xml, &ty.attributes);
        if ty.base.is_none() && !ty.key.is_empty() {
            xml.open("Key");
            for property in ty.key_properties() {
                xml.empty("PropertyRef", &[("Name", &property.name)]);
            }
            xml.close();
        }
        for property in &ty.properties[ty.own_properties..] {
            self.property(xml, property);
        }
        for navigation in self.own_navigations(ty) {
            let association = &self.schema.associations[navigation.association];
            xml.open("NavigationProperty")
                .attribute("Name", &navigation.name)
                .attribute("Relationship", &qualified(association))
                .attribute("FromRole", &association.ends[navigation.from_end].role)
                .attribute("ToRole", &association.ends[1 - navigation.from_end].role)
                .when(navigation.contains_target, "ContainsTarget");
            xml.close();
        }
        xml.close();
    }

    fn complex_type(&self, xml: &mut Xml, ty: &ComplexType) {
        let base = ty.base.map(|base| self.schema.complex[base].qualified());
        xml.open("ComplexType")
            .attribute("Name", &ty.name)
            .optional("BaseType", base.as_deref())
            .when(ty.is_abstract, "Abstract");
        foreign(xml, &ty.attributes);
        for property in &ty.properties[ty.own_properties..] {
            self.property(xml, property);
        }
        xml.close();
    }

    fn property(&self, xml: &mut Xml, property: &Property) {
        xml.open("Property")
            .attribute("Name", &property.name)
            .attribute("Type", &self.schema.type_name(&property.ty));
        // What is never shown is null in every answer.
        if !property.nullable && !property.write_only {
            xml.attribute("Nullable", "false");
        }
        facets(xml, &property.facets);
        if property.concurrency {
            xml.attribute("ConcurrencyMode", "Fixed");
        }
        // What is numbered by default only, a client may number too.
        if property.generated && !property.by_default && property.attributes.iter().all(|attribute| attribute.name != STORE_GENERATED) {
            xml.attribute(STORE_GENERATED, "Identity");
        }
        foreign(xml, &property.attributes);
        xml.close();
    }

    fn association(&self, xml: &mut Xml, association: &Association) {
        xml.open("Association").attribute("Name", &association.name);
        for end in &association.ends {
            xml.open("End")
                .attribute("Type", &self.schema.types[end.entity_type].qualified())
                .attribute("Role", &end.role)
                .attribute("Multiplicity", end.multiplicity.text());
            if end.cascade {
                xml.empty("OnDelete", &[("Action", "Cascade")]);
            }
            xml.close();
        }
        if let Some(constraint) = &association.constraint {
            xml.open("ReferentialConstraint");
            let sides = [
                ("Principal", constraint.principal, &constraint.principal_properties),
                ("Dependent", 1 - constraint.principal, &constraint.dependent_properties),
            ];
            for (side, end, properties) in sides {
                xml.open(side).attribute("Role", &association.ends[end].role);
                for property in properties {
                    xml.empty("PropertyRef", &[("Name", property)]);
                }
                xml.close();
            }
            xml.close();
        }
        xml.close();
    }

    fn container(&self, xml: &mut Xml, index: usize, name: &str) {
        xml.open("EntityContainer")
            .attribute("Name", name)
            .when(index == 0, "m:IsDefaultEntityContainer");
        for &set in &self.schema.endpoints[self.endpoint].sets {
            if self.container_of(set) == index {
                let ty = self.schema.set_type(set).qualified();
                xml.empty("EntitySet", &[("Name", &self.schema.sets[set].name), ("EntityType", &ty)]);
            }
        }
        for operation in &self.schema.endpoints[self.endpoint].operations {
            if operation.container == index {
                self.function_import(xml, operation);
            }
        }
        for set in self.association_sets(index) {
            let association = &self.schema.associations[set.association];
            xml.open("AssociationSet")
                .attribute("Name", &set.name)
                .attribute("Association", &qualified(association));
            for (end, name) in association.ends.iter().zip(set.sets) {
                xml.empty("End", &[("Role", &end.role), ("EntitySet", name)]);
            }
            xml.close();
        }
        xml.close();
    }

    /// Sets of another endpoint stand in the default container.
    fn container_of(&self, set: SetId) -> usize {
        let set = &self.schema.sets[set];
        if set.endpoint == self.endpoint { set.container } else { 0 }
    }

    /// Those that the schema names; where it names none, one for each association and pair of sets (MET-32). Both ends stand in the
    /// same container.
    fn association_sets(&self, container: usize) -> Vec<AssociationSet<'s>> {
        let schema = self.schema;
        let endpoint = &schema.endpoints[self.endpoint];
        let declared: HashSet<usize> = self.associations.iter().copied().collect();
        let name_of = |set: SetId| schema.sets[set].name.as_str();
        let mut found: Vec<AssociationSet<'s>> = endpoint
            .association_sets
            .iter()
            .filter(|set| set.container == container && declared.contains(&set.association))
            .map(|set| AssociationSet {
                name: set.name.clone(),
                association: set.association,
                sets: set.sets.map(name_of),
            })
            .collect();
        if !endpoint.association_sets.is_empty() {
            return found;
        }
        let mut names: HashSet<String> = found.iter().map(|set| set.name.clone()).collect();
        for (association, sets) in self.set_pairs(container) {
            if !declared.contains(&association) {
                continue;
            }
            let name = unique(&mut names, &schema.associations[association].name, name_of(sets[0]));
            found.push(AssociationSet {
                name,
                association,
                sets: sets.map(name_of),
            });
        }
        found
    }

    /// Association and the sets at its ends, for every navigation of every type that a set of the container can hold.
    fn set_pairs(&self, container: usize) -> BTreeSet<(usize, [SetId; 2])> {
        let mut pairs = BTreeSet::new();
        let endpoint = &self.schema.endpoints[self.endpoint];
        // A type's own navigations belong to the sets of its nearest base type that has some.
        let mut sets: HashMap<TypeId, Vec<SetId>> = HashMap::new();
        for &set in &endpoint.sets {
            sets.entry(self.schema.sets[set].entity_type).or_default().push(set);
        }
        let sources = |ty: TypeId| {
            let inherited = std::iter::successors(Some(ty), |&at| self.schema.types[at].base).find_map(|at| sets.get(&at));
            let below = self.schema.types[ty].family.iter().filter_map(|at| sets.get(at));
            inherited.into_iter().chain(below).flatten().copied()
        };
        for &ty in &endpoint.types {
            for navigation in self.own_navigations(&self.schema.types[ty]) {
                for set in sources(ty).filter(|&set| self.container_of(set) == container) {
                    let Some(target) = self.target_of(set, navigation) else { continue };
                    if self.container_of(target) != container {
                        continue;
                    }
                    let ends = if navigation.from_end == 0 { [set, target] } else { [target, set] };
                    pairs.insert((navigation.association, ends));
                }
            }
        }
        pairs
    }

    /// Where a navigation leads in this endpoint, which may share the set with the one that owns it.
    fn target_of(&self, set: SetId, navigation: &Navigation) -> Option<SetId> {
        let named = self.schema.sets[set].targets.get(&navigation.association).copied();
        named
            .filter(|target| self.schema.endpoints[self.endpoint].sets.contains(target))
            .or_else(|| self.schema.set_of(self.endpoint, navigation.target))
    }

    fn function_import(&self, xml: &mut Xml, operation: &Operation) {
        xml.open("FunctionImport").attribute("Name", &operation.name);
        let result = operation.result.as_ref().map(|ty| self.schema.type_name(ty));
        let set = operation.set.map(|set| self.schema.sets[set].name.as_str());
        xml.optional("ReturnType", result.as_deref())
            .optional("EntitySet", set)
            .optional("EntitySetPath", operation.set_path.as_deref())
            .optional("m:HttpMethod", operation.http_method.as_deref())
            .flag("IsBindable", operation.bindable)
            .flag("IsSideEffecting", operation.side_effecting)
            .flag("IsComposable", operation.composable)
            .flag("m:IsAlwaysBindable", operation.always_bindable);
        for parameter in &operation.parameters {
            xml.open("Parameter")
                .attribute("Name", &parameter.name)
                .attribute("Type", &self.schema.type_name(&parameter.ty))
                .flag("Nullable", parameter.nullable)
                .optional("Mode", parameter.mode.as_deref());
            facets(xml, &parameter.facets);
            xml.close();
        }
        xml.close();
    }

    /// MET-4.
    fn version(&self) -> (u8, u8) {
        let properties = || {
            let entity = self.types().flat_map(|ty| &ty.properties[ty.own_properties..]);
            entity.chain(self.complex_types().flat_map(|ty| &ty.properties[ty.own_properties..]))
        };
        let third = properties().any(|property| needs_3(&property.ty))
            || self.types().any(|ty| ty.base.is_some() && mappings(ty).next().is_some())
            || self
                .types()
                .any(|ty| self.own_navigations(ty).any(|navigation| navigation.contains_target))
            || self.schema.endpoints[self.endpoint].operations.iter().any(operation_needs_3);
        if third {
            return (3, 0);
        }
        let hidden = |attribute: &Attribute| attribute.name.starts_with("m:FC_KeepInContent") && attribute.value == "false";
        match self.types().flat_map(mappings).any(hidden) {
            true => (2, 0),
            false => (1, 0),
        }
    }
}

/// Feed mappings of the type and its own properties.
fn mappings(ty: &EntityType) -> impl Iterator<Item = &Attribute> {
    let own = ty.properties[ty.own_properties..].iter().flat_map(|property| &property.attributes);
    ty.attributes
        .iter()
        .chain(own)
        .filter(|attribute| attribute.name.starts_with("m:FC_"))
}

fn needs_3(ty: &Type) -> bool {
    match ty {
        Type::Primitive(edm) => *edm == Edm::Stream || edm.is_spatial(),
        Type::Collection(_) => true,
        Type::Complex(_) | Type::Entity(_) => false,
    }
}

/// Everything but a service operation of version 1 (MET-41), and anything with a type of version 3 in it.
fn operation_needs_3(operation: &Operation) -> bool {
    let flags = [
        operation.bindable,
        operation.side_effecting,
        operation.composable,
        operation.always_bindable,
    ];
    operation.http_method.is_none()
        || flags.iter().any(Option::is_some)
        || operation.set_path.is_some()
        || operation.parameters.iter().any(|parameter| needs_3(&parameter.ty))
        || matches!(&operation.result, Some(Type::Primitive(edm)) if needs_3(&Type::Primitive(*edm)))
}

fn qualified(association: &Association) -> String {
    format!("{}.{}", association.namespace, association.name)
}

/// `<association>Set`, with the source set and then a number if that is taken.
fn unique(names: &mut HashSet<String>, association: &str, set: &str) -> String {
    let plain = [format!("{association}Set"), format!("{association}_{set}")];
    let numbered = (2u32..).map(|number| format!("{association}_{set}{number}"));
    let mut candidates = plain.into_iter().chain(numbered);
    candidates.find(|name| names.insert(name.clone())).unwrap_or_default()
}

fn facets(xml: &mut Xml, facets: &Facets) {
    let number = |value: u32| value.to_string();
    let max_length = facets.max_length.map(|max| max.map_or_else(|| "Max".to_owned(), number));
    xml.optional("DefaultValue", facets.default_value.as_deref())
        .optional("MaxLength", max_length.as_deref())
        .flag("FixedLength", facets.fixed_length)
        .optional("Precision", facets.precision.map(number).as_deref())
        .optional("Scale", facets.scale.map(number).as_deref())
        .flag("Unicode", facets.unicode)
        .optional("Collation", facets.collation.as_deref())
        .optional("SRID", facets.srid.as_deref())
        .optional("CollectionKind", facets.collection_kind.as_deref());
}

/// Attributes of the two namespaces that the envelope declares; an unknown prefix would break the document.
fn foreign(xml: &mut Xml, attributes: &[Attribute]) {
    for attribute in attributes {
        if attribute.name.starts_with("m:") || attribute.name.starts_with("annotation:") {
            xml.attribute(&attribute.name, &attribute.value);
        }
    }
}
