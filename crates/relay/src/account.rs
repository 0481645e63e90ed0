//! People: their record, the plan in force, and the snapshot that the app is shown.
//!
//! A person is made when an authenticated call first names them. The plan in force is written by
//! billing through [`set_subscription`]; the tokens are the ledger's.

use crate::clock::month_of;
use crate::config::Catalogue;
use crate::db::{DbError, Row, Tx};
use crate::departure;
use crate::lang::Lang;
use crate::ledger::{self, GrantOutcome};
use crate::mail;
use autocrea_protocol::account::Interval;
use autocrea_protocol::{
    AccountSnapshot, PlanId, Subscription, SubscriptionStatus, UnixMillis, User, UserId,
};

/// What a look at a person found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether they had never been seen before.
    pub new: bool,
    /// When their profile was last read from Clerk.
    pub profile_at: Option<UnixMillis>,
}

/// Whether [`see`] would change nothing, and what it would answer.
///
/// # Errors
/// If the database refuses.
pub fn seen(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<Seen>, DbError> {
    let now = tx.now();
    let source = ledger::free_source(user, now);
    let month = month_of(now);
    tx.query_opt(
        "SELECT profile_at FROM people WHERE id = ?1 AND month >= ?3
             AND (plan_id <> 'free' OR former_free_month = ?3
                 OR EXISTS (SELECT 1 FROM lots WHERE source = ?2))",
        &[user, &source, &month],
        |row| Ok(Seen { new: false, profile_at: row.get(0)? }),
    )
}

/// Makes the person if they are new, and this month's free lot if it is due.
///
/// # Errors
/// If the database refuses.
pub fn see(tx: &mut Tx<'_>, user: &UserId, lang: Lang, plans: &Catalogue) -> Result<Seen, DbError> {
    let now = tx.now();
    let made = tx.execute(
        "INSERT INTO people (id, version, locale, created_at, updated_at, month)
         VALUES (?1, 1, ?2, ?3, ?3, ?4) ON CONFLICT (id) DO NOTHING",
        &[user, &lang.as_str(), &now, &month_of(now)],
    )?;
    let returned = made > 0 && take_up(tx, user)?;
    tx.hold_person(user)?;
    ledger::expire_due(tx, user)?;
    ledger::roll_month(tx, user)?;
    let free = plans.terms(&PlanId::free()).tokens;
    if ledger::ensure_free_lot(tx, user, free)? == GrantOutcome::Made {
        tracing::debug!("a free lot was made");
    }
    if made > 0 && !returned {
        mail::welcome(tx, user)?;
    }
    let profile_at =
        tx.query_one("SELECT profile_at FROM people WHERE id = ?1", &[user], |row| row.get(0))?;
    Ok(Seen { new: made > 0, profile_at })
}

/// Goes on where somebody who left and has come back stopped: above their last version, and without
/// another free lot in the same month. False for somebody who never left.
fn take_up(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, DbError> {
    let Some(former) = departure::former(tx, user)? else { return Ok(false) };
    tx.execute(
        "UPDATE people SET version = ?2, former_free_month = ?3 WHERE id = ?1",
        &[user, &(former.version + 1), &former.free_month],
    )?;
    Ok(true)
}

/// As [`see`], for somebody who watches: they are not made again if they have left; `None` then.
///
/// # Errors
/// If the database refuses.
pub fn see_again(
    tx: &mut Tx<'_>,
    user: &UserId,
    lang: Lang,
    plans: &Catalogue,
) -> Result<Option<AccountSnapshot>, DbError> {
    tx.hold_person(user)?;
    if !is_known(tx, user)? {
        return Ok(None);
    }
    see(tx, user, lang, plans)?;
    snapshot(tx, user).map(Some)
}

/// Whether there is such a person.
///
/// # Errors
/// If the database refuses.
pub fn is_known(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, DbError> {
    let found = tx.query_opt("SELECT 1 FROM people WHERE id = ?1", &[user], |_| Ok(()))?;
    Ok(found.is_some())
}

/// All that the app is shown, as of one version.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn snapshot(tx: &mut Tx<'_>, user: &UserId) -> Result<AccountSnapshot, DbError> {
    let (version, person) = tx.query_one(
        "SELECT id, email, COALESCE(own_name, clerk_name), image_url, locale, created_at,
             updated_at, version
         FROM people WHERE id = ?1",
        &[user],
        |row| Ok((row.get(7)?, person(row)?)),
    )?;
    Ok(AccountSnapshot {
        version,
        user: person,
        subscription: subscription(tx, user)?,
        tokens: ledger::figures(tx, user)?,
    })
}

fn person(row: &Row<'_>) -> Result<User, DbError> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        image_url: row.get(3)?,
        locale: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

/// The version of a person's snapshot, and since when they have been known.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn version(tx: &mut Tx<'_>, user: &UserId) -> Result<(i64, UnixMillis), DbError> {
    tx.query_one("SELECT version, created_at FROM people WHERE id = ?1", &[user], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// The versions of those of these people who are there; only where the database is shared.
///
/// # Errors
/// If the database refuses.
pub fn versions(tx: &mut Tx<'_>, users: &[UserId]) -> Result<Vec<(UserId, i64)>, DbError> {
    let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
    tx.query_all(
        "SELECT id, version FROM people WHERE id = ANY (string_to_array(?1, chr(10)))",
        &[&ids.join("\n")],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The plan in force, as it was last written.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn subscription(tx: &mut Tx<'_>, user: &UserId) -> Result<Subscription, DbError> {
    tx.query_one(
        "SELECT plan_id, subscription_status, billing_interval, period_start, period_end,
             cancel_at_period_end, grace_until
         FROM people WHERE id = ?1",
        &[user],
        |row| {
            Ok(Subscription {
                plan_id: row.get(0)?,
                status: row.get::<Option<String>>(1)?.as_deref().and_then(status_from),
                interval: row.get::<Option<String>>(2)?.as_deref().and_then(interval_from),
                current_period_start: row.get(3)?,
                current_period_end: row.get(4)?,
                cancel_at_period_end: row.get(5)?,
                grace_until: row.get(6)?,
            })
        },
    )
}

/// Writes the plan in force; answers whether it differs from what was written before. Only a
/// difference changes the version.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn set_subscription(
    tx: &mut Tx<'_>,
    user: &UserId,
    new: &Subscription,
) -> Result<bool, DbError> {
    tx.hold_person(user)?;
    if subscription(tx, user)? == *new {
        return Ok(false);
    }
    tx.execute(
        "UPDATE people SET plan_id = ?2, subscription_status = ?3, billing_interval = ?4,
             period_start = ?5, period_end = ?6, cancel_at_period_end = ?7, grace_until = ?8
         WHERE id = ?1",
        &[
            user,
            &new.plan_id,
            &new.status.map(status_word),
            &new.interval.map(Interval::as_str),
            &new.current_period_start,
            &new.current_period_end,
            &new.cancel_at_period_end,
            &new.grace_until,
        ],
    )?;
    tx.touch(user)?;
    Ok(true)
}

const fn status_word(status: SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::Active => "active",
        SubscriptionStatus::Trialing => "trialing",
        SubscriptionStatus::PastDue => "past_due",
        SubscriptionStatus::Canceled => "canceled",
        SubscriptionStatus::Paused => "paused",
    }
}

fn status_from(word: &str) -> Option<SubscriptionStatus> {
    [
        SubscriptionStatus::Active,
        SubscriptionStatus::Trialing,
        SubscriptionStatus::PastDue,
        SubscriptionStatus::Canceled,
        SubscriptionStatus::Paused,
    ]
    .into_iter()
    .find(|status| status_word(*status) == word)
}

fn interval_from(word: &str) -> Option<Interval> {
    [Interval::Month, Interval::Year].into_iter().find(|interval| interval.as_str() == word)
}

/// What Clerk says of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClerkProfile {
    /// E-mail.
    pub email: Option<String>,
    /// Full name.
    pub name: Option<String>,
    /// Address of a picture.
    pub image_url: Option<String>,
}

/// Writes what Clerk says. Only a difference changes the version.
///
/// # Errors
/// If the database refuses.
pub fn store_clerk_profile(
    tx: &mut Tx<'_>,
    user: &UserId,
    profile: &ClerkProfile,
) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute("UPDATE people SET profile_at = ?2 WHERE id = ?1", &[user, &now])?;
    write_profile(tx, user, profile)
}

fn write_profile(tx: &mut Tx<'_>, user: &UserId, profile: &ClerkProfile) -> Result<(), DbError> {
    let now = tx.now();
    let changed = tx.execute(
        "UPDATE people SET email = ?2, clerk_name = ?3, image_url = ?4, updated_at = ?5
         WHERE id = ?1 AND (email IS DISTINCT FROM ?2 OR clerk_name IS DISTINCT FROM ?3
             OR image_url IS DISTINCT FROM ?4)",
        &[user, &profile.email, &profile.name, &profile.image_url, &now],
    )?;
    if changed > 0 {
        tx.touch(user)?;
    }
    if profile.email.is_some() {
        mail::outbox::address_is_known(tx, user)?;
    }
    Ok(())
}

/// Writes what a webhook of Clerk's says, unless something newer was said before; answers whether it
/// did. Webhooks come in any order; `updated_at` is Clerk's own time of the change.
///
/// # Errors
/// If the database refuses.
pub fn store_newer_profile(
    tx: &mut Tx<'_>,
    user: &UserId,
    profile: &ClerkProfile,
    updated_at: UnixMillis,
) -> Result<bool, DbError> {
    tx.hold_person(user)?;
    let newer = tx.execute(
        "UPDATE people SET clerk_updated_at = ?2
         WHERE id = ?1 AND (clerk_updated_at IS NULL OR clerk_updated_at <= ?2)",
        &[user, &updated_at],
    )?;
    if newer > 0 {
        write_profile(tx, user, profile)?;
    }
    Ok(newer > 0)
}

/// What a person changes about themselves; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileEdit {
    /// A name that outlasts Clerk's; `Some(None)` goes back to Clerk's.
    pub name: Option<Option<String>>,
    /// The language of mails.
    pub locale: Option<Lang>,
    /// Whether promotional mails are welcome.
    pub marketing_emails: Option<bool>,
}

/// Writes what a person changed about themselves. What stays as it was makes no new version of their
/// snapshot.
///
/// # Errors
/// If the database refuses.
pub fn edit_profile(tx: &mut Tx<'_>, user: &UserId, edit: &ProfileEdit) -> Result<(), DbError> {
    if *edit == ProfileEdit::default() {
        return Ok(());
    }
    tx.hold_person(user)?;
    let mut changed = 0;
    if let Some(name) = &edit.name {
        changed += tx.execute(
            "UPDATE people SET own_name = ?2 WHERE id = ?1 AND own_name IS DISTINCT FROM ?2",
            &[user, name],
        )?;
    }
    if let Some(locale) = edit.locale {
        changed += tx.execute(
            "UPDATE people SET locale = ?2 WHERE id = ?1 AND locale <> ?2",
            &[user, &locale.as_str()],
        )?;
    }
    if let Some(wanted) = edit.marketing_emails {
        changed += tx.execute(
            "UPDATE people SET marketing_emails = ?2 WHERE id = ?1 AND marketing_emails <> ?2",
            &[user, &wanted],
        )?;
    }
    if changed == 0 {
        return Ok(());
    }
    let now = tx.now();
    tx.execute("UPDATE people SET updated_at = ?2 WHERE id = ?1", &[user, &now])?;
    tx.touch(user)
}

/// The snapshot's `user`, and whether promotional mails are welcome.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn profile(tx: &mut Tx<'_>, user: &UserId) -> Result<(User, bool), DbError> {
    tx.query_one(
        "SELECT id, email, COALESCE(own_name, clerk_name), image_url, locale, created_at,
             updated_at, marketing_emails
         FROM people WHERE id = ?1",
        &[user],
        |row| Ok((person(row)?, row.get(7)?)),
    )
}
