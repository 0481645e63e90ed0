//! What Resend tells of addresses: that one bounced, that somebody complained.
//!
//! Source: <https://resend.com/docs/webhooks/event-types>.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What an event says of the addresses that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// They are not to be written to any more.
    Suppress {
        /// Which.
        addresses: Vec<String>,
        /// In a word.
        reason: &'static str,
    },
    /// They may be written to again: somebody took them off Resend's list.
    Allow {
        /// Which.
        addresses: Vec<String>,
    },
    /// Nothing that matters here.
    Nothing,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    to: Receivers,
    email: Option<String>,
    bounce: Option<Bounce>,
    failed: Option<Failure>,
}

#[derive(Deserialize)]
struct Bounce {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Receivers {
    Several(Vec<String>),
    One(String),
    Other(IgnoredAny),
}

impl Default for Receivers {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// Reads an event.
///
/// # Errors
/// If it is not an event of Resend's.
pub fn read(body: &[u8]) -> Result<Word, serde_json::Error> {
    let Event { kind, data } = serde_json::from_slice(body)?;
    let mut addresses = match data.to {
        Receivers::Several(all) => all,
        Receivers::One(one) => vec![one],
        Receivers::Other(IgnoredAny) => Vec::new(),
    };
    let reason = match kind.as_str() {
        // A full mailbox is no reason; Resend says `Permanent` of an address that is none.
        "email.bounced" => {
            let passing = ["transient", "undetermined"];
            let kind = data.bounce.and_then(|bounce| bounce.kind);
            let passes = kind.is_some_and(|it| passing.contains(&it.to_ascii_lowercase().as_str()));
            if passes {
                return Ok(Word::Nothing);
            }
            "bounced"
        }
        "email.complained" => "complained",
        "email.suppressed" => "suppressed",
        // Most failures are ours (a quota, a key, a domain); only one is the address's.
        "email.failed" => {
            let reason = data.failed.and_then(|failed| failed.reason).unwrap_or_default();
            if !reason.to_ascii_lowercase().contains("recipient") {
                return Ok(Word::Nothing);
            }
            "failed"
        }
        "suppression.added" => {
            addresses.extend(data.email);
            "suppressed"
        }
        "suppression.removed" => {
            addresses.extend(data.email);
            return Ok(Word::Allow { addresses });
        }
        _ => return Ok(Word::Nothing),
    };
    Ok(Word::Suppress { addresses, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(event: &serde_json::Value) -> Word {
        read(event.to_string().as_bytes()).expect("an event")
    }

    fn suppressed(reason: &'static str) -> Word {
        Word::Suppress { addresses: vec!["ana@example.com".to_owned()], reason }
    }

    #[test]
    fn a_permanent_bounce_and_a_complaint_end_an_address_and_a_full_mailbox_does_not() {
        let bounced = |kind: &str| {
            json!({"type": "email.bounced", "data": {"to": ["ana@example.com"],
                "bounce": {"type": kind, "subType": "General", "message": "no"}}})
        };
        assert_eq!(said(&bounced("Permanent")), suppressed("bounced"));
        assert_eq!(said(&bounced("Transient")), Word::Nothing);
        let unsaid = json!({"type": "email.bounced", "data": {"to": ["ana@example.com"]}});
        assert_eq!(said(&unsaid), suppressed("bounced"));
        let complained = json!({"type": "email.complained", "data": {"to": "ana@example.com"}});
        assert_eq!(said(&complained), suppressed("complained"));
    }

    #[test]
    fn a_failure_of_ours_is_not_held_against_the_address() {
        let failed = |reason: &str| {
            json!({"type": "email.failed", "data": {"to": ["ana@example.com"],
                "failed": {"reason": reason}}})
        };
        assert_eq!(said(&failed("reached_daily_quota")), Word::Nothing);
        assert_eq!(said(&failed("invalid_recipient")), suppressed("failed"));
    }

    #[test]
    fn resends_own_list_is_followed_both_ways() {
        let event = |kind: &str| json!({"type": kind, "data": {"email": "ana@example.com"}});
        assert_eq!(said(&event("suppression.added")), suppressed("suppressed"));
        let addresses = vec!["ana@example.com".to_owned()];
        assert_eq!(said(&event("suppression.removed")), Word::Allow { addresses });
    }

    #[test]
    fn other_events_say_nothing_and_no_event_is_an_error() {
        assert_eq!(said(&json!({"type": "email.delivered", "data": {"to": 7}})), Word::Nothing);
        assert_eq!(said(&json!({"type": "domain.created"})), Word::Nothing);
        assert!(read(b"{}").is_err() && read(b"no").is_err());
    }
}
