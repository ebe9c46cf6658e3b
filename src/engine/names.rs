//! Names of users: nobody else's in their tenant, in whatever letters; and who is meant by one at signing in.

use super::identity::{User, users_up_to};
use super::row::Entity;
use super::{Engine, tenants};
use crate::model::caller::Guid;
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::function;
use crate::model::limits::NAMESAKES;
use crate::store::{Restriction, Session};

/// Between the tenant and the name of a user.
const SEPARATOR: char = '\\';

/// A name at signing in without the tenant that may stand before it: what follows the last backslash, be that one of the user's name.
pub fn bare(name: &str) -> &str {
    name.rsplit(SEPARATOR).next().unwrap_or(name)
}

/// The users whom a name at signing in may mean, the oldest first: a newer one of the same name never stands before an older one. They
/// are those of all tenants with this name, or those of the tenant in `TENANT\name`: its Guid, its `ExternalId` or its `Name`.
///
/// Nobody fills the places up where there are several tenants: how many passwords are tested does not tell who has namesakes, nor
/// which tenants there are.
pub fn candidates(engine: &Engine, session: &mut Session<'_>, name: &str) -> Outcome<Vec<Option<User>>> {
    let qualified = match name.split_once(SEPARATOR) {
        Some((tenant, rest)) if !tenant.contains('\0') => {
            Some((tenants::named(engine, session, tenant)?, rest)).filter(|(tenants, _)| !tenants.is_empty())
        }
        _ => None,
    };
    let users = match qualified {
        Some((tenants, rest)) => of(engine, session, rest, &tenants, NAMESAKES)?,
        None => of(engine, session, name, &[], NAMESAKES)?,
    };
    let places = if tenants::are_several(engine, session)? { NAMESAKES } else { 1 };
    let mut users: Vec<Option<User>> = users.into_iter().map(Some).collect();
    users.resize_with(places.max(users.len()), || None);
    Ok(users)
}

/// Whether nobody but a user has a name that he has signed in by: nobody else whom it may mean, and nobody else in any tenant who has it
/// without the tenant ([`bare`]).
pub fn is_alone(engine: &Engine, session: &mut Session<'_>, name: &str, user: i64) -> Outcome<(bool, bool)> {
    let ty = engine.core_type("Users")?;
    let meant = candidates(engine, session, name)?;
    let is_among = meant.iter().flatten().all(|other| other.id == user);
    let (Some(lower), Some(ends)) = (function::overloads("tolower").next(), function::overloads("endswith").next()) else {
        return Ok((is_among, false));
    };
    let end = format!("{SEPARATOR}{}", bare(name).to_lowercase());
    let literal = |text: &str| Expr::Literal(Edm::String, Value::Text(text.to_owned()));
    let folded = Expr::Call(lower, vec![engine.column_expr(ty, "Name")?]);
    let same = Expr::Binary {
        op: Op::Eq,
        edm: Edm::String,
        left: Box::new(folded.clone()),
        right: Box::new(literal(&end[1..])),
    };
    let alike = same.or(Expr::Call(ends, vec![folded, literal(&end)]));
    let all = users_up_to(engine, session, Some(&alike), Vec::new(), Some(2))?;
    Ok((is_among, all.iter().all(|other| other.id == user)))
}

/// The users with a name, letter case aside, the oldest first: of some tenants, or of all if none is named. Never a pattern.
pub fn of(engine: &Engine, session: &mut Session<'_>, name: &str, tenants: &[Guid], limit: usize) -> Outcome<Vec<User>> {
    let ty = engine.core_type("Users")?;
    // PostgreSQL has no text with a NUL.
    let Some(lower) = function::overloads("tolower").next().filter(|_| !name.contains('\0')) else {
        return Ok(Vec::new());
    };
    let folded = Expr::Binary {
        op: Op::Eq,
        edm: Edm::String,
        left: Box::new(Expr::Call(lower, vec![engine.column_expr(ty, "Name")?])),
        right: Box::new(Expr::Literal(Edm::String, Value::Text(name.to_lowercase()))),
    };
    let of_tenants = Restriction::ColumnsIn(
        vec!["Tid".to_owned()],
        tenants.iter().map(|tenant| vec![Value::Bytes(tenant.to_vec())]).collect(),
    );
    let restrictions = if tenants.is_empty() { Vec::new() } else { vec![of_tenants] };
    users_up_to(engine, session, Some(&folded), restrictions, Some(limit))
}

/// A user's name is nobody else's in the tenant, in whatever letters.
pub(super) fn check(engine: &Engine, session: &mut Session<'_>, user: &Entity) -> Outcome<()> {
    let entity = &engine.schema.types[user.ty];
    let value = |name: &str| entity.property(name).map(|index| &user.values[index]);
    let (Some(Value::Text(name)), Some(Value::Bytes(tenant))) = (value("Name"), value("Tid")) else {
        return Ok(());
    };
    if user.ty != engine.core_type("Users")? {
        return Ok(());
    }
    let tenant = Guid::try_from(tenant.as_slice()).unwrap_or_default();
    match of(engine, session, name, &[tenant], 2)?.len() {
        0 | 1 => Ok(()),
        _ => Err(Fault::new(&fault::CONFLICT, "There is an entity with this Name already.").of("Name")),
    }
}
