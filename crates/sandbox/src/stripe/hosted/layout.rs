//! The frame of the hosted pages: two columns, what is bought and what is to be done.

use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;

use super::words::Tongue;
use crate::page::escape;

const STYLE: &str = include_str!("hosted.css");

/// A whole page; `body` is HTML.
pub(super) fn page(tongue: Tongue, title: &str, body: &str) -> String {
    let title = escape(title);
    let strip = tongue.say(
        "Stripe de pruebas de AUTOCREA · aquí no se cobra nada",
        "AUTOCREA's sandbox Stripe · no money moves here",
    );
    format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\
         <p class=\"strip\"><b>TEST</b> {strip}</p>{body}</body></html>",
        tongue.code()
    )
}

/// A page with a status.
pub(super) fn answer(status: StatusCode, html: String) -> Response {
    (status, Html(html)).into_response()
}

/// 303: the browser goes on with GET.
pub(super) fn go(to: &str) -> Response {
    Redirect::to(to).into_response()
}

/// A page that only says something and offers one way on.
pub(super) fn notice(tongue: Tongue, title: &str, text: &str, way: Option<(&str, &str)>) -> String {
    let way = way.map_or_else(String::new, |(label, href)| {
        format!(
            "<p><a class=\"button primary\" href=\"{}\">{}</a></p>",
            escape(href),
            escape(label)
        )
    });
    let body = format!(
        "<main class=\"single\"><div class=\"panel\"><h1>{}</h1><p class=\"muted\">{}</p>{way}</div></main>",
        escape(title),
        escape(text)
    );
    page(tongue, title, &body)
}

/// The fields of a card, and the three test cards to choose from.
pub(super) fn card_fields(tongue: Tongue, holder: &str) -> String {
    let number = tongue.say("Número de tarjeta", "Card number");
    let expiry = tongue.say("Caducidad", "Expiry");
    let name = tongue.say("Titular de la tarjeta", "Cardholder name");
    let tests = tongue.say("Tarjetas de prueba", "Test cards");
    let cards = [
        ("4242 4242 4242 4242", tongue.say("paga", "pays")),
        ("4000 0000 0000 0002", tongue.say("rechazada", "declined")),
        ("4000 0025 0000 3155", tongue.say("pide autenticación", "asks for authentication")),
    ];
    let list: String = cards
        .iter()
        .map(|(digits, what)| format!("<li><code>{digits}</code><span>{what}</span></li>"))
        .collect();
    format!(
        "<label class=\"field\"><span>{number}</span>\
         <input name=\"card\" inputmode=\"numeric\" autocomplete=\"cc-number\" placeholder=\"4242 4242 4242 4242\" required autofocus></label>\
         <div class=\"two\"><label class=\"field\"><span>{expiry}</span><input name=\"expiry\" value=\"12 / 34\" autocomplete=\"cc-exp\"></label>\
         <label class=\"field\"><span>CVC</span><input name=\"cvc\" value=\"123\" inputmode=\"numeric\" autocomplete=\"cc-csc\"></label></div>\
         <label class=\"field\"><span>{name}</span><input name=\"name\" autocomplete=\"cc-name\" value=\"{}\"></label>\
         <details class=\"tests\" open><summary>{tests}</summary><ul>{list}</ul></details>",
        escape(holder)
    )
}

/// What went wrong, above a form.
pub(super) fn alert(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| {
        format!("<p class=\"alert\" role=\"alert\">{}</p>", escape(text))
    })
}
