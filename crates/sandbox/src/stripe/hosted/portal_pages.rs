//! How the portal's pages look.

use super::layout::{alert, card_fields, notice, page};
use super::portal::Visit;
use crate::page::escape;
use crate::stripe::books::Books;
use crate::stripe::calendar::Interval;
use crate::stripe::catalogue::Price;
use crate::stripe::invoice::{Invoice, InvoiceStatus};
use crate::stripe::subscription::{Subscription, SubscriptionStatus};

/// The frame: who one is, the way back, and the page's own part.
fn frame(visit: &Visit, title: &str, body: &str) -> String {
    let tongue = visit.tongue;
    let back = visit.session.return_url.as_deref().map_or_else(String::new, |url| {
        let label = tongue.say("Volver a AUTOCREA", "Return to AUTOCREA");
        format!("<p><a id=\"return\" href=\"{}\">← {label}</a></p>", escape(url))
    });
    let email = escape(visit.customer.email.as_deref().unwrap_or_default());
    let heading = tongue.say("Tu facturación", "Your billing");
    let html = format!(
        "<main class=\"split\"><section class=\"aside\"><div class=\"inner\">\
         <p class=\"brand\"><span class=\"mark\" aria-hidden=\"true\">A</span>AUTOCREA</p>\
         <h1>{heading}</h1><p>{email}</p>{back}</div></section>\
         <section class=\"side\"><div class=\"inner\">{body}</div></section></main>"
    );
    page(tongue, title, &html)
}

/// A form that is one button.
fn button(
    action: &str,
    id: &str,
    class: &str,
    label: &str,
    hidden: Option<(&str, &str)>,
) -> String {
    let hidden = hidden.map_or_else(String::new, |(name, value)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    });
    format!(
        "<form method=\"post\" action=\"{}\">{hidden}<button class=\"{class}\" id=\"{id}\">{label}</button></form>",
        escape(action)
    )
}

fn link(href: &str, id: &str, label: &str) -> String {
    format!("<a class=\"button\" id=\"{id}\" href=\"{}\">{label}</a>", escape(href))
}

pub(super) fn home(books: &Books, visit: &Visit, error: Option<&str>) -> String {
    let tongue = visit.tongue;
    let plan = match &visit.subscription {
        Some(subscription) => plan_block(books, visit, subscription),
        None => format!(
            "<p class=\"muted\">{}</p>",
            tongue.say("No hay ninguna suscripción activa.", "There is no active subscription.")
        ),
    };
    let method = visit
        .subscription
        .as_ref()
        .and_then(|subscription| subscription.default_payment_method.as_ref())
        .or(visit.customer.default_payment_method.as_ref())
        .and_then(|id| books.payment_methods.get(id));
    let card = method.map_or_else(
        || tongue.say("Sin tarjeta guardada", "No card saved").to_owned(),
        |method| format!("Visa •••• {} <small>12 / 2034</small>", method.card.last4()),
    );
    let body = format!(
        "{alert}<div class=\"block\"><h2>{plan_title}</h2>{plan}</div>\
         <div class=\"block\"><h2>{card_title}</h2><p>{card}</p>{card_link}</div>\
         <div class=\"block\"><h2>{invoice_title}</h2>{invoices}</div>",
        alert = alert(error),
        plan_title = tongue.say("Plan actual", "Current plan"),
        card_title = tongue.say("Método de pago", "Payment method"),
        card_link =
            link(&visit.at("card"), "update-card", tongue.say("Cambiar la tarjeta", "Update card")),
        invoice_title = tongue.say("Facturas", "Invoices"),
        invoices = invoice_table(books, visit),
    );
    frame(visit, tongue.say("Portal de clientes", "Customer portal"), &body)
}

fn plan_block(books: &Books, visit: &Visit, subscription: &Subscription) -> String {
    let tongue = visit.tongue;
    let Some(price) = books.prices.get(&subscription.price) else { return String::new() };
    let money = tongue.money(price.unit_amount * subscription.quantity, &price.currency);
    let every = tongue.every(price.interval.map_or("month", Interval::word));
    let end = tongue.day(subscription.period_end);
    let (tag, state) = match subscription.status {
        SubscriptionStatus::Active => ("good", tongue.say("activa", "active")),
        SubscriptionStatus::Trialing => ("good", tongue.say("en prueba", "trial")),
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => {
            ("bad", tongue.say("pago pendiente", "payment due"))
        }
        SubscriptionStatus::Paused => ("", tongue.say("en pausa", "paused")),
        _ => ("", tongue.say("terminada", "ended")),
    };
    let next = if subscription.cancel_at.is_some() {
        format!("{} {end}.", tongue.say("Se cancela el", "Cancels on"))
    } else if let Some(scheduled) = &subscription.scheduled {
        let name = books.prices.get(&scheduled.price).map(|price| books.product_name(price));
        format!(
            "{} {end}: {}.",
            tongue.say("Cambia el", "Changes on"),
            escape(&name.unwrap_or_default())
        )
    } else {
        format!("{} {end}.", tongue.say("Se renueva el", "Renews on"))
    };
    let mut actions = String::new();
    if subscription.has_ended() {
    } else if subscription.cancel_at.is_some() {
        let label = tongue.say("No cancelar", "Don't cancel");
        actions += &button(&visit.at("resume"), "resume", "primary", label, None);
    } else {
        if visit.configuration.update {
            let label = tongue.say("Cambiar de plan", "Change plan");
            actions += &link(&visit.at("change"), "change-plan", label);
        }
        if visit.configuration.cancel {
            let label = tongue.say("Cancelar la suscripción", "Cancel subscription");
            let href = escape(&visit.at("cancel"));
            actions +=
                &format!("<a class=\"button danger\" id=\"cancel\" href=\"{href}\">{label}</a>");
        }
    }
    format!(
        "<p class=\"plan\">{} <span class=\"tag {tag}\">{state}</span></p>\
         <p>{money} {every}</p><p class=\"muted\">{next}</p><div class=\"row\">{actions}</div>",
        escape(&books.product_name(price))
    )
}

fn invoice_table(books: &Books, visit: &Visit) -> String {
    let tongue = visit.tongue;
    let rows: String = books
        .invoices
        .newest_first()
        .filter(|invoice| invoice.customer == visit.customer.id && invoice.finalized_at.is_some())
        .map(|invoice| invoice_row(visit, invoice))
        .collect();
    if rows.is_empty() {
        return format!(
            "<p class=\"muted\">{}</p>",
            tongue.say("Todavía no hay ninguna.", "None yet.")
        );
    }
    format!("<table><tbody>{rows}</tbody></table>")
}

fn invoice_row(visit: &Visit, invoice: &Invoice) -> String {
    let tongue = visit.tongue;
    let state = match invoice.status {
        InvoiceStatus::Paid => {
            format!("<span class=\"tag good\">{}</span>", tongue.say("pagada", "paid"))
        }
        InvoiceStatus::Open => {
            let label = tongue.say("Pagar", "Pay");
            let hidden = Some(("invoice", invoice.id.as_str()));
            button(&visit.at("pay"), &format!("pay-{}", invoice.id), "primary", label, hidden)
        }
        other => format!("<span class=\"tag\">{}</span>", other.word()),
    };
    format!(
        "<tr><td><a href=\"/i/{}\">{}</a></td><td>{}</td><td>{state}</td></tr>",
        escape(&invoice.id),
        tongue.day(invoice.created),
        tongue.money(invoice.amount_due, &invoice.currency)
    )
}

pub(super) fn cancel(books: &Books, visit: &Visit) -> String {
    let tongue = visit.tongue;
    let Some(subscription) = &visit.subscription else { return home(books, visit, None) };
    let reasons = [
        ("", tongue.say("Prefiero no decirlo", "I'd rather not say")),
        ("too_expensive", tongue.say("Es demasiado caro", "It's too expensive")),
        ("missing_features", tongue.say("Le faltan funciones", "Features are missing")),
        ("unused", tongue.say("No lo uso lo bastante", "I don't use it enough")),
        ("other", tongue.say("Otro motivo", "Other reason")),
    ];
    let options: String = reasons
        .iter()
        .map(|(value, label)| format!("<option value=\"{value}\">{label}</option>"))
        .collect();
    let body = format!(
        "<h1>{title}</h1><p class=\"muted\">{text} {day}.</p>\
         <form method=\"post\" action=\"{action}\"><label class=\"field\"><span>{why}</span><select name=\"feedback\">{options}</select></label>\
         <div class=\"row\"><button class=\"danger\" id=\"confirm-cancel\">{yes}</button>{no}</div></form>",
        title = tongue.say("Cancelar la suscripción", "Cancel your subscription"),
        text = tongue.say(
            "Seguirás teniendo tu plan y tus tokens hasta el",
            "You keep your plan and your tokens until",
        ),
        day = tongue.day(subscription.period_end),
        action = escape(&visit.at("cancel")),
        why = tongue.say("¿Por qué te vas?", "Why are you leaving?"),
        yes = tongue.say("Cancelar al final del periodo", "Cancel at the end of the period"),
        no = link(&visit.at("home"), "keep", tongue.say("Conservarla", "Keep it")),
    );
    frame(visit, tongue.say("Cancelar", "Cancel"), &body)
}

/// The prices that can be changed to.
pub(super) fn choices<'a>(books: &'a Books, visit: &Visit) -> Vec<&'a Price> {
    let offered = &visit.configuration.update_products;
    books
        .prices
        .iter()
        .filter(|price| {
            let listed = offered.iter().any(|(_, prices)| prices.contains(&price.id));
            price.active && price.interval.is_some() && (offered.is_empty() || listed)
        })
        .collect()
}

pub(super) fn change(books: &Books, visit: &Visit, error: Option<&str>) -> String {
    let tongue = visit.tongue;
    let Some(subscription) = &visit.subscription else { return home(books, visit, error) };
    let suggested = visit.session.flow.as_ref().and_then(|flow| flow.price.as_deref());
    let checked = suggested.unwrap_or(&subscription.price);
    let rows: String = choices(books, visit)
        .into_iter()
        .map(|price| choice(books, visit, subscription, price, checked))
        .collect();
    let body = format!(
        "<h1>{title}</h1>{alert}<form method=\"post\" action=\"{action}\">{rows}\
         <p class=\"muted\">{text}</p><div class=\"row\"><button class=\"primary\" id=\"confirm-change\">{yes}</button>{no}</div></form>",
        title = tongue.say("Elige tu plan", "Choose your plan"),
        alert = alert(error),
        action = escape(&visit.at("change")),
        text = tongue.say(
            "Un plan mayor empieza ahora y se cobra la parte que queda del periodo; uno menor empieza con el próximo periodo.",
            "A bigger plan starts now and charges for the rest of the period; a smaller one starts with the next period.",
        ),
        yes = tongue.say("Confirmar el cambio", "Confirm"),
        no = link(&visit.at("home"), "keep", tongue.say("Volver", "Go back")),
    );
    frame(visit, tongue.say("Cambiar de plan", "Change plan"), &body)
}

fn choice(
    books: &Books,
    visit: &Visit,
    subscription: &Subscription,
    price: &Price,
    checked: &str,
) -> String {
    let tongue = visit.tongue;
    let conditions = &visit.configuration.schedule_conditions;
    let when = if price.id == subscription.price {
        tongue.say("tu plan de ahora", "your plan now").to_owned()
    } else if books.waits_for_period_end(&subscription.price, &price.id, conditions) {
        let day = tongue.day(subscription.period_end);
        format!("{} {day}", tongue.say("desde el", "from"))
    } else {
        let due = tongue.money(books.due_for_change(subscription, price), &price.currency);
        format!("{} {due}", tongue.say("hoy pagas", "due today:"))
    };
    format!(
        "<label class=\"choice\"><input type=\"radio\" name=\"price\" value=\"{}\"{}>\
         <b>{}<small>{when}</small></b><span>{} <small>{}</small></span></label>",
        escape(&price.id),
        if price.id == checked { " checked" } else { "" },
        escape(&books.product_name(price)),
        tongue.money(price.unit_amount, &price.currency),
        tongue.every(price.interval.map_or("month", Interval::word))
    )
}

pub(super) fn card(visit: &Visit, error: Option<&str>) -> String {
    let tongue = visit.tongue;
    let holder = visit.customer.name.as_deref().unwrap_or_default();
    let body = format!(
        "<h1>{title}</h1>{alert}<form method=\"post\" action=\"{action}\">{fields}\
         <p class=\"muted\"><code>4000 0000 0000 0341</code> {later}</p>\
         <div class=\"row\"><button class=\"primary\" id=\"save-card\">{yes}</button>{no}</div></form>",
        title = tongue.say("Cambiar la tarjeta", "Update your card"),
        alert = alert(error),
        action = escape(&visit.at("card")),
        fields = card_fields(tongue, holder),
        later = tongue.say(
            "se guarda, pero la próxima renovación fallará",
            "is saved, but the next renewal will fail",
        ),
        yes = tongue.say("Guardar", "Save"),
        no = link(&visit.at("home"), "keep", tongue.say("Volver", "Go back")),
    );
    frame(visit, tongue.say("Tarjeta", "Card"), &body)
}

/// The bank's question about a card that is to be saved.
pub(super) fn bank(visit: &Visit, card: &str, name: &str) -> String {
    let tongue = visit.tongue;
    let body = format!(
        "<main class=\"single\"><div class=\"panel\"><h1>{title}</h1><p class=\"muted\">{text}</p>\
         <form method=\"post\" action=\"{action}\" class=\"row\">\
         <input type=\"hidden\" name=\"card\" value=\"{card}\"><input type=\"hidden\" name=\"name\" value=\"{name}\">\
         <button class=\"primary\" name=\"result\" value=\"complete\" id=\"complete\">{yes}</button>\
         <button name=\"result\" value=\"fail\" id=\"fail\">{no}</button></form></div></main>",
        title = tongue.say("Tu banco pregunta si eres tú", "Your bank asks whether it is you"),
        text = tongue.say(
            "Autenticación 3-D Secure de pruebas para guardar la tarjeta.",
            "Test 3-D Secure authentication to save the card.",
        ),
        action = escape(&visit.at("card")),
        card = escape(card),
        name = escape(name),
        yes = tongue.say("Sí, soy yo", "Complete"),
        no = tongue.say("No autorizar", "Fail"),
    );
    page(tongue, "3-D Secure", &body)
}

/// The confirmation that a flow can end with.
pub(super) fn done(visit: &Visit) -> String {
    let tongue = visit.tongue;
    let title = tongue.say("Hecho", "Done");
    let text = tongue.say("Tu cambio está guardado.", "Your change is saved.");
    let home = visit.at("home");
    let back = visit.session.return_url.as_deref().unwrap_or(&home);
    let way = (tongue.say("Volver a AUTOCREA", "Return to AUTOCREA"), back);
    notice(tongue, title, text, Some(way))
}
