use super::*;

#[test]
fn names_have_shapes() {
    for (name, fits) in [
        ("Apc:UsersCanRead", true),
        ("*:*Can*", true),
        ("cop", true),
        ("Machine:Start", true),
        ("FULL_CONTROL", true),
        ("api://a", true),
        ("api://a/", true),
        ("api://a.b.*/crud", true),
        ("api://a/x", false),
        ("api://a b", false),
        ("api://(", false),
        ("api://", false),
        ("job://a", false),
        ("job://a/x", true),
        ("job://a/r", true),
        ("job://a/rx", false),
        ("app://client/x", true),
        ("app://a b", false),
        ("mongodb://x", true),
        ("COP://x", false),
        ("", false),
    ] {
        assert_eq!(check_name(name).is_ok(), fits, "{name}");
    }
    assert!(check_name(&"x".repeat(PERMISSION_BYTES)).is_ok());
    assert!(check_name(&"x".repeat(PERMISSION_BYTES + 1)).is_err());
}

#[test]
fn patterns_fit() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*:*Can*", "Apc:UsersCanRead", true),
        ("*:*CanRead", "Apc:UsersCanRead", true),
        ("*:*CanRead", "Apc:UsersCanReadAll", false),
        ("Apc:Users*", "Apc:UsersCanRead", true),
        ("Apc:Users*", "Apd:UsersCanRead", false),
        ("*aa*aa", "aaa", false),
        ("*aa*aa", "aaaa", true),
        ("*:*CanRead", "Apc:*CanRead", true),
        ("Apc:*CanRead", "*:*CanRead", false),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }
}

/// A target as that of a set `Notes`, or of `Users`, which decides what callers may do.
fn target(set: &str, verb: Verb, security: bool) -> Target {
    Target {
        name: format!("Apc:{set}Can{}", verb.name()),
        what: What::Set(0, verb),
        subject: format!("Core.{set}"),
        letter: verb.letter(),
        literal: if security { set.to_owned() } else { String::new() },
    }
}

#[test]
fn grants_allow() {
    for (names, notes, users, users_read) in [
        (&["*:*Can*"][..], true, false, true),
        (&["*:*CanUpdate"], true, false, false),
        (&["Apc:NotesCanUpdate"], true, false, false),
        (&["Apc:NotesCanRead"], false, false, false),
        (&["Apc:UsersCan*"], false, true, true),
        (&["*:UsersCanUpdate"], false, true, false),
        (&["Other:*Can*"], false, false, false),
        (&["cop"], true, true, true),
        (&["api://Core"], true, false, true),
        (&["api://Core/"], false, false, false),
        (&["api://Core.Users/u"], false, true, false),
        (&["api://Core.Users/r"], false, false, true),
        (&["api://ore"], false, false, false),
        (&["api://.*ore/rcu"], true, false, true),
        (&["job://.*/x", "Cop", ""], false, false, false),
    ] {
        let grants = Grants::of(names.iter().copied());
        let found = (
            grants.allows(&target("Notes", Verb::Update, false)),
            grants.allows(&target("Users", Verb::Update, true)),
            grants.allows(&target("Users", Verb::Read, false)),
        );
        assert_eq!(found, (notes, users, users_read), "{names:?}");
    }
}

#[test]
fn nobody_grants_more() {
    let guarded = [":UsersCan".to_owned()];
    for (held, asked, expected) in [
        ("cop", "anything", true),
        ("*:*Can*", "Apc:NotesCanRead", true),
        ("*:*Can*", "Apc:UsersCanCreate", false),
        ("*:*Can*", "cop", false),
        ("*", "cop", false),
        ("c*", "cop", false),
        ("*p", "cop", false),
        ("*", "*", true),
        ("*", "c*", true),
        ("c*", "*", false),
        ("*", "Apc:UsersCan*", false),
        ("*", "api://Core", false),
        ("*", "app://x*", false),
        ("*:*Can*", "api://Core", false),
        ("Apc:UsersCan*", "Apc:UsersCanCreate", true),
        ("Apc:UsersCanCreate", "Apc:UsersCan*", false),
        ("api://Core/r", "api://Core/r", true),
        ("api://Core", "api://Core/r", false),
        ("Machine:*", "Machine:Start", true),
    ] {
        assert_eq!(Grants::of([held]).covers(asked, &guarded), expected, "{held} {asked}");
    }
}

#[test]
fn a_scope_is_never_more_than_it_says() {
    let scope = ["*".to_owned()];
    for held in ["cop", "*"] {
        let holding = Holding {
            names: vec![held.to_owned()],
            limit: Some(&scope),
            ..Holding::default()
        };
        let rights = Rights::new(&Targets::default(), holding);
        assert!(!rights.administrator && !rights.covers(ADMINISTRATOR), "{held}");
        assert!(rights.covers("*") && rights.covers("Machine:Start"), "{held}");
    }
}
