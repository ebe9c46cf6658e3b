//! Text forms of primitive values.
use super::edm::{Cell, Edm, Value};
/// Reads the XML (Atom, CSV, `$value`) text of a type.
pub fn parse(_edm: Edm, _text: &str) -> Option<Value> {
    None
}
/// Writes the XML text of a cell.
pub fn write(_edm: Edm, _cell: Cell<'_>, _out: &mut Vec<u8>) {}
/// Writes the URL literal of a cell (LIT-32).
pub fn write_literal(_edm: Edm, _cell: Cell<'_>, _out: &mut Vec<u8>) {}
