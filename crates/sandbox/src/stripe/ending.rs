//! How subscriptions end, stand still and are taken up again: at once, at the end of the period (in
//! the flexible way: `cancel_at` is set), by failing payments, and back.

use super::books::{Answer, Books, Kept};
use super::failure::Failure;
use super::form::Form;
use super::subscription::{Ending, Subscription, SubscriptionStatus};

impl Books {
    pub(crate) fn take_cancellation(
        &self,
        subscription: &mut Subscription,
        form: &Form,
    ) -> Result<(), Failure> {
        if let Some(details) = form.node("cancellation_details") {
            if let Some(comment) = details.raw("comment") {
                subscription.cancellation.comment =
                    Some(comment.to_owned()).filter(|text| !text.is_empty());
            }
            if let Some(feedback) = details.raw("feedback") {
                subscription.cancellation.feedback =
                    Some(feedback.to_owned()).filter(|text| !text.is_empty());
            }
        }
        match form.boolean("cancel_at_period_end")? {
            Some(true) => {
                subscription.cancel_at_period_end = true;
                self.set_cancel_at(subscription, subscription.period_end);
            }
            Some(false) => unset_cancel_at(subscription),
            None => {}
        }
        match form.raw("cancel_at") {
            None => {}
            Some("") => unset_cancel_at(subscription),
            Some("min_period_end" | "max_period_end") => {
                self.set_cancel_at(subscription, subscription.period_end);
            }
            Some(_) => {
                if let Some(at) = form.integer("cancel_at")? {
                    self.set_cancel_at(subscription, at);
                }
            }
        }
        Ok(())
    }

    fn set_cancel_at(&self, subscription: &mut Subscription, at: i64) {
        subscription.cancel_at = Some(at);
        subscription.canceled_at = Some(self.now);
        subscription.cancellation.reason = Some("cancellation_requested".to_owned());
    }

    /// What the portal does in flexible billing: `cancel_at` is set, the boolean stays false.
    pub(crate) fn cancel_at_period_end(&mut self, id: &str) -> Answer {
        let now = self.now;
        self.alter_subscription(id, |subscription| {
            subscription.cancel_at = Some(subscription.period_end);
            subscription.canceled_at = Some(now);
            subscription.cancellation.reason = Some("cancellation_requested".to_owned());
        })
    }

    /// Takes a decided cancellation back.
    pub(crate) fn keep_subscription(&mut self, id: &str) -> Answer {
        self.alter_subscription(id, unset_cancel_at)
    }

    /// `DELETE /v1/subscriptions/{id}`: ends it now.
    pub(crate) fn cancel_subscription(&mut self, id: &str, form: &Form) -> Answer {
        form.only(&["cancellation_details", "invoice_now", "prorate"])?;
        if self.subscriptions.find(id)?.has_ended() {
            return Err(Failure::no_such(Subscription::NOUN, id, "id"));
        }
        self.end_subscription(id, Ending::Requested)
    }

    /// Ends a subscription for good.
    pub(crate) fn end_subscription(&mut self, id: &str, ending: Ending) -> Answer {
        let now = self.now;
        let mut subscription = self.subscriptions.find(id)?.clone();
        subscription.status = SubscriptionStatus::Canceled;
        subscription.ended_at = Some(now);
        subscription.scheduled = None;
        match ending {
            Ending::Due => {}
            Ending::Requested => {
                subscription.canceled_at = Some(now);
                subscription.cancel_at = None;
                subscription.cancellation.reason = Some("cancellation_requested".to_owned());
            }
            Ending::PaymentFailed => {
                subscription.canceled_at = Some(now);
                subscription.cancellation.reason = Some("payment_failed".to_owned());
            }
        }
        let json = self.subscription_json(&subscription);
        self.subscriptions.put(subscription);
        self.stop_collecting(id);
        self.emit("customer.subscription.deleted", json.clone());
        Ok(json)
    }

    /// What happens to a trial that ends without a payment method: the subscription stands still.
    pub(crate) fn pause_subscription(&mut self, id: &str) -> Answer {
        self.turn(id, SubscriptionStatus::Paused, "customer.subscription.paused")
    }

    /// `POST /v1/subscriptions/{id}/resume`.
    pub(crate) fn resume_subscription(&mut self, id: &str) -> Answer {
        if self.subscriptions.find(id)?.status != SubscriptionStatus::Paused {
            return Err(Failure::invalid("Only paused subscriptions can be resumed."));
        }
        self.turn(id, SubscriptionStatus::Active, "customer.subscription.resumed")
    }

    fn turn(&mut self, id: &str, status: SubscriptionStatus, kind: &str) -> Answer {
        let json = self.alter_subscription(id, |subscription| subscription.status = status)?;
        self.emit(kind, json.clone());
        Ok(json)
    }
}

fn unset_cancel_at(subscription: &mut Subscription) {
    subscription.cancel_at = None;
    subscription.cancel_at_period_end = false;
    subscription.canceled_at = None;
    subscription.cancellation.reason = None;
}
