//! Connections to SQLite, and the functions that its SQL lacks.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::sync::{Arc, Mutex};

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use diesel::connection::{Connection, SimpleConnection};
use diesel::sql_types::{Double, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use diesel::{QueryResult, declare_sql_function};

use super::dialect::DECIMAL_COLLATION;
use super::fault;
use super::session::Session;
use crate::model::fault::{Fault, Outcome};
use crate::model::geometry::measure;
use crate::model::limits;
use crate::model::pattern;

/// Read connections: one for each thread that reads inline, and a stack of them for the blocking pool.
pub struct Readers {
    path: String,
    /// Tells this database's inline connections from those of another in the same process.
    id: u64,
    idle: Mutex<Vec<SqliteConnection>>,
}

thread_local! {
    static INLINE: RefCell<Vec<(u64, SqliteConnection)>> = const { RefCell::new(Vec::new()) };
}

/// A connection that goes back when it is dropped.
pub struct Reader {
    readers: Arc<Readers>,
    connection: Option<SqliteConnection>,
}

impl Readers {
    /// For the database file at `path`.
    pub fn new(path: &str) -> Outcome<Readers> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let first = open(path, "PRAGMA query_only = ON;")?;
        Ok(Readers {
            path: path.to_owned(),
            id: NEXT.fetch_add(1, Memory::Relaxed),
            idle: Mutex::new(vec![first]),
        })
    }

    /// The database file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Runs a short job on the calling thread's own connection.
    pub fn inline<T>(&self, job: impl FnOnce(&mut Session<'_>) -> Outcome<T>) -> Outcome<T> {
        // Taken out while the job runs, so that a job that panics loses the connection instead of poisoning it.
        let held = INLINE.with_borrow_mut(|all| {
            let at = all.iter().position(|(id, _)| *id == self.id)?;
            Some(all.swap_remove(at).1)
        });
        let mut connection = match held {
            Some(connection) => connection,
            None => open(&self.path, "PRAGMA query_only = ON;")?,
        };
        let result = job(&mut Session::sqlite(&mut connection));
        INLINE.with_borrow_mut(|all| all.push((self.id, connection)));
        result
    }

    /// A connection for a longer job.
    pub fn take(self: &Arc<Self>) -> Outcome<Reader> {
        let idle = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open(&self.path, "PRAGMA query_only = ON;")?,
        };
        Ok(Reader {
            readers: self.clone(),
            connection: Some(connection),
        })
    }
}

impl std::ops::Deref for Reader {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect("only drop takes the connection")
    }
}

impl std::ops::DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("only drop takes the connection")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers
                .idle
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push(connection);
        }
    }
}

/// The writing connection; makes the file and its folder.
pub fn open_writer(path: &str) -> Outcome<SqliteConnection> {
    if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| unusable(path, error))?;
    }
    open(path, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
}

fn open(path: &str, pragmas: &str) -> Outcome<SqliteConnection> {
    let mut connection = SqliteConnection::establish(path).map_err(|error| unusable(path, error))?;
    let milliseconds = limits::DATABASE_WAIT_SECONDS * 1000;
    // Each PRAGMA is a statement of its own; the wait comes first, since the others may have to wait.
    let setup = format!("PRAGMA busy_timeout = {milliseconds}; {pragmas} PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;");
    connection.batch_execute(&setup).map_err(|error| unusable(path, error))?;
    register(&mut connection).map_err(fault::of)?;
    Ok(connection)
}

fn unusable(path: &str, error: impl std::fmt::Display) -> Fault {
    Fault::new(
        &crate::model::fault::BUSY,
        format!("The database {path} cannot be opened: {error}."),
    )
}

#[declare_sql_function]
extern "SQL" {
    fn odata_lower(text: Nullable<Text>) -> Nullable<Text>;
    fn odata_upper(text: Nullable<Text>) -> Nullable<Text>;
    fn odata_trim(text: Nullable<Text>) -> Nullable<Text>;
    fn odata_replace(text: Nullable<Text>, find: Nullable<Text>, by: Nullable<Text>) -> Nullable<Text>;
    fn odata_endswith(text: Nullable<Text>, end: Nullable<Text>) -> Nullable<Bool>;
    fn odata_matches(text: Nullable<Text>, pattern: Nullable<Text>) -> Nullable<Bool>;
    fn odata_round(number: Nullable<Double>) -> Nullable<Double>;
    fn odata_floor(number: Nullable<Double>) -> Nullable<Double>;
    fn odata_ceiling(number: Nullable<Double>) -> Nullable<Double>;
    fn odata_fmod(left: Nullable<Double>, right: Nullable<Double>) -> Nullable<Double>;
    fn odata_geography_distance(from: Nullable<Text>, to: Nullable<Text>) -> Nullable<Double>;
    fn odata_geometry_distance(from: Nullable<Text>, to: Nullable<Text>) -> Nullable<Double>;
    fn odata_geography_length(line: Nullable<Text>) -> Nullable<Double>;
    fn odata_geometry_length(line: Nullable<Text>) -> Nullable<Double>;
    fn odata_geo_intersects(point: Nullable<Text>, polygon: Nullable<Text>) -> Nullable<Bool>;
    fn odata_decimal_add(left: Nullable<Text>, right: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_sub(left: Nullable<Text>, right: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_mul(left: Nullable<Text>, right: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_div(left: Nullable<Text>, right: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_mod(left: Nullable<Text>, right: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_neg(number: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_round(number: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_floor(number: Nullable<Text>) -> Nullable<Text>;
    fn odata_decimal_ceiling(number: Nullable<Text>) -> Nullable<Text>;
}

type Str = Option<String>;
type Num = Option<f64>;

fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    // Diesel 2.3 calls a collation with its arguments exchanged.
    connection.register_collation(DECIMAL_COLLATION, |right: &str, left: &str| compare_decimals(left, right))?;
    odata_lower_utils::register_impl(connection, |s: Str| s.map(|s| s.to_lowercase()))?;
    odata_upper_utils::register_impl(connection, |s: Str| s.map(|s| s.to_uppercase()))?;
    odata_trim_utils::register_impl(connection, |s: Str| s.map(|s| s.trim().to_owned()))?;
    // SQLite's own gives the text back when there is nothing to find, whatever null stands beside (FLT-36).
    odata_replace_utils::register_impl(connection, |s: Str, find: Str, by: Str| replaced(&s?, &find?, &by?))?;
    odata_endswith_utils::register_impl(connection, |s: Str, end: Str| Some(s?.ends_with(&end?)))?;
    odata_matches_utils::register_impl(connection, |s: Str, expression: Str| pattern::fits(&s?, &expression?))?;
    odata_round_utils::register_impl(connection, |n: Num| n.map(f64::round_ties_even))?;
    odata_floor_utils::register_impl(connection, |n: Num| n.map(f64::floor))?;
    odata_ceiling_utils::register_impl(connection, |n: Num| n.map(f64::ceil))?;
    odata_fmod_utils::register_impl(connection, |l: Num, r: Num| Some(l? % r?))?;
    odata_geography_distance_utils::register_impl(connection, |a: Str, b: Str| measure::distance(measure::on_sphere, &a?, &b?))?;
    odata_geometry_distance_utils::register_impl(connection, |a: Str, b: Str| measure::distance(measure::on_plane, &a?, &b?))?;
    odata_geography_length_utils::register_impl(connection, |line: Str| measure::length(measure::on_sphere, &line?))?;
    odata_geometry_length_utils::register_impl(connection, |line: Str| measure::length(measure::on_plane, &line?))?;
    odata_geo_intersects_utils::register_impl(connection, |point: Str, polygon: Str| measure::intersects(&point?, &polygon?))?;
    odata_decimal_add_utils::register_impl(connection, |l: Str, r: Str| arithmetic(l, r, |l, r| Some(l + r)))?;
    odata_decimal_sub_utils::register_impl(connection, |l: Str, r: Str| arithmetic(l, r, |l, r| Some(l - r)))?;
    odata_decimal_mul_utils::register_impl(connection, |l: Str, r: Str| arithmetic(l, r, |l, r| Some(l * r)))?;
    odata_decimal_div_utils::register_impl(connection, |l: Str, r: Str| {
        arithmetic(l, r, |l, r| (!r.is_zero()).then(|| (l / r).with_prec(28)))
    })?;
    odata_decimal_mod_utils::register_impl(connection, |l: Str, r: Str| arithmetic(l, r, |l, r| (!r.is_zero()).then(|| l % r)))?;
    odata_decimal_neg_utils::register_impl(connection, |n: Str| rounded(n, |n| -n))?;
    odata_decimal_round_utils::register_impl(connection, |n: Str| rounded(n, |n| n.with_scale_round(0, RoundingMode::HalfEven)))?;
    odata_decimal_floor_utils::register_impl(connection, |n: Str| rounded(n, |n| n.with_scale_round(0, RoundingMode::Floor)))?;
    odata_decimal_ceiling_utils::register_impl(connection, |n: Str| rounded(n, |n| n.with_scale_round(0, RoundingMode::Ceiling)))?;
    Ok(())
}

fn replaced(text: &str, find: &str, by: &str) -> Str {
    // The binder bounds how much a text can grow; this bounds what it grows from.
    if !find.is_empty() && text.matches(find).count().saturating_mul(by.len()) > limits::REPLACED_BYTES {
        return None;
    }
    Some(if find.is_empty() { text.to_owned() } else { text.replace(find, by) })
}

fn arithmetic(left: Str, right: Str, operation: impl FnOnce(BigDecimal, BigDecimal) -> Option<BigDecimal>) -> Str {
    let (left, right) = (BigDecimal::from_str(&left?).ok()?, BigDecimal::from_str(&right?).ok()?);
    Some(operation(left, right)?.to_plain_string())
}

fn rounded(number: Str, operation: impl FnOnce(BigDecimal) -> BigDecimal) -> Str {
    Some(operation(BigDecimal::from_str(&number?).ok()?).to_plain_string())
}

/// Orders canonical decimals by value without parsing them: sign, length of the whole part, digits.
fn compare_decimals(left: &str, right: &str) -> Ordering {
    let (left_sign, left_whole, left_part) = decimal_parts(left);
    let (right_sign, right_whole, right_part) = decimal_parts(right);
    if left_sign != right_sign {
        return left_sign.cmp(&right_sign);
    }
    let magnitude = left_whole
        .len()
        .cmp(&right_whole.len())
        .then_with(|| left_whole.cmp(right_whole))
        .then_with(|| left_part.cmp(right_part));
    if left_sign < 0 { magnitude.reverse() } else { magnitude }
}

/// Sign (0 for zero), whole digits without leading zeros, fraction digits without trailing zeros.
fn decimal_parts(text: &str) -> (i8, &str, &str) {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let sign = match (whole.is_empty() && part.is_empty(), negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    (sign, whole, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::edm::{Cell, Edm};
    use crate::model::page::Rows;
    use crate::model::schema::ColumnKind;
    use crate::store::dialect::Dialect;
    use crate::store::sql::Sql;

    #[test]
    fn the_collation_has_its_sides_right() {
        let mut connection = open(":memory:", "").unwrap();
        let mut sql = Sql::new(Dialect::Sqlite);
        sql.push("SELECT '9' COLLATE odata_decimal < '10', '10' COLLATE odata_decimal < '9'");
        let mut rows = Rows::new(2);
        Session::sqlite(&mut connection)
            .fetch(&sql, &[ColumnKind::Primitive(Edm::Boolean); 2], &mut rows)
            .unwrap();
        assert_eq!((rows.cell(0, 0), rows.cell(0, 1)), (Cell::Boolean(true), Cell::Boolean(false)));
    }

    #[test]
    fn decimals_are_ordered_by_value() {
        let ascending = [
            "-79228162514264337593543950335",
            "-10.5",
            "-10.25",
            "-9",
            "-0.001",
            "0",
            "0.01",
            "0.1",
            "9.99",
            "10",
            "10.01",
            "100",
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(compare_decimals(left, right), i.cmp(&j), "{left} {right}");
            }
        }
        for (left, right) in [("2.50", "2.5"), ("-0", "0"), ("0.0", "0"), ("007", "7")] {
            assert_eq!(compare_decimals(left, right), Ordering::Equal, "{left} {right}");
        }
    }
}
