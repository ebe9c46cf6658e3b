//! The primitive types of the Entity Data Model, and values of them.
//!
//! A [`Cell`] (borrowed) or [`Value`] (owned) has one of six shapes; the [`Edm`] type that the schema gives
//! says what it means. The canonical content is the same on both databases:
//!
//! | Edm | shape | canonical content |
//! |---|---|---|
//! | Boolean | `Boolean` | |
//! | Byte, SByte, Int16, Int32, Int64 | `Integer` | |
//! | Time | `Integer` | ticks of 100 ns, signed (PRM-5) |
//! | Single, Double | `Double` | a Single as the double of the same value |
//! | String | `Text` | |
//! | Decimal | `Text` | plain digits, scale as given, at most 29 digits (PRM-6) |
//! | DateTime | `Text` | `YYYY-MM-DDTHH:MM:SS.fffffff`: sorts as text (PRM-3) |
//! | DateTimeOffset | `Text` | the same, in UTC |
//! | Guid | `Bytes` | 16, in text order |
//! | Binary | `Bytes` | |
//! | spatial | `Text` | `SRID=n;WKT` |
//! | complex, collection | `Text` | JSON of canonical contents, see `model::text` |

/// A primitive type. The order of the numeric ones is the order of promotion (FLT-40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Edm {
    Byte,
    SByte,
    Int16,
    Int32,
    Int64,
    Single,
    Double,
    Decimal,
    Boolean,
    String,
    Binary,
    Guid,
    DateTime,
    DateTimeOffset,
    Time,
    Stream,
    Geography,
    GeographyPoint,
    GeographyLineString,
    GeographyPolygon,
    GeographyMultiPoint,
    GeographyMultiLineString,
    GeographyMultiPolygon,
    GeographyCollection,
    Geometry,
    GeometryPoint,
    GeometryLineString,
    GeometryPolygon,
    GeometryMultiPoint,
    GeometryMultiLineString,
    GeometryMultiPolygon,
    GeometryCollection,
}

/// How values of a type behave in expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Counts: Byte to Int64.
    Integer,
    /// Single and Double.
    Float,
    /// Decimal.
    Decimal,
    /// Only equality.
    Equatable,
    /// Equality and order, no arithmetic.
    Ordered,
    /// Not comparable at all.
    Opaque,
}

/// One row for each type: the type, its name without `Edm.`, its class.
pub const EDM: &[(Edm, &str, Class)] = {
    use Class::*;
    use Edm as E;
    &[
        (E::Byte, "Byte", Integer),
        (E::SByte, "SByte", Integer),
        (E::Int16, "Int16", Integer),
        (E::Int32, "Int32", Integer),
        (E::Int64, "Int64", Integer),
        (E::Single, "Single", Float),
        (E::Double, "Double", Float),
        (E::Decimal, "Decimal", Decimal),
        (E::Boolean, "Boolean", Ordered),
        (E::String, "String", Ordered),
        (E::Binary, "Binary", Equatable),
        (E::Guid, "Guid", Ordered),
        (E::DateTime, "DateTime", Ordered),
        (E::DateTimeOffset, "DateTimeOffset", Ordered),
        (E::Time, "Time", Ordered),
        (E::Stream, "Stream", Opaque),
        (E::Geography, "Geography", Opaque),
        (E::GeographyPoint, "GeographyPoint", Opaque),
        (E::GeographyLineString, "GeographyLineString", Opaque),
        (E::GeographyPolygon, "GeographyPolygon", Opaque),
        (E::GeographyMultiPoint, "GeographyMultiPoint", Opaque),
        (E::GeographyMultiLineString, "GeographyMultiLineString", Opaque),
        (E::GeographyMultiPolygon, "GeographyMultiPolygon", Opaque),
        (E::GeographyCollection, "GeographyCollection", Opaque),
        (E::Geometry, "Geometry", Opaque),
        (E::GeometryPoint, "GeometryPoint", Opaque),
        (E::GeometryLineString, "GeometryLineString", Opaque),
        (E::GeometryPolygon, "GeometryPolygon", Opaque),
        (E::GeometryMultiPoint, "GeometryMultiPoint", Opaque),
        (E::GeometryMultiLineString, "GeometryMultiLineString", Opaque),
        (E::GeometryMultiPolygon, "GeometryMultiPolygon", Opaque),
        (E::GeometryCollection, "GeometryCollection", Opaque),
    ]
};

impl Edm {
    /// The name without `Edm.`.
    pub fn name(self) -> &'static str {
        EDM[self as usize].1
    }

    /// How values behave in expressions.
    pub fn class(self) -> Class {
        EDM[self as usize].2
    }

    /// From a name without `Edm.`.
    pub fn from_name(name: &str) -> Option<Edm> {
        EDM.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Byte to Decimal.
    pub fn is_numeric(self) -> bool {
        matches!(self.class(), Class::Integer | Class::Float | Class::Decimal)
    }

    /// One of the sixteen Geography and Geometry types.
    pub fn is_spatial(self) -> bool {
        self >= Edm::Geography
    }

    /// Smallest and largest value of an integer type.
    pub fn integer_range(self) -> Option<(i64, i64)> {
        Some(match self {
            Edm::Byte => (0, 255),
            Edm::SByte => (-128, 127),
            Edm::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Edm::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Edm::Int64 => (i64::MIN, i64::MAX),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Edm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edm.{}", self.name())
    }
}

/// One borrowed value, in canonical content.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// One owned value, in canonical content.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// Borrows it.
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Value::Null => Cell::Null,
            Value::Boolean(b) => Cell::Boolean(*b),
            Value::Integer(i) => Cell::Integer(*i),
            Value::Double(d) => Cell::Double(*d),
            Value::Text(s) => Cell::Text(s),
            Value::Bytes(b) => Cell::Bytes(b),
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl Cell<'_> {
    /// Copies it.
    pub fn to_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Boolean(b) => Value::Boolean(b),
            Cell::Integer(i) => Value::Integer(i),
            Cell::Double(d) => Value::Double(d),
            Cell::Text(s) => Value::Text(s.to_owned()),
            Cell::Bytes(b) => Value::Bytes(b.to_vec()),
        }
    }

    /// Whether it is null.
    pub fn is_null(self) -> bool {
        matches!(self, Cell::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (i, (edm, name, _)) in EDM.iter().enumerate() {
            assert_eq!(*edm as usize, i, "{name}");
            assert_eq!(Edm::from_name(name), Some(*edm));
        }
    }
}
