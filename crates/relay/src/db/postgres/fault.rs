//! What PostgreSQL refused, in words that name no row.

use crate::db::with_causes;
use std::fmt;
use tokio_postgres::error::SqlState;

/// See the module. A refusal's detail (`Key (email)=(…)`) is left out: it is personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// SQLSTATE, where the server spoke.
    pub code: Option<String>,
    /// What it said.
    pub said: String,
}

impl Fault {
    pub(super) fn said(what: &str) -> Self {
        Self { code: None, said: what.to_owned() }
    }

    /// Whether there is no server to speak to, rather than one that refuses.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self.code.as_deref() {
            None => true,
            Some(code) => {
                code == SqlState::ADMIN_SHUTDOWN.code()
                    || code == SqlState::CRASH_SHUTDOWN.code()
                    || code == SqlState::CANNOT_CONNECT_NOW.code()
                    || code.starts_with("08")
            }
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self {
                code: Some(refusal.code().code().to_owned()),
                said: refusal.message().to_owned(),
            },
            None => Self { code: None, said: with_causes(&error) },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.said),
            None => f.write_str(&self.said),
        }
    }
}

impl std::error::Error for Fault {}
