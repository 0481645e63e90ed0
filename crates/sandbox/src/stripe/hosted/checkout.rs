//! Checkout: what is bought, a card, and the way back to the shop.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::layout::{alert, answer, card_fields, go, notice, page};
use super::words::Tongue;
use crate::page::escape;
use crate::stripe::books::Books;
use crate::stripe::calendar::Interval;
use crate::stripe::card::TestCard;
use crate::stripe::checkout::{CheckoutSession, SessionPayment, SessionStatus};
use crate::stripe::desk::Desk;

#[derive(Deserialize)]
pub(super) struct Payment {
    card: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
pub(super) struct Authentication {
    result: String,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    desk.with(|books| match open_session(books, &id, &headers) {
        Ok((session, tongue)) => answer(StatusCode::OK, pay_page(books, &session, tongue, None)),
        Err(closed) => *closed,
    })
}

pub(super) async fn pay(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(payment): Form<Payment>,
) -> Response {
    desk.with(|books| {
        let (session, tongue) = match open_session(books, &id, &headers) {
            Ok(open) => open,
            Err(closed) => return *closed,
        };
        let Some(card) = TestCard::from_number(&payment.card) else {
            let sentence = tongue.card_message("Your card number is incorrect.");
            let html = pay_page(books, &session, tongue, Some(&sentence));
            return answer(StatusCode::PAYMENT_REQUIRED, html);
        };
        let holder = Some(payment.name.trim()).filter(|name| !name.is_empty());
        let paid = books.pay_session(&id, card, holder, false);
        after(books, &session, tongue, paid)
    })
}

/// The bank's question.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    desk.with(|books| match open_session(books, &id, &headers) {
        Ok((session, _)) if session.authenticating.is_none() => go(&format!("/c/pay/{id}")),
        Ok((session, tongue)) => answer(StatusCode::OK, bank_page(books, &session, tongue)),
        Err(closed) => *closed,
    })
}

pub(super) async fn authenticate(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(authentication): Form<Authentication>,
) -> Response {
    desk.with(|books| {
        let (session, tongue) = match open_session(books, &id, &headers) {
            Ok(open) => open,
            Err(closed) => return *closed,
        };
        let Some(card) = session.authenticating else { return go(&format!("/c/pay/{id}")) };
        let outcome = if authentication.result == "complete" {
            books.pay_session(&id, card, None, true)
        } else {
            books.fail_authentication(&id)
        };
        after(books, &session, tongue, outcome)
    })
}

/// An open session and its language, or the page that says why there is nothing to pay.
fn open_session(
    books: &Books,
    id: &str,
    headers: &HeaderMap,
) -> Result<(CheckoutSession, Tongue), Box<Response>> {
    let Some(session) = books.sessions.get(id) else {
        let tongue = Tongue::of(None, headers);
        let title = tongue.say("Este pago no existe", "There is no such checkout");
        let text = tongue.say(
            "La dirección no es la de ninguna sesión de pago de este sandbox. Vuelve a empezar desde AUTOCREA.",
            "The address belongs to no checkout session of this sandbox. Start again from AUTOCREA.",
        );
        return Err(Box::new(answer(StatusCode::NOT_FOUND, notice(tongue, title, text, None))));
    };
    let tongue = Tongue::of(session.locale.as_deref(), headers);
    match session.status {
        SessionStatus::Open => Ok((session.clone(), tongue)),
        SessionStatus::Complete => {
            let back = session.success_address();
            let title = tongue.say("Ya está pagado", "Already paid");
            let text = tongue.say(
                "Este pago se ha completado. Puedes volver a AUTOCREA.",
                "This payment has been completed. You can go back to AUTOCREA.",
            );
            let way = (tongue.say("Volver a AUTOCREA", "Back to AUTOCREA"), back.as_str());
            Err(Box::new(answer(StatusCode::OK, notice(tongue, title, text, Some(way)))))
        }
        SessionStatus::Expired => {
            let title = tongue.say("Este pago ha caducado", "This checkout has expired");
            let text = tongue.say(
                "Vuelve a elegir el plan en AUTOCREA; no se ha cobrado nada.",
                "Choose the plan again in AUTOCREA; nothing was charged.",
            );
            let back = session.cancel_address();
            let way = back
                .as_deref()
                .map(|back| (tongue.say("Volver a AUTOCREA", "Back to AUTOCREA"), back));
            Err(Box::new(answer(StatusCode::GONE, notice(tongue, title, text, way))))
        }
    }
}

fn after(
    books: &Books,
    session: &CheckoutSession,
    tongue: Tongue,
    outcome: Result<SessionPayment, crate::stripe::failure::Failure>,
) -> Response {
    let sentence = match outcome {
        Ok(SessionPayment::Paid { redirect, .. }) => return go(&redirect),
        Ok(SessionPayment::AuthenticationRequired) => {
            return go(&format!("/c/pay/{}/authenticate", session.id));
        }
        Ok(SessionPayment::Closed(_)) => return go(&format!("/c/pay/{}", session.id)),
        Ok(SessionPayment::Declined { message }) => tongue.card_message(&message),
        Err(failure) => tongue.card_message(failure.message()),
    };
    answer(StatusCode::PAYMENT_REQUIRED, pay_page(books, session, tongue, Some(&sentence)))
}

fn pay_page(
    books: &Books,
    session: &CheckoutSession,
    tongue: Tongue,
    error: Option<&str>,
) -> String {
    let Some(price) = books.prices.get(&session.price) else { return String::new() };
    let name = books.product_name(price);
    let amount = price.unit_amount * session.quantity;
    let money = tongue.money(amount, &price.currency);
    let every = tongue.every(price.interval.map_or("month", Interval::word));
    let trial = session
        .trial_days
        .map(|days| format!("{days} {}", tongue.say("días gratis, después", "days free, then")));
    let due = if trial.is_some() { tongue.money(0, &price.currency) } else { money.clone() };
    let customer = session.customer.as_ref().and_then(|id| books.customers.get(id));
    let email = customer
        .and_then(|customer| customer.email.clone())
        .or_else(|| session.customer_email.clone())
        .unwrap_or_default();
    let holder = customer.and_then(|customer| customer.name.clone()).unwrap_or_default();
    let cancel = session.cancel_address().map_or_else(String::new, |back| {
        let label = tongue.say("Volver sin pagar", "Go back without paying");
        format!("<p><a id=\"cancel\" href=\"{}\">← {label}</a></p>", escape(&back))
    });
    let body = format!(
        "<main class=\"split\"><section class=\"offer\"><div class=\"inner\">\
         <p class=\"brand\"><span class=\"mark\" aria-hidden=\"true\">A</span>AUTOCREA</p>{cancel}\
         <p class=\"what\">{subscribe} {name}</p>\
         <p class=\"price\">{money}<small>{trial} {every}</small></p>\
         <ul class=\"sum\"><li><span>{name} × {quantity}</span><span>{money}</span></li>\
         <li><span>{due_label}</span><span>{due}</span></li></ul></div></section>\
         <section class=\"side\"><div class=\"inner\"><h1>{pay_with}</h1>{error}\
         <p><small>{email_label}</small><br>{email}</p>\
         <form method=\"post\" action=\"/c/pay/{id}\">{fields}\
         <button class=\"primary wide\" id=\"pay\">{pay}</button></form>\
         <p class=\"foot\">{terms}</p></div></section></main>",
        subscribe = tongue.say("Suscríbete a", "Subscribe to"),
        name = escape(&name),
        trial = trial.unwrap_or_default(),
        quantity = session.quantity,
        due_label = tongue.say("Total a pagar hoy", "Total due today"),
        pay_with = tongue.say("Pagar con tarjeta", "Pay with card"),
        error = alert(error),
        email_label = tongue.say("Correo electrónico", "Email"),
        email = escape(&email),
        id = escape(&session.id),
        fields = card_fields(tongue, &holder),
        pay = tongue.say("Suscribirse", "Subscribe"),
        terms = tongue.say(
            "Se renueva solo hasta que lo canceles. Es una página de pruebas: no uses una tarjeta real.",
            "Renews by itself until you cancel. This is a test page: never use a real card.",
        ),
    );
    page(tongue, &format!("{name} · Checkout"), &body)
}

fn bank_page(books: &Books, session: &CheckoutSession, tongue: Tongue) -> String {
    let money = books
        .prices
        .get(&session.price)
        .map(|price| tongue.money(price.unit_amount * session.quantity, &price.currency))
        .unwrap_or_default();
    let body = format!(
        "<main class=\"single\"><div class=\"panel\"><h1>{title}</h1><p class=\"muted\">{text} <b>{money}</b>.</p>\
         <form method=\"post\" action=\"/c/pay/{id}/authenticate\" class=\"row\">\
         <button class=\"primary\" name=\"result\" value=\"complete\" id=\"complete\">{yes}</button>\
         <button name=\"result\" value=\"fail\" id=\"fail\">{no}</button></form></div></main>",
        title = tongue.say("Tu banco pregunta si eres tú", "Your bank asks whether it is you"),
        text = tongue.say(
            "Autenticación 3-D Secure de pruebas para el pago de",
            "Test 3-D Secure authentication for the payment of",
        ),
        id = escape(&session.id),
        yes = tongue.say("Sí, soy yo", "Complete"),
        no = tongue.say("No autorizar", "Fail"),
    );
    page(tongue, "3-D Secure", &body)
}
