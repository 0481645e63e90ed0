//! Undoing a subscription that should not be there: cancelling it, and giving back what it cost, to
//! the card and to the customer's credit.

use super::objects::{
    Anything, BalanceTransaction, Invoice, InvoicePayment, List, Owned, Subscription,
};
use super::{Stripe, StripeFault, read};
use crate::billing::facts::Status;
use std::collections::{BTreeSet, HashMap};
use stripe_billing::invoice::RetrieveInvoice;
use stripe_billing::invoice_payment::ListInvoicePayment;
use stripe_billing::subscription::{CancelSubscription, ListSubscription, ListSubscriptionStatus};
use stripe_core::customer_balance_transaction::{
    CreateCustomerCustomerBalanceTransaction, ListCustomerCustomerBalanceTransaction,
};
use stripe_core::refund::CreateRefund;
use stripe_types::Currency;

impl Stripe {
    /// The customer's earliest live subscription, if there is one.
    ///
    /// # Errors
    /// As every call.
    pub async fn live_subscription(&self, customer: &str) -> Result<Option<String>, StripeFault> {
        let request = ListSubscription::new()
            .customer(customer)
            .status(ListSubscriptionStatus::All)
            .limit(100);
        let all: List<Subscription> = self.get("subscriptions", &request).await?;
        let is_live = |one: &Subscription| read::status(&one.status).is_some_and(Status::is_live);
        let live = all.data.into_iter().rev().filter(is_live);
        Ok(live.min_by_key(|one| one.created).map(|one| one.id))
    }

    /// Those of the customer's subscriptions that have not ended, begun or not.
    ///
    /// # Errors
    /// As every call; none for a customer that is not there.
    pub async fn unended_subscriptions(&self, customer: &str) -> Result<Vec<String>, StripeFault> {
        // Without a status Stripe lists all that are not cancelled.
        let request = ListSubscription::new().customer(customer).limit(100);
        let all = match self.get::<List<Subscription>>("subscriptions", &request).await {
            Err(StripeFault::NotFound(_)) => return Ok(Vec::new()),
            all => all?,
        };
        let has_ended = |one: &Subscription| {
            matches!(read::status(&one.status), Some(Status::Canceled | Status::IncompleteExpired))
        };
        let unended = all.data.into_iter().filter(|one| !has_ended(one));
        Ok(unended.map(|one| one.id).collect())
    }

    /// Cancels at once, without a final invoice. One that has ended already is fine.
    ///
    /// # Errors
    /// As every call.
    pub async fn cancel_now(&self, subscription: &str, key: &str) -> Result<(), StripeFault> {
        let request = CancelSubscription::new(subscription).invoice_now(false).prorate(false);
        match self.post::<Anything>("cancellation", key, &request).await {
            Ok(_) | Err(StripeFault::NotFound(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Gives back all that was paid for an invoice; false if no payment of it is to be found. What was
    /// given back already is fine.
    ///
    /// # Errors
    /// As every call.
    pub async fn refund_invoice(&self, invoice: &str) -> Result<bool, StripeFault> {
        let request = ListInvoicePayment::new().invoice(invoice).limit(100);
        let payments: List<InvoicePayment> = self.get("invoice payments", &request).await?;
        let mut found = false;
        let ours = |payment: &InvoicePayment| payment.invoice.is(invoice) && payment.has_paid();
        for payment in payments.data.into_iter().filter(ours) {
            let mut request = CreateRefund::new();
            if let Some(intent) = &payment.payment.payment_intent {
                request = request.payment_intent(intent.id());
            } else if let Some(charge) = &payment.payment.charge {
                request = request.charge(charge.id());
            } else {
                continue;
            }
            let key = format!("autocrea:refund:{}", payment.id);
            match self.post::<Anything>("refund", &key, &request).await {
                Ok(_) => {}
                Err(StripeFault::Refused { code, .. }) if code == "charge_already_refunded" => {}
                Err(fault) => return Err(fault),
            }
            found = true;
        }
        Ok(found)
    }
}

/// In the metadata of a credit that was put back: the invoice that had taken it.
const PUT_BACK: &str = "autocreaCreditOf";

impl Stripe {
    /// Puts back the credit that the customer had and an invoice took, once, however often and by
    /// whomever it is asked: Stripe forgets a key after a day, so what was put back says for which
    /// invoice. Nothing for a customer that is not there any more.
    ///
    /// # Errors
    /// As every call.
    pub async fn put_credit_back(&self, customer: &str, invoice: &str) -> Result<(), StripeFault> {
        let paid: Invoice = self.get("invoice", &RetrieveInvoice::new(invoice)).await?;
        // A credit is a balance below zero.
        let taken = paid.ending_balance.unwrap_or(paid.starting_balance).min(0)
            - paid.starting_balance.min(0);
        if taken <= 0 {
            return Ok(());
        }
        let made = match self.credits_put_back(customer).await {
            Err(StripeFault::NotFound(_)) => return Ok(()),
            made => made?,
        };
        if made.contains(invoice) {
            return Ok(());
        }
        let currency: Currency =
            paid.currency.parse().map_err(|_| StripeFault::Unreadable("invoice"))?;
        let metadata = HashMap::from([(PUT_BACK.to_owned(), invoice.to_owned())]);
        let request = CreateCustomerCustomerBalanceTransaction::new(customer, -taken, currency)
            .description("A second subscription was undone")
            .metadata(metadata);
        let key = format!("autocrea:credit:{invoice}");
        self.post::<Anything>("customer credit", &key, &request).await.map(|_| ())
    }

    /// The invoices whose credit has been put back.
    async fn credits_put_back(&self, customer: &str) -> Result<BTreeSet<String>, StripeFault> {
        let request = ListCustomerCustomerBalanceTransaction::new(customer).limit(100);
        let invoice = |one: BalanceTransaction| one.metadata?.remove(PUT_BACK);
        let invoices = self.all("customer credits", &request, invoice).await?;
        Ok(invoices.into_iter().flatten().collect())
    }

    /// The customers of all subscriptions that have not ended, each once.
    ///
    /// # Errors
    /// As every call.
    pub async fn customers_with_live_subscriptions(&self) -> Result<Vec<String>, StripeFault> {
        // Without a status Stripe lists all that are not cancelled.
        let request = ListSubscription::new().limit(100);
        let customer = |one: Owned| one.customer.into_id();
        let customers = self.all("subscriptions", &request, customer).await?;
        Ok(BTreeSet::from_iter(customers).into_iter().collect())
    }
}
