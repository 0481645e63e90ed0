//! Each mail in both languages: its text as a snapshot, its HTML as something that mail programs can
//! read.

use super::keys::{self, Keys};
use super::letter::{Rendered, write};
use super::news::{Day, News, Share};
use super::reader::Reader;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::lang::Lang;
use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Subscription, Tokens, UnixMillis, UserId};
use std::collections::BTreeMap;

/// 2026-12-01, UTC.
const DECEMBER: UnixMillis = UnixMillis(1_796_083_200_000);

fn config() -> Config {
    let environment: BTreeMap<String, String> = [
        ("STRIPE_SECRET_KEY", "sk_test"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_test"),
        ("STRIPE_CREATOR_PRICE_ID", "price_creator"),
        ("STRIPE_PRO_PRICE_ID", "price_pro"),
        ("STRIPE_BUSINESS_PRICE_ID", "price_business"),
        ("CLERK_ISSUER", "https://clerk.example.org"),
        ("CLERK_OAUTH_CLIENT_ID", "client"),
        ("JOXCODER_URL", "https://model.example.org/v1"),
        ("RELAY_PUBLIC_URL", "https://relay.example.org"),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    let file = "[links]\nsupport = \"https://example.org/help\"\nprivacy = \"https://example.org/privacy\"\n";
    Config::from_layers(Some(file), &environment).expect("valid")
}

fn reader(lang: Lang) -> Reader {
    Reader {
        address: Some("ana@example.com".to_owned()),
        name: Some("Ana".to_owned()),
        lang,
        marketing: true,
        created_at: UnixMillis(0),
        has_generated: true,
        subscription: Subscription::none(),
    }
}

/// Every mail that there is, each under a name.
fn each() -> Vec<(&'static str, News, bool)> {
    let creator = || PlanId::from("creator");
    let tokens = |share, used| News::Tokens {
        share,
        plan: PlanId::free(),
        used: Tokens(used),
        limit: Tokens(20_000),
        ends_at: DECEMBER,
    };
    let confirmed = |trial| News::SubscriptionConfirmed {
        plan: creator(),
        interval: Some(Interval::Month),
        trial,
        until: DECEMBER,
    };
    let cancelled = |until| News::SubscriptionCancelled { plan: creator(), until };
    let failed = |kept_until| News::PaymentFailed { plan: creator(), kept_until };
    let onboarding = |day| News::Onboarding { day };
    vec![
        ("welcome", News::Welcome, true),
        ("tokens_50", tokens(Share::Half, 10_250), true),
        ("tokens_80", tokens(Share::Most, 16_840), true),
        ("tokens_100", tokens(Share::All, 20_000), true),
        ("upgrade", News::Upgrade, true),
        ("subscription_confirmed", confirmed(false), true),
        ("subscription_confirmed_trial", confirmed(true), true),
        ("subscription_cancelled", cancelled(Some(DECEMBER)), true),
        ("subscription_cancelled_now", cancelled(None), true),
        ("payment_failed", failed(Some(DECEMBER)), true),
        ("payment_failed_upgrade", failed(None), true),
        ("onboarding_1", onboarding(Day::First), true),
        ("onboarding_2", onboarding(Day::Second), true),
        ("onboarding_3", onboarding(Day::Third), true),
        ("onboarding_5", onboarding(Day::Fifth), true),
        ("onboarding_5_nudge", onboarding(Day::Fifth), false),
        ("onboarding_7", onboarding(Day::Seventh), true),
    ]
}

async fn keys() -> Keys {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("relay.db");
    let db = Db::open_sqlite(&path, Clock::system(), Changes::default()).expect("a database");
    let fresh = [[7; keys::LENGTH]; 2];
    let made: Result<Keys, DbError> = db.write(move |tx| Keys::of(tx, &fresh)).await;
    made.expect("keys")
}

fn rendered(keys: &Keys, lang: Lang, news: &News, has_generated: bool) -> Rendered {
    let reader = Reader { has_generated, ..reader(lang) };
    write(&config(), keys, &UserId::from("user_ana"), news, &reader).expect("a letter")
}

#[tokio::test]
async fn each_mail_says_this_in_both_languages() {
    let keys = keys().await;
    for (name, news, has_generated) in each() {
        for lang in [Lang::Es, Lang::En] {
            let mail = rendered(&keys, lang, &news, has_generated);
            let whole = format!("{}\n\n{}", mail.subject, mail.text);
            insta::assert_snapshot!(format!("{name}_{}", lang.as_str()), whole);
        }
    }
}

#[tokio::test]
async fn every_html_is_well_formed_leads_only_to_https_and_fetches_nothing() {
    let keys = keys().await;
    for (name, news, has_generated) in each() {
        for lang in [Lang::Es, Lang::En] {
            let html = rendered(&keys, lang, &news, has_generated).html;
            balanced(&html).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            for link in html.split("href=\"").skip(1) {
                assert!(link.starts_with("https://"), "{name}: {link:.60}");
            }
            for fetched in ["<img", "src=", "url(", "@import", "<script", "<link"] {
                assert!(!html.contains(fetched), "{name} has {fetched}");
            }
            let readable = ">https://relay.example.org/return/portal?from=mail</a>";
            assert!(html.contains(readable), "{name}: the button's link can be read, too");
            assert!(!html.contains("nowrap"), "{name}: it would be wider than a phone");
            assert!(html.len() < 100_000, "{name}: programs cut off what is longer");
        }
    }
}

#[tokio::test]
async fn a_name_cannot_leave_its_place_and_the_promotional_ones_alone_can_be_ended() {
    let keys = keys().await;
    let name = Some("<b>&\"Ana".to_owned());
    let reader = Reader { name, ..reader(Lang::Es) };
    for (_, news, _) in each() {
        let mail = write(&config(), &keys, &UserId::from("user_ana"), &news, &reader);
        let mail = mail.expect("a letter");
        assert!(!mail.html.contains("<b>") && mail.html.contains("&#60;b&#62;"));
        assert_eq!(mail.unsubscribe.is_some(), news.is_promotional());
        assert_eq!(mail.text.contains("/api/mail/unsubscribe?token="), news.is_promotional());
    }
}

/// Whether every element that is opened is closed, in order.
fn balanced(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let (mut rest, style) = (html, "</style>");
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').ok_or("a tag that does not end")?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes something else"));
            }
            continue;
        }
        open.push(name);
        if name == "style" {
            rest = &rest[rest.find(style).ok_or("a style that does not end")?..];
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} is not closed")) }
}
