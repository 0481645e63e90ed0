//! The index page: what the sandbox is, where everything listens, who there is, what was sent,
//! and the switches that make things go wrong.

use crate::clerk::Clerk;
use crate::joxcoder::{self, JoxCoder};
use crate::page::page;
use crate::resend::Resend;
use crate::stripe::Stripe;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
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
    Router::new().route("/", get(show)).with_state(twins)
}

async fn show(State(twins): State<Twins>) -> Html<String> {
    let words: Vec<&str> = joxcoder::words().into_iter().map(|(word, ..)| word).collect();
    let body = format!(
        "<main class=\"wrap\"><h1>Sandbox</h1><p>{} {} {} {}</p><p>{}</p>{}</main>",
        twins.clerk.url(),
        twins.stripe.url(),
        twins.joxcoder.url(),
        twins.resend.url(),
        words.join(" "),
        twins.stripe.index_section(),
    );
    Html(page("AUTOCREA sandbox", &body))
}
