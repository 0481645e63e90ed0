//! Buying a plan, managing it, and coming back from either.

use super::refresh::{refresh, refresh_deleted};
use super::{Billing, BillingError, customers, departed};
use crate::account;
use crate::db::{DbError, Tx};
use crate::lang::Lang;
use crate::stripe::checkout::NewCheckout;
use crate::stripe::customers::{Found, NewCustomer};
use crate::stripe::{StripeFault, is_id};
use autocrea_protocol::account::Interval;
use autocrea_protocol::billing::{CheckoutRequest, CheckoutResponse};
use autocrea_protocol::{PlanId, UserId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A checkout that is used again must be open for at least so long.
const WORTH_REUSING_SECS: i64 = 600;

/// Why there is no page to send somebody to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The plan is not one that is sold, or not at that interval.
    #[error("no such plan is sold")]
    InvalidPlan,
    /// The person has never been a customer.
    #[error("the person has no customer at Stripe")]
    NoCustomer,
    /// The session is somebody else's, or nobody's.
    #[error("no such session of this person")]
    NoSession,
    /// Anything else.
    #[error(transparent)]
    Billing(#[from] BillingError),
}

impl From<StripeFault> for CheckoutError {
    fn from(fault: StripeFault) -> Self {
        Self::Billing(fault.into())
    }
}
impl From<DbError> for CheckoutError {
    fn from(error: DbError) -> Self {
        Self::Billing(error.into())
    }
}

/// Opens the page on which the person buys a plan, or, if they have a live subscription, the one
/// on which they change it. One at a time a person: two taps end on the same page.
///
/// # Errors
/// [`CheckoutError`].
pub async fn create(
    billing: &Billing,
    user: &UserId,
    request: &CheckoutRequest,
    lang: Lang,
) -> Result<CheckoutResponse, CheckoutError> {
    let interval = request.interval.unwrap_or(Interval::Month);
    let price = billing
        .book
        .price_of(&request.plan_id, interval)
        .ok_or(CheckoutError::InvalidPlan)?
        .to_owned();
    let _alone = billing.locks.hold(&format!("person:{user}")).await?;
    let (customer, live) = customer_and_live(billing, user, lang).await?;
    if let Some(subscription) = live {
        return change(billing, &customer, &subscription, lang).await;
    }
    let wanted = Wanted { user, customer: &customer, plan: &request.plan_id, price: &price, lang };
    open(billing, wanted).await
}

/// The page on which a live subscription is changed.
async fn change(
    billing: &Billing,
    customer: &str,
    subscription: &str,
    lang: Lang,
) -> Result<CheckoutResponse, CheckoutError> {
    let url = open_portal(billing, customer, Some(subscription), lang).await?;
    Ok(CheckoutResponse { session_id: None, url, kind: Some("portal".to_owned()) })
}

/// The person's customer, made if need be, and their live subscription. A customer that was
/// deleted at Stripe is given up for a new one.
async fn customer_and_live(
    billing: &Billing,
    user: &UserId,
    lang: Lang,
) -> Result<(String, Option<String>), CheckoutError> {
    let id = user.clone();
    if let Some(known) = billing.db.read(move |tx| customers::of_person(tx, &id)).await? {
        match billing.stripe.live_subscription(&known).await {
            Ok(Some(live)) => return Ok((known, Some(live))),
            // A deleted customer may still list what it had, and its event may come later.
            Ok(None) if billing.stripe.customer(&known).await? != Found::Deleted => {
                return Ok((known, None));
            }
            Ok(None) => refresh_deleted(billing, &known).await?,
            Err(StripeFault::NotFound(_)) => refresh(billing, &known).await?,
            Err(fault) => return Err(fault.into()),
        }
        let id = user.clone();
        if billing.db.read(move |tx| customers::of_person(tx, &id)).await?.is_some() {
            return Err(StripeFault::NotFound("customer").into());
        }
    }
    let made = make_customer(billing, user, lang).await?;
    Ok((made, None))
}

async fn make_customer(
    billing: &Billing,
    user: &UserId,
    lang: Lang,
) -> Result<String, CheckoutError> {
    let id = user.clone();
    let (person, before) = billing
        .db
        .read(move |tx| {
            Ok::<_, DbError>((account::profile(tx, &id)?.0, customers::count_of(tx, &id)?))
        })
        .await?;
    // Whoever left and came back is somebody new, also to Stripe's memory of keys.
    let since = person.created_at.0;
    let new = NewCustomer {
        user: user.as_str(),
        email: person.email.as_deref(),
        name: person.name.as_deref(),
        locale: lang.as_str(),
    };
    // The same person with the same details is the same customer, should the answer be lost.
    let details = format!("{:?} {:?} {}", new.email, new.name, new.locale);
    let digest = hex::encode(&Sha256::digest(details.as_bytes())[..8]);
    let key = format!("autocrea:customer:{user}:{since}:{before}:{digest}");
    let customer = billing.stripe.create_customer(&new, &key).await?;
    let (id, name) = (user.clone(), customer.clone());
    let linked = billing
        .db
        .write(move |tx| {
            let linked = customers::link(tx, &id, &name)?;
            // Made for somebody who has left meanwhile.
            if !linked && !account::is_known(tx, &id)? {
                departed::turn_away(tx, &name)?;
            }
            Ok::<_, DbError>(linked)
        })
        .await?;
    if !linked {
        tracing::error!(customer, "a person's new customer could not be written down");
        return Err(DbError::NoRow.into());
    }
    Ok(customer)
}

struct Wanted<'a> {
    user: &'a UserId,
    customer: &'a str,
    plan: &'a PlanId,
    price: &'a str,
    lang: Lang,
}

/// The open checkout for the same thing, or a new one; every other open one is shut, so that
/// nobody can pay twice.
async fn open(billing: &Billing, wanted: Wanted<'_>) -> Result<CheckoutResponse, CheckoutError> {
    let now = billing.clock.now().as_secs();
    let (mut reusable, mut all_shut) = (None, true);
    for session in billing.stripe.open_checkouts(wanted.customer).await? {
        let (id, price, locale) =
            (session.id.clone(), wanted.price.to_owned(), wanted.lang.as_str());
        let same = billing.db.read(move |tx| opened_for(tx, &id, &price, locale)).await?;
        let fresh = session.expires_at > now + WORTH_REUSING_SECS;
        match session.url {
            Some(url) if same && fresh && reusable.is_none() => {
                reusable = Some((session.id, url));
            }
            _ => all_shut &= billing.stripe.expire_checkout(&session.id).await?,
        }
    }
    // One that cannot be shut may just have been paid: then there is something to change, and
    // nothing to buy.
    if !all_shut
        && let Some(subscription) = billing.stripe.live_subscription(wanted.customer).await?
    {
        return change(billing, wanted.customer, &subscription, wanted.lang).await;
    }
    if let Some((id, url)) = reusable {
        return Ok(CheckoutResponse { session_id: Some(id), url, kind: None });
    }
    let new = NewCheckout {
        customer: wanted.customer,
        user: wanted.user.as_str(),
        plan: wanted.plan.as_str(),
        price: wanted.price,
        spanish: wanted.lang == Lang::Es,
        public_url: &billing.config.public_url,
    };
    let key = format!("autocrea:checkout:{}", Uuid::now_v7());
    let session = match billing.stripe.open_checkout(&new, &key).await {
        Err(fault @ StripeFault::NotFound(_)) => {
            if billing.stripe.customer(wanted.customer).await? == Found::Deleted {
                return Err(fault.into());
            }
            tracing::error!(plan = new.plan, "Stripe does not know the price of a plan");
            return Err(CheckoutError::InvalidPlan);
        }
        opened => opened?,
    };
    let Some(url) = session.url else {
        return Err(StripeFault::Unreadable("checkout").into());
    };
    let (id, customer, price, locale, expires_at) = (
        session.id.clone(),
        wanted.customer.to_owned(),
        wanted.price.to_owned(),
        wanted.lang.as_str(),
        session.expires_at,
    );
    let (id_of_person, name) = (wanted.user.clone(), wanted.customer.to_owned());
    let kept = billing
        .db
        .write(move |tx| {
            tx.hold_person(&id_of_person)?;
            // They may have left while Stripe was asked: then nothing must be left to pay.
            if customers::person_of(tx, &name)?.as_ref() != Some(&id_of_person) {
                departed::arm(tx, &name)?;
                return Ok(false);
            }
            let now = tx.now();
            tx.execute(
                "INSERT INTO checkouts (session, customer, price, locale, expires_at, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (session) DO NOTHING",
                &[&id, &customer, &price, &locale, &expires_at, &now],
            )?;
            Ok::<_, DbError>(true)
        })
        .await?;
    if !kept {
        return Err(DbError::NoRow.into());
    }
    Ok(CheckoutResponse { session_id: Some(session.id), url, kind: None })
}

fn opened_for(tx: &mut Tx<'_>, session: &str, price: &str, locale: &str) -> Result<bool, DbError> {
    let found = tx.query_opt(
        "SELECT 1 FROM checkouts WHERE session = ?1 AND price = ?2 AND locale = ?3",
        &[&session, &price, &locale],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Opens the portal.
///
/// # Errors
/// [`CheckoutError::NoCustomer`] for somebody who never began to buy, or whose customer is gone.
pub async fn portal(billing: &Billing, user: &UserId, lang: Lang) -> Result<String, CheckoutError> {
    let id = user.clone();
    let customer = billing.db.read(move |tx| customers::of_person(tx, &id)).await?;
    let customer = customer.ok_or(CheckoutError::NoCustomer)?;
    match open_portal(billing, &customer, None, lang).await {
        Err(CheckoutError::Billing(BillingError::Stripe(StripeFault::NotFound(what)))) => {
            // Deleted at Stripe, if that says so; its event may come later.
            refresh_deleted(billing, &customer).await?;
            match customer_of(billing, user).await? {
                None => Err(CheckoutError::NoCustomer),
                Some(_) => Err(StripeFault::NotFound(what).into()),
            }
        }
        opened => opened,
    }
}

async fn open_portal(
    billing: &Billing,
    customer: &str,
    change: Option<&str>,
    lang: Lang,
) -> Result<String, CheckoutError> {
    let spanish = lang == Lang::Es;
    let base = &billing.config.public_url;
    let key = format!("autocrea:portal:{}", Uuid::now_v7());
    match billing.stripe.open_portal(customer, change, spanish, base, &key).await {
        // Stripe does not let every subscription be changed (one that is being cancelled, one that
        // is overdue): then the portal's own front page, where it can be put in order.
        Err(StripeFault::Refused { .. }) if change.is_some() => {
            let key = format!("autocrea:portal:{}", Uuid::now_v7());
            Ok(billing.stripe.open_portal(customer, None, spanish, base, &key).await?)
        }
        opened => Ok(opened?),
    }
}

/// Brings the person up to date now: what the return from checkout asks for.
///
/// # Errors
/// [`CheckoutError::NoSession`] for a session that is not theirs.
pub async fn sync(
    billing: &Billing,
    user: &UserId,
    session: Option<&str>,
) -> Result<(), CheckoutError> {
    let id = user.clone();
    let mut customer = billing.db.read(move |tx| customers::of_person(tx, &id)).await?;
    if let Some(session) = session {
        customer = Some(own_session(billing, user, customer.as_deref(), session).await?);
    }
    match customer {
        None => Ok(()),
        Some(customer) => match refresh(billing, &customer).await {
            // It is loud in the log, and nothing was changed: so what is here is what there is.
            Err(BillingError::Fold(_)) => Ok(()),
            refreshed => Ok(refreshed?),
        },
    }
}

/// The customer of a session, if both are this person's.
async fn own_session(
    billing: &Billing,
    user: &UserId,
    customer: Option<&str>,
    session: &str,
) -> Result<String, CheckoutError> {
    if !is_id(session, "cs_") {
        return Err(CheckoutError::NoSession);
    }
    let found = match billing.stripe.checkout(session).await {
        Err(StripeFault::NotFound(_)) => return Err(CheckoutError::NoSession),
        found => found?,
    };
    let whose = found.customer.ok_or(CheckoutError::NoSession)?;
    let name = whose.clone();
    // A session of a former life is nobody's.
    if billing.db.read(move |tx| departed::is_departed(tx, &name)).await? {
        return Err(CheckoutError::NoSession);
    }
    let theirs = match customer {
        Some(customer) => customer == whose,
        // Began before this database did; the reference is only ever written by this relay.
        None => found.user.as_deref() == Some(user.as_str()),
    };
    if theirs { Ok(whose) } else { Err(CheckoutError::NoSession) }
}

/// The customer of a person, for what is only read.
///
/// # Errors
/// If the database refuses.
pub async fn customer_of(billing: &Billing, user: &UserId) -> Result<Option<String>, DbError> {
    let id = user.clone();
    billing.db.read(move |tx| customers::of_person(tx, &id)).await
}
