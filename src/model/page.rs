//! Rows that have been read: cells in one arena, and the tree of what was expanded. Written by `store` and `engine`,
//! read by the formats.

use std::ops::Range;

use super::edm::Cell;
use super::query::Shape;
use super::schema::{SetId, TypeId};

/// Cells of many rows in one arena: no allocation per cell.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    width: usize,
    slots: Vec<Slot>,
    /// Apart from the bytes, so that no text is checked twice for being UTF-8.
    text: String,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(usize, usize),
    Bytes(usize, usize),
}

impl Rows {
    /// For rows of `width` cells.
    pub fn new(width: usize) -> Rows {
        Rows { width, ..Rows::default() }
    }

    /// Appends the next cell of the current row; `width` cells make a row.
    pub fn push(&mut self, cell: Cell<'_>) {
        self.slots.push(match cell {
            Cell::Null => Slot::Null,
            Cell::Boolean(b) => Slot::Boolean(b),
            Cell::Integer(i) => Slot::Integer(i),
            Cell::Double(d) => Slot::Double(d),
            Cell::Text(s) => {
                let start = self.text.len();
                self.text.push_str(s);
                Slot::Text(start, s.len())
            }
            Cell::Bytes(b) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(b);
                Slot::Bytes(start, b.len())
            }
        });
    }

    /// Complete rows.
    pub fn len(&self) -> usize {
        self.slots.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.text.len() + self.bytes.len()
    }

    /// Cells in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Drops the rows from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.slots.truncate(len * self.width);
    }

    /// One cell.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        match self.slots[row * self.width + column] {
            Slot::Null => Cell::Null,
            Slot::Boolean(b) => Cell::Boolean(b),
            Slot::Integer(i) => Cell::Integer(i),
            Slot::Double(d) => Cell::Double(d),
            // Only whole texts are pushed, so this never falls back to the empty one.
            Slot::Text(start, len) => Cell::Text(self.text.get(start..start + len).unwrap_or_default()),
            Slot::Bytes(start, len) => Cell::Bytes(&self.bytes[start..start + len]),
        }
    }
}

/// Entities of one set (or navigation), as read.
#[derive(Debug)]
pub struct Page {
    /// The set that the entities belong to, where the endpoint has one.
    pub set: Option<SetId>,
    /// Their declared type.
    pub ty: TypeId,
    /// The cells; `layout` says which is which.
    pub rows: Rows,
    /// Which cell holds what.
    pub layout: Layout,
    /// `$inlinecount`.
    pub count: Option<u64>,
    /// `$skiptoken` of the next page.
    pub next: Option<String>,
    /// Of `$top`, what is left after this page.
    pub top_left: Option<usize>,
    /// What of each entity goes out.
    pub shape: Shape,
    /// One for each of `shape.expand`.
    pub expanded: Vec<Expanded>,
}

/// Which cell of a row holds what.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The cell with the qualified type name, in hierarchies.
    pub type_cell: Option<usize>,
    /// For each type that a row can be (first the declared one): the cell of each property, by property index.
    pub types: Vec<(TypeId, Vec<Option<usize>>)>,
    /// Cells of foreign keys and other hidden columns, by column name.
    pub hidden: Vec<(String, usize)>,
}

/// A navigation that was read for a whole page at once.
#[derive(Debug)]
pub struct Expanded {
    /// All targets of all rows.
    pub page: Page,
    /// For each parent row, its targets in `page.rows`; empty is none (or null).
    pub children: Vec<Range<usize>>,
    /// For each parent row, the `$skiptoken` of its next inner page (PAG-14).
    pub next: Vec<Option<String>>,
}

impl Page {
    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.rows.size() + self.expanded.iter().map(|expanded| expanded.page.size()).sum::<usize>()
    }

    /// The concrete type of a row, and the cell of each of its properties.
    pub fn row_type(&self, schema: &super::schema::Schema, row: usize) -> &(TypeId, Vec<Option<usize>>) {
        if let Some(cell) = self.layout.type_cell
            && let Cell::Text(name) = self.rows.cell(row, cell)
        {
            let found = self.layout.types.iter().find(|(ty, _)| {
                let ty = &schema.types[*ty];
                name.strip_suffix(ty.name.as_str()).and_then(|rest| rest.strip_suffix('.')) == Some(ty.namespace.as_str())
            });
            if let Some(found) = found {
                return found;
            }
        }
        &self.layout.types[0]
    }
}
