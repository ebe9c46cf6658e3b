mod sketch;

use self::sketch::Sketch;
use super::*;
use crate::model::limits::{EXPRESSION_NODES, JOINS};
use crate::odata::filter::{filter, orderby};
use crate::odata::fixture::{set_id, shop, type_id};

fn bind(schema: &Schema, ty: &str, text: &str) -> Outcome<(Expr, Vec<Source>)> {
    let ty = type_id(schema, ty);
    let mut binder = Binder::new(schema, 0, ty, schema.set_of(0, ty));
    let expr = binder.filter(&filter(text)?)?;
    Ok((expr, binder.into_sources()))
}

fn check(ty: &str, rows: &[(&str, &str)]) {
    let schema = shop();
    for (text, expected) in rows {
        let (expr, _) = bind(&schema, ty, text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(Sketch(&schema).of(&expr), *expected, "{text}");
    }
}

#[test]
fn paths() {
    check(
        "Product",
        &[
            ("Category/CategoryName eq 'a'", "(eq:String 1.CategoryName String:'a')"),
            (
                "$it/Category/Parent/CategoryName eq Category/CategoryName",
                "(eq:String 2.CategoryName 1.CategoryName)",
            ),
            ("SupplierAddress/City eq 'a'", "(eq:String 0.SupplierAddress/City String:'a')"),
            (
                "SupplierAddress/Country/Code eq 'a'",
                "(eq:String 0.SupplierAddress/Country/Code String:'a')",
            ),
            // FLT-22
            ("SupplierAddress eq null", "(null? 0.SupplierAddress/*)"),
            ("null ne SupplierAddress/Country", "(not (null? 0.SupplierAddress/Country/*))"),
            ("Category eq null", "(not (exists 1))"),
            ("Category ne null", "(not (not (exists 1)))"),
            ("$it ne null", "(not false)"),
            // FLT-65
            (
                "length eq length(ProductName)",
                "(eq:Int32 0.length (length[String] 0.ProductName))",
            ),
            // Casts: a derived type's own column is null elsewhere, everything else is guarded.
            ("Shop.Product/ProductName eq 'a'", "(eq:String 0.ProductName String:'a')"),
            ("Shop.DerivedProduct/Level eq 1", "(eq:Int32 0.Level Int32:1)"),
            (
                "Shop.DerivedProduct/ProductID eq 1",
                "(or (and (is 0 DerivedProduct) (eq:Int32 0.ProductID Int32:1)) (and (not (is 0 DerivedProduct)) null))",
            ),
            (
                "Shop.DerivedProduct/ProductName eq null",
                "(or (not (is 0 DerivedProduct)) (null? 0.ProductName))",
            ),
            (
                "Shop.DerivedProduct/Category ne null",
                "(not (not (and (exists 1) (is 0 DerivedProduct))))",
            ),
            (
                "Category/Shop.DerivedCategory/DerivedCategoryName eq 'a'",
                "(eq:String 1.DerivedCategoryName String:'a')",
            ),
            (
                "Category/Shop.DerivedCategory eq null",
                "(not (and (exists 1) (is 1 DerivedCategory)))",
            ),
            // One source for each path, whatever the cast.
            (
                "Category/CategoryID eq Shop.DerivedProduct/Category/CategoryID",
                "(or (and (is 0 DerivedProduct) (eq:Int32 1.CategoryID 1.CategoryID)) (and (not (is 0 DerivedProduct)) null))",
            ),
        ],
    );
    check(
        "DerivedProduct",
        &[
            ("Shop.DerivedProduct/ProductID eq 1", "(eq:Int32 0.ProductID Int32:1)"),
            ("Level eq 1", "(eq:Int32 0.Level Int32:1)"),
        ],
    );
    // FLT-25
    check(
        "Bag",
        &[
            ("Color eq 'red'", "(eq:String 0?Color:String String:'red')"),
            ("Color eq null", "(null? 0?Color:*)"),
            ("Color add 1 eq 2", "(eq:Double (add:Double 0?Color:Double Double:1) Double:2)"),
            ("Color ge 2.5m", "(ge:Decimal 0?Color:Decimal Decimal:'2.5')"),
            ("Color", "0?Color:Boolean"),
            (
                "Color eq Other",
                "(or (eq:Double 0?Color:Double 0?Other:Double) (eq:String 0?Color:String 0?Other:String))",
            ),
            ("startswith(Color, 'r')", "(startswith[String] 0?Color:String String:'r')"),
            ("isof(Color, 'Edm.Int32')", "(not (null? 0?Color:Int32))"),
            ("Color/Inside eq 1", "null"),
        ],
    );
}

#[test]
fn types_meet() {
    check(
        "Product",
        &[
            // FLT-40, FLT-48
            ("UnitsInStock eq Grade", "(eq:Int32 0.UnitsInStock 0.Grade)"),
            ("UnitsInStock add 1 gt 5L", "(gt:Int64 (add:Int32 0.UnitsInStock Int32:1) Int64:5)"),
            ("Weight gt 5", "(gt:Double 0.Weight Double:5)"),
            ("Width lt Weight", "(lt:Double 0.Width 0.Weight)"),
            ("Width eq 1.5", "(eq:Double 0.Width Double:1.5)"),
            ("Width eq 2", "(eq:Single 0.Width Single:2)"),
            // FLT-42
            ("UnitPrice gt 10.5", "(gt:Decimal 0.UnitPrice Decimal:'10.5')"),
            ("10 le UnitPrice", "(le:Decimal Decimal:'10' 0.UnitPrice)"),
            (
                "UnitPrice mul 1.1 gt UnitsInStock",
                "(gt:Decimal (mul:Decimal 0.UnitPrice Decimal:'1.1') 0.UnitsInStock)",
            ),
            // LIT-2
            ("ProductID eq 99999999999", "(eq:Int64 0.ProductID Int64:99999999999)"),
            (
                "UnitPrice lt 99999999999999999999",
                "(lt:Decimal 0.UnitPrice Decimal:'99999999999999999999')",
            ),
            ("UnitPrice eq 5.00m", "(eq:Decimal 0.UnitPrice Decimal:'5.00')"),
            ("-UnitsInStock eq -1", "(eq:Int32 (neg 0.UnitsInStock) Int32:-1)"),
            ("1 eq 1 eq true", "(eq (eq:Int32 Int32:1 Int32:1) true)"),
            ("Discontinued ge false", "(ge 0.Discontinued false)"),
            // FLT-30, FLT-31, FLT-34, FLT-35
            ("null eq null", "true"),
            ("null ne null", "false"),
            ("ProductName eq null", "(null? 0.ProductName)"),
            ("null ne ProductName", "(not (null? 0.ProductName))"),
            ("ProductName gt null", "false"),
            ("Discontinued or null", "(or 0.Discontinued null)"),
            ("UnitsInStock add null eq 1", "(eq:Int32 null Int32:1)"),
            ("UnitPrice mul null eq null", "(null? null)"),
            // FLT-33
            ("not Sealed", "(not 0.Sealed)"),
            ("not Discontinued", "(or (null? 0.Discontinued) (not 0.Discontinued))"),
            ("not (UnitPrice eq 5m)", "(not (eq:Decimal 0.UnitPrice Decimal:'5'))"),
            ("not Shop.DerivedProduct/Sealed", "(or (not (is 0 DerivedProduct)) (not 0.Sealed))"),
        ],
    );
}

#[test]
fn calls() {
    check(
        "Product",
        &[
            ("substringof('a',ProductName)", "(substringof[String] String:'a' 0.ProductName)"),
            (
                "startswith(ProductName,'a') eq true",
                "(eq (startswith[String] 0.ProductName String:'a') true)",
            ),
            (
                "substring(ProductName,1) eq ''",
                "(eq:String (substring[String] 0.ProductName Int64:1) String:'')",
            ),
            ("round(1.5) eq 2", "(eq:Double (round[Double] Double:1.5) Double:2)"),
            ("floor(UnitPrice) eq 5", "(eq:Decimal (floor[Decimal] 0.UnitPrice) Decimal:'5')"),
            ("floor(Width) eq 5", "(eq:Double (floor[Double] 0.Width) Double:5)"),
            (
                "ceiling(UnitsInStock) eq 5",
                "(eq:Double (ceiling[Double] 0.UnitsInStock) Double:5)",
            ),
            (
                "year(DiscontinuedOffset) eq 1",
                "(eq:Int32 (year[DateTimeOffset] 0.DiscontinuedOffset) Int32:1)",
            ),
            (
                "hour(DiscontinuedSince) eq 1",
                "(eq:Int32 (hour[Time] 0.DiscontinuedSince) Int32:1)",
            ),
            // FLT-36, FLT-64
            ("length(null) eq 1", "(eq:Int32 null Int32:1)"),
            ("substringof(null,ProductName)", "null"),
            // FLT-61
            ("isof('Shop.DerivedProduct')", "(is 0 DerivedProduct)"),
            ("isof(Shop.Product)", "true"),
            ("isof(Shop.Supplier)", "false"),
            ("isof(Category,Shop.DerivedCategory)", "(and (exists 1) (is 1 DerivedCategory))"),
            ("isof(Category,'Shop.Category')", "(exists 1)"),
            ("isof(ProductName,Edm.String)", "(not (null? 0.ProductName))"),
            ("isof(ProductName,'Edm.Int32')", "false"),
            ("isof(SupplierAddress,'Shop.Address')", "(not (null? 0.SupplierAddress/*))"),
            // FLT-62
            ("cast('Shop.DerivedProduct') ne null", "(not (not (is 0 DerivedProduct)))"),
            ("cast('Shop.DerivedProduct')/Level eq 1", "(eq:Int32 0.Level Int32:1)"),
            (
                "cast(Category,'Shop.DerivedCategory')/DerivedCategoryName eq 'a'",
                "(eq:String 1.DerivedCategoryName String:'a')",
            ),
            ("cast(UnitPrice,Edm.Int32) eq 1", "(eq:Int32 (cast 0.UnitPrice Int32) Int32:1)"),
            ("cast(ProductName,'Edm.String') eq 'a'", "(eq:String 0.ProductName String:'a')"),
            ("cast(Barcode,'Edm.Int32') ne null", "(not (null? null))"),
            ("cast(null,'Edm.Int32') eq 1", "(eq:Int32 null Int32:1)"),
        ],
    );
}

#[test]
fn lambdas() {
    let schema = shop();
    for (ty, text, expected, sources) in [
        ("Category", "Products/any()", "(any 1 [])", "1<0n"),
        (
            "Category",
            "Products/any(p: p/UnitsInStock gt 1)",
            "(any 1 [] (gt:Int32 1.UnitsInStock Int32:1))",
            "1<0n",
        ),
        (
            "Product",
            "Category/Products/all(p: p/ProductID eq ProductID)",
            "(all 2 [] (eq:Int32 2.ProductID 0.ProductID))",
            "1<0 2<1n",
        ),
        // To-one from the variable joins inside, from the outer row outside.
        (
            "Category",
            "Products/any(p: p/Supplier/Company eq Parent/CategoryName)",
            "(any 1 [2] (eq:String 2.Company 3.CategoryName))",
            "1<0n 2<1n 3<0",
        ),
        (
            "Category",
            "Products/any(p: Products/any(q: q/Category/CategoryID eq p/Category/CategoryID and p/Category/ParentID eq 1))",
            "(any 1 [4] (any 2 [3] (and (eq:Int32 3.CategoryID 4.CategoryID) (eq:Int32 4.ParentID Int32:1))))",
            "1<0n 2<0n 3<2n 4<1n",
        ),
        (
            "Category",
            "Products/any(p: p/Category ne null)",
            "(any 1 [2] (not (not (exists 2))))",
            "1<0n 2<1n",
        ),
        ("Category", "Products/any(p: p ne null)", "(any 1 [] (not false))", "1<0n"),
        (
            "Category",
            "Products/any(p: $it/CategoryID eq 1)",
            "(any 1 [] (eq:Int32 0.CategoryID Int32:1))",
            "1<0n",
        ),
        // FLT-74
        (
            "Category",
            "Products/Shop.DerivedProduct/any(p: p/ProductID eq p/Level)",
            "(any 1 [] (and (is 1 DerivedProduct) (eq:Int32 1.ProductID 1.Level)))",
            "1<0n",
        ),
        (
            "Category",
            "Products/Shop.DerivedProduct/any()",
            "(any 1 [] (is 1 DerivedProduct))",
            "1<0n",
        ),
        (
            "Category",
            "Products/Shop.DerivedProduct/all(p: p/Level eq 1)",
            "(all 1 [] (or (not (is 1 DerivedProduct)) (eq:Int32 1.Level Int32:1)))",
            "1<0n",
        ),
        (
            "Product",
            "Shop.DerivedProduct/Parts/any()",
            "(and (is 0 DerivedProduct) (any 1 []))",
            "1<0n",
        ),
        // FLT-71
        (
            "Product",
            "AlternateIDs/any(n: n eq 42)",
            "(any 0.AlternateIDs item0 (eq:Int32 item0 Int32:42))",
            "",
        ),
        (
            "Product",
            "AlternateAddresses/all(a: a/Lines/any(l: l eq a/City)) or AlternateIDs/any()",
            "(or (all 0.AlternateAddresses item0 (any item0/Lines item1 (eq:String item1 item0/City))) (any 0.AlternateIDs item2))",
            "",
        ),
        (
            "Product",
            "SupplierAddress/Lines/any(l: length(l) gt 1)",
            "(any 0.SupplierAddress/Lines item0 (gt:Int32 (length[String] item0) Int32:1))",
            "",
        ),
        (
            "Product",
            "AlternateAddresses/any(a: a/Country eq null)",
            "(any 0.AlternateAddresses item0 (null? item0/Country/*))",
            "",
        ),
    ] {
        let (expr, found) = bind(&schema, ty, text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(Sketch(&schema).of(&expr), expected, "{text}");
        let join = |(i, source): (usize, &Source)| {
            source
                .join
                .map(|join| format!("{i}<{}{}", join.0, if source.nested { "n" } else { "" }))
        };
        let joins: Vec<String> = found.iter().enumerate().filter_map(join).collect();
        assert_eq!(joins.join(" "), sources, "{text}");
    }
}

#[test]
fn faults_name_the_place() {
    let schema = shop();
    for (text, position) in [
        // FLT-14, FLT-15
        ("ProductName", 0),
        ("'x'", 0),
        ("Category", 0),
        ("ProductName and true", 12),
        ("not ProductName", 0),
        ("true and Nope eq 1", 9),
        ("productname eq 'x'", 0),
        ("Category/Nope eq 1", 9),
        ("ProductName/Nope eq 1", 12),
        ("SupplierAddress/Nope eq 1", 16),
        ("Secret eq 'x'", 0),
        ("Category/Shop.Nope/X eq 1", 9),
        ("Shop.Supplier/Company eq 'a'", 0),
        // FLT-20, FLT-22, FLT-23
        ("Category/Products/ProductName eq 'a'", 18),
        ("Category/Products eq null", 18),
        ("AlternateIDs eq 1", 13),
        ("AlternateIDs/Nope eq 1", 13),
        ("SupplierAddress eq SupplierAddress", 16),
        ("Category eq Category", 9),
        ("Category gt null", 9),
        ("Picture eq null", 0),
        ("Place eq Place", 6),
        // FLT-41, FLT-46
        ("UnitPrice eq Weight", 10),
        ("UnitPrice eq 1.5d", 10),
        ("UnitPrice eq 1.5f", 10),
        ("ProductName eq 1", 12),
        ("DiscontinuedDate eq DiscontinuedOffset", 17),
        ("DiscontinuedDate eq 'x'", 17),
        ("Barcode gt Barcode", 8),
        ("Discontinued eq 1", 13),
        ("ProductName add 'x' eq 'y'", 12),
        ("DiscontinuedDate add 1 eq null", 17),
        ("DiscontinuedSince sub DiscontinuedSince eq null", 18),
        ("-ProductName eq 1", 0),
        ("ProductID eq 999999999999999999999999999999", 13),
        // FLT-64
        ("nope(ProductName)", 0),
        ("LENGTH(ProductName) eq 1", 0),
        ("substringof(ProductName)", 0),
        ("length(5) eq 1", 0),
        ("year('x') eq 1", 0),
        ("length(Category) eq 1", 0),
        ("substring(ProductName,1.5) eq 'x'", 0),
        ("round(ProductName) eq 1", 0),
        ("isof()", 0),
        ("isof('Shop.Nope')", 5),
        ("isof(ProductName,Edm.Nope)", 17),
        ("isof(ProductName,1)", 17),
        ("cast(Category,'Edm.Int32') eq 1", 0),
        ("cast(ProductID,'Edm.Stream') eq null", 0),
        ("cast('Shop.Supplier') ne null", 0),
        // FLT-71, FLT-73
        ("Category/any()", 0),
        ("ProductName/any()", 0),
        ("AlternateIDs/any(n: n)", 20),
        ("AlternateIDs/any(n: n/City eq 'a')", 22),
        ("AlternateIDs/any(n: AlternateIDs/any(n: n eq 1))", 37),
        ("AlternateIDs/any(n: n eq 1) and n eq 1", 32),
    ] {
        let fault = bind(&schema, "Product", text).err().unwrap_or_else(|| panic!("{text} binds"));
        assert_eq!((fault.kind.code, fault.position), ("bad_filter", Some(position)), "{text}: {fault}");
        assert!(fault.message.ends_with(&format!(" at position {position}.")), "{text}: {fault}");
    }
}

#[test]
fn order() {
    let schema = shop();
    let order = |text: &str| {
        let ty = type_id(&schema, "Product");
        let mut binder = Binder::new(&schema, 0, ty, Some(set_id(&schema, "Products")));
        binder.order(&orderby(text)?)
    };
    let items = order("Category/CategoryName desc,length(ProductName),ProductName ne 'a',UnitPrice,UnitPrice").unwrap();
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("{} {}", Sketch(&schema).of(&item.expr), item.descending))
        .collect();
    let expected = [
        "1.CategoryName true",
        "(length[String] 0.ProductName) false",
        "(ne:String 0.ProductName String:'a') false",
        "0.UnitPrice false",
        "0.UnitPrice false",
    ];
    assert_eq!(items, expected);
    for constant in ["1", "'a'", "true", "null eq null", "length(null)", "1,'a',true"] {
        assert_eq!(order(constant).map(|items| items.len()).ok(), Some(0), "{constant}");
    }
    // ORD-3
    for text in [
        "SupplierAddress",
        "AlternateIDs",
        "Picture",
        "Barcode",
        "Place",
        "Category",
        "Category/Products",
        "null",
        "Nope",
    ] {
        let fault = order(text).err().unwrap_or_else(|| panic!("{text} binds"));
        assert_eq!(fault.kind.code, "bad_orderby", "{text}: {fault}");
        assert!(fault.position.is_some(), "{text}");
    }
}

#[test]
fn limits() {
    let schema = shop();
    let code = |text: &str| bind(&schema, "Category", text).err().map(|fault| fault.kind.code);
    let path = |steps: usize| format!("{}CategoryID eq 1", "Parent/".repeat(steps));
    assert_eq!(code(&path(JOINS)), None);
    assert_eq!(code(&path(JOINS + 1)), Some("limit_exceeded"));
    let lambdas = |count: usize| vec!["Products/any()"; count].join(" or ");
    assert_eq!(code(&lambdas(JOINS)), None);
    assert_eq!(code(&lambdas(JOINS + 1)), Some("limit_exceeded"));
    // The same path again costs nothing; the longest chain does not exhaust the stack.
    let chain = vec!["Parent/CategoryID eq 1"; EXPRESSION_NODES / 4].join(" and ");
    assert_eq!(code(&chain), None);
}

/// Filters of the public vectors on the models that the fixture has bind or not, as they should.
#[test]
fn vectors() {
    let path = format!("{}/../shared/vectors/webapi-v3-filters.jsonl", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: no vectors");
        return;
    };
    let schema = shop();
    let mut seen = [0, 0];
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (Some(input), Some(model)) = (row["input"].as_str(), row["model"].as_str()) else {
            continue;
        };
        if !matches!(model, "Product" | "DerivedProduct" | "DataTypes") {
            continue;
        }
        let input = input.replace("System.Web.Http.OData.Query.Expressions.", "Shop.");
        let bound = bind(&schema, model, &input);
        match row["kind"].as_str() {
            Some("filter-valid") => {
                assert!(bound.is_ok(), "{input}: {:?}", bound.err());
                seen[0] += 1;
            }
            Some("filter-invalid") => {
                assert_eq!(bound.err().map(|fault| fault.kind.code), Some("bad_filter"), "{input}");
                seen[1] += 1;
            }
            _ => {}
        }
    }
    assert!(seen[0] > 200 && seen[1] > 10, "{seen:?}");
}
