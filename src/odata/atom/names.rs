//! Namespaces and URIs of Atom and of its OData part.

/// Atom.
pub const ATOM: &str = "http://www.w3.org/2005/Atom";
/// Properties.
pub const DATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices";
/// What is said about data.
pub const METADATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";
/// Of `xml:base` and `xml:space`.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The scheme of a category that names a type.
pub const SCHEME: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/scheme";
/// Rel of a navigation, before its name.
pub const RELATED: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/related/";
/// Rel of a named stream to be written, before its name.
pub const EDIT_MEDIA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/edit-media/";
/// Rel of a named stream to be read, before its name.
pub const MEDIA_RESOURCE: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/mediaresource/";
