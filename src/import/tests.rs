use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::odata::csdl::{Association, ComplexType, Container, Document, EntityType, Property, item_type};
use crate::odata::metadata;
use crate::plugin::{Source, load_sources};

/// File, endpoint, and how many items are not kept.
const SAMPLES: &[(&str, &str, usize)] = &[
    ("northwind-v3.edmx", "Northwind", 1),
    ("odata-demo-v3.edmx", "Demo", 0),
    ("nuget-gallery-feed.edmx", "Gallery", 0),
    ("olingo-static-v30.xml", "Static", 0),
    ("appclusive-core.edmx", "Appclusive", 0),
    ("sharepoint-2013.xml", "SharePoint", 0),
];

fn sample(file: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/metadata-samples");
    std::fs::read(folder.join(file)).ok()
}

/// Every fact of a document as a line, so that order does not count where CSDL gives it no meaning.
fn lines(document: &Document) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    lines.insert(format!("version {:?}", document.data_service_version));
    for schema in &document.schemas {
        let namespace = &schema.namespace;
        for ty in &schema.entity_types {
            entity_lines(&format!("{namespace}.{}", ty.name), ty, &mut lines);
        }
        for ty in &schema.complex_types {
            complex_lines(&format!("{namespace}.{}", ty.name), ty, &mut lines);
        }
        for association in &schema.associations {
            lines.insert(association_line(&format!("{namespace}.{}", association.name), association));
        }
        for container in &schema.containers {
            container_lines(&format!("{namespace}.{}", container.name), container, &mut lines);
        }
    }
    lines
}

fn entity_lines(name: &str, ty: &EntityType, lines: &mut BTreeSet<String>) {
    lines.insert(format!(
        "entity {name} {:?} abstract {} open {} stream {} key {:?} {:?}",
        ty.base, ty.is_abstract, ty.is_open, ty.has_stream, ty.key, ty.attributes
    ));
    property_lines(name, &ty.properties, &ty.key, lines);
    for navigation in &ty.navigations {
        lines.insert(format!("navigation {name} {navigation:?}"));
    }
}

fn complex_lines(name: &str, ty: &ComplexType, lines: &mut BTreeSet<String>) {
    lines.insert(format!("complex {name} {:?} abstract {} {:?}", ty.base, ty.is_abstract, ty.attributes));
    property_lines(name, &ty.properties, &[], lines);
}

/// With their order, which is that of the ETag (MET-23). Key properties and collections are never null (MET-20, MET-24).
fn property_lines(name: &str, properties: &[Property], key: &[String], lines: &mut BTreeSet<String>) {
    for (at, property) in properties.iter().enumerate() {
        let mut property = property.clone();
        property.nullable &= !key.contains(&property.name) && !item_type(&property.ty).1;
        property.attributes.sort_by(|a, b| a.name.cmp(&b.name));
        lines.insert(format!("property {name} {at} {property:?}"));
    }
}

fn association_line(name: &str, association: &Association) -> String {
    let mut ends = association.ends.clone();
    ends.sort_by(|a, b| a.role.cmp(&b.role));
    format!("association {name} {ends:?} {:?}", association.constraint)
}

fn container_lines(name: &str, container: &Container, lines: &mut BTreeSet<String>) {
    lines.insert(format!("container {name}"));
    if container.is_default {
        lines.insert(format!("default {name}"));
    }
    for set in &container.sets {
        lines.insert(format!("set {name} {set:?}"));
    }
    for set in &container.association_sets {
        let mut set = set.clone();
        set.ends.sort();
        lines.insert(format!("association set {name} {} {set:?}", set.association));
    }
    for import in &container.function_imports {
        lines.insert(format!("function {name} {import:?}"));
    }
}

fn load(texts: Vec<(String, String)>) -> crate::model::schema::Schema {
    match load_sources(vec![Source { files: texts }]) {
        Ok(schema) => schema,
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            panic!("{} problems:\n{}", problems.len(), problems.join("\n"));
        }
    }
}

/// There and back: the document again, with nothing missing; what is more is in the report.
fn round_trip(document: &[u8], endpoint: &str) -> Report {
    let (texts, report) = convert(document, endpoint).expect(endpoint);
    let schema = load(texts);
    let index = schema.endpoints.iter().position(|found| found.name == endpoint).expect(endpoint);
    let written = metadata::write(&schema, index);
    let before = csdl::read(document).expect(endpoint);
    let after = csdl::read(&written).expect(endpoint);
    assert_eq!(after.dropped, []);
    let marked = before.schemas.iter().flat_map(|schema| &schema.containers).any(|container| container.is_default);
    let (before, after) = (lines(&before), lines(&after));
    let missing: Vec<_> = before.difference(&after).take(20).collect();
    let unexpected: Vec<_> = after
        .difference(&before)
        .filter(|line| marked || !line.starts_with("default "))
        .filter(|line| !report.derived.iter().any(|item| line.starts_with("association set ") && line.contains(&format!(" {} ", item.path))))
        .take(20)
        .collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "{endpoint}: missing {missing:#?} unexpected {unexpected:#?}");
    assert_eq!(written, metadata::write(&schema, index), "{endpoint}: the same bytes again");
    report
}

#[test]
fn real_documents_survive_the_round_trip() {
    let mut seen = 0;
    for (file, endpoint, lost) in SAMPLES {
        let Some(document) = sample(file) else {
            println!("skipped: ../shared is missing");
            return;
        };
        let report = round_trip(&document, endpoint);
        assert_eq!(report.lost.len(), *lost, "{report}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

fn edmx(content: &str) -> Vec<u8> {
    let xmlns = "http://schemas.microsoft.com/ado/2009/11/edm";
    let head = r#"<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
        <edmx:DataServices xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" m:DataServiceVersion="1.0"
        m:MaxDataServiceVersion="3.0">"#;
    format!(r#"{head}<Schema Namespace="N" xmlns="{xmlns}">{content}</Schema></edmx:DataServices></edmx:Edmx>"#).into_bytes()
}

/// Two types with a key `ID`, one association between them; `a` and `b` are what they have besides.
fn pair(a: &str, b: &str, ends: [(&str, &str); 2], constraint: &str) -> Vec<u8> {
    let key = r#"<Key><PropertyRef Name="ID"/></Key><Property Name="ID" Type="Edm.Int32" Nullable="false"/>"#;
    edmx(&format!(
        r#"<EntityType Name="A">{key}{a}</EntityType><EntityType Name="B">{key}{b}</EntityType>
        <Association Name="R"><End Type="N.A" Role="a" Multiplicity="{}">{}</End><End Type="N.B" Role="b" Multiplicity="{}">{}</End>{constraint}
        </Association><EntityContainer Name="C" m:IsDefaultEntityContainer="true"><EntitySet Name="As" EntityType="N.A"/>
        <EntitySet Name="Bs" EntityType="N.B"/><AssociationSet Name="Rs" Association="N.R"><End Role="a" EntitySet="As"/>
        <End Role="b" EntitySet="Bs"/></AssociationSet></EntityContainer>"#,
        ends[0].0, ends[0].1, ends[1].0, ends[1].1
    ))
}

const TO_B: &str = r#"<NavigationProperty Name="B" Relationship="N.R" FromRole="a" ToRole="b"/>"#;
const TO_A: &str = r#"<NavigationProperty Name="A" Relationship="N.R" FromRole="b" ToRole="a"/>"#;
const CASCADE: &str = r#"<OnDelete Action="Cascade"/>"#;

fn rule(principal: &str, dependent: &str, property: &str) -> String {
    format!(
        r#"<ReferentialConstraint><Principal Role="{principal}"><PropertyRef Name="ID"/></Principal>
        <Dependent Role="{dependent}"><PropertyRef Name="{property}"/></Dependent></ReferentialConstraint>"#
    )
}

fn property(name: &str) -> String {
    format!(r#"<Property Name="{name}" Type="Edm.Int32" Nullable="false"/>"#)
}

/// Which side holds the key, for every shape of association; and each survives the round trip.
#[test]
fn joins() {
    let both = |a: String, b: String| (format!("{a}{TO_B}"), format!("{b}{TO_A}"));
    let none = String::new;
    let rows: Vec<((String, String), [(&str, &str); 2], String, &str, &str)> = vec![
        // to many and back: constraint, name and type, hidden
        (both(none(), property("X")), [("1", ""), ("*", "")], rule("a", "b", "X"), "b.toml", r#"key = ["X"]"#),
        (both(none(), property("AID")), [("0..1", ""), ("*", "")], none(), "b.toml", "key = [\"AID\"]\nconstraint = false"),
        (both(none(), property("Aid")), [("0..1", ""), ("*", "")], none(), "b.toml", "partner = \"B\"\n"),
        // one way
        ((TO_B.to_owned(), property("X")), [("1", ""), ("*", "")], rule("a", "b", "X"), "a.toml", r#"target_key = ["X"]"#),
        ((TO_B.to_owned(), none()), [("0..1", ""), ("*", "")], none(), "a.toml", "partner_multiplicity = \"0..1\"\nrelationship"),
        ((format!("{}{TO_B}", property("BId")), none()), [("*", ""), ("0..1", "")], none(), "a.toml", r#"key = ["BId"]"#),
        // to one both ways
        (both(property("BId"), none()), [("0..1", ""), ("0..1", "")], none(), "a.toml", r#"key = ["BId"]"#),
        (both(none(), none()), [("1", ""), ("0..1", "")], none(), "b.toml", "partner = \"B\"\n"),
        (both(none(), property("X")), [("1", ""), ("0..1", "")], rule("a", "b", "X"), "b.toml", r#"key = ["X"]"#),
        // many to many
        (both(none(), none()), [("*", ""), ("*", "")], none(), "a.toml", r#"link = "R""#),
        ((none(), TO_A.to_owned()), [("*", ""), ("*", "")], none(), "b.toml", r#"link = "R""#),
        // what goes with what
        (both(none(), property("X")), [("1", CASCADE), ("*", "")], rule("a", "b", "X"), "b.toml", "\ncascade = true"),
        ((TO_B.to_owned(), property("X")), [("1", CASCADE), ("*", "")], rule("a", "b", "X"), "a.toml", "target_cascade = true"),
    ];
    for ((a, b), ends, constraint, file, expected) in rows {
        let document = pair(&a, &b, ends, &constraint);
        let (texts, report) = convert(&document, "Test").expect(expected);
        assert_eq!(report.lost, [], "{expected}");
        let name = format!("schema/{file}");
        let (_, text) = texts.iter().find(|(found, _)| *found == name).expect(file);
        assert!(text.contains(expected), "{expected} is not in {text}");
        round_trip(&document, "Test");
    }
}

/// Two associations that mean one key (README: `target_key`).
#[test]
fn a_collection_uses_the_key_of_the_way_back() {
    let document = edmx(
        r#"<EntityType Name="Folder"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64" Nullable="false"/>
        <Property Name="ParentId" Type="Edm.Int64"/>
        <NavigationProperty Name="Parent" Relationship="N.Up" FromRole="Child" ToRole="Parent"/>
        <NavigationProperty Name="Children" Relationship="N.Down" FromRole="Parent" ToRole="Child"/></EntityType>
        <Association Name="Up"><End Type="N.Folder" Role="Parent" Multiplicity="0..1"/><End Type="N.Folder" Role="Child" Multiplicity="0..1"/></Association>
        <Association Name="Down"><End Type="N.Folder" Role="Child" Multiplicity="*"/><End Type="N.Folder" Role="Parent" Multiplicity="0..1"/></Association>
        <EntityContainer Name="C" m:IsDefaultEntityContainer="true"><EntitySet Name="Folders" EntityType="N.Folder"/></EntityContainer>"#,
    );
    let (texts, _) = convert(&document, "Test").expect("it is CSDL");
    let (_, text) = texts.iter().find(|(name, _)| name == "schema/folder.toml").expect("the type has a file");
    assert!(text.contains("\nkey = [\"ParentId\"]\nconstraint = false"), "{text}");
    assert!(text.contains("\ntarget_key = [\"ParentId\"]\nconstraint = false"), "{text}");
    let report = round_trip(&document, "Test");
    assert_eq!(report.derived.len(), 4, "{report}");
}

/// Facets, defaults, attributes, operations, names that TOML must quote: there and back.
#[test]
fn everything_a_type_can_have_survives() {
    let document = edmx(
        r#"<EntityType Name="Thing" OpenType="true" m:HasStream="true" m:FC_TargetPath="SyndicationTitle" m:FC_SourcePath="Größe">
        <Key><PropertyRef Name="Id"/></Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false" a:StoreGeneratedPattern="Identity" xmlns:a="http://schemas.microsoft.com/ado/2009/02/edm/annotation"/>
        <Property Name="Größe" Type="Edm.Decimal" Precision="10" Scale="2" DefaultValue="1.50"/>
        <Property Name="Text" Type="Edm.String" MaxLength="Max" FixedLength="false" Unicode="true" Collation="a &quot;b&quot;\c" Nullable="false"/>
        <Property Name="Place" Type="N.Spot"/><Property Name="Tags" Type="Collection(Edm.String)" Nullable="false" CollectionKind="List"/>
        <Property Name="Version" Type="Edm.Int64" ConcurrencyMode="Fixed" Nullable="false"/></EntityType>
        <EntityType Name="Part" BaseType="N.Thing" Abstract="true"><Property Name="Point" Type="Edm.GeographyPoint" SRID="4326"/></EntityType>
        <ComplexType Name="Spot" BaseType="N.Base"><Property Name="Zip" Type="Edm.String"/></ComplexType>
        <ComplexType Name="Base" Abstract="true"><Property Name="City" Type="Edm.String" MaxLength="30"/></ComplexType>
        <EntityContainer Name="C" m:IsDefaultEntityContainer="true"><EntitySet Name="Things" EntityType="N.Thing"/>
        <EntitySet Name="More" EntityType="N.Thing"/>
        <FunctionImport Name="Do" IsBindable="true" IsSideEffecting="false" IsComposable="true" m:IsAlwaysBindable="true"
            ReturnType="Collection(N.Thing)" EntitySetPath="it">
            <Parameter Name="it" Type="N.Thing"/><Parameter Name="size" Type="Edm.Decimal" Nullable="true" Mode="In" Precision="9" Scale="1"/>
        </FunctionImport><FunctionImport Name="Get" m:HttpMethod="GET" ReturnType="N.Spot"/></EntityContainer>"#,
    );
    let text = String::from_utf8(document).expect("it is text").replace("m:DataServiceVersion=\"1.0\"", "m:DataServiceVersion=\"3.0\"");
    let report = round_trip(text.as_bytes(), "Test");
    assert_eq!(report.lost, []);
}

/// What cannot be kept is named item by item.
#[test]
fn losses_are_listed() {
    let document = edmx(
        r#"<EnumType Name="Kind"/>
        <EntityType Name="T"><Documentation/><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32"/>
        <Property Name="Kind" Type="N.Kind"/><Property Name="Bad" Type="N.Nothing"/>
        <NavigationProperty Name="Away" Relationship="N.Nothing" FromRole="a" ToRole="b"/></EntityType>
        <Association Name="Unused"><End Type="N.T" Role="a" Multiplicity="1"/><End Type="N.T" Role="b" Multiplicity="*"/></Association>
        <EntityContainer Name="C"><EntitySet Name="Ts" EntityType="N.T"/><EntitySet Name="Us" EntityType="N.U"/>
        <AssociationSet Name="S" Association="N.Unused"/><FunctionImport Name="F" ReturnType="N.Nothing"/></EntityContainer>"#,
    );
    let (texts, report) = convert(&document, "Test").expect("it is CSDL");
    let lost: BTreeMap<&str, usize> = report.lost.iter().fold(BTreeMap::new(), |mut lost, item| {
        *lost.entry(item.path.as_str()).or_default() += 1;
        lost
    });
    let expected = ["N", "N.T/Away", "N.T/Bad", "N.T/Kind", "N.Unused", "N/C/F", "N/C/S", "N/C/Us", "N/T"];
    assert_eq!(lost.keys().copied().collect::<Vec<_>>(), expected, "{report}");
    load(texts);
}

#[test]
fn what_cannot_be_served_is_refused() {
    let ty = |content: &str| edmx(&format!(r#"<EntityType Name="T"{content}</EntityType>"#));
    let rows = [
        (ty(">"), "neither a key"),
        (ty(r#" BaseType="N.T">"#), "derives from itself"),
        (ty(r#" BaseType="N.U">"#), "not in the document"),
        (ty(r#"><Key><PropertyRef Name="Id"/></Key>"#), "key property Id"),
        (b"<html/>".to_vec(), "neither EDMX"),
    ];
    for (document, expected) in rows {
        let fault = convert(&document, "Test").expect_err(expected);
        assert!(fault.message.contains(expected), "{fault}");
    }
    for name in ["", "a/b", "..", "1a", "a b"] {
        assert!(convert(&edmx(""), name).is_err(), "{name}");
    }
}

/// A folder of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("odonata-import-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let document = pair(TO_B, TO_A, [("1", ""), ("*", "")], "");
    let folder = scratch("folder");
    let report = import(&document, "Test", &folder).expect("the folder is new");
    for file in &report.files {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert!(report.files.contains(&"plugin.toml".to_owned()));
    let fault = import(&document, "Test", &folder).expect_err("the folder has files");
    assert!(fault.message.contains("has files already"), "{fault}");
    std::fs::remove_dir_all(&folder).expect("the folder was made here");
}

/// Types of the same name in two namespaces, and names that differ in case only, have files of their own.
#[test]
fn file_names_are_unique() {
    let ty = r#"<Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/></EntityType>"#;
    let text = String::from_utf8(edmx(&format!(
        r#"<EntityType Name="Event">{ty}<EntityType Name="EVENT">{ty}<EntityType Name="Endpoint">{ty}</Schema>
        <Schema Namespace="My.Second" xmlns="http://schemas.microsoft.com/ado/2009/11/edm"><EntityType Name="Event">{ty}"#
    )));
    let (texts, _) = convert(text.expect("it is text").as_bytes(), "Test").expect("it is CSDL");
    let names: Vec<_> = texts.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["plugin.toml", "schema/endpoint.toml", "schema/event.toml", "schema/n_event.toml", "schema/n_endpoint.toml"];
    assert_eq!(names[..5], expected);
    assert_eq!(names[5], "schema/second_event.toml");
    assert_eq!(names.len(), 6);
}
