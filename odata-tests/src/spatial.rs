//! Random shapes and what `geo.distance`, `geo.length` and `geo.intersects` (FLT-63) mean for them, worked out without the server and
//! in other ways: great circles by vectors in space, points in polygons by exact integers and rays that go upwards.

use serde_json::{Value as Json, json};

use crate::random::Random;

/// Mean radius of the Earth in metres.
const EARTH_RADIUS: f64 = 6_371_008.8;
/// Coordinates are multiples of its inverse, so that integers stand for them.
const GRID: f64 = 1024.0;

/// A position, in units of [`GRID`].
pub type Place = (i64, i64);

/// One row, all of a system or all of the plane; `None` is null.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Row {
    pub id: i64,
    /// Of the three values.
    pub srid: u32,
    /// An empty point holds no place.
    pub point: Option<Option<Place>>,
    pub line: Option<Vec<Place>>,
    pub polygon: Option<Vec<Vec<Place>>>,
}

/// Geography or geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Geography,
    Geometry,
}

impl Family {
    /// Names of the properties of `fixtures/maps` with a point, a line and a polygon.
    pub fn properties(self) -> [&'static str; 3] {
        match self {
            Family::Geography => ["Where", "Route", "Area"],
            Family::Geometry => ["Spot", "Edge", "Plot"],
        }
    }

    /// The usual SRID.
    pub fn srid(self) -> u32 {
        if self == Family::Geography { 4326 } else { 0 }
    }

    /// A literal.
    pub fn literal(self, srid: u32, wkt: &str) -> String {
        let prefix = if self == Family::Geography { "geography" } else { "geometry" };
        format!("{prefix}'SRID={srid};{wkt}'")
    }

    /// Metres or units.
    pub fn distance(self, a: Place, b: Place) -> f64 {
        let number = |(x, y): Place| (x as f64 / GRID, y as f64 / GRID);
        let ((ax, ay), (bx, by)) = (number(a), number(b));
        if self == Family::Geometry {
            return ((ax - bx).powi(2) + (ay - by).powi(2)).sqrt();
        }
        let vector = |x: f64, y: f64| {
            let (x, y) = (x.to_radians(), y.to_radians());
            [y.cos() * x.cos(), y.cos() * x.sin(), y.sin()]
        };
        let (u, v) = (vector(ax, ay), vector(bx, by));
        let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        let length = cross.iter().map(|part| part * part).sum::<f64>().sqrt();
        EARTH_RADIUS * length.atan2(u.iter().zip(v).map(|(u, v)| u * v).sum())
    }

    /// Of a line.
    pub fn length(self, line: &[Place]) -> f64 {
        line.windows(2).map(|side| self.distance(side[0], side[1])).sum()
    }
}

/// On a side, or above an odd number of sides.
pub fn intersects(point: Place, rings: &[Vec<Place>]) -> bool {
    let (x, y) = (i128::from(point.0), i128::from(point.1));
    let mut below = 0;
    for side in rings.iter().flat_map(|ring| ring.windows(2)) {
        let [mut a, mut b] = [side[0], side[1]].map(|(x, y)| (i128::from(x), i128::from(y)));
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        // Of the side's height at x: how far the point is above it, times the side's width.
        let above = (y - a.1) * (b.0 - a.0) - (b.1 - a.1) * (x - a.0);
        let is_vertical_there = a.0 == b.0 && x == a.0 && a.1 <= y && y <= b.1;
        if is_vertical_there || (a.0 <= x && x <= b.0 && a.0 < b.0 && above == 0) {
            return true;
        }
        below += usize::from(a.0 <= x && x < b.0 && above > 0);
    }
    below % 2 == 1
}

/// Text of a place: `1.5 -2`.
pub fn text((x, y): Place) -> String {
    format!("{} {}", x as f64 / GRID, y as f64 / GRID)
}

/// `POINT(…)`
pub fn point_text(point: Option<Place>) -> String {
    point.map_or("POINT EMPTY".to_owned(), |place| format!("POINT({})", text(place)))
}

/// `POLYGON(…)`
pub fn polygon_text(rings: &[Vec<Place>]) -> String {
    if rings.is_empty() {
        return "POLYGON EMPTY".to_owned();
    }
    let ring = |ring: &Vec<Place>| format!("({})", places(ring));
    format!("POLYGON({})", rings.iter().map(ring).collect::<Vec<_>>().join(", "))
}

fn line_text(line: &[Place]) -> String {
    if line.is_empty() {
        return "LINESTRING EMPTY".to_owned();
    }
    format!("LINESTRING({})", places(line))
}

fn places(line: &[Place]) -> String {
    line.iter().copied().map(text).collect::<Vec<_>>().join(", ")
}

/// A place: on a coarse grid, so that many fall together, or anywhere.
pub fn place(random: &mut Random) -> Place {
    if random.one_in(2) {
        return ((random.below(9) as i64 - 4) * 512, (random.below(9) as i64 - 4) * 512);
    }
    let mut number = |size: i64| random.below((2 * size) as usize * 1024) as i64 - size * 1024;
    (number(180), number(90))
}

/// Closed rings of three to eight sides, which may cross each other and themselves: what is inside is a matter of counting.
pub fn rings(random: &mut Random) -> Vec<Vec<Place>> {
    let count = *random.pick(&[0, 1, 1, 1, 2, 3]);
    let ring = |_| {
        let mut ring: Vec<Place> = (0..3 + random.below(6)).map(|_| place(random)).collect();
        ring.push(ring[0]);
        ring
    };
    (0..count).map(ring).collect()
}

/// Rows numbered from `first`.
pub fn rows(random: &mut Random, family: Family, first: i64, count: usize) -> Vec<Row> {
    let row = |index| Row {
        id: first + index as i64,
        srid: if random.one_in(10) { 4267 } else { family.srid() },
        point: maybe(random, |random| (!random.one_in(10)).then(|| place(random))),
        line: maybe(random, |random| match random.below(5) {
            0 => Vec::new(),
            sides => (0..=sides).map(|_| place(random)).collect(),
        }),
        polygon: maybe(random, rings),
    };
    (0..count).map(row).collect()
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    if random.one_in(8) { None } else { Some(make(random)) }
}

/// Rows as a file for `odonata load`.
pub fn json(rows: &[Row], family: Family) -> String {
    let [point, line, polygon] = family.properties();
    let row = |row: &Row| {
        let value = |wkt: Option<String>| wkt.map(|wkt| format!("SRID={};{wkt}", row.srid));
        json!({
            "Id": row.id,
            point: value(row.point.map(point_text)),
            line: value(row.line.as_deref().map(line_text)),
            polygon: value(row.polygon.as_deref().map(polygon_text)),
            "Stops": [],
        })
    };
    Json::Array(rows.iter().map(row).collect()).to_string()
}
