//! Indented elements with attributes and no text, which is all that CSDL needs.

/// Grows a document; an element stays open until [`Xml::close`].
#[derive(Default)]
pub(super) struct Xml {
    out: String,
    open: Vec<String>,
    /// The last start tag still takes attributes.
    in_tag: bool,
}

impl Xml {
    pub fn declaration(&mut self) {
        self.out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    }

    pub fn open(&mut self, name: &str) -> &mut Xml {
        self.end_tag();
        self.new_line();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(name.to_owned());
        self.in_tag = true;
        self
    }

    /// An element without children.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.open(name);
        for (name, value) in attributes {
            self.attribute(name, value);
        }
        self.close();
    }

    pub fn close(&mut self) {
        let Some(name) = self.open.pop() else { return };
        if self.in_tag {
            self.out.push_str(" />");
            self.in_tag = false;
            return;
        }
        self.new_line();
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
    }

    /// Of the last opened element, before its first child.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Xml {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, &mut self.out);
        self.out.push('"');
        self
    }

    pub fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Xml {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    pub fn flag(&mut self, name: &str, value: Option<bool>) -> &mut Xml {
        match value {
            Some(value) => self.attribute(name, if value { "true" } else { "false" }),
            None => self,
        }
    }

    /// `true`, or not there.
    pub fn when(&mut self, value: bool, name: &str) -> &mut Xml {
        self.flag(name, value.then_some(true))
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.out.push('\n');
        self.out.into_bytes()
    }

    fn end_tag(&mut self) {
        if std::mem::take(&mut self.in_tag) {
            self.out.push('>');
        }
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        for _ in 0..self.open.len() {
            self.out.push_str("  ");
        }
    }
}

/// For an attribute value: white space survives as a reference, characters that XML 1.0 does not have are left out.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
}
