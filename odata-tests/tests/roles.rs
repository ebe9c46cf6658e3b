//! How many roles and permissions whoever administers roles can give: never so many that somebody cannot sign in any more.

use odata_tests::case::User;
use odata_tests::client::{Client, Reply};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odonata::model::limits::{ROLES_INCLUDED, ROLES_OF_USER};
use serde_json::{Value, json};

const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";

/// A server with an administrator, somebody who administers roles and nothing else, and a user.
fn site(system: System) -> Site {
    let user = |name: &str, role: &str| User {
        name: name.to_owned(),
        tenant: TENANT.to_owned(),
        role: Some(role.to_owned()),
    };
    let users = [user("chief", "CloudAdmin"), user("clerk", "CloudUser"), user("ann", "CloudUser")];
    let fixture = Fixture::prepare(&[], &users, system).expect("the fixture is good");
    let site = fixture.expect("it is here").serve(&[]).expect("the server starts");
    let clerk = id(&site, "Users", "clerk");
    let role = json!({"Name": "Personnel", "Permissions": [{"Name": "Apc:RolesCan*"}, {"Name": "Apc:UsersCan*"}, {"Name": "Apc:PermissionsCan*"}],
        "Users@odata.bind": [format!("Users({clerk})")]});
    made(&post(&client(&site, "chief"), "Roles", &role));
    site
}

fn client(site: &Site, user: &str) -> Client {
    site.server.anonymous().basic(user, &User::password(user))
}

fn id(site: &Site, set: &str, name: &str) -> String {
    let target = format!("/api/Core/{set}?$filter=Name%20eq%20'{name}'");
    let reply = client(site, "chief").get(&target).expect("an answer").json();
    reply["value"][0]["Id"].as_str().expect("it is there").to_owned()
}

fn post(client: &Client, target: &str, body: &Value) -> Reply {
    client.post(&format!("/api/Core/{target}"), &body.to_string()).expect("an answer")
}

fn made(reply: &Reply) -> String {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["Id"].as_str().expect("it has a number").to_owned()
}

fn is_refused(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (400, "limit_exceeded"), "{}", reply.text());
}

/// Everybody is let in still.
fn all_sign_in(site: &Site) {
    for name in ["chief", "clerk", "ann"] {
        let reply = client(site, name).post("/api/Core/Users/Current", "").expect("an answer");
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    }
}

fn roles(count: usize) -> Vec<Value> {
    (0..count).map(|number| json!({"Name": format!("r{number}")})).collect()
}

#[test]
fn nobody_comes_to_hold_too_many_roles() {
    for system in System::all() {
        let site = site(system);
        let clerk = client(&site, "clerk");
        let everyone = id(&site, "Roles", "Everyone");
        // Included in others: all at once, one by one, and by a link.
        is_refused(&post(
            &clerk,
            "Roles",
            &json!({"Name": "whole", "Roles": roles(ROLES_INCLUDED + 1)}),
        ));
        let whole = made(&post(
            &clerk,
            "Roles",
            &json!({"Name": "whole", "Roles": roles(ROLES_INCLUDED - 1)}),
        ));
        let link = json!({"url": format!("Roles({whole})")});
        let include = |link: &Value| post(&clerk, &format!("Roles({everyone})/$links/Roles"), link);
        assert_eq!(include(&link).status, 204);
        assert_eq!(include(&link).status, 204, "it is there already");
        is_refused(&post(&clerk, &format!("Roles({whole})/Roles"), &json!({"Name": "one more"})));
        let more = made(&post(&clerk, "Roles", &json!({"Name": "one more"})));
        is_refused(&include(&json!({"url": format!("Roles({more})")})));
        all_sign_in(&site);
        // One that is included is another role's for nothing.
        let other = made(&post(&clerk, "Roles", &json!({"Name": "other"})));
        assert_eq!(post(&clerk, &format!("Roles({other})/$links/Roles"), &link).status, 204);

        // Of a user.
        let ann = format!("Users({})", id(&site, "Users", "ann"));
        for number in 1..ROLES_OF_USER {
            made(&post(
                &clerk,
                "Roles",
                &json!({"Name": format!("u{number}"), "Users@odata.bind": [ann]}),
            ));
        }
        is_refused(&post(&clerk, "Roles", &json!({"Name": "u", "Users@odata.bind": [ann]})));
        is_refused(&post(&clerk, &format!("Roles({more})/$links/Users"), &json!({ "url": ann })));
        all_sign_in(&site);
    }
}

#[test]
fn a_permission_that_many_roles_hold_is_one() {
    for system in System::all() {
        let site = site(system);
        let clerk = client(&site, "clerk");
        let names = |count: usize| {
            (0..count)
                .map(|n| json!({"Name": format!("Apc:RolesCan*{n}")}))
                .collect::<Vec<Value>>()
        };
        let all = made(&post(&clerk, "Roles", &json!({"Name": "all", "Permissions": names(300)})));
        let mut ids = Vec::new();
        let mut target = format!("/api/Core/Roles({all})/$links/Permissions");
        loop {
            let page = clerk.get(&target).expect("an answer").json();
            ids.extend(page["value"].as_array().expect("links").iter().map(|link| link["url"].clone()));
            match page["odata.nextLink"].as_str() {
                Some(next) => target = next[next.find("/api/").expect("a link into the API")..].to_owned(),
                None => break,
            }
        }
        assert_eq!(ids.len(), 300);
        let everyone = id(&site, "Roles", "Everyone");
        for number in 0..35 {
            let role = json!({"Name": format!("p{number}"), "Permissions@odata.bind": ids});
            let role = made(&post(&clerk, "Roles", &role));
            let link = json!({"url": format!("Roles({role})")});
            assert_eq!(post(&clerk, &format!("Roles({everyone})/$links/Roles"), &link).status, 204);
        }
        all_sign_in(&site);
    }
}
