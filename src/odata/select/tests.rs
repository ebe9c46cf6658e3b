use super::*;
use crate::odata::fixture::{set_id, shop, type_id};

fn read(select: &str, expand: &str) -> Outcome<Shape> {
    let schema = shop();
    let some = |text: &'static str| (!text.is_empty()).then_some(text);
    let (select, expand) = (select.to_owned().leak(), expand.to_owned().leak());
    shape(
        &schema,
        0,
        type_id(&schema, "Product"),
        Some(set_id(&schema, "Products")),
        some(select),
        some(expand),
    )
}

/// `properties|links|expand(...)`; `*` is all.
fn sketch(schema: &Schema, shape: &Shape) -> String {
    let names = |names: &Option<Vec<String>>| names.as_ref().map_or("*".to_owned(), |names| names.join(","));
    let expand: Vec<String> = shape
        .expand
        .iter()
        .map(|expand| {
            let name = &schema.types[expand.ty].navigations[expand.navigation].name;
            format!("{name}({})", sketch(schema, &expand.shape))
        })
        .collect();
    format!("{}|{}|{}", names(&shape.properties), names(&shape.links), expand.join(","))
}

#[test]
fn shapes() {
    let schema = shop();
    for (select, expand, expected) in [
        ("", "", "*|*|"),
        ("ProductName,Category", "", "ProductName|Category|"),
        ("ProductName, Category", "Category", "ProductName|Category|Category(*|*|)"),
        // SEL-5
        ("ProductName,*", "", "*|*|"),
        ("*", "Category", "*|*|Category(*|*|)"),
        // SEL-4, SEL-7
        ("Category", "", "|Category|"),
        ("ProductName", "Category", "ProductName||"),
        ("Category/CategoryName", "Category", "|Category|Category(CategoryName||)"),
        ("Category/*", "Category", "|Category|Category(*|*|)"),
        ("Category,Category/CategoryName", "Category", "|Category|Category(*|*|)"),
        (
            "Category/Products/ProductName",
            "Category/Products,Supplier",
            "|Category|Category(|Products|Products(ProductName||))",
        ),
        // EXP-1, EXP-2, EXP-7
        (
            "",
            "Category,Category/Products, Supplier",
            "*|*|Category(*|*|Products(*|*|)),Supplier(*|*|)",
        ),
        ("", "Category/Products/Category", "*|*|Category(*|*|Products(*|*|Category(*|*|)))"),
        (
            "",
            "Shop.DerivedProduct/Parts,Shop.DerivedProduct/Category,Category",
            "*|*|Parts(*|*|),Category(*|*|)",
        ),
        ("Shop.DerivedProduct/DerivedProductName", "", "DerivedProductName||"),
        (
            "Shop.DerivedProduct/Parts/ProductName",
            "Shop.DerivedProduct/Parts",
            "|Parts|Parts(ProductName||)",
        ),
        ("ProductName,Container.*,Discount,Shop.Container.Discount", "", "ProductName||"),
    ] {
        let shape = read(select, expand).unwrap_or_else(|fault| panic!("{select} {expand}: {fault}"));
        assert_eq!(sketch(&schema, &shape), expected, "$select={select} $expand={expand}");
    }
}

#[test]
fn faults_name_the_place() {
    for (select, expand, position) in [
        ("Nope", "", 0),
        ("ProductName, nope", "", 13),
        ("ProductName,", "", 12),
        (",ProductName", "", 0),
        ("SupplierAddress/City", "", 16),
        ("*/ProductName", "", 2),
        ("Category/CategoryName", "", 0),
        ("Category/Nope", "Category", 9),
        ("Shop.DerivedProduct", "", 0),
        ("Shop.Supplier/Company", "", 0),
        ("DerivedProductName", "", 0),
        ("Other.*", "", 0),
        ("", "ProductName", 0),
        ("", "SupplierAddress", 0),
        ("", "Category,*", 9),
        ("", "Category,,Supplier", 9),
        ("", "Category/", 9),
        ("", "Shop.DerivedProduct", 0),
        ("", "Parts", 0),
    ] {
        let fault = read(select, expand).err().unwrap_or_else(|| panic!("{select} {expand}"));
        assert_eq!(
            (fault.kind.code, fault.position),
            ("bad_select", Some(position)),
            "{select} {expand}: {fault}"
        );
    }
}

#[test]
fn limits() {
    let code = |select: &str, expand: &str| read(select, expand).err().map(|fault| fault.kind.code);
    let deep = |levels: usize| format!("Category{}", "/Parent".repeat(levels - 1));
    assert_eq!(code("", &deep(EXPAND_DEPTH)), None);
    assert_eq!(code("", &deep(EXPAND_DEPTH + 1)), Some("limit_exceeded"));
    // Each path adds one navigation to those before it.
    let mut wide = vec!["Category".to_owned()];
    let mut next = 0;
    while wide.len() <= EXPAND_ITEMS {
        let path = wide[next].clone();
        let names: &[&str] = match path.rsplit('/').next() {
            Some("Category" | "Parent") => &["Parent", "Product", "Products", "EnumerableProducts"],
            Some("Supplier") => &[],
            _ => &["Category", "Supplier"],
        };
        wide.extend(names.iter().map(|name| format!("{path}/{name}")));
        next += 1;
    }
    assert_eq!(code("", &wide[..EXPAND_ITEMS].join(",")), None);
    assert_eq!(code("", &wide[..=EXPAND_ITEMS].join(",")), Some("limit_exceeded"));
    let names = |count: usize| vec!["ProductName"; count].join(",");
    assert_eq!(code(&names(SELECT_ITEMS), ""), None);
    assert_eq!(code(&names(SELECT_ITEMS + 1), ""), Some("limit_exceeded"));
    // Repeated paths are merged and do not count.
    assert_eq!(code("", &vec!["Category"; EXPAND_ITEMS + 1].join(",")), None);
}

#[test]
fn text_and_back() {
    let schema = shop();
    for (select, expand) in [
        ("", "Category/Products,Supplier"),
        ("ProductName,Category/CategoryName", "Category"),
        ("", "Shop.DerivedProduct/Parts/Category"),
    ] {
        let shape = read(select, expand).unwrap();
        let (again_select, again_expand) = expand_text(&schema, &shape);
        assert_eq!(
            (again_select.as_deref().unwrap_or(""), again_expand.as_deref().unwrap_or("")),
            (select, expand)
        );
    }
    let inner = &read(
        "Category/CategoryName,Category/Shop.DerivedCategory/DerivedCategoryName",
        "Category",
    )
    .unwrap()
    .expand[0];
    let select = expand_text(&schema, &inner.shape).0;
    assert_eq!(select.as_deref(), Some("CategoryName,Shop.DerivedCategory/DerivedCategoryName"));
    assert_eq!(expand_text(&schema, &Shape::default()), (None, None));
}
