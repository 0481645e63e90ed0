//! Stripe's part of the sandbox's index page: who pays for what, what was sent, and the switches
//! and buttons that stand for time, banks and bad days.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, Router};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use time::OffsetDateTime;

use super::books::{Answer, Books, Metadata};
use super::card::TestCard;
use super::desk::Desk;
use super::dispute::DisputeStatus;
use super::failure::Failure;
use super::subscription::{Ending, Subscription};
use crate::page::escape;
use crate::serving::is_loopback_host;

const EVENTS_SHOWN: usize = 15;
const DAY: u64 = 86_400;

pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/sandbox/{action}", post(act))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    id: String,
}

/// Presses a button of the index page and goes back to it.
async fn act(
    State(desk): State<Arc<Desk>>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let text = |name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let origin = text(header::ORIGIN);
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    if !origin.is_empty() && !is_loopback_host(host) {
        return (StatusCode::FORBIDDEN, "Buttons work from the sandbox's own pages only.\n")
            .into_response();
    }
    if let Err(failure) = press(&desk, &action, &fields.id) {
        return (StatusCode::BAD_REQUEST, format!("{}\n", failure.message())).into_response();
    }
    let back = text(header::REFERER);
    Redirect::to(if back.is_empty() { "/" } else { &back }).into_response()
}

fn press(desk: &Desk, action: &str, id: &str) -> Result<(), Failure> {
    match action {
        "day" => advance(desk, DAY),
        "month" => advance(desk, 31 * DAY),
        "year" => advance(desk, 366 * DAY),
        "hold" => desk.hold.send_modify(|held| *held = !*held),
        "down" => {
            desk.down.fetch_not(Ordering::SeqCst);
        }
        "again" => desk.with(|books| books.send_again(id))?,
        _ => {
            desk.with(|books| change(books, action, id))?;
        }
    }
    Ok(())
}

fn advance(desk: &Desk, seconds: u64) {
    desk.clock.advance(Duration::from_secs(seconds));
    desk.with(|_| ());
}

fn change(books: &mut Books, action: &str, id: &str) -> Answer {
    match action {
        "refund" => {
            let charge = books.last_paid_charge(id)?;
            books.refund_charge(&charge, None, None, Metadata::new())
        }
        "dispute" => {
            let charge = books.last_paid_charge(id)?;
            books.open_dispute(&charge)
        }
        "won" => books.decide_dispute(id, true),
        "lost" => books.decide_dispute(id, false),
        "end" => books.end_subscription(id, Ending::Requested),
        "break" => {
            let customer = books.subscriptions.find(id)?.customer.clone();
            books.replace_card(&customer, TestCard::FailsWhenCharged, None)?;
            books.retrieve_customer(&customer)
        }
        other => Err(Failure::invalid(format!("There is no button named {other}."))),
    }
}

impl Books {
    /// The charge that the latest paid invoice of a subscription was paid with.
    fn last_paid_charge(&self, subscription: &str) -> Result<String, Failure> {
        self.invoices
            .newest_first()
            .filter(|invoice| invoice.subscription == subscription && invoice.amount_paid > 0)
            .find_map(|invoice| {
                let intent = invoice.payment_intent.as_deref()?;
                self.payment_intents.get(intent)?.latest_charge.clone()
            })
            .ok_or_else(|| Failure::invalid("Nothing has been paid for that subscription yet."))
    }

    /// Puts an event on its way once more.
    fn send_again(&mut self, id: &str) -> Result<(), Failure> {
        let mut event = self.events.find(id)?.clone();
        event.pending = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&event.kind))
            .map(|endpoint| endpoint.id.clone())
            .collect();
        self.events.put(event);
        self.undelivered.push_back(id.to_owned());
        Ok(())
    }
}

pub(crate) fn html(desk: &Desk) -> String {
    let held = *desk.hold.borrow();
    let down = desk.down.load(Ordering::SeqCst);
    desk.with(|books| {
        let button = |action: &str, id: &str, label: &str| {
            format!(
                "<form method=\"post\" action=\"{}/sandbox/{action}\"><input type=\"hidden\" name=\"id\" value=\"{}\"><button class=\"small\">{label}</button></form>",
                books.url,
                escape(id)
            )
        };
        let clock = ["day", "month", "year"].map(|step| button(step, "", &format!("+1 {step}")));
        let switches = [
            button("hold", "", if held { "Release webhooks" } else { "Hold webhooks" }),
            button("down", "", if down { "Switch the API on" } else { "Switch the API off" }),
        ];
        format!(
            "<section id=\"stripe\"><h2>Stripe</h2>\
             <p>It is <b>{}</b> here. {}{}</p><div class=\"row\">{}{}</div>\
             <h3>Subscriptions</h3>{}<h3>Disputes</h3>{}<h3>Events</h3>{}</section>",
            moment(books.now),
            if held { "<span class=\"tag bad\">webhooks are held</span> " } else { "" },
            if down { "<span class=\"tag bad\">the API answers 503</span>" } else { "" },
            clock.concat(),
            switches.concat(),
            subscriptions(books, &button),
            disputes(books, &button),
            events(books, &button),
        )
    })
}

fn moment(at: i64) -> String {
    OffsetDateTime::from_unix_timestamp(at).map_or_else(
        |_| String::new(),
        |moment| format!("{} {:02}:{:02} UTC", moment.date(), moment.hour(), moment.minute()),
    )
}

fn subscriptions(books: &Books, button: &dyn Fn(&str, &str, &str) -> String) -> String {
    let rows: String = books
        .subscriptions
        .newest_first()
        .map(|subscription| subscription_row(books, subscription, button))
        .collect();
    table(&["Customer", "Plan", "State", "Period ends", ""], &rows)
}

fn subscription_row(
    books: &Books,
    subscription: &Subscription,
    button: &dyn Fn(&str, &str, &str) -> String,
) -> String {
    let id = &subscription.id;
    let email = books.customers.get(&subscription.customer).and_then(|one| one.email.clone());
    let plan = books.prices.get(&subscription.price).map_or_else(String::new, |price| {
        let every = price.interval.map_or("", super::calendar::Interval::word);
        format!("{} / {every}", books.product_name(price))
    });
    let status = serde_json::json!(subscription.status);
    let status = status.as_str().unwrap_or_default();
    let tone = match status {
        "active" | "trialing" => "good",
        "past_due" | "unpaid" => "bad",
        _ => "",
    };
    let leaving = if subscription.cancel_at.is_some() && !subscription.has_ended() {
        " <span class=\"tag\">cancels then</span>"
    } else {
        ""
    };
    let mut buttons = button("refund", id, "Refund") + &button("dispute", id, "Dispute");
    if !subscription.has_ended() {
        buttons += &button("break", id, "Break the card");
        buttons += &button("end", id, "End now");
    }
    format!(
        "<tr><td>{}<br><code>{}</code></td><td>{}</td><td><span class=\"tag {tone}\" style=\"white-space:nowrap\">{status}</span></td>\
         <td>{}{leaving}</td><td><div class=\"row\">{buttons}</div></td></tr>",
        escape(&email.unwrap_or_default()),
        escape(id),
        escape(&plan),
        moment(subscription.period_end),
    )
}

fn disputes(books: &Books, button: &dyn Fn(&str, &str, &str) -> String) -> String {
    let rows: String = books
        .disputes
        .newest_first()
        .map(|dispute| {
            let open = !matches!(dispute.status, DisputeStatus::Won | DisputeStatus::Lost);
            let buttons = if open {
                button("won", &dispute.id, "Won") + &button("lost", &dispute.id, "Lost")
            } else {
                String::new()
            };
            format!(
                "<tr><td><code>{}</code></td><td>{}.{:02}</td><td>{}</td><td><div class=\"row\">{buttons}</div></td></tr>",
                escape(&dispute.id),
                dispute.amount / 100,
                dispute.amount % 100,
                serde_json::json!(dispute.status).as_str().unwrap_or_default(),
            )
        })
        .collect();
    table(&["Dispute", "USD", "State", ""], &rows)
}

fn events(books: &Books, button: &dyn Fn(&str, &str, &str) -> String) -> String {
    let rows: String = books
        .events
        .newest_first()
        .take(EVENTS_SHOWN)
        .map(|event| {
            let (tone, state) = if event.pending.is_empty() && event.attempts == 0 {
                ("", "nobody listened")
            } else if event.pending.is_empty() {
                ("good", "delivered")
            } else {
                ("bad", "on its way")
            };
            format!(
                "<tr><td>{}<br><code>{}</code></td><td><code>{}</code></td>\
                 <td><span class=\"tag {tone}\">{state}</span> <small>{} × {}</small></td><td>{}</td></tr>",
                escape(&event.kind),
                escape(&event.id),
                escape(event.about()),
                event.attempts,
                escape(event.last_answer.as_deref().unwrap_or("–")),
                button("again", &event.id, "Send again"),
            )
        })
        .collect();
    table(&["Event", "About", "Webhook", ""], &rows)
}

fn table(heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return "<p class=\"muted\">None yet.</p>".to_owned();
    }
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!("<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
}
