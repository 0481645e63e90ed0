//! The rules of the contract, one sentence each.

use super::facts::{DisputeFact, Facts, InvoiceFact, LineFact, Standing, Status, SubscriptionFact};
use super::fold::{FoldError, Outcome, fold};
use super::lots::Lot;
use super::pricebook::PriceBook;
use autocrea_protocol::account::{Interval, Subscription, SubscriptionStatus};
use autocrea_protocol::{PlanId, Tokens, UnixMillis};
use std::collections::HashSet;

const DAY: i64 = 86_400;
const T0: i64 = 1_790_000_000;
const MONTH: i64 = 30 * DAY;

fn book() -> PriceBook {
    let plan = |id: &str| PlanId::from(id);
    PriceBook::new(7 * DAY * 1000)
        .with(&plan("creator"), Tokens(500_000), &[(Interval::Month, "c"), (Interval::Year, "cy")])
        .with(&plan("pro"), Tokens(1_500_000), &[(Interval::Month, "p"), (Interval::Year, "py")])
        .with(&plan("business"), Tokens(5_000_000), &[(Interval::Month, "b")])
}

fn sub(id: &str, price: &str, status: Status, start: i64, end: i64) -> SubscriptionFact {
    SubscriptionFact {
        id: id.into(),
        status,
        price: price.into(),
        interval: Some(if end - start > 200 * DAY { Interval::Year } else { Interval::Month }),
        created: start,
        period_start: start,
        period_end: end,
        cancel_at: None,
        cancel_at_period_end: false,
        ended_at: None,
        trial_end: None,
    }
}

fn opening(id: &str, of: &str, price: &str, start: i64, end: i64) -> InvoiceFact {
    InvoiceFact {
        id: id.into(),
        subscription: of.into(),
        paid: true,
        overdue: false,
        open: false,
        created: start,
        first_failed_at: None,
        lines: vec![LineFact {
            price: price.into(),
            proration: false,
            credit: false,
            amount: 2900,
            start,
            end,
        }],
        charged: 2900,
        refunded: 0,
        disputes: vec![],
    }
}

fn change(id: &str, of: &str, from: &str, to: &str, at: i64, end: i64) -> InvoiceFact {
    let line = |price: &str, amount: i64| LineFact {
        price: price.into(),
        proration: true,
        credit: amount < 0,
        amount,
        start: at,
        end,
    };
    InvoiceFact {
        lines: vec![line(from, -1450), line(to, 3950)],
        created: at,
        charged: 2500,
        ..opening(id, of, to, at, end)
    }
}

fn facts(subscriptions: &[SubscriptionFact], invoices: &[InvoiceFact]) -> Facts {
    Facts { deleted_at: None, subscriptions: subscriptions.to_vec(), invoices: invoices.to_vec() }
}

fn at(facts: &Facts, secs: i64) -> Outcome {
    fold(facts, &HashSet::new(), &book(), UnixMillis::from_secs(secs)).unwrap()
}

fn lot<'o>(outcome: &'o Outcome, source: &str) -> &'o Lot {
    outcome
        .lots
        .iter()
        .find(|lot| lot.source == source)
        .unwrap_or_else(|| panic!("no lot {source} in {:#?}", outcome.lots))
}

fn creator() -> (SubscriptionFact, InvoiceFact) {
    (sub("s", "c", Status::Active, T0, T0 + MONTH), opening("i1", "s", "c", T0, T0 + MONTH))
}

#[test]
fn who_never_subscribed_has_the_free_plan_and_nothing_else() {
    let outcome = at(&Facts::default(), T0);
    assert_eq!(outcome.subscription, Subscription::none());
    assert!(outcome.lots.is_empty() && outcome.live.is_none());
    let begun = facts(&[sub("s", "c", Status::Incomplete, T0, T0 + MONTH)], &[]);
    assert_eq!(at(&begun, T0).subscription, Subscription::none());
}

#[test]
fn a_paid_first_invoice_brings_the_plan_and_its_tokens_until_the_periods_end() {
    let (sub, invoice) = creator();
    let outcome = at(&facts(&[sub], &[invoice]), T0 + 1);
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
    assert_eq!(outcome.subscription.status, Some(SubscriptionStatus::Active));
    assert_eq!(outcome.subscription.interval, Some(Interval::Month));
    let only = lot(&outcome, "invoice:i1");
    assert_eq!((only.tokens, only.ends_at), (Tokens(500_000), UnixMillis::from_secs(T0 + MONTH)));
    assert!(only.grant && !only.superseded);
    assert_eq!(outcome.lots.len(), 1);
}

#[test]
fn an_unpaid_invoice_brings_nothing() {
    let (sub, mut invoice) = creator();
    invoice.paid = false;
    invoice.open = true;
    assert!(at(&facts(&[sub], &[invoice]), T0 + 1).lots.is_empty());
}

#[test]
fn a_new_period_ends_the_lot_of_the_one_before_whatever_order_they_are_listed_in() {
    let (_, first) = creator();
    let s = sub("s", "c", Status::Active, T0 + MONTH, T0 + 2 * MONTH);
    let second = opening("i2", "s", "c", T0 + MONTH, T0 + 2 * MONTH);
    let one =
        at(&facts(std::slice::from_ref(&s), &[first.clone(), second.clone()]), T0 + MONTH + 1);
    let other = at(&facts(&[s], &[second, first]), T0 + MONTH + 1);
    assert_eq!(one, other);
    assert!(lot(&one, "invoice:i1").superseded);
    assert!(!lot(&one, "invoice:i2").superseded);
}

#[test]
fn within_one_second_stripes_own_order_stands() {
    let (mut old, base) = creator();
    old.status = Status::Canceled;
    old.ended_at = Some(T0);
    let new = sub("a", "p", Status::Active, T0, T0 + MONTH);
    let paid = opening("a", "a", "p", T0, T0 + MONTH);
    let outcome = at(&facts(&[old, new], &[base, paid]), T0);
    assert_eq!(outcome.subscription.plan_id.as_str(), "pro");
    assert!(lot(&outcome, "invoice:i1").superseded && !lot(&outcome, "invoice:a").superseded);
}

#[test]
fn an_old_invoice_paid_late_does_not_end_the_lot_of_a_newer_period() {
    let (_, mut first) = creator();
    first.created = T0 + 3 * MONTH; // e.g. re-issued
    let second = opening("i2", "s", "c", T0 + MONTH, T0 + 2 * MONTH);
    let s = sub("s", "c", Status::Active, T0 + MONTH, T0 + 2 * MONTH);
    let outcome = at(&facts(&[s], &[second, first]), T0 + MONTH + 1);
    assert!(!lot(&outcome, "invoice:i2").superseded);
}

#[test]
fn an_upgrade_adds_the_difference_for_the_share_of_the_period_that_is_left() {
    let (mut sub, base) = creator();
    sub.price = "p".into();
    let up = change("u", "s", "c", "p", T0 + MONTH / 2, T0 + MONTH);
    let outcome = at(&facts(&[sub], &[up, base]), T0 + MONTH / 2 + 1);
    assert_eq!(outcome.subscription.plan_id.as_str(), "pro");
    assert_eq!(lot(&outcome, "upgrade:u").tokens, Tokens(500_000));
    assert!(!lot(&outcome, "invoice:i1").superseded);
}

#[test]
fn up_down_and_up_again_grants_nothing_new() {
    let (mut sub, base) = creator();
    sub.price = "p".into();
    let end = T0 + MONTH;
    let all = [
        base,
        change("u1", "s", "c", "p", T0 + MONTH / 4, end),
        change("d", "s", "p", "c", T0 + MONTH / 2, end),
        change("u2", "s", "c", "p", T0 + MONTH * 3 / 4, end),
    ];
    let outcome = at(&facts(&[sub], &all), end - 1);
    assert_eq!(lot(&outcome, "upgrade:u1").tokens, Tokens(750_000));
    for none in ["upgrade:d", "upgrade:u2"] {
        let lot = lot(&outcome, none);
        assert_eq!((lot.tokens, lot.grant), (Tokens::ZERO, false));
    }
}

#[test]
fn an_upgrade_that_is_not_paid_gives_neither_plan_nor_tokens() {
    for status in [Status::Active, Status::PastDue] {
        let (mut sub, base) = creator();
        sub.price = "b".into();
        sub.status = status;
        let mut up = change("u", "s", "c", "b", T0 + DAY, T0 + MONTH);
        up.paid = false;
        up.open = true;
        up.overdue = status == Status::PastDue;
        let outcome = at(&facts(&[sub], &[base, up]), T0 + 2 * DAY);
        assert_eq!(outcome.subscription.plan_id.as_str(), "creator", "{status:?}");
        assert_eq!(outcome.lots.len(), 1);
    }
}

#[test]
fn an_older_upgrade_paid_later_takes_its_part_from_the_newer_one() {
    let (mut sub, base) = creator();
    sub.price = "b".into();
    let end = T0 + MONTH;
    let mut first = change("u1", "s", "c", "p", T0 + MONTH / 2, end);
    let second = change("u2", "s", "p", "b", T0 + MONTH / 2 + 10, end);
    first.paid = false;
    let before = at(
        &facts(std::slice::from_ref(&sub), &[base.clone(), first.clone(), second.clone()]),
        end - 1,
    );
    first.paid = true;
    let after = at(&facts(&[sub], &[base, first, second]), end - 1);
    assert!(lot(&before, "upgrade:u2").tokens > lot(&after, "upgrade:u2").tokens);
    assert!(lot(&after, "upgrade:u2").adjust);
    let sum = lot(&after, "upgrade:u1").tokens + lot(&after, "upgrade:u2").tokens;
    assert!((lot(&before, "upgrade:u2").tokens - sum).get().abs() <= 20);
}

#[test]
fn a_month_to_year_change_is_a_new_period_and_not_an_upgrade() {
    let (_, base) = creator();
    let year = T0 + 10 * DAY + 365 * DAY;
    let s = sub("s", "cy", Status::Active, T0 + 10 * DAY, year);
    let mut switch = opening("y", "s", "cy", T0 + 10 * DAY, year);
    switch.lines.push(LineFact {
        price: "c".into(),
        proration: true,
        credit: true,
        amount: -1900,
        start: T0 + 10 * DAY,
        end: T0 + MONTH,
    });
    let outcome = at(&facts(&[s], &[base, switch]), T0 + 10 * DAY + 1);
    assert!(lot(&outcome, "invoice:i1").superseded);
    assert_eq!(lot(&outcome, "invoice:y").tokens, Tokens(500_000));
    assert!(outcome.lots.iter().all(|lot| !lot.source.starts_with("upgrade")));
    assert_eq!(outcome.subscription.current_period_end, Some(UnixMillis::from_secs(year)));
}

#[test]
fn a_year_brings_a_lot_a_month_each_when_its_month_begins() {
    let s = sub("s", "cy", Status::Active, T0, T0 + 365 * DAY);
    let all = facts(&[s], &[opening("y", "s", "cy", T0, T0 + 365 * DAY)]);
    let first = at(&all, T0 + 1);
    assert_eq!(first.lots.len(), 1);
    let next = first.next_change_at.unwrap();
    assert_eq!(lot(&first, "invoice:y").ends_at, next);
    let second = fold(&all, &HashSet::new(), &book(), next).unwrap();
    assert_eq!(second.lots.len(), 2);
    assert!(lot(&second, "invoice:y:2").grant);
    assert_eq!(lot(&second, "invoice:y:2").starts_at, next);
    let last = at(&all, T0 + 364 * DAY);
    assert_eq!(last.lots.len(), 12);
    assert_eq!(
        last.lots.iter().filter(|lot| lot.grant).count(),
        2,
        "the first and the running one"
    );
}

#[test]
fn a_year_upgraded_gives_the_higher_plan_in_every_month_that_is_left() {
    let end = T0 + 365 * DAY;
    let s = sub("s", "py", Status::Active, T0, end);
    let all = facts(
        &[s],
        &[opening("y", "s", "cy", T0, end), change("u", "s", "cy", "py", T0 + 15 * DAY, end)],
    );
    let outcome = at(&all, T0 + 40 * DAY);
    let extra = lot(&outcome, "upgrade:u");
    assert!(extra.tokens > Tokens(450_000) && extra.tokens < Tokens(550_000), "{extra:?}");
    assert_eq!(lot(&outcome, "invoice:y:2").tokens, Tokens(1_500_000));
    assert_eq!(lot(&outcome, "invoice:y:2").plan.as_str(), "pro");
}

#[test]
fn a_year_changed_down_gives_the_lower_plan_in_every_month_that_is_left() {
    let end = T0 + 365 * DAY;
    let s = sub("s", "cy", Status::Active, T0, end);
    let mut all = facts(
        &[s],
        &[
            opening("y", "s", "cy", T0, end),
            change("u", "s", "cy", "py", T0 + 15 * DAY, end),
            change("d", "s", "py", "cy", T0 + 45 * DAY, end),
        ],
    );
    let outcome = at(&all, T0 + 70 * DAY);
    assert_eq!(lot(&outcome, "invoice:y:2").tokens, Tokens(1_500_000));
    assert_eq!(lot(&outcome, "invoice:y:3").tokens, Tokens(500_000));
    assert_eq!(lot(&outcome, "invoice:y:3").plan.as_str(), "creator");
    assert!(!lot(&outcome, "upgrade:d").grant);
    // Up again, and paid: worth something in the month it falls in and in those after it.
    all.invoices.push(change("u2", "s", "cy", "py", T0 + 75 * DAY, end));
    all.subscriptions[0].price = "py".into();
    let outcome = at(&all, T0 + 100 * DAY);
    let extra = lot(&outcome, "upgrade:u2").tokens;
    assert!(extra > Tokens(400_000) && extra < Tokens(700_000), "{extra:?}");
    assert_eq!(lot(&outcome, "invoice:y:4").tokens, Tokens(1_500_000));
}

#[test]
fn a_trials_own_invoice_is_its_grant_and_the_first_payment_follows_it() {
    let mut s = sub("s", "c", Status::Trialing, T0, T0 + 14 * DAY);
    s.trial_end = Some(T0 + 14 * DAY);
    let mut trial = opening("t", "s", "c", T0, T0 + 14 * DAY);
    trial.lines[0].amount = 0;
    trial.charged = 0;
    let outcome = at(&facts(std::slice::from_ref(&s), std::slice::from_ref(&trial)), T0 + 1);
    assert_eq!(outcome.subscription.status, Some(SubscriptionStatus::Trialing));
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
    assert_eq!(lot(&outcome, "invoice:t").tokens, Tokens(500_000));
    s.status = Status::Active;
    let paid = opening("i", "s", "c", T0 + 14 * DAY, T0 + 14 * DAY + MONTH);
    let outcome = at(&facts(&[s], &[trial, paid]), T0 + 15 * DAY);
    assert!(lot(&outcome, "invoice:t").superseded && !lot(&outcome, "invoice:i").superseded);
}

#[test]
fn a_yearly_trial_is_one_lot() {
    let mut s = sub("s", "cy", Status::Trialing, T0, T0 + 60 * DAY);
    s.trial_end = Some(T0 + 60 * DAY);
    let mut trial = opening("t", "s", "cy", T0, T0 + 60 * DAY);
    trial.lines[0].amount = 0;
    assert_eq!(at(&facts(&[s], &[trial]), T0 + 50 * DAY).lots.len(), 1);
}

#[test]
fn past_due_keeps_the_plan_for_the_days_of_grace_and_brings_no_tokens() {
    for status in [Status::PastDue, Status::Unpaid] {
        let (_, base) = creator();
        let s = sub("s", "c", status, T0 + MONTH, T0 + 2 * MONTH);
        let mut due = opening("i2", "s", "c", T0 + MONTH, T0 + 2 * MONTH);
        due.paid = false;
        due.open = true;
        due.overdue = true;
        due.first_failed_at = Some(T0 + MONTH + 3600);
        let all = facts(&[s], &[base, due]);
        let end = UnixMillis::from_secs(T0 + MONTH + 3600 + 7 * DAY);
        let within = at(&all, T0 + MONTH + 2 * DAY);
        assert_eq!(within.subscription.plan_id.as_str(), "creator");
        assert_eq!(within.subscription.status, Some(SubscriptionStatus::PastDue));
        assert_eq!(within.subscription.grace_until, Some(end));
        assert_eq!(within.next_change_at, Some(end));
        assert_eq!(within.lots.len(), 1);
        assert!(within.live.is_some());
        let after = fold(&all, &HashSet::new(), &book(), end).unwrap();
        assert!(after.subscription.plan_id.is_free());
    }
}

#[test]
fn a_year_ended_and_paid_back_in_part_brings_only_the_months_that_stay_paid() {
    let mut s = sub("s", "cy", Status::Canceled, T0, T0 + 365 * DAY);
    s.ended_at = Some(T0 + 40 * DAY);
    let mut year = opening("y", "s", "cy", T0, T0 + 365 * DAY);
    let all = facts(std::slice::from_ref(&s), std::slice::from_ref(&year));
    assert!(lot(&at(&all, T0 + 200 * DAY), "invoice:y:7").grant);
    year.refunded = year.charged * 6 / 10;
    let part = facts(&[s], &[year]);
    assert!(lot(&at(&part, T0 + 140 * DAY), "invoice:y:5").grant);
    let later = at(&part, T0 + 200 * DAY);
    assert!(later.subscription.plan_id.is_free());
    assert!(!lot(&later, "invoice:y:7").grant);
}

#[test]
fn an_invoice_that_was_written_off_long_ago_takes_nothing_off_the_days_of_grace() {
    let (_, mut old) = creator();
    (old.paid, old.open, old.overdue) = (false, true, true);
    let paid = opening("i2", "s", "c", T0 + MONTH, T0 + 2 * MONTH);
    let mut due = opening("i3", "s", "c", T0 + 2 * MONTH, T0 + 3 * MONTH);
    (due.paid, due.open, due.overdue) = (false, true, true);
    due.first_failed_at = Some(T0 + 2 * MONTH + 3600);
    let s = sub("s", "c", Status::PastDue, T0 + 2 * MONTH, T0 + 3 * MONTH);
    let outcome = at(&facts(&[s], &[old, paid, due]), T0 + 2 * MONTH + DAY);
    let until = UnixMillis::from_secs(T0 + 2 * MONTH + 3600 + 7 * DAY);
    assert_eq!(outcome.subscription.grace_until, Some(until));
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
}

/// A year, and what Stripe may say of it in its third month.
fn third_months() -> Vec<(&'static str, Facts)> {
    let (end, now) = (T0 + 365 * DAY, T0 + 70 * DAY);
    let year = opening("y", "s", "cy", T0, end);
    let active = sub("s", "cy", Status::Active, T0, end);
    let mut all =
        vec![("active", facts(std::slice::from_ref(&active), std::slice::from_ref(&year)))];
    let overdue =
        SubscriptionFact { status: Status::PastDue, price: "py".into(), ..active.clone() };
    let mut unpaid = change("u", "s", "cy", "py", now, end);
    (unpaid.paid, unpaid.open, unpaid.overdue) = (false, true, true);
    unpaid.first_failed_at = Some(now);
    all.push(("overdue", facts(&[overdue], &[year.clone(), unpaid])));
    let ended =
        SubscriptionFact { status: Status::Canceled, ended_at: Some(now), ..active.clone() };
    let mut part = year.clone();
    part.refunded = part.charged * 9 / 10;
    all.push(("ended and paid back in part", facts(std::slice::from_ref(&ended), &[part])));
    let mut whole = year.clone();
    whole.refunded = whole.charged;
    all.push(("ended and paid back", facts(&[ended], std::slice::from_ref(&whole))));
    all.push(("paid back", facts(std::slice::from_ref(&active), &[whole])));
    let mut disputed = year.clone();
    disputed.disputes = vec![DisputeFact { id: "du".into(), standing: Standing::Open }];
    all.push(("disputed", facts(std::slice::from_ref(&active), &[disputed])));
    let mut undone = change("u", "s", "cy", "py", T0 + 20 * DAY, end);
    undone.refunded = undone.charged;
    all.push(("changed up and paid back", facts(&[active], &[year, undone])));
    all
}

#[test]
fn a_month_that_had_begun_stands_the_same_whether_it_was_seen_then_or_is_heard_of_later() {
    for (what, facts) in third_months() {
        let lot = lot(&at(&facts, T0 + 71 * DAY), "invoice:y:3").clone();
        assert!(lot.grant, "{what}: it was due when it began");
        let left = lot.tokens - lot.refunded;
        let wanted = match what {
            "ended and paid back" | "paid back" => 0,
            "ended and paid back in part" => 50_000,
            _ => 500_000,
        };
        assert_eq!(left, Tokens(wanted), "{what}");
        assert_eq!(lot.contested_by.is_empty(), what != "disputed");
    }
}

#[test]
fn a_year_past_due_brings_no_further_month() {
    let s = sub("s", "cy", Status::PastDue, T0, T0 + 365 * DAY);
    let all = facts(&[s], &[opening("y", "s", "cy", T0, T0 + 365 * DAY)]);
    let outcome = at(&all, T0 + 40 * DAY);
    assert!(!lot(&outcome, "invoice:y:2").grant);
}

#[test]
fn cancelled_in_the_flexible_way_counts_as_cancelled_at_the_periods_end() {
    let (mut s, base) = creator();
    assert!(
        !at(&facts(std::slice::from_ref(&s), std::slice::from_ref(&base)), T0 + 1)
            .subscription
            .cancel_at_period_end
    );
    s.cancel_at = Some(T0 + MONTH);
    let outcome = at(&facts(std::slice::from_ref(&s), std::slice::from_ref(&base)), T0 + 1);
    assert!(outcome.subscription.cancel_at_period_end);
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
    s.cancel_at = None;
    s.cancel_at_period_end = true;
    assert!(at(&facts(&[s], &[base]), T0 + 1).subscription.cancel_at_period_end);
}

#[test]
fn cancelled_at_once_keeps_what_was_paid_for_and_opens_checkout() {
    let (mut s, base) = creator();
    s.status = Status::Canceled;
    s.ended_at = Some(T0 + DAY);
    let all = facts(&[s], &[base]);
    let outcome = at(&all, T0 + 2 * DAY);
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
    assert_eq!(outcome.subscription.status, Some(SubscriptionStatus::Canceled));
    assert_eq!(outcome.live, None);
    assert_eq!(outcome.next_change_at, Some(UnixMillis::from_secs(T0 + MONTH)));
    let after = at(&all, T0 + MONTH);
    assert!(after.subscription.plan_id.is_free());
    assert_eq!(after.subscription.status, Some(SubscriptionStatus::Canceled));
}

#[test]
fn cancelled_and_refunded_is_free_at_once() {
    let (mut s, mut base) = creator();
    s.status = Status::Canceled;
    base.refunded = base.charged;
    let outcome = at(&facts(&[s], &[base]), T0 + 2 * DAY);
    assert!(outcome.subscription.plan_id.is_free());
    assert_eq!(lot(&outcome, "invoice:i1").refunded, Tokens(500_000));
    assert!(lot(&outcome, "invoice:i1").grant, "in the ledger it came and went");
}

#[test]
fn a_part_refunded_is_that_part_of_the_lot() {
    let (s, mut base) = creator();
    base.refunded = 725;
    let outcome = at(&facts(&[s], &[base]), T0 + 2 * DAY);
    assert_eq!(lot(&outcome, "invoice:i1").refunded, Tokens(125_000));
    assert!(lot(&outcome, "invoice:i1").grant);
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
}

#[test]
fn an_upgrade_that_was_paid_back_is_not_what_was_paid_for() {
    for status in [Status::Canceled, Status::PastDue] {
        let (mut s, base) = creator();
        (s.price, s.status) = ("p".into(), status);
        let mut up = change("u", "s", "c", "p", T0 + DAY, T0 + MONTH);
        let paid = at(&facts(std::slice::from_ref(&s), &[base.clone(), up.clone()]), T0 + 2 * DAY);
        assert_eq!(paid.subscription.plan_id.as_str(), "pro", "{status:?}");
        up.refunded = up.charged;
        let back = at(&facts(&[s], &[base, up]), T0 + 2 * DAY);
        assert_eq!(back.subscription.plan_id.as_str(), "creator", "{status:?}");
        assert_eq!(lot(&back, "upgrade:u").refunded, lot(&back, "upgrade:u").tokens);
    }
}

#[test]
fn an_upgrade_that_was_paid_back_can_be_bought_again_and_one_that_was_kept_cannot() {
    let (mut s, base) = creator();
    s.price = "p".into();
    let mut up = change("u1", "s", "c", "p", T0 + DAY, T0 + MONTH);
    let down = change("d", "s", "p", "c", T0 + 2 * DAY, T0 + MONTH);
    let again = change("u2", "s", "c", "p", T0 + 15 * DAY, T0 + MONTH);
    let bought = |up: &InvoiceFact| {
        let all = [base.clone(), up.clone(), down.clone(), again.clone()];
        let outcome = at(&facts(std::slice::from_ref(&s), &all), T0 + 16 * DAY);
        lot(&outcome, "upgrade:u2").tokens
    };
    assert_eq!(bought(&up), Tokens(0));
    up.refunded = up.charged - 1;
    assert_eq!(bought(&up), Tokens(0), "a part of it was kept");
    up.refunded = up.charged;
    assert_eq!(bought(&up), Tokens(500_000));
}

#[test]
fn while_collecting_is_paused_the_plan_stays_and_no_tokens_come() {
    let (_, base) = creator();
    let s = sub("s", "c", Status::Active, T0 + MONTH, T0 + 2 * MONTH);
    let mut unpaid = opening("i2", "s", "c", T0 + MONTH, T0 + 2 * MONTH);
    (unpaid.paid, unpaid.open) = (false, true);
    // Stripe makes it uncollectible, or voids it, and then it is none.
    for invoices in [vec![base.clone(), unpaid], vec![base]] {
        let outcome = at(&facts(std::slice::from_ref(&s), &invoices), T0 + MONTH + DAY);
        assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
        assert_eq!(outcome.subscription.status, Some(SubscriptionStatus::Active));
        assert_eq!(outcome.lots.len(), 1);
    }
}

#[test]
fn changing_plans_within_a_trial_brings_the_difference_and_never_a_plans_tokens_anew() {
    let end = T0 + 14 * DAY;
    let trial = |id: &str, price: &str, start: i64| {
        let mut invoice = opening(id, "s", price, start, end);
        (invoice.lines[0].amount, invoice.charged) = (0, 0);
        invoice
    };
    let mut s = sub("s", "p", Status::Trialing, T0, end);
    s.trial_end = Some(end);
    let mut up = trial("u", "p", T0 + 7 * DAY);
    // Stripe may call the line a proration or not.
    for proration in [false, true] {
        up.lines[0].proration = proration;
        let changes = [
            trial("t", "c", T0),
            up.clone(),
            trial("d", "c", T0 + 8 * DAY),
            trial("u2", "p", T0 + 9 * DAY),
        ];
        let outcome = at(&facts(std::slice::from_ref(&s), &changes), T0 + 10 * DAY);
        assert_eq!(outcome.subscription.plan_id.as_str(), "pro");
        let granted: Vec<_> = outcome.lots.iter().filter(|lot| lot.grant).collect();
        assert_eq!(granted.len(), 2, "{granted:#?}");
        assert_eq!(lot(&outcome, "invoice:t").tokens, Tokens(500_000));
        assert_eq!(lot(&outcome, "upgrade:u").tokens, Tokens(500_000));
        assert!(granted.iter().all(|lot| !lot.superseded));
    }
}

#[test]
fn an_upgrade_that_ends_the_trial_is_paid_and_is_a_period_of_its_own() {
    let now = T0 + 7 * DAY;
    let mut s = sub("s", "p", Status::Active, now, now + MONTH);
    s.trial_end = Some(now);
    let mut trial = opening("t", "s", "c", T0, T0 + 14 * DAY);
    (trial.lines[0].amount, trial.charged) = (0, 0);
    let paid = opening("i", "s", "p", now, now + MONTH);
    let outcome = at(&facts(&[s], &[trial, paid]), now + 1);
    assert!(lot(&outcome, "invoice:t").superseded);
    assert_eq!(lot(&outcome, "invoice:i").tokens, Tokens(1_500_000));
}

#[test]
fn paused_is_free() {
    let (mut s, base) = creator();
    s.status = Status::Paused;
    let outcome = at(&facts(&[s], &[base]), T0 + 1);
    assert!(outcome.subscription.plan_id.is_free());
    assert_eq!(outcome.subscription.status, Some(SubscriptionStatus::Paused));
    assert!(outcome.live.is_some());
}

#[test]
fn of_two_live_subscriptions_the_later_is_named_and_brings_nothing() {
    let (first, base) = creator();
    let mut later = sub("s2", "p", Status::Active, T0 + 10, T0 + MONTH);
    let extra = opening("i2", "s2", "p", T0 + 10, T0 + MONTH);
    let all = facts(&[later.clone(), first.clone()], &[extra.clone(), base.clone()]);
    let outcome = at(&all, T0 + 20);
    assert_eq!(outcome.duplicates, ["s2"]);
    assert_eq!(outcome.subscription.plan_id.as_str(), "creator");
    assert_eq!(outcome.lots.len(), 1);
    assert!(!outcome.lots[0].superseded);
    // Once it has been cancelled it still counts for nothing.
    later.status = Status::Canceled;
    let known = HashSet::from(["s2".to_owned()]);
    let after = fold(
        &facts(&[later, first], &[base, extra]),
        &known,
        &book(),
        UnixMillis::from_secs(T0 + 20),
    )
    .unwrap();
    assert_eq!((after.lots, after.duplicates), (outcome.lots, vec![]));
    // What it may have brought before it was known for one goes.
    assert_eq!(outcome.withdrawn, ["invoice:i2"]);
    assert_eq!(after.withdrawn, ["invoice:i2"]);
}

#[test]
fn a_second_subscription_that_was_undone_before_we_looked_leaves_the_first_alone() {
    let (first, base) = creator();
    let mut later = sub("s2", "p", Status::Canceled, T0 + 10, T0 + MONTH);
    later.ended_at = Some(T0 + 20);
    let mut extra = opening("i2", "s2", "p", T0 + 10, T0 + MONTH);
    extra.refunded = extra.charged;
    let alone = at(&facts(std::slice::from_ref(&first), std::slice::from_ref(&base)), T0 + 30);
    let both = at(&facts(&[later.clone(), first.clone()], &[extra.clone(), base.clone()]), T0 + 30);
    assert_eq!(both.withdrawn, ["invoice:i2"]);
    assert_eq!(Outcome { withdrawn: vec![], ..both }, alone);
    // Nor does one that was paid for with credit, of which there is nothing to give back.
    let credit = InvoiceFact { charged: 0, refunded: 0, ..extra.clone() };
    let both = at(&facts(&[later.clone(), first.clone()], &[credit, base.clone()]), T0 + 30);
    assert_eq!(Outcome { withdrawn: vec![], ..both }, alone);
    // What was paid and not given back is credited, whatever else.
    extra.refunded = 0;
    assert_eq!(at(&facts(&[later, first], &[extra, base]), T0 + 30).lots.len(), 2);
}

#[test]
fn who_subscribes_again_after_cancelling_has_the_new_subscription() {
    let (mut old, base) = creator();
    old.status = Status::Canceled;
    let new = sub("s2", "p", Status::Active, T0 + 5 * DAY, T0 + 5 * DAY + MONTH);
    let paid = opening("i2", "s2", "p", T0 + 5 * DAY, T0 + 5 * DAY + MONTH);
    let outcome = at(&facts(&[old, new], &[base, paid]), T0 + 6 * DAY);
    assert!(outcome.duplicates.is_empty());
    assert_eq!(outcome.subscription.plan_id.as_str(), "pro");
    assert!(lot(&outcome, "invoice:i1").superseded);
}

#[test]
fn an_unknown_price_changes_nothing_and_says_which() {
    let (mut s, base) = creator();
    s.price = "other".into();
    let result = fold(&facts(&[s], &[base]), &HashSet::new(), &book(), UnixMillis::from_secs(T0));
    assert_eq!(
        result,
        Err(FoldError::UnknownPrice { subscription: "s".into(), price: "other".into() })
    );
}

#[test]
fn a_live_subscription_to_something_else_is_never_undone() {
    let (first, base) = creator();
    let other = sub("s2", "hosting", Status::Active, T0 + 10, T0 + MONTH);
    let both = facts(&[first, other], &[base]);
    let result = fold(&both, &HashSet::new(), &book(), UnixMillis::from_secs(T0 + 20));
    assert!(
        matches!(result, Err(FoldError::UnknownPrice { subscription, .. }) if subscription == "s2")
    );
}

#[test]
fn a_price_that_is_no_longer_sold_does_not_trouble_who_has_left_it() {
    let (s, base) = creator();
    let old = opening("i0", "s", "retired", T0 - MONTH, T0);
    assert_eq!(at(&facts(&[s], &[base, old]), T0 + 1).lots.len(), 1);
}

#[test]
fn a_dispute_names_the_lots_it_holds_and_a_won_one_is_told() {
    let (s, mut base) = creator();
    base.disputes = vec![DisputeFact { id: "du".into(), standing: Standing::Open }];
    let open = at(&facts(std::slice::from_ref(&s), std::slice::from_ref(&base)), T0 + 1);
    assert_eq!(lot(&open, "invoice:i1").contested_by, ["du"]);
    base.disputes[0].standing = Standing::Won;
    let won = at(&facts(&[s], &[base]), T0 + 1);
    assert!(lot(&won, "invoice:i1").contested_by.is_empty());
    assert_eq!(won.won[0].dispute, "du");
}

/// Laws that hold whatever happened.
mod laws {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// A month of changes between the monthly plans: to which, when (in thousandths of the
    /// period), and whether it was paid.
    fn changes() -> impl Strategy<Value = Vec<(&'static str, i64, bool)>> {
        prop::collection::vec((select(vec!["c", "p", "b"]), 1..1000_i64, any::<bool>()), 0..8)
    }

    fn story(base: &str, changes: &[(&str, i64, bool)]) -> Facts {
        let end = T0 + MONTH;
        let mut invoices = vec![opening("base", "s", base, T0, end)];
        let mut sorted = changes.to_vec();
        sorted.sort_by_key(|(_, at, _)| *at);
        // Within one second Stripe's own order counts, which is not what is shuffled here.
        sorted.dedup_by_key(|(_, at, _)| *at);
        let mut from = base;
        for (index, (to, at, paid)) in sorted.iter().enumerate() {
            let at = T0 + MONTH * at / 1000;
            let mut invoice = change(&format!("u{index}"), "s", from, to, at, end);
            (invoice.paid, invoice.open) = (*paid, !paid);
            invoices.push(invoice);
            from = to;
        }
        facts(&[sub("s", from, Status::Active, T0, end)], &invoices)
    }

    proptest! {
        #[test]
        fn the_order_of_stripes_lists_does_not_matter(
            base in select(vec!["c", "p", "b"]),
            changes in changes(),
            order in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
        ) {
            let all = story(base, &changes);
            let mut shuffled = all.clone();
            let turn = usize::try_from(order % 7).unwrap() % shuffled.invoices.len();
            shuffled.invoices.rotate_left(turn);
            if order & 8 == 0 {
                shuffled.invoices.reverse();
            }
            prop_assert_eq!(at(&all, T0 + MONTH - 1), at(&shuffled, T0 + MONTH - 1));
        }

        #[test]
        fn a_period_never_brings_more_than_its_highest_paid_plan(
            base in select(vec!["c", "p", "b"]),
            changes in changes(),
        ) {
            let all = story(base, &changes);
            let outcome = at(&all, T0 + MONTH - 1);
            let given: Tokens =
                outcome.lots.iter().filter(|lot| lot.grant).map(|lot| lot.tokens).sum();
            let worth = |price: &str| book().tokens_of(&book().plan_of(price).unwrap().0);
            let mut seen = HashSet::new();
            let mut sorted = changes.clone();
            sorted.sort_by_key(|(_, at, _)| *at);
            let highest = sorted
                .iter()
                .filter(|(_, at, _)| seen.insert(*at))
                .filter(|(_, _, paid)| *paid)
                .map(|(to, _, _)| worth(to))
                .fold(worth(base), Tokens::max);
            prop_assert!(given <= highest && given >= worth(base), "{:?} {:?}", given, highest);
        }

        #[test]
        fn each_lot_has_a_source_of_its_own(base in select(vec!["c", "p", "b"]), changes in changes()) {
            let outcome = at(&story(base, &changes), T0 + MONTH - 1);
            let sources: HashSet<&str> =
                outcome.lots.iter().map(|lot| lot.source.as_str()).collect();
            prop_assert_eq!(sources.len(), outcome.lots.len());
        }
    }
}
