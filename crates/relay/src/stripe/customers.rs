//! Customers: made once a person, and everything that Stripe says of one.

use super::objects::{
    Charge, Customer, Dispute, Invoice, InvoicePayment, Line, List, Reference, Subscription,
};
use super::read::{self, SUCCEEDED};
use super::{Stripe, StripeFault};
use crate::billing::facts::{Facts, InvoiceFact, SubscriptionFact};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use stripe_billing::invoice::ListInvoice;
use stripe_billing::invoice_line_item::ListInvoiceInvoiceLineItem;
use stripe_billing::invoice_payment::{
    ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType,
};
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_core::charge::{ListCharge, RetrieveCharge};
use stripe_core::customer::{CreateCustomer, RetrieveCustomer};
use stripe_core::dispute::ListDispute;

/// A customer to be made.
#[derive(Clone, Debug)]
pub struct NewCustomer<'a> {
    /// Clerk's id; goes into `metadata[userId]`.
    pub user: &'a str,
    /// For Stripe's receipts.
    pub email: Option<&'a str>,
    /// For Stripe's receipts.
    pub name: Option<&'a str>,
    /// The language of Stripe's mails.
    pub locale: &'a str,
}

/// What a customer is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There, with the person in its metadata, if any.
    Present {
        /// `metadata[userId]`
        user: Option<String>,
    },
    /// Deleted at Stripe.
    Deleted,
}

impl Stripe {
    /// Makes a customer and gives its id.
    ///
    /// # Errors
    /// As every call.
    pub async fn create_customer(
        &self,
        new: &NewCustomer<'_>,
        key: &str,
    ) -> Result<String, StripeFault> {
        let mut request = CreateCustomer::new()
            .metadata(HashMap::from([("userId".to_owned(), new.user.to_owned())]))
            .preferred_locales(vec![new.locale.to_owned()]);
        if let Some(email) = new.email {
            request = request.email(email);
        }
        if let Some(name) = new.name {
            request = request.name(name);
        }
        let made: Customer = self.post("customer", key, &request).await?;
        Ok(made.id)
    }

    /// Looks a customer up.
    ///
    /// # Errors
    /// As every call; [`StripeFault::NotFound`] if there never was such a one.
    pub async fn customer(&self, id: &str) -> Result<Found, StripeFault> {
        let customer: Customer = self.get("customer", &RetrieveCustomer::new(id)).await?;
        if customer.deleted {
            return Ok(Found::Deleted);
        }
        let user = customer.metadata.and_then(|mut metadata| metadata.remove("userId"));
        Ok(Found::Present { user })
    }

    /// The customer that a charge is of.
    ///
    /// # Errors
    /// As every call.
    pub async fn customer_of_charge(&self, charge: &str) -> Result<Option<String>, StripeFault> {
        let charge: Charge = self.get("charge", &RetrieveCharge::new(charge)).await?;
        Ok(charge.customer.map(Reference::into_id))
    }

    /// Everything that billing decides by. `disputed` are charges of which a dispute has been announced:
    /// it is looked for whatever they themselves say yet.
    ///
    /// # Errors
    /// As every call.
    pub async fn facts(
        &self,
        customer: &str,
        disputed: &BTreeSet<String>,
    ) -> Result<Facts, StripeFault> {
        let (mut subscriptions, mut invoices, mut charges) = tokio::try_join!(
            self.subscriptions_of(customer),
            self.invoices_of(customer),
            self.charges_of(customer),
        )?;
        // Stripe lists newest first, also within one second, which `created` cannot tell apart.
        subscriptions.reverse();
        invoices.reverse();
        for charge in &mut charges {
            charge.disputed |= disputed.contains(&charge.id);
        }
        self.add_charges(&mut invoices, &charges).await?;
        Ok(Facts { deleted_at: None, subscriptions, invoices })
    }

    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<SubscriptionFact>, StripeFault> {
        let what = "subscriptions";
        let request = ListSubscription::new()
            .customer(customer)
            .status(ListSubscriptionStatus::All)
            .limit(100);
        let facts = self
            .all(what, &request, |one: Subscription| {
                let theirs = one.customer.is(customer);
                theirs.then(|| read::subscription(one).ok_or(StripeFault::Unreadable(what)))
            })
            .await?;
        facts.into_iter().flatten().collect()
    }

    async fn invoices_of(&self, customer: &str) -> Result<Vec<InvoiceFact>, StripeFault> {
        let request = ListInvoice::new().customer(customer).limit(100);
        let fact = |one: Invoice| {
            let theirs = one.customer.as_ref().is_none_or(|it| it.is(customer));
            Some((one.lines.has_more, theirs.then(|| read::invoice(one)).flatten()?))
        };
        let found = self.all("invoices", &request, fact).await?;
        let mut facts = Vec::with_capacity(found.len());
        for (has_more_lines, mut fact) in found.into_iter().flatten() {
            if has_more_lines {
                let request = ListInvoiceInvoiceLineItem::new(fact.id.as_str()).limit(100);
                let line = |one: Line| read::line(&one);
                let lines = self.all("invoice lines", &request, line).await?;
                fact.lines = lines.into_iter().flatten().collect();
            }
            facts.push(fact);
        }
        Ok(facts)
    }

    async fn charges_of(&self, customer: &str) -> Result<Vec<Charge>, StripeFault> {
        let request = ListCharge::new().customer(customer).limit(100);
        let theirs = |one: Charge| {
            let theirs = one.customer.as_ref().is_none_or(|it| it.is(customer));
            theirs.then_some(one)
        };
        Ok(self.all("charges", &request, theirs).await?.into_iter().flatten().collect())
    }

    /// Adds to the invoices what their charges say. Only charges that say something are looked up:
    /// refunded, disputed, or not succeeded while an invoice is open.
    async fn add_charges(
        &self,
        invoices: &mut [InvoiceFact],
        charges: &[Charge],
    ) -> Result<(), StripeFault> {
        let any_open = invoices.iter().any(|invoice| invoice.open);
        let telling = charges.iter().filter(|charge| {
            charge.amount_refunded > 0
                || charge.disputed
                || (any_open && charge.status != SUCCEEDED)
        });
        let hooks: BTreeSet<Hook<'_>> = telling.filter_map(Hook::of).collect();
        let mut attempts: BTreeMap<String, Vec<&Charge>> = BTreeMap::new();
        for hook in hooks {
            let id = match hook {
                Hook::Intent(intent) => self.invoice_of_intent(intent).await?,
                Hook::Invoice(invoice) => Some(invoice.to_owned()),
            };
            let Some(id) = id else { continue };
            let Some(invoice) = invoices.iter_mut().find(|invoice| invoice.id == id) else {
                continue;
            };
            let of_invoice = attempts.entry(id).or_default();
            for charge in charges.iter().filter(|one| Hook::of(one) == Some(hook)) {
                self.add_charge(invoice, charge).await?;
                of_invoice.push(charge);
            }
        }
        for invoice in invoices {
            let Some(charges) = attempts.get(&invoice.id) else { continue };
            // Of what was collected the invoice itself speaks; what is known here is the least.
            let came = charges.iter().filter(|one| one.status == SUCCEEDED);
            invoice.charged = invoice.charged.max(came.map(|one| one.amount).sum());
            if invoice.open {
                read::attempts(invoice, charges);
            }
        }
        Ok(())
    }

    async fn add_charge(
        &self,
        invoice: &mut InvoiceFact,
        charge: &Charge,
    ) -> Result<(), StripeFault> {
        if charge.status == SUCCEEDED {
            invoice.refunded += charge.amount_refunded;
        }
        if charge.disputed {
            let request = ListDispute::new().charge(&charge.id).limit(100);
            let disputes: List<Dispute> = self.get("disputes", &request).await?;
            invoice.disputes.extend(disputes.data.into_iter().filter_map(read::dispute));
            invoice.disputes.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Ok(())
    }

    async fn invoice_of_intent(&self, intent: &str) -> Result<Option<String>, StripeFault> {
        let mut by = ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
        by.payment_intent = Some(intent.to_owned());
        let request = ListInvoicePayment::new().payment(by).limit(10);
        let found: List<InvoicePayment> = self.get("invoice payments", &request).await?;
        let by_it = |one: &InvoicePayment| {
            one.payment.payment_intent.as_ref().is_some_and(|it| it.is(intent))
        };
        Ok(found.data.into_iter().find(by_it).map(|payment| payment.invoice.into_id()))
    }
}

/// By what the invoice of a charge is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hook<'c> {
    Intent(&'c str),
    Invoice(&'c str),
}

impl<'c> Hook<'c> {
    fn of(charge: &'c Charge) -> Option<Self> {
        let intent = charge.payment_intent.as_ref().map(|it| Self::Intent(it.id()));
        intent.or_else(|| charge.invoice.as_ref().map(|it| Self::Invoice(it.id())))
    }
}
