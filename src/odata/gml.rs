//! Spatial values in XML (ATM-18, GEO-3): GML. Positions of a geography are latitude, longitude here, those of a geometry x, y.
//! The elements have the prefix `gml`, which the document around declares as [`NAMESPACE`].

use crate::model::edm::{Cell, Edm};
use crate::model::geometry::{Kind, Position, Read, Shape, Spatial};
use crate::model::text;

/// What `gml` stands for.
pub const NAMESPACE: &str = "http://www.opengis.net/gml";

/// Before the SRID in `srsName`.
const SRS: &str = "http://www.opengis.net/def/crs/EPSG/0/";

/// Shapes by [`Kind`]: the element, the one around all members, the one around each member (read, never written).
const ELEMENTS: &[(Kind, &str, &str, &str)] = &[
    (Kind::Point, "Point", "", ""),
    (Kind::LineString, "LineString", "", ""),
    (Kind::Polygon, "Polygon", "", ""),
    (Kind::MultiPoint, "MultiPoint", "pointMembers", "pointMember"),
    (Kind::MultiLineString, "MultiCurve", "curveMembers", "curveMember"),
    (Kind::MultiPolygon, "MultiSurface", "surfaceMembers", "surfaceMember"),
    (Kind::Collection, "MultiGeometry", "geometryMembers", "geometryMember"),
];

/// Elements that say nothing about a shape and may stand in any.
const REMARKS: &[&str] = &["name", "description", "descriptionReference", "identifier", "metaDataProperty"];

/// An element that has been read.
pub trait Element: Sized {
    /// Its namespace and its local name.
    fn name(&self) -> (Option<&str>, &str);
    /// The value of an attribute by its local name, of whatever namespace: there are writers with `gml:srsName` and with `srsName`.
    fn attribute(&self, name: &str) -> Option<&str>;
    /// The elements directly in it.
    fn elements(&self) -> impl Iterator<Item = &Self>;
    /// The text directly in it.
    fn text(&self) -> String;
}

/// Writes canonical content; nothing when it is not well-formed.
pub fn write(text: &str, is_geography: bool, out: &mut Vec<u8>) {
    if let Ok(spatial) = Spatial::parse(text) {
        let attribute = format!(" gml:srsName=\"{SRS}{}\"", spatial.srid);
        Writer { is_geography, out }.shape(&spatial.shape, &attribute);
    }
}

struct Writer<'a> {
    is_geography: bool,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// `<gml:name>…</gml:name>`
    fn element(&mut self, name: &str, attribute: &str, content: impl FnOnce(&mut Self)) {
        self.push(&format!("<gml:{name}{attribute}>"));
        content(self);
        self.push(&format!("</gml:{name}>"));
    }

    fn shape(&mut self, shape: &Shape, attribute: &str) {
        let (_, name, members, _) = ELEMENTS[shape.kind() as usize];
        self.element(name, attribute, |gml| match shape {
            Shape::Point(None) => gml.push("<gml:pos />"),
            Shape::Point(Some(position)) => gml.position(position),
            Shape::LineString(line) => gml.line(line),
            Shape::Polygon(rings) => gml.rings(rings),
            Shape::MultiPoint(points) => gml.members(members, points, |gml, position| {
                gml.element("Point", "", |gml| gml.position(position));
            }),
            Shape::MultiLineString(lines) => gml.members(members, lines, |gml, line| gml.element("LineString", "", |gml| gml.line(line))),
            Shape::MultiPolygon(polygons) => {
                gml.members(members, polygons, |gml, rings| gml.element("Polygon", "", |gml| gml.rings(rings)));
            }
            Shape::Collection(shapes) => gml.members(members, shapes, |gml, shape| gml.shape(shape, "")),
        });
    }

    /// An empty shape has no members, nor an element around them.
    fn members<T>(&mut self, name: &str, members: &[T], member: fn(&mut Self, &T)) {
        if !members.is_empty() {
            self.element(name, "", |gml| members.iter().for_each(|each| member(gml, each)));
        }
    }

    fn rings(&mut self, rings: &[Vec<Position>]) {
        for (index, ring) in rings.iter().enumerate() {
            let name = if index == 0 { "exterior" } else { "interior" };
            self.element(name, "", |gml| gml.element("LinearRing", "", |gml| gml.line(ring)));
        }
    }

    fn line(&mut self, line: &[Position]) {
        if line.is_empty() {
            return self.push("<gml:posList />");
        }
        line.iter().for_each(|position| self.position(position));
    }

    /// A height that is not there before a measure is `NaN`.
    fn position(&mut self, position: &Position) {
        let Position { x, y, z, m } = *position;
        let (first, second) = if self.is_geography { (y, x) } else { (x, y) };
        let numbers = [Some(first), Some(second), z.or(m.map(|_| f64::NAN)), m];
        self.element("pos", "", |gml| {
            for (index, number) in numbers.into_iter().flatten().enumerate() {
                gml.push(if index > 0 { " " } else { "" });
                text::write(Edm::Double, Cell::Double(number), gml.out);
            }
        });
    }
}

/// Reads the element of a shape; `srid` is that of values without a `srsName` (GEO-2). Faults say what is wrong with the value,
/// as in [`crate::model::geometry`]. The depth is that of the tree, which its parser bounds.
pub fn read(element: &impl Element, is_geography: bool, srid: u32) -> Read<Spatial> {
    let srid = match element.attribute("srsName") {
        Some(name) => name.strip_prefix(SRS).and_then(number).ok_or(NO_SRS)?,
        None => srid,
    };
    Spatial::new(srid, Reader { is_geography }.shape(element)?)
}

const NO_SRS: &str = "has a `srsName` that is not http://www.opengis.net/def/crs/EPSG/0/ and a number";
const NO_GML: &str = "is no GML of a shape";

fn number(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The local name, of a GML element.
fn gml_name<E: Element>(element: &E) -> Read<&str> {
    match element.name() {
        (Some(NAMESPACE), name) => Ok(name),
        _ => Err(NO_GML),
    }
}

/// The elements in one, without remarks.
fn content<E: Element>(element: &E) -> impl Iterator<Item = &E> {
    let is_remark = |element: &&E| matches!(element.name(), (Some(NAMESPACE), name) if REMARKS.contains(&name));
    element.elements().filter(move |element| !is_remark(element))
}

/// The only element in one.
fn only<E: Element>(element: &E) -> Read<&E> {
    let mut all = content(element);
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(NO_GML),
    }
}

struct Reader {
    is_geography: bool,
}

impl Reader {
    fn shape<E: Element>(&self, element: &E) -> Read<Shape> {
        let name = gml_name(element)?;
        let row = ELEMENTS.iter().find(|row| row.1 == name).ok_or(NO_GML)?;
        Ok(match row.0 {
            Kind::Point => Shape::Point(self.point(element)?),
            Kind::LineString => Shape::LineString(self.line(element)?),
            Kind::Polygon => Shape::Polygon(self.rings(element)?),
            Kind::MultiPoint => {
                let points = self.members(element, Some(Kind::Point), Self::point)?;
                Shape::MultiPoint(points.into_iter().collect::<Option<_>>().ok_or("has a part that is empty")?)
            }
            Kind::MultiLineString => Shape::MultiLineString(self.members(element, Some(Kind::LineString), Self::line)?),
            Kind::MultiPolygon => Shape::MultiPolygon(self.members(element, Some(Kind::Polygon), Self::rings)?),
            Kind::Collection => Shape::Collection(self.members(element, None, Self::shape)?),
        })
    }

    /// What stands in `pointMembers` or in each `pointMember`, and is of a kind.
    fn members<E: Element, T>(&self, element: &E, kind: Option<Kind>, member: fn(&Self, &E) -> Read<T>) -> Read<Vec<T>> {
        let row = ELEMENTS.iter().find(|row| row.1 == element.name().1).ok_or(NO_GML)?;
        let mut members = Vec::new();
        for wrapper in content(element) {
            let name = gml_name(wrapper)?;
            if name != row.2 && name != row.3 {
                return Err(NO_GML);
            }
            for element in content(wrapper) {
                let name = gml_name(element)?;
                if kind.is_some_and(|kind| ELEMENTS[kind as usize].1 != name) {
                    return Err(NO_GML);
                }
                members.push(member(self, element)?);
            }
        }
        Ok(members)
    }

    fn point<E: Element>(&self, element: &E) -> Read<Option<Position>> {
        match self.line(element)?.as_slice() {
            [] => Ok(None),
            [position] => Ok(Some(*position)),
            _ => Err("has more than one position"),
        }
    }

    fn rings<E: Element>(&self, element: &E) -> Read<Vec<Vec<Position>>> {
        let ring = |(index, side): (usize, &E)| {
            let name = if index == 0 { "exterior" } else { "interior" };
            let ring = only(side)?;
            match (gml_name(side)? == name, gml_name(ring)?) {
                (true, "LinearRing") => self.line(ring),
                _ => Err(NO_GML),
            }
        };
        content(element).enumerate().map(ring).collect()
    }

    /// Positions in `pos` elements of their own, or two numbers each in one `posList`; a `Point` of its own in `pointProperty`.
    fn line<E: Element>(&self, element: &E) -> Read<Vec<Position>> {
        let mut line = Vec::new();
        for element in content(element) {
            let text = element.text();
            match gml_name(element)? {
                "pos" if text.trim_ascii().is_empty() => {}
                "pos" => line.push(self.position(&text)?),
                "posList" => self.list(&text, &mut line)?,
                "pointProperty" => line.extend(self.point(only(element)?)?),
                _ => return Err(NO_GML),
            }
        }
        Ok(line)
    }

    fn list(&self, text: &str, line: &mut Vec<Position>) -> Read<()> {
        let mut numbers = text.split_ascii_whitespace();
        while let Some(first) = numbers.next() {
            let second = numbers.next().ok_or(NO_GML)?;
            line.push(self.position(&format!("{first} {second}"))?);
        }
        Ok(())
    }

    fn position(&self, text: &str) -> Read<Position> {
        let mut read = [None; 5];
        let mut count = 0;
        for text in text.split_ascii_whitespace() {
            let place = read.get_mut(count).ok_or(NO_GML)?;
            let number: f64 = text.parse().map_err(|_| NO_GML)?;
            *place = Some(number).filter(|number| !number.is_nan());
            count += 1;
        }
        if self.is_geography {
            read.swap(0, 1);
        }
        Position::new(read.into_iter().take(count))
    }
}

#[cfg(test)]
mod tests;
