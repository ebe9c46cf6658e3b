//! From elements to structs. Whatever is not asked for is listed as dropped.

use std::collections::HashMap;

use super::fields::Fields;
use super::tree::{Node, Space};
use super::*;
use crate::model::edm::Edm;
use crate::model::fault::{BAD_BODY, Fault};

/// From the root element.
pub(super) fn document(root: &Node) -> Outcome<Document> {
    let mut builder = Builder::default();
    let mut document = Document::default();
    let mut schemas = Vec::new();
    if root.edm() == Some("Schema") {
        schemas.push(root);
    } else if root.space == Space::Edmx && root.name == "Edmx" {
        let mut fields = Fields::of(root);
        document.version = fields.text("Version");
        builder.finish("", fields);
        for child in &root.children {
            if child.space == Space::Edmx && child.name == "DataServices" {
                let mut fields = Fields::of(child);
                document.data_service_version = fields.meta("DataServiceVersion");
                document.max_data_service_version = fields.meta("MaxDataServiceVersion");
                builder.finish("", fields);
                schemas.extend(builder.only("", child, "Schema"));
            } else {
                builder.drop_element("", child);
            }
        }
    } else {
        return Err(Fault::new(&BAD_BODY, "The document is neither EDMX nor a CSDL Schema.").at(root.position));
    }
    for schema in &schemas {
        builder.add_alias(schema, "Alias");
    }
    for schema in schemas {
        let schema = builder.schema(schema)?;
        document.schemas.push(schema);
    }
    document.dropped = builder.dropped;
    Ok(document)
}

#[derive(Default)]
struct Builder {
    dropped: Vec<Dropped>,
    /// To namespaces. An alias counts in the whole document: those of two schemas do not meet in practice, and a
    /// schema's own Using comes last.
    aliases: HashMap<String, String>,
}

impl Builder {
    fn schema(&mut self, node: &Node) -> Outcome<Schema> {
        let mut fields = Fields::of(node);
        let namespace = fields.required("Namespace")?;
        let path = &format!("{namespace}.");
        let mut schema = Schema {
            xmlns: match node.space {
                Space::Edm(index) => EDM_NAMESPACES[index].to_owned(),
                _ => String::new(),
            },
            alias: fields.text("Alias"),
            ..Schema::default()
        };
        self.finish(path, fields);
        self.add_alias(node, "Alias");
        for using in node.children.iter().filter(|child| child.edm() == Some("Using")) {
            self.add_alias(using, "Alias");
        }
        for child in &node.children {
            match child.edm() {
                Some("EntityType") => schema.entity_types.push(self.entity_type(path, child)?),
                Some("ComplexType") => schema.complex_types.push(self.complex_type(path, child)?),
                Some("Association") => schema.associations.push(self.association(path, child)?),
                Some("EntityContainer") => schema.containers.push(self.container(path, child)?),
                Some("EnumType") => {
                    schema.enum_types.push(Fields::of(child).required("Name")?);
                    self.drop_element(path, child);
                }
                Some("Using") => {}
                _ => self.drop_element(path, child),
            }
        }
        schema.namespace = namespace;
        Ok(schema)
    }

    fn entity_type(&mut self, path: &str, node: &Node) -> Outcome<EntityType> {
        let (mut fields, name, path) = self.named(path, node)?;
        let mut ty = EntityType {
            name,
            base: fields.text("BaseType").map(|base| self.resolve(&base)),
            is_abstract: fields.flag("Abstract")?.unwrap_or(false),
            is_open: fields.flag("OpenType")?.unwrap_or(false),
            has_stream: fields.meta_flag("HasStream")?.unwrap_or(false),
            attributes: fields.foreign(),
            ..EntityType::default()
        };
        self.finish(&path, fields);
        for child in &node.children {
            match child.edm() {
                Some("Key") => ty.key.extend(self.property_refs(&path, child)?),
                Some("Property") => ty.properties.push(self.property(&path, child)?),
                Some("NavigationProperty") => ty.navigations.push(self.navigation(&path, child)?),
                _ => self.drop_element(&path, child),
            }
        }
        Ok(ty)
    }

    fn complex_type(&mut self, path: &str, node: &Node) -> Outcome<ComplexType> {
        let (mut fields, name, path) = self.named(path, node)?;
        let mut ty = ComplexType {
            name,
            base: fields.text("BaseType").map(|base| self.resolve(&base)),
            is_abstract: fields.flag("Abstract")?.unwrap_or(false),
            properties: Vec::new(),
            attributes: fields.foreign(),
        };
        self.finish(&path, fields);
        for child in self.only(&path, node, "Property") {
            ty.properties.push(self.property(&path, child)?);
        }
        Ok(ty)
    }

    fn property(&mut self, path: &str, node: &Node) -> Outcome<Property> {
        let (mut fields, name, path) = self.named(path, node)?;
        let ty = fields.required("Type")?;
        let property = Property {
            name,
            ty: self.resolve(&ty),
            nullable: fields.flag("Nullable")?.unwrap_or(true),
            facets: fields.facets()?,
            concurrency: match fields.text("ConcurrencyMode").as_deref() {
                Some("Fixed") => true,
                Some("None") | None => false,
                Some(other) => return Err(fields.bad("ConcurrencyMode", other)),
            },
            attributes: fields.foreign(),
        };
        self.leaf(&path, fields);
        Ok(property)
    }

    fn navigation(&mut self, path: &str, node: &Node) -> Outcome<Navigation> {
        let (mut fields, name, path) = self.named(path, node)?;
        let navigation = Navigation {
            name,
            relationship: self.resolve(&fields.required("Relationship")?),
            from_role: fields.required("FromRole")?,
            to_role: fields.required("ToRole")?,
            contains_target: fields.flag("ContainsTarget")?.unwrap_or(false),
        };
        self.leaf(&path, fields);
        Ok(navigation)
    }

    fn association(&mut self, path: &str, node: &Node) -> Outcome<Association> {
        let (fields, name, path) = self.named(path, node)?;
        self.finish(&path, fields);
        let mut ends = Vec::new();
        let mut constraint = None;
        for child in &node.children {
            match child.edm() {
                Some("End") => ends.push(self.association_end(&path, child)?),
                Some("ReferentialConstraint") => constraint = Some(self.constraint(&path, child)?),
                _ => self.drop_element(&path, child),
            }
        }
        match <[AssociationEnd; 2]>::try_from(ends) {
            Ok(ends) if ends[0].role != ends[1].role => Ok(Association { name, ends, constraint }),
            _ => Err(Fault::new(&BAD_BODY, format!("{path}: an Association has two Ends with different roles.")).at(node.position)),
        }
    }

    fn association_end(&mut self, path: &str, node: &Node) -> Outcome<AssociationEnd> {
        let mut fields = Fields::of(node);
        let ty = self.resolve(&fields.required("Type")?);
        let multiplicity = fields.required("Multiplicity")?;
        let mut end = AssociationEnd {
            role: fields
                .text("Role")
                .unwrap_or_else(|| ty.rsplit('.').next().unwrap_or(&ty).to_owned()),
            ty,
            multiplicity: Multiplicity::parse(&multiplicity).ok_or_else(|| fields.bad("Multiplicity", &multiplicity))?,
            cascade: false,
        };
        let path = format!("{path}/{}", end.role);
        self.finish(&path, fields);
        for child in self.only(&path, node, "OnDelete") {
            let mut fields = Fields::of(child);
            match fields.required("Action")?.as_str() {
                "Cascade" => end.cascade = true,
                "None" => {}
                _ => self.drop_element(&path, child),
            }
            self.leaf(&path, fields);
        }
        Ok(end)
    }

    fn constraint(&mut self, path: &str, node: &Node) -> Outcome<Constraint> {
        let (mut principal, mut dependent) = (None, None);
        self.finish(path, Fields::of(node));
        for child in &node.children {
            let side = match child.edm() {
                Some("Principal") => &mut principal,
                Some("Dependent") => &mut dependent,
                _ => {
                    self.drop_element(path, child);
                    continue;
                }
            };
            let mut fields = Fields::of(child);
            let role = fields.required("Role")?;
            self.finish(path, fields);
            *side = Some((role, self.property_refs(path, child)?));
        }
        match (principal, dependent) {
            (Some(principal), Some(dependent)) if principal.1.len() == dependent.1.len() => Ok(Constraint { principal, dependent }),
            _ => Err(Fault::new(
                &BAD_BODY,
                format!("{path}: a ReferentialConstraint names as many properties of the Dependent as of the Principal."),
            )
            .at(node.position)),
        }
    }

    fn property_refs(&mut self, path: &str, node: &Node) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for child in self.only(path, node, "PropertyRef") {
            let mut fields = Fields::of(child);
            names.push(fields.required("Name")?);
            self.leaf(path, fields);
        }
        Ok(names)
    }

    fn container(&mut self, path: &str, node: &Node) -> Outcome<Container> {
        let (mut fields, name, path) = self.named(path, node)?;
        let mut container = Container {
            name,
            is_default: fields.meta_flag("IsDefaultEntityContainer")?.unwrap_or(false),
            ..Container::default()
        };
        self.finish(&path, fields);
        for child in &node.children {
            match child.edm() {
                Some("EntitySet") => {
                    let (mut fields, name, path) = self.named(&path, child)?;
                    let ty = self.resolve(&fields.required("EntityType")?);
                    self.leaf(&path, fields);
                    container.sets.push(EntitySet { name, ty });
                }
                Some("AssociationSet") => container.association_sets.push(self.association_set(&path, child)?),
                Some("FunctionImport") => container.function_imports.push(self.function_import(&path, child)?),
                _ => self.drop_element(&path, child),
            }
        }
        Ok(container)
    }

    fn association_set(&mut self, path: &str, node: &Node) -> Outcome<AssociationSet> {
        let (mut fields, name, path) = self.named(path, node)?;
        let association = self.resolve(&fields.required("Association")?);
        self.finish(&path, fields);
        let mut ends = Vec::new();
        for child in self.only(&path, node, "End") {
            let mut fields = Fields::of(child);
            ends.push((fields.required("Role")?, fields.required("EntitySet")?));
            self.leaf(&path, fields);
        }
        Ok(AssociationSet { name, association, ends })
    }

    fn function_import(&mut self, path: &str, node: &Node) -> Outcome<FunctionImport> {
        let (mut fields, name, path) = self.named(path, node)?;
        let mut import = FunctionImport {
            name,
            result: fields.text("ReturnType").map(|ty| self.resolve(&ty)),
            set: fields.text("EntitySet"),
            set_path: fields.text("EntitySetPath"),
            http_method: fields.meta("HttpMethod"),
            bindable: fields.flag("IsBindable")?,
            side_effecting: fields.flag("IsSideEffecting")?,
            composable: fields.flag("IsComposable")?,
            always_bindable: fields.meta_flag("IsAlwaysBindable")?,
            parameters: Vec::new(),
        };
        self.finish(&path, fields);
        for child in &node.children {
            match child.edm() {
                Some("Parameter") => import.parameters.push(self.parameter(&path, child)?),
                Some("ReturnType") if import.result.is_none() => {
                    let mut fields = Fields::of(child);
                    import.result = Some(self.resolve(&fields.required("Type")?));
                    import.set = fields.text("EntitySet").or(import.set);
                    import.set_path = fields.text("EntitySetPath").or(import.set_path);
                    self.leaf(&path, fields);
                }
                _ => self.drop_element(&path, child),
            }
        }
        Ok(import)
    }

    fn parameter(&mut self, path: &str, node: &Node) -> Outcome<Parameter> {
        let (mut fields, name, path) = self.named(path, node)?;
        let parameter = Parameter {
            name,
            ty: self.resolve(&fields.required("Type")?),
            nullable: fields.flag("Nullable")?,
            mode: fields.text("Mode"),
            facets: fields.facets()?,
        };
        self.leaf(&path, fields);
        Ok(parameter)
    }

    /// The fields, the name and the path of an element with a name.
    fn named<'n>(&self, path: &str, node: &'n Node) -> Outcome<(Fields<'n>, String, String)> {
        let mut fields = Fields::of(node);
        let name = fields.required("Name")?;
        let path = join(path, &name);
        Ok((fields, name, path))
    }

    /// The children of one name; the others are dropped.
    fn only<'n>(&mut self, path: &str, node: &'n Node, name: &str) -> Vec<&'n Node> {
        let (wanted, others): (Vec<_>, Vec<_>) = node.children.iter().partition(|child| child.edm() == Some(name));
        for other in others {
            self.drop_element(path, other);
        }
        wanted
    }

    fn drop_element(&mut self, path: &str, node: &Node) {
        let name = node.attributes.iter().find(|attribute| attribute.name == "Name");
        self.dropped.push(Dropped {
            path: path.trim_end_matches('.').to_owned(),
            what: match name {
                Some(name) => format!("element {} {}", node.name, name.value),
                None => format!("element {}", node.name),
            },
        });
    }

    /// Lists the attributes that nobody asked for.
    fn finish(&mut self, path: &str, fields: Fields<'_>) {
        for (attribute, used) in fields.node.attributes.iter().zip(fields.used) {
            if !used {
                self.dropped.push(Dropped {
                    path: path.trim_end_matches('.').to_owned(),
                    what: format!("attribute {}={:?}", attribute.written, attribute.value),
                });
            }
        }
    }

    /// The same for an element that has no children of its own.
    fn leaf(&mut self, path: &str, fields: Fields<'_>) {
        for child in &fields.node.children {
            self.drop_element(path, child);
        }
        self.finish(path, fields);
    }

    fn add_alias(&mut self, node: &Node, attribute: &str) {
        let mut fields = Fields::of(node);
        if let (Some(alias), Some(namespace)) = (fields.text(attribute), fields.text("Namespace")) {
            self.aliases.insert(alias, namespace);
        }
    }

    /// A name without alias, a primitive type with `Edm.`.
    fn resolve(&self, name: &str) -> String {
        let (item, collection) = item_type(name);
        let item = match item.rsplit_once('.') {
            Some((prefix, rest)) => match self.aliases.get(prefix) {
                Some(namespace) => format!("{namespace}.{rest}"),
                None => item.to_owned(),
            },
            None if Edm::from_name(item).is_some() => format!("Edm.{item}"),
            None => item.to_owned(),
        };
        if collection { format!("Collection({item})") } else { item }
    }
}

/// `Namespace.Type/Property`: only what stands in a Schema has no slash before it.
fn join(path: &str, name: &str) -> String {
    match path.ends_with('.') {
        true => format!("{path}{name}"),
        false => format!("{path}/{name}"),
    }
}
