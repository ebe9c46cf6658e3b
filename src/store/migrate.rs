//! The tables: the server's own by numbered migrations, those of the schema by comparison. What is missing is made; any
//! other difference stops the start and says which migration to write (`design.md` section 3).

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::dialect::Dialect;
use super::session::{Connected, Session};
use super::sql::Sql;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::{Column, ColumnKind, Reference, Schema, Table};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Brings the server's own tables up to date.
///
/// # Errors
/// The database was written by a newer version, or cannot be written.
pub fn own_tables(session: &mut Session<'_>) -> Outcome<()> {
    session.alone()?;
    let unusable = |error: Box<dyn std::error::Error + Send + Sync>| Fault::internal(format!("migrations: {error}"));
    let (applied, known) = match &mut session.connection {
        Connected::Sqlite(connection) => {
            connection.run_pending_migrations(SQLITE).map_err(unusable)?;
            (
                connection.applied_migrations().map_err(unusable)?,
                versions::<diesel::sqlite::Sqlite>(&SQLITE),
            )
        }
        Connected::Postgres(connection) => {
            connection.run_pending_migrations(POSTGRES).map_err(unusable)?;
            (
                connection.applied_migrations().map_err(unusable)?,
                versions::<diesel::pg::Pg>(&POSTGRES),
            )
        }
    };
    match applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        None => Ok(()),
        Some(version) => Err(Fault::new(
            &fault::INTERNAL,
            format!("The database was written by a newer version of the server: it has migration {version}, which this one does not know."),
        )),
    }
}

fn versions<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Vec<String> {
    use diesel::migration::MigrationSource;
    let migrations: Vec<Box<dyn diesel::migration::Migration<DB>>> = source.migrations().unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}

/// Makes missing tables, columns and indexes. All other differences are the error, and nothing is changed then.
pub fn prepare(session: &mut Session<'_>, schema: &Schema) -> Result<Vec<String>, Vec<String>> {
    let run = |session: &mut Session<'_>| -> Outcome<(Vec<String>, Vec<String>)> {
        session.alone()?;
        let plan = plan(session, schema)?;
        if plan.differences.is_empty() {
            for statement in &plan.statements {
                session.execute(statement)?;
            }
        }
        Ok((plan.made, plan.differences))
    };
    match run(session) {
        Ok((made, differences)) if differences.is_empty() => Ok(made),
        Ok((_, differences)) => Err(differences),
        Err(fault) => Err(vec![format!("{fault} {}", fault.cause.as_deref().unwrap_or_default())]),
    }
}

/// What [`prepare`] could not make good.
pub fn differences(session: &mut Session<'_>, schema: &Schema) -> Outcome<Vec<String>> {
    Ok(plan(session, schema)?.differences)
}

#[derive(Default)]
struct Plan {
    statements: Vec<Sql>,
    /// Foreign keys on PostgreSQL, after all tables are there.
    references: Vec<Sql>,
    made: Vec<String>,
    differences: Vec<String>,
}

/// A column as the database has it.
struct Existing {
    table: String,
    name: String,
    sql_type: String,
    nullable: bool,
}

fn plan(session: &mut Session<'_>, schema: &Schema) -> Outcome<Plan> {
    let existing = existing_columns(session)?;
    let keys = existing_keys(session)?;
    let mut plan = Plan::default();
    for table in &schema.tables {
        let columns: Vec<&Existing> = existing.iter().filter(|column| column.table == table.name).collect();
        if columns.is_empty() {
            plan.made.push(format!("table {}", table.name));
            plan.statements.push(create_table(session.dialect(), schema, table));
            if session.dialect() == Dialect::Postgres {
                plan.references
                    .extend(table.references.iter().map(|reference| create_reference(schema, table, reference)));
            }
        } else {
            let key: Vec<&str> = keys
                .iter()
                .filter(|(of, _)| *of == table.name)
                .map(|(_, column)| column.as_str())
                .collect();
            if key != table.key {
                plan.differences.push(migration(
                    table,
                    format!(
                        "Table {} has the key ({}) in the database and ({}) in the schema",
                        table.name,
                        key.join(", "),
                        table.key.join(", ")
                    ),
                ));
            }
            compare(session, schema, table, &columns, &mut plan)?;
        }
        plan.statements.extend(create_indexes(session.dialect(), table));
    }
    let references = std::mem::take(&mut plan.references);
    plan.statements.extend(references);
    Ok(plan)
}

fn existing_columns(session: &mut Session<'_>) -> Outcome<Vec<Existing>> {
    let mut sql = Sql::new(session.dialect());
    sql.push(match session.dialect() {
        Dialect::Sqlite => {
            "SELECT m.name, c.name, c.type, c.\"notnull\" = 0 FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c \
             WHERE m.type = 'table'"
        }
        Dialect::Postgres => {
            "SELECT table_name::text, column_name::text, upper(data_type)::text, is_nullable = 'YES' FROM information_schema.columns \
             WHERE table_schema = current_schema()"
        }
    });
    let text = ColumnKind::Primitive(Edm::String);
    let mut rows = Rows::new(4);
    session.fetch(&sql, &[text, text, text, ColumnKind::Primitive(Edm::Boolean)], &mut rows)?;
    let cell = |row, column| match rows.cell(row, column) {
        Cell::Text(text) => text.to_owned(),
        _ => String::new(),
    };
    let column = |row| Existing {
        table: cell(row, 0),
        name: cell(row, 1),
        sql_type: cell(row, 2),
        nullable: rows.cell(row, 3) == Cell::Boolean(true),
    };
    Ok((0..rows.len()).map(column).collect())
}

/// Table and column of every part of a primary key, in order.
fn existing_keys(session: &mut Session<'_>) -> Outcome<Vec<(String, String)>> {
    let mut sql = Sql::new(session.dialect());
    sql.push(match session.dialect() {
        Dialect::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.pk > 0 \
             ORDER BY m.name, c.pk"
        }
        Dialect::Postgres => {
            "SELECT t.relname::text, c.attname::text FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid \
             JOIN pg_namespace AS n ON n.oid = t.relnamespace CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) \
             JOIN pg_attribute AS c ON c.attrelid = t.oid AND c.attnum = k.number \
             WHERE i.indisprimary AND n.nspname = current_schema() ORDER BY t.relname, k.place"
        }
    });
    let text = ColumnKind::Primitive(Edm::String);
    let mut rows = Rows::new(2);
    session.fetch(&sql, &[text, text], &mut rows)?;
    let cell = |row, column| match rows.cell(row, column) {
        Cell::Text(text) => text.to_owned(),
        _ => String::new(),
    };
    Ok((0..rows.len()).map(|row| (cell(row, 0), cell(row, 1))).collect())
}

fn migration(table: &Table, what: String) -> String {
    format!("{what}. Write a migration for it, or change {} back.", table.origin)
}

fn compare(session: &mut Session<'_>, schema: &Schema, table: &Table, existing: &[&Existing], plan: &mut Plan) -> Outcome<()> {
    let migration = |what: String| migration(table, what);
    for column in &table.columns {
        let Some(found) = existing.iter().find(|found| found.name == column.name) else {
            if column.nullable || column.default.is_some() || is_empty(session, table)? {
                plan.made.push(format!("column {}.{}", table.name, column.name));
                plan.statements.push(add_column(session.dialect(), schema, table, column));
                if session.dialect() == Dialect::Postgres {
                    let of_column = |reference: &&Reference| reference.columns.last() == Some(&column.name);
                    let references = table.references.iter().filter(of_column);
                    plan.references
                        .extend(references.map(|reference| create_reference(schema, table, reference)));
                }
            } else {
                let what = format!("Table {} has rows and no column {}, which has no default", table.name, column.name);
                plan.differences.push(migration(what));
            }
            continue;
        };
        let wanted = session
            .dialect()
            .column_type(column.kind)
            .split(" COLLATE")
            .next()
            .unwrap_or_default();
        if found.sql_type != wanted {
            let what = format!(
                "Column {}.{} is {} in the database and {wanted} in the schema",
                table.name, column.name, found.sql_type
            );
            plan.differences.push(migration(what));
        }
        let key = table.key.contains(&column.name);
        if found.nullable != column.nullable && !key {
            let takes = |nullable| if nullable { "takes null" } else { "does not take null" };
            let what = format!(
                "Column {}.{} {} in the database and {} in the schema",
                table.name,
                column.name,
                takes(found.nullable),
                takes(column.nullable)
            );
            plan.differences.push(migration(what));
        }
    }
    for found in existing
        .iter()
        .filter(|found| table.columns.iter().all(|column| column.name != found.name))
    {
        plan.differences.push(migration(format!(
            "Table {} has a column {} that the schema does not know",
            table.name, found.name
        )));
    }
    Ok(())
}

fn is_empty(session: &mut Session<'_>, table: &Table) -> Outcome<bool> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT 1 FROM ").name(&table.name).push(" LIMIT 1");
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int32)], &mut rows)?;
    Ok(rows.is_empty())
}

fn create_table(dialect: Dialect, schema: &Schema, table: &Table) -> Sql {
    let mut sql = Sql::new(dialect);
    sql.cached = false;
    sql.push("CREATE TABLE ").name(&table.name).push(" (");
    let numbered = dialect == Dialect::Sqlite && table.columns.iter().any(|column| column.generated);
    sql.list(&table.columns, ", ", push_column);
    if !table.key.is_empty() && !numbered {
        sql.push(", PRIMARY KEY (")
            .list(&table.key, ", ", |sql, name| sql.name(name).done())
            .push(")");
    }
    if dialect == Dialect::Sqlite {
        for reference in &table.references {
            sql.push(", ");
            push_reference(&mut sql, schema, reference);
        }
        sql.push(") STRICT");
    } else {
        sql.push(")");
    }
    sql
}

fn push_column(sql: &mut Sql, column: &Column) {
    let column_type = sql.dialect.column_type(column.kind);
    sql.name(&column.name).push(" ").push(column_type);
    if column.generated {
        // A number is never given twice: a link to a deleted row must not lead to another one.
        sql.push(match sql.dialect {
            Dialect::Sqlite => " PRIMARY KEY AUTOINCREMENT",
            Dialect::Postgres => " GENERATED BY DEFAULT AS IDENTITY",
        });
    }
    if !column.nullable {
        sql.push(" NOT NULL");
    }
}

fn push_reference(sql: &mut Sql, schema: &Schema, reference: &Reference) {
    sql.push("FOREIGN KEY (")
        .list(&reference.columns, ", ", |sql, name| sql.name(name).done())
        .push(")");
    push_referenced(sql, schema, reference);
}

fn push_referenced(sql: &mut Sql, schema: &Schema, reference: &Reference) {
    sql.push(" REFERENCES ").name(&schema.tables[reference.table].name).push(" (");
    sql.list(&reference.target, ", ", |sql, name| sql.name(name).done()).push(")");
    // Deferred only while rows are loaded, which may refer to later ones.
    sql.push(if reference.cascade { " ON DELETE CASCADE" } else { "" })
        .push(" DEFERRABLE INITIALLY IMMEDIATE");
}

fn create_reference(schema: &Schema, table: &Table, reference: &Reference) -> Sql {
    let mut sql = Sql::new(Dialect::Postgres);
    sql.cached = false;
    sql.push("ALTER TABLE ").name(&table.name).push(" ADD ");
    push_reference(&mut sql, schema, reference);
    sql
}

fn add_column(dialect: Dialect, schema: &Schema, table: &Table, column: &Column) -> Sql {
    let mut sql = Sql::new(dialect);
    sql.cached = false;
    sql.push("ALTER TABLE ").name(&table.name).push(" ADD COLUMN ");
    push_column(&mut sql, column);
    if let (Some(value), false) = (&column.default, column.nullable) {
        sql.push(" DEFAULT ");
        push_default(&mut sql, value);
    }
    // SQLite takes the reference of a new column only here, and only where it is of one column.
    let own = table.references.iter().find(|reference| reference.columns == [column.name.clone()]);
    if let (Dialect::Sqlite, Some(reference)) = (dialect, own) {
        push_referenced(&mut sql, schema, reference);
    }
    sql
}

/// DDL takes no bind parameters.
fn push_default(sql: &mut Sql, value: &Value) {
    match value {
        Value::Null => sql.push("NULL").done(),
        Value::Boolean(true) => sql.push(if sql.dialect == Dialect::Sqlite { "1" } else { "TRUE" }).done(),
        Value::Boolean(false) => sql.push(if sql.dialect == Dialect::Sqlite { "0" } else { "FALSE" }).done(),
        Value::Integer(number) => sql.push(&number.to_string()).done(),
        Value::Double(number) => sql.push(&format!("{number:?}")).done(),
        Value::Text(text) => sql.text_literal(text).done(),
        Value::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match (sql.dialect, bytes.len()) {
                (Dialect::Sqlite, _) => sql.push("x").text_literal(&hex).done(),
                (Dialect::Postgres, 16) => sql.text_literal(&hex).done(),
                (Dialect::Postgres, _) => sql.text_literal(&format!("\\x{hex}")).done(),
            }
        }
    }
}

fn create_indexes(dialect: Dialect, table: &Table) -> Vec<Sql> {
    let create = |index: &crate::model::schema::Index| {
        let mut sql = Sql::new(dialect);
        sql.cached = false;
        sql.push(if index.unique {
            "CREATE UNIQUE INDEX IF NOT EXISTS "
        } else {
            "CREATE INDEX IF NOT EXISTS "
        });
        sql.name(&index_name(table, &index.columns))
            .push(" ON ")
            .name(&table.name)
            .push(" (");
        sql.list(&index.columns, ", ", |sql, name| {
            sql.name(name);
            let nullable = table.columns.iter().any(|column| column.name == *name && column.nullable);
            if nullable && sql.dialect == Dialect::Postgres {
                sql.push(" NULLS FIRST");
            }
        });
        sql.push(")");
        sql
    };
    table.indexes.iter().map(create).collect()
}

/// At most 63 bytes, which is all that PostgreSQL keeps: what is cut is replaced by a hash.
fn index_name(table: &Table, columns: &[String]) -> String {
    let name = format!("{}_{}", table.name, columns.join("_"));
    if name.len() <= 63 {
        return name;
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let cut = (0..=46).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    format!("{}_{hash:016x}", &name[..cut])
}
