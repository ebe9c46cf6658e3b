//! The hand-written program's SQLite: fixed statements through Diesel's statement cache, rows written as JSON while they are read.

use std::future::poll_fn;
use std::io::Write as _;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use diesel::sql_types::{BigInt, Double, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{Connection, QueryResult, RunQueryDsl, SqliteConnection};
use serde_json::Value;

use crate::Outcome;
use crate::fixture;

/// Most writes in one commit.
const GROUP: usize = 256;

const TABLES: &str = "
PRAGMA journal_mode=WAL;
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL, rank INTEGER NOT NULL, quantity INTEGER NOT NULL,
  serial INTEGER NOT NULL, price TEXT NOT NULL, weight REAL NOT NULL, created TEXT NOT NULL, active INTEGER NOT NULL, note TEXT);
CREATE INDEX items_rank ON items (rank);
CREATE TABLE parts (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items, name TEXT NOT NULL, amount INTEGER NOT NULL);
CREATE INDEX parts_item ON parts (item);
";

/// How a column is written.
#[derive(Clone, Copy)]
enum Kind {
    Integer,
    /// In quotes, without anything to escape.
    Quoted,
    Double,
    Boolean,
    Text,
}

/// Columns of `items`, in the order of its statements.
const ITEM: [(&str, Kind); 11] = [
    ("Id", Kind::Integer),
    ("Name", Kind::Text),
    ("Code", Kind::Text),
    ("Rank", Kind::Integer),
    ("Quantity", Kind::Integer),
    ("Serial", Kind::Quoted),
    ("Price", Kind::Quoted),
    ("Weight", Kind::Double),
    ("Created", Kind::Quoted),
    ("Active", Kind::Boolean),
    ("Note", Kind::Text),
];
const PART: [(&str, Kind); 4] = [
    ("Id", Kind::Integer),
    ("ItemId", Kind::Integer),
    ("Name", Kind::Text),
    ("Amount", Kind::Integer),
];

const SELECT: &str = "SELECT id,name,code,rank,quantity,serial,price,weight,created,active,note FROM items";
const INSERT: &str =
    "INSERT INTO items (id,name,code,rank,quantity,serial,price,weight,created,active,note) VALUES (?,?,?,?,?,?,?,?,?,?,?)";

/// A value to bind.
#[derive(Debug, Clone)]
pub enum Bind {
    Integer(i64),
    Double(f64),
    Text(String),
    Null,
}

/// A statement with its values; kept prepared by its text.
struct Statement<'a> {
    sql: &'a str,
    binds: &'a [Bind],
}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (bind, part) in self.binds.iter().zip(parts) {
            match bind {
                Bind::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                Bind::Double(value) => out.push_bind_param::<Double, _>(value)?,
                Bind::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Bind::Null => out.push_bind_param::<Nullable<Text>, _>(&None::<String>)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Statement<'_> {}

/// A worker's connection. Its limits are written `? + 0`: SQLite prepares a statement with a bare `LIMIT ?` again for every value.
pub struct Reader(SqliteConnection);

impl Reader {
    /// Opens the file.
    pub fn open(file: &str) -> Outcome<Reader> {
        let mut connection = SqliteConnection::establish(file)?;
        connection.batch_execute("PRAGMA busy_timeout=5000; PRAGMA query_only=1")?;
        Ok(Reader(connection))
    }

    /// Writes each row as an object, and gives the last one's first column.
    fn rows(
        &mut self,
        sql: &str,
        binds: &[Bind],
        out: &mut Vec<u8>,
        object: fn(&SqliteRow<'_, '_>, &mut Vec<u8>),
    ) -> QueryResult<(usize, i64)> {
        let (mut count, mut last) = (0, 0);
        for row in LoadConnection::load(&mut self.0, Statement { sql, binds })? {
            let row = row?;
            if count > 0 {
                out.push(b',');
            }
            object(&row, out);
            last = row.get(0).and_then(|field| Some(field.value()?.read_long())).unwrap_or(0);
            count += 1;
        }
        Ok((count, last))
    }

    /// One item, or none.
    pub fn item(&mut self, id: i64) -> QueryResult<Option<Vec<u8>>> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(br#"{"odata.metadata":"http://127.0.0.1/api/Bench/$metadata#Items/@Element","#);
        let (count, _) = self.rows(&format!("{SELECT} WHERE id = ?"), &[Bind::Integer(id)], &mut out, item_members)?;
        Ok((count == 1).then_some(out))
    }

    /// The items after a key, with a next link.
    pub fn page(&mut self, after: i64, size: i64) -> QueryResult<Vec<u8>> {
        let mut out = feed("Items", None);
        let binds = [Bind::Integer(after), Bind::Integer(size)];
        let (_, last) = self.rows(
            &format!("{SELECT} WHERE id > ? ORDER BY id LIMIT ? + 0"),
            &binds,
            &mut out,
            item_object,
        )?;
        finish(&mut out, Some(format!("Items?after={last}")));
        Ok(out)
    }

    /// The twenty first active items of a range of ranks, and how many there are.
    pub fn range(&mut self, from: i64, to: i64) -> QueryResult<Vec<u8>> {
        const WHERE: &str = "WHERE rank >= ? AND rank < ? AND active";
        let binds = [Bind::Integer(from), Bind::Integer(to)];
        let mut count = 0;
        let sql = format!("SELECT count(*) FROM items {WHERE}");
        let statement = Statement { sql: &sql, binds: &binds };
        for row in LoadConnection::load(&mut self.0, statement)? {
            count = row?.get(0).and_then(|field| Some(field.value()?.read_long())).unwrap_or(0);
        }
        let mut out = feed("Items", Some(count));
        self.rows(
            &format!("{SELECT} {WHERE} ORDER BY rank, id LIMIT 20"),
            &binds,
            &mut out,
            item_object,
        )?;
        finish(&mut out, None);
        Ok(out)
    }

    /// The parts after a key, each with its item, and a next link.
    pub fn parts(&mut self, after: i64, size: i64) -> QueryResult<Vec<u8>> {
        let mut out = feed("Parts", None);
        let sql = "SELECT p.id,p.item,p.name,p.amount,i.id,i.name,i.code,i.rank,i.quantity,i.serial,i.price,i.weight,i.created,i.active,i.note \
                   FROM parts p JOIN items i ON i.id = p.item WHERE p.id > ? ORDER BY p.id LIMIT ? + 0";
        let binds = [Bind::Integer(after), Bind::Integer(size)];
        let (_, last) = self.rows(sql, &binds, &mut out, |row, out| {
            out.push(b'{');
            members(row, 0, &PART, out);
            out.extend_from_slice(br#","Item":{"#);
            members(row, PART.len(), &ITEM, out);
            out.extend_from_slice(b"}}");
        })?;
        finish(&mut out, Some(format!("Parts?after={last}")));
        Ok(out)
    }
}

type SqliteRow<'a, 'b> = <SqliteConnection as LoadConnection>::Row<'a, 'b>;

fn feed(set: &str, count: Option<i64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 * 1024);
    // Writing to a Vec cannot fail, here and below.
    let _ = write!(out, r#"{{"odata.metadata":"http://127.0.0.1/api/Bench/$metadata#{set}","#);
    if let Some(count) = count {
        let _ = write!(out, r#""odata.count":"{count}","#);
    }
    out.extend_from_slice(br#""value":["#);
    out
}

fn finish(out: &mut Vec<u8>, next: Option<String>) {
    out.push(b']');
    if let Some(next) = next {
        let _ = write!(out, r#","odata.nextLink":"http://127.0.0.1/api/Bench/{next}""#);
    }
    out.push(b'}');
}

/// For a single item: the object was opened with its annotation.
fn item_members(row: &SqliteRow<'_, '_>, out: &mut Vec<u8>) {
    members(row, 0, &ITEM, out);
    out.push(b'}');
}

fn item_object(row: &SqliteRow<'_, '_>, out: &mut Vec<u8>) {
    out.push(b'{');
    item_members(row, out);
}

fn members(row: &SqliteRow<'_, '_>, start: usize, columns: &[(&str, Kind)], out: &mut Vec<u8>) {
    for (index, (name, kind)) in columns.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        let field = row.get(start + index);
        let Some(mut value) = field.as_ref().and_then(|field| field.value()) else {
            out.extend_from_slice(b"null");
            continue;
        };
        let _ = match kind {
            Kind::Integer => write!(out, "{}", value.read_long()),
            Kind::Quoted => write!(out, "\"{}\"", value.read_text()),
            Kind::Double => write!(out, "{}", value.read_double()),
            Kind::Boolean => write!(out, "{}", value.read_long() != 0),
            Kind::Text => serde_json::to_writer(&mut *out, value.read_text()).map_err(Into::into),
        };
    }
}

/// A change.
pub enum Write {
    Insert(Vec<Bind>),
    /// Key and quantity.
    Patch(i64, i64),
}

/// A change and where its result goes.
pub type Work = (Write, Arc<Mutex<Answer>>);

/// Rows changed, once that is known: none if the commit failed.
pub enum Answer {
    Awaited(Option<Waker>),
    Given(Option<usize>),
}

fn give(place: &Mutex<Answer>, result: Option<usize>) {
    let before = std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), Answer::Given(result));
    if let Answer::Awaited(Some(waker)) = before {
        waker.wake();
    }
}

/// Hands a change to the writer and waits for its commit: rows changed, or none if it failed.
pub async fn write(writer: &Sender<Work>, write: Write) -> Option<usize> {
    let place = Arc::new(Mutex::new(Answer::Awaited(None)));
    writer.send((write, place.clone())).ok()?;
    poll_fn(|context| {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *place {
            Answer::Given(result) => Poll::Ready(*result),
            Answer::Awaited(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

/// The thread that makes all changes.
pub struct Writer;

impl Writer {
    /// Starts the thread; it ends with the last sender.
    pub fn start(file: &str) -> Outcome<Sender<Work>> {
        let mut connection = SqliteConnection::establish(file)?;
        connection.batch_execute("PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000; PRAGMA foreign_keys=ON")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || commit_groups(&mut connection, &receiver));
        Ok(sender)
    }
}

/// Whatever is waiting goes into one commit. A change that fails takes nothing with it: SQLite undoes the single statement.
fn commit_groups(connection: &mut SqliteConnection, work: &Receiver<Work>) {
    while let Ok(first) = work.recv() {
        let group: Vec<Work> = std::iter::once(first).chain(work.try_iter().take(GROUP - 1)).collect();
        let mut results = Vec::with_capacity(group.len());
        let committed = connection.immediate_transaction(|connection| {
            results = group.iter().map(|(write, _)| apply(connection, write)).collect();
            QueryResult::Ok(())
        });
        for ((_, place), result) in group.into_iter().zip(results) {
            give(&place, result.ok().filter(|_| committed.is_ok()));
        }
    }
}

fn apply(connection: &mut SqliteConnection, write: &Write) -> QueryResult<usize> {
    match write {
        Write::Insert(values) => Statement {
            sql: INSERT,
            binds: values,
        }
        .execute(connection),
        Write::Patch(key, quantity) => Statement {
            sql: "UPDATE items SET quantity = ? WHERE id = ?",
            binds: &[Bind::Integer(*quantity), Bind::Integer(*key)],
        }
        .execute(connection),
    }
}

/// The columns of an item in a body; none if one has the wrong type.
pub fn values(body: &Value) -> Option<Vec<Bind>> {
    let column = |(name, kind): &(&str, Kind)| {
        let value = body.get(name)?;
        Some(match kind {
            Kind::Integer => Bind::Integer(value.as_i64()?),
            Kind::Double => Bind::Double(value.as_f64()?),
            Kind::Boolean => Bind::Integer(value.as_bool()?.into()),
            Kind::Text if value.is_null() => Bind::Null,
            Kind::Quoted if *name == "Serial" => Bind::Integer(value.as_str()?.parse().ok()?),
            Kind::Quoted | Kind::Text => Bind::Text(value.as_str()?.to_string()),
        })
    };
    ITEM.iter().map(column).collect()
}

/// The answer to an insert.
pub fn inserted(values: &[Bind]) -> Vec<u8> {
    let mut out = br#"{"odata.metadata":"http://127.0.0.1/api/Bench/$metadata#Items/@Element""#.to_vec();
    for ((name, kind), value) in ITEM.iter().zip(values) {
        let _ = write!(out, ",\"{name}\":");
        let _ = match (kind, value) {
            (Kind::Boolean, Bind::Integer(value)) => write!(out, "{}", *value != 0),
            (Kind::Quoted, Bind::Integer(value)) => write!(out, "\"{value}\""),
            (_, Bind::Integer(value)) => write!(out, "{value}"),
            (_, Bind::Double(value)) => write!(out, "{value}"),
            (_, Bind::Text(value)) => serde_json::to_writer(&mut out, value).map_err(Into::into),
            (_, Bind::Null) => write!(out, "null"),
        };
    }
    out.push(b'}');
    out
}

/// Makes the file with its rows.
pub fn fill(file: &str, rows: u64) -> Outcome<()> {
    let mut connection = SqliteConnection::establish(file)?;
    connection.batch_execute(TABLES)?;
    connection.transaction(|connection| {
        for id in 1..=rows {
            let item = fixture::item(id, rows);
            let binds = [
                Bind::Integer(item.id as i64),
                Bind::Text(item.name),
                Bind::Text(item.code),
                Bind::Integer(item.rank as i64),
                Bind::Integer(item.quantity as i64),
                Bind::Integer(item.serial as i64),
                Bind::Text(item.price),
                Bind::Double(item.weight),
                Bind::Text(item.created),
                Bind::Integer(item.active.into()),
                item.note.map_or(Bind::Null, Bind::Text),
            ];
            Statement {
                sql: INSERT,
                binds: &binds,
            }
            .execute(connection)?;
        }
        for id in 1..=fixture::parts(rows) {
            let (id, item, name, amount) = fixture::part(id, rows);
            let binds = [
                Bind::Integer(id as i64),
                Bind::Integer(item as i64),
                Bind::Text(name),
                Bind::Integer(amount as i64),
            ];
            let sql = "INSERT INTO parts (id,item,name,amount) VALUES (?,?,?,?)";
            Statement { sql, binds: &binds }.execute(connection)?;
        }
        QueryResult::Ok(())
    })?;
    Ok(())
}
