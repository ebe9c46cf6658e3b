//! Who is calling, and the predicate that follows from it.

use std::sync::Arc;

use super::expr::Expr;
use super::rights::{Rights, RowRules, Verb};
use super::schema::TypeId;

/// A Guid as its 16 bytes in text order.
pub type Guid = [u8; 16];

/// The root of the tenant tree.
pub const SYSTEM_TENANT: Guid = [0x11; 16];
/// The user that stands for the server itself: it owns what the server makes and cannot sign in.
pub const SYSTEM_USER: i64 = 1;

/// Role names with a meaning to the engine.
pub mod role {
    /// Of the root tenant: its users may do anything in every tenant.
    pub const UBER_ADMIN: &str = "UberAdmin";
    /// May do anything in its own tenant.
    pub const CLOUD_ADMIN: &str = "CloudAdmin";
    /// May read and change the tenant's own data, but not users, roles and tenants.
    pub const CLOUD_USER: &str = "CloudUser";
    /// What it may do, everybody may do with what he has made himself.
    pub const CREATOR_OWNER: &str = "CreatorOwner";
    /// Every user of the tenant.
    pub const EVERYONE: &str = "Everyone";
    /// The users of the tenant above.
    pub const PARENT_TENANT: &str = "ParentTenant";
    /// The users of the tenants directly below.
    pub const CHILD_TENANTS: &str = "ChildTenants";
}

/// How somebody has signed in, when by a token of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// With a password or the like.
    Login,
    /// A program, with a token that a user made for it.
    Api,
    /// In another user's name.
    Impersonation,
}

impl SessionKind {
    /// Every kind.
    pub const ALL: [SessionKind; 3] = [SessionKind::Login, SessionKind::Api, SessionKind::Impersonation];

    /// In `Sessions.Kind`.
    pub fn name(self) -> &'static str {
        match self {
            SessionKind::Login => "Login",
            SessionKind::Api => "Api",
            SessionKind::Impersonation => "Impersonation",
        }
    }
}

/// The session behind a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// `Sessions.Id`.
    pub session: i64,
    /// What it may be used for.
    pub kind: SessionKind,
}

/// Where a request comes from: for people, to recognise it in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The peer's address.
    pub address: String,
    /// What the program calls itself.
    pub agent: String,
}

/// How a caller came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// With a token of this server.
    pub ticket: Option<Ticket>,
    /// The security version that it was proved under.
    pub version: i64,
    /// From where; of requests that may begin a session.
    pub client: Option<Arc<Client>>,
}

/// A user who has proved to be that user, acting in a tenant.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `Users.Id`.
    pub user: i64,
    /// `Users.Name`, for logs.
    pub name: String,
    /// The tenant that new rows get.
    pub tenant: Guid,
    /// The tenants whose rows are there for this caller.
    pub tenants: Tenants,
    /// What the caller may do there.
    pub rights: Arc<Rights>,
    /// How the caller came in.
    pub entry: Entry,
}

impl Caller {
    /// Who has not said who he is: sees no tenant and may nothing.
    pub fn nobody() -> Caller {
        Caller {
            user: 0,
            name: String::new(),
            tenant: [0; 16],
            tenants: Tenants::One([0; 16]),
            rights: Arc::default(),
            entry: Entry::default(),
        }
    }

    /// The server itself, as the creator of rows.
    pub fn server() -> Caller {
        Caller {
            user: SYSTEM_USER,
            name: "SYSTEM".to_owned(),
            tenant: SYSTEM_TENANT,
            tenants: Tenants::All,
            rights: Arc::new(Rights::server()),
            entry: Entry::default(),
        }
    }
}

/// Which tenants' rows a statement may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenants {
    /// Rows of one tenant.
    One(Guid),
    /// Rows of all; only operators who ask for it, and the server's own work.
    All,
}

/// What a statement may see: a constructor argument of every statement, so that one without it
/// cannot be written. Rows outside it are "no rows", which is 404.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The tenant predicate, for every set that is `tenant = true`.
    pub tenants: Tenants,
    /// Which rows may be read, of types where not all may.
    reads: RowRules,
    /// What the scope is for, where that differs from reading: the type's top, the verb, and which of its rows.
    main: Option<(TypeId, Verb, Option<Expr>)>,
}

impl Scope {
    /// The server's own work: sees everything. Every use of it is a place to review.
    pub fn everything() -> Scope {
        Scope {
            tenants: Tenants::All,
            reads: RowRules::default(),
            main: None,
        }
    }

    /// What `caller` may read.
    pub fn of(caller: &Caller) -> Scope {
        Scope {
            tenants: caller.tenants,
            reads: caller.rights.rows[Verb::Read as usize].clone(),
            main: None,
        }
    }

    /// What `caller` may do with rows of the hierarchy below `root`; of other types, what may be read.
    pub fn verb(caller: &Caller, root: TypeId, verb: Verb, rule: Option<Expr>) -> Scope {
        let read = Scope::of(caller);
        match (verb, rule) {
            (Verb::Read, None) => read,
            (_, rule) => Scope {
                main: Some((root, verb, rule)),
                ..read
            },
        }
    }

    /// What may be read by whom this is for.
    pub fn reading(&self) -> Scope {
        Scope {
            main: None,
            ..self.clone()
        }
    }

    /// Which rows of the hierarchy below `root` are there, where not all of the tenant's are; `source` 0 is the row.
    pub fn rule(&self, root: TypeId) -> Option<&Expr> {
        match &self.main {
            Some((main, _, rule)) if *main == root => rule.as_ref(),
            _ => self.reads.get(&root),
        }
    }

    /// Whether rows of the hierarchy that the root tenant shares with all are there, too: to be read, not to be changed.
    pub fn shares(&self, root: TypeId) -> bool {
        self.main
            .as_ref()
            .is_none_or(|(main, verb, _)| *main != root || *verb == Verb::Read)
    }
}
