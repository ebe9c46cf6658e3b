//! The settings of a tenant's tasks: one table of them, a row of `Configs` for each.

use super::{Row, word};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_SECONDS, TASK_CATCH_UP, TASK_LOG_DAYS};
use crate::schedule::{Zone, zone};
use crate::store::{Restriction, Session};

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// In `Configs.Name`.
    pub name: &'static str,
    /// In `Configs.Type`.
    pub ty: &'static str,
    /// Its value until somebody says another.
    pub value: &'static str,
    /// Nobody says another.
    pub read_only: bool,
    /// For people, in `Configs.Description`.
    pub meaning: &'static str,
    check: fn(&str) -> Result<(), String>,
}

const fn setting(
    name: &'static str,
    ty: &'static str,
    value: &'static str,
    meaning: &'static str,
    check: fn(&str) -> Result<(), String>,
) -> Setting {
    Setting {
        name,
        ty,
        value,
        read_only: false,
        meaning,
        check,
    }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting(
        "TimeZone",
        "String",
        "UTC",
        "The time zone of tasks that do not name one, of the IANA database.",
        |text| {
            zone(text)
                .map(drop)
                .map_err(|_| "a time zone of the IANA database, such as `Europe/Zurich`".to_owned())
        },
    ),
    setting(
        "DefaultTimeoutSeconds",
        "Int32",
        "1800",
        "A run that takes longer is terminated, where the task does not say; 0: never.",
        |text| number(text, 0, JOB_SECONDS as i64),
    ),
    setting(
        "TaskPreExist",
        "String",
        "raise",
        "What becomes of a new task with a name that there is: raise (409), ignore (the known one is answered), replace or rename.",
        |text| match POLICIES.contains(&text) {
            true => Ok(()),
            false => Err(format!("one of {}", POLICIES.join(", "))),
        },
    ),
    setting(
        "LogRetentionDays",
        "Int32",
        "90",
        "Runs, and what the log says of tasks, are deleted after so many days; 0: never.",
        |text| number(text, 0, TASK_LOG_DAYS as i64),
    ),
    Setting {
        read_only: true,
        ..setting(
            "LargestCatchUpLimit",
            "Int32",
            CATCH_UP,
            "Most missed starts of a task that are made up for.",
            |_| Ok(()),
        )
    },
];

/// [`TASK_CATCH_UP`], as text.
const CATCH_UP: &str = "100";
const _: () = assert!(TASK_CATCH_UP == 100);

/// Of `TaskPreExist`.
const POLICIES: [&str; 4] = ["raise", "ignore", "replace", "rename"];

fn number(text: &str, least: i64, most: i64) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(format!("a number between {least} and {most}")),
    }
}

/// What a tenant has set.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub zone: Zone,
    /// In seconds; 0: never.
    pub timeout: i64,
    pub pre_exist: String,
}

impl Engine {
    /// What a tenant has set.
    pub(super) fn task_settings(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<Settings> {
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
        let rows = self.columns(session, self.core_type("Configs")?, &["Name", "Value"], None, vec![own])?;
        let value = |name: &str| {
            let row = rows.iter().find(|row| row[0] == word(name));
            match row.map(|row| &row[1]) {
                Some(Value::Text(text)) => text.clone(),
                _ => SETTINGS
                    .iter()
                    .find(|setting| setting.name == name)
                    .map_or("", |setting| setting.value)
                    .to_owned(),
            }
        };
        Ok(Settings {
            zone: zone(&value("TimeZone")).unwrap_or(Zone::UTC),
            timeout: value("DefaultTimeoutSeconds").parse().unwrap_or_default(),
            pre_exist: value("TaskPreExist"),
        })
    }

    /// A change of a row of `Configs`: only its value, and only to one that makes sense.
    ///
    /// # Errors
    /// `BAD_VALUE`, `FORBIDDEN`.
    pub(super) fn check_config(&self, current: &Entity, changed: &Entity) -> Outcome<()> {
        let (old, new) = (Row::of(self, current), Row::of(self, changed));
        if old.value("Name") != new.value("Name") {
            return Err(Fault::new(&fault::BAD_VALUE, "A setting keeps its name.").of("Name"));
        }
        let name = new.text("Name");
        if new.is("ReadOnly") && old.value("Value") != new.value("Value") {
            return Err(Fault::new(&fault::FORBIDDEN, format!("{name} is not for clients to set.")));
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return Err(Fault::new(&fault::BAD_VALUE, format!("There is no setting {name}.")).of("Name"));
        };
        (setting.check)(new.text("Value")).map_err(|what| {
            let message = format!("{name} is not `{}`: {what}.", new.text("Value"));
            Fault::new(&fault::BAD_VALUE, message).of("Value")
        })
    }
}

/// Makes the rows that a tenant lacks.
pub(in crate::engine) fn complete(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<()> {
    let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
    let ty = engine.core_type("Configs")?;
    let known = engine.columns(session, ty, &["Name"], None, vec![own.clone()])?;
    for setting in SETTINGS.iter().filter(|setting| !known.contains(&vec![word(setting.name)])) {
        let columns = vec![
            ("Name", word(setting.name)),
            ("Value", word(setting.value)),
            ("Type", word(setting.ty)),
            ("ReadOnly", Value::Boolean(setting.read_only)),
            ("Description", word(setting.meaning)),
        ];
        engine.add_built_in(session, "Configs", tenant, columns)?;
    }
    let ty = engine.core_type("Session")?;
    if tenant == SYSTEM_TENANT && engine.columns(session, ty, &["Id"], None, vec![own])?.is_empty() {
        let columns = vec![("Name", word("scheduler")), ("Version", word(env!("CARGO_PKG_VERSION")))];
        engine.add_built_in(session, "Session", tenant, columns)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_what_makes_sense() {
        for setting in SETTINGS {
            assert!((setting.check)(setting.value).is_ok(), "{}", setting.name);
        }
        for (name, value, good) in [
            ("TimeZone", "Europe/Zurich", true),
            ("TimeZone", "Mars/Olympus", false),
            ("TimeZone", "", false),
            ("DefaultTimeoutSeconds", "0", true),
            ("DefaultTimeoutSeconds", "-1", false),
            ("DefaultTimeoutSeconds", "never", false),
            ("TaskPreExist", "rename", true),
            ("TaskPreExist", "Rename", false),
            ("LogRetentionDays", "1e3", false),
        ] {
            let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("it is there");
            assert_eq!((setting.check)(value).is_ok(), good, "{name} {value}");
        }
    }
}
