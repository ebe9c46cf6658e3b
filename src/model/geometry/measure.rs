//! `geo.distance`, `geo.length` and `geo.intersects` (FLT-63) over canonical texts. The functions of the same names that a
//! migration makes on PostgreSQL follow these step by step.
//!
//! A geography is measured in metres along great circles of a sphere with the Earth's mean radius: up to half a percent from
//! what an ellipsoid gives. A geometry is measured in its own units on a plane. Heights and measures (z and m) do not count.
//! Nothing is measured between different coordinate systems: null. An empty point is at no distance from anything: null.

use super::{Position, Shape, Spatial, srid};

/// Mean radius of the Earth in metres.
const EARTH_RADIUS: f64 = 6_371_008.8;

/// How far it is from one position to another.
type Metric = fn(&Position, &Position) -> f64;

/// Metres between two geographies.
pub fn on_sphere(a: &Position, b: &Position) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let haversine = half(b.y - a.y) + a.y.to_radians().cos() * b.y.to_radians().cos() * half(b.x - a.x);
    2.0 * EARTH_RADIUS * haversine.clamp(0.0, 1.0).sqrt().asin()
}

/// Units between two geometries.
pub fn on_plane(a: &Position, b: &Position) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// `geo.distance` of two points.
pub fn distance(metric: Metric, a: &str, b: &str) -> Option<f64> {
    match (point(a)?, point(b)?) {
        (Some(from), Some(to)) if srid(a) == srid(b) => Some(metric(&from, &to)),
        _ => None,
    }
}

/// `geo.length` of a line; that of an empty one is 0.
pub fn length(metric: Metric, line: &str) -> Option<f64> {
    match Spatial::parse(line).ok()?.shape {
        Shape::LineString(line) => Some(line.windows(2).map(|side| metric(&side[0], &side[1])).sum()),
        _ => None,
    }
}

/// `geo.intersects` of a point and a polygon.
///
/// A geography too is taken as flat: its sides are straight in longitude and latitude, as maps draw them, and no polygon reaches
/// over the antimeridian. What is on the boundary is inside; what is in a hole is not. Nothing is in an empty polygon.
pub fn intersects(place: &str, polygon: &str) -> Option<bool> {
    match (point(place)?, Spatial::parse(polygon).ok()?.shape) {
        (point, Shape::Polygon(rings)) if srid(place) == srid(polygon) => Some(point.is_some_and(|point| is_inside(&point, &rings))),
        _ => None,
    }
}

/// A point, which may be empty.
fn point(text: &str) -> Option<Option<Position>> {
    match Spatial::parse(text).ok()?.shape {
        Shape::Point(point) => Some(point),
        _ => None,
    }
}

/// Whether a ray to the right crosses an odd number of sides, of all rings: a hole is crossed once more.
fn is_inside(point: &Position, rings: &[Vec<Position>]) -> bool {
    let mut inside = false;
    for side in rings.iter().flat_map(|ring| ring.windows(2)) {
        let (a, b) = (&side[0], &side[1]);
        // Equal when the three are on a line; which is larger tells the side of the line.
        let (left, right) = ((b.x - a.x) * (point.y - a.y), (point.x - a.x) * (b.y - a.y));
        let between = |low: f64, value: f64, high: f64| low.min(high) <= value && value <= low.max(high);
        if left == right && between(a.x, point.x, b.x) && between(a.y, point.y, b.y) {
            return true;
        }
        let reaches = (a.y > point.y) != (b.y > point.y);
        inside ^= reaches && (left > right) == (b.y > a.y);
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: Option<f64>, right: Option<f64>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * right.abs(),
            (left, right) => left == right,
        }
    }

    #[test]
    fn distances() {
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS;
        let cases: &[(Metric, &str, &str, Option<f64>)] = &[
            (on_sphere, "SRID=4326;POINT(0 0)", "SRID=4326;POINT(90 0)", Some(quarter)),
            (on_sphere, "SRID=4326;POINT(0 0)", "SRID=4326;POINT(-180 0)", Some(2.0 * quarter)),
            (on_sphere, "SRID=4326;POINT(10 90)", "SRID=4326;POINT(77 0)", Some(quarter)),
            (
                on_sphere,
                "SRID=4326;POINT(179.5 0)",
                "SRID=4326;POINT(-179.5 0)",
                Some(quarter / 90.0),
            ),
            (on_sphere, "SRID=4326;POINT(0 1E-7)", "SRID=4326;POINT(0 0)", Some(quarter / 9e8)),
            (on_sphere, "SRID=4326;POINT(7 8 9)", "SRID=4326;POINT(7 8 1000)", Some(0.0)),
            (on_sphere, "SRID=4326;POINT(0 0)", "SRID=4267;POINT(0 0)", None),
            (on_sphere, "SRID=4326;POINT EMPTY", "SRID=4326;POINT(0 0)", None),
            (on_plane, "SRID=0;POINT(1 1)", "SRID=0;POINT(4 5)", Some(5.0)),
            (on_plane, "SRID=0;POINT(-1E100 0)", "SRID=0;POINT(1E100 0)", Some(2e100)),
            (on_plane, "SRID=0;POINT(0 0)", "SRID=0;LINESTRING(0 0,1 1)", None),
            (on_plane, "SRID=0;POINT(0 0)", "", None),
        ];
        for (metric, a, b, expected) in cases {
            assert!(close(distance(*metric, a, b), *expected), "{a} {b}: {:?}", distance(*metric, a, b));
            assert_eq!(distance(*metric, a, b), distance(*metric, b, a), "{a} {b}");
        }
    }

    #[test]
    fn lengths() {
        let cases: &[(Metric, &str, Option<f64>)] = &[
            (on_plane, "SRID=0;LINESTRING(0 0,3 4,3 5)", Some(6.0)),
            (on_plane, "SRID=0;LINESTRING EMPTY", Some(0.0)),
            (on_plane, "SRID=0;POINT(0 0)", None),
            (
                on_sphere,
                "SRID=4326;LINESTRING(0 0,90 0,90 90)",
                Some(std::f64::consts::PI * EARTH_RADIUS),
            ),
        ];
        for (metric, line, expected) in cases {
            assert!(close(length(*metric, line), *expected), "{line}");
        }
    }

    #[test]
    fn points_in_polygons() {
        // A square with a square hole, its sides in both directions.
        let polygon = "SRID=0;POLYGON((0 0,10 0,10 10,0 10,0 0),(4 4,4 6,6 6,6 4,4 4))";
        let cases = [
            ("1 1", true),
            ("5 5", false),
            ("-1 5", false),
            ("11 5", false),
            ("5 11", false),
            // On a side, on a corner, on the side of the hole and its corner.
            ("0 5", true),
            ("10 10", true),
            ("4 5", true),
            ("6 6", true),
            // Level with corners.
            ("-1 0", false),
            ("-1 4", false),
            ("11 10", false),
            ("2 4", true),
            ("7 6", true),
            ("5 10", true),
        ];
        for (point, expected) in cases {
            let point = format!("SRID=0;POINT({point})");
            assert_eq!(intersects(&point, polygon), Some(expected), "{point}");
        }
        let others = [
            ("SRID=0;POINT EMPTY", polygon, Some(false)),
            ("SRID=0;POINT(0 0)", "SRID=0;POLYGON EMPTY", Some(false)),
            ("SRID=1;POINT(0 0)", polygon, None),
            ("SRID=0;POINT(0 0)", "SRID=0;POINT(0 0)", None),
            // A triangle with a slanted side: on it, and beside it by the smallest step.
            ("SRID=0;POINT(1 1)", "SRID=0;POLYGON((0 0,3 3,0 3,0 0))", Some(true)),
            (
                "SRID=0;POINT(1.0000000000000002 1)",
                "SRID=0;POLYGON((0 0,3 3,0 3,0 0))",
                Some(false),
            ),
        ];
        for (point, polygon, expected) in others {
            assert_eq!(intersects(point, polygon), expected, "{point} {polygon}");
        }
    }
}
