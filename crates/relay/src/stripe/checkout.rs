//! Checkout and portal sessions: the pages of Stripe's that people pay and manage on.

use super::objects::{
    Anything, CheckoutSession, List, PortalConfiguration, PortalSession, Reference,
};
use super::setup::PORTAL_MARK;
use super::{Stripe, StripeFault};
use std::collections::HashMap;
use stripe_billing::BillingPortalSessionLocale;
use stripe_billing::billing_portal_configuration::ListBillingPortalConfiguration;
use stripe_billing::billing_portal_session::{
    CreateBillingPortalSession, CreateBillingPortalSessionFlowData,
    CreateBillingPortalSessionFlowDataAfterCompletion,
    CreateBillingPortalSessionFlowDataAfterCompletionRedirect,
    CreateBillingPortalSessionFlowDataAfterCompletionType,
    CreateBillingPortalSessionFlowDataSubscriptionUpdate, CreateBillingPortalSessionFlowDataType,
};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionSubscriptionData,
    ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession,
};
use stripe_shared::{
    CheckoutSessionLocale, CheckoutSessionMode, CheckoutSessionStatus, CheckoutSessionUiMode,
};

/// A checkout to be opened.
#[derive(Clone, Debug)]
pub struct NewCheckout<'a> {
    /// Who pays.
    pub customer: &'a str,
    /// Clerk's id of the person.
    pub user: &'a str,
    /// Told in the metadata for readers of the Dashboard, never read back.
    pub plan: &'a str,
    /// What is bought.
    pub price: &'a str,
    /// Spanish, or else English.
    pub spanish: bool,
    /// Where the relay can be reached from a browser, without a slash at the end.
    pub public_url: &'a str,
}

/// A checkout session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `cs_…`
    pub id: String,
    /// The page, while it is open.
    pub url: Option<String>,
    /// Whose.
    pub customer: Option<String>,
    /// Clerk's id of who began it.
    pub user: Option<String>,
    /// Unix seconds.
    pub expires_at: i64,
}

impl From<CheckoutSession> for Session {
    fn from(from: CheckoutSession) -> Self {
        Self {
            id: from.id,
            url: from.url,
            customer: from.customer.map(Reference::into_id),
            user: from.client_reference_id,
            expires_at: from.expires_at,
        }
    }
}

impl Stripe {
    /// Opens a checkout.
    ///
    /// # Errors
    /// As every call.
    pub async fn open_checkout(
        &self,
        new: &NewCheckout<'_>,
        key: &str,
    ) -> Result<Session, StripeFault> {
        let metadata = HashMap::from([
            ("userId".to_owned(), new.user.to_owned()),
            ("planId".to_owned(), new.plan.to_owned()),
        ]);
        let mut item = CreateCheckoutSessionLineItems::new();
        item.price = Some(new.price.to_owned());
        item.quantity = Some(1);
        let mut subscription = CreateCheckoutSessionSubscriptionData::new();
        subscription.metadata = Some(metadata.clone());
        let back = format!("{}/return/checkout?session_id={{CHECKOUT_SESSION_ID}}", new.public_url);
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Subscription)
            .ui_mode(CheckoutSessionUiMode::HostedPage)
            .customer(new.customer)
            .client_reference_id(new.user)
            .line_items(vec![item])
            .metadata(metadata)
            .subscription_data(subscription)
            .allow_promotion_codes(true)
            .locale(if new.spanish { CheckoutSessionLocale::Es } else { CheckoutSessionLocale::En })
            .cancel_url(format!("{back}&cancelled=1"))
            .success_url(back);
        Ok(self.post::<CheckoutSession>("checkout", key, &request).await?.into())
    }

    /// The customer's checkouts that can still be paid.
    ///
    /// # Errors
    /// As every call.
    pub async fn open_checkouts(&self, customer: &str) -> Result<Vec<Session>, StripeFault> {
        let request = ListCheckoutSession::new()
            .customer(customer)
            .status(CheckoutSessionStatus::Open)
            .limit(100);
        let all: List<CheckoutSession> = self.get("checkouts", &request).await?;
        Ok(all.data.into_iter().map(Session::from).collect())
    }

    /// Shuts a checkout. False for one that is no longer open: it has expired, or been paid.
    ///
    /// # Errors
    /// As every call.
    pub async fn expire_checkout(&self, session: &str) -> Result<bool, StripeFault> {
        let key = format!("autocrea:expire:{session}");
        let request = ExpireCheckoutSession::new(session);
        match self.post::<Anything>("checkout expiry", &key, &request).await {
            Ok(_) => Ok(true),
            Err(StripeFault::Refused { .. } | StripeFault::NotFound(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Looks a checkout up.
    ///
    /// # Errors
    /// As every call.
    pub async fn checkout(&self, session: &str) -> Result<Session, StripeFault> {
        let request = RetrieveCheckoutSession::new(session);
        Ok(self.get::<CheckoutSession>("checkout", &request).await?.into())
    }

    /// Opens the portal; with a subscription, at the page where its plan is changed.
    ///
    /// # Errors
    /// As every call.
    pub async fn open_portal(
        &self,
        customer: &str,
        change: Option<&str>,
        spanish: bool,
        public_url: &str,
        key: &str,
    ) -> Result<String, StripeFault> {
        let back = format!("{public_url}/return/portal");
        let mut request = CreateBillingPortalSession::new()
            .customer(customer)
            .locale(if spanish {
                BillingPortalSessionLocale::Es
            } else {
                BillingPortalSessionLocale::En
            })
            .return_url(&back);
        if let Some(configuration) = self.portal_configuration().await {
            request = request.configuration(configuration);
        }
        if let Some(subscription) = change {
            let mut flow = CreateBillingPortalSessionFlowData::new(
                CreateBillingPortalSessionFlowDataType::SubscriptionUpdate,
            );
            flow.subscription_update =
                Some(CreateBillingPortalSessionFlowDataSubscriptionUpdate::new(subscription));
            let mut after = CreateBillingPortalSessionFlowDataAfterCompletion::new(
                CreateBillingPortalSessionFlowDataAfterCompletionType::Redirect,
            );
            after.redirect =
                Some(CreateBillingPortalSessionFlowDataAfterCompletionRedirect::new(back));
            flow.after_completion = Some(after);
            request = request.flow_data(flow);
        }
        Ok(self.post::<PortalSession>("portal", key, &request).await?.url)
    }

    /// The configuration that `stripe setup` made. Where it cannot be asked for, the default one
    /// does for now.
    async fn portal_configuration(&self) -> Option<&str> {
        let find = || async {
            let request = ListBillingPortalConfiguration::new().active(true).limit(100);
            let all: List<PortalConfiguration> =
                self.get("portal configurations", &request).await?;
            let (name, value) = PORTAL_MARK;
            let marked = |metadata: &Option<HashMap<String, String>>| {
                metadata.as_ref().and_then(|it| it.get(name)).is_some_and(|it| it == value)
            };
            let ours = all.data.into_iter().find(|it| marked(&it.metadata));
            Ok::<_, StripeFault>(ours.map(|it| it.id))
        };
        match self.portal.get_or_try_init(find).await {
            Ok(found) => found.as_deref(),
            Err(fault) => {
                tracing::warn!(%fault, "the portal is opened with the account's default configuration");
                None
            }
        }
    }
}
