//! Declared behaviour of operations: a URL to read, or expressions to set properties to, with `{name}` for arguments. An argument
//! goes in as a literal of its type, so whatever a client sends stays one value.

use super::bind::Binder;
use super::filter;
use super::options::{Options, query_over};
use super::{path, url};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Source};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::query::Query;
use crate::model::schema::{Operation, Schema, SetId, Type, TypeId};
use crate::model::target::{Leaf, Resource, Step, Target};
use crate::model::text;

/// What a declared URL names: entities, and the options that hold for them.
#[derive(Debug, Clone)]
pub struct Base {
    /// The path.
    pub resource: Resource,
    /// `$filter`, `$orderby`, `$top`, `$skip`, `$select`, `$expand`.
    pub options: Options,
}

/// The options that a declared URL may have.
const OPTIONS: &[&str] = &["$filter", "$orderby", "$top", "$skip", "$select", "$expand"];

impl Base {
    /// Puts the arguments into a URL, and reads it. `binding` is what the operation is bound to.
    ///
    /// # Errors
    /// Those of the path and of the options; a schema file is checked for them when it is loaded.
    pub fn of(
        schema: &Schema,
        endpoint: usize,
        operation: &Operation,
        binding: Option<&Resource>,
        (template, values): (&str, &[Value]),
    ) -> Outcome<Base> {
        let (path, query) = template.split_once('?').unwrap_or((template, ""));
        let parameter = operation.parameters.first().filter(|_| operation.is_bound());
        let bound = parameter.and_then(|parameter| path.strip_prefix(format!("{{{}}}", parameter.name).as_str()));
        let fill = Fill { operation, values };
        let target = match (bound, binding) {
            (Some(rest), Some(binding)) => path::follow(schema, endpoint, binding.clone(), &fill.path(rest)?)?,
            _ => path::parse(schema, endpoint, &fill.path(path)?)?,
        };
        let Target::Resource(resource) = target else {
            return Err(Fault::new(&fault::BAD_PATH, "The path does not lead to entities."));
        };
        if resource.leaf != Leaf::Entities {
            return Err(Fault::new(&fault::BAD_PATH, "The path does not lead to entities."));
        }
        let mut pairs = Vec::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            if !OPTIONS.contains(&name) {
                return Err(Fault::new(&fault::BAD_OPTION, format!("There is no query option `{name}` here.")));
            }
            let value =
                url::decode_query(value).ok_or_else(|| Fault::new(&fault::BAD_OPTION, "The query is not percent-encoded UTF-8."))?;
            pairs.push((name.to_owned(), fill.text(&value)?));
        }
        let options = Options::of(pairs);
        Ok(Base { resource, options })
    }

    /// What it means on its own.
    pub fn query(&self, schema: &Schema, endpoint: usize) -> Outcome<Query> {
        let of = (self.resource.ty, self.resource.end_set);
        let mut query = query_over(schema, endpoint, of, &Options::default(), &self.options)?;
        query.shape = Default::default();
        Ok(query)
    }

    /// Whether only some of the entities are meant, by their place in an order: they have to be picked out before anything else.
    pub fn is_cut(&self) -> bool {
        self.options.get("$top").is_some() || self.options.get("$skip").is_some()
    }
}

/// What a property is set to.
#[derive(Debug, Clone)]
pub enum To {
    /// A value of this type.
    Value(Type, Value),
    /// An expression over the entity, and its type.
    Expr(Edm, Expr),
}

/// What a declared action sets: indexes of properties of the type that it is bound to, and what they are set to.
#[derive(Debug, Clone)]
pub struct Changes {
    /// In the order of the declaration.
    pub list: Vec<(usize, To)>,
    /// What the expressions navigate to.
    pub sources: Vec<Source>,
}

impl Changes {
    /// Puts the arguments into expressions, and binds them to entities of `ty`.
    ///
    /// # Errors
    /// `BAD_FILTER`, `UNKNOWN_PROPERTY`; a schema file is checked for them when it is loaded.
    pub fn of(
        schema: &Schema,
        endpoint: usize,
        (ty, set): (TypeId, Option<SetId>),
        operation: &Operation,
        (texts, values): (&[(String, String)], &[Value]),
    ) -> Outcome<Changes> {
        let fill = Fill { operation, values };
        let mut binder = Binder::new(schema, endpoint, ty, set);
        let mut list = Vec::with_capacity(texts.len());
        for (name, text) in texts {
            let unknown = || Fault::new(&fault::UNKNOWN_PROPERTY, format!("There is no property `{name}`.")).of(name);
            let property = schema.types[ty].property(name).ok_or_else(unknown)?;
            // An argument of any type, as it is.
            let whole = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let to = match whole.and_then(|name| fill.argument(name)) {
                Some((ty, value)) => To::Value(ty.clone(), value.clone()),
                None => match binder.value(&filter::filter(&fill.text(text)?)?)? {
                    Expr::Null => To::Value(schema.types[ty].properties[property].ty.clone(), Value::Null),
                    Expr::Literal(edm, value) => To::Value(Type::Primitive(edm), value),
                    expr => To::Expr(expr.edm(schema).unwrap_or(Edm::String), expr),
                },
            };
            list.push((property, to));
        }
        Ok(Changes {
            list,
            sources: binder.into_sources(),
        })
    }
}

/// Puts arguments into texts.
struct Fill<'a> {
    operation: &'a Operation,
    values: &'a [Value],
}

impl Fill<'_> {
    fn argument(&self, name: &str) -> Option<(&Type, &Value)> {
        let mut pairs = self.operation.arguments().iter().zip(self.values);
        pairs
            .find(|(parameter, _)| parameter.name == name)
            .map(|(parameter, value)| (&parameter.ty, value))
    }

    /// A text with each `{name}` outside of quotes replaced by the argument's literal.
    fn text(&self, template: &str) -> Outcome<String> {
        self.fill(template, |literal, out| out.extend_from_slice(literal))
    }

    /// The same for a raw path.
    fn path(&self, template: &str) -> Outcome<String> {
        self.fill(template, |literal, out| url::encode(&String::from_utf8_lossy(literal), out))
    }

    fn fill(&self, template: &str, write: impl Fn(&[u8], &mut Vec<u8>)) -> Outcome<String> {
        let mut out = Vec::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = placeholder(rest) {
            let (before, from) = rest.split_at(start);
            let bad = || Fault::new(&fault::BAD_ARGUMENT, format!("There is no plain argument to put in at `{from}`."));
            let (name, after) = from[1..].split_once('}').ok_or_else(bad)?;
            let (ty, value) = self.argument(name).ok_or_else(bad)?;
            let mut literal = Vec::new();
            text::write_literal(ty.primitive().ok_or_else(bad)?, value.cell(), &mut literal);
            out.extend_from_slice(before.as_bytes());
            write(&literal, &mut out);
            rest = after;
        }
        out.extend_from_slice(rest.as_bytes());
        String::from_utf8(out).map_err(Fault::internal)
    }
}

/// Where the next `{` outside of quotes is.
fn placeholder(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.bytes().position(|byte| {
        is_quoted ^= byte == b'\'';
        byte == b'{' && !is_quoted
    })
}

/// Some value of a type, for checking a declaration before there are arguments.
pub fn sample(ty: &Type) -> Value {
    let Type::Primitive(edm) = ty else {
        return Value::Text(if matches!(ty, Type::Collection(_)) { "[]" } else { "{}" }.to_owned());
    };
    match edm {
        Edm::Boolean => Value::Boolean(true),
        Edm::Byte | Edm::SByte | Edm::Int16 | Edm::Int32 | Edm::Int64 | Edm::Time => Value::Integer(1),
        Edm::Single | Edm::Double => Value::Double(1.0),
        Edm::Decimal => Value::Text("1".to_owned()),
        Edm::Binary => Value::Bytes(vec![0]),
        Edm::Guid => Value::Bytes(vec![0; 16]),
        Edm::DateTime | Edm::DateTimeOffset => Value::Text(text::ticks_to_text(0)),
        edm if edm.is_spatial() => Value::Text("SRID=0;Point(0 0)".to_owned()),
        _ => Value::Text("x".to_owned()),
    }
}

/// Whether values of one type can be set to a property of another (see the engine's conversion): the same, among numbers, and a
/// DateTime in UTC to a DateTimeOffset.
pub fn converts(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Primitive(from), Type::Primitive(to)) if from.is_numeric() && to.is_numeric() => true,
        (Type::Primitive(Edm::DateTime), Type::Primitive(Edm::DateTimeOffset)) => true,
        _ => from == to,
    }
}

/// The path after some steps have been put between two of its parts, for what was picked out.
pub fn narrowed(mut resource: Resource, at: usize, keys: Vec<Vec<Value>>) -> Resource {
    resource.steps.insert(at.min(resource.steps.len()), Step::Among(keys));
    resource
}

#[cfg(test)]
mod tests;
