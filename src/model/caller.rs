//! Who is calling, and the predicate that follows from it.

/// A Guid as its 16 bytes in text order.
pub type Guid = [u8; 16];

/// The root of the tenant tree.
pub const SYSTEM_TENANT: Guid = [0x11; 16];
/// The user that stands for the server itself: it owns what the server makes and cannot sign in.
pub const SYSTEM_USER: i64 = 1;

/// Role names with a meaning to the engine.
pub mod role {
    /// May do anything in every tenant.
    pub const UBER_ADMIN: &str = "UberAdmin";
    /// May do anything in its own tenant.
    pub const CLOUD_ADMIN: &str = "CloudAdmin";
    /// May read and change the tenant's own data, but not users, roles and tenants.
    pub const CLOUD_USER: &str = "CloudUser";
}

/// A user who has proved to be that user, acting in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `Users.Id`.
    pub user: i64,
    /// `Users.Name`, for logs.
    pub name: String,
    /// The tenant that new rows get.
    pub tenant: Guid,
    /// The tenants whose rows are there for this caller.
    pub tenants: Tenants,
    /// Holds the role of an administrator of the tenant or of all tenants.
    pub administrator: bool,
    /// May act in any tenant.
    pub operator: bool,
    /// Holds a role that may read and change the tenant's own data.
    pub member: bool,
}

impl Caller {
    /// Who has not said who he is: sees no tenant and may nothing.
    pub fn nobody() -> Caller {
        Caller {
            user: 0,
            name: String::new(),
            tenant: [0; 16],
            tenants: Tenants::One([0; 16]),
            administrator: false,
            operator: false,
            member: false,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The tenant predicate, for every set that is `tenant = true`.
    pub tenants: Tenants,
}

impl Scope {
    /// The server's own work: sees everything. Every use of it is a place to review.
    pub fn everything() -> Scope {
        Scope { tenants: Tenants::All }
    }

    /// What `caller` sees.
    pub fn of(caller: &Caller) -> Scope {
        Scope { tenants: caller.tenants }
    }
}
