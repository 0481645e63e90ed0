//! What this Clerk knows: keys, people, codes, tokens, switches; one lock, never held across an await.

use super::codes::{Code, Grant};
use super::keys::SigningKey;
use super::people::{self, Person};
use super::webhooks::Webhooks;
use super::{Options, Switches};
use crate::clock::Clock;
use crate::ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// Shared by all handlers.
pub(super) struct State {
    pub(super) url: String,
    pub(super) client_id: String,
    pub(super) secret_key: String,
    pub(super) clock: Clock,
    pub(super) webhooks: Webhooks,
    state_file: Option<PathBuf>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The first one signs.
    keys: Vec<SigningKey>,
    people: Vec<Person>,
    redirects: BTreeSet<String>,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Grant>,
    opaque: HashMap<String, Opaque>,
    access_token_life: Duration,
    switches: Switches,
    jwks_fetches: u64,
}

/// An `oat_…` token.
#[derive(Clone, Debug)]
pub(super) struct Opaque {
    pub(super) user: String,
    pub(super) scope: String,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    pub(super) revoked: bool,
}

/// What outlasts the process.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    key: String,
    people: Vec<Person>,
    refresh: HashMap<String, Grant>,
}

impl State {
    pub(super) fn new(url: String, options: Options) -> anyhow::Result<Self> {
        let kept = options.state_file.as_ref().and_then(|file| {
            let text = std::fs::read(file).ok()?;
            serde_json::from_slice::<Kept>(&text).ok()
        });
        let key = match kept.as_ref().and_then(|kept| STANDARD.decode(&kept.key).ok()) {
            Some(der) => SigningKey::from_der(&der)?,
            None => SigningKey::first()?,
        };
        let kept = kept.unwrap_or_default();
        let mut people = kept.people;
        for (email, name) in people::KNOWN {
            if !people.iter().any(|person| person.email == email) {
                people.push(Person::new(email, name, options.clock.now()));
            }
        }
        let callbacks =
            options.loopback_ports.iter().map(|port| format!("http://127.0.0.1:{port}/callback"));
        let redirects = options.redirects.iter().cloned().chain(callbacks).collect();
        let state = Self {
            url,
            client_id: "sandbox_autocrea_desktop".to_owned(),
            secret_key: "sk_test_sandbox_clerk".to_owned(),
            clock: options.clock,
            webhooks: Webhooks::default(),
            state_file: options.state_file,
            inner: Mutex::new(Inner {
                keys: vec![key],
                people,
                redirects,
                codes: HashMap::new(),
                refresh: kept.refresh,
                opaque: HashMap::new(),
                access_token_life: options.access_token_life,
                switches: Switches::default(),
                jwks_fetches: 0,
            }),
        };
        state.keep();
        Ok(state)
    }

    /// The person of that address, made if new. A name given later replaces one that was made up.
    pub(super) fn person(&self, email: &str, name: &str) -> Person {
        let email = people::normal_email(email);
        let mut inner = self.inner.lock();
        if let Some(known) = inner.people.iter().find(|person| person.email == email) {
            return known.clone();
        }
        let person = Person::new(&email, name, self.clock.now());
        inner.people.push(person.clone());
        drop(inner);
        self.keep();
        person
    }

    /// Gives a person, made if new, another name; the change is at least a millisecond later.
    pub(super) fn rename(&self, email: &str, name: &str) -> Person {
        let id = self.person(email, "").id;
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let mut renamed = Person::new(email, name, now);
        if let Some(person) = inner.people.iter_mut().find(|person| person.id == id) {
            person.name.clone_from(&renamed.name);
            person.updated_at = now.max(person.updated_at + 1);
            renamed = person.clone();
        }
        drop(inner);
        self.keep();
        renamed
    }

    /// Takes a person out, with every token that can be ended.
    pub(super) fn remove(&self, email: &str) -> Option<Person> {
        self.revoke_person(email);
        let email = people::normal_email(email);
        let mut inner = self.inner.lock();
        let place = inner.people.iter().position(|person| person.email == email)?;
        let person = inner.people.remove(place);
        drop(inner);
        self.keep();
        Some(person)
    }

    pub(super) fn people(&self) -> Vec<Person> {
        self.inner.lock().people.clone()
    }

    pub(super) fn person_by_id(&self, id: &str) -> Option<Person> {
        let inner = self.inner.lock();
        inner.people.iter().find(|person| person.id == id).cloned()
    }

    pub(super) fn register_redirect(&self, address: &str) {
        self.inner.lock().redirects.insert(address.to_owned());
    }

    pub(super) fn is_registered(&self, address: &str) -> bool {
        self.inner.lock().redirects.contains(address)
    }

    pub(super) fn redirects(&self) -> Vec<String> {
        self.inner.lock().redirects.iter().cloned().collect()
    }

    pub(super) fn switches(&self) -> Switches {
        self.inner.lock().switches
    }

    pub(super) fn set_switches(&self, switches: Switches) {
        self.inner.lock().switches = switches;
    }

    pub(super) fn set_access_token_life(&self, life: Duration) {
        self.inner.lock().access_token_life = life;
    }

    pub(super) fn access_token_life(&self) -> Duration {
        self.inner.lock().access_token_life
    }

    pub(super) fn jwks_fetches(&self) -> u64 {
        self.inner.lock().jwks_fetches
    }

    pub(super) fn jwks(&self) -> Value {
        let mut inner = self.inner.lock();
        inner.jwks_fetches += 1;
        let keys: Vec<&Value> = inner.keys.iter().map(SigningKey::jwk).collect();
        json!({ "keys": keys })
    }

    pub(super) fn rotate_key(&self, keep_old: bool) -> anyhow::Result<()> {
        let key = SigningKey::fresh()?;
        let mut inner = self.inner.lock();
        if !keep_old {
            inner.keys.clear();
        }
        inner.keys.insert(0, key);
        drop(inner);
        self.keep();
        Ok(())
    }

    pub(super) fn sign(&self, typ: &str, claims: &Value) -> String {
        let key = self.inner.lock().keys.first().cloned();
        let signed = key.map(|key| key.sign(typ, claims));
        match signed {
            Some(Ok(token)) => token,
            Some(Err(error)) => {
                tracing::error!(%error, "a token could not be signed");
                String::new()
            }
            None => String::new(),
        }
    }

    /// True if any published key gives exactly this token for these claims.
    pub(super) fn has_signed(&self, token: &str, claims: &Value) -> bool {
        let keys = self.inner.lock().keys.clone();
        keys.iter().any(|key| key.sign("at+jwt", claims).is_ok_and(|signed| signed == token))
    }

    /// An access token of the kind that the switches ask for.
    pub(super) fn issue_access_token(&self, user: &str, scope: &str) -> String {
        if self.switches().opaque_access_tokens {
            self.opaque_token_for(user, scope)
        } else {
            self.access_token_for(user, scope)
        }
    }

    pub(super) fn access_token_for(&self, user: &str, scope: &str) -> String {
        let now = self.clock.now_secs();
        let life = i64::try_from(self.access_token_life().as_secs()).unwrap_or(i64::MAX);
        let claims = json!({
            "client_id": self.client_id,
            "exp": now.saturating_add(life),
            "iat": now,
            "iss": self.url,
            "jti": ids::fresh("oat_jti_"),
            "nbf": now - 2,
            "scope": scope,
            "sub": user,
        });
        self.sign("at+jwt", &claims)
    }

    pub(super) fn opaque_token_for(&self, user: &str, scope: &str) -> String {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let life = i64::try_from(inner.access_token_life.as_millis()).unwrap_or(i64::MAX);
        let token = ids::fresh("oat_");
        let record = Opaque {
            user: user.to_owned(),
            scope: scope.to_owned(),
            created_at: now,
            expires_at: now.saturating_add(life),
            revoked: false,
        };
        inner.opaque.insert(token.clone(), record);
        token
    }

    pub(super) fn opaque(&self, token: &str) -> Option<Opaque> {
        self.inner.lock().opaque.get(token).cloned()
    }

    pub(super) fn refresh_token_for(&self, user: &str, scope: &str) -> String {
        let token = ids::fresh("ort_");
        let grant = Grant { user: user.to_owned(), scope: scope.to_owned() };
        self.inner.lock().refresh.insert(token.clone(), grant);
        self.keep();
        token
    }

    /// What a refresh token stands for, and the one to use from now on.
    pub(super) fn refresh(&self, token: &str) -> Option<(Grant, String)> {
        let mut inner = self.inner.lock();
        let grant = inner.refresh.get(token)?.clone();
        if !inner.switches.rotate_refresh_tokens {
            return Some((grant, token.to_owned()));
        }
        inner.refresh.remove(token);
        drop(inner);
        let next = self.refresh_token_for(&grant.user, &grant.scope);
        Some((grant, next))
    }

    /// RFC 7009: unknown tokens are no error.
    pub(super) fn revoke_token(&self, token: &str) {
        let mut inner = self.inner.lock();
        inner.refresh.remove(token);
        if let Some(opaque) = inner.opaque.get_mut(token) {
            opaque.revoked = true;
        }
        drop(inner);
        self.keep();
    }

    pub(super) fn revoke_person(&self, email: &str) {
        let id = self.person(email, "").id;
        let mut inner = self.inner.lock();
        inner.refresh.retain(|_, grant| grant.user != id);
        for opaque in inner.opaque.values_mut().filter(|opaque| opaque.user == id) {
            opaque.revoked = true;
        }
        drop(inner);
        self.keep();
    }

    pub(super) fn put_code(&self, code: Code) -> String {
        let name = ids::fresh("oac_");
        self.inner.lock().codes.insert(name.clone(), code);
        name
    }

    /// Takes the code out: whatever comes of the exchange, it does not work again.
    pub(super) fn take_code(&self, name: &str) -> Option<Code> {
        self.inner.lock().codes.remove(name)
    }

    pub(super) async fn send_user_event(&self, kind: &str, person: &Person) -> Option<u16> {
        let data = if kind == "user.deleted" {
            super::webhooks::deleted_object(person)
        } else {
            super::webhooks::user_object(&self.url, person)
        };
        self.webhooks.send(kind, &data, &self.clock).await
    }

    /// Writes what outlasts the process, if there is a place for it.
    fn keep(&self) {
        let Some(file) = &self.state_file else {
            return;
        };
        let inner = self.inner.lock();
        let kept = Kept {
            key: inner.keys.first().map(|key| STANDARD.encode(key.der())).unwrap_or_default(),
            people: inner.people.clone(),
            refresh: inner.refresh.clone(),
        };
        let written = serde_json::to_vec(&kept)
            .map_err(std::io::Error::other)
            .and_then(|text| std::fs::write(file.with_extension("new"), text))
            .and_then(|()| std::fs::rename(file.with_extension("new"), file));
        if let Err(error) = written {
            tracing::warn!(%error, "the state of Clerk's twin could not be kept");
        }
    }
}
