//! The body of a change: read as soon as its type is known, its passwords hashed where no writer waits for that.

use std::collections::HashMap;

use actix_web::web::Bytes;

use super::super::app::App;
use super::super::request::Request;
use crate::auth::password;
use crate::engine::Engine;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::BODY_PASSWORDS;
use crate::model::schema::{Schema, TypeId};
use crate::model::target::{Body, Linked};
use crate::odata::accept::BodyFormat;
use crate::odata::read::Reading;
use crate::odata::references::ContentIds;

/// An entity's body, to be read when the type of the entity is known.
pub struct Content {
    body: Bytes,
    format: BodyFormat,
    endpoint: usize,
    root: String,
    ids: ContentIds,
    ignore_unknown: bool,
    hashes: Hashes,
}

/// Passwords, and their hashes.
#[derive(Default)]
pub struct Hashes(HashMap<String, String>);

impl Content {
    /// Of a request.
    pub fn of(request: &Request<'_>, body: Bytes) -> Outcome<Content> {
        Ok(Content {
            body,
            format: request.body_format()?,
            endpoint: request.endpoint,
            root: request.root.clone(),
            ids: request.ids.clone(),
            ignore_unknown: request.app.config.ignore_unknown,
            hashes: Hashes::default(),
        })
    }

    /// The entity that it is, of the type `ty` or one that derives from it.
    pub fn read(&self, schema: &Schema, ty: TypeId) -> Outcome<Body> {
        let reading = Reading {
            schema,
            endpoint: self.endpoint,
            root: &self.root,
            ids: &self.ids,
            ignore_unknown: self.ignore_unknown,
        };
        self.format.reader().entity(&reading, ty, &self.body)
    }

    /// Hashes the passwords of an update. What is wrong with the body is said later, when its type is known.
    pub async fn prepare(&mut self, app: &App, ty: TypeId) -> Outcome<()> {
        let schema = &app.engine.schema;
        let is_hashed = |ty: &TypeId| schema.types[*ty].properties.iter().any(|property| property.hashed);
        if !schema.types[ty].family.iter().any(is_hashed) {
            return Ok(());
        }
        match self.read(schema, ty) {
            Ok(body) => self.hashes.prepare(app, &body).await,
            Err(_) => Ok(()),
        }
    }

    /// How many passwords it has.
    pub fn passwords(&self, schema: &Schema, ty: TypeId) -> usize {
        let is_hashed = |ty: &TypeId| schema.types[*ty].properties.iter().any(|property| property.hashed);
        if !schema.types[ty].family.iter().any(is_hashed) {
            return 0;
        }
        self.read(schema, ty).map_or(0, |body| passwords(schema, &body))
    }

    /// The entity, its passwords replaced by their hashes.
    pub fn hashed(&self, engine: &Engine, ty: TypeId) -> Outcome<Body> {
        let mut body = self.read(&engine.schema, ty)?;
        self.hashes.apply(&engine.schema, &mut body)?;
        Ok(body)
    }
}

impl Hashes {
    /// Hashes the passwords of a body and of the entities in it.
    pub async fn prepare(&mut self, app: &App, body: &Body) -> Outcome<()> {
        let mut passwords = Vec::new();
        passwords_of(&app.engine.schema, body, &mut passwords);
        passwords.sort_unstable();
        passwords.dedup();
        if passwords.len() > BODY_PASSWORDS {
            let message = format!("A body has at most {BODY_PASSWORDS} different passwords.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        for (password, name, is_user) in passwords {
            if is_user {
                let rule = app.engine.accounts.password;
                rule.check(password).map_err(|fault| fault.of(name))?;
            }
            let hash = app.auth.hasher().hash(password.to_owned()).await.map_err(|fault| fault.of(name))?;
            self.0.insert(password.to_owned(), hash);
        }
        Ok(())
    }

    /// Puts the hashes in the places of the passwords.
    pub fn apply(&self, schema: &Schema, body: &mut Body) -> Outcome<()> {
        for (index, value) in &mut body.values {
            if schema.types[body.ty].properties[*index].hashed {
                self.replace(value)?;
            }
        }
        for to in body.links.iter_mut().flat_map(|link| &mut link.to) {
            if let Linked::New(body) = to {
                self.apply(schema, body)?;
            }
        }
        Ok(())
    }

    /// One that is not known yet is hashed now: a derived type's own password.
    pub fn replace(&self, value: &mut Value) -> Outcome<()> {
        if let Value::Text(password) = value {
            *password = self
                .0
                .get(password.as_str())
                .cloned()
                .map_or_else(|| password::hash(password), Ok)?;
        }
        Ok(())
    }
}

/// How many passwords a body has.
pub fn passwords(schema: &Schema, body: &Body) -> usize {
    let mut found = Vec::new();
    passwords_of(schema, body, &mut found);
    found.len()
}

/// The passwords in a body, the names of their properties, and whether somebody signs in with them.
fn passwords_of<'b>(schema: &'b Schema, body: &'b Body, found: &mut Vec<(&'b str, &'b str, bool)>) {
    for (index, value) in &body.values {
        let property = &schema.types[body.ty].properties[*index];
        if let (true, Value::Text(password)) = (property.hashed, value) {
            found.push((password, &property.name, schema.types[body.ty].security));
        }
    }
    for to in body.links.iter().flat_map(|link| &link.to) {
        if let Linked::New(body) = to {
            passwords_of(schema, body, found);
        }
    }
}
