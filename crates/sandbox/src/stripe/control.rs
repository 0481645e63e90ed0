//! The in-process test API: what a person would do in a browser, a bank on a bad day, or the
//! network, as plain calls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::Stripe;
use super::books::{AfterLastRetry, Metadata};
use super::card::TestCard;
use super::change::{Change, IfUnpaid, Proration};
use super::checkout::SessionPayment;
use super::collecting::Presence;
use super::delivery;
use super::desk::Request;
use super::failure::Failure;
use super::form::Form;
use super::routes;
use super::subscription::Ending;

/// Stripe's refusal of something that a test asked for, as its API would have said it.
#[derive(Clone, Debug)]
pub struct Refused(Failure);

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.message())
    }
}

impl std::error::Error for Refused {}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// An event, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSeen {
    /// `evt_…`.
    pub id: String,
    /// `invoice.paid`, …
    pub kind: String,
    /// The id of the object that it is about.
    pub about: String,
    /// Unix seconds.
    pub created: i64,
    /// Whether every endpoint has taken it.
    pub delivered: bool,
    /// How often it has been sent.
    pub attempts: u32,
}

impl Stripe {
    /// Does one API call in process: `call("GET", "subscriptions/sub_…", "expand[]=latest_invoice")`.
    ///
    /// # Errors
    /// What Stripe would refuse.
    pub fn call(&self, method: &str, path: &str, form: &str) -> Result<Value, Refused> {
        let form = Form::parse(form.as_bytes());
        Ok(self.desk.with(|books| routes::answer(books, method, path, &form))?)
    }

    /// Pays a checkout session with a test card's number, as on the hosted page.
    ///
    /// # Errors
    /// When there is no such session, or the number is not a test card's.
    pub fn pay(&self, session: &str, number: &str) -> Result<SessionPayment, Refused> {
        let card = card(number)?;
        Ok(self.desk.with(|books| books.pay_session(session, card, None, false))?)
    }

    /// Answers the authentication that [`Stripe::pay`] asked for.
    ///
    /// # Errors
    /// When the session does not wait for one.
    pub fn authenticate(&self, session: &str, succeeds: bool) -> Result<SessionPayment, Refused> {
        Ok(self.desk.with(|books| {
            let card = books.sessions.find(session)?.authenticating.ok_or_else(|| {
                Failure::invalid("This session does not wait for an authentication.")
            })?;
            if succeeds {
                books.pay_session(session, card, None, true)
            } else {
                books.fail_authentication(session)
            }
        })?)
    }

    /// Cancels at the end of the period as the portal does in flexible billing: `cancel_at` is
    /// set, `cancel_at_period_end` stays false.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub fn cancel_at_period_end(&self, subscription: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.cancel_at_period_end(subscription))?)
    }

    /// Takes a decided cancellation back.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub fn resume(&self, subscription: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.keep_subscription(subscription))?)
    }

    /// Cancels at once.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub fn cancel_now(&self, subscription: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.end_subscription(subscription, Ending::Requested))?)
    }

    /// Pauses (the state `paused`, as after a trial without a card).
    ///
    /// # Errors
    /// When there is no such subscription.
    pub fn pause(&self, subscription: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.pause_subscription(subscription))?)
    }

    /// Ends the pause.
    ///
    /// # Errors
    /// When the subscription is not paused.
    pub fn unpause(&self, subscription: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.resume_subscription(subscription))?)
    }

    /// Changes to another price now, whatever the portal's configuration says.
    ///
    /// # Errors
    /// When there is no such subscription or price.
    pub fn change_plan(
        &self,
        subscription: &str,
        price: &str,
        proration: Proration,
    ) -> Result<Value, Refused> {
        let change = Change {
            price: price.to_owned(),
            quantity: None,
            proration,
            if_unpaid: IfUnpaid::Allow,
            presence: Presence::Asked { authenticated: true },
        };
        Ok(self.desk.with(|books| books.change_price(subscription, &change))?)
    }

    /// Changes to another price when the period ends, as the portal does with a downgrade.
    ///
    /// # Errors
    /// When there is no such subscription or price.
    pub fn change_plan_at_period_end(
        &self,
        subscription: &str,
        price: &str,
    ) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.schedule_price(subscription, price))?)
    }

    /// Replaces the card that a customer's invoices are paid with; with
    /// [`TestCard::FailsWhenCharged`] the next renewal fails.
    ///
    /// # Errors
    /// When there is no such customer.
    pub fn set_card(&self, customer: &str, card: TestCard) -> Result<(), Refused> {
        self.desk.with(|books| books.replace_card(customer, card, None))?;
        Ok(())
    }

    /// Gives money back: `amount` in cents, or all that is left.
    ///
    /// # Errors
    /// When the charge cannot be refunded.
    pub fn refund(&self, charge: &str, amount: Option<i64>) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.refund_charge(charge, amount, None, Metadata::new()))?)
    }

    /// The bank takes a charge's money back.
    ///
    /// # Errors
    /// When the charge cannot be disputed.
    pub fn dispute(&self, charge: &str) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.open_dispute(charge))?)
    }

    /// The bank decides a dispute.
    ///
    /// # Errors
    /// When it has been decided already.
    pub fn decide_dispute(&self, dispute: &str, won: bool) -> Result<Value, Refused> {
        Ok(self.desk.with(|books| books.decide_dispute(dispute, won))?)
    }

    /// What becomes of subscriptions whose last retry fails.
    pub fn after_last_retry(&self, what: AfterLastRetry) {
        self.desk.with(|books| books.after_last_retry = what);
    }

    /// Moves the clock forward and does all that becomes due on the way: renewals, retries, ends of
    /// trials, cancellations, expiries.
    pub fn advance(&self, by: Duration) {
        self.desk.clock.advance(by);
        self.desk.with(|_| ());
    }

    /// What time it is here, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.desk.clock.now_secs()
    }

    /// Switches the API off (503) and on again. Pages and webhooks go on.
    pub fn set_down(&self, down: bool) {
        self.desk.down.store(down, Ordering::SeqCst);
    }

    /// Makes every API call take this much longer.
    pub fn delay(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.desk.delay_ms.store(millis, Ordering::SeqCst);
    }

    /// The next `calls` are done, but answered with a 500: what a lost connection looks like.
    pub fn lose_answers(&self, calls: u32) {
        self.desk.lost_answers.store(calls, Ordering::SeqCst);
    }

    /// Webhook signatures carry the machine's time; `true` makes them carry this Stripe's moved
    /// time, for a relay whose clock was moved along.
    pub fn sign_with_own_clock(&self, own: bool) {
        self.desk.sign_with_own_clock.store(own, Ordering::SeqCst);
    }

    /// All API requests so far, oldest first (10,000 at most).
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.desk.requests.lock().clone()
    }

    /// All events so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<EventSeen> {
        self.desk.with(|books| {
            books
                .events
                .iter()
                .map(|event| EventSeen {
                    id: event.id.clone(),
                    kind: event.kind.clone(),
                    about: event.about().to_owned(),
                    created: event.created,
                    delivered: event.pending.is_empty(),
                    attempts: event.attempts,
                })
                .collect()
        })
    }

    /// An event as it is sent.
    #[must_use]
    pub fn event(&self, id: &str) -> Option<Value> {
        self.desk.peek(|books| books.events.get(id).map(super::event::Event::json))
    }

    /// Stops (true) and starts (false) the automatic delivery. What happens meanwhile waits;
    /// [`Stripe::deliver`] sends it all the same.
    pub fn hold(&self, hold: bool) {
        self.desk.hold.send_replace(hold);
    }

    /// Sends an event now, to every endpoint, however often it has been sent. Answers with each
    /// endpoint's status; 0 is no answer.
    pub async fn deliver(&self, event: &str) -> Vec<u16> {
        let endpoints: Vec<String> = self.desk.peek(|books| {
            books
                .endpoints
                .iter()
                .filter(|endpoint| !endpoint.disabled)
                .map(|endpoint| endpoint.id.clone())
                .collect()
        });
        let mut statuses = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            let status = delivery::send(&self.desk, &self.client, event, &endpoint).await;
            statuses.push(status.unwrap_or(0));
        }
        statuses
    }

    /// Waits until every event has been taken by every endpoint.
    pub async fn settled(&self) {
        let mut delivered = self.desk.delivered.subscribe();
        loop {
            delivered.mark_unchanged();
            let all =
                self.desk.peek(|books| books.events.iter().all(|event| event.pending.is_empty()));
            if all || delivered.changed().await.is_err() {
                return;
            }
        }
    }
}

fn card(number: &str) -> Result<TestCard, Failure> {
    TestCard::from_number(number)
        .ok_or_else(|| Failure::card("incorrect_number", None, "Your card number is incorrect."))
}
