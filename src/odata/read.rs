//! What every format of a request's body has in common: the [`Reader`] that a format implements. A further format is one new file
//! with a `Reader` and a row in [`BodyFormat`].

use super::accept::BodyFormat;
use super::atom_read::AtomReader;
use super::csv_read::CsvReader;
use super::json_read::JsonReader;
use super::path;
use super::references::{ContentIds, relative};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{Property, Schema, TypeId};
use crate::model::target::{Body, Leaf, Resource, Target};

/// What the readers of a request's body share.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Everything served.
    pub schema: &'a Schema,
    /// The endpoint that is asked: index into [`Schema::endpoints`].
    pub endpoint: usize,
    /// The service root, absolute, with the slash at its end.
    pub root: &'a str,
    /// What the change set around has made so far.
    pub ids: &'a ContentIds,
    /// Members that a closed type does not have are passed over; else they are a fault (JL-34).
    pub ignore_unknown: bool,
}

impl Reading<'_> {
    /// The entity that a URL in a body names: relative to the service root, absolute in any spelling of the host, or `$1` in a
    /// change set (WR-85, BCH-12).
    ///
    /// # Errors
    /// `BAD_REFERENCE` for a URL that does not lead to one entity of this endpoint.
    pub fn reference(&self, url: &str) -> Outcome<Resource> {
        let bad = |why: &str| {
            let shown: String = url.chars().take(100).collect();
            Fault::new(&fault::BAD_REFERENCE, format!("The link '{shown}' {why}."))
        };
        let below = relative(self.root, url).map_err(|_| bad("leads out of this service"))?;
        let expanded = self.ids.expand(below)?;
        let path = expanded.split(['?', '#']).next().unwrap_or_default();
        match path::parse(self.schema, self.endpoint, path) {
            Ok(Target::Resource(resource)) if !resource.collection && resource.leaf == Leaf::Entities => Ok(resource),
            Ok(_) => Err(bad("does not lead to one entity")),
            Err(fault) => Err(bad(&format!("is not understood: {}", fault.message.trim_end_matches('.')))),
        }
    }
}

/// A format of bodies.
pub trait Reader: Sync {
    /// An entity. `ty` is the declared type, the body may name one that derives from it (JL-31, VJ-13, ATM-40).
    ///
    /// Left out of the result: what the server owns, annotations, echoed links (JL-39), null for a write-only property. Faults are 400:
    /// `bad_body`, `unknown_property`, `bad_value`, `bad_reference`. Whether required members are there is the engine's question.
    fn entity(&self, reading: &Reading<'_>, ty: TypeId, body: &[u8]) -> Outcome<Body>;
    /// The value of a property (WR-55).
    fn property(&self, reading: &Reading<'_>, property: &Property, body: &[u8]) -> Outcome<Value>;
    /// The URL in the body of a link (WR-86).
    fn link(&self, body: &[u8]) -> Outcome<String>;
}

impl BodyFormat {
    /// Who reads it.
    pub fn reader(self) -> &'static dyn Reader {
        match self {
            BodyFormat::JsonLight | BodyFormat::Verbose => &JsonReader,
            BodyFormat::Atom => &AtomReader,
            BodyFormat::Csv => &CsvReader,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture::{set_id, shop};

    #[test]
    fn references() {
        let schema = shop();
        let mut ids = ContentIds::default();
        ids.add("1".into(), "Products(1)".into());
        let reading = Reading {
            schema: &schema,
            endpoint: 0,
            root: "http://host/api/Shop/",
            ids: &ids,
            ignore_unknown: false,
        };
        for url in [
            "Products(1)",
            "/api/Shop/Products(1)",
            "http://host/api/Shop/Products(1)",
            "https://other:99/api/Shop/Products(1)?x=1",
            "$1",
            "http://host/api/Shop/$1",
        ] {
            assert_eq!(reading.reference(url).unwrap().set, set_id(&schema, "Products"), "{url}");
        }
        for url in [
            "",
            "Products",
            "Products(1)/ProductName",
            "Nothing(1)",
            "/api/Other/Products(1)",
            "http://host/Products(1)",
            "http://host",
            "mailto:x",
            "//host/api/Shop/Products(1)",
        ] {
            assert_eq!(reading.reference(url).unwrap_err().kind.code, "bad_reference", "{url}");
        }
        assert_eq!(reading.reference("$2").unwrap_err().kind.status, 400);
    }
}
