//! Protocol versions: the three headers of a request, and the version of the answer (VER).

use crate::model::fault::{self, Fault, Outcome};

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    V1,
    V2,
    V3,
}

/// Versions and their texts.
const VERSIONS: &[(Version, &str)] = &[(Version::V1, "1.0"), (Version::V2, "2.0"), (Version::V3, "3.0")];

impl Version {
    /// As headers have it.
    pub fn text(self) -> &'static str {
        VERSIONS[self as usize].1
    }
}

/// What the version headers of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// `DataServiceVersion`, when it was sent: what the body is written in, and which features the URL may use (VER-30).
    pub explicit: Option<Version>,
    /// `MaxDataServiceVersion`; 3.0 without it (VER-7).
    pub max: Version,
    /// `MinDataServiceVersion`; 1.0 without it.
    pub min: Version,
}

impl Default for Versions {
    fn default() -> Versions {
        Versions {
            explicit: None,
            max: Version::V3,
            min: Version::V1,
        }
    }
}

impl Versions {
    /// Reads the headers `DataServiceVersion`, `MaxDataServiceVersion` and `MinDataServiceVersion` (VER-1..VER-5).
    pub fn read(version: Option<&str>, max: Option<&str>, min: Option<&str>) -> Outcome<Versions> {
        let none = Versions::default();
        let versions = Versions {
            explicit: version.map(|text| exact("DataServiceVersion", text)).transpose()?,
            max: max.map_or(Ok(none.max), clamped)?,
            min: min.map_or(Ok(none.min), |text| exact("MinDataServiceVersion", text))?,
        };
        if versions.max < versions.min {
            return Err(bad("MaxDataServiceVersion is below MinDataServiceVersion.".to_owned()));
        }
        Ok(versions)
    }

    /// The version that the request counts as (VER-6).
    pub fn request(&self) -> Version {
        self.explicit.unwrap_or(self.max.max(Version::V2))
    }

    /// The version of an answer that needs `needed` (VER-8, VER-10).
    pub fn answer(&self, needed: Version) -> Outcome<Version> {
        if needed > self.max {
            let (needed, max) = (needed.text(), self.max.text());
            return Err(bad(format!("The answer needs version {needed}, MaxDataServiceVersion is {max}.")));
        }
        Ok(needed.max(self.min))
    }

    /// 400 when the request says of itself that it is of a lower version than `what` it uses (VER-30, VER-31).
    pub fn demand(&self, needed: Version, what: &str) -> Outcome<()> {
        match self.explicit {
            Some(version) if version < needed => {
                let (needed, version) = (needed.text(), version.text());
                Err(bad(format!("{what} needs version {needed}, DataServiceVersion is {version}.")))
            }
            _ => Ok(()),
        }
    }
}

fn bad(message: String) -> Fault {
    Fault::new(&fault::BAD_REQUEST, message)
}

/// The number before a `;`; what follows it is the client's name (VER-2).
fn number(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn exact(header: &str, text: &str) -> Outcome<Version> {
    let found = VERSIONS.iter().find(|(_, version)| *version == number(text));
    found
        .map(|(version, _)| *version)
        .ok_or_else(|| bad(format!("{header} is 1.0, 2.0 or 3.0.")))
}

/// A maximum above 3.0 is that of a newer client, and means 3.0 (VER-3).
fn clamped(text: &str) -> Outcome<Version> {
    let is_number = |part: &str| !part.is_empty() && part.len() < 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    match number(text).split_once('.') {
        Some((major, minor)) if is_number(major) && is_number(minor) && major.parse::<u16>().is_ok_and(|major| major >= 3) => {
            Ok(Version::V3)
        }
        _ => exact("MaxDataServiceVersion", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        use Version::*;
        // DataServiceVersion, Max, Min; what the request counts as, the maximum
        let cases: &[(Option<&str>, Option<&str>, Option<&str>, Option<(Version, Version)>)] = &[
            (None, None, None, Some((V3, V3))),
            (Some("1.0"), None, None, Some((V1, V3))),
            (Some("1.0;NetFx"), Some("3.0;NetFx"), None, Some((V1, V3))),
            (Some(" 2.0 ; old max"), None, None, Some((V2, V3))),
            (None, Some("1.0"), None, Some((V2, V1))),
            (None, Some("2.0"), None, Some((V2, V2))),
            (None, Some("4.0"), None, Some((V3, V3))),
            (None, Some("3.5"), Some("3.0"), Some((V3, V3))),
            (Some("4.0"), None, None, None),
            (Some("3"), None, None, None),
            (Some("abc"), None, None, None),
            (None, Some("3"), None, None),
            (None, Some("0.9"), None, None),
            (None, Some("99999999999.0"), None, None),
            (None, Some("1.0"), Some("2.0"), None),
            (None, None, Some("4.0"), None),
        ];
        for (version, max, min, expected) in cases {
            let read = Versions::read(*version, *max, *min).ok();
            assert_eq!(
                read.map(|read| (read.request(), read.max)),
                *expected,
                "{version:?} {max:?} {min:?}"
            );
        }
    }

    #[test]
    fn answers() {
        use Version::*;
        for (max, min, needed, expected) in [
            (V3, V1, V1, Some(V1)),
            (V3, V2, V1, Some(V2)),
            (V3, V1, V3, Some(V3)),
            (V2, V1, V3, None),
            (V1, V1, V2, None),
        ] {
            let versions = Versions { explicit: None, max, min };
            assert_eq!(versions.answer(needed).ok(), expected, "{max:?} {min:?} {needed:?}");
        }
    }

    #[test]
    fn demands_are_on_what_the_request_says_of_itself() {
        use Version::*;
        for (explicit, needed, is_met) in [
            (None, V3, true),
            (Some(V1), V1, true),
            (Some(V1), V2, false),
            (Some(V2), V2, true),
            (Some(V2), V3, false),
        ] {
            let versions = Versions {
                explicit,
                max: V1,
                ..Versions::default()
            };
            assert_eq!(versions.demand(needed, "x").is_ok(), is_met, "{explicit:?} {needed:?}");
        }
    }
}
