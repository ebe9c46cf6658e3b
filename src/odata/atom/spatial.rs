//! The one place where Atom meets spatial values (ATM-18): the element inside a property, and what it says.

use crate::odata::xml_text::write_text;
use crate::odata::xml_tree::Element;

/// Writes `SRID=n;WKT`.
pub fn write(text: &str, _is_geography: bool, out: &mut Vec<u8>) {
    write_text(text, out);
}

/// Reads what a property's element holds, as `SRID=n;WKT`.
pub fn read(element: &Element) -> Option<String> {
    Some(element.text().trim_ascii().to_owned())
}
