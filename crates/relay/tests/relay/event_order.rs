//! The law of billing: whatever order Stripe's events come in, however often, and whatever Stripe
//! says in between, the end is the same as if each had come once and in its turn.
//!
//! Two relays look at one Stripe. The first takes every event at once and in order. The second is
//! given, while the story goes on, some of the events so far in any order and number, and in the
//! end all of them, shuffled. Then both must stand the same.

use crate::support::place::Place;
use autocrea_protocol::{AccountSnapshot, UserId};
use autocrea_relay::billing::inbox::Arrival;
use autocrea_relay::billing::packed::Packed;
use autocrea_relay::billing::{Billing, inbox, refresh, worker};
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_relay::db::{Db, DbError};
use autocrea_relay::lang::Lang;
use autocrea_relay::stripe::envelope::Envelope;
use autocrea_relay::{account, ledger};
use autocrea_sandbox::stripe::{AfterLastRetry, Proration, Stripe, TestCard};
use autocrea_sandbox::{Options, Sandbox};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ANA: &str = "user_ana";
const DAY: Duration = Duration::from_secs(86_400);

/// What can happen to a customer.
#[derive(Clone, Debug)]
enum Step {
    Buy(usize),
    Change(usize),
    CancelAtPeriodEnd,
    Resume,
    CancelNow,
    Days(u32),
    CardFails,
    CardPaysAgain,
    RefundPart(u8),
    Dispute,
    DecideDispute(bool),
    SecondSubscription(usize),
    Trial(usize),
    Pause,
    Unpause,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_usize).prop_map(Step::Buy),
        4 => (0..6_usize).prop_map(Step::Change),
        1 => Just(Step::CancelAtPeriodEnd),
        1 => Just(Step::Resume),
        1 => Just(Step::CancelNow),
        4 => (1..45_u32).prop_map(Step::Days),
        1 => Just(Step::CardFails),
        2 => Just(Step::CardPaysAgain),
        2 => (1..=100_u8).prop_map(Step::RefundPart),
        1 => Just(Step::Dispute),
        2 => any::<bool>().prop_map(Step::DecideDispute),
        1 => (0..6_usize).prop_map(Step::SecondSubscription),
        1 => (0..6_usize).prop_map(Step::Trial),
        1 => Just(Step::Pause),
        1 => Just(Step::Unpause),
    ]
}

/// What the second relay is given after a step: indices into the events so far.
fn deliveries() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..4)
}

fn story() -> impl Strategy<Value = Vec<(Step, Vec<prop::sample::Index>)>> {
    let first = ((0..6_usize).prop_map(Step::Buy), deliveries()).prop_map(|it| vec![it]);
    let rest = prop::collection::vec((step(), deliveries()), 0..7);
    (first, rest).prop_map(|(mut first, rest)| {
        first.extend(rest);
        first
    })
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// Stripe and its only customer.
struct Shop<'s> {
    stripe: &'s Stripe,
    customer: String,
}

impl Shop<'_> {
    fn list(&self, path: &str, form: &str) -> Vec<Value> {
        let form = format!("customer={}&limit=100{form}", self.customer);
        let page = self.stripe.call("GET", path, &form).expect("a list");
        page["data"].as_array().expect("data").clone()
    }

    fn live(&self) -> Option<String> {
        let all = self.list("subscriptions", "&status=all");
        let live = |one: &&Value| {
            let status = one["status"].as_str().unwrap_or_default();
            ["active", "trialing", "past_due", "unpaid", "paused"].contains(&status)
        };
        all.iter().rfind(live).map(id)
    }

    /// Stripe pauses what was in a trial, not what was paid for by the year.
    fn is_yearly(&self, subscription: &str) -> bool {
        let path = format!("subscriptions/{subscription}");
        let one = self.stripe.call("GET", &path, "").expect("a subscription");
        one["items"]["data"][0]["price"]["recurring"]["interval"] == "year"
    }

    fn price(&self, which: usize) -> String {
        let prices = self.stripe.prices();
        let all = [
            prices.creator,
            prices.creator_yearly,
            prices.pro,
            prices.pro_yearly,
            prices.business,
            prices.business_yearly,
        ];
        all[which].clone()
    }

    /// Does what can be done of a step; what cannot be, does not happen.
    fn take(&self, step: &Step) {
        let live = self.live();
        let stripe = self.stripe;
        match (step, live) {
            (Step::Buy(which), None) => self.buy(&self.price(*which)),
            (Step::Change(which), Some(subscription)) => {
                let price = self.price(*which);
                stripe.change_plan(&subscription, &price, Proration::AlwaysInvoice).ok();
            }
            (Step::CancelAtPeriodEnd, Some(subscription)) => {
                stripe.cancel_at_period_end(&subscription).ok();
            }
            (Step::Resume, Some(subscription)) => {
                stripe.resume(&subscription).ok();
            }
            (Step::CancelNow, Some(subscription)) => {
                stripe.cancel_now(&subscription).ok();
            }
            (Step::CardFails, Some(_)) => {
                stripe.set_card(&self.customer, TestCard::FailsWhenCharged).ok();
            }
            (Step::CardPaysAgain, _) => {
                stripe.set_card(&self.customer, TestCard::Pays).ok();
                for invoice in self.list("invoices", "&status=open") {
                    stripe.call("POST", &format!("invoices/{}/pay", id(&invoice)), "").ok();
                }
            }
            (Step::RefundPart(percent), _) => {
                let charges = self.list("charges", "");
                if let Some(charge) = charges.iter().find(|one| one["status"] == "succeeded") {
                    let amount = charge["amount"].as_i64().expect("an amount");
                    let part = (amount * i64::from(*percent) / 100).max(1);
                    stripe.refund(&id(charge), Some(part)).ok();
                }
            }
            (Step::Dispute, _) => {
                let charges = self.list("charges", "");
                if let Some(charge) = charges.iter().find(|one| one["status"] == "succeeded") {
                    stripe.dispute(&id(charge)).ok();
                }
            }
            (Step::DecideDispute(won), _) => {
                let all = stripe.call("GET", "disputes", "limit=100").expect("a list");
                for dispute in all["data"].as_array().expect("data") {
                    stripe.decide_dispute(&id(dispute), *won).ok();
                }
            }
            (Step::SecondSubscription(which), Some(_)) => {
                let form =
                    format!("customer={}&items[0][price]={}", self.customer, self.price(*which));
                stripe.call("POST", "subscriptions", &form).ok();
            }
            (Step::Trial(which), None) => {
                let form = format!(
                    "customer={}&items[0][price]={}&trial_period_days=20",
                    self.customer,
                    self.price(*which)
                );
                stripe.call("POST", "subscriptions", &form).ok();
            }
            (Step::Pause, Some(subscription)) if !self.is_yearly(&subscription) => {
                stripe.pause(&subscription).ok();
            }
            (Step::Unpause, Some(subscription)) => {
                stripe.unpause(&subscription).ok();
            }
            _ => {}
        }
    }

    fn buy(&self, price: &str) {
        let form = format!(
            "mode=subscription&customer={}&line_items[0][price]={price}&line_items[0][quantity]=1\
             &success_url=http://127.0.0.1/a&cancel_url=http://127.0.0.1/b",
            self.customer
        );
        let session = self.stripe.call("POST", "checkout/sessions", &form).expect("a session");
        self.stripe.pay(&id(&session), "4242424242424242").expect("a payment");
    }

    fn events(&self) -> Vec<Value> {
        let all = self.stripe.events();
        all.iter().filter_map(|event| self.stripe.event(&event.id)).collect()
    }
}

/// A relay's billing, worked by hand.
struct Desk {
    billing: Arc<Billing>,
    _place: Place,
}

impl Desk {
    async fn open(sandbox: &Sandbox, clock: &Clock) -> Self {
        let place = Place::new();
        let environment =
            crate::support::environment(sandbox, "http://127.0.0.1:5000", &place, &[]);
        let config = Config::from_layers(None, &environment).expect("a configuration");
        let db = Db::open(&config.database, clock.clone(), Changes::default()).expect("a database");
        let plans = config.plans.clone();
        db.write(move |tx| account::see(tx, &UserId::from(ANA), Lang::Es, &plans))
            .await
            .expect("a person");
        let stopping = CancellationToken::new();
        let billing = Billing::new(Arc::new(config), db, clock.clone(), stopping);
        Self { billing: billing.expect("a client"), _place: place }
    }

    /// What the webhook does.
    async fn receive(&self, events: &[Value]) {
        for event in events {
            let payload = Packed::of(event.to_string().as_bytes());
            let arrival = Arrival { event: Envelope::of(event).expect("an event"), payload };
            self.billing
                .db
                .write(move |tx| inbox::receive(tx, &[arrival]))
                .await
                .expect("a database");
        }
    }

    /// Receives, works, and lets a repeated delivery be worked on again.
    async fn take(&self, events: &[Value]) {
        self.receive(events).await;
        worker::pass(&self.billing).await.expect("Stripe answers");
        for event in events {
            let id = id(event);
            self.billing.db.write(move |tx| inbox::replay(tx, &id)).await.expect("a database");
        }
        worker::pass(&self.billing).await.expect("Stripe answers");
    }

    async fn sweep(&self) {
        let db = &self.billing.db;
        while db.write(|tx| ledger::expire_due_of_all(tx, 100)).await.expect("a database") > 0 {}
        while refresh::sweep(&self.billing).await.expect("a database") > 0 {}
    }

    async fn standing(&self) -> AccountSnapshot {
        let differences = self.billing.db.read(ledger::verify).await.expect("a database");
        assert!(differences.is_empty(), "{differences:?}");
        let snapshot = self
            .billing
            .db
            .read(|tx| account::snapshot(tx, &UserId::from(ANA)))
            .await
            .expect("a snapshot");
        // Versions count changes, and the person was made twice.
        let mut user = snapshot.user.clone();
        (user.created_at, user.updated_at) = Default::default();
        AccountSnapshot { version: 0, user, ..snapshot }
    }

    async fn unfinished(&self) -> Result<i64, DbError> {
        let sql = "SELECT COUNT(*) FROM stripe_events WHERE state IN ('pending', 'failed')";
        self.billing.db.read(move |tx| tx.query_one(sql, &[], |row| row.get(0))).await
    }
}

async fn tell(story: &[(Step, Vec<prop::sample::Index>)], last: u64) {
    let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
    let stripe = &sandbox.stripe;
    stripe.hold(true);
    stripe.after_last_retry(AfterLastRetry::Cancel);
    let form = format!("email=ana@example.com&metadata[userId]={ANA}");
    let customer = id(&stripe.call("POST", "customers", &form).expect("a customer"));
    let shop = Shop { stripe, customer };
    let clock = Clock::system();
    let (orderly, disorderly) =
        (Desk::open(&sandbox, &clock).await, Desk::open(&sandbox, &clock).await);
    let mut taken = 0;
    for (number, (step, indices)) in story.iter().enumerate() {
        if let Step::Days(days) = step {
            clock.advance(DAY * *days);
            stripe.advance(DAY * *days);
        } else {
            shop.take(step);
            // Stripe counts in seconds, and every other change follows within the same one.
            if number % 2 == 0 {
                clock.advance(Duration::from_secs(60));
                stripe.advance(Duration::from_secs(60));
            }
        }
        let events = shop.events();
        orderly.take(&events[taken..]).await;
        orderly.sweep().await;
        taken = events.len();
        let some: Vec<Value> = indices.iter().map(|index| index.get(&events).clone()).collect();
        disorderly.take(&some).await;
        disorderly.sweep().await;
    }
    // What the relays did themselves (undoing a second subscription) makes events, too.
    for _ in 0..2 {
        let mut events = shop.events();
        orderly.take(&events).await;
        shuffle(&mut events, last);
        disorderly.take(&events).await;
    }
    orderly.sweep().await;
    disorderly.sweep().await;
    assert_eq!(orderly.unfinished().await.expect("a database"), 0);
    assert_eq!(disorderly.unfinished().await.expect("a database"), 0);
    pretty_assertions(&orderly.standing().await, &disorderly.standing().await);
}

fn pretty_assertions(orderly: &AccountSnapshot, disorderly: &AccountSnapshot) {
    assert_eq!(
        serde_json::to_string_pretty(orderly).expect("JSON"),
        serde_json::to_string_pretty(disorderly).expect("JSON"),
        "left in order, right in disorder"
    );
}

/// Fisher and Yates, by a small generator: the seed is what proptest shrinks.
fn shuffle<T: Clone>(events: &mut Vec<T>, mut seed: u64) {
    let again: Vec<T> = events.iter().step_by(3).cloned().collect();
    events.extend(again);
    for last in (1..events.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).expect("31 bits") % (last + 1);
        events.swap(last, other);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_of_the_events_ends_in_one_state(story in story(), last: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
        runtime.block_on(tell(&story, last));
    }
}
