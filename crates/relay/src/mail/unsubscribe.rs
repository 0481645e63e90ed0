//! The link that ends promotional mails: works without signing in, and for ever.
//!
//! It names a person by Clerk's id and is signed; there is no address in it. Opening it only shows
//! a page: mail programs and scanners follow links. What is posted to it counts (RFC 8058).

use super::keys::Keys;
use crate::account::{self, ProfileEdit};
use crate::db::{DbError, Tx};
use autocrea_protocol::UserId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A person's token: `<id>.<signature>`, both in base64 for URLs.
#[must_use]
pub fn token(keys: &Keys, user: &UserId) -> String {
    let user = user.as_str().as_bytes();
    let (user, signature) = (URL_SAFE_NO_PAD.encode(user), URL_SAFE_NO_PAD.encode(keys.sign(user)));
    format!("{user}.{signature}")
}

/// Whose token this is; `None` if it is nobody's.
#[must_use]
pub fn whose(keys: &Keys, token: &str) -> Option<UserId> {
    let (user, signature) = token.split_once('.')?;
    let user = URL_SAFE_NO_PAD.decode(user).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !keys.is_signed(&user, &signature) {
        return None;
    }
    String::from_utf8(user).ok().map(UserId)
}

/// Ends promotional mails to a person; nothing if they have been ended, or there is no such person.
///
/// # Errors
/// If the database refuses.
pub fn unsubscribe(tx: &mut Tx<'_>, user: &UserId) -> Result<(), DbError> {
    let wanted =
        tx.query_opt("SELECT marketing_emails FROM people WHERE id = ?1", &[user], |row| {
            row.get::<bool>(0)
        })?;
    if wanted == Some(true) {
        let edit = ProfileEdit { marketing_emails: Some(false), ..ProfileEdit::default() };
        account::edit_profile(tx, user, &edit)?;
    }
    Ok(())
}
