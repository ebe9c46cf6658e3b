//! `odonata load`: rows from a file into a set or a link table, as they are, keys included.

use std::io::{BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{House, load_json, say, told};
use crate::auth::{guid, password};
use crate::engine::{Engine, identity};
use crate::model::caller::Guid;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::LOAD_ROWS;
use crate::model::schema::{EntityType, Join, Property, Schema, SetId, Type, TypeId};
use crate::model::target::Body;
use crate::model::text;
use crate::odata::csv_records::{Field, Records};
use crate::odata::json_read::check_facets;
use crate::settings::Settings;
use crate::store::Session;

/// The column that names a row's type, where the set holds several.
const TYPE_COLUMN: &str = "odata.type";

/// Arguments of `odonata load`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// ENDPOINT/SET, or ENDPOINT/SET/NAVIGATION for the link table of a many-to-many navigation
    #[arg(value_name = "TARGET")]
    target: String,
    /// CSV with property names in its first line (an empty field is null, "" the empty string), or a JSON array of entities
    #[arg(value_name = "FILE.csv|.json")]
    file: PathBuf,
    /// The tenant that the rows belong to, where the set's rows belong to tenants
    #[arg(long, value_name = "GUID", default_value = "11111111-1111-1111-1111-111111111111")]
    tenant: String,
}

/// Where rows go.
#[derive(Debug, Clone, Copy)]
struct Target {
    set: SetId,
    /// Index of a navigation with a link table.
    navigation: Option<usize>,
    /// Whose rows they are.
    tenant: Guid,
}

/// What is loaded.
#[derive(Debug, Clone)]
pub enum Row {
    /// An entity.
    Entity(Body),
    /// The keys of two entities that belong together.
    Pair(Vec<Value>, Vec<Value>),
}

/// Loads the file.
pub fn run(settings: &Settings, arguments: &Arguments) -> Result<(), String> {
    let house = House::open(settings)?;
    let tenant = tenant(&house, &arguments.tenant)?;
    let target = target(house.schema(), &arguments.target, tenant)?;
    let mut loader = Loader {
        house: &house,
        target,
        batch: Vec::new(),
        kept: 0,
        terminal: std::io::stderr().is_terminal(),
    };
    let read = read(&arguments.file, house.schema(), target, &mut loader).and_then(|()| loader.flush());
    loader.progress(true);
    let (file, kept) = (arguments.file.display(), loader.kept);
    match read {
        Ok(()) => say(&format!("{kept} rows loaded into {}", arguments.target)),
        Err(why) => {
            return Err(format!(
                "{file}: {why}\n{kept} rows before that are loaded and stay; nothing else was changed."
            ));
        }
    }
    Ok(())
}

fn tenant(house: &House, text: &str) -> Result<Guid, String> {
    let tenant = guid(text).ok_or_else(|| format!("--tenant: {text} is not a Guid"))?;
    let known = house.db.read_now(|session| identity::tenant_exists(&house.engine, session, tenant));
    match known.map_err(|fault| told(&fault))? {
        true => Ok(tenant),
        false => Err(format!("--tenant: there is no tenant {text}")),
    }
}

fn target(schema: &Schema, text: &str, tenant: Guid) -> Result<Target, String> {
    let mut parts = text.split('/');
    let (endpoint, set, navigation) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(endpoint), Some(set), navigation, None) => (endpoint, set, navigation),
        _ => return Err(format!("{text}: a target is ENDPOINT/SET or ENDPOINT/SET/NAVIGATION")),
    };
    let endpoint = schema
        .endpoint(endpoint)
        .ok_or_else(|| format!("{text}: there is no endpoint {endpoint}"))?;
    let set = *endpoint
        .set_names
        .get(set)
        .ok_or_else(|| format!("{text}: {} has no set {set}", endpoint.name))?;
    let ty = schema.set_type(set);
    let navigation = navigation.map(|name| {
        let index = ty
            .navigation(name)
            .ok_or_else(|| format!("{text}: {} has no navigation {name}", ty.name))?;
        match &ty.navigations[index].join {
            Some(Join::Link { .. }) => Ok(index),
            _ => Err(format!("{text}: {name} has no link table; its keys are properties of the entities")),
        }
    });
    Ok(Target {
        set,
        navigation: navigation.transpose()?,
        tenant,
    })
}

fn read(path: &Path, schema: &Schema, target: Target, loader: &mut Loader<'_>) -> Result<(), String> {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    match (is_json, target.navigation) {
        (true, None) => {
            let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
            load_json::entities(schema, schema.sets[target.set].entity_type, &bytes, &mut |item, row| {
                loader.push(format!("item {item}"), row)
            })
        }
        (true, Some(_)) => Err("a link table is loaded from CSV".to_owned()),
        (false, _) => read_csv(Records::new(BufReader::new(file)), schema, target, &mut |line, row| {
            loader.push(format!("line {line}"), row)
        }),
    }
}

fn read_csv(
    mut reader: Records<impl std::io::BufRead>,
    schema: &Schema,
    target: Target,
    push: &mut dyn FnMut(usize, Row) -> Result<(), String>,
) -> Result<(), String> {
    let mut next = || reader.record().map_err(|fault| format!("line {}: {}", fault.line, fault.message));
    let Some((_, header)) = next()? else {
        return Err("the file is empty; its first line names the properties".to_owned());
    };
    let header: Vec<String> = header.into_iter().map(|field| field.text.trim().to_owned()).collect();
    if let Some(twice) = header.iter().enumerate().find(|(index, name)| header[..*index].contains(name)) {
        return Err(format!("line 1: column {} is there twice", twice.1));
    }
    let columns = match target.navigation {
        None => Columns::of_set(schema, schema.sets[target.set].entity_type, header)?,
        Some(navigation) => Columns::of_links(schema, target.set, navigation, header)?,
    };
    while let Some((line, fields)) = next()? {
        if fields.len() != columns.header.len() {
            return Err(format!("line {line}: {} fields instead of {}", fields.len(), columns.header.len()));
        }
        push(line, columns.row(schema, &fields).map_err(|why| format!("line {line}, {why}"))?)?;
    }
    Ok(())
}

/// What the columns of a CSV file are.
struct Columns {
    header: Vec<String>,
    kind: ColumnsKind,
}

enum ColumnsKind {
    /// Entities: the set's type, and the column with the type's name.
    Entities { ty: TypeId, type_column: Option<usize> },
    /// Links: type, property and column of each part of the two keys.
    Links {
        near: Vec<(TypeId, usize, usize)>,
        far: Vec<(TypeId, usize, usize)>,
    },
}

impl Columns {
    fn of_set(schema: &Schema, ty: TypeId, header: Vec<String>) -> Result<Columns, String> {
        let known = |name: &str| name == TYPE_COLUMN || schema.types[ty].family.iter().any(|&ty| schema.types[ty].property(name).is_some());
        match header.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("line 1: {} has no property {name}", schema.types[ty].name)),
            None => {
                let type_column = header.iter().position(|name| name == TYPE_COLUMN);
                Ok(Columns {
                    header,
                    kind: ColumnsKind::Entities { ty, type_column },
                })
            }
        }
    }

    /// The names of both keys; a name that both have stands with its type's name before it.
    fn of_links(schema: &Schema, set: SetId, navigation: usize, header: Vec<String>) -> Result<Columns, String> {
        let own = schema.sets[set].entity_type;
        let target = schema.types[own].navigations[navigation].target;
        let names = |ty: &EntityType| ty.key_properties().map(|property| property.name.clone()).collect::<Vec<_>>();
        let (own_names, target_names) = (names(&schema.types[own]), names(&schema.types[target]));
        let find = |ty: TypeId, others: &[String]| {
            let entity = &schema.types[ty];
            let column = |&property: &usize| {
                let name = &entity.properties[property].name;
                let name = if others.contains(name) {
                    format!("{}{name}", entity.name)
                } else {
                    name.clone()
                };
                let column = header.iter().position(|column| *column == name);
                column
                    .map(|column| (ty, property, column))
                    .ok_or_else(|| format!("line 1: there is no column {name}"))
            };
            entity.key.iter().map(column).collect::<Result<Vec<_>, _>>()
        };
        let (near, far) = (find(own, &target_names)?, find(target, &own_names)?);
        Ok(Columns {
            header,
            kind: ColumnsKind::Links { near, far },
        })
    }

    fn row(&self, schema: &Schema, fields: &[Field]) -> Result<Row, String> {
        match &self.kind {
            ColumnsKind::Entities { ty, type_column } => {
                let name = type_column.map(|column| &fields[column]).filter(|field| !field.text.is_empty());
                let ty = match name {
                    Some(name) => schema.find_type(&name.text).filter(|&found| schema.is_a(found, *ty)),
                    None => Some(*ty),
                };
                let ty = ty.ok_or_else(|| format!("column {TYPE_COLUMN}: there is no such type in this set"))?;
                let mut values = Vec::with_capacity(fields.len());
                for (column, field) in fields.iter().enumerate().filter(|(column, _)| Some(*column) != *type_column) {
                    let name = &self.header[column];
                    match schema.types[ty].property(name) {
                        Some(index) => values.extend(value(&schema.types[ty].properties[index], field)?.map(|value| (index, value))),
                        None if field.is_null() => {}
                        None => return Err(format!("column {name}: {} has no such property", schema.types[ty].name)),
                    }
                }
                Ok(Row::Entity(Body::new(ty, values)))
            }
            ColumnsKind::Links { near, far } => {
                let key = |parts: &[(TypeId, usize, usize)]| {
                    let part = |&(ty, property, column): &(TypeId, usize, usize)| {
                        let found = value(&schema.types[ty].properties[property], &fields[column])?;
                        found.ok_or_else(|| format!("column {}: a key is not null", self.header[column]))
                    };
                    parts.iter().map(part).collect::<Result<Vec<_>, _>>()
                };
                Ok(Row::Pair(key(near)?, key(far)?))
            }
        }
    }
}

/// The value of a field; none where the default stands for it.
fn value(property: &Property, field: &Field) -> Result<Option<Value>, String> {
    let fault = |why: String| format!("column {}: {why}", property.name);
    let Type::Primitive(edm) = property.ty else {
        let why = "complex values and collections are loaded from JSON";
        return if field.is_null() { Ok(None) } else { Err(fault(why.to_owned())) };
    };
    if field.is_null() {
        let empty = (edm == Edm::String && !property.nullable).then(|| Value::Text(String::new()));
        return Ok(if property.nullable { Some(Value::Null) } else { empty });
    }
    let value = text::parse(edm, &field.text).ok_or_else(|| fault(format!("{:?} is no value of {edm}", shortened(&field.text))))?;
    check_facets(property, &value).map_err(|why| fault(why.message.into_owned()))?;
    match value {
        Value::Text(text) if property.hashed => password::hash(&text)
            .map(|hash| Some(Value::Text(hash)))
            .map_err(|why| fault(told(&why))),
        value => Ok(Some(value)),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Collects rows and commits them.
struct Loader<'a> {
    house: &'a House,
    target: Target,
    /// Where each row stood, and the row.
    batch: Vec<(String, Row)>,
    /// Rows committed.
    kept: usize,
    terminal: bool,
}

impl Loader<'_> {
    fn push(&mut self, place: String, row: Row) -> Result<(), String> {
        self.batch.push((place, row));
        if self.batch.len() >= LOAD_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (places, rows): (Vec<String>, Vec<Row>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let (engine, target, count) = (self.house.engine.clone(), self.target, rows.len());
        let again = rows.clone();
        if let Err(fault) = self.house.db.write_alone(move |session| insert(&engine, session, target, rows)) {
            let (from, to) = (places.first(), places.last());
            return Err(match self.first_bad(again) {
                Some((index, fault)) => format!("{}: {}", places[index], told(&fault)),
                // Only all rows together are wrong: a reference to a row that is nowhere.
                None => format!(
                    "{} to {}: {}",
                    from.map_or("", String::as_str),
                    to.map_or("", String::as_str),
                    told(&fault)
                ),
            });
        }
        self.kept += count;
        self.progress(false);
        Ok(())
    }

    /// Which row of a batch is wrong by itself: tried one after the other in a transaction that is undone.
    fn first_bad(&self, rows: Vec<Row>) -> Option<(usize, Fault)> {
        let (engine, target) = (self.house.engine.clone(), self.target);
        let tried = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (tried.clone(), rows.len());
        let result = self.house.db.write_alone(move |session| {
            for row in rows {
                insert(&engine, session, target, vec![row])?;
                seen.fetch_add(1, Ordering::SeqCst);
            }
            Err::<(), Fault>(Fault::internal("undone"))
        });
        let index = tried.load(Ordering::SeqCst);
        result.err().filter(|_| index < count).map(|fault| (index, fault))
    }

    /// Shows on a terminal how far it is.
    fn progress(&self, last: bool) {
        if self.terminal && self.kept > 0 {
            let _ = write!(std::io::stderr(), "\r{} rows{}", self.kept, if last { "\n" } else { "" });
        }
    }
}

fn insert(engine: &Engine, session: &mut Session<'_>, target: Target, rows: Vec<Row>) -> Outcome<()> {
    let (mut entities, mut pairs) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Entity(body) => entities.push(body),
            Row::Pair(near, far) => pairs.push((near, far)),
        }
    }
    match target.navigation {
        None => engine.load(session, target.set, target.tenant, entities),
        Some(navigation) => engine.load_links(session, target.set, navigation, target.tenant, pairs),
    }
}
