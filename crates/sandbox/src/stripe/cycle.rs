//! What time alone brings: renewals, the ends of trials, retries, cancellations that were decided
//! earlier, checkout sessions that expire. Time is walked through step by step in its own order, so
//! that three months that pass in one `advance` make the same events as three months that pass.

use super::books::Books;
use super::calendar;
use super::checkout::SessionStatus;
use super::failure::Failure;
use super::invoice::{BillingReason, InvoiceStatus};
use super::subscription::{Ending, SubscriptionStatus};

const TRIAL_NOTICE: i64 = 3 * 86_400;
const INCOMPLETE_LIVES: i64 = 23 * 3_600;

/// Something that becomes due; in the order in which it is done when several are due at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    SessionExpires(String),
    TrialWillEnd(String),
    Retry(String),
    Cancel(String),
    GiveUpIncomplete(String),
    Renew(String),
}

impl Books {
    /// Does all that is due until `until`.
    pub(crate) fn catch_up(&mut self, until: i64) -> Result<(), Failure> {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at).min(until);
            match due {
                Due::SessionExpires(id) => {
                    self.expire_session(&id)?;
                }
                Due::TrialWillEnd(id) => self.announce_end_of_trial(&id)?,
                Due::Retry(id) => {
                    self.attempt_open_invoice(&id, None)?;
                }
                Due::Cancel(id) => {
                    self.end_subscription(&id, Ending::Due)?;
                }
                Due::GiveUpIncomplete(id) => self.expire_incomplete(&id)?,
                Due::Renew(id) => self.renew(&id)?,
            }
        }
        self.now = until;
        Ok(())
    }

    fn next_due(&self) -> Option<(i64, Due)> {
        let sessions = self
            .sessions
            .iter()
            .filter(|session| session.status == SessionStatus::Open)
            .map(|session| (session.expires_at, Due::SessionExpires(session.id.clone())));
        let retries = self
            .invoices
            .iter()
            .filter(|invoice| invoice.status == InvoiceStatus::Open)
            .filter_map(|invoice| {
                Some((invoice.next_payment_attempt?, Due::Retry(invoice.id.clone())))
            });
        let subscriptions = self.subscriptions.iter().flat_map(|subscription| {
            let id = &subscription.id;
            let renews = matches!(
                subscription.status,
                SubscriptionStatus::Active
                    | SubscriptionStatus::Trialing
                    | SubscriptionStatus::PastDue
                    | SubscriptionStatus::Unpaid
            );
            let cancel = subscription
                .cancel_at
                .filter(|_| !subscription.has_ended())
                .map(|at| (at, Due::Cancel(id.clone())));
            let notice = subscription
                .trial_end
                .filter(|_| subscription.status == SubscriptionStatus::Trialing)
                .filter(|_| !subscription.trial_end_announced)
                .map(|end| {
                    let at = (end - TRIAL_NOTICE).max(subscription.created);
                    (at, Due::TrialWillEnd(id.clone()))
                });
            let given_up = (subscription.status == SubscriptionStatus::Incomplete).then(|| {
                (subscription.created + INCOMPLETE_LIVES, Due::GiveUpIncomplete(id.clone()))
            });
            let renewal = renews.then(|| (subscription.period_end, Due::Renew(id.clone())));
            [cancel, notice, given_up, renewal].into_iter().flatten()
        });
        sessions.chain(retries).chain(subscriptions).min()
    }

    fn announce_end_of_trial(&mut self, id: &str) -> Result<(), Failure> {
        let mut subscription = self.subscriptions.find(id)?.clone();
        subscription.trial_end_announced = true;
        let json = self.subscription_json(&subscription);
        self.subscriptions.put(subscription);
        self.emit("customer.subscription.trial_will_end", json);
        Ok(())
    }

    /// The first invoice was not paid in time.
    fn expire_incomplete(&mut self, id: &str) -> Result<(), Failure> {
        let invoice = self.subscriptions.find(id)?.latest_invoice.clone();
        self.alter_subscription(id, |subscription| {
            subscription.status = SubscriptionStatus::IncompleteExpired;
        })?;
        if let Some(invoice) = invoice {
            self.void_invoice(&invoice)?;
        }
        Ok(())
    }

    /// Begins the next period and invoices it.
    fn renew(&mut self, id: &str) -> Result<(), Failure> {
        let mut subscription = self.subscriptions.find(id)?.clone();
        let before = self.subscription_json(&subscription);
        let old_period = (subscription.period_start, subscription.period_end);
        let start = subscription.period_end;
        let was_trial = subscription.status == SubscriptionStatus::Trialing;
        let old_price = self.prices.find(&subscription.price)?.clone();
        if let Some(scheduled) = subscription.scheduled.take() {
            subscription.price = scheduled.price;
        }
        let price = self.prices.find(&subscription.price)?.clone();
        if was_trial || price.interval != old_price.interval {
            subscription.anchor = start;
        }
        let interval = price.interval.unwrap_or(calendar::Interval::Month);
        subscription.period_start = start;
        subscription.period_end =
            calendar::boundary_after(subscription.anchor, start, interval, price.interval_count);
        if was_trial {
            subscription.status = SubscriptionStatus::Active;
        }
        let mut lines = std::mem::take(&mut subscription.pending_lines);
        lines.push(self.period_line(&subscription, &price));
        let invoice = self.draft_invoice(&subscription, BillingReason::Cycle, lines, old_period)?;
        subscription.latest_invoice = Some(invoice.clone());
        let collects = subscription.status != SubscriptionStatus::Unpaid
            && subscription.pause_collection.is_none();
        self.put_subscription(&before, subscription);
        if collects {
            self.finalize_invoice(&invoice)?;
            self.attempt_open_invoice(&invoice, None)?;
        }
        Ok(())
    }
}
