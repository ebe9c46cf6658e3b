use super::super::*;
use crate::odata::filter::operator_name;

/// Expressions as text; sources as numbers, members as names.
pub struct Sketch<'s>(pub &'s Schema);

impl Sketch<'_> {
    fn boxed(&self, expr: &Option<Box<Expr>>) -> String {
        expr.as_ref().map_or(String::new(), |expr| format!(" {}", self.of(expr)))
    }

    fn json(&self, json: &Json, path: &[String]) -> String {
        let start = match json {
            Json::Column { source, ty, property } => format!("{source}.{}", self.0.types[*ty].properties[*property].name),
            Json::Item(item) => format!("item{item}"),
        };
        let parts: Vec<String> = std::iter::once(start).chain(path.iter().cloned()).collect();
        parts.join("/")
    }

    pub fn of(&self, expr: &Expr) -> String {
        match expr {
            Expr::Literal(edm, value) => match value {
                Value::Boolean(value) => value.to_string(),
                Value::Integer(value) => format!("{}:{value}", edm.name()),
                Value::Double(value) => format!("{}:{value}", edm.name()),
                Value::Text(value) => format!("{}:'{value}'", edm.name()),
                Value::Null | Value::Bytes(_) => edm.name().to_owned(),
            },
            Expr::Null => "null".to_owned(),
            Expr::Column { source, ty, property } => format!("{source}.{}", self.0.types[*ty].properties[*property].name),
            Expr::Member { json, path, edm } => format!("{}{}", self.json(json, path), if edm.is_none() { "/*" } else { "" }),
            Expr::Dynamic { source, name, edm } => format!("{source}?{name}:{}", edm.map_or("*", Edm::name)),
            Expr::Exists { source } => format!("(exists {source})"),
            Expr::Call(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|argument| format!(" {}", self.of(argument))).collect();
                format!("({}[{}]{})", function.name, function.arguments[0].name(), arguments.concat())
            }
            Expr::Not(inner) => format!("(not {})", self.of(inner)),
            Expr::Negate(inner) => format!("(neg {})", self.of(inner)),
            Expr::Binary { op, edm, left, right } => {
                let edm = if *edm == Edm::Boolean {
                    String::new()
                } else {
                    format!(":{}", edm.name())
                };
                format!("({}{edm} {} {})", operator_name(*op), self.of(left), self.of(right))
            }
            Expr::IsNull(inner) => format!("(null? {})", self.of(inner)),
            Expr::IsOf { source, types } => {
                let types: Vec<&str> = types.iter().map(|ty| self.0.types[*ty].name.as_str()).collect();
                format!("(is {source} {})", types.join(","))
            }
            Expr::Cast(inner, edm) => format!("(cast {} {})", self.of(inner), edm.name()),
            Expr::Lambda {
                all,
                source,
                joins,
                predicate,
            } => {
                let name = if *all { "all" } else { "any" };
                format!("({name} {source} {joins:?}{})", self.boxed(predicate))
            }
            Expr::Items {
                all,
                json,
                path,
                item,
                predicate,
            } => {
                let name = if *all { "all" } else { "any" };
                format!("({name} {} item{item}{})", self.json(json, path), self.boxed(predicate))
            }
            Expr::Item { item, .. } => format!("item{item}"),
            Expr::Below { .. } | Expr::Seen { .. } => "(not of a filter)".to_owned(),
        }
    }
}
