//! Access tokens of other issuers (OAuth 2, OpenID Connect), on both databases, against issuers that the tests make themselves.
//! What is wrong with a token is never told, and an issuer that does not answer holds up nothing but its own tokens.

mod keys;
mod opaque;
mod people;
mod right;
mod scene;
