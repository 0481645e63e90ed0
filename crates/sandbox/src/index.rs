//! The index page: what the sandbox is, where everything listens, who there is, what was sent,
//! and the switches that make things go wrong.

use crate::clerk::{Clerk, Delivery, Switches};
use crate::clock::Clock;
use crate::joxcoder::{self, Fault, JoxCoder};
use crate::page::{escape, page};
use crate::resend::{Mail, Resend};
use crate::stripe::Stripe;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::Arc;

/// Everything that the page shows.
#[derive(Clone)]
pub(crate) struct Twins {
    pub(crate) clerk: Arc<Clerk>,
    pub(crate) stripe: Arc<Stripe>,
    pub(crate) joxcoder: Arc<JoxCoder>,
    pub(crate) resend: Arc<Resend>,
}

pub(crate) fn routes(twins: Twins) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/switches/clerk", post(switch_clerk))
        .route("/switches/clerk/rotate-key", post(rotate_key))
        .route("/switches/joxcoder", post(switch_joxcoder))
        .route("/switches/resend", post(switch_resend))
        .with_state(twins)
}

async fn show(State(twins): State<Twins>) -> Html<String> {
    let body = format!(
        "<main class=\"wrap stack\"><header><div class=\"mark\">A</div><h1>AUTOCREA sandbox</h1>\
         <p class=\"muted\">A development sandbox: stand-ins for Clerk, Stripe, JoxCoder and Resend on this \
         machine, so that AUTOCREA runs whole without an account anywhere. Nobody is real, no money moves, \
         no mail leaves. <a href=\"/\">Refresh</a></p></header>\
         <div class=\"grid\">{}{}{}{}{}{}</div>{}</main>",
        addresses(&twins),
        model(&twins.joxcoder),
        sign_in(&twins.clerk),
        people(&twins.clerk),
        webhooks(&twins.clerk.deliveries(), twins.clerk.clock()),
        mails(&twins.resend),
        twins.stripe.index_section(),
    );
    Html(page("AUTOCREA sandbox", &body))
}

fn addresses(twins: &Twins) -> String {
    let rows = [
        ("Clerk", "sign-in", twins.clerk.url()),
        ("Stripe", "payments", twins.stripe.url()),
        ("JoxCoder", "the model", twins.joxcoder.url()),
        ("Resend", "mail", twins.resend.url()),
    ];
    let mut table = String::new();
    for (name, what, url) in rows {
        // The model's address answers programs; its list of models is what a person can look at.
        let link = if name == "JoxCoder" { format!("{url}/models") } else { url.clone() };
        let _ = write!(
            table,
            "<tr><td><b>{name}</b> <small>{what}</small></td><td><a href=\"{link}\"><code>{url}</code></a></td></tr>"
        );
    }
    format!("<section><h2>Addresses</h2><table>{table}</table></section>")
}

fn model(joxcoder: &JoxCoder) -> String {
    let switched = joxcoder.switched();
    let mut options = "<option value=\"\">answers properly</option>".to_owned();
    let mut words = String::new();
    for (word, what, fault) in joxcoder::words() {
        let selected = if switched.as_ref() == Some(&fault) { " selected" } else { "" };
        let _ = write!(options, "<option value=\"{word}\"{selected}>{what}</option>");
        let _ = write!(words, "<tr><td><code>{word}</code></td><td>{what}</td></tr>");
    }
    let state = if switched.is_some() {
        "<span class=\"tag bad\">fault on</span>"
    } else {
        "<span class=\"tag good\">well</span>"
    };
    format!(
        "<section><h2>JoxCoder, the demonstration model {state}</h2>\
         <p class=\"muted\">{} requests so far. It knows a to-do list, a landing page, a calculator, a dashboard, \
         a shop, a notebook, a game, a habit tracker and a REST API by heart, and makes something of any other prompt.</p>\
         <form method=\"post\" action=\"/switches/joxcoder\"><label class=\"field\"><span>From now on it</span>\
         <select name=\"fault\">{options}</select></label><button class=\"small\">Set</button></form>\
         <details><summary>Words in a prompt that do the same for that prompt</summary><table>{words}</table></details></section>",
        joxcoder.requests().len()
    )
}

fn sign_in(clerk: &Clerk) -> String {
    let switches = clerk.switches();
    let check = |name: &str, on: bool, what: &str| {
        let checked = if on { " checked" } else { "" };
        format!(
            "<label class=\"check\"><input type=\"checkbox\" name=\"{name}\" value=\"on\"{checked}>{what}</label>"
        )
    };
    format!(
        "<section><h2>Clerk, the sign-in</h2><form method=\"post\" action=\"/switches/clerk\">{}{}{}{}\
         <div class=\"row\"><button class=\"small\">Set</button></div></form><h3>Keys</h3>\
         <form class=\"row\" method=\"post\" action=\"/switches/clerk/rotate-key\">\
         <button class=\"small\" name=\"keep\" value=\"on\">New key, keep the old one</button>\
         <button class=\"small\" name=\"keep\" value=\"\">New key, drop the old one</button></form>\
         <p class=\"muted\"><small>Deny, be slow and come back twice are on the sign-in page itself.</small></p></section>",
        check("rotate", switches.rotate_refresh_tokens, "Every refresh gives a new refresh token"),
        check(
            "opaque",
            switches.opaque_access_tokens,
            "Access tokens are opaque (<code>oat_…</code>)"
        ),
        check("userinfo_down", switches.userinfo_down, "<code>userinfo</code> answers 500"),
        check("token_down", switches.token_down, "The token endpoint answers 503"),
    )
}

fn people(clerk: &Clerk) -> String {
    let mut rows = String::new();
    for person in clerk.people() {
        let _ = write!(
            rows,
            "<tr><td><div class=\"row tight\"><img class=\"avatar\" src=\"{}/avatar/{}\" alt=\"\"><span>{}<br><small>{}</small></span></div></td>\
             <td><code>{}</code></td></tr>",
            clerk.url(),
            escape(&person.id),
            escape(&person.name),
            escape(&person.email),
            escape(&person.id),
        );
    }
    format!("<section><h2>People</h2><table>{rows}</table></section>")
}

fn webhooks(deliveries: &[Delivery], clock: &Clock) -> String {
    let mut rows = String::new();
    for delivery in deliveries.iter().rev().take(10) {
        let (look, status) = match delivery.status {
            Some(status) if (200..300).contains(&status) => ("good", status.to_string()),
            Some(status) => ("bad", status.to_string()),
            None => ("bad", "not reached".to_owned()),
        };
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td><span class=\"tag {look}\">{status}</span></td><td><small>{}</small></td></tr>",
            escape(&delivery.kind),
            ago(clock.now() - delivery.at),
        );
    }
    if rows.is_empty() {
        rows =
            "<tr><td class=\"muted\">None yet. They follow when a new person signs in.</td></tr>"
                .to_owned();
    }
    format!("<section><h2>Clerk’s webhooks</h2><table>{rows}</table></section>")
}

fn mails(resend: &Resend) -> String {
    let url = resend.url();
    let mails = resend.mails();
    let mut rows = String::new();
    for mail in mails.iter().rev().take(10) {
        let _ = write!(
            rows,
            "<tr><td><a href=\"{url}/mails/{}\">{}</a><br><small>{}</small></td><td><span class=\"tag\">{}</span></td></tr>",
            mail.id,
            escape(&mail.subject),
            escape(&mail.to.join(", ")),
            escape(mail.tag("kind").unwrap_or("mail")),
        );
    }
    if rows.is_empty() {
        rows = "<tr><td class=\"muted\">No mail yet.</td></tr>".to_owned();
    }
    let count: usize = mails.iter().map(|mail: &Mail| mail.to.len()).sum();
    format!(
        "<section><h2>Resend, the mail</h2><p><a href=\"{url}\">Open the inbox</a> <span class=\"muted\">({count})</span></p>\
         <table>{rows}</table><form class=\"row\" method=\"post\" action=\"/switches/resend\">\
         <button class=\"small\" name=\"status\" value=\"429\">Refuse the next three: 429</button>\
         <button class=\"small\" name=\"status\" value=\"500\">500</button></form></section>"
    )
}

fn ago(milliseconds: i64) -> String {
    match milliseconds / 1000 {
        seconds if seconds < 60 => format!("{seconds} s ago"),
        seconds if seconds < 3600 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

/// Unticked boxes are not sent.
#[derive(Deserialize)]
struct ClerkForm {
    rotate: Option<String>,
    opaque: Option<String>,
    userinfo_down: Option<String>,
    token_down: Option<String>,
}

async fn switch_clerk(State(twins): State<Twins>, Form(form): Form<ClerkForm>) -> Redirect {
    twins.clerk.set_switches(Switches {
        rotate_refresh_tokens: form.rotate.is_some(),
        opaque_access_tokens: form.opaque.is_some(),
        userinfo_down: form.userinfo_down.is_some(),
        token_down: form.token_down.is_some(),
    });
    Redirect::to("/")
}

#[derive(Deserialize)]
struct RotateForm {
    #[serde(default)]
    keep: String,
}

async fn rotate_key(State(twins): State<Twins>, Form(form): Form<RotateForm>) -> Redirect {
    if let Err(error) = twins.clerk.rotate_key(!form.keep.is_empty()).await {
        tracing::error!(%error, "no new key could be made");
    }
    Redirect::to("/")
}

#[derive(Deserialize)]
struct FaultForm {
    #[serde(default)]
    fault: String,
}

async fn switch_joxcoder(State(twins): State<Twins>, Form(form): Form<FaultForm>) -> Redirect {
    let found = joxcoder::words().into_iter().find(|(word, ..)| *word == form.fault);
    let fault: Option<Fault> = found.map(|(_, _, fault)| fault);
    twins.joxcoder.switch(fault);
    Redirect::to("/")
}

#[derive(Deserialize)]
struct RefuseForm {
    status: u16,
}

async fn switch_resend(State(twins): State<Twins>, Form(form): Form<RefuseForm>) -> Redirect {
    twins.resend.refuse(form.status, 3, 2);
    Redirect::to("/")
}
