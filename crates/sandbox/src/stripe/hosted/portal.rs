//! The customer portal: what its visitor asks for, done to the books. How its pages look is in
//! `portal_pages`.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::layout::{answer, go, notice};
use super::portal_pages as pages;
use super::words::Tongue;
use crate::stripe::books::Books;
use crate::stripe::card::{ChargeOutcome, TestCard};
use crate::stripe::change::{Change, IfUnpaid, Proration};
use crate::stripe::collecting::Presence;
use crate::stripe::configuration::Configuration;
use crate::stripe::customer::Customer;
use crate::stripe::desk::Desk;
use crate::stripe::failure::Failure;
use crate::stripe::portal::{AfterCompletion, FlowKind, PortalSession};
use crate::stripe::subscription::{Ending, Subscription};

/// Whatever a form of the portal can carry.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    card: String,
    name: String,
    price: String,
    invoice: String,
    feedback: String,
    /// The answer to the bank's question, once it has been asked.
    result: String,
}

/// What the visitor of a portal session sees.
pub(super) struct Visit {
    pub(super) session: PortalSession,
    pub(super) tongue: Tongue,
    pub(super) customer: Customer,
    pub(super) configuration: Configuration,
    /// The subscription that the session is about: the flow's, or the newest that runs.
    pub(super) subscription: Option<Subscription>,
}

impl Visit {
    fn begin(books: &Books, key: &str, headers: &HeaderMap) -> Option<Self> {
        let session = books.portal_session_by_key(key)?.clone();
        let customer = books.living_customer(&session.customer, "customer").ok()?.clone();
        let configuration = books.configurations.get(&session.configuration)?.clone();
        let named = session.flow.as_ref().and_then(|flow| flow.subscription.as_deref());
        let subscription = named
            .and_then(|id| books.subscriptions.get(id))
            .or_else(|| {
                books.subscriptions.newest_first().find(|subscription| {
                    subscription.customer == customer.id && !subscription.has_ended()
                })
            })
            .cloned();
        let locale = session.locale.clone().or_else(|| customer.preferred_locales.first().cloned());
        let tongue = Tongue::of(locale.as_deref(), headers);
        Some(Self { session, tongue, customer, configuration, subscription })
    }

    /// The address of a task of this session.
    pub(super) fn at(&self, task: &str) -> String {
        format!("/p/session/{}/{task}", self.session.key)
    }

    /// Where the visitor goes when a task is done.
    fn done(&self, flows: &[FlowKind]) -> Response {
        let flow = self.session.flow.as_ref().filter(|flow| flows.contains(&flow.kind));
        let back = flow.and_then(|flow| match flow.after {
            AfterCompletion::Redirect => flow.return_url.clone(),
            AfterCompletion::HostedConfirmation => Some(self.at("done")),
            AfterCompletion::PortalHomepage => None,
        });
        go(back.as_deref().unwrap_or(&self.at("home")))
    }
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    let task = desk.peek(|books| {
        let flow = books.portal_session_by_key(&key)?.flow.as_ref()?;
        Some(match flow.kind {
            FlowKind::PaymentMethodUpdate => "card",
            FlowKind::SubscriptionCancel => "cancel",
            FlowKind::SubscriptionUpdate | FlowKind::SubscriptionUpdateConfirm => "change",
        })
    });
    visit(&desk, &key, task.unwrap_or("home"), &headers)
}

pub(super) async fn task(
    State(desk): State<Arc<Desk>>,
    Path((key, task)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    visit(&desk, &key, &task, &headers)
}

fn visit(desk: &Desk, key: &str, task: &str, headers: &HeaderMap) -> Response {
    desk.with(|books| {
        let Some(visit) = Visit::begin(books, key, headers) else { return gone(headers) };
        let html = match task {
            "cancel" => pages::cancel(books, &visit),
            "change" => pages::change(books, &visit, None),
            "card" => pages::card(&visit, None),
            "done" => pages::done(&visit),
            _ => pages::home(books, &visit, None),
        };
        answer(StatusCode::OK, html)
    })
}

fn gone(headers: &HeaderMap) -> Response {
    let tongue = Tongue::of(None, headers);
    let title = tongue.say("Este enlace ya no sirve", "This link does not work any more");
    let text = tongue
        .say("Abre de nuevo el portal desde AUTOCREA.", "Open the portal again from AUTOCREA.");
    answer(StatusCode::NOT_FOUND, notice(tongue, title, text, None))
}

pub(super) async fn act(
    State(desk): State<Arc<Desk>>,
    Path((key, task)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    desk.with(|books| {
        let Some(visit) = Visit::begin(books, &key, &headers) else { return gone(&headers) };
        let done = match task.as_str() {
            "cancel" => cancel(books, &visit, &fields),
            "resume" => resume(books, &visit),
            "change" => change(books, &visit, &fields),
            "card" => replace_card(books, &visit, &fields),
            "pay" => pay(books, &visit, &fields),
            _ => Ok(go(&visit.at("home"))),
        };
        done.unwrap_or_else(|failure| {
            let sentence = visit.tongue.card_message(failure.message());
            let html = match task.as_str() {
                "change" => pages::change(books, &visit, Some(&sentence)),
                "card" => pages::card(&visit, Some(&sentence)),
                _ => pages::home(books, &visit, Some(&sentence)),
            };
            let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
            answer(status, html)
        })
    })
}

fn subscription(visit: &Visit) -> Result<&Subscription, Failure> {
    visit.subscription.as_ref().ok_or_else(|| Failure::invalid("There is no subscription."))
}

fn allowed(feature: bool) -> Result<(), Failure> {
    if feature {
        return Ok(());
    }
    Err(Failure::invalid("This portal's configuration does not allow that."))
}

fn cancel(books: &mut Books, visit: &Visit, fields: &Fields) -> Result<Response, Failure> {
    allowed(visit.configuration.cancel)?;
    let id = &subscription(visit)?.id;
    let feedback = Some(fields.feedback.clone()).filter(|feedback| !feedback.is_empty());
    if let Some(known) = books.subscriptions.get_mut(id) {
        known.cancellation.feedback = feedback;
    }
    if visit.configuration.cancel_immediately {
        books.end_subscription(id, Ending::Requested)?;
    } else {
        books.cancel_at_period_end(id)?;
    }
    Ok(visit.done(&[FlowKind::SubscriptionCancel]))
}

fn resume(books: &mut Books, visit: &Visit) -> Result<Response, Failure> {
    books.keep_subscription(&subscription(visit)?.id)?;
    Ok(go(&visit.at("home")))
}

fn change(books: &mut Books, visit: &Visit, fields: &Fields) -> Result<Response, Failure> {
    allowed(visit.configuration.update)?;
    let subscription = subscription(visit)?;
    if !pages::choices(books, visit).iter().any(|price| price.id == fields.price) {
        return Err(Failure::invalid("This portal's configuration does not offer that price."));
    }
    let conditions = &visit.configuration.schedule_conditions;
    let same = subscription.price == fields.price;
    if same || books.waits_for_period_end(&subscription.price, &fields.price, conditions) {
        books.schedule_price(&subscription.id, &fields.price)?;
    } else {
        let proration = match visit.configuration.update_proration.as_str() {
            "always_invoice" => Proration::AlwaysInvoice,
            "create_prorations" => Proration::CreateProrations,
            _ => Proration::None,
        };
        let change = Change {
            price: fields.price.clone(),
            quantity: None,
            proration,
            if_unpaid: IfUnpaid::Refuse,
            presence: Presence::Asked { authenticated: true },
        };
        books.change_price(&subscription.id, &change)?;
    }
    Ok(visit.done(&[FlowKind::SubscriptionUpdate, FlowKind::SubscriptionUpdateConfirm]))
}

fn replace_card(books: &mut Books, visit: &Visit, fields: &Fields) -> Result<Response, Failure> {
    allowed(visit.configuration.payment_method_update)?;
    let card = TestCard::from_number(&fields.card)
        .ok_or_else(|| Failure::card("incorrect_number", None, "Your card number is incorrect."))?;
    let authenticated = fields.result == "complete";
    if fields.result == "fail" {
        return Err(Failure::card(
            "setup_intent_authentication_failure",
            None,
            "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        ));
    }
    if card.charge_on_session(authenticated) == ChargeOutcome::AuthenticationRequired {
        let page = pages::bank(visit, &fields.card, &fields.name);
        return Ok(answer(StatusCode::OK, page));
    }
    let holder = Some(fields.name.trim()).filter(|name| !name.is_empty());
    books.replace_card(&visit.customer.id, card, holder)?;
    Ok(visit.done(&[FlowKind::PaymentMethodUpdate]))
}

fn pay(books: &mut Books, visit: &Visit, fields: &Fields) -> Result<Response, Failure> {
    let invoice = books.invoices.find(&fields.invoice)?;
    if invoice.customer != visit.customer.id {
        return Err(Failure::no_such("invoice", &fields.invoice, "id"));
    }
    let presence = Presence::Asked { authenticated: true };
    let outcome = books.attempt_invoice(&fields.invoice, None, presence)?;
    match outcome {
        ChargeOutcome::Paid => Ok(go(&visit.at("home"))),
        declined => Err(Failure::card(
            declined.failure_code().unwrap_or("card_declined"),
            declined.decline_code(),
            declined.message().unwrap_or("Your card was declined."),
        )),
    }
}
