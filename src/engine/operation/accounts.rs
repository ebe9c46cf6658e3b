//! What people do about their own accounts: signing up, getting in again, changing password and address, taking up an invitation
//! (`reference/projectw-redengine.md` 1.2, with its flaws mended).
//!
//! What a stranger is answered never depends on whether there is an account: sign-ups and requests are checked and answered first and
//! carried out afterwards ([`Handler::first`](super::Handler::first)), and whoever owns the address learns the rest by mail.
//! Passwords come here as hashes, see [`Mark`](super::Mark).

use super::{Bound, Given};
use crate::engine::accounts::people::{self, Account, state};
use crate::engine::accounts::token::{self, Purpose};
use crate::engine::accounts::{Letter, check_mail, check_name, outbox};
use crate::engine::permission::Verb;
use crate::engine::{Engine, identity, names};
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, SYSTEM_USER, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{ACCOUNTS_OF_ADDRESS, INVITATION_ROLES};
use crate::store::{Restriction, Session};

/// The text of an argument; none of what is null or nothing but blanks.
fn word(arguments: &[Value], at: usize) -> Option<&str> {
    match arguments.get(at) {
        Some(Value::Text(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

fn required<'a>(arguments: &'a [Value], at: usize, name: &str) -> Outcome<&'a str> {
    word(arguments, at).ok_or_else(|| Fault::new(&fault::BAD_ARGUMENT, format!("{name} is required.")).of(name))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Gives a token to a user and mails it to an address.
fn send(engine: &Engine, session: &mut Session<'_>, purpose: Purpose, (user, name): (i64, &str), to: &str) -> Outcome<()> {
    let token = token::issue(engine, session, purpose, user, to)?;
    let link = &engine.accounts.link(purpose.page(), &token);
    let letter = match purpose {
        Purpose::Activation => Letter::Activation { name, link },
        Purpose::Reset => Letter::Reset { name, link },
        Purpose::Invitation => Letter::Invitation { name, link },
        Purpose::Mail => Letter::NewMail { name, link },
    };
    outbox::post(engine, session, to, letter)
}

/// The tenant of sign-ups.
fn sign_up_tenant(engine: &Engine) -> Outcome<Guid> {
    let tenant = engine.accounts.sign_up_tenant.filter(|_| engine.accounts.sign_up);
    tenant.ok_or_else(|| Fault::new(&fault::FORBIDDEN, "Nobody can sign up here; ask an administrator for an account."))
}

/// What of a sign-up can be said without the database: Name, Mail, Password.
pub fn check_sign_up(engine: &Engine, arguments: &[Value]) -> Outcome<()> {
    sign_up_tenant(engine)?;
    check_name(required(arguments, 0, "Name")?)?;
    engine.accounts.check_domain(required(arguments, 1, "Mail")?)
}

/// Makes an account that waits for its activation.
pub fn sign_up(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    check_sign_up(engine, arguments)?;
    let tenant = sign_up_tenant(engine)?;
    let (name, mail) = (required(arguments, 0, "Name")?, required(arguments, 1, "Mail")?);
    let hash = required(arguments, 2, "Password")?;
    if let Some(account) = people::holder(engine, session, tenant, mail)? {
        outbox::post(engine, session, &account.mail, Letter::HasAccount { name: &account.name })?;
        return Ok(Given::Nothing);
    }
    if let Some(user) = names::of(engine, session, name, &[tenant], 1)?.into_iter().next() {
        // Somebody who signs up again while waiting gets the mail again. Either time it may have been somebody else, so neither password
        // counts: whoever reads the mail sets one ([`activate`]).
        let waiting = people::by_id(engine, session, user.id)?.filter(|account| is_waiting(account, state::SIGNED_UP, mail));
        match waiting {
            Some(account) => {
                people::change(engine, session, account.id, vec![("Password", Value::Null)])?;
                send_activation(engine, session, &account)?;
            }
            None => outbox::post(engine, session, mail, Letter::NameTaken { name })?,
        }
        return Ok(Given::Nothing);
    }
    let user = identity::add_waiting(
        engine,
        session,
        (name, mail),
        tenant,
        &[role::CLOUD_USER],
        Some(hash),
        state::SIGNED_UP,
    )?;
    send(engine, session, Purpose::Activation, (user, name), mail)?;
    engine.audit_account(session, "SignUp", (user, tenant), SYSTEM_USER, &[("Name", name), ("Mail", mail)])?;
    Ok(Given::Nothing)
}

fn is_waiting(account: &Account, state: &str, mail: &str) -> bool {
    account.is_pending() && account.state == state && account.mail.eq_ignore_ascii_case(mail)
}

fn send_activation(engine: &Engine, session: &mut Session<'_>, account: &Account) -> Outcome<()> {
    send(engine, session, Purpose::Activation, (account.id, &account.name), &account.mail)
}

/// Mail.
pub fn check_address(_: &Engine, arguments: &[Value]) -> Outcome<()> {
    check_mail(required(arguments, 0, "Mail")?).map(drop)
}

/// Mails the activation again.
pub fn resend_activation(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let mail = required(arguments, 0, "Mail")?;
    let all = people::by_mail(engine, session, mail)?;
    let waiting = all.iter().filter(|account| is_waiting(account, state::SIGNED_UP, mail));
    for account in waiting.take(ACCOUNTS_OF_ADDRESS) {
        send_activation(engine, session, account)?;
    }
    Ok(Given::Nothing)
}

/// Takes the token of an activation, or of a new address.
pub fn activate(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let shown = required(arguments, 0, "Token")?;
    let token = token::redeem(engine, session, shown, &[Purpose::Activation, Purpose::Mail])?;
    let account = people::by_id(engine, session, token.user)?.ok_or_else(token::bad)?;
    let is_new_address = token.purpose == Purpose::Mail.name();
    let fits = match is_new_address {
        true => account.active,
        false => is_waiting(&account, state::SIGNED_UP, &token.mail),
    };
    if !fits {
        return Err(token::bad());
    }
    let holder = people::holder(engine, session, account.tenant, &token.mail)?;
    if holder.is_some_and(|holder| holder.id != account.id) {
        return Err(Fault::new(&fault::CONFLICT, "This address has another account by now.").of("Mail"));
    }
    let about = (account.id, account.tenant);
    if is_new_address {
        if !account.mail.is_empty() && check_mail(&account.mail).is_ok() {
            outbox::post(engine, session, &account.mail, Letter::MailChanged { name: &account.name })?;
        }
        let values = vec![("Mail", text(&token.mail)), ("MailState", text(state::CONFIRMED))];
        people::change(engine, session, account.id, values)?;
        token::end(session, account.id, Purpose::Reset)?;
        engine.end_sessions(session, account.id)?;
        let told = [("Old", account.mail.as_str()), ("Mail", token.mail.as_str())];
        engine.audit_account(session, "ChangeMail", about, account.id, &told)?;
    } else {
        let values = vec![("Active", Value::Boolean(true)), ("MailState", text(state::CONFIRMED))];
        people::change(engine, session, account.id, values)?;
        engine.audit_account(session, "Activate", about, account.id, &[("Mail", &token.mail)])?;
        if account.password_hash.is_none() {
            send(engine, session, Purpose::Reset, (account.id, &account.name), &token.mail)?;
        }
    }
    Ok(Given::Nothing)
}

/// Mails a token with which a forgotten password can be set anew.
pub fn request_reset(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let mail = required(arguments, 0, "Mail")?;
    let all = people::by_mail(engine, session, mail)?;
    let own = all.iter().filter(|account| account.active && account.internal);
    for account in own.take(ACCOUNTS_OF_ADDRESS) {
        // What an administrator has typed in may be no address.
        if check_mail(&account.mail).is_err() {
            continue;
        }
        send(engine, session, Purpose::Reset, (account.id, &account.name), &account.mail)?;
        engine.audit_account(session, "RequestPasswordReset", (account.id, account.tenant), SYSTEM_USER, &[])?;
    }
    Ok(Given::Nothing)
}

/// Takes the token of a reset: Token, Password.
pub fn reset_password(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let (shown, hash) = (required(arguments, 0, "Token")?, required(arguments, 1, "Password")?);
    let token = token::redeem(engine, session, shown, &[Purpose::Reset])?;
    let account = people::by_id(engine, session, token.user)?;
    let fits = |account: &Account| account.active && account.internal && account.mail == token.mail;
    let account = account.filter(fits).ok_or_else(token::bad)?;
    people::change(engine, session, account.id, vec![("MailState", text(state::CONFIRMED))])?;
    new_password(engine, session, &account, hash, "ResetPassword")
}

/// Sets a password, which ends what the user is signed in with, and says so to the owner.
fn new_password(engine: &Engine, session: &mut Session<'_>, account: &Account, hash: &str, what: &str) -> Outcome<Given> {
    identity::set_password(engine, session, account.id, hash)?;
    token::end(session, account.id, Purpose::Reset)?;
    if check_mail(&account.mail).is_ok() {
        outbox::post(engine, session, &account.mail, Letter::PasswordChanged { name: &account.name })?;
    }
    engine.audit_account(session, what, (account.id, account.tenant), account.id, &[])?;
    Ok(Given::Nothing)
}

/// The caller's account, if the password that was tested is still its own; it comes as the hash that it was tested against.
fn own(engine: &Engine, session: &mut Session<'_>, caller: &Caller, tested: Option<&Value>) -> Outcome<Account> {
    let account = people::by_id(engine, session, caller.user)?.ok_or_else(Fault::not_found)?;
    let is_same = match (tested, &account.password_hash) {
        (Some(Value::Text(tested)), Some(stored)) => tested == stored,
        (Some(Value::Null), None) => true,
        _ => false,
    };
    match is_same {
        true => Ok(account),
        false => Err(Fault::new(
            &fault::BUSY,
            "The password was changed at the same time. Try again with the new one.",
        )),
    }
}

/// OldPassword, NewPassword.
pub fn change_password(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let account = own(engine, session, caller, arguments.first())?;
    if !account.internal {
        return Err(Fault::new(&fault::FORBIDDEN, "Your password is kept elsewhere, and changed there."));
    }
    let hash = required(arguments, 1, "NewPassword")?;
    new_password(engine, session, &account, hash, "ChangePassword")
}

/// Password, Mail. The address is the user's when the token that goes there comes back.
pub fn change_mail(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let mail = required(arguments, 1, "Mail")?;
    engine.accounts.check_domain(mail)?;
    let account = own(engine, session, caller, arguments.first())?;
    // An address that another has got is answered like any other: nobody learns that it is one.
    let holder = people::holder(engine, session, account.tenant, mail)?;
    if holder.is_none_or(|holder| holder.id == account.id && account.state != state::CONFIRMED) {
        send(engine, session, Purpose::Mail, (account.id, &account.name), mail)?;
        engine.audit_account(
            session,
            "RequestMailChange",
            (account.id, account.tenant),
            account.id,
            &[("Mail", mail)],
        )?;
    }
    Ok(Given::Nothing)
}

/// The roles that an inviting administrator names, or what a user has who was given none.
fn roles(arguments: &[Value], at: usize) -> Outcome<Vec<String>> {
    let bad = |why: String| Fault::new(&fault::BAD_ARGUMENT, why).of("Roles");
    let names: Vec<String> = match arguments.get(at) {
        Some(Value::Text(json)) => serde_json::from_str(json).map_err(|_| bad("Roles are names.".to_owned()))?,
        _ => Vec::new(),
    };
    if names.len() > INVITATION_ROLES {
        return Err(bad(format!("An invitation has at most {INVITATION_ROLES} roles.")));
    }
    Ok(if names.is_empty() {
        vec![role::CLOUD_USER.to_owned()]
    } else {
        names
    })
}

/// Mail, Name, Roles. Makes an account in the tenant that the administrator acts in.
pub fn invite(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    engine.scope(caller, engine.core_type("Users")?, None, Verb::Create)?;
    let mail = required(arguments, 0, "Mail")?;
    check_mail(mail)?;
    let name = word(arguments, 1).unwrap_or(mail);
    check_name(name)?;
    let roles = roles(arguments, 2)?;
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    for name in &roles {
        if let Some(role) = identity::find_role(engine, session, caller.tenant, name)? {
            engine.check_role(session, caller, role)?;
        }
    }
    if people::holder(engine, session, caller.tenant, mail)?.is_some() {
        return Err(Fault::new(&fault::CONFLICT, "There is a user with this address already.").of("Mail"));
    }
    let user = identity::add_waiting(engine, session, (name, mail), caller.tenant, &roles, None, state::INVITED)?;
    send(engine, session, Purpose::Invitation, (user, name), mail)?;
    let told = [("Name", name), ("Mail", mail), ("Roles", &roles.join(", "))];
    engine.audit_account(session, "Invite", (user, caller.tenant), caller.user, &told)?;
    Ok(Given::Nothing)
}

/// Token, Name, Password. Without a name it stays the one that the administrator gave.
pub fn accept_invitation(engine: &Engine, session: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let (shown, hash) = (required(arguments, 0, "Token")?, required(arguments, 2, "Password")?);
    let token = token::redeem(engine, session, shown, &[Purpose::Invitation])?;
    let account = people::by_id(engine, session, token.user)?;
    let account = account
        .filter(|account| is_waiting(account, state::INVITED, &token.mail))
        .ok_or_else(token::bad)?;
    if people::holder(engine, session, account.tenant, &token.mail)?.is_some() {
        return Err(Fault::new(&fault::CONFLICT, "This address has another account by now.").of("Mail"));
    }
    let mut values = vec![("Active", Value::Boolean(true)), ("MailState", text(state::CONFIRMED))];
    if let Some(name) = word(arguments, 1).filter(|name| *name != account.name) {
        check_name(name)?;
        let namesakes = names::of(engine, session, name, &[account.tenant], 2)?;
        if namesakes.iter().any(|user| user.id != account.id) {
            return Err(Fault::new(&fault::CONFLICT, "There is an entity with this Name already.").of("Name"));
        }
        values.extend([("Name", text(name)), ("ExternalId", text(name))]);
    }
    people::change(engine, session, account.id, values)?;
    identity::set_password(engine, session, account.id, hash)?;
    engine.audit_account(
        session,
        "AcceptInvitation",
        (account.id, account.tenant),
        account.id,
        &[("Mail", &token.mail)],
    )?;
    Ok(Given::Nothing)
}

impl Engine {
    /// Deletes accounts that wait for a token which has expired: their names are free again. How many.
    pub fn sweep_waiting(&self, session: &mut Session<'_>) -> Outcome<usize> {
        crate::store::mail_token::discard_expired(session, self.clock.now())?;
        let ty = self.core_type("Users")?;
        let mut gone = 0;
        for (state, purpose) in [(state::SIGNED_UP, Purpose::Activation), (state::INVITED, Purpose::Invitation)] {
            let waiting = Restriction::Columns(
                vec!["MailState".to_owned(), "Active".to_owned()],
                vec![text(state), Value::Boolean(false)],
            );
            for row in self.columns(session, ty, &["Id", "Tid"], None, vec![waiting])? {
                let [Value::Integer(id), Value::Bytes(tenant)] = row.as_slice() else {
                    continue;
                };
                if crate::store::mail_token::is_any(session, *id, purpose.name())? {
                    continue;
                }
                let tenant = Guid::try_from(tenant.as_slice()).unwrap_or(SYSTEM_TENANT);
                self.delete_waiting(session, *id)?;
                self.audit_account(session, "Expired", (*id, tenant), SYSTEM_USER, &[])?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    fn delete_waiting(&self, session: &mut Session<'_>, user: i64) -> Outcome<()> {
        let (ty, roles) = (self.core_type("Users")?, self.core_type("Roles")?);
        let roles = &self.schema.types[roles];
        let join = roles.navigation("Users").and_then(|index| roles.navigations[index].join.as_ref());
        if let Some(crate::model::schema::Join::Link { table, far, .. }) = join {
            crate::store::clear_where(session, &self.schema, *table, &far[0], Value::Integer(user))?;
        }
        let (everything, key) = (crate::model::caller::Scope::everything(), [Value::Integer(user)]);
        crate::store::Delete::new(&self.schema, &everything, ty, &key)?.run(session)?;
        identity::raise_security_version(self, session)
    }
}
