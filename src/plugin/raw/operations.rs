//! `[[operation]]`.

use super::super::read::{At, Fields, Place};
use super::{facets, type_name};
use crate::model::schema::Facets;

/// `[[operation]]`
#[derive(Debug)]
pub(in crate::plugin) struct RawOperation {
    pub place: Place,
    pub name: At<String>,
    pub container: Option<At<String>>,
    pub http_method: Option<At<String>>,
    pub bindable: Option<bool>,
    pub side_effecting: Option<bool>,
    pub composable: Option<bool>,
    pub always_bindable: Option<bool>,
    pub returns: Option<At<String>>,
    pub set: Option<At<String>>,
    pub set_path: Option<String>,
    pub parameters: Vec<RawParameter>,
    pub behaviour: Option<At<RawBehaviour>>,
    pub job: Option<At<String>>,
}

/// `handler`, `query` or `change` of an operation.
#[derive(Debug)]
pub(in crate::plugin) enum RawBehaviour {
    Handler(String),
    Query(String),
    /// Properties and expressions.
    Change(Vec<(String, String)>),
}

/// An item of an operation's `parameters`.
#[derive(Debug)]
pub(in crate::plugin) struct RawParameter {
    pub name: At<String>,
    pub ty: At<String>,
    pub nullable: Option<bool>,
    pub mode: Option<At<String>>,
    pub facets: Facets,
}

pub(super) fn operation(mut fields: Fields<'_>) -> Option<RawOperation> {
    let place = fields.place;
    let name = fields.required_text("name");
    let operation = RawOperation {
        place,
        name: name?,
        container: fields.text("container"),
        http_method: fields.text("http_method"),
        bindable: fields.choice("bindable"),
        side_effecting: fields.choice("side_effecting"),
        composable: fields.choice("composable"),
        always_bindable: fields.choice("always_bindable"),
        returns: fields.text("returns"),
        set: fields.text("set"),
        set_path: fields.text("set_path").map(|path| path.it),
        parameters: fields.list("parameters", "a parameter").into_iter().filter_map(parameter).collect(),
        behaviour: behaviour(&mut fields),
        job: fields.text("job"),
    };
    fields.finish();
    Some(operation)
}

fn behaviour(fields: &mut Fields<'_>) -> Option<At<RawBehaviour>> {
    let place_of_change = fields.place;
    let texts = |text: At<String>, make: fn(String) -> RawBehaviour| At {
        it: make(text.it),
        place: text.place,
    };
    let mut said = Vec::new();
    said.extend(fields.text("handler").map(|text| texts(text, RawBehaviour::Handler)));
    said.extend(fields.text("query").map(|text| texts(text, RawBehaviour::Query)));
    let changes = fields.pairs("change");
    if let Some(place) = changes.first().map(|(name, _)| name.place) {
        let pairs = changes.into_iter().map(|(name, text)| (name.it, text)).collect();
        said.push(At {
            it: RawBehaviour::Change(pairs),
            place,
        });
    }
    if said.len() > 1 {
        fields.fault(place_of_change, "`handler`, `query` and `change` exclude each other.");
    }
    said.into_iter().next()
}

fn parameter(mut fields: Fields<'_>) -> Option<RawParameter> {
    let name = fields.required_text("name");
    let ty = type_name(&mut fields, "type");
    let nullable = fields.choice("nullable");
    let mode = fields.text("mode");
    let facets = facets(&mut fields);
    fields.finish();
    Some(RawParameter {
        name: name?,
        ty,
        nullable,
        mode,
        facets,
    })
}
