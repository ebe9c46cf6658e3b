//! Floor 2: what an operation means. Permission, scope, defaults, server-owned members, references, versions.
//!
//! Invariant: knows nothing of formats, SQL text and HTTP. Every function runs inside a job of
//! [`Db::read`](crate::store::Db::read) or [`Db::write`](crate::store::Db::write), on its session.

pub mod accounts;
mod acl;
pub mod audit;
pub mod bootstrap;
mod cascade;
pub mod catalogue;
mod deep;
mod delegation;
mod expand;
pub mod external;
pub mod identity;
mod layout;
mod links;
mod load;
mod media;
pub mod model_rows;
pub mod names;
pub mod operation;
mod permission;
pub mod property;
pub mod queue;
mod read;
mod resolve;
pub mod rights;
mod row;
pub mod sessions;
pub mod tasks;
pub mod tenants;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::auth::tokens::Tokens;
use crate::model::clock::Clock;
use crate::model::rights::Targets;
use crate::model::schema::{EntityType, Join, Property, Schema, SetId, TypeId};
pub use permission::Verb;
pub use read::Read;

/// The meaning of operations on one schema.
#[derive(Debug)]
pub struct Engine {
    /// What is served.
    pub schema: Arc<Schema>,
    /// The time.
    pub clock: Clock,
    /// Entities on a page where the set does not say.
    pub page_size: usize,
    /// What permissions may allow.
    pub targets: Targets,
    /// Rights that were made a short while ago.
    remembered: rights::Remembered,
    /// For each root type, the first set that holds it.
    home_sets: HashMap<TypeId, SetId>,
    /// For each root type, who refers to it without the database enforcing it.
    unenforced: HashMap<TypeId, Vec<Incoming>>,
    /// For each root type, whose rows the database deletes along with its own.
    cascading: HashMap<TypeId, Vec<Incoming>>,
    /// The security version, as last seen.
    pub security: Arc<identity::SecurityWatch>,
    /// Who waits for jobs.
    pub desk: queue::Desk,
    /// Tasks that have changed.
    pub tray: Arc<tasks::Tray>,
    /// Makes tokens; there when the server serves.
    pub tokens: OnceLock<Tokens>,
    /// What people may do about their own accounts.
    pub accounts: accounts::Config,
    /// Sign-ins that are to be written down.
    pub journal: audit::Journal,
    /// The last RowVersion given; they only grow.
    version: AtomicI64,
}

/// A foreign key in the rows of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Incoming {
    ty: TypeId,
    columns: Vec<String>,
}

impl Engine {
    /// An engine for a schema.
    pub fn new(schema: Arc<Schema>, clock: Clock, page_size: usize) -> Engine {
        let (unenforced, cascading) = (unenforced(&schema), cascade::cascading(&schema));
        let sets = schema.sets.iter().enumerate().rev();
        let home_sets = sets.map(|(id, set)| (schema.types[set.entity_type].root, id)).collect();
        Engine {
            targets: Targets::of(&schema),
            remembered: rights::Remembered::default(),
            home_sets,
            desk: queue::Desk::of(&schema),
            schema,
            clock,
            page_size,
            unenforced,
            cascading,
            security: Arc::default(),
            tray: Arc::default(),
            tokens: OnceLock::new(),
            accounts: accounts::Config::default(),
            journal: audit::Journal::default(),
            version: AtomicI64::new(0),
        }
    }

    /// A RowVersion that no row has yet: the time in 100 ns, raised when two changes fall into one tick.
    fn next_version(&self) -> Vec<u8> {
        let now = self.clock.now();
        let previous = self
            .version
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(now.max(last + 1)));
        let version = now.max(previous.unwrap_or_default() + 1);
        version.to_be_bytes().to_vec()
    }
}

/// Who made a row, who changed it, and in which tenant: numbers that stay when the user goes, as no number is given twice, and there is no
/// index to look for them by. A tenant that has rows is asked for otherwise ([`tenants::dissolve`]).
fn is_signature(entity: &EntityType, columns: &[String]) -> bool {
    let signs = |property: &Property| columns.contains(&property.column) && property.read_only;
    entity.frame && entity.properties.iter().any(signs)
}

fn unenforced(schema: &Schema) -> HashMap<TypeId, Vec<Incoming>> {
    let mut all: HashMap<TypeId, Vec<Incoming>> = HashMap::new();
    for (ty, entity) in schema.types.iter().enumerate() {
        let Some(table) = entity.table else { continue };
        for navigation in &entity.navigations[entity.own_navigations..] {
            let Some(Join::Near { columns }) = &navigation.join else { continue };
            if schema.tables[table]
                .references
                .iter()
                .any(|reference| reference.columns == *columns)
                || is_signature(entity, columns)
            {
                continue;
            }
            let incoming = Incoming {
                ty,
                columns: columns.clone(),
            };
            let of_target = all.entry(schema.types[navigation.target].root).or_default();
            if !of_target.contains(&incoming) {
                of_target.push(incoming);
            }
        }
    }
    all
}
