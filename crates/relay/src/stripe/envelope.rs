//! What a raw event is about, whatever its API version.
//!
//! An event is only ever taken to mean "this object is dirty": of its body we read who and what,
//! and nothing that could be out of date. Endpoints made before 2025-03-31.basil still receive
//! `invoice.subscription` and the like at their old places, and a replayed event keeps the shape
//! of the day it was made, so both shapes are read.

use serde_json::Value;

/// The parts of an event that the inbox keeps in columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`: the inbox's key.
    pub id: String,
    /// `invoice.paid` and so on.
    pub kind: String,
    /// Unix seconds.
    pub created: i64,
    /// `data.object.id`; absent on a few objects, such as an upcoming invoice.
    pub object_id: Option<String>,
    /// `data.object.object`
    pub object_type: Option<String>,
    /// `cus_…`, where the object says so.
    pub customer: Option<String>,
    /// `sub_…`, where the object says so.
    pub subscription: Option<String>,
    /// `ch_…`, for what hangs on a charge without naming its customer (disputes).
    pub charge: Option<String>,
    /// Of an event that changes nothing and names no customer: the object that it hangs on.
    pub hangs_on: Option<String>,
}

/// Why a signed body is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a Stripe event")]
pub struct NotAnEvent;

/// The events that can change a customer's state. Others are kept, acknowledged and ignored.
pub(super) const HANDLED: [&str; 15] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
    "customer.deleted",
];

/// The fields by which an object hangs on another that names its customer.
const HOOKS: [&str; 5] = ["charge", "invoice", "payment_intent", "subscription", "setup_intent"];

impl Envelope {
    /// Reads an event's raw body.
    ///
    /// # Errors
    /// When it is not JSON, or has no id, type or object.
    pub fn read(body: &[u8]) -> Result<Self, NotAnEvent> {
        let event: Value = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
        Self::of(&event)
    }

    /// The same, from JSON that was parsed already.
    ///
    /// # Errors
    /// When it has no id, type or object.
    pub fn of(event: &Value) -> Result<Self, NotAnEvent> {
        let id = text(&event["id"]).filter(|id| !id.is_empty()).ok_or(NotAnEvent)?;
        let kind = text(&event["type"]).filter(|kind| !kind.is_empty()).ok_or(NotAnEvent)?;
        let object = &event["data"]["object"];
        if !object.is_object() {
            return Err(NotAnEvent);
        }
        let handled = HANDLED.contains(&kind.as_str());
        let object_type = text(&object["object"]);
        let object_id = text(&object["id"]);
        let is = |name: &str| object_type.as_deref() == Some(name);
        let customer = if is("customer") {
            object_id.clone()
        } else {
            reference(&object["customer"])
                // What is only kept must still be found when its customer is to be forgotten.
                .or_else(|| mentioned(&event["data"]).filter(|_| !handled))
        };
        let hangs_on = HOOKS.iter().find_map(|name| reference(&object[*name]));
        Ok(Self {
            hangs_on: hangs_on.filter(|_| customer.is_none() && !handled),
            customer,
            subscription: if is("subscription") {
                object_id.clone()
            } else {
                subscription_of(object)
            },
            charge: if is("charge") { object_id.clone() } else { reference(&object["charge"]) },
            created: event["created"].as_i64().unwrap_or_default(),
            id,
            kind,
            object_id,
            object_type,
        })
    }

    /// Whether the event can change anything here.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        HANDLED.contains(&self.kind.as_str())
    }
}

/// The subscription of a session or an invoice, at its present place or where it was before
/// 2025-03-31.basil.
fn subscription_of(object: &Value) -> Option<String> {
    reference(&object["parent"]["subscription_details"]["subscription"])
        .or_else(|| reference(&object["subscription"]))
}

/// An id, or the id of an expanded object.
fn reference(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

/// The first customer's id anywhere in it.
fn mentioned(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => super::is_id(text, "cus_").then(|| text.clone()),
        Value::Array(values) => values.iter().find_map(mentioned),
        Value::Object(fields) => fields.values().find_map(mentioned),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, object: &Value) -> Value {
        json!({"id": "evt_1", "object": "event", "type": kind, "created": 7, "data": {"object": object}})
    }

    #[test]
    fn an_invoice_names_its_subscription_in_the_present_shape_and_in_the_old_one() {
        let present = json!({"id": "in_1", "object": "invoice", "customer": "cus_1",
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}});
        let old = json!({"id": "in_1", "object": "invoice", "customer": {"id": "cus_1", "object": "customer"},
            "subscription": "sub_1"});
        for object in [present, old] {
            let read = Envelope::of(&event("invoice.paid", &object)).unwrap();
            assert_eq!(read.subscription.as_deref(), Some("sub_1"));
            assert_eq!(read.customer.as_deref(), Some("cus_1"));
            assert_eq!(read.object_id.as_deref(), Some("in_1"));
            assert!(read.is_handled());
        }
    }

    #[test]
    fn a_dispute_is_found_through_its_charge_and_a_customer_is_itself() {
        let dispute = json!({"id": "du_1", "object": "dispute", "charge": "ch_1"});
        let read = Envelope::of(&event("charge.dispute.created", &dispute)).unwrap();
        assert_eq!((read.charge.as_deref(), read.customer), (Some("ch_1"), None));
        let gone = json!({"id": "cus_9", "object": "customer"});
        let read = Envelope::of(&event("customer.deleted", &gone)).unwrap();
        assert_eq!(read.customer.as_deref(), Some("cus_9"));
    }

    #[test]
    fn the_contracts_events_are_handled_and_no_others() {
        let subscription = ["created", "updated", "deleted", "paused", "resumed", "trial_will_end"]
            .map(|it| format!("customer.subscription.{it}"));
        let invoice = ["paid", "payment_succeeded", "payment_failed", "payment_action_required"]
            .map(|it| format!("invoice.{it}"));
        let charge =
            ["refunded", "dispute.created", "dispute.closed"].map(|it| format!("charge.{it}"));
        let others = ["checkout.session.completed", "customer.deleted"].map(str::to_owned);
        let all: Vec<String> = [&subscription[..], &invoice, &charge, &others].concat();
        assert!(all.iter().all(|kind| HANDLED.contains(&kind.as_str())));
        assert_eq!(all.len(), HANDLED.len());
    }

    #[test]
    fn an_unknown_kind_is_an_event_all_the_same() {
        let read = Envelope::of(&event("radar.thing", &json!({"object": "thing"}))).unwrap();
        assert!(!read.is_handled());
    }

    #[test]
    fn what_is_not_an_event_is_said_to_be_none() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"id":"evt_1","type":"x"}"#,
            r#"{"id":"","type":"x","data":{"object":{}}}"#,
            "nul",
        ] {
            assert_eq!(Envelope::read(body.as_bytes()), Err(NotAnEvent), "{body}");
        }
    }
}
