//! Which columns a read fetches, and which cell of a row is what.

use crate::model::edm::Edm;
use crate::model::page::Layout;
use crate::model::query::Shape;
use crate::model::schema::{ColumnKind, DYNAMIC_COLUMN, EntityType, Join, MEDIA_COLUMN, Schema, TypeId};
use crate::odata::atom::mapping;
use crate::store::Output;

/// Outputs of a statement and what they mean.
#[derive(Debug, Default)]
pub struct Columns {
    /// For the statement.
    pub outputs: Vec<Output>,
    /// For the reader of the rows.
    pub layout: Layout,
    /// Column names of `outputs`, to fetch none twice.
    names: Vec<String>,
}

impl Columns {
    /// The columns of an entity's properties: those that the shape shows, the row key, and what the ETag is made of.
    pub fn of(schema: &Schema, ty: TypeId, shape: &Shape) -> Columns {
        let mut columns = Columns::default();
        let entity = &schema.types[ty];
        if entity.family.len() > 1 {
            columns.layout.type_cell = Some(0);
            columns.outputs.push(Output::TypeName);
            columns.names.push(crate::model::schema::TYPE_COLUMN.to_owned());
        }
        for &member in &entity.family {
            let cells = columns.of_type(schema, member, shape);
            columns.layout.types.push((member, cells));
        }
        if entity.family.iter().any(|&member| schema.types[member].has_stream) {
            columns.hidden(schema, ty, MEDIA_COLUMN);
        }
        if entity.family.iter().any(|&member| schema.types[member].is_open) {
            columns.hidden(schema, ty, DYNAMIC_COLUMN);
        }
        for expand in &shape.expand {
            if let Some(Join::Near { columns: names }) = &schema.types[expand.ty].navigations[expand.navigation].join {
                for name in names {
                    columns.hidden(schema, ty, name);
                }
            }
        }
        columns
    }

    fn of_type(&mut self, schema: &Schema, ty: TypeId, shape: &Shape) -> Vec<Option<usize>> {
        let entity = &schema.types[ty];
        let mut cells = Vec::with_capacity(entity.properties.len());
        // Atom shows them whatever is selected (SEL-12).
        let mapped = |property| mapping::is_mapped(schema, ty, property);
        for (index, property) in entity.properties.iter().enumerate() {
            let wanted = shape.shows(&property.name) || property.concurrency || entity.row_key.contains(&index) || mapped(property);
            let there = !property.column.is_empty() && !property.write_only;
            let output = || match property.is_structural() {
                true => Output::Property(ty, index),
                false => Output::Column(property.column.clone(), ColumnKind::Primitive(Edm::String)),
            };
            cells.push((wanted && there).then(|| self.cell(&property.column, output)));
        }
        cells
    }

    /// The cell of a column that is fetched although it may be no property.
    pub fn hidden(&mut self, schema: &Schema, ty: TypeId, name: &str) -> usize {
        let kind = schema.types[ty]
            .table
            .and_then(|table| schema.tables[table].columns.iter().find(|column| column.name == name))
            .map_or(ColumnKind::Primitive(Edm::String), |column| column.kind);
        let cell = self.cell(name, || Output::Column(name.to_owned(), kind));
        self.layout.hidden.push((name.to_owned(), cell));
        cell
    }

    /// The cell of an output that is no column of the row.
    pub fn extra(&mut self, output: Output) -> usize {
        self.outputs.push(output);
        self.names.push(String::new());
        self.outputs.len() - 1
    }

    fn cell(&mut self, name: &str, output: impl FnOnce() -> Output) -> usize {
        if let Some(cell) = self.names.iter().position(|known| known == name) {
            return cell;
        }
        self.names.push(name.to_owned());
        self.outputs.push(output());
        self.outputs.len() - 1
    }

    /// The cells of the row key.
    pub fn key_cells(&self, entity: &EntityType) -> Vec<usize> {
        let cells = &self.layout.types[0].1;
        entity.row_key.iter().filter_map(|&index| cells[index]).collect()
    }
}

/// The cell of a column in a row that was read with a layout.
pub fn cell_of(schema: &Schema, layout: &Layout, column: &str) -> Option<usize> {
    if let Some((_, cell)) = layout.hidden.iter().find(|(name, _)| name == column) {
        return Some(*cell);
    }
    layout.types.iter().find_map(|(ty, cells)| {
        let index = schema.types[*ty].properties.iter().position(|property| property.column == column)?;
        cells[index]
    })
}
