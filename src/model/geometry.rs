//! Spatial values: the seven shapes of GEO-1, each as Geography and Geometry, and the well-known text that a cell holds of them.
//!
//! Canonical content is `SRID=n;WKT` without needless blanks: names in capitals, numbers as short as they can be, every position
//! of a `MULTIPOINT` in parentheses of its own: `SRID=4326;MULTIPOINT((1 2),(3 4.5))`. The functions of PostgreSQL rely on that
//! (`migrations/postgres`). Longitude stands first (GEO-3). A position has two to four numbers: `x y`, `x y z`, `x y z m`, or
//! `x y NULL m`. Latitudes are not bounded: services of others hold such values (`POINT(52.9 173.3)`), and a distance has a meaning
//! for them.
//!
//! Faults are parts of a sentence whose subject is the value: "has a ring that is not closed".

pub mod measure;

use std::fmt::{self, Display, Formatter, Write as _};

use super::edm::Edm;
use super::limits::{COORDINATE_EXPONENT, GEOMETRY_DEPTH};

/// A value, or what is wrong with its text.
pub type Read<T> = Result<T, &'static str>;

/// The SRID and what it places.
#[derive(Debug, Clone, PartialEq)]
pub struct Spatial {
    /// The coordinate system's EPSG number; 0 is a plane without units.
    pub srid: u32,
    /// What is there.
    pub shape: Shape,
}

/// A shape. Each can be empty.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Shape {
    Point(Option<Position>),
    LineString(Vec<Position>),
    /// Rings, each closed; the outer one first, then holes.
    Polygon(Vec<Vec<Position>>),
    MultiPoint(Vec<Position>),
    MultiLineString(Vec<Vec<Position>>),
    MultiPolygon(Vec<Vec<Vec<Position>>>),
    Collection(Vec<Shape>),
}

/// A place, with a height and a measure where it has them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Position {
    /// Longitude of a geography.
    pub x: f64,
    /// Latitude of a geography.
    pub y: f64,
    pub z: Option<f64>,
    pub m: Option<f64>,
}

/// Which of the shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    Collection,
}

/// The shapes: name in GeoJSON, and without regard to case in WKT; the types that are just this shape.
pub const KINDS: &[(Kind, &str, Edm, Edm)] = &[
    (Kind::Point, "Point", Edm::GeographyPoint, Edm::GeometryPoint),
    (Kind::LineString, "LineString", Edm::GeographyLineString, Edm::GeometryLineString),
    (Kind::Polygon, "Polygon", Edm::GeographyPolygon, Edm::GeometryPolygon),
    (Kind::MultiPoint, "MultiPoint", Edm::GeographyMultiPoint, Edm::GeometryMultiPoint),
    (
        Kind::MultiLineString,
        "MultiLineString",
        Edm::GeographyMultiLineString,
        Edm::GeometryMultiLineString,
    ),
    (
        Kind::MultiPolygon,
        "MultiPolygon",
        Edm::GeographyMultiPolygon,
        Edm::GeometryMultiPolygon,
    ),
    (
        Kind::Collection,
        "GeometryCollection",
        Edm::GeographyCollection,
        Edm::GeometryCollection,
    ),
];

const NO_TEXT: &str = "is no well-known text behind `SRID=n;`";
const BAD_NUMBER: &str = "has a coordinate that is no number of a size that can be computed with";

impl Kind {
    /// In GeoJSON and, in capitals, in WKT.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// From the name in GeoJSON.
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The type that is just this shape.
    pub fn edm(self, is_geography: bool) -> Edm {
        let (_, _, geography, geometry) = KINDS[self as usize];
        if is_geography { geography } else { geometry }
    }
}

/// Whether a spatial type is one of the eight geographies.
pub fn is_geography(edm: Edm) -> bool {
    edm < Edm::Geometry
}

/// The SRID of values that name none (GEO-2).
pub fn default_srid(edm: Edm) -> u32 {
    if is_geography(edm) { 4326 } else { 0 }
}

/// Canonical content of a type from any well-known text of it.
pub fn canonical(edm: Edm, text: &str) -> Option<String> {
    let spatial = Spatial::parse(text).ok()?;
    spatial.is_a(edm).then(|| spatial.to_string())
}

/// The number between `SRID=` and `;`.
pub fn srid(text: &str) -> Option<u32> {
    let (name, rest) = text.split_at_checked(5)?;
    let digits = rest.split(';').next().filter(|_| name.eq_ignore_ascii_case("SRID="))?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

impl Spatial {
    /// A value of a shape that holds together.
    pub fn new(srid: u32, shape: Shape) -> Read<Spatial> {
        shape.check(0)?;
        Ok(Spatial { srid, shape })
    }

    /// Reads `SRID=n;WKT`, canonical or not.
    pub fn parse(text: &str) -> Read<Spatial> {
        let (_, wkt) = text.split_once(';').ok_or(NO_TEXT)?;
        let srid = srid(text).ok_or(NO_TEXT)?;
        let mut wkt = Wkt { rest: wkt };
        let shape = wkt.shape(0)?;
        if wkt.rest.trim_ascii_start().is_empty() {
            Spatial::new(srid, shape)
        } else {
            Err(NO_TEXT)
        }
    }

    /// Whether it is a value of a spatial type: of the type of its shape, or of a base type.
    pub fn is_a(&self, edm: Edm) -> bool {
        matches!(edm, Edm::Geography | Edm::Geometry) || edm.is_spatial() && self.shape.kind().edm(is_geography(edm)) == edm
    }
}

impl Shape {
    /// Which shape.
    pub fn kind(&self) -> Kind {
        match self {
            Shape::Point(_) => Kind::Point,
            Shape::LineString(_) => Kind::LineString,
            Shape::Polygon(_) => Kind::Polygon,
            Shape::MultiPoint(_) => Kind::MultiPoint,
            Shape::MultiLineString(_) => Kind::MultiLineString,
            Shape::MultiPolygon(_) => Kind::MultiPolygon,
            Shape::Collection(_) => Kind::Collection,
        }
    }

    /// Lines have two positions, rings four and are closed, only a whole shape is empty.
    fn check(&self, depth: usize) -> Read<()> {
        if depth > GEOMETRY_DEPTH {
            return Err("nests collections too deep");
        }
        match self {
            Shape::Point(_) | Shape::MultiPoint(_) => Ok(()),
            Shape::LineString(line) if line.is_empty() => Ok(()),
            Shape::LineString(line) => check_line(line),
            Shape::Polygon(rings) => check_polygon(rings),
            Shape::MultiLineString(lines) => lines.iter().try_for_each(|line| check_line(line)),
            Shape::MultiPolygon(polygons) => polygons.iter().try_for_each(|rings| match rings.as_slice() {
                [] => Err("has a part that is empty"),
                rings => check_polygon(rings),
            }),
            Shape::Collection(shapes) => shapes.iter().try_for_each(|shape| shape.check(depth + 1)),
        }
    }
}

fn check_line(line: &[Position]) -> Read<()> {
    match line {
        [] | [_] => Err("has a line of fewer than two positions"),
        _ => Ok(()),
    }
}

fn check_polygon(rings: &[Vec<Position>]) -> Read<()> {
    rings.iter().try_for_each(|ring| match ring.as_slice() {
        [first, _, _, .., last] if (first.x, first.y) == (last.x, last.y) => Ok(()),
        [_, _, _, _, ..] => Err("has a ring that is not closed"),
        _ => Err("has a ring of fewer than four positions"),
    })
}

impl Position {
    /// From its numbers in the order x, y, z, m; none is a z that is not there.
    pub fn new(numbers: impl IntoIterator<Item = Option<f64>>) -> Read<Position> {
        let mut numbers = numbers.into_iter().map(|number| number.map(coordinate).transpose());
        let mut next = || numbers.next().transpose();
        let (x, y, z, m) = (next()?, next()?, next()?, next()?);
        let (Some(Some(x)), Some(Some(y)), None) = (x, y, next()?) else {
            return Err("has a position that is not of two to four numbers");
        };
        Ok(Position {
            x,
            y,
            z: z.flatten(),
            m: m.flatten(),
        })
    }
}

/// A number that products of two stay computable with on PostgreSQL, which refuses to leave the range of a Double on either side.
fn coordinate(number: f64) -> Read<f64> {
    let largest = 10f64.powi(COORDINATE_EXPONENT as i32);
    match number.abs() {
        size if size <= largest && size >= 1.0 / largest => Ok(number),
        size if size < 1.0 / largest => Ok(0.0),
        _ => Err(BAD_NUMBER),
    }
}

/// What is left of a well-known text.
struct Wkt<'a> {
    rest: &'a str,
}

impl<'a> Wkt<'a> {
    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.trim_ascii_start().strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes the letters that come next.
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_ascii_start();
        let end = rest.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    /// Takes a word if it comes next, in any case.
    fn takes(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.word().eq_ignore_ascii_case(word);
        if !found {
            self.rest = before;
        }
        found
    }

    fn shape(&mut self, depth: usize) -> Read<Shape> {
        if depth > GEOMETRY_DEPTH {
            return Err("nests collections too deep");
        }
        let name = self.word();
        let row = KINDS.iter().find(|row| row.1.eq_ignore_ascii_case(name)).ok_or(NO_TEXT)?;
        // `POINT M (x y m)`; the others only say what the numbers show.
        let has_only_m = self.takes("M");
        let _ = self.takes("Z") || self.takes("ZM");
        let is_empty = self.takes("EMPTY");
        let mut position = |wkt: &mut Self| wkt.position(has_only_m);
        Ok(match row.0 {
            Kind::Point if is_empty => Shape::Point(None),
            Kind::Point => match self.list(is_empty, &mut position)?.as_slice() {
                [position] => Shape::Point(Some(*position)),
                _ => return Err("has more than one position"),
            },
            Kind::LineString => Shape::LineString(self.list(is_empty, &mut position)?),
            Kind::Polygon => Shape::Polygon(self.list(is_empty, &mut |wkt| wkt.list(false, &mut position))?),
            Kind::MultiPoint => Shape::MultiPoint(self.list(is_empty, &mut |wkt| wkt.enclosed(&mut position))?),
            Kind::MultiLineString => Shape::MultiLineString(self.list(is_empty, &mut |wkt| wkt.list(false, &mut position))?),
            Kind::MultiPolygon => {
                Shape::MultiPolygon(self.list(is_empty, &mut |wkt| wkt.list(false, &mut |wkt| wkt.list(false, &mut position)))?)
            }
            Kind::Collection => Shape::Collection(self.list(is_empty, &mut |wkt| wkt.shape(depth + 1))?),
        })
    }

    /// `(item, item)`, or nothing after `EMPTY`.
    fn list<T>(&mut self, is_empty: bool, item: &mut dyn FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = Vec::new();
        if is_empty {
            return Ok(items);
        }
        if !self.eat('(') {
            return Err(NO_TEXT);
        }
        loop {
            items.push(item(self)?);
            if self.eat(')') {
                return Ok(items);
            }
            if !self.eat(',') {
                return Err(NO_TEXT);
            }
        }
    }

    /// A position of a `MULTIPOINT`: with parentheses of its own or, as older writers have it, without.
    fn enclosed(&mut self, position: &mut dyn FnMut(&mut Self) -> Read<Position>) -> Read<Position> {
        if !self.eat('(') {
            return position(self);
        }
        let found = position(self)?;
        if self.eat(')') { Ok(found) } else { Err(NO_TEXT) }
    }

    fn position(&mut self, has_only_m: bool) -> Read<Position> {
        let end = self.rest.bytes().position(|byte| matches!(byte, b',' | b')')).ok_or(NO_TEXT)?;
        let (numbers, rest) = self.rest.split_at(end);
        self.rest = rest;
        let mut all = [None; 5];
        let mut count = 0;
        for number in numbers.split_ascii_whitespace() {
            let place = all.get_mut(count).ok_or(NO_TEXT)?;
            *place = match number {
                null if null.eq_ignore_ascii_case("NULL") => None,
                number => Some(number.parse().map_err(|_| BAD_NUMBER)?),
            };
            count += 1;
        }
        if has_only_m && count == 3 {
            return Position::new([all[0], all[1], None, all[2]]);
        }
        Position::new(all.into_iter().take(count))
    }
}

impl Display for Spatial {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SRID={};{}", self.srid, self.shape)
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind().name().to_ascii_uppercase())?;
        match self {
            Shape::Point(None) => f.write_str(" EMPTY"),
            Shape::Point(Some(position)) => write!(f, "({position})"),
            Shape::LineString(line) => write_list(f, line, &mut Display::fmt),
            Shape::MultiPoint(points) => write_list(f, points, &mut |position, f| write!(f, "({position})")),
            Shape::Polygon(lines) | Shape::MultiLineString(lines) => write_list(f, lines, &mut |line, f| write_line(f, line)),
            Shape::MultiPolygon(polygons) => write_list(f, polygons, &mut |rings, f| {
                write_list(f, rings, &mut |ring, f| write_line(f, ring))
            }),
            Shape::Collection(shapes) => write_list(f, shapes, &mut Display::fmt),
        }
    }
}

fn write_line(f: &mut Formatter<'_>, line: &[Position]) -> fmt::Result {
    write_list(f, line, &mut Display::fmt)
}

/// `(item,item)`, or ` EMPTY`.
fn write_list<T>(f: &mut Formatter<'_>, items: &[T], item: &mut dyn FnMut(&T, &mut Formatter<'_>) -> fmt::Result) -> fmt::Result {
    if items.is_empty() {
        return f.write_str(" EMPTY");
    }
    for (index, each) in items.iter().enumerate() {
        f.write_char(if index == 0 { '(' } else { ',' })?;
        item(each, f)?;
    }
    f.write_char(')')
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Number(self.x), Number(self.y))?;
        match (self.z, self.m) {
            (None, None) => Ok(()),
            (Some(z), None) => write!(f, " {}", Number(z)),
            (None, Some(m)) => write!(f, " NULL {}", Number(m)),
            (Some(z), Some(m)) => write!(f, " {} {}", Number(z), Number(m)),
        }
    }
}

/// The shortest digits that read back the same.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            number if number == 0.0 || (1e-5..1e15).contains(&number.abs()) => write!(f, "{number}"),
            number => write!(f, "{number:E}"),
        }
    }
}

#[cfg(test)]
mod tests;
