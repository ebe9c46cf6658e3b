use super::*;

#[test]
fn built_in_schema_loads() {
    let schema = load(None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(schema.endpoint("Core").is_some());
}
