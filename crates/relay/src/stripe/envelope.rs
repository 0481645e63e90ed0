//! What a raw event is about, whatever its API version.
//!
//! An event is only ever taken to mean "this object is dirty": of its body we read who and what,
//! and nothing that could be out of date. Endpoints made before 2025-03-31.basil still receive
//! `invoice.subscription` and the like at their old places, and a replayed event keeps the shape
//! of the day it was made, so both shapes are read.
//!
//! A webhook waits for this, so the rest of the body, most of it, is passed over and nothing is made
//! of it.

use serde::Deserialize;
use serde::de::IgnoredAny;
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

impl Envelope {
    /// Reads an event's raw body.
    ///
    /// # Errors
    /// When it is not JSON, or has no id or type.
    pub fn read(body: &[u8]) -> Result<Self, NotAnEvent> {
        let text = std::str::from_utf8(body).map_err(|_| NotAnEvent)?;
        let event: Event = serde_json::from_str(text).map_err(|_| NotAnEvent)?;
        event.envelope(|| mentioned(&serde_json::from_str::<Value>(text).ok()?["data"]))
    }

    /// The same, from JSON that was parsed already.
    ///
    /// # Errors
    /// When it has no id or type.
    pub fn of(event: &Value) -> Result<Self, NotAnEvent> {
        let read = Event::deserialize(event).map_err(|_| NotAnEvent)?;
        read.envelope(|| mentioned(&event["data"]))
    }

    /// Whether the event can change anything here.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        HANDLED.contains(&self.kind.as_str())
    }
}

/// What is read of an event.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: Field,
    #[serde(default, rename = "type")]
    kind: Field,
    #[serde(default)]
    created: Field,
    /// Absent in the thin events of Stripe's second API.
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    object: Option<Object>,
}

/// What is read of the object that it is about, whichever that is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    id: Field,
    object: Field,
    customer: Field,
    charge: Field,
    invoice: Field,
    payment_intent: Field,
    setup_intent: Field,
    subscription: Field,
    parent: Part<Parent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parent {
    subscription_details: Part<SubscriptionDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubscriptionDetails {
    subscription: Field,
}

/// A field that may hold anything.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Number(i64),
    /// An expanded object.
    Object {
        #[serde(default)]
        id: Box<Self>,
    },
    Other(IgnoredAny),
}

impl Default for Field {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

/// An object that may be missing, or be something else.
#[derive(Deserialize)]
#[serde(untagged)]
enum Part<T> {
    Object(T),
    Other(IgnoredAny),
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

impl Field {
    fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// An id, or the id of an expanded object.
    fn reference(self) -> Option<String> {
        match self {
            Self::Object { id } => id.text(),
            plain => plain.text(),
        }
    }

    const fn number(&self) -> i64 {
        if let Self::Number(number) = self { *number } else { 0 }
    }
}

impl<T> Part<T> {
    fn object(self) -> Option<T> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }
}

impl Event {
    /// `mentioned` looks for a customer anywhere in the event.
    fn envelope(self, mentioned: impl FnOnce() -> Option<String>) -> Result<Envelope, NotAnEvent> {
        let id = self.id.text().filter(|id| !id.is_empty()).ok_or(NotAnEvent)?;
        let kind = self.kind.text().filter(|kind| !kind.is_empty()).ok_or(NotAnEvent)?;
        let handled = HANDLED.contains(&kind.as_str());
        let object = self.data.and_then(|data| data.object).unwrap_or_default();
        let object_type = object.object.text();
        let object_id = object.id.text();
        let is = |name: &str| object_type.as_deref() == Some(name);
        let customer = if is("customer") {
            object_id.clone()
        } else {
            // What is only kept must still be found when its customer is to be forgotten.
            object.customer.reference().or_else(|| if handled { None } else { mentioned() })
        };
        let charge = object.charge.reference();
        let subscription = object.subscription.reference();
        // The fields by which an object hangs on another that names its customer.
        let hooks = [
            charge.clone(),
            object.invoice.reference(),
            object.payment_intent.reference(),
            subscription.clone(),
            object.setup_intent.reference(),
        ];
        let hangs_on = hooks.into_iter().flatten().next();
        // At its present place, or where it was before 2025-03-31.basil.
        let parent = object.parent.object().and_then(|it| it.subscription_details.object());
        let of_parent = parent.and_then(|it| it.subscription.reference());
        Ok(Envelope {
            hangs_on: hangs_on.filter(|_| customer.is_none() && !handled),
            customer,
            subscription: if is("subscription") {
                object_id.clone()
            } else {
                of_parent.or(subscription)
            },
            charge: if is("charge") { object_id.clone() } else { charge },
            created: self.created.number(),
            id,
            kind,
            object_id,
            object_type,
        })
    }
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
    fn whatever_else_a_field_holds_it_says_nothing() {
        for odd in [json!(null), json!(7), json!([1]), json!({"id": 7}), json!({"x": "cus_1"})] {
            let object = json!({"id": odd, "object": "invoice", "customer": odd, "charge": odd,
                "subscription": odd, "parent": odd});
            let mut event = event("invoice.paid", &object);
            event["created"] = json!("yesterday");
            let read = Envelope::read(event.to_string().as_bytes()).expect("an event");
            assert_eq!(Envelope::of(&event), Ok(read.clone()));
            let Envelope { customer, charge, subscription, object_id, created, .. } = read;
            assert_eq!((customer, charge, subscription, object_id), (None, None, None, None));
            assert_eq!(created, 0);
        }
    }

    #[test]
    fn of_what_is_only_kept_the_customer_is_found_wherever_it_stands() {
        let object = json!({"object": "thing", "charge": "ch_1", "lines": [{"owner": "cus_7"}]});
        let read = Envelope::of(&event("radar.thing", &object)).expect("an event");
        assert_eq!((read.customer.as_deref(), read.hangs_on), (Some("cus_7"), None));
        let object = json!({"object": "thing", "invoice": {"id": "in_1"}});
        let read = Envelope::of(&event("radar.thing", &object)).expect("an event");
        assert_eq!((read.customer, read.hangs_on.as_deref()), (None, Some("in_1")));
    }

    #[test]
    fn an_unknown_kind_is_an_event_all_the_same() {
        let read = Envelope::of(&event("radar.thing", &json!({"object": "thing"}))).unwrap();
        assert!(!read.is_handled());
    }

    #[test]
    fn a_thin_event_is_kept_although_it_holds_no_object() {
        for thin in [
            r#"{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.no_meter_found"}"#,
            r#"{"id":"evt_1","type":"x","data":null}"#,
            r#"{"id":"evt_1","type":"x","data":{"reason":"y"}}"#,
        ] {
            let read = Envelope::read(thin.as_bytes()).expect("an event");
            assert_eq!((read.id.as_str(), read.object_id, read.customer), ("evt_1", None, None));
        }
    }

    #[test]
    fn what_is_not_an_event_is_said_to_be_none() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"id":"evt_1"}"#,
            r#"{"id":"","type":"x","data":{"object":{}}}"#,
            "nul",
        ] {
            assert_eq!(Envelope::read(body.as_bytes()), Err(NotAnEvent), "{body}");
        }
    }
}
