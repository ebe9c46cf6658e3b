//! Tables, columns, indexes and enforced references.

use crate::model::edm::{Edm, Value};
use crate::model::schema::{
    Column, ColumnKind, DYNAMIC_COLUMN, EntityType, Index, MEDIA_COLUMN, Property, Reference, Schema, TYPE_COLUMN, Table, TableId, Type,
    TypeId,
};

use super::build::Build;
use super::names::snake;
use super::raw::Unique;

/// Columns of one table that hold another's key.
pub(super) struct ForeignKey {
    pub table: TableId,
    pub columns: Vec<String>,
    pub target: TableId,
    /// Whether the database enforces it.
    pub enforced: bool,
    /// Whether anybody reads from the target's side.
    pub indexed: bool,
    pub cascade: bool,
}

impl Build<'_> {
    /// One table for each hierarchy that a set serves.
    pub fn tables(&mut self) {
        for root in 0..self.schema.types.len() {
            if self.schema.types[root].root != root {
                continue;
            }
            let family = self.schema.types[root].family.clone();
            let serves = |ty: &TypeId| {
                self.schema
                    .sets
                    .iter()
                    .find(|set| set.entity_type == *ty && self.declared[*ty].endpoint == set.endpoint)
            };
            let Some(set) = family.iter().find_map(serves) else { continue };
            let name = format!("{}_{}", snake(&self.schema.endpoints[set.endpoint].name), snake(&set.name));
            let table = Table {
                name: self.table_name(&name),
                columns: columns(&self.schema, &family),
                key: self.schema.types[root]
                    .row_key_properties()
                    .map(|property| property.column.clone())
                    .collect(),
                indexes: Vec::new(),
                references: Vec::new(),
                origin: self.problems.file_name(self.declared[root].raw.place),
            };
            let id = self.schema.tables.len();
            self.schema.tables.push(table);
            for ty in family {
                self.schema.types[ty].table = Some(id);
            }
        }
    }

    /// A free name. SQLite keeps names that begin with `sqlite_` for itself.
    pub fn table_name(&mut self, wanted: &str) -> String {
        match wanted.starts_with("sqlite_") {
            true => self.table_names.take(&format!("t_{wanted}")),
            false => self.table_names.take(wanted),
        }
    }

    /// Adds what a foreign key needs to its table.
    pub fn foreign_key(&mut self, key: ForeignKey) {
        let target = self.schema.tables[key.target].key.clone();
        let table = &mut self.schema.tables[key.table];
        if key.indexed {
            let mut columns = key.columns.clone();
            columns.extend(table.key.iter().filter(|column| !key.columns.contains(column)).cloned());
            add_index(table, Index { columns, unique: false });
        }
        if key.enforced {
            let reference = Reference {
                columns: key.columns,
                table: key.target,
                target,
                cascade: key.cascade,
            };
            if !table.references.contains(&reference) {
                table.references.push(reference);
            }
        }
    }

    /// The indexes that properties, types and tenants ask for.
    pub fn indexes(&mut self) {
        for ty in self.bases_first.clone() {
            let own = self.schema.types[ty].own_properties;
            let mut wanted = Vec::new();
            let entity = &self.schema.types[ty];
            let tenant = entity.tenant.map(|index| entity.properties[index].column.clone());
            if let (Some(tenant), None) = (&tenant, entity.base) {
                let key: Vec<String> = entity.key_properties().map(|property| property.column.clone()).collect();
                // For those who act in all tenants.
                if entity.has_tenant_key() {
                    wanted.push(Index {
                        columns: key.clone(),
                        unique: false,
                    });
                }
                let rest = key.into_iter().filter(|column| column != tenant);
                wanted.push(Index {
                    columns: std::iter::once(tenant.clone()).chain(rest).collect(),
                    unique: false,
                });
            }
            for said in self.own_properties(ty) {
                let Some(property) = entity.properties[own..].iter().find(|property| property.name == said.name) else {
                    continue;
                };
                let column = property.column.clone();
                let scoped = tenant
                    .clone()
                    .filter(|tenant| *tenant != column)
                    .into_iter()
                    .chain([column.clone()])
                    .collect();
                let unique = match said.unique {
                    Unique::Tenant => Some(scoped),
                    Unique::Global => Some(vec![column.clone()]),
                    Unique::No => None,
                };
                if said.index && unique.as_ref().is_none_or(|columns| *columns != [column.clone()]) {
                    wanted.push(Index {
                        columns: vec![column],
                        unique: false,
                    });
                }
                wanted.extend(unique.map(|columns| Index { columns, unique: true }));
            }
            wanted.extend(self.declared_indexes(ty));
            if let Some(table) = self.schema.types[ty].table {
                wanted
                    .into_iter()
                    .for_each(|index| add_index(&mut self.schema.tables[table], index));
            }
        }
    }

    fn declared_indexes(&self, ty: TypeId) -> Vec<Index> {
        let entity = &self.schema.types[ty];
        let mut found = Vec::new();
        for said in &self.declared[ty].raw.indexes {
            let mut columns = Vec::new();
            for name in &said.it {
                match entity.property(&name.it).map(|index| &entity.properties[index]) {
                    Some(property) if comparable(property) => columns.push(property.column.clone()),
                    Some(_) => self.problems.add(
                        name.place,
                        format!(
                            "`{}` cannot have an index: only primitive values that can be compared can.",
                            name.it
                        ),
                    ),
                    None => self.problems.add(
                        name.place,
                        format!("The index names `{}`, which is not a property of `{}`.", name.it, entity.name),
                    ),
                }
            }
            if !columns.is_empty() {
                found.push(Index { columns, unique: false });
            }
        }
        found
    }
}

/// Leaves out what the primary key or another index does already.
fn add_index(table: &mut Table, index: Index) {
    let is_key = index.columns.len() <= table.key.len() && table.key.starts_with(&index.columns);
    if (is_key && !index.unique) || table.indexes.contains(&index) {
        return;
    }
    table.indexes.push(index);
}

fn comparable(property: &Property) -> bool {
    property.ty.primitive().is_some_and(|edm| edm != Edm::Stream && !edm.is_spatial())
}

/// The root's columns, the type's name where there are several types, and the derived types' columns.
fn columns(schema: &Schema, family: &[TypeId]) -> Vec<Column> {
    let mut found = Vec::new();
    for &ty in family {
        let entity = &schema.types[ty];
        let own = entity.properties[entity.own_properties..].iter();
        found.extend(own.map(|property| column(property, entity.base.is_some())));
        if entity.base.is_none() && family.len() > 1 {
            found.push(Column {
                name: TYPE_COLUMN.to_owned(),
                kind: ColumnKind::Primitive(Edm::String),
                nullable: false,
                generated: false,
                default: Some(Value::Text(entity.qualified())),
            });
        }
        let any = |has: fn(&EntityType) -> bool| entity.base.is_none() && family.iter().any(|&ty| has(&schema.types[ty]));
        for (is_there, name, kind) in [
            (any(|ty| ty.has_stream), MEDIA_COLUMN, ColumnKind::Primitive(Edm::String)),
            (any(|ty| ty.is_open), DYNAMIC_COLUMN, ColumnKind::Json),
        ] {
            if is_there {
                found.push(Column {
                    name: name.to_owned(),
                    kind,
                    nullable: true,
                    generated: false,
                    default: None,
                });
            }
        }
    }
    found
}

fn column(property: &Property, derived: bool) -> Column {
    let kind = match property.ty {
        Type::Primitive(Edm::Stream) => ColumnKind::Primitive(Edm::String),
        Type::Primitive(edm) => ColumnKind::Primitive(edm),
        _ => ColumnKind::Json,
    };
    Column {
        name: property.column.clone(),
        kind,
        nullable: property.nullable || derived || !property.is_structural(),
        generated: property.generated,
        default: property.default.clone(),
    }
}
