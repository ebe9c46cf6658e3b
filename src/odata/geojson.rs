//! Spatial values in JSON (JL-28, GEO-3): GeoJSON with a `crs`. A cell holds `SRID=n;WKT`; both put longitude first, so numbers
//! keep their order.

use super::json_tree::Json;
use crate::model::limits::BODY_DEPTH;

/// WKT name in upper case, GeoJSON name, and how many arrays are around a position.
const SHAPES: &[(&str, &str, usize)] = &[
    ("POINT", "Point", 0),
    ("LINESTRING", "LineString", 1),
    ("POLYGON", "Polygon", 2),
    ("MULTIPOINT", "MultiPoint", 1),
    ("MULTILINESTRING", "MultiLineString", 2),
    ("MULTIPOLYGON", "MultiPolygon", 3),
];

/// Writes `SRID=n;WKT` as GeoJSON; null when it is not well-formed.
pub fn write(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if write_text(text, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (srid, wkt) = text.split_once(';')?;
    let srid = srid.get(5..)?.parse::<u32>().ok()?;
    let mut wkt = Wkt { text: wkt };
    wkt.shape(0, out)?;
    // The crs goes into the object that has just been closed.
    out.pop();
    out.extend_from_slice(format!(",\"crs\":{{\"type\":\"name\",\"properties\":{{\"name\":\"EPSG:{srid}\"}}}}}}").as_bytes());
    wkt.text.trim().is_empty().then_some(())
}

struct Wkt<'a> {
    text: &'a str,
}

impl Wkt<'_> {
    fn eat(&mut self, c: char) -> Option<()> {
        self.text = self.text.trim_start().strip_prefix(c)?;
        Some(())
    }

    fn word(&mut self) -> String {
        let text = self.text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        self.text = &text[end..];
        text[..end].to_ascii_uppercase()
    }

    fn shape(&mut self, depth: usize, out: &mut Vec<u8>) -> Option<()> {
        if depth > BODY_DEPTH {
            return None;
        }
        let name = self.word();
        let is_empty = self
            .text
            .trim_start()
            .get(..5)
            .is_some_and(|word| word.eq_ignore_ascii_case("empty"));
        if is_empty {
            self.word();
        }
        if matches!(name.as_str(), "GEOMETRYCOLLECTION" | "COLLECTION") {
            out.extend_from_slice(b"{\"type\":\"GeometryCollection\",\"geometries\":[");
            if !is_empty {
                self.list(out, &mut |wkt, out| wkt.shape(depth + 1, out))?;
            }
        } else {
            let (_, json, levels) = SHAPES.iter().find(|(wkt, ..)| *wkt == name)?;
            out.extend_from_slice(format!("{{\"type\":\"{json}\",\"coordinates\":").as_bytes());
            if is_empty {
                out.extend_from_slice(b"[]}");
                return Some(());
            }
            return self.level(*levels, out).map(|()| out.push(b'}'));
        }
        out.extend_from_slice(b"]}");
        Some(())
    }

    /// `(item, item)`.
    fn list(&mut self, out: &mut Vec<u8>, item: &mut dyn FnMut(&mut Self, &mut Vec<u8>) -> Option<()>) -> Option<()> {
        self.eat('(')?;
        loop {
            item(self, out)?;
            if self.eat(',').is_none() {
                return self.eat(')');
            }
            out.push(b',');
        }
    }

    fn level(&mut self, levels: usize, out: &mut Vec<u8>) -> Option<()> {
        out.push(b'[');
        if levels > 0 {
            self.list(out, &mut |wkt, out| wkt.level(levels - 1, out))?;
        } else {
            // A point, and each point of a MULTIPOINT, may have parentheses of its own.
            let own = self.eat('(').is_some();
            let end = self.text.find([',', ')']).unwrap_or(self.text.len());
            let (position, rest) = self.text.split_at(end);
            for (index, number) in position.split_ascii_whitespace().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
                out.extend_from_slice(format!("{number:?}").as_bytes());
            }
            self.text = rest;
            if own {
                self.eat(')')?;
            }
        }
        out.push(b']');
        Some(())
    }
}

/// Reads GeoJSON into `SRID=n;WKT`; `srid` is that of values without a `crs` (GEO-2).
pub fn read(json: &Json<'_>, srid: u32) -> Option<String> {
    let named = json.member("crs").and_then(|crs| crs.member("properties")?.member("name"));
    let srid = match named {
        Some(Json::String(name)) => name.strip_prefix("EPSG:")?.parse().ok()?,
        Some(_) => return None,
        None => srid,
    };
    let mut out = format!("SRID={srid};");
    read_shape(json, &mut out)?;
    Some(out)
}

fn read_shape(json: &Json<'_>, out: &mut String) -> Option<()> {
    let Some(Json::String(name)) = json.member("type") else {
        return None;
    };
    if name == "GeometryCollection" {
        let geometries = json.member("geometries")?;
        out.push_str("GEOMETRYCOLLECTION");
        if *geometries == Json::Array(Vec::new()) {
            out.push_str(" EMPTY");
            return Some(());
        }
        out.push('(');
        read_list(geometries, out, &mut read_shape)?;
        out.push(')');
        return Some(());
    }
    let (wkt, _, levels) = SHAPES.iter().find(|(_, json, _)| json == name)?;
    let coordinates = json.member("coordinates")?;
    out.push_str(wkt);
    if *coordinates == Json::Array(Vec::new()) {
        out.push_str(" EMPTY");
        return Some(());
    }
    read_level(coordinates, *levels, *wkt != "LINESTRING" && *levels < 2, out)
}

fn read_list(json: &Json<'_>, out: &mut String, item: &mut dyn FnMut(&Json<'_>, &mut String) -> Option<()>) -> Option<()> {
    // Only a whole shape can be empty, not a part of one.
    let Json::Array(items) = json else { return None };
    if items.is_empty() {
        return None;
    }
    for (index, json) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        item(json, out)?;
    }
    Some(())
}

/// `own`: each position has parentheses of its own.
fn read_level(json: &Json<'_>, levels: usize, own: bool, out: &mut String) -> Option<()> {
    if levels > 0 || own {
        out.push('(');
    }
    if levels > 0 {
        read_list(json, out, &mut |json, out| read_level(json, levels - 1, own, out))?;
    } else {
        let Json::Array(numbers) = json else { return None };
        if numbers.len() < 2 {
            return None;
        }
        for (index, number) in numbers.iter().enumerate() {
            let Json::Number(number) = number else { return None };
            if index > 0 {
                out.push(' ');
            }
            out.push_str(number);
        }
    }
    if levels > 0 || own {
        out.push(')');
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::json_tree;

    #[test]
    fn both_ways() {
        let cases = [
            (
                "SRID=4326;POINT(142.1 64.5)",
                r#"{"type":"Point","coordinates":[142.1,64.5],"crs":"#,
            ),
            ("SRID=4326;POLYGON EMPTY", r#"{"type":"Polygon","coordinates":[],"crs":"#),
            (
                "SRID=4326;GEOMETRYCOLLECTION EMPTY",
                r#"{"type":"GeometryCollection","geometries":[],"crs":"#,
            ),
            (
                "SRID=0;LINESTRING(1.0 1.0, 3.0 3.0)",
                r#"{"type":"LineString","coordinates":[[1.0,1.0],[3.0,3.0]],"crs":"#,
            ),
            (
                "SRID=0;POLYGON((0.0 0.0, 1.0 0.0, 0.0 0.0))",
                r#"{"type":"Polygon","coordinates":[[[0.0,0.0],[1.0,0.0],[0.0,0.0]]],"crs":"#,
            ),
            (
                "SRID=0;MULTIPOINT((0.5 0.0), (1.5 0.0))",
                r#"{"type":"MultiPoint","coordinates":[[0.5,0.0],[1.5,0.0]],"crs":"#,
            ),
            (
                "SRID=0;MULTIPOLYGON(((0.0 1.0, 2.0 3.0)))",
                r#"{"type":"MultiPolygon","coordinates":[[[[0.0,1.0],[2.0,3.0]]]],"crs":"#,
            ),
            (
                "SRID=0;GEOMETRYCOLLECTION(POINT(0.0 1.0), POINT(2.0 3.0))",
                r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[0.0,1.0]},{"type":"Point","coordinates":[2.0,3.0]}],"crs":"#,
            ),
        ];
        for (text, json) in cases {
            let mut out = Vec::new();
            write(text, &mut out);
            let written = String::from_utf8(out).unwrap();
            assert!(written.starts_with(json), "{written}");
            assert_eq!(read(&json_tree::parse(written.as_bytes()).unwrap(), 1).as_deref(), Some(text));
        }
    }

    #[test]
    fn other_spellings_and_faults() {
        let cases = [
            (
                "SRID=0;MultiPoint (1 2, 3 4)",
                "{\"type\":\"MultiPoint\",\"coordinates\":[[1.0,2.0],[3.0,4.0]],",
            ),
            ("SRID=0;POINT EMPTY", "{\"type\":\"Point\",\"coordinates\":[],"),
            (
                "SRID=0;GEOMETRYCOLLECTION EMPTY",
                "{\"type\":\"GeometryCollection\",\"geometries\":[],",
            ),
            ("SRID=0;POINT(1 x)", "null"),
            ("SRID=0;POINT(1 2", "null"),
            ("SRID=0;POINT(1 2) y", "null"),
            ("SRID=0;CIRCLE(1 2)", "null"),
            ("POINT(1 2)", "null"),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            write(text, &mut out);
            let written = String::from_utf8(out).unwrap();
            assert!(written.starts_with(expected), "{text}: {written}");
        }
        let mut out = Vec::new();
        write(&format!("SRID=0;{}", "GEOMETRYCOLLECTION(".repeat(100_000)), &mut out);
        assert_eq!(out, b"null");
    }
}
