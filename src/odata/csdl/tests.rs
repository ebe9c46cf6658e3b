use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn shared(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(path)
}

fn counts(document: &Document) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let mut add = |name, count| *counts.entry(name).or_insert(0) += count;
    for schema in &document.schemas {
        add("EntityType", schema.entity_types.len());
        add("ComplexType", schema.complex_types.len());
        add("Association", schema.associations.len());
        add("EntityContainer", schema.containers.len());
        for ty in &schema.entity_types {
            add("Property", ty.properties.len());
            add("NavigationProperty", ty.navigations.len());
        }
        for ty in &schema.complex_types {
            add("Property", ty.properties.len());
        }
        for container in &schema.containers {
            add("EntitySet", container.sets.len());
            add("AssociationSet", container.association_sets.len());
            add("FunctionImport", container.function_imports.len());
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}

fn check_document(document: &Document) -> Value {
    let schema = |schema: &Schema| json!({"Namespace": schema.namespace, "xmlns": schema.xmlns});
    json!({
        "edmx_version": document.version,
        "DataServiceVersion": document.data_service_version,
        "MaxDataServiceVersion": document.max_data_service_version,
        "schemas": document.schemas.iter().map(schema).collect::<Vec<_>>(),
        "counts": counts(document),
    })
}

fn own_properties(properties: &[Property]) -> BTreeMap<&str, String> {
    let text = |property: &Property| format!("{}{}", property.ty, if property.nullable { "" } else { " not null" });
    properties.iter().map(|property| (property.name.as_str(), text(property))).collect()
}

/// A flag of a fact: the text `true`, or not there.
fn flag(value: bool) -> Value {
    if value { json!("true") } else { Value::Null }
}

fn check_entity_type(document: &Document, ty: &EntityType) -> Value {
    let key = match &ty.base {
        Some(base) => check_type(document, base)["key"].clone(),
        None => json!(ty.key),
    };
    let names = |wanted: &dyn Fn(&Property) -> bool| match ty.properties.iter().filter(|&property| wanted(property)) {
        found if found.clone().next().is_none() => Value::Null,
        found => json!(found.map(|property| &property.name).collect::<Vec<_>>()),
    };
    let navigation: Vec<_> = ty.navigations.iter().map(|navigation| &navigation.name).collect();
    let mapped = |property: &Property| {
        let attributes = property
            .attributes
            .iter()
            .filter_map(|at| Some((at.name.strip_prefix("m:")?.to_owned(), at.value.clone())));
        (property.name.clone(), attributes.collect::<BTreeMap<String, String>>())
    };
    let mappings: BTreeMap<_, _> = ty
        .properties
        .iter()
        .map(mapped)
        .filter(|(_, attributes)| !attributes.is_empty())
        .collect();
    json!({
        "kind": "entity", "key": key, "own_properties": own_properties(&ty.properties), "navigation": navigation,
        "BaseType": ty.base, "Abstract": flag(ty.is_abstract), "OpenType": flag(ty.is_open), "HasStream": flag(ty.has_stream),
        "etag_properties": names(&|property| property.concurrency), "named_streams": names(&|property| property.ty == "Edm.Stream"),
        "feed_customisation": if mappings.is_empty() { Value::Null } else { json!(mappings) },
    })
}

fn check_type(document: &Document, qualified: &str) -> Value {
    for schema in &document.schemas {
        let Some(name) = qualified.strip_prefix(&format!("{}.", schema.namespace)) else {
            continue;
        };
        if let Some(ty) = schema.entity_types.iter().find(|ty| ty.name == name) {
            return check_entity_type(document, ty);
        }
        if let Some(ty) = schema.complex_types.iter().find(|ty| ty.name == name) {
            return json!({"kind": "complex", "own_properties": own_properties(&ty.properties), "BaseType": ty.base});
        }
    }
    Value::Null
}

fn check_navigation(document: &Document, ty: &str, property: &str) -> Value {
    let associations = || {
        let schemas = document.schemas.iter();
        schemas.flat_map(|schema| {
            let name = |association: &Association| format!("{}.{}", schema.namespace, association.name);
            schema.associations.iter().map(move |association| (name(association), association))
        })
    };
    for schema in &document.schemas {
        for entity in &schema.entity_types {
            if format!("{}.{}", schema.namespace, entity.name) != ty {
                continue;
            }
            let Some(navigation) = entity.navigations.iter().find(|navigation| navigation.name == property) else {
                continue;
            };
            let (_, association) = associations()
                .find(|(name, _)| *name == navigation.relationship)
                .expect("the association is there");
            let end = association
                .ends
                .iter()
                .find(|end| end.role == navigation.to_role)
                .expect("the role is there");
            let collection = end.multiplicity == Multiplicity::Many;
            return json!({"target": end.ty, "multiplicity": end.multiplicity.text(), "collection": collection});
        }
    }
    Value::Null
}

/// MET-41.
fn kind(import: &FunctionImport) -> &'static str {
    match (&import.http_method, import.side_effecting) {
        (Some(_), _) => "service operation",
        (None, Some(false)) => "function",
        (None, _) => "action",
    }
}

fn check_function(document: &Document, name: &str) -> Vec<Value> {
    let imports = document
        .schemas
        .iter()
        .flat_map(|schema| &schema.containers)
        .flat_map(|container| &container.function_imports);
    let value = |import: &FunctionImport| {
        let parameters: Vec<_> = import
            .parameters
            .iter()
            .map(|parameter| json!([parameter.name, parameter.ty]))
            .collect();
        json!({
            "ReturnType": import.result, "EntitySet": import.set, "EntitySetPath": import.set_path, "HttpMethod": import.http_method,
            "parameters": parameters, "IsBindable": import.bindable.map(|it| it.to_string()),
            "IsAlwaysBindable": import.always_bindable.map(|it| it.to_string()), "kind": kind(import)})
    };
    imports.filter(|import| import.name == name).map(value).collect()
}

/// The same; a member that is null may be missing.
fn agrees(expected: &Value, actual: &Value) -> bool {
    let (Some(expected), Some(actual)) = (expected.as_object(), actual.as_object()) else {
        return expected == actual;
    };
    let holds = |name: &String| expected.get(name).unwrap_or(&Value::Null) == actual.get(name).unwrap_or(&Value::Null);
    expected.keys().chain(actual.keys()).all(holds)
}

/// Every row of the vector file about a document that is here.
#[test]
fn facts_of_real_documents() {
    let Ok(facts) = std::fs::read_to_string(shared("vectors/metadata-facts.jsonl")) else {
        println!("skipped: ../shared is missing");
        return;
    };
    let mut documents: BTreeMap<String, Document> = BTreeMap::new();
    let mut checked = BTreeMap::new();
    for line in facts.lines() {
        let fact: Value = serde_json::from_str(line).expect("a vector is JSON");
        let (input, expected) = (&fact["input"], &fact["expect"]);
        let Some(file) = input["file"].as_str() else { continue };
        if !documents.contains_key(file) {
            let Ok(bytes) = std::fs::read(shared("metadata-samples").join(file)) else {
                continue;
            };
            documents.insert(file.to_owned(), read(&bytes).expect(file));
        }
        let (document, check) = (&documents[file], input["check"].as_str().unwrap_or_default());
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        let ok = match check {
            "document" => check_document(document) == *expected,
            "type" => agrees(expected, &check_type(document, text("type"))),
            "navigation" => agrees(expected, &check_navigation(document, text("type"), text("property"))),
            "function-import" => check_function(document, text("name")).iter().any(|actual| agrees(expected, actual)),
            _ => false,
        };
        assert!(ok, "{line}");
        *checked.entry(check.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(documents.len(), 6);
    assert_eq!(checked.len(), 4, "{checked:?}");
}

fn schema(content: &str) -> Document {
    let text = format!(
        r#"<?xml version="1.0"?><edmx:Edmx Version="1.0" xmlns:edmx="{EDMX_NAMESPACE}" xmlns:m="{METADATA_NAMESPACE}"
        xmlns:annotation="{ANNOTATION_NAMESPACE}"><edmx:DataServices m:DataServiceVersion="3.0">{content}</edmx:DataServices></edmx:Edmx>"#
    );
    read(text.as_bytes()).expect(content)
}

/// MET-5.
#[test]
fn every_namespace_of_csdl() {
    for xmlns in EDM_NAMESPACES {
        let document = schema(&format!(
            r#"<Schema Namespace="A" xmlns="{xmlns}"><ComplexType Name="C"/></Schema>"#
        ));
        assert_eq!(document.schemas[0].xmlns, *xmlns);
        assert_eq!(document.schemas[0].complex_types.len(), 1, "{xmlns}");
        assert_eq!(document.dropped, []);
    }
}

/// MET-6: the schema's alias, another schema's, and one of Using; `Edm.` may be left out.
#[test]
fn aliases_are_resolved() {
    let xmlns = EDM_NAMESPACES[0];
    let document = schema(&format!(
        r#"<Schema Namespace="My.First" Alias="Self" xmlns="{xmlns}"><Using Namespace="My.Second" Alias="S"/>
            <EntityType Name="A" BaseType="S.B"><Property Name="P" Type="Collection(Self.C)"/><Property Name="Q" Type="Int32"/></EntityType>
            <ComplexType Name="C"/></Schema>
        <Schema Namespace="My.Second" xmlns="{xmlns}"><EntityType Name="B"><Property Name="R" Type="My.First.C"/></EntityType></Schema>"#
    ));
    let first = &document.schemas[0].entity_types[0];
    assert_eq!(first.base.as_deref(), Some("My.Second.B"));
    assert_eq!(first.properties[0].ty, "Collection(My.First.C)");
    assert_eq!(first.properties[1].ty, "Edm.Int32");
    assert_eq!(document.schemas[1].entity_types[0].properties[0].ty, "My.First.C");
}

/// MET-8, MET-50, MET-55, MET-56: kept or listed, never skipped in silence.
#[test]
fn what_is_not_kept_is_listed() {
    let document = schema(&format!(
        r#"<Schema Namespace="N" xmlns="{}" xmlns:x="urn:x">
        <!-- comment --><EnumType Name="E"><Member Name="M"/></EnumType><Annotations Target="N.A"/>
        <EntityType Name="A" m:FC_TargetPath="SyndicationTitle" x:y="1" m:HasStream="true"><Documentation><Summary>s</Summary></Documentation>
            <NavigationProperty Name="Z" Relationship="N.R" FromRole="a" ToRole="b" x:z="2"/>
            <Property Name="P" Type="Edm.String" Nullable="false" MaxLength="Max" annotation:StoreGeneratedPattern="Computed" Other="o">
            <ValueAnnotation Term="T"/></Property><Key><PropertyRef Name="P"/></Key></EntityType>
        <EntityContainer Name="C" annotation:LazyLoadingEnabled="true" Extends="D"/></Schema>"#,
        EDM_NAMESPACES[1]
    ));
    let ty = &document.schemas[0].entity_types[0];
    assert_eq!(ty.key, ["P"]);
    assert!(ty.has_stream);
    let attribute = |name: &str, value: &str| Attribute {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    assert_eq!(ty.attributes, [attribute("m:FC_TargetPath", "SyndicationTitle")]);
    assert_eq!(
        ty.properties[0].attributes,
        [attribute("annotation:StoreGeneratedPattern", "Computed")]
    );
    assert_eq!(ty.properties[0].facets.max_length, Some(None));
    assert_eq!(document.schemas[0].enum_types, ["E"]);
    let dropped: Vec<_> = document
        .dropped
        .iter()
        .map(|item| format!("{}: {}", item.path, item.what))
        .collect();
    let expected = [
        "N: element EnumType E",
        "N: element Annotations",
        "N.A: attribute x:y=\"1\"",
        "N.A: element Documentation",
        "N.A/Z: attribute x:z=\"2\"",
        "N.A/P: element ValueAnnotation",
        "N.A/P: attribute Other=\"o\"",
        "N.C: attribute annotation:LazyLoadingEnabled=\"true\"",
        "N.C: attribute Extends=\"D\"",
    ];
    assert_eq!(dropped, expected);
}

#[test]
fn bad_documents_are_refused_with_their_fault() {
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let edm = EDM_NAMESPACES[0];
    let in_schema = |content: &str| format!(r#"<Schema Namespace="N" xmlns="{edm}">{content}</Schema>"#);
    let end = r#"<End Type="N.A" Role="r" Multiplicity="1"/>"#;
    let rows: Vec<(String, &str)> = vec![
        (String::new(), "no XML element"),
        ("no xml".to_owned(), "no XML element"),
        ("<html></html>".to_owned(), "neither EDMX"),
        ("<a><b></a>".to_owned(), "not well-formed"),
        ("<a".to_owned(), "not well-formed"),
        ("<a>".to_owned(), "not closed"),
        ("<a b='1' b='2'/>".to_owned(), "not well-formed"),
        ("<a b='&unknown;'/>".to_owned(), "not well-formed"),
        ("<a/><a/>".to_owned(), "second root"),
        ("<p:a/>".to_owned(), "prefix p"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>".to_owned(), "document type"),
        (deep, "deeper than 32"),
        (in_schema("<EntityType/>"), "no attribute Name"),
        (in_schema(r#"<EntityType Name="A" Abstract="perhaps"/>"#), "Abstract"),
        (
            in_schema(r#"<ComplexType Name="A"><Property Name="P" Type="Edm.String" MaxLength="-1"/></ComplexType>"#),
            "MaxLength",
        ),
        (in_schema(&format!(r#"<Association Name="A">{end}</Association>"#)), "two Ends"),
        (in_schema(&format!(r#"<Association Name="A">{end}{end}</Association>"#)), "two Ends"),
        (
            in_schema(r#"<Association Name="A"><End Type="N.A" Role="r" Multiplicity="2"/></Association>"#),
            "Multiplicity",
        ),
    ];
    for (text, expected) in rows {
        let fault = read(text.as_bytes()).expect_err(&text);
        assert!(fault.message.contains(expected), "{text}: {fault}");
        assert!(fault.position.is_none_or(|at| at <= text.len()), "{text}: {fault:?}");
    }
    assert!(read(b"\xff\xfe<").is_err());
    assert!(read(&vec![b' '; crate::model::limits::SCHEMA_BYTES + 1]).is_err());
}
