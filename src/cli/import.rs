//! `odonata import`.

use std::path::PathBuf;

use super::{say, told};
use crate::import;
use crate::settings::Settings;

/// Arguments of `odonata import`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The $metadata document (EDMX or CSDL)
    #[arg(value_name = "FILE.edmx")]
    file: PathBuf,
    /// Name of the endpoint: the folder below the plugins, and the URL /api/NAME/
    #[arg(long, value_name = "NAME")]
    endpoint: String,
}

/// Writes the plugin folder and says what was lost and what was made up.
pub fn run(settings: &Settings, arguments: &Arguments) -> Result<(), String> {
    let file = arguments.file.display();
    let document = std::fs::read(&arguments.file).map_err(|error| format!("{file}: {error}"))?;
    let folder = settings.plugins.join(&arguments.endpoint);
    let report = import::import(&document, &arguments.endpoint, &folder).map_err(|fault| match fault.position {
        Some(position) => format!("{file}: {} At byte {position}.", told(&fault)),
        None => format!("{file}: {}", told(&fault)),
    })?;
    say(report.to_string().trim_end());
    say(&format!(
        "{} is there; /api/{}/ is served from the next start on.",
        folder.display(),
        arguments.endpoint
    ));
    Ok(())
}
