use std::collections::HashMap;

use super::*;
use crate::model::schema::{
    AssociationEnd, Constraint, Container, Endpoint, EntitySet, Multiplicity, Operation, Parameter, Property, Table,
};
use crate::odata::csdl;

fn property(name: &str, ty: Type) -> Property {
    Property {
        name: name.to_owned(),
        ty,
        nullable: false,
        facets: Facets::default(),
        column: name.to_lowercase(),
        default: None,
        read_only: false,
        write_only: false,
        hashed: false,
        generated: false,
        by_default: false,
        concurrency: false,
        unique: false,
        indexed: false,
        attributes: Vec::new(),
    }
}

fn entity(name: &str, id: TypeId) -> EntityType {
    EntityType {
        name: name.to_owned(),
        namespace: "N".to_owned(),
        base: None,
        root: id,
        family: vec![id],
        is_abstract: false,
        is_open: false,
        has_stream: false,
        key: vec![0],
        row_key: vec![0],
        properties: vec![property("Id", Type::Primitive(Edm::Int32))],
        own_properties: 0,
        navigations: Vec::new(),
        own_navigations: 0,
        table: None,
        tenant: None,
        frame: false,
        security: false,
        shared: false,
        rows: Vec::new(),
        jobs: Default::default(),
        attributes: Vec::new(),
    }
}

fn set(name: &str, entity_type: TypeId) -> EntitySet {
    EntitySet {
        name: name.to_owned(),
        endpoint: 0,
        container: 0,
        entity_type,
        page_size: None,
        read_only: false,
        targets: HashMap::new(),
    }
}

fn end(role: &str, entity_type: TypeId, multiplicity: Multiplicity) -> AssociationEnd {
    AssociationEnd {
        role: role.to_owned(),
        entity_type,
        multiplicity,
        cascade: false,
    }
}

/// Order (with a derived Rush) to one Customer, and back.
fn shop() -> Schema {
    let navigation = |name: &str, target, multiplicity, from_end| Navigation {
        name: name.to_owned(),
        target,
        multiplicity,
        association: 0,
        from_end,
        join: None,
        contains_target: false,
    };
    let mut order = entity("Order", 0);
    order.family = vec![0, 2];
    order.navigations.push(navigation("Customer", 1, Multiplicity::One, 0));
    let mut customer = entity("Customer", 1);
    customer.navigations.push(navigation("Orders", 0, Multiplicity::Many, 1));
    let mut rush = entity("Rush", 2);
    rush.base = Some(0);
    rush.root = 0;
    rush.own_properties = 1;
    rush.navigations = order.navigations.clone();
    rush.own_navigations = 1;
    Schema {
        endpoints: vec![Endpoint {
            name: "Shop".to_owned(),
            namespace: "N".to_owned(),
            title: String::new(),
            containers: vec![Container {
                namespace: "Default".to_owned(),
                name: "Shop".to_owned(),
            }],
            sets: vec![0, 1],
            types: vec![0, 1, 2],
            complex: Vec::new(),
            operations: Vec::new(),
            association_sets: Vec::new(),
            ignores_unknown_arguments: false,
            permission_prefix: String::new(),
            set_names: HashMap::new(),
        }],
        types: vec![order, customer, rush],
        complex: Vec::new(),
        sets: vec![set("Orders", 0), set("Customers", 1)],
        associations: vec![Association {
            name: "Order_Customer".to_owned(),
            namespace: "N".to_owned(),
            ends: [end("Orders", 0, Multiplicity::Many), end("Customer", 1, Multiplicity::One)],
            constraint: Some(Constraint {
                principal: 1,
                principal_properties: vec!["Id".to_owned()],
                dependent_properties: vec!["Id".to_owned()],
            }),
        }],
        tables: Vec::<Table>::new(),
    }
}

fn read(schema: &Schema) -> csdl::Document {
    let bytes = write(schema, 0);
    let document = csdl::read(&bytes).expect("it is CSDL");
    assert_eq!(document.dropped, [], "{}", String::from_utf8_lossy(&bytes));
    document
}

#[test]
fn a_whole_document() {
    let text = String::from_utf8(write(&shop(), 0)).expect("it is UTF-8");
    let expected = r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
  <edmx:DataServices m:DataServiceVersion="1.0" m:MaxDataServiceVersion="3.0" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" xmlns:annotation="http://schemas.microsoft.com/ado/2009/02/edm/annotation">
    <Schema Namespace="N" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
      <EntityType Name="Order">
        <Key>
          <PropertyRef Name="Id" />
        </Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false" />
        <NavigationProperty Name="Customer" Relationship="N.Order_Customer" FromRole="Orders" ToRole="Customer" />
      </EntityType>
      <EntityType Name="Customer">
        <Key>
          <PropertyRef Name="Id" />
        </Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false" />
        <NavigationProperty Name="Orders" Relationship="N.Order_Customer" FromRole="Customer" ToRole="Orders" />
      </EntityType>
      <EntityType Name="Rush" BaseType="N.Order" />
      <Association Name="Order_Customer">
        <End Type="N.Order" Role="Orders" Multiplicity="*" />
        <End Type="N.Customer" Role="Customer" Multiplicity="1" />
        <ReferentialConstraint>
          <Principal Role="Customer">
            <PropertyRef Name="Id" />
          </Principal>
          <Dependent Role="Orders">
            <PropertyRef Name="Id" />
          </Dependent>
        </ReferentialConstraint>
      </Association>
    </Schema>
    <Schema Namespace="Default" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
      <EntityContainer Name="Shop" m:IsDefaultEntityContainer="true">
        <EntitySet Name="Orders" EntityType="N.Order" />
        <EntitySet Name="Customers" EntityType="N.Customer" />
        <AssociationSet Name="Order_CustomerSet" Association="N.Order_Customer">
          <End Role="Orders" EntitySet="Orders" />
          <End Role="Customer" EntitySet="Customers" />
        </AssociationSet>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"#;
    assert_eq!(text, expected);
}

/// MET-4: each change alone, and the version it needs.
#[test]
fn the_lowest_version_that_carries_it() {
    type Change = fn(&mut Schema);
    fn operation() -> Operation {
        Operation {
            name: "F".to_owned(),
            container: 0,
            http_method: Some("GET".to_owned()),
            bindable: None,
            side_effecting: None,
            composable: None,
            always_bindable: None,
            result: Some(Type::Collection(Box::new(Type::Entity(0)))),
            set: Some(0),
            set_path: None,
            parameters: Vec::new(),
            behaviour: Default::default(),
            job: None,
        }
    }
    fn mapping(schema: &mut Schema, ty: TypeId, keep: &str) {
        let attribute = |name: &str, value: &str| Attribute {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let attributes = [
            attribute("m:FC_TargetPath", "SyndicationTitle"),
            attribute("m:FC_KeepInContent", keep),
        ];
        schema.types[ty].attributes.extend(attributes);
    }
    fn add(schema: &mut Schema, ty: Type) {
        schema.types[0].properties.push(property("P", ty));
    }
    let rows: &[(&str, Change, (u8, u8))] = &[
        ("nothing", |_| {}, (1, 0)),
        ("primitive", |schema| add(schema, Type::Primitive(Edm::DateTimeOffset)), (1, 0)),
        ("stream", |schema| add(schema, Type::Primitive(Edm::Stream)), (3, 0)),
        ("spatial", |schema| add(schema, Type::Primitive(Edm::GeometryPoint)), (3, 0)),
        (
            "collection",
            |schema| add(schema, Type::Collection(Box::new(Type::Primitive(Edm::Int32)))),
            (3, 0),
        ),
        ("mapping", |schema| mapping(schema, 1, "true"), (1, 0)),
        ("mapping away", |schema| mapping(schema, 1, "false"), (2, 0)),
        ("mapping of a derived type", |schema| mapping(schema, 2, "true"), (3, 0)),
        (
            "service operation",
            |schema| schema.endpoints[0].operations.push(operation()),
            (1, 0),
        ),
        (
            "action",
            |schema| {
                schema.endpoints[0].operations.push(Operation {
                    http_method: None,
                    ..operation()
                })
            },
            (3, 0),
        ),
        (
            "set path",
            |schema| {
                schema.endpoints[0].operations.push(Operation {
                    set_path: Some("p".to_owned()),
                    ..operation()
                })
            },
            (3, 0),
        ),
    ];
    for (name, change, version) in rows {
        let mut schema = shop();
        change(&mut schema);
        assert_eq!(data_service_version(&schema, 0), *version, "{name}");
        let expected = format!("{}.{}", version.0, version.1);
        assert_eq!(read(&schema).data_service_version, Some(expected), "{name}");
    }
}

/// Names from outside are escaped; what XML cannot hold is left out.
#[test]
fn text_is_escaped() {
    let mut schema = shop();
    let facets = &mut schema.types[0].properties[0].facets;
    facets.default_value = Some("<a> & \"b\" 'c' \u{1}\ttab\n".to_owned());
    let written = read(&schema);
    let expected = Some("<a> & \"b\" 'c' \ttab\n".to_owned());
    assert_eq!(written.schemas[0].entity_types[0].properties[0].facets.default_value, expected);
}

/// MET-32: with two sets of a type every pair has its own association set, each with its own name; those that the
/// schema names are the only ones of their association.
#[test]
fn association_sets() {
    let mut schema = shop();
    schema.sets.push(set("Archive", 0));
    schema.endpoints[0].sets.push(2);
    let sets = |schema: &Schema| -> Vec<String> {
        let document = read(schema);
        let sets = document.schemas[1].containers[0].association_sets.iter();
        sets.map(|set| format!("{} {} {}", set.name, set.ends[0].1, set.ends[1].1))
            .collect()
    };
    let expected = ["Order_CustomerSet Orders Customers", "Order_Customer_Archive Archive Customers"];
    assert_eq!(sets(&schema), expected);
    schema.endpoints[0].association_sets.push(crate::model::schema::AssociationSet {
        name: "Named".to_owned(),
        container: 0,
        association: 0,
        sets: [2, 1],
    });
    assert_eq!(sets(&schema), ["Named Archive Customers"]);
    schema.endpoints[0].association_sets.clear();
    schema.endpoints[0].sets.retain(|&set| set != 1);
    assert_eq!(sets(&schema), Vec::<String>::new());
}

/// A navigation to what the endpoint does not declare is not declared either; a generated key says so once.
#[test]
fn only_what_the_endpoint_declares() {
    let mut schema = shop();
    schema.endpoints[0].types = vec![0];
    schema.endpoints[0].sets = vec![0];
    schema.types[0].properties[0].generated = true;
    let document = read(&schema);
    let ty = &document.schemas[0].entity_types[0];
    assert_eq!(ty.navigations, []);
    assert_eq!(document.schemas[0].associations, []);
    assert_eq!(ty.properties[0].attributes.len(), 1);
    schema.types[0].properties[0].attributes = ty.properties[0].attributes.clone();
    assert_eq!(read(&schema), document);
}

/// MET-40: an attribute that was not given is not written.
#[test]
fn function_imports_say_what_was_said() {
    let mut schema = shop();
    let parameter = |name: &str, ty: Type| Parameter {
        name: name.to_owned(),
        ty,
        nullable: None,
        mode: None,
        facets: Facets::default(),
    };
    schema.endpoints[0].operations.push(Operation {
        name: "Cancel".to_owned(),
        container: 0,
        http_method: None,
        bindable: Some(true),
        side_effecting: None,
        composable: Some(false),
        always_bindable: Some(true),
        result: None,
        set: None,
        set_path: None,
        parameters: vec![
            parameter("it", Type::Entity(0)),
            parameter("all", Type::Collection(Box::new(Type::Primitive(Edm::Guid)))),
        ],
        behaviour: Default::default(),
        job: None,
    });
    let document = read(&schema);
    let import = &document.schemas[1].containers[0].function_imports[0];
    assert_eq!(
        (import.bindable, import.side_effecting, import.composable),
        (Some(true), None, Some(false))
    );
    assert_eq!(
        (import.always_bindable, &import.http_method, &import.result),
        (Some(true), &None, &None)
    );
    let types: Vec<_> = import.parameters.iter().map(|parameter| parameter.ty.as_str()).collect();
    assert_eq!(types, ["N.Order", "Collection(Edm.Guid)"]);
    assert!(
        import
            .parameters
            .iter()
            .all(|parameter| parameter.nullable.is_none() && parameter.mode.is_none())
    );
}
