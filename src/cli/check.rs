//! `odonata check`.

use super::{say, schema, told};
use crate::settings::Settings;
use crate::store::Db;

/// Names every fault of the schema files, and every difference to the database that has to be migrated by hand.
pub fn run(settings: &Settings) -> Result<(), String> {
    let schema = schema(&settings.plugins)?;
    let endpoints: Vec<String> = schema
        .endpoints
        .iter()
        .map(|endpoint| format!("{} ({} sets)", endpoint.name, endpoint.sets.len()))
        .collect();
    say(&format!("schema files: {}", endpoints.join(", ")));
    if let Some(path) = settings.database.strip_prefix("sqlite:")
        && !std::path::Path::new(path.strip_prefix("//").unwrap_or(path)).exists()
    {
        say("database: not there yet; the first start makes it");
        return Ok(());
    }
    let db = Db::open(&settings.database).map_err(|fault| told(&fault))?;
    let differences = db.check(&schema).map_err(|fault| told(&fault));
    db.close();
    match differences? {
        differences if differences.is_empty() => {
            say("database: fits the schema files");
            Ok(())
        }
        differences => Err(format!(
            "the database does not fit the schema files:\n  {}",
            differences.join("\n  ")
        )),
    }
}
