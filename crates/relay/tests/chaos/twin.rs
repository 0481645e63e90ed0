//! A second relay's billing, with a database of its own, that hears of everything only now: it
//! must come to the same lots and the same plan as the one that lived through it all.

use super::audit;
use super::shop::customers;
use super::stage::{Person, Stage};
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{Subscription, UserId};
use autocrea_relay::account;
use autocrea_relay::billing::Billing;
use autocrea_relay::billing::refresh::refresh;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_relay::db::{Db, DbError};
use autocrea_relay::lang::Lang;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// For everybody: what was granted, by source, and the subscription.
pub async fn assert_same(stage: &Stage) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut environment = stage.environment.clone();
    environment.remove("RELAY_CONFIG");
    let database = format!("sqlite:{}", folder.path().join("twin.db").display());
    environment.insert("DATABASE_URL".to_owned(), database);
    let config = Config::from_layers(None, &environment).expect("a configuration");
    let clock = Clock::system();
    let db = Db::open(&config.database, clock.clone(), Changes::default()).expect("a database");
    let plans = config.plans.clone();
    let billing = Billing::new(Arc::new(config), db.clone(), clock, CancellationToken::new());
    let billing = billing.expect("a client");
    for person in &stage.people {
        let (user, plans) = (UserId(person.user.clone()), plans.clone());
        let seen = user.clone();
        db.write(move |tx| account::see(tx, &seen, Lang::Es, &plans)).await.expect("a person");
        for customer in customers(&stage.sandbox.stripe, person) {
            refresh(&billing, &customer).await.expect("Stripe answers");
        }
        let theirs = granted_to(&db, &user).await;
        let mut here: BTreeMap<String, i64> = BTreeMap::new();
        for entry in audit::ledger(stage, person).await {
            let source = entry.source.filter(|_| entry.kind == EntryKind::Grant);
            if let Some(source) = source.filter(|source| !source.starts_with("free:")) {
                *here.entry(source).or_default() += entry.tokens.get();
            }
        }
        // A year's later month is granted while it runs or not at all: the twin has missed some.
        let later_month = |source: &String| source.matches(':').count() > 1;
        here.retain(|source, _| !later_month(source));
        assert_same_lots(person, &here, &theirs);
        let twin = db.read(move |tx| account::snapshot(tx, &user)).await.expect("a snapshot");
        let account = stage.get(person, "/api/account").await;
        let subscription: Subscription =
            serde_json::from_value(account["subscription"].clone()).expect("a subscription");
        assert_eq!(subscription, twin.subscription, "{}", person.email);
    }
}

/// What a period brought is the same to the token. What a change within it brought may have been
/// granted before a payment that came late made it worth less: then the rest was taken back, and
/// where nothing is left of a lot, nothing is put right any more.
fn assert_same_lots(
    person: &Person,
    here: &BTreeMap<String, i64>,
    theirs: &BTreeMap<String, (i64, bool)>,
) {
    let is_change = |source: &str| source.starts_with("upgrade:");
    for (source, granted) in here.iter().filter(|(source, _)| !is_change(source)) {
        let there = theirs.get(source).map(|(granted, _)| granted);
        assert_eq!(Some(granted), there, "{}: {source}", person.email);
    }
    for (source, (granted, live)) in theirs {
        let there = here.get(source).copied().unwrap_or(0);
        let is_enough = if is_change(source) { there >= *granted || !live } else { there > 0 };
        assert!(is_enough, "{}: {source} brought {there} of {granted}", person.email);
    }
}

/// By source: how much, and whether it has not ended.
async fn granted_to(db: &Db, user: &UserId) -> BTreeMap<String, (i64, bool)> {
    let user = user.clone();
    let sql = "SELECT source, granted, ended_at IS NULL FROM lots WHERE user_id = ?1";
    let all: Result<Vec<_>, DbError> = db
        .read(move |tx| {
            tx.query_all(sql, &[&user], |row| {
                Ok((row.get::<String>(0)?, (row.get(1)?, row.get(2)?)))
            })
        })
        .await;
    let all = all.expect("lots").into_iter();
    all.filter(|(source, _)| !source.starts_with("free:") && source.matches(':').count() == 1)
        .collect()
}
