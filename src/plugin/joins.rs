//! Joins: how rows of two types find each other, and the columns and tables that takes.

use crate::model::edm::Edm;
use crate::model::schema::{Column, ColumnKind, EntityType, Index, Join, Multiplicity, Property, Reference, Table, TableId, Type};

use super::build::{Build, LinkTable};
use super::names::{self, snake};
use super::navigations::{Holder, Pair};
use super::tables::ForeignKey;

impl<'a> Build<'a> {
    /// How rows are found from side 0 and from side 1.
    pub fn joins(&mut self, pair: &Pair<'a>, key: Option<&[usize]>, association: usize) -> [Option<Join>; 2] {
        let tables = [0, 1].map(|side| self.schema.types[pair.sides[side].ty].table);
        let [Some(first), Some(second)] = tables else { return [None, None] };
        let side = match pair.holder {
            Holder::Link(side) => return self.link(pair, side, [first, second], association),
            Holder::Side(side) => side,
        };
        let (table, target) = if side == 0 { (first, second) } else { (second, first) };
        let ty = &self.schema.types[pair.sides[side].ty];
        let (columns, all_nullable) = match key {
            Some(key) => {
                let properties: Vec<&Property> = key.iter().map(|&index| &ty.properties[index]).collect();
                let nullable = properties.iter().all(|property| property.nullable);
                (properties.iter().map(|property| property.column.clone()).collect(), nullable)
            }
            None => (self.hidden_columns(pair, side, table), true),
        };
        let columns = self.with_tenant(pair, side, columns);
        let other = pair.sides[1 - side].multiplicity;
        self.foreign_key(ForeignKey {
            table,
            columns: columns.clone(),
            target,
            enforced: !pair.frame && (all_nullable || other == Multiplicity::One),
            indexed: !pair.frame,
            cascade: self.schema.associations[association].ends[1 - side].cascade,
        });
        let near = Some(Join::Near { columns: columns.clone() });
        let far = Some(Join::Far { columns });
        if side == 0 { [near, far] } else { [far, near] }
    }

    /// A key that tenants have each for themselves leads to one of the own tenant.
    fn with_tenant(&mut self, pair: &Pair<'a>, side: usize, mut columns: Vec<String>) -> Vec<String> {
        let (holder, target) = (&self.schema.types[pair.sides[side].ty], &self.schema.types[pair.sides[1 - side].ty]);
        match holder.tenant {
            _ if !target.has_tenant_key() => {}
            Some(tenant) => columns.insert(0, holder.properties[tenant].column.clone()),
            None => {
                let message = format!(
                    "`{}` belongs to no tenant, but leads to `{}`, of which each tenant has its own: give it a `tenant`, too.",
                    holder.name, target.name
                );
                self.problems.add(pair.place, message);
            }
        }
        columns
    }

    /// Columns that no property shows: `<Nav>_<KeyProp>`.
    fn hidden_columns(&mut self, pair: &Pair<'a>, side: usize, table: TableId) -> Vec<String> {
        let (holder, target) = (&pair.sides[side], &pair.sides[1 - side]);
        let navigation = holder.navigation.or(target.navigation).map_or("", |(_, raw)| &raw.name);
        let ty = &self.schema.types[holder.ty];
        let prefix = if ty.base.is_some() {
            format!("{}_{navigation}", ty.name)
        } else {
            navigation.to_owned()
        };
        let root = ty.root;
        let keys: Vec<(String, Edm)> = self.schema.types[target.ty].key_properties().filter_map(key_column).collect();
        let mut columns = Vec::new();
        for (name, edm) in keys {
            let name = self.columns.entry(root).or_default().take(&format!("{prefix}_{name}"));
            let kind = ColumnKind::Primitive(edm);
            self.schema.tables[table].columns.push(Column {
                name: name.clone(),
                kind,
                nullable: true,
                generated: false,
                default: None,
            });
            columns.push(name);
        }
        columns
    }

    /// The table of a many-to-many association. A second one that names it and leads the other way sees the same pairs.
    fn link(&mut self, pair: &Pair<'a>, near: usize, tables: [TableId; 2], association: usize) -> [Option<Join>; 2] {
        let said = pair.sides[near].navigation.and_then(|(_, raw)| raw.link.as_ref());
        if let Some(said) = said {
            names::check(self.problems, said.place, "link table", &said.it);
        }
        let name = said.map_or_else(|| self.schema.associations[association].name.clone(), |said| said.it.clone());
        let own = pair
            .sides
            .iter()
            .find(|side| side.navigation.is_some())
            .map_or(pair.sides[0].ty, |side| side.ty);
        let ends = [near, 1 - near].map(|side| pair.sides[side].ty);
        let place = said.map(|said| (self.declared[own].endpoint, said.it.to_lowercase()));
        let back = place.as_ref().and_then(|place| self.links.get(place));
        if let Some(there) = back.filter(|there| there.types == [ends[1], ends[0]] && ends[0] != ends[1]) {
            let [far, here] = there.columns.clone();
            return link_joins(there.table, [here, far], near);
        }
        let endpoint = &self.schema.endpoints[self.declared[own].endpoint].name;
        let name = self.table_name(&format!("{}_{}", snake(endpoint), snake(&name)));
        let types = [near, 1 - near].map(|side| &self.schema.types[pair.sides[side].ty]);
        let navigation = pair.sides[near].navigation.map_or("Target", |(_, raw)| &raw.name);
        let columns = link_columns(types, navigation);
        let mut all: Vec<&(String, Edm)> = Vec::new();
        for column in columns.iter().flatten() {
            // The tenant may stand on both sides.
            if !all.contains(&column) {
                all.push(column);
            }
        }
        let column = |(name, edm): &(String, Edm)| Column {
            name: name.clone(),
            kind: ColumnKind::Primitive(*edm),
            nullable: false,
            generated: false,
            default: None,
        };
        let names = [0, 1].map(|part: usize| columns[part].iter().map(|column| column.0.clone()).collect::<Vec<_>>());
        let reference = |part: usize, table: TableId| Reference {
            columns: names[part].clone(),
            table,
            target: self.schema.tables[table].key.clone(),
            cascade: true,
        };
        let table = Table {
            name,
            columns: all.iter().copied().map(column).collect(),
            key: all.iter().map(|(name, _)| name.clone()).collect(),
            indexes: vec![Index {
                columns: names[1].clone(),
                unique: false,
            }],
            references: vec![reference(0, tables[near]), reference(1, tables[1 - near])],
            origin: self.problems.file_name(pair.place),
        };
        let id = self.schema.tables.len();
        self.schema.tables.push(table);
        if let Some(place) = place {
            self.links.entry(place).or_insert(LinkTable {
                table: id,
                types: ends,
                columns: names.clone(),
            });
        }
        link_joins(id, names, near)
    }
}

/// The joins of both sides; `columns` are those of the side `near`, then the other's.
fn link_joins(table: TableId, columns: [Vec<String>; 2], near: usize) -> [Option<Join>; 2] {
    let [this, that] = columns;
    let here = Some(Join::Link {
        table,
        near: this.clone(),
        far: that.clone(),
    });
    let there = Some(Join::Link {
        table,
        near: that,
        far: this,
    });
    if near == 0 { [here, there] } else { [there, here] }
}

fn key_column(property: &Property) -> Option<(String, Edm)> {
    match property.ty {
        Type::Primitive(edm) => Some((property.name.clone(), edm)),
        _ => None,
    }
}

/// Names of a link table's columns: the keys' own, or with the type's name (and the navigation's, from a type to itself). The tenant
/// of rows that have each tenant's own keys is one column for both sides: a pair never is of two tenants.
fn link_columns(types: [&EntityType; 2], navigation: &str) -> [Vec<(String, Edm)>; 2] {
    let mut keys = types.map(|ty| ty.key_properties().filter_map(key_column).collect::<Vec<_>>());
    let lower = |name: &str| name.to_lowercase();
    let clash = keys[0].iter().any(|(a, _)| keys[1].iter().any(|(b, _)| lower(a) == lower(b)));
    let mut prefixes = types.map(|ty| ty.name.clone());
    if lower(&prefixes[0]) == lower(&prefixes[1]) {
        prefixes[1] = navigation.to_owned();
    }
    if lower(&prefixes[0]) == lower(&prefixes[1]) {
        prefixes[1].push('1');
    }
    let mut namer = names::Namer::columns();
    for (columns, prefix) in keys.iter_mut().zip(&prefixes) {
        for (name, _) in columns.iter_mut() {
            *name = namer.take(&if clash { format!("{prefix}_{name}") } else { name.clone() });
        }
    }
    let tenant = types
        .iter()
        .filter(|ty| ty.has_tenant_key())
        .find_map(|ty| ty.tenant.map(|index| &ty.properties[index]));
    if let Some(tenant) = tenant {
        let name = namer.take(&tenant.column);
        for (columns, _) in keys.iter_mut().zip(types).filter(|(_, ty)| ty.has_tenant_key()) {
            columns.insert(0, (name.clone(), Edm::Guid));
        }
    }
    keys
}
