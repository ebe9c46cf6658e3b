//! Models that captures are of and that no document among the material declares: what their entities show, in a line for each type.
//!
//! `Name < Base = Set: property Type, … -> Navigation Target, …`. A key is marked by `#`, what the ETag is made of by `!`, a navigation
//! to many by `*`, a set of media entities by `+`; a type without set and base is complex.

use std::fmt::Write as _;

use odonata::import;
use odonata::model::schema::Schema;
use odonata::plugin::{Source, load_sources};

/// Endpoint, namespace, types.
const MODELS: &[(&str, &str, &str)] = &[
    (
        "Recorded",
        "NorthwindModel",
        "Category = Categories: #CategoryID Int32, CategoryName String, Description String, Picture Binary -> Products Product*
        Product = Products: #ProductID Int32, ProductName String, EnglishName String, SupplierID Int32, CategoryID Int32, QuantityPerUnit String, UnitPrice Decimal, UnitsInStock Int16, UnitsOnOrder Int16, ReorderLevel Int16, Discontinued Boolean -> Category Category, OrderDetails OrderDetail*, Supplier Supplier
        Supplier = Suppliers: #SupplierID Int32
        Order = Orders: #OrderID Int32
        OrderDetail = Order_Details: #OrderID Int32, #ProductID Int32, UnitPrice Decimal, Quantity Int32, Discount Single -> Order Order, Product Product
        Transport = Transport: #TransportID Int32, TransportType Int32
        Ship < Transport: ShipName String
        Truck < Transport: TruckNumber String
        Address: City String, Region String, PostalCode String, Country String
        Employee = Employees: #EmployeeID Int32, FirstName String, LastName String, Title String, BirthDate DateTime, HireDate DateTime, Address String, City String, Region String, PostalCode String, Country String, HomePhone String, Extension String, Photo Binary, Notes String, ReportsTo Int32 -> Orders Order*, Subordinates Employee*, Superior Employee",
    ),
    (
        "WebApi",
        "System.Web.Http.OData.TestCommon.Models",
        "Address: StreetAddress String, City String, State String, ZipCode Int32
        PhoneNumber: CountryCode Int32, AreaCode Int32, Number Int32, PhoneType String
        IActivity: ActivityName String
        Person: Age Int32, Gender String, FirstName String, Alias Collection(String), Address Address, HomeNumber PhoneNumber, FavoriteHobby IActivity
        Employee = employees: #EmployeeId Int64, Age Int32, Gender String, FirstName String, Alias Collection(String), Address Address, HomeNumber PhoneNumber, FavoriteHobby IActivity -> Manager Employee, DirectReports Employee*, WorkItem WorkItem
        WorkItem = WorkItems: #ID Int32, EmployeeID Int32, IsCompleted Boolean, NumberOfHours Single",
    ),
    (
        "Formatter",
        "System.Web.Http.OData.Formatter",
        "FormatterOrder: OrderAmount Int32, OrderName String
        FormatterPerson = People: #PerId Int32, Age Int32, MyGuid Guid, Name String, Order FormatterOrder",
    ),
    (
        "OldDemo",
        "ODataDemo",
        "Address: Street String, City String, State String, ZipCode String, Country String
        Product = Products: #ID Int32, ReleaseDate DateTime, DiscontinuedDate DateTime, Rating Int32, Price Decimal -> Category Category, Supplier Supplier
        Category = Categories: #ID Int32
        Supplier = Suppliers: #ID Int32, Name String, Address Address, Concurrency! Int32 -> Products Product*",
    ),
    (
        "Reference",
        "RefScenario",
        "c_City: PostalCode String, CityName String
        c_Location: City c_City, Country String
        Employee = Employees+: #EmployeeId String, EmployeeName String, ManagerId String, RoomId String, TeamId String, Location c_Location, Age Int16, EntryDate DateTime, ImageUrl String -> ne_Manager Manager, ne_Team Team, ne_Room Room
        Manager < Employee = Managers:
        Room = Rooms: #Id String, Name String, Seats Int16, Version! Int16 -> nr_Employees Employee*, nr_Building Building
        Building = Buildings: #Id String, Name String, Image Binary -> nb_Rooms Room*
        Team = Teams: #Id String, Name String, isScrumTeam Boolean -> nt_Employees Employee*",
    ),
];

/// The schema of all of them and of the documents given by endpoint and content. Everything may be written.
pub fn schema(documents: &[(&str, Vec<u8>)]) -> Result<Schema, String> {
    let mut all: Vec<(&str, Vec<u8>)> = documents.to_vec();
    all.extend(
        MODELS
            .iter()
            .map(|(endpoint, namespace, types)| (*endpoint, document(namespace, types).into_bytes())),
    );
    let mut sources = Vec::new();
    for (endpoint, document) in &all {
        let (texts, _) = import::convert(document, endpoint).map_err(|fault| format!("{endpoint}: {}", fault.message))?;
        let files = texts.into_iter().map(|(name, text)| (format!("{endpoint}/{name}"), text));
        sources.push(Source { files: files.collect() });
    }
    let mut schema = load_sources(sources).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    for property in schema.types.iter_mut().flat_map(|ty| &mut ty.properties) {
        (property.read_only, property.generated) = (false, false);
    }
    Ok(schema)
}

/// The CSDL of a model.
fn document(namespace: &str, types: &str) -> String {
    let mut out = format!(
        "<edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\">\
         <edmx:DataServices xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" m:DataServiceVersion=\"3.0\">\
         <Schema Namespace=\"{namespace}\" xmlns=\"http://schemas.microsoft.com/ado/2009/11/edm\">"
    );
    let (mut associations, mut sets) = (String::new(), String::new());
    for line in types.lines() {
        let (head, body) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
        let (head, set) = head.split_once(" = ").unwrap_or((head, ""));
        let (name, base) = head.split_once(" < ").unwrap_or((head, ""));
        let (properties, navigations) = body.trim().split_once(" -> ").unwrap_or((body.trim(), ""));
        let element = if set.is_empty() && base.is_empty() {
            "ComplexType"
        } else {
            "EntityType"
        };
        let _ = write!(out, "<{element} Name=\"{name}\"");
        if !base.is_empty() {
            let _ = write!(out, " BaseType=\"{namespace}.{base}\"");
        }
        if set.ends_with('+') {
            out.push_str(" m:HasStream=\"true\"");
        }
        out.push('>');
        let keys: Vec<&str> = properties.split(", ").filter_map(|property| property.strip_prefix('#')).collect();
        if !keys.is_empty() {
            let refs = keys
                .iter()
                .map(|key| format!("<PropertyRef Name=\"{}\"/>", key.split(' ').next().unwrap_or_default()));
            let _ = write!(out, "<Key>{}</Key>", refs.collect::<String>());
        }
        for property in properties.split(", ").filter(|property| !property.is_empty()) {
            let (property, ty) = property.trim_start_matches('#').split_once(' ').unwrap_or((property, ""));
            let nullable = !keys.iter().any(|key| key.split(' ').next() == Some(property)) && !ty.starts_with("Collection");
            let mode = if property.ends_with('!') { "Fixed" } else { "None" };
            let property = property.trim_end_matches('!');
            let _ = write!(
                out,
                "<Property Name=\"{property}\" Type=\"{}\" Nullable=\"{nullable}\" ConcurrencyMode=\"{mode}\"/>",
                type_name(namespace, types, ty)
            );
        }
        for navigation in navigations.split(", ").filter(|navigation| !navigation.is_empty()) {
            let (navigation, target) = navigation.split_once(' ').unwrap_or((navigation, ""));
            let multiplicity = if target.ends_with('*') { "*" } else { "0..1" };
            let target = target.trim_end_matches('*');
            let _ = write!(
                out,
                "<NavigationProperty Name=\"{navigation}\" Relationship=\"{namespace}.{name}_{navigation}\" FromRole=\"From\" ToRole=\"To\"/>"
            );
            let _ = write!(
                associations,
                "<Association Name=\"{name}_{navigation}\"><End Role=\"From\" Type=\"{namespace}.{name}\" Multiplicity=\"*\"/>\
                 <End Role=\"To\" Type=\"{namespace}.{target}\" Multiplicity=\"{multiplicity}\"/></Association>"
            );
        }
        let _ = write!(out, "</{element}>");
        if !set.is_empty() {
            let set = set.trim_end_matches('+');
            let _ = write!(sets, "<EntitySet Name=\"{set}\" EntityType=\"{namespace}.{name}\"/>");
        }
    }
    let _ = write!(
        out,
        "{associations}<EntityContainer Name=\"Container\" m:IsDefaultEntityContainer=\"true\">{sets}</EntityContainer>\
         </Schema></edmx:DataServices></edmx:Edmx>"
    );
    out
}

fn type_name(namespace: &str, types: &str, ty: &str) -> String {
    if let Some(item) = ty.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')) {
        return format!("Collection({})", type_name(namespace, types, item));
    }
    let is_declared = types.lines().any(|line| line.trim().starts_with(&format!("{ty}:")));
    if is_declared {
        format!("{namespace}.{ty}")
    } else {
        format!("Edm.{ty}")
    }
}
