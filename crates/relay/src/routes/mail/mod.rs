//! The page that ends promotional mails: opened from a mail, without signing in.
//!
//! Opening it changes nothing, since mail programs and scanners open links by themselves; what is
//! posted to it counts, by its button or by a mail program (RFC 8058). The same discipline as the
//! pages that bring people back: nothing runs, nothing is kept, nothing of the query is logged.

use super::return_pages::{LOGO, STYLE, style_alone};
use crate::app::App;
use crate::error::ApiError;
use crate::lang::Lang;
use crate::mail::unsubscribe;
use autocrea_protocol::UserId;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use url::form_urlencoded;

/// `GET /api/mail/unsubscribe`
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    lang: Lang,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match whose(&app, query.as_deref()) {
        Some(_) => page(StatusCode::OK, lang, &asking(lang), true),
        None => nobodys(lang, &headers),
    }
}

/// `POST /api/mail/unsubscribe`; whatever the body says, it is meant.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    lang: Lang,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Some(user) = whose(&app, query.as_deref()) else { return Ok(nobodys(lang, &headers)) };
    app.db.write(move |tx| unsubscribe::unsubscribe(tx, &user)).await?;
    Ok(page(StatusCode::OK, lang, &ended(lang), false))
}

fn whose(app: &App, query: Option<&str>) -> Option<UserId> {
    let mut given = form_urlencoded::parse(query?.as_bytes());
    let token = given.find(|(name, _)| name == "token")?.1;
    unsubscribe::whose(&app.mail.keys, &token)
}

/// A page for whoever reads pages, and for everybody else an error as any other.
fn nobodys(lang: Lang, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return page(StatusCode::BAD_REQUEST, lang, &unknown(lang), false);
    }
    let (es, en) = ("Este enlace no es válido.", "This link is not valid.");
    ApiError::invalid("token", es, en).into_response()
}

struct Words {
    title: &'static str,
    text: &'static str,
}

fn asking(lang: Lang) -> Words {
    Words {
        title: lang.pick("¿No quieres más consejos por correo?", "No more tips by e-mail?"),
        text: lang.pick(
            "Dejarás de recibir consejos y sugerencias de AUTOCREA. Lo de tu cuenta y tus pagos te \
             seguirá llegando.",
            "You will receive no more tips and suggestions from AUTOCREA. What concerns your account \
             and your payments will still reach you.",
        ),
    }
}

fn ended(lang: Lang) -> Words {
    Words {
        title: lang.pick("Hecho", "Done"),
        text: lang.pick(
            "No recibirás más consejos por correo. Si cambias de idea, vuelve a activarlos en la app.",
            "You will receive no more tips by e-mail. If you change your mind, turn them on again in \
             the app.",
        ),
    }
}

fn unknown(lang: Lang) -> Words {
    Words {
        title: lang.pick("Este enlace no es válido", "This link is not valid"),
        text: lang.pick(
            "Quizá se cortó al copiarlo. Ábrelo otra vez desde el correo.",
            "It may have been cut off. Open it again from the e-mail.",
        ),
    }
}

fn page(status: StatusCode, lang: Lang, words: &Words, button: bool) -> Response {
    // Without an address of its own the form is posted to where the page came from, token and all.
    let form = if button {
        format!(
            "<form method=\"post\"><button class=\"open\" name=\"List-Unsubscribe\" \
             value=\"One-Click\">{}</button></form>",
            lang.pick("No quiero más consejos", "Stop the tips")
        )
    } else {
        String::new()
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title} · AUTOCREA</title>\
         <style>{STYLE}</style></head><body><main>{LOGO}<h1>{title}</h1><p>{}</p>{form}\
         <footer>AUTOCREA · Powered by JoxAI</footer></main></body></html>\n",
        lang.as_str(),
        words.text,
        title = words.title,
    );
    let headers: [(HeaderName, HeaderValue); 7] = [
        (header::CONTENT_SECURITY_POLICY, style_alone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::VARY, HeaderValue::from_static("accept, accept-language")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.as_str())),
    ];
    (status, headers, Html(html)).into_response()
}
