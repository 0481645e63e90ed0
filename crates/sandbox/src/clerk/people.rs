//! Who can sign in. A person's id follows from the e-mail alone, so that a sandbox started
//! again knows the same people by the same ids.

use crate::ids;
use serde::{Deserialize, Serialize};

/// Somebody with an account at this Clerk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    /// `user_…`
    pub id: String,
    /// Address that they sign in with, in lower case.
    pub email: String,
    /// Name that they are shown by.
    pub name: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds of the last change.
    #[serde(default)]
    pub updated_at: i64,
}

/// The people that a fresh sandbox offers.
pub(super) const KNOWN: [(&str, &str); 3] = [
    ("ana@example.com", "Ana García"),
    ("luis@example.com", "Luis Romero"),
    ("sam@example.com", "Sam Taylor"),
];

impl Person {
    /// Makes one; an empty name is taken from the address.
    pub(super) fn new(email: &str, name: &str, created_at: i64) -> Self {
        let email = normal_email(email);
        let name = if name.trim().is_empty() { name_from(&email) } else { name.trim().to_owned() };
        let id = ids::steady("user_", email.as_bytes());
        Self { id, email, name, created_at, updated_at: created_at }
    }

    /// First and last name, as Clerk splits them.
    pub(super) fn names(&self) -> (&str, &str) {
        self.name.split_once(' ').unwrap_or((self.name.as_str(), ""))
    }

    /// The one or two letters of the picture.
    pub(super) fn initials(&self) -> String {
        self.name
            .split_whitespace()
            .filter_map(|word| word.chars().next())
            .take(2)
            .flat_map(char::to_uppercase)
            .collect()
    }
}

/// The form in which addresses are compared.
pub(super) fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Loose on purpose: it keeps typing mistakes out, nothing else.
pub(super) fn looks_like_email(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

fn name_from(email: &str) -> String {
    let local = email.split('@').next().unwrap_or(email);
    local
        .split(['.', '_', '-', '+'])
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect::<Vec<_>>()
        .join(" ")
}
