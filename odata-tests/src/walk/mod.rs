//! Every place of every endpoint, derived from the schema, and what somebody may see there who has no business there.
//!
//! | module | duty |
//! |---|---|
//! | [`seed`] | values and bodies for any type |
//! | [`site`] | a server with all fixtures, and rows of two tenants in every set |
//! | [`rows`] | rows that only the database can make: of the server's own sets, and across tenants |
//! | [`places`] | the requests about a row, a set, a navigation, an operation |
//! | [`crossings`] | requests that lead from what a caller sees to what it does not see |
//! | [`run`] | sends them, from several connections |
//! | [`callers`] | everybody who has no business there, sent everywhere |
//! | [`foreign`] | somebody of another tenant |
//! | [`compare`] | whether two answers tell anything apart |

pub mod callers;
pub mod compare;
pub mod crossings;
pub mod foreign;
pub mod places;
pub mod rows;
pub mod run;
pub mod seed;
pub mod site;

use serde_json::Value;

use odonata::model::schema::{Join, Navigation, Schema, SetId, TypeId};

/// A row that somebody made, or one that nobody ever made.
#[derive(Debug, Clone)]
pub struct Row {
    /// Index of the endpoint it was made in.
    pub endpoint: usize,
    /// The set it was made in.
    pub set: SetId,
    /// Its own type.
    pub ty: TypeId,
    /// The literals of its key, as URLs have them.
    pub key: Vec<String>,
    /// Its properties as JSON light.
    pub json: Value,
}

impl Row {
    /// The key as it stands behind a name: `(1)`, `(A=1,B='x')`.
    pub fn parentheses(&self, schema: &Schema) -> String {
        let names = schema.types[self.ty].key_properties().map(|key| key.name.as_str());
        let pairs: Vec<String> = match self.key.as_slice() {
            [one] => vec![one.clone()],
            _ => names.zip(&self.key).map(|(name, key)| format!("{name}={key}")).collect(),
        };
        format!("({})", pairs.join(",").replace('/', "%2F"))
    }

    /// An expression that holds for this row alone; `prefix` is empty or ends with a slash.
    pub fn filter(&self, schema: &Schema, prefix: &str) -> String {
        let names = schema.types[self.ty].key_properties();
        let equal: Vec<String> = names
            .zip(&self.key)
            .map(|(property, key)| format!("{prefix}{} eq {key}", property.name))
            .collect();
        equal.join(" and ")
    }

    /// The URL of the row, for links.
    pub fn url(&self, schema: &Schema) -> String {
        format!("/api/{}/{}", schema.endpoints[self.endpoint].name, self.path(schema))
    }

    /// The URL of the row in another endpoint that serves it, too.
    pub fn url_in(&self, schema: &Schema, endpoint: usize) -> Option<String> {
        if endpoint == self.endpoint {
            return Some(self.url(schema));
        }
        let set = schema.set_of(endpoint, self.ty)?;
        let name = set_name(schema, endpoint, set);
        Some(format!(
            "/api/{}/{name}{}",
            schema.endpoints[endpoint].name,
            self.parentheses(schema)
        ))
    }

    /// The path of the row behind its endpoint.
    pub fn path(&self, schema: &Schema) -> String {
        format!("{}{}", set_name(schema, self.endpoint, self.set), self.parentheses(schema))
    }
}

/// The name of a set in the URLs of an endpoint, that of its container before it where it needs one.
pub fn set_name(schema: &Schema, endpoint: usize, set: SetId) -> String {
    let names = &schema.endpoints[endpoint].set_names;
    let mut found: Vec<&String> = names.iter().filter(|(_, known)| **known == set).map(|(name, _)| name).collect();
    found.sort_by_key(|name| (name.len(), name.as_str()));
    found.first().map(|name| name.to_string()).unwrap_or_default()
}

/// The indexes of this side's properties that hold a navigation's key; none where the key is somewhere else, or in a hidden column.
pub fn key_holders(schema: &Schema, ty: TypeId, navigation: &Navigation) -> Option<Vec<usize>> {
    let Some(Join::Near { columns }) = &navigation.join else {
        return None;
    };
    let properties = &schema.types[ty].properties;
    own_part(schema, navigation.target, columns)
        .iter()
        .map(|column| properties.iter().position(|property| property.column == *column))
        .collect()
}

/// Of the columns that hold a key those that a body says: the tenant may stand before them.
pub fn own_part<'a>(schema: &Schema, target: TypeId, columns: &'a [String]) -> &'a [String] {
    let ahead = columns.len().saturating_sub(schema.types[target].key.len());
    &columns[ahead..]
}

/// Whether rows of a type belong to tenants.
pub fn is_owned(schema: &Schema, ty: TypeId) -> bool {
    schema.types[ty].tenant.is_some()
}

/// Whether a navigation is the one that says whose a row is.
pub fn is_ownership(schema: &Schema, ty: TypeId, navigation: &Navigation) -> bool {
    let tenant = schema.types[ty].tenant;
    tenant.is_some() && key_holders(schema, ty, navigation).is_some_and(|held| held.iter().any(|index| Some(*index) == tenant))
}
