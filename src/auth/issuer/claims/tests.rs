use serde_json::json;

use super::*;
use crate::model::limits::CREDENTIAL_CACHE_SECONDS;

const TENANT: Guid = [0x22; 16];
const NOW: Ticks = UNIX_EPOCH + 1_000_000 * SECOND;

fn issuer() -> Issuer {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Issuer {
        name: "corp".into(),
        issuer: "https://a".into(),
        audience: list(&["odonata", "api://odonata"]),
        id_claim: "sub".into(),
        name_claims: list(&["preferred_username", "upn"]),
        mail_claim: "email".into(),
        leeway_seconds: 60,
        ..Issuer::default()
    }
}

fn claims(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

#[test]
fn a_token_is_for_us_and_for_now() {
    let good = json!({"iss": "https://a", "aud": "odonata", "exp": 1_000_100, "nbf": 999_000, "iat": 999_000});
    for (name, value, expected) in [
        ("none", json!(1), Ok(())),
        ("iss", json!("https://a/"), Err("iss")),
        ("iss", json!(["https://a"]), Err("iss")),
        ("iss", json!(null), Err("iss")),
        ("aud", json!(["x", "api://odonata"]), Ok(())),
        ("aud", json!("Odonata"), Err("aud")),
        ("aud", json!([]), Err("aud")),
        ("aud", json!([["odonata"]]), Err("aud")),
        ("aud", json!(null), Err("aud")),
        ("exp", json!(null), Err("exp")),
        ("exp", json!("1000100"), Err("exp")),
        ("exp", json!(1e300), Err("exp")),
        ("exp", json!(-1), Err("exp")),
        ("exp", json!(u64::MAX), Err("exp")),
        ("exp", json!(1_000_000.5), Ok(())),
        ("exp", json!(1_000_000 - 59), Ok(())),
        ("exp", json!(1_000_000 - 60), Err("expired")),
        ("nbf", json!(1_000_060), Ok(())),
        ("nbf", json!(1_000_061), Err("nbf")),
        ("nbf", json!("now"), Err("nbf")),
        ("iat", json!(1_000_060), Ok(())),
        ("iat", json!(1_000_061), Err("iat")),
        ("iat", json!({}), Err("iat")),
        ("cnf", json!({"jkt": "x"}), Err("cnf")),
    ] {
        let mut claims = claims(good.clone());
        claims.insert(name.to_owned(), value.clone());
        let found = check(&issuer(), &claims, NOW);
        match expected {
            Ok(()) => assert!(found.is_ok(), "{name} {value}: {found:?}"),
            Err(part) => assert!(found.unwrap_err().contains(part), "{name} {value}: {found:?}"),
        }
    }
    let times = check(&issuer(), &claims(good), NOW).unwrap();
    assert_eq!(times.until, NOW + 160 * SECOND);
    assert_eq!(times.made, UNIX_EPOCH + 999_000 * SECOND);
}

#[test]
fn what_an_issuer_tells_may_leave_out_what_it_has_looked_at() {
    for (told, expected) in [
        (json!({}), Ok(NOW + CREDENTIAL_CACHE_SECONDS as i64 * SECOND)),
        (
            json!({"exp": 1_000_010, "iss": "https://a", "aud": ["odonata"], "token_type": "Bearer"}),
            Ok(NOW + 70 * SECOND),
        ),
        (json!({"aud": []}), Ok(NOW + 60 * SECOND)),
        (
            json!({"aud": null, "iss": null, "token_use": "access_token"}),
            Ok(NOW + 60 * SECOND),
        ),
        (json!({"aud": "other"}), Err("aud")),
        (json!({"iss": "https://b"}), Err("iss")),
        (json!({"exp": 1}), Err("expired")),
        (json!({"nbf": 2_000_000}), Err("nbf")),
        (json!({"token_type": "refresh_token"}), Err("access")),
        (json!({"token_use": "refresh_token"}), Err("access")),
        (json!({"token_type": "DPoP"}), Err("access")),
    ] {
        let found = check_told(&issuer(), &claims(told.clone()), NOW);
        match expected {
            Ok(until) => assert_eq!(found.map(|times| times.until), Ok(until), "{told}"),
            Err(part) => assert!(found.unwrap_err().contains(part), "{told}: {found:?}"),
        }
    }
}

#[test]
fn who_the_bearer_is() {
    let long = "x".repeat(CLAIM_BYTES);
    let longer = "x".repeat(CLAIM_BYTES + 1);
    for (said, expected) in [
        (
            json!({"sub": "1", "preferred_username": "a", "upn": "b", "email": "a@b"}),
            Some(("1", "a", "a@b")),
        ),
        (json!({"sub": "1", "preferred_username": " ", "upn": "b"}), Some(("1", "b", ""))),
        (json!({"sub": 7, "email": "no address"}), Some(("7", "7", ""))),
        (json!({"sub": "1", "email": "a@b", "email_verified": false}), Some(("1", "1", ""))),
        (json!({"sub": "1", "email": "a b@c"}), Some(("1", "1", ""))),
        (json!({"sub": long}), Some((long.as_str(), long.as_str(), ""))),
        (json!({"sub": longer}), None),
        (json!({"sub": "1\n2"}), None),
        (json!({"sub": ""}), None),
        (json!({"sub": 1.5}), None),
        (json!({"sub": ["1"]}), None),
        (json!({"oid": "1"}), None),
    ] {
        let found = person(&issuer(), &claims(said.clone())).ok();
        let found = found.map(|person| (person.external.id, person.external.name, person.external.mail));
        let found = found.as_ref().map(|found| (found.0.as_str(), found.1.as_str(), found.2.as_str()));
        assert_eq!(found, expected, "{said}");
    }
}

#[test]
fn tenants_are_what_the_settings_say() {
    let text = "22222222-2222-2222-2222-222222222222";
    let table = vec![("contoso".to_owned(), TENANT)];
    for (claim, tenants, default, said, expected) in [
        ("", vec![], None, json!({"tid": text}), Ok(None)),
        ("", vec![], Some(TENANT), json!({}), Ok(Some(TENANT))),
        ("tid", vec![], None, json!({"tid": text}), Ok(Some(TENANT))),
        ("tid", vec![], None, json!({"tid": "contoso"}), Err("none of")),
        ("tid", vec![], None, json!({}), Err("no tenant")),
        ("tid", vec![], Some(TENANT), json!({}), Ok(Some(TENANT))),
        ("tid", vec![], Some(TENANT), json!({"tid": "x"}), Err("none of")),
        ("tid", vec![], Some(TENANT), json!({"tid": []}), Err("text")),
        ("tid", table.clone(), None, json!({"tid": "contoso"}), Ok(Some(TENANT))),
        ("tid", table.clone(), Some(TENANT), json!({"tid": text}), Err("none of")),
        ("org.id", table, None, json!({"org": {"id": "contoso"}}), Ok(Some(TENANT))),
    ] {
        let issuer = Issuer {
            tenant_claim: claim.into(),
            tenants,
            default_tenant: default,
            ..issuer()
        };
        match (tenant(&issuer, &claims(said.clone())), expected) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{said}: {why}"),
            (found, expected) => assert_eq!(found, expected, "{claim} {said}"),
        }
    }
}

#[test]
fn roles_are_those_that_the_settings_name() {
    for (claim, said, expected) in [
        ("roles", json!({"roles": ["admins", "x"]}), Ok((true, false))),
        ("roles", json!({"roles": ["users"]}), Ok((false, true))),
        ("roles", json!({"roles": ["staff"]}), Ok((false, true))),
        ("roles", json!({"roles": "admins"}), Ok((true, false))),
        ("roles", json!({"roles": "admins users"}), Ok((false, false))),
        ("scope", json!({"scope": "admins users"}), Ok((true, true))),
        ("roles", json!({"roles": [1, null, ["admins"]]}), Ok((false, false))),
        ("roles", json!({}), Ok((false, false))),
        (
            "realm_access.roles",
            json!({"realm_access": {"roles": ["admins"]}}),
            Ok((true, false)),
        ),
        ("https://x.y/roles", json!({"https://x.y/roles": ["admins"]}), Ok((true, false))),
        ("groups", json!({"_claim_names": {"groups": "src1"}}), Err("elsewhere")),
    ] {
        let pair = |value: &str, role: &str| (value.to_owned(), role.to_owned());
        let issuer = Issuer {
            roles_claim: claim.into(),
            roles: vec![pair("admins", "CloudAdmin"), pair("users", "CloudUser"), pair("staff", "CloudUser")],
            ..issuer()
        };
        match (roles(&issuer, &claims(said.clone())), expected) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{said}: {why}"),
            (found, expected) => {
                let expected = expected.map(|(admin, user)| vec![("CloudAdmin".to_owned(), admin), ("CloudUser".to_owned(), user)]);
                assert_eq!(found, expected, "{claim} {said}");
            }
        }
    }
}
