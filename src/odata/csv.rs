//! CSV, writing (RFC 4180), for spreadsheets and scripts; OData itself knows nothing of it.
//!
//! The first line has the names of the properties: those of the declared type and of all that derive from it, as far as `$select` shows
//! them. A complex property has a column for each member (`Address/City`), a collection is JSON text, values are in their XML text.
//! Null is nothing, the empty string `""`. In a hierarchy the column `odata_type` names each row's type, as `odonata load` takes it.
//! There is no place for expanded entities, links, streams, dynamic properties and counts; the next page is in the header `Link`.
//!
//! Texts go out as they are, also those that begin with `=`, `+`, `-` or `@` and that a spreadsheet takes for formulas: to change
//! them would spoil the data for every other reader. Who opens the file in a spreadsheet imports the columns as text.

use super::canonical;
use super::context::{Context, LinksContext};
use super::format::{Entity, Feed, Inline, Metadata, Render, Sink};
use super::json::{parse, write_canonical};
use super::json_tree::Json;
use crate::model::edm::{Cell, Edm};
use crate::model::page::Page;
use crate::model::schema::{ComplexId, Navigation, Operation, Property, Schema, TYPE_COLUMN, Type, TypeId};
use crate::model::text;

/// A CSV answer being written.
pub struct Csv<'a> {
    render: &'a Render<'a>,
    out: Vec<u8>,
    columns: Vec<Column>,
    /// There is a column with the type's name.
    tells_type: bool,
    /// For each type that has been met: the property of each column.
    properties: Vec<(TypeId, Vec<Option<usize>>)>,
}

/// A property, or a member inside a complex one.
struct Column {
    /// The property's name, and those of the members below it.
    path: Vec<String>,
    /// A primitive or a collection.
    ty: Type,
}

impl<'a> Csv<'a> {
    /// An empty answer.
    pub fn new(render: &'a Render<'a>) -> Csv<'a> {
        Csv {
            render,
            out: Vec::with_capacity(4096),
            columns: Vec::new(),
            tells_type: false,
            properties: Vec::new(),
        }
    }

    /// Finds the columns of a page, and writes their names.
    fn begin(&mut self, page: &Page) {
        let schema = self.render.schema;
        self.tells_type = schema.types[page.ty].in_hierarchy(schema);
        for (ty, _) in &page.layout.types {
            let shown = schema.types[*ty]
                .properties
                .iter()
                .filter(|property| page.shape.shows(&property.name));
            for property in shown.filter(|property| property.is_structural()) {
                if !self.columns.iter().any(|column| column.path[0] == property.name) {
                    add_columns(
                        schema,
                        &mut vec![property.name.clone()],
                        &property.ty,
                        &mut Vec::new(),
                        &mut self.columns,
                    );
                }
            }
        }
        self.header();
    }

    fn header(&mut self) {
        let mut names: Vec<String> = self.tells_type.then(|| TYPE_COLUMN.to_owned()).into_iter().collect();
        names.extend(self.columns.iter().map(|column| column.path.join("/")));
        for (index, name) in names.into_iter().enumerate() {
            self.field(index == 0, false, |out| out.extend_from_slice(name.as_bytes()));
        }
        self.end_record();
    }

    /// Writes a field by `write`, in quotes where it needs them or is not to be taken for null.
    fn field(&mut self, is_first: bool, is_null: bool, write: impl FnOnce(&mut Vec<u8>)) {
        if !is_first {
            self.out.push(b',');
        }
        let start = self.out.len();
        write(&mut self.out);
        let text = &self.out[start..];
        let needs_quotes = match text {
            [] => !is_null,
            [b' ', ..] | [.., b' '] => true,
            text => text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')),
        };
        if needs_quotes {
            let text = self.out.split_off(start);
            self.out.push(b'"');
            for byte in text {
                if byte == b'"' {
                    self.out.push(byte);
                }
                self.out.push(byte);
            }
            self.out.push(b'"');
        }
    }

    fn value_field(&mut self, is_first: bool, ty: &Type, cell: Cell<'_>) {
        let schema = self.render.schema;
        self.field(is_first, cell.is_null(), |out| match (ty, cell) {
            (_, Cell::Null) => {}
            (Type::Primitive(edm), cell) => text::write(*edm, cell, out),
            (ty, Cell::Text(json)) => write_canonical(schema, ty, &parse(json), Metadata::None, out),
            _ => {}
        });
    }

    /// The cell of a column: `cell` is that of its property.
    fn column_field(&mut self, is_first: bool, index: usize, cell: Cell<'_>) {
        // Out and back again, so that the column can be read while the field is written.
        let columns = std::mem::take(&mut self.columns);
        let column = &columns[index];
        match (&column.path[1..], cell) {
            ([], cell) => self.value_field(is_first, &column.ty, cell),
            (path, Cell::Text(json)) => {
                let value = canonical::follow(json, path, &column.ty);
                self.value_field(is_first, &column.ty, value.cell());
            }
            (_, _) => self.value_field(is_first, &column.ty, Cell::Null),
        }
        self.columns = columns;
    }

    fn end_record(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// The property of each column in a type.
    fn properties(&mut self, ty: TypeId) -> usize {
        if let Some(known) = self.properties.iter().position(|(known, _)| *known == ty) {
            return known;
        }
        let of = &self.render.schema.types[ty];
        let found = self.columns.iter().map(|column| of.property(&column.path[0])).collect();
        self.properties.push((ty, found));
        self.properties.len() - 1
    }
}

/// Complex types have a column for each member; one that holds itself stands there as JSON at its second time.
fn add_columns(schema: &Schema, path: &mut Vec<String>, ty: &Type, around: &mut Vec<ComplexId>, columns: &mut Vec<Column>) {
    match ty {
        Type::Complex(id) if !around.contains(id) => {
            around.push(*id);
            for property in &schema.complex[*id].properties {
                path.push(property.name.clone());
                add_columns(schema, path, &property.ty, around, columns);
                path.pop();
            }
            around.pop();
        }
        ty => columns.push(Column {
            path: path.clone(),
            ty: ty.clone(),
        }),
    }
}

impl Sink for Csv<'_> {
    fn finish(self: Box<Self>) -> Vec<u8> {
        self.out
    }

    fn begin_feed(&mut self, feed: &Feed<'_>) {
        self.begin(feed.page);
    }

    fn end_feed(&mut self, _feed: &Feed<'_>) {}

    fn begin_entity(&mut self, entity: &Entity<'_>, _expected: TypeId, context: Option<&Context<'_>>) {
        if context.is_some() {
            self.begin(entity.page);
        }
        if self.tells_type {
            let (render, ty) = (self.render, entity.entity_type());
            self.field(true, false, |out| render.write_type_name(ty, out));
        }
        let known = self.properties(entity.ty);
        for column in 0..self.columns.len() {
            let cell = self.properties[known].1[column].map_or(Cell::Null, |property| entity.cell(property));
            self.column_field(column == 0 && !self.tells_type, column, cell);
        }
        self.end_record();
    }

    fn end_entity(&mut self, _entity: &Entity<'_>) {}

    fn link(&mut self, _entity: &Entity<'_>, _navigation: &Navigation) {}

    fn stream(&mut self, _entity: &Entity<'_>, _property: &Property) {}

    fn operation(&mut self, _entity: &Entity<'_>, _operation: &Operation) {}

    // The whole row is written when the entity begins.
    fn property(&mut self, _property: &Property, _cell: Cell<'_>) {}

    fn dynamic(&mut self, _name: &str, _ty: &Type, _cell: Cell<'_>) {}

    fn begin_inline(&mut self, _entity: &Entity<'_>, _navigation: &Navigation, _inline: &Inline<'_>) {}

    fn end_inline(&mut self, _inline: &Inline<'_>) {}

    /// One row, or one for each item of a collection.
    fn value(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        let path = &mut vec![name.to_owned()];
        let schema = self.render.schema;
        if let (Type::Collection(item), Cell::Text(json)) = (ty, cell) {
            add_columns(schema, path, item, &mut Vec::new(), &mut self.columns);
            self.header();
            if let Json::Array(items) = parse(json) {
                for item_json in &items {
                    let value = match item.primitive() {
                        Some(edm) => canonical::member(edm, item_json),
                        None => canonical::text(item_json),
                    };
                    for column in 0..self.columns.len() {
                        self.column_field(column == 0, column, value.cell());
                    }
                    self.end_record();
                }
            }
            return;
        }
        add_columns(schema, path, ty, &mut Vec::new(), &mut self.columns);
        self.header();
        for column in 0..self.columns.len() {
            self.column_field(column == 0, column, cell);
        }
        self.end_record();
    }

    fn links(&mut self, _context: &LinksContext<'_>, urls: &[Vec<u8>], _count: Option<u64>, _next: Option<&str>) {
        self.columns.push(Column {
            path: vec!["uri".to_owned()],
            ty: Type::Primitive(Edm::String),
        });
        self.header();
        for url in urls {
            self.field(true, false, |out| out.extend_from_slice(url));
            self.end_record();
        }
    }
}

#[cfg(test)]
mod tests;
