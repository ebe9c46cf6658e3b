//! Keys that are made for a test, the sets that publish them, and the tokens that they sign.

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeys, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};
use serde_json::{Value, json};

use crate::client::base64;

/// What tokens of issuers may be signed with.
pub const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// A key pair for one algorithm.
pub struct Key {
    /// `kid`; none is not said.
    pub id: Option<String>,
    /// `alg`.
    pub algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeys, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

impl Key {
    /// A new one.
    pub fn new(id: &str, algorithm: &'static str) -> Key {
        let rsa = |encoding: &'static dyn RsaEncoding| Pair::Rsa(RsaKeys::generate(KeySize::Rsa2048).expect("a key can be made"), encoding);
        let ec = |kind, curve| Pair::Ec(EcdsaKeyPair::generate(kind).expect("a key can be made"), curve);
        Key {
            id: Some(id.to_owned()),
            algorithm,
            pair: match algorithm {
                "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
                "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
                "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
                "PS256" => rsa(&signature::RSA_PSS_SHA256),
                "PS384" => rsa(&signature::RSA_PSS_SHA384),
                "PS512" => rsa(&signature::RSA_PSS_SHA512),
                "ES256" => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
                "ES384" => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
                "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().expect("a key can be made")),
                other => panic!("{other}"),
            },
        }
    }

    /// One for each algorithm, `kid` its name; made once.
    pub fn all() -> &'static [Key] {
        static ALL: OnceLock<Vec<Key>> = OnceLock::new();
        ALL.get_or_init(|| ALGORITHMS.iter().map(|algorithm| Key::new(algorithm, algorithm)).collect())
    }

    /// The public half (RFC 7517).
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair, _) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": part(&parts.n), "e": part(&parts.e)})
            }
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": part(x), "y": part(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": part(pair.public_key().as_ref())}),
        };
        key["alg"] = self.algorithm.into();
        key["use"] = "sig".into();
        if let Some(id) = &self.id {
            key["kid"] = id.as_str().into();
        }
        key
    }

    /// The public half as bytes that somebody could take for a secret: as it is published, and as a certificate has it.
    pub fn public_bytes(&self) -> Vec<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair, _) => {
                let der = pair.public_key().as_der().expect("a key has a form");
                let text = base64(der.as_ref());
                vec![
                    PublicKeyComponents::<Vec<u8>>::from(pair.public_key()).n,
                    der.as_ref().to_vec(),
                    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n").into_bytes(),
                ]
            }
            Pair::Ec(pair, _) => vec![pair.public_key().as_ref().to_vec()],
            Pair::Ed(pair) => vec![pair.public_key().as_ref().to_vec()],
        }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        self.token_with(&header, claims)
    }

    /// The same with another header.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = signed(header, claims);
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", part(&signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).expect("a key signs");
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, message).expect("a key signs").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// A token that is signed with a secret (HS256).
pub fn secret_token(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = signed(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", part(tag.as_ref()))
}

/// A token that is not signed.
pub fn bare_token(header: &Value, claims: &Value) -> String {
    format!("{}.", signed(header, claims))
}

/// A part of a token.
pub fn part(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn signed(header: &Value, claims: &Value) -> String {
    format!("{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()))
}
