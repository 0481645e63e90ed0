//! The books: every object of this little Stripe, in memory, behind one lock.
//!
//! Each noun lives on its own [`Shelf`]; the modules named after the nouns extend [`Books`] with
//! what can happen to them. Whatever changes an object says so through [`Books::emit`] or
//! [`Books::emit_change`], which is all that events and webhooks need. Nothing here does I/O: the
//! HTTP side, the hosted pages and the in-process test API all call the same plain functions.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::card::PaymentMethod;
use super::catalogue::{Price, Product};
use super::checkout::CheckoutSession;
use super::configuration::Configuration;
use super::customer::Customer;
use super::customer_balance::BalanceTransaction;
use super::dispute::Dispute;
use super::endpoint::WebhookEndpoint;
use super::event::{Event, EventRequest};
use super::failure::Failure;
use super::invoice::Invoice;
use super::invoice_payment::InvoicePayment;
use super::payment::{Charge, PaymentIntent};
use super::portal::PortalSession;
use super::refund::Refund;
use super::subscription::Subscription;

/// The version in whose shapes everything is written.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// An answer of the API: a JSON object or a failure.
pub(crate) type Answer = Result<Value, Failure>;

/// Something that is kept on a shelf.
pub(crate) trait Kept {
    /// How Stripe names it in `No such …`.
    const NOUN: &'static str;
    fn id(&self) -> &str;
    fn created(&self) -> i64;
}

/// Objects of one noun, in the order in which they were made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shelf<T> {
    order: Vec<String>,
    by_id: HashMap<String, T>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { order: Vec::new(), by_id: HashMap::new() }
    }
}

impl<T: Kept> Shelf<T> {
    /// Puts a new object on the shelf, or a changed one back in its place.
    pub(crate) fn put(&mut self, object: T) {
        let id = object.id().to_owned();
        if self.by_id.insert(id.clone(), object).is_none() {
            self.order.push(id);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get_mut(id)
    }

    /// The object, or Stripe's 404.
    pub(crate) fn find(&self, id: &str) -> Result<&T, Failure> {
        self.named(id, "id")
    }

    /// The object, or Stripe's 404 (400 when a parameter named it).
    pub(crate) fn named(&self, id: &str, param: &str) -> Result<&T, Failure> {
        self.get(id).ok_or_else(|| Failure::no_such(T::NOUN, id, param))
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    /// Newest first, as Stripe lists.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.iter().rev()
    }
}

/// What becomes of a subscription when the last retry of a payment has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterLastRetry {
    /// It is cancelled (what a new Stripe account does).
    #[default]
    Cancel,
    /// It becomes `unpaid`.
    MarkUnpaid,
    /// It stays `past_due`.
    LeavePastDue,
}

/// Everything that this Stripe knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Books {
    /// Where the hosted pages are: the address of this server, without a slash at the end.
    #[serde(skip)]
    pub(crate) url: String,
    /// The moment at which things happen, in Unix seconds. Time that is caught up with in one go
    /// (see `cycle`) passes here step by step.
    #[serde(skip)]
    pub(crate) now: i64,
    /// The API call that is being answered, for the events that it makes.
    #[serde(skip)]
    pub(crate) request: Option<EventRequest>,
    pub(crate) after_last_retry: AfterLastRetry,
    pub(crate) customers: Shelf<Customer>,
    #[serde(default)]
    pub(crate) balance_transactions: Shelf<BalanceTransaction>,
    pub(crate) products: Shelf<Product>,
    pub(crate) prices: Shelf<Price>,
    pub(crate) payment_methods: Shelf<PaymentMethod>,
    pub(crate) sessions: Shelf<CheckoutSession>,
    pub(crate) subscriptions: Shelf<Subscription>,
    pub(crate) invoices: Shelf<Invoice>,
    pub(crate) invoice_payments: Shelf<InvoicePayment>,
    pub(crate) payment_intents: Shelf<PaymentIntent>,
    pub(crate) charges: Shelf<Charge>,
    pub(crate) refunds: Shelf<Refund>,
    pub(crate) disputes: Shelf<Dispute>,
    pub(crate) events: Shelf<Event>,
    pub(crate) endpoints: Shelf<WebhookEndpoint>,
    pub(crate) configurations: Shelf<Configuration>,
    pub(crate) portal_sessions: Shelf<PortalSession>,
    /// Events that have just happened and that delivery has not looked at yet.
    #[serde(skip)]
    pub(crate) undelivered: VecDeque<String>,
}

impl Books {
    /// Records that something happened to `object`.
    pub(crate) fn emit(&mut self, kind: &str, object: Value) {
        self.record(kind, object, None);
    }

    /// Records a change of an object, with what its changed fields were before. No change, no event.
    pub(crate) fn emit_change(&mut self, kind: &str, before: &Value, after: Value) {
        let previous = difference(before, &after);
        if !previous.is_empty() {
            self.record(kind, after, Some(Value::Object(previous)));
        }
    }

    fn record(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        let pending = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(kind))
            .map(|endpoint| endpoint.id.clone())
            .collect();
        let event = Event::new(kind, object, previous, self.now, self.request.clone(), pending);
        self.undelivered.push_back(event.id.clone());
        self.events.put(event);
    }

    /// A list inside an object, complete.
    pub(crate) fn sublist(url: &str, data: &[Value]) -> Value {
        serde_json::json!({
            "object": "list", "data": data, "has_more": false, "url": url,
        })
    }
}

/// What the fields of `before` that `after` changed had been.
fn difference(before: &Value, after: &Value) -> Map<String, Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Map::new();
    };
    before
        .iter()
        .filter(|(key, value)| after.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Metadata as it is kept.
pub(crate) type Metadata = BTreeMap<String, String>;
