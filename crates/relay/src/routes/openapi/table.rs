//! Every route with its method. A route that is added to the router is added here.

use super::operation::{Operation, Schemas, event};
use crate::routes::health::Health;
use crate::routes::stripe::Invoices;
use crate::routes::tokens::ValidateRequest;
use crate::routes::user::{Profile, ProfilePatch};
use crate::routes::webhook::Received;
use autocrea_protocol::billing::{CheckoutRequest, CheckoutResponse, PortalResponse, SyncRequest};
use autocrea_protocol::config::Plans;
use autocrea_protocol::generation::{Delta, Done, Failed, GenerateRequest, Reserved, Waking};
use autocrea_protocol::ledger::{LedgerPage, TokenUsage, Validation};
use autocrea_protocol::{AccountSnapshot, ErrorCode, RelayConfig, Subscription};
use http::Method;
use serde_json::{Value, json};

const EVENT_ID: &str = "The id of the last event that was received.";

fn get(path: &str, summary: &'static str) -> Operation {
    Operation::new(&Method::GET, path, summary)
}
fn post(path: &str, summary: &'static str) -> Operation {
    Operation::new(&Method::POST, path, summary)
}
fn text() -> Value {
    json!({"type": "string"})
}

/// All of them.
pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut all = catalogue(schemas);
    all.extend(account(schemas));
    all.extend(tokens(schemas));
    all.extend(generation(schemas));
    all.extend(billing(schemas));
    all.extend(webhooks(schemas));
    all.extend(pages());
    all.extend(operation(schemas));
    all
}

fn catalogue(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/config", "All that the app must know beside the relay's address")
            .anybody()
            .answers(200, "The configuration.", &schemas.answered::<RelayConfig>()),
        get("/api/plans", "The plans, from the least to the most, with Stripe's prices")
            .anybody()
            .answers(200, "The plans.", &schemas.answered::<Plans>()),
    ]
}

fn account(schemas: &mut Schemas) -> Vec<Operation> {
    let what = "The snapshot at once, then again at every change; a comment every 15 s.";
    let snapshot = event("account", &schemas.answered::<AccountSnapshot>(), Some("^[0-9]+$"));
    let patch = schemas.read::<ProfilePatch>();
    vec![
        get("/api/account", "The account snapshot")
            .person()
            .parameter("header", "If-None-Match", &text(), "The ETag of a snapshot.")
            .answers(200, "The snapshot.", &schemas.answered::<AccountSnapshot>())
            .answers_nothing(304, "The caller has this version."),
        get("/api/account/events", "The account snapshot, pushed at every change")
            .person()
            .parameter("header", "Last-Event-ID", &text(), EVENT_ID)
            .streams(what, &[snapshot]),
        get("/api/user/profile", "The person's own record").person().answers(
            200,
            "The record.",
            &schemas.answered::<Profile>(),
        ),
        Operation::new(&Method::PATCH, "/api/user/profile", "Change some of it")
            .person()
            .takes_json(&patch)
            .answers(200, "The record, changed.", &schemas.answered::<Profile>()),
        Operation::new(&Method::DELETE, "/api/user/profile", "Erase the person")
            .person()
            .answers_nothing(204, "They are erased; what they pay for is cancelled."),
        get("/api/user/subscription", "The plan in force").person().answers(
            200,
            "The plan.",
            &schemas.answered::<Subscription>(),
        ),
        get("/api/user/invoices", "The person's invoices, newest first").person().answers(
            200,
            "The invoices.",
            &schemas.answered::<Invoices>(),
        ),
    ]
}

fn tokens(schemas: &mut Schemas) -> Vec<Operation> {
    let validation = schemas.answered::<Validation>();
    let asked = schemas.read::<ValidateRequest>();
    let most = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 50});
    vec![
        get("/api/tokens/usage", "What was used and what is left").person().answers(
            200,
            "The figures.",
            &schemas.answered::<TokenUsage>(),
        ),
        post("/api/tokens/validate", "What a generation would cost at most, before sending it")
            .person()
            .takes_json(&asked)
            .answers(200, "It would be let in.", &validation)
            .answers(429, "It would not be, or there were too many requests.", &validation),
        get("/api/tokens/ledger", "Every movement of tokens, oldest first")
            .person()
            .parameter("query", "after", &text(), "`next` of the page before.")
            .parameter("query", "limit", &most, "At most so many.")
            .answers(200, "A page.", &schemas.answered::<LedgerPage>())
            .refuses(&[ErrorCode::InvalidRequest]),
    ]
}

fn generation(schemas: &mut Schemas) -> Vec<Operation> {
    let path = "/api/joxcoder/generate/{id}";
    let id = json!({"type": "string", "format": "uuid"});
    let sequence = json!({"type": "string", "pattern": "^[0-9]+$"});
    let what = "`reserved`, any number of `waking`, `delta` with ids 1, 2, 3 …, then exactly one of \
                `done` and `failed`; a comment every 15 s.";
    let events = [
        event("reserved", &schemas.answered::<Reserved>(), None),
        event("waking", &schemas.answered::<Waking>(), None),
        event("delta", &schemas.answered::<Delta>(), Some("^[1-9][0-9]*$")),
        event("done", &schemas.answered::<Done>(), None),
        event("failed", &schemas.answered::<Failed>(), None),
    ];
    vec![
        post("/api/joxcoder/generate", "Generate, or attach to the generation of that id")
            .person()
            .parameter("header", "Last-Event-ID", &sequence, EVENT_ID)
            .takes_json(&schemas.read::<GenerateRequest>())
            .streams(what, &events)
            .refuses(&[
                ErrorCode::GenerationConflict,
                ErrorCode::TokenLimit,
                ErrorCode::TooManyGenerations,
            ]),
        get(path, "Attach again")
            .person()
            .path_parameter("id", &id, "The generation's.")
            .parameter("header", "Last-Event-ID", &sequence, EVENT_ID)
            .streams(what, &events)
            .refuses(&[ErrorCode::InvalidRequest, ErrorCode::NotFound]),
        Operation::new(&Method::DELETE, path, "Stop it")
            .person()
            .path_parameter("id", &id, "The generation's.")
            .answers_nothing(204, "It has been stopped, or had ended.")
            .refuses(&[ErrorCode::NotFound]),
    ]
}

fn billing(schemas: &mut Schemas) -> Vec<Operation> {
    let checkout = schemas.read::<CheckoutRequest>();
    vec![
        post("/api/stripe/create-checkout", "A page of Stripe's to buy or change a plan on")
            .person()
            .takes_json(&checkout)
            .answers(200, "Its address.", &schemas.answered::<CheckoutResponse>())
            .refuses(&[ErrorCode::InvalidPlan]),
        post("/api/stripe/create-portal", "Stripe's page of the person's subscription")
            .person()
            .answers(200, "Its address.", &schemas.answered::<PortalResponse>())
            .refuses(&[ErrorCode::NoSubscription]),
        post("/api/stripe/sync", "Ask Stripe for this person's state, now")
            .person()
            .takes(&schemas.read::<SyncRequest>(), false)
            .answers(200, "The snapshot.", &schemas.answered::<AccountSnapshot>())
            .refuses(&[ErrorCode::NotFound]),
    ]
}

fn webhooks(schemas: &mut Schemas) -> Vec<Operation> {
    let event = json!({"type": "object", "description": "A signed event, byte for byte."});
    let received = schemas.answered::<Received>();
    vec![
        post("/api/stripe/webhooks", "Stripe's events")
            .exempt()
            .parameter("header", "Stripe-Signature", &text(), "`t=…,v1=…`")
            .takes(&event, true)
            .answers(200, "It is kept.", &received),
        post("/api/clerk/webhooks", "Clerk's events")
            .exempt()
            .parameter("header", "svix-id", &text(), "The same however often it is delivered.")
            .parameter("header", "svix-timestamp", &text(), "Unix seconds")
            .parameter("header", "svix-signature", &text(), "`v1,…`")
            .takes(&event, true)
            .answers(200, "What it says is kept.", &received),
        post("/api/resend/webhooks", "Resend's events")
            .exempt()
            .parameter("header", "svix-id", &text(), "The message's.")
            .parameter("header", "svix-timestamp", &text(), "Unix seconds.")
            .parameter("header", "svix-signature", &text(), "`v1,…`")
            .takes(&event, true)
            .answers(200, "It is kept.", &received),
    ]
}

/// The pages that bring a browser back to the app.
fn pages() -> Vec<Operation> {
    let page = |path: &str, summary: &'static str, passed: &[&str]| {
        let page = get(path, summary).anybody().shows(200, "A page that opens the app.");
        passed.iter().fold(page, |page, name| {
            page.parameter("query", name, &text(), "Passed on to the app.")
        })
    };
    let signed_in = ["code", "state", "error", "error_description"];
    vec![
        page("/return/auth", "Back from signing in", &signed_in),
        page("/return/checkout", "Back from paying", &["session_id", "cancelled"]),
        page("/return/portal", "Back from the portal", &[]),
        unsubscribe(&Method::GET, "A page that asks whether to end promotional mails"),
        unsubscribe(&Method::POST, "End promotional mails, by the page's button or in one click"),
    ]
}

fn unsubscribe(method: &Method, summary: &'static str) -> Operation {
    Operation::new(method, "/api/mail/unsubscribe", summary)
        .exempt()
        .parameter("query", "token", &text(), "The person's, as the mail has it.")
        .shows(200, "A page.")
        .refuses(&[ErrorCode::InvalidRequest])
}

fn operation(schemas: &mut Schemas) -> Vec<Operation> {
    let health = schemas.answered::<Health>();
    let document = json!({"type": "object"});
    vec![
        get("/healthz", "Whether the relay is alive").exempt().answers(200, "It is.", &health),
        get("/readyz", "Whether it can work: the database is there and migrated")
            .exempt()
            .answers(200, "It can.", &health)
            .refuses(&[ErrorCode::UpstreamUnavailable]),
        get("/openapi.json", "This document").anybody().answers(200, "It.", &document),
    ]
}
