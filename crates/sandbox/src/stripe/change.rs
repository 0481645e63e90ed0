//! Changing a running subscription to another price: prorations by the second within the same
//! interval, a new period at once when the interval changes, or at the end of the period.

use super::books::{Answer, Books};
use super::calendar;
use super::card::ChargeOutcome;
use super::catalogue::Price;
use super::collecting::Presence;
use super::failure::Failure;
use super::form::Form;
use super::ids;
use super::invoice::{BillingReason, InvoiceStatus, Line};
use super::subscription::{Scheduled, Subscription, SubscriptionStatus};

/// What is billed for the rest of the period (`proration_behavior`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proration {
    /// Invoiced and charged now.
    AlwaysInvoice,
    /// Added to the next invoice.
    CreateProrations,
    /// Nothing.
    None,
}

/// Whether a change stands that cannot be paid (`payment_behavior`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfUnpaid {
    /// It does; the subscription is past due.
    Allow,
    /// It does not; nothing changes.
    Refuse,
}

/// A change of price.
pub(crate) struct Change {
    pub(crate) price: String,
    pub(crate) quantity: Option<i64>,
    pub(crate) proration: Proration,
    pub(crate) if_unpaid: IfUnpaid,
    pub(crate) presence: Presence,
}

impl Books {
    /// The part of `POST /v1/subscriptions/{id}` that is about items.
    pub(crate) fn change_by_form(&mut self, id: &str, form: &Form) -> Result<(), Failure> {
        let items = form.items("items");
        let Some(item) = items.first() else { return Ok(()) };
        let subscription = self.subscriptions.find(id)?;
        match item.text("id") {
            Some(item_id) if item_id == subscription.item => {}
            Some(item_id) => {
                return Err(Failure::no_such("subscription_item", item_id, "items[0][id]"));
            }
            None => {
                return Err(Failure::invalid("This sandbox keeps exactly one item a subscription: name the one that is to be changed.")
                    .param("items[0][id]"));
            }
        }
        let price = item.text("price").unwrap_or(&subscription.price).to_owned();
        let proration = match form.text("proration_behavior") {
            None | Some("create_prorations") => Proration::CreateProrations,
            Some("always_invoice") => Proration::AlwaysInvoice,
            Some("none") => Proration::None,
            Some(other) => {
                return Err(Failure::invalid(format!("Invalid proration_behavior: must be one of always_invoice, create_prorations, or none; got {other}"))
                    .param("proration_behavior"));
            }
        };
        let if_unpaid = match form.text("payment_behavior") {
            None | Some("allow_incomplete" | "default_incomplete") => IfUnpaid::Allow,
            Some(_) => IfUnpaid::Refuse,
        };
        let presence = Presence::Asked { authenticated: false };
        let quantity = item.integer("quantity")?;
        let change = Change { price, quantity, proration, if_unpaid, presence };
        self.change_price(id, &change)?;
        Ok(())
    }

    /// Changes the price now.
    pub(crate) fn change_price(&mut self, id: &str, change: &Change) -> Answer {
        let mut subscription = self.subscriptions.find(id)?.clone();
        let before = self.subscription_json(&subscription);
        let old = self.prices.find(&subscription.price)?.clone();
        let new = self.prices.named(&change.price, "items[0][price]")?.clone();
        let quantity = change.quantity.unwrap_or(subscription.quantity);
        if new.id == old.id && quantity == subscription.quantity {
            return Ok(before);
        }
        let interval = new.interval.ok_or_else(|| {
            Failure::invalid("The price is not recurring.").param("items[0][price]")
        })?;
        let new_period = old.interval != new.interval || old.interval_count != new.interval_count;
        let in_trial = subscription.status == SubscriptionStatus::Trialing;
        let old_period = (subscription.period_start, subscription.period_end);

        let mut lines = Vec::new();
        if !in_trial && change.proration != Proration::None {
            lines.push(self.credit_line(&subscription, &old));
        }
        subscription.price.clone_from(&new.id);
        subscription.quantity = quantity;
        subscription.scheduled = None;
        if new_period && !in_trial {
            subscription.anchor = self.now;
            subscription.period_start = self.now;
            subscription.period_end =
                calendar::boundary_after(self.now, self.now, interval, new.interval_count);
            lines.push(self.period_line(&subscription, &new));
        } else if !in_trial && change.proration != Proration::None {
            lines.push(self.remaining_line(&subscription, &new));
        }
        let bill_now =
            !lines.is_empty() && (new_period || change.proration == Proration::AlwaysInvoice);
        if bill_now && change.if_unpaid == IfUnpaid::Refuse {
            self.require_payable(&subscription, &lines, change.presence)?;
        }
        if !bill_now {
            subscription.pending_lines.extend(lines);
            return Ok(self.put_subscription(&before, subscription));
        }
        let mut billed = std::mem::take(&mut subscription.pending_lines);
        billed.extend(lines);
        let period = if new_period { old_period } else { (self.now, self.now) };
        let invoice = self.draft_invoice(&subscription, BillingReason::Update, billed, period)?;
        subscription.latest_invoice = Some(invoice.clone());
        self.put_subscription(&before, subscription);
        self.finalize_invoice(&invoice)?;
        self.attempt_invoice(&invoice, None, change.presence)?;
        self.retrieve_subscription(id)
    }

    /// Changes the price when the period ends, by way of a subscription schedule.
    pub(crate) fn schedule_price(&mut self, id: &str, price: &str) -> Answer {
        self.prices.named(price, "items[0][price]")?;
        self.alter_subscription(id, |subscription| {
            subscription.scheduled = (subscription.price != price).then(|| Scheduled {
                schedule: ids::fresh("sub_sched_1", 23),
                price: price.to_owned(),
            });
        })
    }

    /// Whether going from one price to another waits for the end of the period, by the conditions
    /// of a portal configuration (`decreasing_item_amount`, `shortening_interval`).
    pub(crate) fn waits_for_period_end(&self, from: &str, to: &str, conditions: &[String]) -> bool {
        let (Some(from), Some(to)) = (self.prices.get(from), self.prices.get(to)) else {
            return false;
        };
        let has = |condition: &str| conditions.iter().any(|known| known == condition);
        let length = |price: &Price| {
            price.interval.map_or(0, |interval| calendar::plus(0, interval, price.interval_count))
        };
        let shorter = length(to) < length(from);
        let cheaper = length(to) == length(from) && to.unit_amount < from.unit_amount;
        (shorter && has("shortening_interval")) || (cheaper && has("decreasing_item_amount"))
    }

    /// What changing to a price now would charge at once.
    pub(crate) fn due_for_change(&self, subscription: &Subscription, new: &Price) -> i64 {
        let Some(old) = self.prices.get(&subscription.price) else { return 0 };
        let balance = self.customers.get(&subscription.customer).map_or(0, |one| one.balance);
        let credit = self.share_left(subscription, old);
        let same_period = old.interval == new.interval && old.interval_count == new.interval_count;
        let charge = if same_period {
            self.share_left(subscription, new)
        } else {
            new.unit_amount * subscription.quantity
        };
        let trial = subscription.status == SubscriptionStatus::Trialing;
        if trial { 0 } else { (charge - credit + balance).max(0) }
    }

    fn require_payable(
        &self,
        subscription: &Subscription,
        lines: &[Line],
        presence: Presence,
    ) -> Result<(), Failure> {
        let customer = self.customers.find(&subscription.customer)?;
        let total: i64 = lines.iter().map(|line| line.amount).sum();
        if total + customer.balance <= 0 {
            return Ok(());
        }
        let method = subscription
            .default_payment_method
            .as_deref()
            .or(customer.default_payment_method.as_deref())
            .and_then(|id| self.payment_methods.get(id));
        let outcome = match (method, presence) {
            (None, _) => {
                return Err(Failure::invalid(
                    "This customer has no attached payment source or default payment method.",
                )
                .code("resource_missing"));
            }
            (Some(method), Presence::Asked { authenticated: true }) => {
                method.card.charge_on_session(true)
            }
            (Some(method), _) => method.card.charge_off_session(),
        };
        match outcome {
            ChargeOutcome::Paid => Ok(()),
            declined => Err(Failure::card(
                declined.failure_code().unwrap_or("card_declined"),
                declined.decline_code(),
                declined.message().unwrap_or("Your card was declined."),
            )),
        }
    }

    /// Gives back what is left of the period at the old price.
    fn credit_line(&self, subscription: &Subscription, old: &Price) -> Line {
        let amount = -self.share_left(subscription, old);
        let description = format!("Unused time on {}", self.product_name(old));
        let period = (self.now, subscription.period_end);
        let mut line = Line::new(subscription, old, amount, period, description);
        line.proration = true;
        line.credited = self
            .invoices
            .newest_first()
            .filter(|invoice| {
                invoice.subscription == subscription.id && invoice.status == InvoiceStatus::Paid
            })
            .find_map(|invoice| {
                let charged =
                    invoice.lines.iter().find(|line| line.price == old.id && line.amount > 0)?;
                Some((invoice.id.clone(), charged.id.clone()))
            });
        line
    }

    /// Charges what is left of the period at the new price.
    fn remaining_line(&self, subscription: &Subscription, new: &Price) -> Line {
        let amount = self.share_left(subscription, new);
        let description = format!("Remaining time on {}", self.product_name(new));
        let period = (self.now, subscription.period_end);
        let mut line = Line::new(subscription, new, amount, period, description);
        line.proration = true;
        line
    }

    fn share_left(&self, subscription: &Subscription, price: &Price) -> i64 {
        let whole = (subscription.period_end - subscription.period_start).max(1);
        let left = (subscription.period_end - self.now).clamp(0, whole);
        let amount = price.unit_amount * subscription.quantity;
        (amount * left + whole / 2) / whole
    }
}
