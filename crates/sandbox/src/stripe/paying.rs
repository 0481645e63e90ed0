//! Paying a checkout session: what its hosted page does when a card has been typed.

use super::books::Books;
use super::card::{ChargeOutcome, PaymentMethod, TestCard};
use super::checkout::{CheckoutSession, DAY, SessionPayment, SessionStatus};
use super::collecting::Presence;
use super::failure::Failure;
use super::form::Form;
use super::ids;
use super::subscription::Beginning;

impl Books {
    /// What the hosted page's Pay button does.
    pub(crate) fn pay_session(
        &mut self,
        id: &str,
        card: TestCard,
        holder: Option<&str>,
        authenticated: bool,
    ) -> Result<SessionPayment, Failure> {
        let mut session = self.sessions.find(id)?.clone();
        if session.status != SessionStatus::Open {
            return Ok(SessionPayment::Closed(session.status));
        }
        let outcome = match card.charge_on_session(authenticated) {
            ChargeOutcome::Declined { .. } if session.has_trial() && card.can_be_saved() => {
                ChargeOutcome::Paid
            }
            other => other,
        };
        match outcome {
            ChargeOutcome::AuthenticationRequired => {
                session.authenticating = Some(card);
                self.sessions.put(session);
                Ok(SessionPayment::AuthenticationRequired)
            }
            ChargeOutcome::Declined { message, .. } => {
                self.decline_session(&session, card, outcome)?;
                Ok(SessionPayment::Declined { message: message.to_owned() })
            }
            ChargeOutcome::Paid => self.complete_session(session, card, holder),
        }
    }

    /// The card's owner did not authenticate.
    pub(crate) fn fail_authentication(&mut self, id: &str) -> Result<SessionPayment, Failure> {
        let mut session = self.sessions.find(id)?.clone();
        session.authenticating = None;
        self.sessions.put(session);
        Ok(SessionPayment::Declined {
            message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.".to_owned(),
        })
    }

    /// A decline leaves a failed charge behind, and nothing else.
    fn decline_session(
        &mut self,
        session: &CheckoutSession,
        card: TestCard,
        outcome: ChargeOutcome,
    ) -> Result<(), Failure> {
        let Some(customer) = &session.customer else { return Ok(()) };
        let price = self.prices.find(&session.price)?.clone();
        let amount = price.unit_amount * session.quantity;
        let intent = self.open_intent(customer, amount, &price.currency, "Subscription creation");
        let method = PaymentMethod {
            id: ids::fresh("pm_1", 23),
            created: self.now,
            customer: None,
            card,
            holder: None,
            email: None,
        };
        self.payment_methods.put(method.clone());
        self.charge_intent(&intent, &method, outcome)
    }

    fn complete_session(
        &mut self,
        mut session: CheckoutSession,
        card: TestCard,
        holder: Option<&str>,
    ) -> Result<SessionPayment, Failure> {
        let customer = if let Some(customer) = session.customer.clone() {
            customer
        } else {
            let email =
                session.customer_email.clone().unwrap_or_else(|| "buyer@example.com".to_owned());
            let form = Form::Node(vec![("email".to_owned(), Form::Text(email))]);
            self.create_customer(&form)?["id"].as_str().unwrap_or_default().to_owned()
        };
        let method = self.save_card(&customer, card, holder)?;
        let trial_end = session.trial_days.map(|days| self.now + days * DAY).or(session.trial_end);
        let (subscription, invoice) = self.begin_subscription(Beginning {
            customer: customer.clone(),
            price: session.price.clone(),
            quantity: session.quantity,
            metadata: session.subscription_metadata.clone(),
            trial_end,
            payment_method: Some(method.clone()),
        })?;
        let presence = Presence::Asked { authenticated: true };
        self.attempt_invoice(&invoice, Some(&method), presence)?;
        session.status = SessionStatus::Complete;
        session.authenticating = None;
        session.customer = Some(customer);
        session.subscription = Some(subscription.clone());
        session.invoice = Some(invoice);
        let redirect = session.success_address();
        let json = self.session_json(&session);
        self.sessions.put(session);
        self.emit("checkout.session.completed", json);
        Ok(SessionPayment::Paid { redirect, subscription })
    }
}
