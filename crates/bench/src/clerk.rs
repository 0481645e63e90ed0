//! The identity provider: discovery, one RS256 key, and tokens signed before anything is measured.

use crate::http::{self, Served, json_answer};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the relay is configured with.
pub const CLIENT_ID: &str = "bench";
const KEY_ID: &str = "bench-key";
const TOKEN_LIFE_SECS: u64 = 3600;

/// The running provider.
#[derive(Clone)]
pub struct Clerk {
    /// Where it listens; the issuer is this.
    pub address: SocketAddr,
    key: EncodingKey,
}

impl Clerk {
    /// Makes a key and starts.
    ///
    /// # Errors
    /// If there is no port or no randomness.
    pub async fn start() -> Result<Self> {
        let private = RsaPrivateKey::new(&mut OsRng, 2048).context("making a key")?;
        let der = private.to_pkcs1_der().context("writing the key")?;
        let keys = json!({ "keys": [{
            "use": "sig", "kty": "RSA", "kid": KEY_ID, "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(private.n().to_bytes_be()),
            "e": URL_SAFE_NO_PAD.encode(private.e().to_bytes_be()),
        }]});
        let keys = Arc::new(keys.to_string());
        let own = Arc::new(OnceLock::new());
        let known = Arc::clone(&own);
        let address =
            http::listen(move |served| converse(served, Arc::clone(&keys), Arc::clone(&known)))
                .await?;
        own.set(address).ok();
        Ok(Self { address, key: EncodingKey::from_rsa_der(der.as_bytes()) })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An access token of a person.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(&self, person: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(KEY_ID.to_owned());
        let claims = json!({
            "iss": self.issuer(), "sub": person, "client_id": CLIENT_ID, "iat": now,
            "nbf": now, "exp": now + TOKEN_LIFE_SECS, "jti": person, "scope": "openid email",
        });
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }

    /// Tokens of many people, signed on all processors.
    ///
    /// # Errors
    /// If one cannot be signed.
    pub fn tokens(&self, people: &[String]) -> Result<Vec<String>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = people.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let signing: Vec<_> = people
                .chunks(share)
                .map(|some| {
                    scope.spawn(|| {
                        some.iter().map(|person| self.token(person)).collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            let mut tokens = Vec::with_capacity(people.len());
            for thread in signing {
                let signed = thread.join().map_err(|_| anyhow::anyhow!("signing panicked"))?;
                tokens.extend(signed?);
            }
            Ok(tokens)
        })
    }
}

/// People by number.
#[must_use]
pub fn people(many: usize, kind: &str) -> Vec<String> {
    (0..many).map(|index| format!("user_{kind}{index:06}")).collect()
}

async fn converse(
    mut served: Served,
    keys: Arc<String>,
    own: Arc<OnceLock<SocketAddr>>,
) -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let answer = |asked: http::Asked<'_>| match asked.path() {
        "/.well-known/openid-configuration" => {
            let own = own.get().map_or_else(String::new, |own| format!("http://{own}"));
            let document = json!({
                "issuer": own, "jwks_uri": format!("{own}/jwks"),
                "userinfo_endpoint": format!("{own}/userinfo"),
            });
            json_answer(&document.to_string())
        }
        "/jwks" => json_answer(&keys),
        _ => json_answer(&profile(asked.header("authorization")).to_string()),
    };
    while let Some(answer) = served.next(answer).await? {
        served.stream.write_all(&answer).await?;
    }
    Ok(())
}

/// Whoever the token names; nothing is verified here.
fn profile(authorization: Option<&str>) -> Value {
    let subject = authorization
        .and_then(|value| value.split('.').nth(1))
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok())
        .and_then(|claims| serde_json::from_slice::<Value>(&claims).ok())
        .map(|claims| claims["sub"].clone())
        .unwrap_or_default();
    let email = format!("{}@example.com", subject.as_str().unwrap_or_default());
    json!({ "sub": subject, "email": email, "name": "Somebody Measured" })
}
