//! The inbox page: every mail, as its reader would see it.

use super::{Mail, PostOffice};
use crate::page::{escape, page};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) async fn list(State(post): State<Arc<PostOffice>>) -> Html<String> {
    let rows = rows(&post.inner.lock().mails);
    Html(page(
        "Inbox",
        &format!(
            "<main class=\"wrap\"><h1>Inbox</h1><p class=\"muted\">Resend’s stand-in keeps every mail here. Nothing is sent.</p>\
             <section>{rows}</section></main>"
        ),
    ))
}

/// The mails, newest first, as a table; or a sentence.
fn rows(mails: &[Mail]) -> String {
    if mails.is_empty() {
        return "<p class=\"muted\">No mail yet. The relay writes here when RESEND_BASE_URL points to this address.</p>".to_owned();
    }
    let mut table = "<table><tr><th>To</th><th>Subject</th><th>Kind</th></tr>".to_owned();
    for mail in mails.iter().rev() {
        let _ = write!(
            table,
            "<tr><td>{}</td><td><a href=\"/mails/{}\">{}</a></td><td><span class=\"tag\">{}</span></td></tr>",
            escape(&mail.to.join(", ")),
            mail.id,
            escape(&mail.subject),
            escape(mail.tag("kind").unwrap_or("mail")),
        );
    }
    table.push_str("</table>");
    table
}

pub(super) async fn show(State(post): State<Arc<PostOffice>>, Path(id): Path<String>) -> Response {
    let Some(mail) = find(&post, &id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut headers = String::new();
    for (name, value) in &mail.headers {
        let _ = write!(headers, "<p><code>{}: {}</code></p>", escape(name), escape(value));
    }
    let body = format!(
        "<main class=\"wrap stack\"><p><a href=\"/\">← Inbox</a></p><h1>{subject}</h1>\
         <p class=\"muted\">From {from} to {to}</p>{headers}\
         <iframe sandbox title=\"The mail\" src=\"/mails/{id}/html\"></iframe>\
         <section><h2>As text</h2><pre>{text}</pre></section></main>",
        subject = escape(&mail.subject),
        from = escape(&mail.from),
        to = escape(&mail.to.join(", ")),
        id = mail.id,
        text = escape(&mail.text),
    );
    Html(page(&mail.subject, &body)).into_response()
}

/// The HTML of the mail by itself, for a frame that runs nothing.
pub(super) async fn html(State(post): State<Arc<PostOffice>>, Path(id): Path<String>) -> Response {
    let Some(mail) = find(&post, &id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let policy = [(header::CONTENT_SECURITY_POLICY, "sandbox; script-src 'none'")];
    (policy, Html(mail.html)).into_response()
}

fn find(post: &PostOffice, id: &str) -> Option<Mail> {
    let inner = post.inner.lock();
    inner.mails.iter().find(|mail| mail.id == id).cloned()
}
