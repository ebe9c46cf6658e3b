use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::schema::Behaviour;
use crate::odata::metadata;
use crate::plugin::{Source, load_sources};

/// File, endpoint, how many items are derived, and what is not kept.
const SAMPLES: &[(&str, &str, usize, &[&str])] = &[
    (
        "northwind-v3.edmx",
        "Northwind",
        2,
        &["ODataWebV3.Northwind.Model.NorthwindEntities: attribute p6:LazyLoadingEnabled=\"true\""],
    ),
    ("odata-demo-v3.edmx", "Demo", 5, &[]),
    ("nuget-gallery-feed.edmx", "Gallery", 3, &[]),
    ("olingo-static-v30.xml", "Static", 37, &[]),
    ("appclusive-core.edmx", "Appclusive", 179, &[]),
    ("sharepoint-2013.xml", "SharePoint", 433, &[]),
];

fn sample(file: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/metadata-samples");
    std::fs::read(folder.join(file)).ok()
}

/// The report of a document whose files load; what does not survive is in it.
fn imported(document: &[u8]) -> Report {
    let (_, report) = convert(document, "Test").expect("it is CSDL");
    assert!(
        !report.lost.iter().any(|item| item.note.starts_with("the server will refuse")),
        "{report}"
    );
    report
}

/// There and back, nothing is missing.
#[test]
fn real_documents_survive_the_round_trip() {
    for (file, endpoint, derived, lost) in SAMPLES {
        let Some(document) = sample(file) else {
            println!("skipped: ../shared is missing");
            return;
        };
        let (texts, report) = convert(&document, endpoint).expect(file);
        let found: Vec<_> = report.lost.iter().map(|item| format!("{}: {}", item.path, item.note)).collect();
        assert_eq!(found, *lost, "{file}");
        assert_eq!(report.derived.len(), *derived, "{report}");
        let schema = load_sources(vec![Source { files: texts }]).expect(file);
        let index = schema.endpoints.iter().position(|found| found.name == *endpoint).expect(file);
        let operations = schema.endpoints[index].operations.iter();
        let templates = operations.filter(|operation| operation.name == "Template" && operation.binding().is_some_and(|(_, many)| many));
        for operation in templates {
            assert_eq!(
                operation.behaviour,
                Behaviour::Handler("Template".to_owned()),
                "{file}: {:?}",
                operation.result
            );
        }
        let written = csdl::read(&metadata::write(&schema, index)).expect(file);
        let [before, after] = [csdl::read(&document).expect(file), written].map(|document| verify::facts(&document));
        assert!(before.len() > 50, "{file}");
        let missing: Vec<_> = before.difference(&after).collect();
        assert_eq!(missing, Vec::<&(String, String)>::new(), "{file}");
    }
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
    type Row = (
        (String, String),
        [(&'static str, &'static str); 2],
        String,
        &'static str,
        &'static str,
    );
    let rows: Vec<Row> = vec![
        // to many and back: constraint, name and type, hidden
        (
            both(none(), property("X")),
            [("1", ""), ("*", "")],
            rule("a", "b", "X"),
            "b.toml",
            r#"key = ["X"]"#,
        ),
        (
            both(none(), property("AID")),
            [("0..1", ""), ("*", "")],
            none(),
            "b.toml",
            "key = [\"AID\"]\nconstraint = false",
        ),
        (
            both(none(), property("Aid")),
            [("0..1", ""), ("*", "")],
            none(),
            "b.toml",
            "partner = \"B\"\n",
        ),
        // one way
        (
            (TO_B.to_owned(), property("X")),
            [("1", ""), ("*", "")],
            rule("a", "b", "X"),
            "a.toml",
            r#"target_key = ["X"]"#,
        ),
        (
            (TO_B.to_owned(), none()),
            [("0..1", ""), ("*", "")],
            none(),
            "a.toml",
            "partner_multiplicity = \"0..1\"\nrelationship",
        ),
        (
            (format!("{}{TO_B}", property("BId")), none()),
            [("*", ""), ("0..1", "")],
            none(),
            "a.toml",
            r#"key = ["BId"]"#,
        ),
        // to one both ways
        (
            both(property("BId"), none()),
            [("0..1", ""), ("0..1", "")],
            none(),
            "a.toml",
            r#"key = ["BId"]"#,
        ),
        (
            both(none(), none()),
            [("1", ""), ("0..1", "")],
            none(),
            "b.toml",
            "partner = \"B\"\n",
        ),
        (
            both(none(), none()),
            [("1", ""), ("0..1", "")],
            rule("a", "b", "ID"),
            "b.toml",
            r#"key = ["ID"]"#,
        ),
        // many to many
        (both(none(), none()), [("*", ""), ("*", "")], none(), "a.toml", r#"link = "R""#),
        ((none(), TO_A.to_owned()), [("*", ""), ("*", "")], none(), "b.toml", r#"link = "R""#),
        // what goes with what
        (
            both(none(), property("X")),
            [("1", CASCADE), ("*", "")],
            rule("a", "b", "X"),
            "b.toml",
            "\ncascade = true",
        ),
        (
            (TO_B.to_owned(), property("X")),
            [("1", CASCADE), ("*", "")],
            rule("a", "b", "X"),
            "a.toml",
            "target_cascade = true",
        ),
    ];
    for ((a, b), ends, constraint, file, expected) in rows {
        let document = pair(&a, &b, ends, &constraint);
        let (texts, report) = convert(&document, "Test").expect(expected);
        assert_eq!(report.lost, [], "{expected}");
        let name = format!("schema/{file}");
        let (_, text) = texts.iter().find(|(found, _)| *found == name).expect(file);
        assert!(text.contains(expected), "{expected} is not in {text}");
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
    let (_, text) = texts
        .iter()
        .find(|(name, _)| name == "schema/folder.toml")
        .expect("the type has a file");
    assert!(text.contains("\nkey = [\"ParentId\"]\nconstraint = false"), "{text}");
    assert!(text.contains("\ntarget_key = [\"ParentId\"]\nconstraint = false"), "{text}");
    let derived: Vec<_> = imported(&document).derived.into_iter().map(|item| item.path).collect();
    assert_eq!(
        derived,
        ["N.Folder/Parent", "N.Folder/Children", "N.Folder/Id", "N.C/DownSet", "N.C/UpSet"]
    );
}

/// What Web API's `0..1` of an end without a navigation does not say: collections that lead opposite ways share a link table, one whose
/// entities have a property for the key uses that, and any other has a link table of its own.
#[test]
fn collections_of_web_api() {
    let ty = |name: &str, more: &str| {
        format!(
            r#"<EntityType Name="{name}"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64" Nullable="false"/>{more}</EntityType>"#
        )
    };
    let navigation =
        |name: &str| format!(r#"<NavigationProperty Name="{name}" Relationship="N.{name}" FromRole="{name}Partner" ToRole="{name}"/>"#);
    let association = |name: &str, from: &str, to: &str| {
        format!(
            r#"<Association Name="{name}"><End Type="N.{to}" Role="{name}" Multiplicity="*"/><End Type="N.{from}" Role="{name}Partner"
            Multiplicity="0..1"/></Association>"#
        )
    };
    let document = edmx(&format!(
        "{}{}{}{}{}{}{}{}{}{}",
        ty(
            "Role",
            &format!("{}{}{}", navigation("Permissions"), navigation("Users"), navigation("Notes"))
        ),
        ty("Permission", &navigation("Roles")),
        ty("User", ""),
        ty("Note", r#"<Property Name="RoleId" Type="Edm.Int64" Nullable="false"/>"#),
        association("Permissions", "Role", "Permission"),
        association("Roles", "Permission", "Role"),
        association("Users", "Role", "User"),
        association("Notes", "Role", "Note"),
        r#"<EntityContainer Name="C" m:IsDefaultEntityContainer="true"><EntitySet Name="Roles" EntityType="N.Role"/>"#,
        r#"<EntitySet Name="Permissions" EntityType="N.Permission"/><EntitySet Name="Users" EntityType="N.User"/>
        <EntitySet Name="Notes" EntityType="N.Note"/></EntityContainer>"#,
    ));
    let (texts, report) = convert(&document, "Test").expect("it is CSDL");
    assert_eq!(report.lost, []);
    let of = |file: &str, navigation: &str| {
        let (_, text) = texts.iter().find(|(name, _)| *name == format!("schema/{file}.toml")).expect(file);
        let table = text
            .split("[navigation.")
            .find(|table| table.starts_with(navigation))
            .expect(navigation);
        table.replace("[properties]", "")
    };
    for (file, navigation, expected) in [
        ("role", "Permissions", "link = \"Permissions\""),
        ("permission", "Roles", "link = \"Permissions\""),
        ("role", "Users", "link = \"Users\""),
        ("role", "Notes", "target_key = [\"RoleId\"]"),
    ] {
        let text = of(file, navigation);
        assert!(
            text.contains(expected) && text.contains("partner_multiplicity = \"0..1\""),
            "{expected} is not in {text}"
        );
    }
    let schema = load_sources(vec![Source { files: texts.clone() }]).expect("it loads");
    assert_eq!(schema.tables.iter().filter(|table| table.key.len() == 2).count(), 2);
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
    let text = String::from_utf8(document)
        .expect("it is text")
        .replace("m:DataServiceVersion=\"1.0\"", "m:DataServiceVersion=\"3.0\"");
    let report = imported(text.as_bytes());
    assert_eq!((report.lost, report.derived), (vec![], vec![]));
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
    let lost: BTreeSet<String> = imported(&document).lost.into_iter().map(|item| item.path).collect();
    let expected = [
        "N", "N.C/F", "N.C/S", "N.C/Us", "N.T", "N.T/Away", "N.T/Bad", "N.T/Kind", "N.Unused",
    ];
    assert_eq!(lost.iter().collect::<Vec<_>>(), expected);
}

/// What CSDL does not allow is not written again, and the comparison at the end finds it.
#[test]
fn differences_that_only_the_round_trip_shows_are_listed() {
    let document = pair(
        TO_B,
        &format!("{}{TO_A}", property("X")),
        [("1", ""), ("0..1", "")],
        &rule("a", "b", "X"),
    );
    let report = imported(&document);
    let item = |path: &str, note: &str| Item {
        path: path.to_owned(),
        note: note.to_owned(),
    };
    assert_eq!(report.lost, [item("N.R", "ReferentialConstraint from b(X) to a(ID)")]);
    let numbered = "is numbered by the database where a client sends no number, or 0";
    assert_eq!(report.derived, [item("N.A/ID", numbered), item("N.B/ID", numbered)]);
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
    let expected = [
        "plugin.toml",
        "schema/endpoint.toml",
        "schema/event.toml",
        "schema/n_event.toml",
        "schema/n_endpoint.toml",
    ];
    assert_eq!(names[..5], expected);
    assert_eq!(names[5], "schema/second_event.toml");
    assert_eq!(names.len(), 6);
}
