//! The issuer's RS256 keys: one signs, all are published, a rotation puts a new one in front.
//!
//! Making an RSA key takes a noticeable part of a second in a debug build, so one process makes
//! its first key once and every Clerk started in it begins with that.

use crate::ids;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, rand_core::OsRng};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

const BITS: usize = 2048;
static FIRST_KEY: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// A private key with its public description.
#[derive(Clone)]
pub(super) struct SigningKey {
    kid: String,
    der: Vec<u8>,
    encoding: EncodingKey,
    jwk: Value,
}

impl SigningKey {
    /// The key that every Clerk of this process begins with.
    pub(super) fn first() -> anyhow::Result<Self> {
        let mut kept = FIRST_KEY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(der) = kept.as_ref() {
            return Self::from_der(der);
        }
        let key = Self::fresh()?;
        *kept = Some(key.der.clone());
        Ok(key)
    }

    /// A new key.
    pub(super) fn fresh() -> anyhow::Result<Self> {
        let private = RsaPrivateKey::new(&mut OsRng, BITS).context("making an RSA key")?;
        let der = private.to_pkcs1_der().context("writing the RSA key")?;
        Self::from_der(der.as_bytes())
    }

    /// A key that was kept.
    pub(super) fn from_der(der: &[u8]) -> anyhow::Result<Self> {
        let private = RsaPrivateKey::from_pkcs1_der(der).context("reading the RSA key")?;
        let modulus = private.n().to_bytes_be();
        let kid = ids::steady("ins_", &modulus);
        let jwk = json!({
            "use": "sig",
            "kty": "RSA",
            "kid": kid,
            "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(&modulus),
            "e": URL_SAFE_NO_PAD.encode(private.e().to_bytes_be()),
        });
        Ok(Self { kid, der: der.to_vec(), encoding: EncodingKey::from_rsa_der(der), jwk })
    }

    /// The private key in PKCS#1, to be kept.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// What `jwks.json` lists.
    pub(super) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// A signed JWT of that `typ`.
    pub(super) fn sign(&self, typ: &str, claims: &Value) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).context("signing a token")
    }
}
