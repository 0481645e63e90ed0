//! Collecting: an invoice is drafted, finalised (number, balance, payment intent), charged, and is
//! then paid or retried. What is not done: the hour that a real renewal invoice stays a draft.

use super::books::{AfterLastRetry, Answer, Books};
use super::card::{ChargeOutcome, PaymentMethod};
use super::failure::Failure;
use super::form::Form;
use super::ids;
use super::invoice::{BillingReason, Invoice, InvoiceStatus, Line};
use super::invoice_payment::InvoicePayment;
use super::subscription::{Ending, Subscription, SubscriptionStatus};

const DAY: i64 = 86_400;

/// How long after a failed attempt the next one comes; after the last there is none.
const RETRY_AFTER_DAYS: [i64; 3] = [3, 5, 7];

/// Who is there when a card is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nobody: a renewal or a retry.
    Automatic,
    /// The owner asked for it, through the API or the portal.
    Asked { authenticated: bool },
}

impl Books {
    /// Makes a draft.
    pub(crate) fn draft_invoice(
        &mut self,
        subscription: &Subscription,
        billing_reason: BillingReason,
        lines: Vec<Line>,
        (period_start, period_end): (i64, i64),
    ) -> Result<String, Failure> {
        let customer = self.living_customer(&subscription.customer, "customer")?.clone();
        let proration_date = lines.iter().find(|line| line.proration).map(|_| self.now);
        let mut invoice = Invoice {
            id: ids::fresh("in_1", 23),
            created: self.now,
            customer: customer.id,
            customer_email: customer.email,
            customer_name: customer.name,
            subscription: subscription.id.clone(),
            subscription_metadata: subscription.metadata.clone(),
            proration_date,
            status: InvoiceStatus::Draft,
            billing_reason,
            currency: lines.first().map_or_else(|| "usd".to_owned(), |line| line.currency.clone()),
            lines,
            number: None,
            period_start,
            period_end,
            starting_balance: customer.balance,
            ending_balance: None,
            amount_due: 0,
            amount_paid: 0,
            attempt_count: 0,
            attempted: false,
            auto_advance: true,
            next_payment_attempt: None,
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            marked_uncollectible_at: None,
            payment_intent: None,
        };
        invoice.amount_due = (invoice.total() + invoice.starting_balance).max(0);
        let id = invoice.id.clone();
        let json = self.invoice_json(&invoice);
        self.invoices.put(invoice);
        self.emit("invoice.created", json);
        Ok(id)
    }

    /// Gives a draft its number and its amount; what is due over nothing is paid by that.
    pub(crate) fn finalize_invoice(&mut self, id: &str) -> Result<(), Failure> {
        let mut invoice = self.invoices.find(id)?.clone();
        let before = self.living_customer(&invoice.customer, "customer")?.clone();
        let mut customer = before.clone();
        invoice.number =
            Some(format!("{}-{:04}", customer.invoice_prefix, customer.next_invoice_sequence));
        customer.next_invoice_sequence += 1;
        invoice.starting_balance = customer.balance;
        invoice.amount_due = (invoice.total() + customer.balance).max(0);
        customer.balance = customer.balance + invoice.total() - invoice.amount_due;
        invoice.ending_balance = Some(customer.balance);
        invoice.status = InvoiceStatus::Open;
        invoice.finalized_at = Some(self.now);
        let balance_moved = customer.balance != before.balance;
        self.customers.put(customer.clone());
        if balance_moved {
            let moved = (customer.balance - before.balance, customer.balance);
            self.note_applied_balance(&customer.id, id, &invoice.currency, moved);
            self.put_customer(&before, customer);
        }
        if invoice.amount_due > 0 {
            let description = match invoice.billing_reason {
                BillingReason::Create => "Subscription creation",
                BillingReason::Cycle | BillingReason::Update => "Subscription update",
            };
            let intent = self.open_intent(
                &invoice.customer,
                invoice.amount_due,
                &invoice.currency,
                description,
            );
            self.invoice_payments.put(InvoicePayment {
                id: ids::fresh("inpay_1", 23),
                created: self.now,
                invoice: invoice.id.clone(),
                payment_intent: intent.clone(),
                amount: invoice.amount_due,
                currency: invoice.currency.clone(),
                paid_at: None,
                canceled_at: None,
            });
            invoice.payment_intent = Some(intent);
        }
        let due = invoice.amount_due;
        let json = self.invoice_json(&invoice);
        self.invoices.put(invoice);
        self.emit("invoice.finalized", json);
        if due == 0 {
            self.settle_invoice(id)?;
        }
        Ok(())
    }

    /// Charges an open invoice with the subscription's card, or else the customer's. One that is
    /// not open any more has nothing to be charged.
    pub(crate) fn attempt_open_invoice(
        &mut self,
        id: &str,
        method: Option<&str>,
    ) -> Result<ChargeOutcome, Failure> {
        self.attempt_invoice(id, method, Presence::Automatic)
    }

    pub(crate) fn attempt_invoice(
        &mut self,
        id: &str,
        method: Option<&str>,
        presence: Presence,
    ) -> Result<ChargeOutcome, Failure> {
        let invoice = self.invoices.find(id)?.clone();
        if invoice.status != InvoiceStatus::Open {
            return Ok(ChargeOutcome::Paid);
        }
        let Some(method) = self.method_for(&invoice, method) else {
            let outcome = ChargeOutcome::Declined {
                decline_code: "generic_decline",
                message: "This customer has no attached payment source or default payment method.",
            };
            self.record_failure(id, outcome, presence)?;
            return Ok(outcome);
        };
        let outcome = match presence {
            Presence::Asked { authenticated: true } => method.card.charge_on_session(true),
            Presence::Asked { authenticated: false } | Presence::Automatic => {
                method.card.charge_off_session()
            }
        };
        if let Some(intent) = &invoice.payment_intent {
            self.charge_intent(intent, &method, outcome)?;
        }
        if outcome == ChargeOutcome::Paid {
            self.settle_invoice(id)?;
        } else {
            self.record_failure(id, outcome, presence)?;
        }
        Ok(outcome)
    }

    /// The card that an invoice is to be paid with.
    pub(crate) fn method_for(
        &self,
        invoice: &Invoice,
        method: Option<&str>,
    ) -> Option<PaymentMethod> {
        let of_subscription = self
            .subscriptions
            .get(&invoice.subscription)
            .and_then(|subscription| subscription.default_payment_method.as_deref());
        let of_customer = self
            .customers
            .get(&invoice.customer)
            .and_then(|customer| customer.default_payment_method.as_deref());
        let id = method.or(of_subscription).or(of_customer)?;
        self.payment_methods.get(id).cloned()
    }

    /// Marks an invoice as paid, with all that follows from it.
    fn settle_invoice(&mut self, id: &str) -> Result<(), Failure> {
        let now = self.now;
        let mut invoice = self.invoices.find(id)?.clone();
        invoice.status = InvoiceStatus::Paid;
        invoice.attempted = true;
        invoice.attempt_count = invoice.attempt_count.max(u32::from(invoice.amount_due > 0));
        invoice.amount_paid = invoice.amount_due;
        invoice.paid_at = Some(now);
        invoice.next_payment_attempt = None;
        invoice.auto_advance = false;
        let json = self.invoice_json(&invoice);
        let payment = self.invoice_payments.iter().find(|payment| payment.invoice == id).cloned();
        self.invoices.put(invoice.clone());
        self.emit("invoice.paid", json.clone());
        self.emit("invoice.payment_succeeded", json);
        if let Some(mut payment) = payment {
            payment.paid_at = Some(now);
            let json = payment.json();
            self.invoice_payments.put(payment);
            self.emit("invoice_payment.paid", json);
        }
        self.mark_delinquent(&invoice.customer, false)?;
        let Some(subscription) = self.subscriptions.get(&invoice.subscription) else {
            return Ok(());
        };
        let recovers = matches!(
            subscription.status,
            SubscriptionStatus::Incomplete
                | SubscriptionStatus::PastDue
                | SubscriptionStatus::Unpaid
        );
        if recovers && subscription.latest_invoice.as_deref() == Some(id) {
            self.alter_subscription(&invoice.subscription, |subscription| {
                subscription.status = SubscriptionStatus::Active;
            })?;
        }
        Ok(())
    }

    fn record_failure(
        &mut self,
        id: &str,
        outcome: ChargeOutcome,
        presence: Presence,
    ) -> Result<(), Failure> {
        let now = self.now;
        let mut invoice = self.invoices.find(id)?.clone();
        let first = !invoice.attempted;
        invoice.attempted = true;
        if first || presence == Presence::Automatic {
            invoice.attempt_count += 1;
            let attempts = usize::try_from(invoice.attempt_count).unwrap_or(usize::MAX);
            invoice.next_payment_attempt = RETRY_AFTER_DAYS
                .get(attempts.saturating_sub(1))
                .filter(|_| invoice.auto_advance)
                .filter(|_| invoice.billing_reason != BillingReason::Create)
                .map(|days| now + days * DAY);
        }
        let last = invoice.next_payment_attempt.is_none();
        let json = self.invoice_json(&invoice);
        self.invoices.put(invoice.clone());
        self.emit("invoice.payment_failed", json.clone());
        if outcome == ChargeOutcome::AuthenticationRequired {
            self.emit("invoice.payment_action_required", json);
        }
        self.mark_delinquent(&invoice.customer, true)?;
        let subscription = self.subscriptions.find(&invoice.subscription)?;
        let is_latest = subscription.latest_invoice.as_deref() == Some(id);
        if matches!(subscription.status, SubscriptionStatus::Active | SubscriptionStatus::Trialing)
            && is_latest
        {
            self.alter_subscription(&invoice.subscription, |subscription| {
                subscription.status = SubscriptionStatus::PastDue;
            })?;
        }
        if last && presence == Presence::Automatic && is_latest {
            self.give_up(&invoice.subscription)?;
        }
        Ok(())
    }

    /// The last retry has failed.
    fn give_up(&mut self, subscription: &str) -> Result<(), Failure> {
        if self.subscriptions.find(subscription)?.status != SubscriptionStatus::PastDue {
            return Ok(());
        }
        match self.after_last_retry {
            AfterLastRetry::Cancel => {
                self.end_subscription(subscription, Ending::PaymentFailed)?;
            }
            AfterLastRetry::MarkUnpaid => {
                self.alter_subscription(subscription, |subscription| {
                    subscription.status = SubscriptionStatus::Unpaid;
                })?;
            }
            AfterLastRetry::LeavePastDue => {}
        }
        Ok(())
    }

    fn mark_delinquent(&mut self, customer: &str, delinquent: bool) -> Result<(), Failure> {
        let before = self.living_customer(customer, "customer")?.clone();
        if before.delinquent != delinquent {
            let mut after = before.clone();
            after.delinquent = delinquent;
            self.put_customer(&before, after);
        }
        Ok(())
    }

    /// Stops the retries of an ended subscription's open invoices.
    pub(crate) fn stop_collecting(&mut self, subscription: &str) {
        let open: Vec<Invoice> = self
            .invoices
            .iter()
            .filter(|invoice| {
                invoice.subscription == subscription && invoice.status == InvoiceStatus::Open
            })
            .cloned()
            .collect();
        for mut invoice in open {
            let before = self.invoice_json(&invoice);
            invoice.auto_advance = false;
            invoice.next_payment_attempt = None;
            let json = self.invoice_json(&invoice);
            self.invoices.put(invoice);
            self.emit_change("invoice.updated", &before, json);
        }
    }

    /// `POST /v1/invoices/{id}/pay`.
    pub(crate) fn pay_invoice(&mut self, id: &str, form: &Form) -> Answer {
        form.only(&[
            "forgive",
            "mandate",
            "off_session",
            "paid_out_of_band",
            "payment_method",
            "source",
        ])?;
        self.require_open(id)?;
        if form.boolean("paid_out_of_band")? == Some(true) {
            self.settle_invoice(id)?;
            return self.retrieve_invoice(id);
        }
        let method = form.text("payment_method").map(ToOwned::to_owned);
        if let Some(method) = &method {
            self.payment_methods.named(method, "payment_method")?;
        }
        let presence = Presence::Asked { authenticated: false };
        let outcome = self.attempt_invoice(id, method.as_deref(), presence)?;
        match outcome {
            ChargeOutcome::Paid => self.retrieve_invoice(id),
            ChargeOutcome::Declined { decline_code, message } => {
                Err(Failure::card("card_declined", Some(decline_code), message))
            }
            ChargeOutcome::AuthenticationRequired => Err(Failure::card(
                "invoice_payment_intent_requires_action",
                None,
                "This payment requires additional user action before it can be completed successfully.",
            )),
        }
    }

    /// `POST /v1/invoices/{id}/void`.
    pub(crate) fn void_invoice(&mut self, id: &str) -> Answer {
        self.require_open(id)?;
        let now = self.now;
        self.close_invoice(id, "invoice.voided", |invoice| {
            invoice.status = InvoiceStatus::Void;
            invoice.voided_at = Some(now);
        })
    }

    /// `POST /v1/invoices/{id}/mark_uncollectible`.
    pub(crate) fn mark_uncollectible(&mut self, id: &str) -> Answer {
        self.require_open(id)?;
        let now = self.now;
        self.close_invoice(id, "invoice.marked_uncollectible", |invoice| {
            invoice.status = InvoiceStatus::Uncollectible;
            invoice.marked_uncollectible_at = Some(now);
        })
    }

    fn require_open(&self, id: &str) -> Result<(), Failure> {
        match self.invoices.find(id)?.status {
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => Ok(()),
            InvoiceStatus::Paid => {
                Err(Failure::invalid("Invoice is already paid").code("invoice_already_paid"))
            }
            InvoiceStatus::Draft | InvoiceStatus::Void => {
                Err(Failure::invalid("This invoice is not open.").code("invoice_not_editable"))
            }
        }
    }

    fn close_invoice(&mut self, id: &str, kind: &str, work: impl FnOnce(&mut Invoice)) -> Answer {
        let mut invoice = self.invoices.find(id)?.clone();
        work(&mut invoice);
        invoice.next_payment_attempt = None;
        invoice.auto_advance = false;
        let json = self.invoice_json(&invoice);
        self.invoices.put(invoice);
        self.emit(kind, json.clone());
        Ok(json)
    }
}
