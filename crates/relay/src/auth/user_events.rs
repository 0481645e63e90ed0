//! What Clerk's webhooks say of people.
//!
//! Each says a state, not a change, and what it says is written only where it is news, in one
//! transaction that is durable before Clerk is answered. So they may come twice, late, in any order,
//! or not at all: whoever calls is seen without them.

use super::clerk::{full_name, said};
use crate::account::{self, ClerkProfile};
use crate::config::Catalogue;
use crate::db::{DbError, Tx};
use crate::departure;
use crate::lang::Lang;
use autocrea_protocol::{UnixMillis, UserId};
use serde::Deserialize;
use serde_json::Value;

/// An event that changes something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvent {
    /// Somebody is there, and this is what they are like.
    Present {
        /// Clerk's id.
        user: UserId,
        /// What Clerk says of them.
        profile: ClerkProfile,
        /// The language that they chose at Clerk.
        lang: Option<Lang>,
        /// When they last changed at Clerk, if it says.
        updated_at: Option<UnixMillis>,
    },
    /// Clerk knows them no more.
    Gone(UserId),
}

/// A body that Clerk signed and that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not an event of Clerk's")]
pub struct NotAnEvent;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    /// Of the event itself.
    timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct ClerkUser {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
    primary_email_address_id: Option<String>,
    email_addresses: Option<Vec<EmailAddress>>,
    locale: Option<String>,
    unsafe_metadata: Option<Value>,
    public_metadata: Option<Value>,
    updated_at: Option<i64>,
}

#[derive(Deserialize)]
struct EmailAddress {
    id: Option<String>,
    email_address: String,
}

#[derive(Deserialize)]
struct DeletedUser {
    id: String,
}

/// Reads a webhook's body; `None` for events that change nothing here.
///
/// # Errors
/// [`NotAnEvent`]
pub fn read(body: &[u8]) -> Result<Option<UserEvent>, NotAnEvent> {
    let event: Envelope = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
    match event.kind.as_str() {
        "user.created" | "user.updated" => {
            let user: ClerkUser = serde_json::from_value(event.data).map_err(|_| NotAnEvent)?;
            if user.id.is_empty() {
                Err(NotAnEvent)
            } else {
                Ok(Some(present(user, event.timestamp)))
            }
        }
        "user.deleted" => {
            let gone: DeletedUser = serde_json::from_value(event.data).map_err(|_| NotAnEvent)?;
            if gone.id.is_empty() {
                Err(NotAnEvent)
            } else {
                Ok(Some(UserEvent::Gone(UserId(gone.id))))
            }
        }
        _ => Ok(None),
    }
}

fn present(user: ClerkUser, sent_at: Option<i64>) -> UserEvent {
    let primary = user.primary_email_address_id.as_deref();
    let addresses = user.email_addresses.unwrap_or_default();
    let address = addresses
        .iter()
        .find(|one| primary.is_some() && one.id.as_deref() == primary)
        .or_else(|| addresses.first());
    let of_metadata = |metadata: Option<Value>| Some(metadata?.get("locale")?.as_str()?.to_owned());
    let tags = [user.locale, of_metadata(user.unsafe_metadata), of_metadata(user.public_metadata)];
    UserEvent::Present {
        profile: ClerkProfile {
            email: said(address.map(|one| one.email_address.clone())),
            name: full_name(user.first_name, user.last_name),
            image_url: said(user.image_url),
        },
        lang: tags.iter().flatten().find_map(|tag| Lang::from_tag(tag)),
        updated_at: user.updated_at.or(sent_at).map(UnixMillis),
        user: UserId(user.id),
    }
}

/// Writes what Clerk says of somebody, who is made if they have never been here. Whoever has left is
/// not made again by a webhook that comes late, nor told anything by Clerk once it has let them go.
///
/// # Errors
/// If the database refuses.
pub fn store(
    tx: &mut Tx<'_>,
    plans: &Catalogue,
    user: &UserId,
    profile: &ClerkProfile,
    lang: Option<Lang>,
    updated_at: Option<UnixMillis>,
) -> Result<(), DbError> {
    tx.hold_person(user)?;
    let former = departure::former(tx, user)?;
    if former.as_ref().is_some_and(|former| former.gone_at_clerk) {
        return Ok(());
    }
    if !account::is_known(tx, user)? {
        if former.is_some() {
            return Ok(());
        }
        account::see(tx, user, lang.unwrap_or_default(), plans)?;
    }
    let updated_at = updated_at.unwrap_or_else(|| tx.now());
    account::store_newer_profile(tx, user, profile, updated_at).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_primary_address_is_the_one_that_counts() {
        let body = json!({"type": "user.created", "object": "event", "data": {
            "id": "user_1", "first_name": "Ana", "last_name": null, "image_url": "",
            "primary_email_address_id": "idn_2", "updated_at": 7, "locale": "en-GB",
            "email_addresses": [
                {"id": "idn_1", "email_address": "old@example.com"},
                {"id": "idn_2", "email_address": "ana@example.com"}]}});
        let wanted = UserEvent::Present {
            user: UserId::from("user_1"),
            profile: ClerkProfile {
                email: Some("ana@example.com".into()),
                name: Some("Ana".into()),
                image_url: None,
            },
            lang: Some(Lang::En),
            updated_at: Some(UnixMillis(7)),
        };
        assert_eq!(read(body.to_string().as_bytes()), Ok(Some(wanted)));
    }

    #[test]
    fn what_clerk_leaves_open_is_no_reason_to_refuse_the_rest() {
        let body = json!({"type": "user.updated", "timestamp": 9, "data": {
            "id": "user_1", "first_name": " ", "last_name": "Ruiz", "email_addresses": null,
            "unsafe_metadata": null, "public_metadata": {"locale": 7}, "updated_at": null}});
        let wanted = UserEvent::Present {
            user: UserId::from("user_1"),
            profile: ClerkProfile { name: Some("Ruiz".into()), ..ClerkProfile::default() },
            lang: None,
            updated_at: Some(UnixMillis(9)),
        };
        assert_eq!(read(body.to_string().as_bytes()), Ok(Some(wanted)));
    }

    #[test]
    fn what_is_not_about_people_is_nothing_and_what_is_no_event_is_refused() {
        assert_eq!(read(br#"{"type": "session.created", "data": {"id": "sess_1"}}"#), Ok(None));
        let gone = read(br#"{"type": "user.deleted", "data": {"id": "user_1", "deleted": true}}"#);
        assert_eq!(gone, Ok(Some(UserEvent::Gone(UserId::from("user_1")))));
        for body in [
            "",
            "[]",
            "{}",
            "x",
            r#"{"type": "user.created"}"#,
            r#"{"type": 1}"#,
            r#"{"type": "user.deleted", "data": {"id": ""}}"#,
        ] {
            assert_eq!(read(body.as_bytes()), Err(NotAnEvent), "{body}");
        }
    }
}
