//! When all is quiet again: what stands at the relay is held against what was paid at Stripe, what
//! clients saw and what the model said. The sums are done here anew, from the outside.

use super::form::in_form;
use super::model::{Ending, Script};
use super::relay::PATIENCE;
use super::shop::{all, customers, id, tokens_of};
use super::stage::{Person, Stage};
use super::writers::{End, Seen, read_again};
use autocrea_protocol::generation::FinishReason;
use autocrea_protocol::ledger::{EntryKind, LedgerEntry, LedgerPage};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Waits until every event of Stripe's has been taken and worked on, and every reservation ended.
pub async fn settle(stage: &Stage) {
    let stripe = &stage.sandbox.stripe;
    for event in stripe.events().iter().filter(|event| !event.delivered) {
        // Its next attempt by itself may be half a minute away.
        stripe.deliver(&event.id).await;
    }
    let quiet = async {
        stripe.settled().await;
        loop {
            let unfinished: Vec<String> = events(stage)
                .await
                .into_iter()
                .filter(|it| it.1 == "pending")
                .map(|it| it.0)
                .collect();
            if unfinished.is_empty() && reserved(stage).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    // An event that has failed is put off for minutes at most, a dead process's lease runs out.
    let patience = PATIENCE.max(Duration::from_secs(in_form(300, 600)));
    tokio::time::timeout(patience, quiet).await.expect("it becomes quiet");
}

async fn reserved(stage: &Stage) -> i64 {
    let mut sum = 0;
    for person in &stage.people {
        let usage = stage.get(person, "/api/tokens/usage").await;
        sum += usage["tokensReserved"].as_i64().expect("a number");
    }
    sum
}

/// Id and state of every event in the inbox.
pub async fn events(stage: &Stage) -> BTreeMap<String, String> {
    let (code, said) = stage.relay().command(&["events", "list", "--limit", "1000000"]).await;
    assert_eq!(code, 0, "{said}");
    let parts = said.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    parts.map(|parts| (parts[0].to_owned(), parts[2].to_owned())).collect()
}

/// Every acknowledged event is in the inbox, and has come to an end.
pub async fn assert_inbox(stage: &Stage, acknowledged: &[String]) {
    let kept = events(stage).await;
    let stripes = stage.sandbox.stripe.events();
    let delivered = stripes.iter().filter(|event| event.delivered).map(|event| &event.id);
    for id in delivered.chain(acknowledged) {
        let state = kept.get(id).unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert!(state == "done" || state == "ignored", "{id} is {state}");
    }
}

/// The ledger agrees with itself, by its own audit.
pub async fn assert_verified(stage: &Stage) {
    let (code, said) = stage.relay().command(&["ledger", "verify"]).await;
    assert_eq!(code, 0, "{said}");
}

/// All of somebody's entries.
pub async fn ledger(stage: &Stage, person: &Person) -> Vec<LedgerEntry> {
    let (mut entries, mut path) = (Vec::new(), "/api/tokens/ledger?limit=100".to_owned());
    loop {
        let page = stage.get(person, &path).await;
        let page: LedgerPage = serde_json::from_value(page).expect("a page");
        entries.extend(page.entries);
        match page.next {
            Some(next) => path = format!("/api/tokens/ledger?limit=100&after={next}"),
            None => return entries,
        }
    }
}

/// Each entry's balance follows from the one before, and the last is what is left.
pub async fn assert_balances(stage: &Stage, person: &Person, entries: &[LedgerEntry]) {
    let mut balance = 0;
    let mut held = BTreeMap::new();
    for entry in entries {
        let tokens = entry.tokens.get();
        assert!(tokens >= 0, "{entry:?}");
        let generation = entry.generation_id;
        balance += match entry.kind {
            EntryKind::Grant => tokens,
            EntryKind::Expire | EntryKind::Revoke => -tokens,
            EntryKind::Reserve => {
                assert!(held.insert(generation, tokens).is_none(), "{entry:?}: reserved twice");
                -tokens
            }
            EntryKind::Settle => {
                let held = held.remove(&generation).expect("a reserve before its settle");
                assert!(tokens <= held, "{entry:?}: more than the {held} that were reserved");
                held - tokens
            }
            EntryKind::Release => {
                let held = held.remove(&generation).expect("a reserve before its release");
                assert_eq!(tokens, held, "{entry:?}");
                held
            }
        };
        assert_eq!(entry.balance_after.get(), balance, "{}: {entry:?}", person.email);
        assert!(balance >= 0, "{entry:?}");
    }
    assert!(held.is_empty(), "{}: open for ever: {held:?}", person.email);
    let account = stage.get(person, "/api/account").await;
    assert_eq!(account["tokens"]["remaining"], balance, "{}", person.email);
    assert_eq!(account["tokens"]["reserved"], 0, "{}", person.email);
}

/// Every paid invoice has its grant, once, and nothing else was granted.
pub fn assert_granted(stage: &Stage, person: &Person, entries: &[LedgerEntry]) {
    let mut granted: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Grant) {
        let source = entry.source.as_deref().expect("a grant has a source");
        granted.entry(source).or_default().push(entry.tokens.get());
    }
    let stripe = &stage.sandbox.stripe;
    let theirs = customers(stripe, person);
    assert!(theirs.len() <= 1, "one customer: {theirs:?}");
    let invoices: Vec<Value> = theirs
        .iter()
        .flat_map(|one| all(stripe, "invoices", &format!("&customer={one}")))
        .collect();
    let mut paid = BTreeSet::new();
    for invoice in invoices.iter().filter(|invoice| invoice["status"] == "paid") {
        paid.insert(id(invoice));
        if let Some(price) = opens_period(invoice) {
            let source = format!("invoice:{}", id(invoice));
            let tokens = tokens_of(stripe, &price);
            assert_eq!(granted.get(source.as_str()), Some(&vec![tokens]), "{source}: {invoice:#}");
        }
    }
    for (source, amounts) in granted {
        let parts: Vec<&str> = source.split(':').collect();
        match parts[0] {
            "invoice" => assert!(paid.contains(parts[1]) && amounts.len() == 1, "{source}"),
            // One that comes to be worth more is topped up.
            "upgrade" => assert!(paid.contains(parts[1]), "{source}"),
            "free" => assert_eq!((parts[1], amounts.len()), (person.user.as_str(), 1), "{source}"),
            other => panic!("nobody granted {other}"),
        }
    }
}

/// The price of the line that opens a period, if the invoice has one.
fn opens_period(invoice: &Value) -> Option<String> {
    let lines = invoice["lines"]["data"].as_array().expect("lines");
    let opens = |line: &&Value| {
        let details = &line["parent"]["subscription_item_details"];
        details["proration"] == false && line["amount"].as_i64().is_some_and(|amount| amount > 0)
    };
    let price = &lines.iter().find(opens)?["pricing"]["price_details"]["price"];
    Some(price.as_str().expect("a price").to_owned())
}

/// What a client saw is what the ledger says, what can be fetched, and what the model said.
pub async fn assert_generation(stage: &Stage, seen: &Seen, entries: &[LedgerEntry]) {
    let about = |entry: &&LedgerEntry| entry.generation_id.is_some_and(|it| it.0 == seen.id);
    let theirs: Vec<&LedgerEntry> = entries.iter().filter(about).collect();
    if seen.refused {
        assert!(theirs.is_empty(), "{}: refused, and yet {theirs:?}", seen.id);
        return;
    }
    let kinds: Vec<EntryKind> = theirs.iter().map(|entry| entry.kind).collect();
    assert_eq!((kinds.len(), kinds[0]), (2, EntryKind::Reserve), "{}: {kinds:?}", seen.id);
    let (reserved, ended) = (theirs[0].tokens.get(), theirs[1]);
    assert_eq!(seen.reserved, Some(reserved));
    let end = seen.end.as_ref().expect("an end");
    let charged = match ended.kind {
        EntryKind::Settle => ended.tokens.get(),
        _ => 0,
    };
    assert!(charged <= reserved);
    let script = Script::of(seen.number);
    let text = seen.text();
    assert!(script.text().starts_with(&text), "{}: {text:?} is not what was said", seen.id);
    assert!(stage.asked.times(seen.number) <= 1, "{}: the model was asked again", seen.id);
    match end {
        End::Done(done) => {
            assert_eq!(done.charged.get(), charged, "{}", seen.id);
            let used = done.usage.input_tokens + done.usage.output_tokens;
            assert_eq!(used, done.charged, "{}", seen.id);
            if done.finish_reason == FinishReason::Cancelled {
                assert!(charged > 0 || text.is_empty(), "{}: text for nothing", seen.id);
            } else {
                assert_eq!(text, script.text(), "{}: what is paid for is whole", seen.id);
                assert_ne!(script.ending, Ending::Broken, "{}", seen.id);
            }
        }
        End::Failed(failed) => {
            assert_eq!((failed.charged.get(), charged), (0, 0), "{}: paid for a failure", seen.id);
        }
    }
    let again = read_again(stage, seen).await;
    match (end, again.end.as_ref().expect("an end")) {
        (End::Done(before), End::Done(now)) => {
            assert_eq!(before, now, "{}", seen.id);
            assert_eq!(again.text(), text, "{}", seen.id);
        }
        (End::Failed(before), End::Failed(now)) => assert_eq!(before.code, now.code, "{}", seen.id),
        (before, now) => panic!("{}: it was {before:?} and is {now:?}", seen.id),
    }
    let again = again.text();
    assert!(script.text().starts_with(&again), "{}: {again:?}", seen.id);
}

/// No mail went out twice: of each kind a person has no more than there are things to write about,
/// and each was handed in under a key of its own.
pub fn assert_mails(stage: &Stage) {
    let (mails, stripe) = (stage.sandbox.resend.mails(), &stage.sandbox.stripe);
    let mut keys = BTreeSet::new();
    for mail in &mails {
        let key = mail.idempotency_key.as_deref().expect("a key");
        assert!(keys.insert(key), "twice under {key}");
    }
    for person in &stage.people {
        let count = |list: &str, form: &str| -> usize {
            let theirs = customers(stripe, person);
            theirs
                .iter()
                .map(|one| all(stripe, list, &format!("&customer={one}{form}")).len())
                .sum()
        };
        let (subscriptions, invoices) =
            (count("subscriptions", "&status=all"), count("invoices", ""));
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for mail in mails.iter().filter(|mail| mail.to.contains(&person.email)) {
            *kinds.entry(mail.tag("kind").expect("a kind")).or_default() += 1;
        }
        for (kind, sent) in kinds {
            let most = match kind {
                "subscription_confirmed" | "subscription_cancelled" => subscriptions,
                "payment_failed" => invoices,
                // A lot each, of an invoice or free; the night of a month's end may bring two.
                "tokens_50" | "tokens_80" | "tokens_100" => invoices + 2,
                "upgrade" => 2,
                _ => 1,
            };
            assert!(sent <= most, "{}: {sent} mails {kind}", person.email);
        }
    }
}

/// Nothing in the log says that the program broke.
pub fn assert_never_panicked(stage: &Stage) {
    for relay in &stage.relays {
        let logged = relay.logged();
        let panicked = logged.lines().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None, "it panicked");
    }
}
