//! Spatial values in JSON (JL-28, GEO-3): GeoJSON with a `crs`. A cell holds `SRID=n;WKT`; both put longitude first, so numbers
//! keep their order. A position without height but with a measure has `null` for the height.

use super::json_tree::Json;
use crate::model::geometry::{Kind, Position, Read, Shape, Spatial};

const NO_GEOJSON: &str = "is no GeoJSON object";

/// Writes `SRID=n;WKT` as GeoJSON; null when it is not well-formed.
pub fn write(text: &str, out: &mut Vec<u8>) {
    let Ok(spatial) = Spatial::parse(text) else {
        return out.extend_from_slice(b"null");
    };
    write_shape(&spatial.shape, out);
    // The crs goes into the object that has just been closed.
    out.pop();
    let srid = spatial.srid;
    out.extend_from_slice(format!(",\"crs\":{{\"type\":\"name\",\"properties\":{{\"name\":\"EPSG:{srid}\"}}}}}}").as_bytes());
}

fn write_shape(shape: &Shape, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(shape.kind().name().as_bytes());
    out.extend_from_slice(match shape {
        Shape::Collection(_) => b"\",\"geometries\":",
        _ => b"\",\"coordinates\":",
    });
    match shape {
        Shape::Point(None) => out.extend_from_slice(b"[]"),
        Shape::Point(Some(position)) => write_position(position, out),
        Shape::LineString(line) | Shape::MultiPoint(line) => write_list(line, out, &mut write_position),
        Shape::Polygon(lines) | Shape::MultiLineString(lines) => write_list(lines, out, &mut |line, out| write_line(line, out)),
        Shape::MultiPolygon(polygons) => {
            write_list(polygons, out, &mut |rings, out| {
                write_list(rings, out, &mut |ring, out| write_line(ring, out))
            });
        }
        Shape::Collection(shapes) => write_list(shapes, out, &mut write_shape),
    }
    out.push(b'}');
}

fn write_line(line: &[Position], out: &mut Vec<u8>) {
    write_list(line, out, &mut write_position);
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, item: &mut dyn FnMut(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(each, out);
    }
    out.push(b']');
}

fn write_position(position: &Position, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("[{:?},{:?}", position.x, position.y).as_bytes());
    match (position.z, position.m) {
        (None, None) => {}
        (Some(z), None) => out.extend_from_slice(format!(",{z:?}").as_bytes()),
        (None, Some(m)) => out.extend_from_slice(format!(",null,{m:?}").as_bytes()),
        (Some(z), Some(m)) => out.extend_from_slice(format!(",{z:?},{m:?}").as_bytes()),
    }
    out.push(b']');
}

/// Reads GeoJSON; `srid` is that of values without a `crs` (GEO-2). The depth is that of `json`, which its parser bounds.
pub fn read(json: &Json<'_>, srid: u32) -> Read<Spatial> {
    let srid = match json.member("crs") {
        None | Some(Json::Null) => srid,
        Some(crs) => match crs.member("properties").and_then(|properties| properties.member("name")) {
            Some(Json::String(name)) => number(name.strip_prefix("EPSG:").unwrap_or_default())?,
            _ => return Err(NO_CRS),
        },
    };
    Spatial::new(srid, read_shape(json)?)
}

const NO_CRS: &str = "has a `crs` that is not named like \"EPSG:4326\"";

fn number(digits: &str) -> Read<u32> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).ok_or(NO_CRS)
}

fn read_shape(json: &Json<'_>) -> Read<Shape> {
    let kind = match json.member("type") {
        Some(Json::String(name)) => Kind::from_name(name),
        _ => None,
    };
    let kind = kind.ok_or("is no GeoJSON object: it has no `type` of a shape")?;
    let content = match kind {
        Kind::Collection => json.member("geometries").ok_or("is a GeometryCollection without `geometries`")?,
        _ => json.member("coordinates").ok_or("is a GeoJSON object without `coordinates`")?,
    };
    Ok(match kind {
        Kind::Point if *content == Json::Array(Vec::new()) => Shape::Point(None),
        Kind::Point => Shape::Point(Some(read_position(content)?)),
        Kind::LineString => Shape::LineString(read_line(content)?),
        Kind::Polygon => Shape::Polygon(read_list(content, read_line)?),
        Kind::MultiPoint => Shape::MultiPoint(read_line(content)?),
        Kind::MultiLineString => Shape::MultiLineString(read_list(content, read_line)?),
        Kind::MultiPolygon => Shape::MultiPolygon(read_list(content, |rings| read_list(rings, read_line))?),
        Kind::Collection => Shape::Collection(read_list(content, read_shape)?),
    })
}

fn read_list<T>(json: &Json<'_>, item: fn(&Json<'_>) -> Read<T>) -> Read<Vec<T>> {
    match json {
        Json::Array(items) => items.iter().map(item).collect(),
        _ => Err(NO_GEOJSON),
    }
}

fn read_line(json: &Json<'_>) -> Read<Vec<Position>> {
    read_list(json, read_position)
}

fn read_position(json: &Json<'_>) -> Read<Position> {
    let Json::Array(numbers) = json else {
        return Err(NO_GEOJSON);
    };
    let mut read = [None; 5];
    for (place, json) in read.iter_mut().zip(numbers) {
        *place = match json {
            Json::Number(number) => number.parse().ok(),
            Json::Null => None,
            _ => return Err(NO_GEOJSON),
        };
    }
    Position::new(read.into_iter().take(numbers.len()))
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
            ("SRID=4326;POINT(1 2 3)", r#"{"type":"Point","coordinates":[1.0,2.0,3.0],"crs":"#),
            (
                "SRID=4326;POINT(1 2 3 4)",
                r#"{"type":"Point","coordinates":[1.0,2.0,3.0,4.0],"crs":"#,
            ),
            (
                "SRID=4326;POINT(1 2 NULL 4)",
                r#"{"type":"Point","coordinates":[1.0,2.0,null,4.0],"crs":"#,
            ),
            (
                "SRID=4326;POINT(1E20 -1E-7)",
                r#"{"type":"Point","coordinates":[1e20,-1e-7],"crs":"#,
            ),
            ("SRID=4326;POINT EMPTY", r#"{"type":"Point","coordinates":[],"crs":"#),
            ("SRID=4326;POLYGON EMPTY", r#"{"type":"Polygon","coordinates":[],"crs":"#),
            (
                "SRID=4326;GEOMETRYCOLLECTION EMPTY",
                r#"{"type":"GeometryCollection","geometries":[],"crs":"#,
            ),
            (
                "SRID=0;LINESTRING(1 1,3 3)",
                r#"{"type":"LineString","coordinates":[[1.0,1.0],[3.0,3.0]],"crs":"#,
            ),
            (
                "SRID=0;POLYGON((0 0,1 0,1 1,0 0))",
                r#"{"type":"Polygon","coordinates":[[[0.0,0.0],[1.0,0.0],[1.0,1.0],[0.0,0.0]]],"crs":"#,
            ),
            (
                "SRID=0;MULTIPOINT((0.5 0),(1.5 0))",
                r#"{"type":"MultiPoint","coordinates":[[0.5,0.0],[1.5,0.0]],"crs":"#,
            ),
            (
                "SRID=0;MULTILINESTRING((1 1,3 3))",
                r#"{"type":"MultiLineString","coordinates":[[[1.0,1.0],[3.0,3.0]]],"crs":"#,
            ),
            (
                "SRID=0;MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
                r#"{"type":"MultiPolygon","coordinates":[[[[0.0,0.0],[1.0,0.0],[1.0,1.0],[0.0,0.0]]]],"crs":"#,
            ),
            (
                "SRID=0;GEOMETRYCOLLECTION(POINT(0 1),GEOMETRYCOLLECTION(POINT(2 3)))",
                r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[0.0,1.0]},{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[2.0,3.0]}]}],"crs":"#,
            ),
        ];
        for (text, json) in cases {
            let mut out = Vec::new();
            write(text, &mut out);
            let written = String::from_utf8(out).unwrap();
            assert!(written.starts_with(json), "{written}");
            let read = read(&json_tree::parse(written.as_bytes()).unwrap(), 1);
            assert_eq!(read.map(|spatial| spatial.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_value() {
        let mut out = Vec::new();
        write("SRID=0;POINT(1 x)", &mut out);
        assert_eq!(out, b"null");
        let cases = [
            ("{}", "`type`"),
            (r#"{"type":"point","coordinates":[1,2]}"#, "`type`"),
            (r#"{"type":"Point"}"#, "`coordinates`"),
            (r#"{"type":"GeometryCollection","coordinates":[]}"#, "`geometries`"),
            (r#"{"type":"GeometryCollection","geometries":[1]}"#, "`type`"),
            (r#"{"type":"Point","coordinates":1}"#, "GeoJSON"),
            (r#"{"type":"Point","coordinates":["1","2"]}"#, "GeoJSON"),
            (r#"{"type":"Point","coordinates":[1]}"#, "two to four"),
            (r#"{"type":"Point","coordinates":[1,null]}"#, "two to four"),
            (r#"{"type":"Point","coordinates":[1,2,3,4,5]}"#, "two to four"),
            (r#"{"type":"Point","coordinates":[1,2,3,4,5,6,7]}"#, "two to four"),
            (r#"{"type":"Point","coordinates":[1,1e400]}"#, "coordinate"),
            (r#"{"type":"LineString","coordinates":[[1,2]]}"#, "fewer than two"),
            (r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#, "not closed"),
            (r#"{"type":"Polygon","coordinates":[[]]}"#, "fewer than four"),
            (r#"{"type":"MultiPolygon","coordinates":[[]]}"#, "empty"),
            (r#"{"type":"Point","coordinates":[1,2],"crs":{}}"#, "EPSG"),
            (
                r#"{"type":"Point","coordinates":[1,2],"crs":{"properties":{"name":"EPSG:x"}}}"#,
                "EPSG",
            ),
            (
                r#"{"type":"Point","coordinates":[1,2],"crs":{"properties":{"name":"4326"}}}"#,
                "EPSG",
            ),
        ];
        for (json, expected) in cases {
            let why = read(&json_tree::parse(json.as_bytes()).unwrap(), 0).expect_err(json);
            assert!(why.contains(expected), "{json}: {why}");
        }
    }
}
