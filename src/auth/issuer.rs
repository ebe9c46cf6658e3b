//! Issuers of access tokens that are taken here.

/// A section `[issuer.NAME]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Issuer {
    /// Its name in the settings; `ExternalType` of the users that it knows.
    pub name: String,
    /// What `iss` says.
    pub issuer: String,
}
