//! What becomes of a subscription: changed, cancelled, overdue, paid back, disputed, doubled.

use crate::support::gate::Gate;
use crate::support::shop::*;
use crate::support::{ANA, World};
use autocrea_protocol::{GenerationId, Tokens};
use autocrea_relay::billing::{apply, customers, reconcile};
use autocrea_relay::ledger::{self, ReserveRequest};
use autocrea_sandbox::stripe::{AfterLastRetry, Proration, TestCard};
use serde_json::{Value, json};

const MONTH: i64 = 500_000;
const FREE: i64 = 20_000;

fn remaining(account: &Value) -> i64 {
    account["tokens"]["remaining"].as_i64().expect("a number")
}

fn plan(account: &Value) -> &str {
    text(&account["subscription"], "planId")
}

fn change(world: &World, subscription: &str, price: &str) {
    stripe(world).change_plan(subscription, price, Proration::AlwaysInvoice).expect("a change");
}

/// The bank takes the newest payment back; the dispute, once only so much is left.
async fn disputed(world: &World, left: i64) -> String {
    let charge = newest_charge(world).await;
    let dispute = stripe(world).dispute(&charge).expect("a charge");
    until(world, |it| remaining(it) == left).await;
    text(&dispute, "id").to_owned()
}

#[tokio::test]
async fn cancelling_in_the_flexible_way_shows_and_can_be_taken_back() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    let cancelled = stripe(&world).cancel_at_period_end(&subscription).expect("a subscription");
    assert_eq!(cancelled["cancel_at_period_end"], false, "the boolean stays false");
    let account = until(&world, |it| it["subscription"]["cancelAtPeriodEnd"] == true).await;
    assert_eq!((plan(&account), remaining(&account)), ("creator", MONTH + FREE));
    stripe(&world).resume(&subscription).expect("a subscription");
    until(&world, |it| it["subscription"]["cancelAtPeriodEnd"] == false).await;
    stripe(&world).cancel_at_period_end(&subscription).expect("a subscription");
    pass_time(&world, DAY * 32).await;
    let account = self::account(&world).await;
    assert_eq!(plan(&account), "free");
    assert_eq!(account["subscription"]["status"], "canceled");
    assert_eq!(remaining(&account), FREE, "the new month's");
}

#[tokio::test]
async fn a_renewal_ends_the_old_lot_and_brings_the_new_one() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, 100_000).await;
    pass_time(&world, DAY * 32).await;
    let account = self::account(&world).await;
    assert_eq!(plan(&account), "creator");
    assert_eq!(remaining(&account), MONTH, "nothing is carried over");
    verify(&world).await;
}

#[tokio::test]
async fn an_upgrade_brings_the_share_that_was_paid_for_and_going_up_again_brings_nothing() {
    let world = open().await;
    let prices = stripe(&world).prices();
    let subscription = buy(&world, "creator", "month").await;
    pass_time(&world, DAY * 15).await;
    let before = remaining(&account(&world).await);
    change(&world, &subscription, &prices.pro);
    let up = until(&world, |it| plan(it) == "pro").await;
    settle(&world).await;
    let gained = remaining(&account(&world).await) - before;
    assert!((450_000..=550_000).contains(&gained), "half a month of the difference: {gained}");
    assert_eq!(up["subscription"]["status"], "active");
    change(&world, &subscription, &prices.creator);
    until(&world, |it| plan(it) == "creator").await;
    change(&world, &subscription, &prices.pro);
    until(&world, |it| plan(it) == "pro").await;
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), before + gained);
    verify(&world).await;
}

#[tokio::test]
async fn a_downgrade_at_the_periods_end_keeps_the_plan_until_then() {
    let world = open().await;
    let subscription = buy(&world, "pro", "month").await;
    let creator = stripe(&world).prices().creator;
    stripe(&world).change_plan_at_period_end(&subscription, &creator).expect("a change");
    settle(&world).await;
    let now = account(&world).await;
    assert_eq!((plan(&now), remaining(&now)), ("pro", 1_500_000 + FREE));
    pass_time(&world, DAY * 32).await;
    let then = account(&world).await;
    assert_eq!((plan(&then), remaining(&then)), ("creator", MONTH));
    verify(&world).await;
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_paid_brings_neither_plan_nor_tokens() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    use_card(&world, TestCard::FailsWhenCharged).await;
    change(&world, &subscription, &stripe(&world).prices().business);
    let account = until(&world, |it| it["subscription"]["status"] == "past_due").await;
    assert_eq!((plan(&account), remaining(&account)), ("creator", MONTH + FREE));
}

#[tokio::test]
async fn from_month_to_year_is_a_new_period_with_a_lot_a_month() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    spend(&world, FREE + 200_000).await;
    pass_time(&world, DAY).await;
    change(&world, &subscription, &stripe(&world).prices().creator_yearly);
    let account = until(&world, |it| it["subscription"]["interval"] == "year").await;
    settle(&world).await;
    assert_eq!(remaining(&self::account(&world).await), MONTH, "the older lot's rest has ended");
    let period = account["subscription"]["currentPeriodEnd"].as_i64().expect("a time")
        - account["subscription"]["currentPeriodStart"].as_i64().expect("a time");
    assert!(period > 364 * 86_400_000, "it stays the year's");
    verify(&world).await;
}

#[tokio::test]
async fn a_year_brings_its_tokens_month_by_month_without_asking_stripe() {
    let world = open().await;
    buy(&world, "creator", "year").await;
    settle(&world).await;
    spend(&world, 300_000).await;
    stripe(&world).set_down(true);
    for month in 2..=4 {
        world.clock.advance(DAY * 31);
        sweep(&world).await;
        let account = self::account(&world).await;
        assert_eq!((plan(&account), remaining(&account)), ("creator", MONTH));
        let grants = grants(&world).await;
        let newest = &grants.last().expect("a grant").0;
        assert!(newest.ends_with(&format!(":{month}")), "{newest}");
    }
    verify(&world).await;
}

#[tokio::test]
async fn overdue_keeps_the_plan_for_seven_days_and_paying_brings_everything_back() {
    let world = open().await;
    stripe(&world).after_last_retry(AfterLastRetry::LeavePastDue);
    buy(&world, "creator", "month").await;
    use_card(&world, TestCard::FailsWhenCharged).await;
    pass_time(&world, DAY * 31).await;
    let overdue = account(&world).await;
    assert_eq!(overdue["subscription"]["status"], "past_due");
    assert_eq!((plan(&overdue), remaining(&overdue)), ("creator", 0), "no new grant");
    let until_at = overdue["subscription"]["graceUntil"].as_i64().expect("a time");
    let start = overdue["subscription"]["currentPeriodStart"].as_i64().expect("a time");
    assert!((until_at - start - 7 * 86_400_000).abs() < 2 * 86_400_000);
    pass_time(&world, DAY * 8).await;
    let after = account(&world).await;
    assert_eq!((plan(&after), text(&after["subscription"], "status")), ("free", "past_due"));
    assert_eq!(after["subscription"]["graceUntil"], until_at, "counted from the first attempt");
    use_card(&world, TestCard::Pays).await;
    let customer = customer(&world).await.expect("a customer");
    let open = call(&world, "GET", "invoices", &format!("customer={customer}&status=open"));
    call(&world, "POST", &format!("invoices/{}/pay", text(&open["data"][0], "id")), "");
    let paid =
        crate::support::shop::until(&world, |it| it["subscription"]["status"] == "active").await;
    assert_eq!(plan(&paid), "creator");
    settle(&world).await;
    let paid = account(&world).await;
    assert!(remaining(&paid) >= MONTH);
    assert_eq!(paid["subscription"]["graceUntil"], Value::Null);
    verify(&world).await;
}

#[tokio::test]
async fn cancelled_at_once_keeps_what_was_paid_and_opens_checkout_again() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    stripe(&world).cancel_now(&subscription).expect("a subscription");
    let account = until(&world, |it| it["subscription"]["status"] == "canceled").await;
    assert_eq!((plan(&account), remaining(&account)), ("creator", MONTH + FREE));
    let session = checkout(&world, "pro", "month").await;
    assert!(session.get("kind").is_none(), "a checkout, not the portal");
    pay(&world, text(&session, "sessionId"));
    let account = until(&world, |it| plan(it) == "pro").await;
    assert_eq!(account["subscription"]["status"], "active");
    settle(&world).await;
    assert_eq!(remaining(&self::account(&world).await), 1_500_000 + FREE);
    verify(&world).await;
}

#[tokio::test]
async fn cancelled_at_once_becomes_free_when_its_time_is_over() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    stripe(&world).cancel_now(&subscription).expect("a subscription");
    until(&world, |it| it["subscription"]["status"] == "canceled").await;
    settle(&world).await;
    stripe(&world).set_down(true);
    world.clock.advance(DAY * 32);
    sweep(&world).await;
    let account = self::account(&world).await;
    assert_eq!((plan(&account), remaining(&account)), ("free", FREE));
}

#[tokio::test]
async fn cancelled_and_paid_back_is_free_now() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let charge = newest_charge(&world).await;
    stripe(&world).refund(&charge, None).expect("a charge");
    until(&world, |it| remaining(it) == 0).await;
    stripe(&world).cancel_now(&subscription).expect("a subscription");
    let account = until(&world, |it| plan(it) == "free").await;
    assert_eq!(remaining(&account), 0);
    verify(&world).await;
}

#[tokio::test]
async fn a_part_paid_back_is_that_part_of_the_lot_once() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    let charge = newest_charge(&world).await;
    stripe(&world).refund(&charge, Some(725)).expect("a charge");
    until(&world, |it| remaining(it) == FREE + 375_000).await;
    for event in stripe(&world).events() {
        stripe(&world).deliver(&event.id).await;
    }
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), FREE + 375_000);
    stripe(&world).refund(&charge, Some(725)).expect("a charge");
    let account = until(&world, |it| remaining(it) == FREE + 250_000).await;
    assert_eq!(plan(&account), "creator");
    verify(&world).await;
}

#[tokio::test]
async fn a_refund_takes_no_more_than_is_unspent() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 450_000).await;
    let charge = newest_charge(&world).await;
    stripe(&world).refund(&charge, Some(1450)).expect("a charge");
    until(&world, |it| remaining(it) == 0).await;
    verify(&world).await;
}

#[tokio::test]
async fn a_dispute_takes_what_is_unspent_and_a_won_one_gives_it_back() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let dispute = disputed(&world, 0).await;
    stripe(&world).decide_dispute(&dispute, true).expect("a dispute");
    until(&world, |it| remaining(it) == 400_000).await;
    settle(&world).await;
    let source = format!("dispute_won:{dispute}");
    assert!(grants(&world).await.contains(&(source, 400_000)));
    for event in stripe(&world).events() {
        stripe(&world).deliver(&event.id).await;
    }
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), 400_000);
    verify(&world).await;
}

#[tokio::test]
async fn a_dispute_that_is_announced_is_found_before_its_charge_says_so() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    let customer = customer(&world).await.expect("a customer");
    let late = call(&world, "GET", "charges", &format!("customer={customer}"));
    assert_eq!(late["data"][0]["disputed"], false);
    gate.instead("/v1/charges?", 200, &late.to_string());
    disputed(&world, FREE).await;
    verify(&world).await;
}

/// Begins a generation of Ana's that holds so much; how to end it.
async fn hold(world: &World, tokens: i64) -> GenerationId {
    let (user, generation) = (world.user(ANA), GenerationId(uuid::Uuid::now_v7()));
    let lease = world.relay.app.lease.id().to_owned();
    let request = ReserveRequest { user, generation, tokens: Tokens(tokens), lease };
    let reserved = world.relay.app.db.write(move |tx| ledger::reserve(tx, &request)).await;
    reserved.expect("a database");
    generation
}

async fn end_charging(world: &World, generation: GenerationId, tokens: i64) {
    let user = world.user(ANA);
    let ended = world
        .relay
        .app
        .db
        .write(move |tx| ledger::settle(tx, &user, generation, Tokens(tokens)))
        .await;
    ended.expect("a database");
}

#[tokio::test]
async fn a_won_dispute_gives_back_no_more_than_it_took() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let generation = hold(&world, 150_000).await;
    let dispute = disputed(&world, 0).await;
    end_charging(&world, generation, 100_000).await;
    stripe(&world).decide_dispute(&dispute, true).expect("a dispute");
    until(&world, |it| remaining(it) == 300_000).await;
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), 300_000);
    verify(&world).await;
}

#[tokio::test]
async fn what_a_generation_gives_back_after_a_won_dispute_stays() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let generation = hold(&world, 150_000).await;
    let dispute = disputed(&world, 0).await;
    stripe(&world).decide_dispute(&dispute, true).expect("a dispute");
    until(&world, |it| remaining(it) == 250_000).await;
    end_charging(&world, generation, 100_000).await;
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), 300_000);
    verify(&world).await;
}

/// Makes Ana stand as if Stripe had said that so much of her only invoice was paid back: the sandbox
/// refunds no charge that was ever disputed.
async fn paid_back(world: &World, refunded: i64) {
    let (user, name) = (world.user(ANA), customer(world).await.expect("a customer"));
    let book = std::sync::Arc::clone(&world.relay.app.billing.book);
    let applied = world.relay.app.db.write(move |tx| {
        let mut facts = customers::facts_of(tx, &name)?.expect("facts");
        facts.invoices[0].refunded = refunded;
        apply::apply(tx, &user, &name, &facts, &book)
    });
    applied.await.expect("the rules agree");
}

#[tokio::test]
async fn a_refund_after_a_won_dispute_takes_what_the_dispute_gave_back() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let dispute = disputed(&world, 0).await;
    stripe(&world).decide_dispute(&dispute, true).expect("a dispute");
    until(&world, |it| remaining(it) == 400_000).await;
    settle(&world).await;
    // Again and again the same: nothing more is taken.
    for (refunded, left) in [(725, 275_000), (725, 275_000), (2900, 0), (2900, 0)] {
        paid_back(&world, refunded).await;
        assert_eq!(remaining(&account(&world).await), left);
    }
    verify(&world).await;
}

#[tokio::test]
async fn a_dispute_after_a_part_was_paid_back_gives_back_only_what_it_took() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    spend(&world, FREE + 100_000).await;
    let charge = newest_charge(&world).await;
    stripe(&world).refund(&charge, Some(725)).expect("a charge");
    until(&world, |it| remaining(it) == 275_000).await;
    let dispute = disputed(&world, 0).await;
    stripe(&world).decide_dispute(&dispute, true).expect("a dispute");
    until(&world, |it| remaining(it) == 275_000).await;
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), 275_000);
    verify(&world).await;
}

#[tokio::test]
async fn a_lost_dispute_gives_nothing_back() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    let dispute = disputed(&world, FREE).await;
    stripe(&world).decide_dispute(&dispute, false).expect("a dispute");
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), FREE);
}

#[tokio::test]
async fn of_two_live_subscriptions_the_later_is_cancelled_and_paid_back() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = account(&world).await;
    pass_time(&world, std::time::Duration::from_secs(5)).await;
    let later = subscribe_beside(&world, &stripe(&world).prices().pro, "").await;
    settle(&world).await;
    settle(&world).await;
    let later = call(&world, "GET", &format!("subscriptions/{later}"), "");
    assert_eq!(later["status"], "canceled");
    let charge = newest_charge(&world).await;
    assert_eq!(call(&world, "GET", &format!("charges/{charge}"), "")["refunded"], true);
    let after = account(&world).await;
    assert_eq!(after["subscription"], before["subscription"]);
    assert_eq!(remaining(&after), remaining(&before));
}

#[tokio::test]
async fn a_subscription_too_many_that_is_paid_for_after_its_end_is_paid_back_too() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    // It is overdue by the time the relay hears of it.
    gate.instead("/v1/", 503, "{}");
    let price = stripe(&world).prices().pro;
    let later = subscribe_beside(&world, &price, "&trial_period_days=1").await;
    use_card(&world, TestCard::FailsWhenCharged).await;
    stripe(&world).sign_with_own_clock(true);
    stripe(&world).advance(DAY * 2);
    world.clock.advance(DAY * 2);
    gate.mend();
    settle(&world).await;
    let path = format!("subscriptions/{later}");
    assert_eq!(call(&world, "GET", &path, "")["status"], "canceled");
    let customer = customer(&world).await.expect("a customer");
    let form = format!("customer={customer}&subscription={later}&status=open");
    let open = call(&world, "GET", "invoices", &form);
    let invoice = open["data"][0]["id"].as_str().expect("an open invoice").to_owned();
    use_card(&world, TestCard::Pays).await;
    let method = call(&world, "GET", &format!("customers/{customer}"), "");
    let method = text(&method["invoice_settings"], "default_payment_method");
    let form = format!("payment_method={method}");
    call(&world, "POST", &format!("invoices/{invoice}/pay"), &form);
    settle(&world).await;
    let charge = newest_charge(&world).await;
    assert_eq!(call(&world, "GET", &format!("charges/{charge}"), "")["refunded"], true);
    let sources = grants(&world).await.into_iter().map(|(source, _)| source);
    assert!(!sources.collect::<String>().contains(&invoice), "it brings nothing");
}

#[tokio::test]
async fn a_refund_of_one_of_several_payments_is_a_share_of_all_of_them() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let customer = customer(&world).await.expect("a customer");
    let form = format!("customer={customer}");
    let invoice = call(&world, "GET", "invoices", &form)["data"][0]["id"].clone();
    let paid = call(&world, "GET", "charges", &form)["data"][0]["amount"].as_i64().expect("paid");
    let half = |name: &str, refunded: i64| {
        json!({"id": format!("ch_{name}"), "payment_intent": format!("pi_{name}"),
            "status": "succeeded", "amount": paid / 2, "amount_refunded": refunded, "created": 1})
    };
    let charges = json!({"data": [half("half_a", paid / 2), half("half_b", 0)]});
    gate.instead("/v1/charges?", 200, &charges.to_string());
    let payment = json!({"id": "inpay_a", "invoice": invoice, "status": "paid",
        "payment": {"payment_intent": "pi_half_a"}});
    gate.instead("pi_half_a", 200, &json!({"data": [payment]}).to_string());
    settle(&world).await;
    assert_eq!(remaining(&account(&world).await), FREE + MONTH / 2);
    verify(&world).await;
}

async fn balance(world: &World) -> i64 {
    let customer = customer(world).await.expect("a customer");
    let customer = call(world, "GET", &format!("customers/{customer}"), "");
    customer["balance"].as_i64().expect("a number")
}

#[tokio::test]
async fn credit_that_paid_for_a_subscription_too_many_is_put_back_once() {
    // It pays for all of it, or for a part.
    for credit in [-10_000, -1_000] {
        let world = open().await;
        buy(&world, "creator", "month").await;
        settle(&world).await;
        let customer = customer(&world).await.expect("a customer");
        call(&world, "POST", &format!("customers/{customer}"), &format!("balance={credit}"));
        pass_time(&world, std::time::Duration::from_secs(5)).await;
        let later = subscribe_beside(&world, &stripe(&world).prices().pro, "").await;
        settle(&world).await;
        settle(&world).await;
        let later = call(&world, "GET", &format!("subscriptions/{later}"), "");
        assert_eq!(later["status"], "canceled");
        assert_eq!(balance(&world).await, credit);
        // A relay that died before it had written that down does it again, long after Stripe has
        // forgotten the key.
        world.place.run("UPDATE duplicate_subscriptions SET undone_at = NULL");
        pass_time(&world, DAY * 2).await;
        reconcile::pass(&world.relay.app.billing, false).await.expect("Stripe answers");
        assert_eq!(balance(&world).await, credit);
        let path = format!("/v1/customers/{customer}/balance_transactions");
        let put_back = stripe(&world).requests().into_iter();
        let put_back = put_back.filter(|one| one.method == "POST" && one.path == path);
        assert_eq!(put_back.count(), 1);
    }
}

#[tokio::test]
async fn a_trial_has_the_plans_tokens_and_the_first_payment_brings_them_anew() {
    let world = open().await;
    begin_trial(&world).await;
    let account = self::account(&world).await;
    assert_eq!((plan(&account), remaining(&account)), ("creator", MONTH + FREE));
    spend(&world, FREE + 100_000).await;
    pass_time(&world, DAY * 15).await;
    let account = self::account(&world).await;
    assert_eq!(account["subscription"]["status"], "active");
    let plan_grants: Vec<i64> = grants(&world)
        .await
        .into_iter()
        .filter(|(source, _)| source.starts_with("invoice:"))
        .map(|(_, tokens)| tokens)
        .collect();
    assert_eq!(plan_grants, [MONTH, MONTH], "one for the trial, one for the payment");
    verify(&world).await;
}

#[tokio::test]
async fn a_pause_is_free_until_it_ends() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    stripe(&world).pause(&subscription).expect("a subscription");
    let account = until(&world, |it| it["subscription"]["status"] == "paused").await;
    assert_eq!(plan(&account), "free");
    stripe(&world).unpause(&subscription).expect("a pause");
    until(&world, |it| plan(it) == "creator").await;
}
