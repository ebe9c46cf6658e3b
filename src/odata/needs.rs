//! Which version of the protocol an answer needs for what is in it (VER-20..VER-27). Known from the model before anything is read, so
//! that a change can be refused before it happens; only a next link is not.

use super::advertise;
use super::format::Format;
use super::version::Version;
use crate::model::edm::Edm;
use crate::model::query::Shape;
use crate::model::schema::{ComplexId, EntityType, Schema, Type, TypeId};

/// What the answer to a request may be.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// Everything served.
    pub schema: &'a Schema,
    /// The endpoint that answers.
    pub endpoint: usize,
    /// How it is written.
    pub format: Format,
    /// The highest version that the client takes.
    pub max: Version,
}

impl Needs<'_> {
    /// Of entities: what the type or one that derives from it can hold (VER-27) and `shape` shows. Verbose JSON with collections of
    /// entities in it goes to 2.0 where it may: code that reads `d.results` is more common than code that does not (VJ-2).
    pub fn entities(&self, ty: TypeId, shape: &Shape, is_feed: bool) -> Version {
        match self.format {
            Format::JsonLight => return Version::V3,
            Format::Csv => return Version::V1,
            Format::Verbose | Format::Atom => {}
        }
        let mut needed = if is_feed { self.collection() } else { Version::V1 };
        for &member in &self.schema.types[ty].family {
            needed = needed.max(self.entity(&self.schema.types[member], shape));
            // Older clients are not told of any.
            if self.max >= Version::V3 && advertise::is_told(self.schema, self.endpoint, member, shape) {
                needed = Version::V3;
            }
        }
        for expand in &shape.expand {
            let navigation = &self.schema.types[expand.ty].navigations[expand.navigation];
            needed = needed.max(self.entities(navigation.target, &expand.shape, navigation.is_many()));
        }
        needed
    }

    fn entity(&self, ty: &EntityType, shape: &Shape) -> Version {
        // What an open type holds is not known.
        let unknown = if ty.is_open { self.max } else { Version::V1 };
        let mut shown = ty.properties.iter().filter(|property| shape.shows(&property.name));
        if shown.any(|property| needs_3(self.schema, &property.ty, &mut Vec::new())) {
            Version::V3
        } else if self.format == Format::Atom && self.moves_out(ty) {
            Version::V2.max(unknown)
        } else {
            unknown
        }
    }

    /// A feed mapping takes a property out of the content.
    fn moves_out(&self, ty: &EntityType) -> bool {
        let types = std::iter::successors(Some(ty), |ty| ty.base.map(|base| &self.schema.types[base]));
        let attributes = types.flat_map(|ty| &ty.attributes);
        let mut all = attributes.chain(ty.properties.iter().flat_map(|property| &property.attributes));
        all.any(|attribute| attribute.name.starts_with("m:FC_KeepInContent") && attribute.value == "false")
    }

    /// Of links, or of anything else that is a collection.
    pub fn collection(&self) -> Version {
        match self.format {
            Format::JsonLight => Version::V3,
            Format::Verbose => Version::V2.min(self.max),
            Format::Atom | Format::Csv => Version::V1,
        }
    }

    /// Of a property or another value.
    pub fn value(&self, ty: &Type) -> Version {
        match self.format {
            Format::Csv => Version::V1,
            Format::Verbose | Format::Atom if !needs_3(self.schema, ty, &mut Vec::new()) => Version::V1,
            _ => Version::V3,
        }
    }
}

/// The version that a count or a next link needs, which only CSV puts where no version knows of it (VER-21).
pub fn paging(format: Format) -> Version {
    match format {
        Format::Csv => Version::V1,
        _ => Version::V2,
    }
}

/// Streams, collections and spatial values are of version 3.0 (VER-22); `seen` are the complex types around.
fn needs_3(schema: &Schema, ty: &Type, seen: &mut Vec<ComplexId>) -> bool {
    match ty {
        Type::Primitive(edm) => *edm == Edm::Stream || edm.is_spatial(),
        Type::Collection(_) => true,
        Type::Entity(_) => false,
        Type::Complex(id) if seen.contains(id) => false,
        Type::Complex(id) => {
            seen.push(*id);
            let found = schema.complex[*id]
                .properties
                .iter()
                .any(|property| needs_3(schema, &property.ty, seen));
            seen.pop();
            found
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::query::Expand;
    use crate::model::schema::{Attribute, Facets, Parameter};
    use crate::odata::fixture::{shop, type_id};

    fn only(names: &[&str]) -> Shape {
        Shape {
            properties: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..Shape::default()
        }
    }

    #[test]
    fn entities() {
        use Format::*;
        use Version::*;
        let schema = shop();
        let plain = only(&[
            "ProductID",
            "ProductName",
            "DiscontinuedDate",
            "DiscontinuedOffset",
            "DiscontinuedSince",
        ]);
        // type, what is shown, a feed, format, the client's maximum
        let cases: &[(&str, &Shape, bool, Format, Version, Version)] = &[
            ("Supplier", &Shape::default(), false, Verbose, V3, V1),
            ("Supplier", &Shape::default(), true, Verbose, V3, V2),
            ("Supplier", &Shape::default(), true, Verbose, V2, V2),
            ("Supplier", &Shape::default(), true, Verbose, V1, V1),
            ("Supplier", &Shape::default(), true, Atom, V3, V1),
            ("Supplier", &Shape::default(), true, JsonLight, V3, V3),
            ("Product", &Shape::default(), false, Atom, V3, V3),
            ("Product", &Shape::default(), true, Csv, V1, V1),
            ("Product", &plain, false, Atom, V3, V1),
            ("Product", &only(&["AlternateIDs"]), false, Atom, V1, V3),
            ("Product", &only(&["Picture"]), false, Atom, V1, V3),
            ("Product", &only(&["Place"]), false, Verbose, V2, V3),
            ("Product", &only(&["SupplierAddress"]), false, Verbose, V3, V3),
            ("Bag", &Shape::default(), false, Atom, V3, V3),
            ("Bag", &Shape::default(), true, Verbose, V2, V2),
            ("Bag", &Shape::default(), false, Atom, V1, V1),
        ];
        for (ty, shape, is_feed, format, max, expected) in cases {
            let (schema, format, max) = (&schema, *format, *max);
            let needs = Needs {
                schema,
                endpoint: 0,
                format,
                max,
            };
            let found = needs.entities(type_id(schema, ty), shape, *is_feed);
            assert_eq!(found, *expected, "{ty} {shape:?} {is_feed} {format:?} {max:?}");
        }
    }

    #[test]
    fn expansions_count() {
        let schema = shop();
        let expand = |ty: &str, name: &str, shape: Shape| {
            let ty = type_id(&schema, ty);
            let navigation = schema.types[ty].navigation(name).unwrap();
            let expand = Expand {
                ty,
                navigation,
                set: None,
                shape,
            };
            Shape {
                expand: vec![expand],
                ..Shape::default()
            }
        };
        let needs = |format| Needs {
            schema: &schema,
            endpoint: 0,
            format,
            max: Version::V3,
        };
        let supplier = type_id(&schema, "Supplier");
        let all = expand("Supplier", "Products", Shape::default());
        let some = expand("Supplier", "Products", only(&["ProductID"]));
        assert_eq!(needs(Format::Atom).entities(supplier, &all, false), Version::V3);
        assert_eq!(needs(Format::Atom).entities(supplier, &some, false), Version::V1);
        assert_eq!(needs(Format::Verbose).entities(supplier, &some, false), Version::V2);
    }

    #[test]
    fn mappings_out_of_the_content_are_atoms() {
        let mut schema = shop();
        let (base, derived) = (type_id(&schema, "Category"), type_id(&schema, "DerivedCategory"));
        schema.types[base].attributes.push(Attribute {
            name: "m:FC_KeepInContent_1".to_owned(),
            value: "false".to_owned(),
        });
        let needs = |format| Needs {
            schema: &schema,
            endpoint: 0,
            format,
            max: Version::V3,
        };
        assert_eq!(needs(Format::Atom).entities(derived, &Shape::default(), false), Version::V2);
        assert_eq!(needs(Format::Verbose).entities(derived, &Shape::default(), false), Version::V1);
    }

    #[test]
    fn operations_that_are_told_of() {
        use Version::*;
        let mut schema = shop();
        let supplier = type_id(&schema, "Supplier");
        schema.endpoints[0].operations[0].parameters = vec![Parameter {
            name: "it".to_owned(),
            ty: Type::Entity(supplier),
            nullable: None,
            mode: None,
            facets: Facets::default(),
        }];
        let none = Shape {
            operations: Some(Vec::new()),
            ..Shape::default()
        };
        for (max, shape, expected) in [(V3, &Shape::default(), V3), (V2, &Shape::default(), V1), (V3, &none, V1)] {
            for format in [Format::Verbose, Format::Atom] {
                let needs = Needs {
                    schema: &schema,
                    endpoint: 0,
                    format,
                    max,
                };
                assert_eq!(needs.entities(supplier, shape, false), expected, "{format:?} {max:?} {shape:?}");
            }
        }
    }

    #[test]
    fn values_and_paging() {
        use Format::*;
        use Version::*;
        let schema = shop();
        let address = schema.complex.iter().position(|ty| ty.name == "Address").unwrap();
        let country = schema.complex.iter().position(|ty| ty.name == "Country").unwrap();
        let edm = Type::Primitive;
        for (ty, expected) in [
            (edm(Edm::Int32), V1),
            (edm(Edm::DateTimeOffset), V1),
            (edm(Edm::GeometryPoint), V3),
            (Type::Collection(Box::new(edm(Edm::Int32))), V3),
            (Type::Complex(country), V1),
            (Type::Complex(address), V3),
        ] {
            for format in [Verbose, Atom] {
                let needs = Needs {
                    schema: &schema,
                    endpoint: 0,
                    format,
                    max: V3,
                };
                assert_eq!(needs.value(&ty), expected, "{format:?} {ty:?}");
            }
        }
        for (format, paging, links) in [(JsonLight, V2, V3), (Verbose, V2, V2), (Atom, V2, V1), (Csv, V1, V1)] {
            let needs = Needs {
                schema: &schema,
                endpoint: 0,
                format,
                max: V3,
            };
            assert_eq!((super::paging(format), needs.collection()), (paging, links), "{format:?}");
        }
    }

    #[test]
    fn a_complex_type_may_hold_itself() {
        let mut schema = shop();
        let country = schema.complex.iter().position(|ty| ty.name == "Country").unwrap();
        let mut inner = schema.complex[country].properties[0].clone();
        inner.ty = Type::Complex(country);
        schema.complex[country].properties.push(inner);
        assert!(!needs_3(&schema, &Type::Complex(country), &mut Vec::new()));
    }
}
