//! Models as documents: what a reader of CSDL must take, what a writer must not leave out, which version a model needs.

use std::collections::BTreeSet;

use odata_tests::client::Client;
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::xml::{self, Element};

const EDMX: &str = "http://schemas.microsoft.com/ado/2007/06/edmx";
const EDM: &str = "http://schemas.microsoft.com/ado/2009/11/edm";
const DATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";

fn edmx(schemas: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><edmx:Edmx Version="1.0" xmlns:edmx="{EDMX}"><edmx:DataServices m:DataServiceVersion="3.0" xmlns:m="{DATA}">
        {schemas}</edmx:DataServices></edmx:Edmx>"#
    )
}

/// A type `Thing` with a key and `members`, its set `Things`, and `others` in the same schema.
fn things(xmlns: &str, attributes: &str, members: &str, others: &str, imports: &str) -> String {
    edmx(&format!(
        r#"<Schema Namespace="N" xmlns="{xmlns}" xmlns:m="{DATA}"><EntityType Name="Thing"{attributes}>
        <Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/>{members}</EntityType>{others}
        <EntityContainer Name="C" m:IsDefaultEntityContainer="true"><EntitySet Name="Things" EntityType="N.Thing"/>{imports}</EntityContainer>
        </Schema>"#
    ))
}

/// Imports documents as endpoints `E0`, `E1`, … and serves them.
fn served(system: System, documents: &[String], test: impl FnOnce(&Client)) {
    let fixture = Fixture::prepare(&[], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    for (number, document) in documents.iter().enumerate() {
        let file = folder.path().join(format!("{number}.edmx"));
        std::fs::write(&file, document).expect("a file can be written");
        fixture
            .run(&["import", &file.to_string_lossy(), "--endpoint", &format!("E{number}")])
            .unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    let site = fixture.serve(&[]).expect("the server starts");
    test(&site.server.admin());
}

fn metadata(client: &Client, endpoint: &str) -> Element {
    let reply = client.get(&format!("/api/{endpoint}/$metadata")).expect("an answer");
    assert_eq!(reply.status, 200, "{endpoint}: {}", reply.text());
    xml::parse(&reply.text()).unwrap_or_else(|error| panic!("{endpoint}: {error}"))
}

fn post(client: &Client, target: &str, body: &str) -> String {
    let reply = client.post(target, body).expect("an answer");
    assert_eq!(reply.status, 201, "{target} {body}: {}", reply.text());
    reply.text()
}

fn get(client: &Client, target: &str) -> serde_json::Value {
    let reply = client.get(target).expect("an answer");
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.json()
}

/// MET-4, MET-3, MET-2: the version is the lowest that carries the model; a client that takes less gets 400.
#[test]
fn the_version_is_what_the_model_needs() {
    let property = |text: &str| things(EDM, "", text, "", "");
    let import = |text: &str| things(EDM, "", "", "", text);
    let feed = r#" m:FC_TargetPath="SyndicationTitle" m:FC_ContentKind="text""#;
    let rows = [
        ("nothing new", property(r#"<Property Name="A" Type="Edm.DateTimeOffset"/>"#), "1.0"),
        ("a duration", property(r#"<Property Name="A" Type="Edm.Time"/>"#), "1.0"),
        (
            "a collection",
            property(r#"<Property Name="A" Type="Collection(Edm.String)" Nullable="false"/>"#),
            "3.0",
        ),
        (
            "a stream",
            property(r#"<Property Name="A" Type="Edm.Stream" Nullable="false"/>"#),
            "3.0",
        ),
        ("a place", property(r#"<Property Name="A" Type="Edm.GeographyPoint"/>"#), "3.0"),
        (
            "in the feed's element",
            property(&format!(
                r#"<Property Name="A" Type="Edm.String"{feed} m:FC_KeepInContent="true"/>"#
            )),
            "1.0",
        ),
        (
            "only there",
            property(&format!(
                r#"<Property Name="A" Type="Edm.String"{feed} m:FC_KeepInContent="false"/>"#
            )),
            "2.0",
        ),
        (
            "an operation of version 1",
            import(r#"<FunctionImport Name="F" ReturnType="Edm.String" m:HttpMethod="GET"/>"#),
            "1.0",
        ),
        (
            "an action",
            import(r#"<FunctionImport Name="F" IsBindable="true"><Parameter Name="it" Type="N.Thing"/></FunctionImport>"#),
            "3.0",
        ),
        (
            "a function",
            import(r#"<FunctionImport Name="F" ReturnType="Edm.String" IsSideEffecting="false"/>"#),
            "3.0",
        ),
    ];
    let documents: Vec<String> = rows.iter().map(|(_, document, _)| document.clone()).collect();
    for system in System::all() {
        served(system, &documents, |client| {
            for (number, (what, _, version)) in rows.iter().enumerate() {
                let target = format!("/api/E{number}/$metadata");
                let document = metadata(client, &format!("E{number}"));
                let services = document.all("DataServices").next().expect("there is one");
                assert_eq!(services.attribute("m:DataServiceVersion"), Some(*version), "{what}");
                let reply = client.get(&target).expect("an answer");
                assert_eq!(reply.header("DataServiceVersion").map(|text| &text[..3]), Some(*version), "{what}");
                for (max, least) in [("1.0", 1.0), ("2.0", 2.0), ("3.0", 3.0)] {
                    let reply = client
                        .send("GET", &target, &[("MaxDataServiceVersion", max)], None)
                        .expect("an answer");
                    let needed: f64 = version.parse().expect("a number");
                    assert_eq!(reply.status, if needed <= least { 200 } else { 400 }, "{what} for {max}");
                }
            }
        });
    }
}

/// MET-5: all five namespaces of CSDL are read, and the newest is written.
#[test]
fn every_namespace_of_csdl_is_read() {
    let namespaces =
        ["2006/04", "2007/05", "2008/09", "2009/08", "2009/11"].map(|part| format!("http://schemas.microsoft.com/ado/{part}/edm"));
    let member = r#"<Property Name="A" Type="Edm.String" MaxLength="5"/>"#;
    let documents: Vec<String> = namespaces.iter().map(|xmlns| things(xmlns, "", member, "", "")).collect();
    for system in System::all() {
        served(system, &documents, |client| {
            for (number, xmlns) in namespaces.iter().enumerate() {
                post(client, &format!("/api/E{number}/Things"), r#"{"Id": 1, "A": "a"}"#);
                let rows = get(client, &format!("/api/E{number}/Things?$filter=A%20eq%20'a'"));
                assert_eq!(rows["value"][0]["Id"], 1, "{xmlns}");
                let written = client.get(&format!("/api/E{number}/$metadata")).expect("an answer").text();
                assert!(written.contains(&format!("xmlns=\"{EDM}\"")), "{xmlns}: {written}");
            }
        });
    }
}

/// Two schemas that refer to each other by namespace, alias and `Using` (MET-6), with everything between their elements that a reader
/// has to step over: foreign elements and attributes (MET-8), documentation (MET-56), vocabulary annotations (MET-55).
const FOREIGN: &str = r#"
    <edmx:AnnotationsReference Url="http://example.org/terms"><edmx:Include TermNamespace="x"/></edmx:AnnotationsReference>
    <Schema Namespace="Data.Types" Alias="Self" xmlns="http://schemas.microsoft.com/ado/2009/11/edm" xmlns:x="http://example.org/foreign"
        x:tool="1.2">
      <Using Namespace="Data.Parts" Alias="P"/>
      <Documentation><Summary>Everything</Summary><LongDescription>that is <b>known</b></LongDescription></Documentation>
      <x:diagram><x:shape at="3"/></x:diagram>
      <EntityType Name="Order" x:colour="red">
        <NavigationProperty Name="Lines" Relationship="Self.OrderLines" FromRole="Order" ToRole="Line"/>
        <Documentation><Summary>An order</Summary></Documentation>
        <Property Name="Id" Type="Edm.Int32" Nullable="false" x:width="20">
          <Documentation><Summary>The number</Summary></Documentation>
          <ValueAnnotation Term="x.Label" String="Number"/>
        </Property>
        <x:anything/>
        <Key><PropertyRef Name="Id"/></Key>
        <Property Name="Where" Type="P.Place"/>
        <TypeAnnotation Term="x.Thing"><PropertyValue Property="Label" Path="Id"/></TypeAnnotation>
      </EntityType>
      <EntityType Name="Line"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/>
        <Property Name="OrderId" Type="Edm.Int32" Nullable="false"/>
        <NavigationProperty Name="Order" Relationship="Data.Types.OrderLines" FromRole="Line" ToRole="Order"/></EntityType>
      <Association Name="OrderLines"><Documentation/>
        <End Type="Self.Order" Role="Order" Multiplicity="1"><x:note/></End><End Type="Data.Types.Line" Role="Line" Multiplicity="*"/>
        <ReferentialConstraint><Principal Role="Order"><PropertyRef Name="Id"/></Principal>
          <Dependent Role="Line"><PropertyRef Name="OrderId"/></Dependent></ReferentialConstraint></Association>
      <Annotations Target="Self.Order"><ValueAnnotation Term="x.Text"><Apply Function="x.F"><Path>Id</Path><String>a</String></Apply>
        </ValueAnnotation></Annotations>
      <ValueTerm Name="Label" Type="Edm.String"/>
    </Schema>
    <Schema Namespace="Data.Parts" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
      <Using Namespace="Data.Types" Alias="T"/>
      <ComplexType Name="Base" Abstract="true"><Property Name="City" Type="Edm.String"/></ComplexType>
      <ComplexType Name="Place" BaseType="Data.Parts.Base"><Property Name="Zip" Type="Edm.String"/></ComplexType>
      <EntityContainer Name="All" m:IsDefaultEntityContainer="true" x:lazy="true" xmlns:x="http://example.org/foreign">
        <Documentation/><EntitySet Name="Orders" EntityType="T.Order"><ValueAnnotation Term="x.A" Int="3"/></EntitySet>
        <EntitySet Name="Lines" EntityType="Data.Types.Line"/>
        <AssociationSet Name="OrderLines" Association="T.OrderLines"><End Role="Order" EntitySet="Orders"/><End Role="Line" EntitySet="Lines"/>
        </AssociationSet></EntityContainer>
    </Schema>"#;

/// MET-6, MET-8, MET-26, MET-55, MET-56.
#[test]
fn aliases_are_resolved_and_foreign_things_stepped_over() {
    for system in System::all() {
        served(system, &[edmx(FOREIGN)], |client| {
            post(client, "/api/E0/Orders", r#"{"Id": 1, "Where": {"City": "Ulm", "Zip": "1"}}"#);
            post(client, "/api/E0/Lines", r#"{"Id": 7, "OrderId": 1}"#);
            let order = get(client, "/api/E0/Orders(1)?$expand=Lines");
            assert_eq!(order["Lines"][0]["Id"], 7, "{order}");
            assert_eq!(order["Where"], serde_json::json!({"City": "Ulm", "Zip": "1"}));
            let lines = get(client, "/api/E0/Lines?$filter=Order/Where/City%20eq%20'Ulm'");
            assert_eq!(lines["value"][0]["Id"], 7);
            let document = metadata(client, "E0");
            let all = document.descendants();
            let place = all
                .iter()
                .find(|element| element.attribute("Name") == Some("Place"))
                .expect("the complex type");
            assert_eq!(place.attribute("BaseType"), Some("Data.Parts.Base"));
            let base = all
                .iter()
                .find(|element| element.attribute("Name") == Some("Base"))
                .expect("its base");
            assert_eq!(base.attribute("Abstract"), Some("true"));
            let schemas: BTreeSet<_> = document
                .all("DataServices")
                .flat_map(|services| services.all("Schema"))
                .filter_map(|schema| schema.attribute("Namespace"))
                .collect();
            assert_eq!(schemas.into_iter().collect::<Vec<_>>(), ["Data.Parts", "Data.Types"]);
        });
    }
}

/// MET-27, FLT-47: an enumeration is a String; its members are written, read and compared by their names.
#[test]
fn enumerations_are_texts() {
    let kind = r#"<EnumType Name="Kind"><Member Name="First"/><Member Name="Second"/></EnumType>"#;
    let document = things(EDM, "", r#"<Property Name="Kind" Type="N.Kind"/>"#, kind, "");
    for system in System::all() {
        served(system, std::slice::from_ref(&document), |client| {
            post(client, "/api/E0/Things", r#"{"Id": 1, "Kind": "First"}"#);
            let body = post(client, "/api/E0/Things", r#"{"Id": 2, "Kind": "Second"}"#);
            assert!(body.contains(r#""Kind":"Second""#), "{body}");
            let rows = get(client, "/api/E0/Things?$filter=Kind%20eq%20'First'");
            assert_eq!(
                (rows["value"].as_array().map(Vec::len), &rows["value"][0]["Id"]),
                (Some(1), &1.into())
            );
            let written = client.get("/api/E0/$metadata").expect("an answer").text();
            assert!(written.contains(r#"<Property Name="Kind" Type="Edm.String" />"#), "{written}");
        });
    }
}

/// MET-33: a letter or underscore, then letters, digits and underscores, 480 of them; the database's own limits do not show.
#[test]
fn names_may_be_long() {
    let name = |last: &str| format!("_{}{last}", "ä1_b".repeat(94));
    let (one, two) = (name("One"), name("Two"));
    let document = things(
        EDM,
        "",
        &format!(r#"<Property Name="{one}" Type="Edm.String"/><Property Name="{two}" Type="Edm.String"/>"#),
        "",
        "",
    );
    for system in System::all() {
        served(system, std::slice::from_ref(&document), |client| {
            post(client, "/api/E0/Things", &format!(r#"{{"Id": 1, "{one}": "a", "{two}": "b"}}"#));
            let target = odata_tests::client::encode(&format!(
                "/api/E0/Things?$filter={one} eq 'a' and {two} eq 'b'&$orderby={two}&$select={two}"
            ));
            assert_eq!(get(client, &target)["value"][0][&two], "b");
        });
    }
}

/// MET-21, MET-33, MET-20, MET-25: models that no client could use are refused, with the place.
#[test]
fn bad_models_are_refused() {
    let entity = |text: &str| format!("entity = \"Thing\"\nset = \"Things\"\n{text}");
    let rows = [
        (
            "a name twice",
            format!(
                "{}[complex.Thing.properties]\nA = {{ type = \"Int32\" }}\n",
                entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n")
            ),
            "Thing",
        ),
        (
            "a name with a blank",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n\"A b\" = { type = \"Int32\" }\n"),
            "A b",
        ),
        (
            "a name that begins with a digit",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n1a = { type = \"Int32\" }\n"),
            "1a",
        ),
        ("no key", entity("[properties]\nId = { type = \"Int32\" }\n"), "key"),
        (
            "a key that may be null",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\", nullable = true }\n"),
            "Id",
        ),
        (
            "a stream as a key",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Stream\" }\n"),
            "Id",
        ),
        (
            "a place as a key",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"GeographyPoint\" }\n"),
            "Id",
        ),
        (
            "a collection as a key",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Collection(Int32)\" }\n"),
            "Id",
        ),
        (
            "an unknown type",
            entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\nA = { type = \"Nope\" }\n"),
            "Nope",
        ),
        ("its own base", "entity = \"Thing\"\nbase = \"Thing\"\n".to_owned(), "Thing"),
    ];
    let fixture = Fixture::prepare(&[], &[], System::Sqlite)
        .expect("the fixture is good")
        .expect("it is here");
    let folder = fixture.plugins().join("bad");
    std::fs::create_dir_all(folder.join("schema")).expect("a folder can be made");
    let plugin = "name = \"bad\"\nendpoint = \"Bad\"\nversion = \"1\"\nauthor = \"the tests\"\ntitle = \"Bad\"\n";
    std::fs::write(folder.join("plugin.toml"), plugin).expect("a file can be written");
    for (what, text, named) in rows {
        std::fs::write(folder.join("schema/thing.toml"), &text).expect("a file can be written");
        let said = fixture.run(&["check"]).expect_err(what);
        assert!(said.contains("thing.toml") && said.contains(named), "{what}: {said}");
    }
    std::fs::write(
        folder.join("schema/thing.toml"),
        entity("key = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n"),
    )
    .expect("a file");
    fixture.run(&["check"]).expect("the same without a fault");
}
