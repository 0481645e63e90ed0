//! The table of what this Stripe answers: method and path to the function that does it.

use super::books::{Answer, Books};
use super::card::PaymentMethod;
use super::catalogue::{Price, Product};
use super::configuration::Configuration;
use super::dispute::Dispute;
use super::event::Event;
use super::failure::Failure;
use super::form::Form;
use super::invoice_payment::InvoicePayment;
use super::listing::{self, PAGING};
use super::payment::PaymentIntent;
use super::refund::Refund;

/// Answers one call of the API, expansions included. `path` is without `/v1/`.
pub(crate) fn answer(books: &mut Books, method: &str, path: &str, form: &Form) -> Answer {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let found = match segments.first().copied() {
        Some("customers" | "payment_methods") => customers(books, method, &segments, form),
        Some("products" | "prices") => catalogue(books, method, &segments, form),
        Some("checkout") => checkout(books, method, &segments, form),
        Some("billing_portal") => portal(books, method, &segments, form),
        Some("subscriptions") => subscriptions(books, method, &segments, form),
        Some("invoices" | "invoice_payments") => invoices(books, method, &segments, form),
        Some("charges" | "payment_intents" | "refunds" | "disputes") => {
            payments(books, method, &segments, form)
        }
        Some("events" | "webhook_endpoints") => events(books, method, &segments, form),
        Some("account") if method == "GET" => Some(Ok(account())),
        _ => None,
    };
    match found {
        Some(answer) => books.expand(answer?, form),
        None => Err(Failure::unrecognized(method, &format!("/v1/{path}"))),
    }
}

fn account() -> serde_json::Value {
    serde_json::json!({
        "id": "acct_1SandboxAutocrea", "object": "account", "business_type": null, "capabilities": {},
        "charges_enabled": true, "country": "US", "default_currency": "usd", "details_submitted": true,
        "email": "sandbox@example.com", "metadata": {}, "payouts_enabled": true,
        "settings": { "dashboard": { "display_name": "AUTOCREA sandbox", "timezone": "Etc/UTC" } },
        "type": "standard",
    })
}

/// Refuses unknown filters of a list.
fn known(form: &Form, filters: &[&str]) -> Result<(), Failure> {
    let mut names = PAGING.to_vec();
    names.extend_from_slice(filters);
    form.only(&names)
}

/// Whether a filter lets a value through.
fn passes(form: &Form, name: &str, value: Option<&str>) -> bool {
    form.text(name).is_none_or(|wanted| value == Some(wanted))
}

fn customers(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("POST", ["customers"]) => books.create_customer(form),
        ("GET", ["customers"]) => known(form, &["created", "email", "test_clock"]).and_then(|()| {
            let living = books.customers.newest_first().filter(|customer| {
                !customer.deleted && passes(form, "email", customer.email.as_deref())
            });
            listing::page(living, form, "/v1/customers", super::customer::Customer::json)
        }),
        ("GET", ["customers", id]) => books.retrieve_customer(id),
        ("POST", ["customers", id]) => books.update_customer(id, form),
        ("DELETE", ["customers", id]) => books.delete_customer(id),
        ("GET", ["customers", id, "payment_methods"]) => {
            let own = books
                .payment_methods
                .newest_first()
                .filter(|method| method.customer.as_deref() == Some(*id));
            let url = format!("/v1/customers/{id}/payment_methods");
            listing::page(own, form, &url, PaymentMethod::json)
        }
        ("POST", ["customers", id, "balance_transactions"]) => {
            books.create_balance_transaction(id, form)
        }
        ("GET", ["customers", id, "balance_transactions"]) => known(form, &["created", "invoice"])
            .and_then(|()| books.balance_transactions_of(id, form)),
        ("GET", ["payment_methods", id]) => books.payment_methods.find(id).map(PaymentMethod::json),
        _ => return None,
    })
}

fn catalogue(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("POST", ["products"]) => books.create_product(form),
        ("GET", ["products"]) => known(form, &["active", "created", "ids", "shippable", "url"])
            .and_then(|()| {
                let ids = form.texts("ids");
                let active = form.boolean("active")?;
                let some = books.products.newest_first().filter(|product| {
                    (ids.is_empty() || ids.contains(&product.id))
                        && active.is_none_or(|active| active == product.active)
                });
                listing::page(some, form, "/v1/products", Product::json)
            }),
        ("GET", ["products", id]) => books.products.find(id).map(Product::json),
        ("POST", ["products", id]) => books.update_product(id, form),
        ("POST", ["prices"]) => books.create_price(form),
        ("GET", ["prices"]) => {
            let filters =
                ["active", "created", "currency", "lookup_keys", "product", "recurring", "type"];
            known(form, &filters).and_then(|()| list_prices(books, form))
        }
        ("GET", ["prices", id]) => books.prices.find(id).map(Price::json),
        ("POST", ["prices", id]) => books.update_price(id, form),
        _ => return None,
    })
}

fn list_prices(books: &Books, form: &Form) -> Answer {
    let keys = form.texts("lookup_keys");
    let active = form.boolean("active")?;
    let some = books.prices.newest_first().filter(|price| {
        passes(form, "product", Some(&price.product))
            && passes(form, "currency", Some(&price.currency))
            && active.is_none_or(|active| active == price.active)
            && (keys.is_empty() || price.lookup_key.as_ref().is_some_and(|key| keys.contains(key)))
    });
    listing::page(some, form, "/v1/prices", Price::json)
}

fn checkout(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("POST", ["checkout", "sessions"]) => books.create_session(form),
        ("GET", ["checkout", "sessions"]) => {
            let filters = [
                "created",
                "customer",
                "customer_details",
                "payment_intent",
                "status",
                "subscription",
            ];
            known(form, &filters).and_then(|()| {
                let some = books.sessions.newest_first().filter(|session| {
                    passes(form, "customer", session.customer.as_deref())
                        && passes(form, "subscription", session.subscription.as_deref())
                        && passes(form, "status", books.session_json(session)["status"].as_str())
                });
                let render = |session: &_| books.session_json(session);
                listing::page(some, form, "/v1/checkout/sessions", render)
            })
        }
        ("GET", ["checkout", "sessions", id]) => books.retrieve_session(id),
        ("GET", ["checkout", "sessions", id, "line_items"]) => books.line_items_of_session(id),
        ("POST", ["checkout", "sessions", id, "expire"]) => books.expire_session(id),
        _ => return None,
    })
}

fn portal(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("POST", ["billing_portal", "sessions"]) => books.create_portal_session(form),
        ("POST", ["billing_portal", "configurations"]) => books.create_configuration(form),
        ("GET", ["billing_portal", "configurations"]) => known(form, &["active", "is_default"])
            .and_then(|()| {
                let active = form.boolean("active")?;
                let is_default = form.boolean("is_default")?;
                let some = books.configurations.newest_first().filter(|configuration| {
                    active.is_none_or(|active| active == configuration.active)
                        && is_default.is_none_or(|wanted| wanted == configuration.is_default)
                });
                listing::page(some, form, "/v1/billing_portal/configurations", Configuration::json)
            }),
        ("GET", ["billing_portal", "configurations", id]) => books.retrieve_configuration(id),
        ("POST", ["billing_portal", "configurations", id]) => books.update_configuration(id, form),
        _ => return None,
    })
}

fn subscriptions(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("POST", ["subscriptions"]) => books.create_subscription(form),
        ("GET", ["subscriptions"]) => {
            let filters = [
                "automatic_tax",
                "collection_method",
                "created",
                "current_period_end",
                "current_period_start",
                "customer",
                "price",
                "status",
                "test_clock",
            ];
            known(form, &filters).and_then(|()| list_subscriptions(books, form))
        }
        ("GET", ["subscriptions", id]) => books.retrieve_subscription(id),
        ("POST", ["subscriptions", id]) => books.update_subscription(id, form),
        ("DELETE", ["subscriptions", id]) => books.cancel_subscription(id, form),
        ("POST", ["subscriptions", id, "resume"]) => books.resume_subscription(id),
        _ => return None,
    })
}

/// Without a status, Stripe lists all that is not cancelled.
fn list_subscriptions(books: &Books, form: &Form) -> Answer {
    let some = books.subscriptions.newest_first().filter(|subscription| {
        let json = serde_json::json!(subscription.status);
        let status = json.as_str().unwrap_or_default();
        let wanted = match form.text("status") {
            None => status != "canceled",
            Some("all") => true,
            Some("ended") => subscription.has_ended(),
            Some(other) => status == other,
        };
        wanted
            && passes(form, "customer", Some(&subscription.customer))
            && passes(form, "price", Some(&subscription.price))
    });
    let render = |subscription: &_| books.subscription_json(subscription);
    listing::page(some, form, "/v1/subscriptions", render)
}

fn invoices(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("GET", ["invoices"]) => {
            let filters =
                ["collection_method", "created", "customer", "due_date", "status", "subscription"];
            known(form, &filters).and_then(|()| {
                let some = books.invoices.newest_first().filter(|invoice| {
                    passes(form, "customer", Some(&invoice.customer))
                        && passes(form, "subscription", Some(&invoice.subscription))
                        && passes(form, "status", Some(invoice.status.word()))
                });
                listing::page(some, form, "/v1/invoices", |invoice| books.invoice_json(invoice))
            })
        }
        ("GET", ["invoices", id]) => books.retrieve_invoice(id),
        ("GET", ["invoices", id, "lines"]) => books
            .lines_of_invoice(id)
            .map(|lines| Books::sublist(&format!("/v1/invoices/{id}/lines"), &lines)),
        ("POST", ["invoices", id, "pay"]) => books.pay_invoice(id, form),
        ("POST", ["invoices", id, "void"]) => books.void_invoice(id),
        ("POST", ["invoices", id, "mark_uncollectible"]) => books.mark_uncollectible(id),
        ("GET", ["invoice_payments"]) => known(form, &["created", "invoice", "payment", "status"])
            .and_then(|()| {
                let intent =
                    form.node("payment").and_then(|payment| payment.text("payment_intent"));
                let some = books.invoice_payments.newest_first().filter(|payment| {
                    passes(form, "invoice", Some(&payment.invoice))
                        && passes(form, "status", Some(payment.status()))
                        && intent.is_none_or(|intent| intent == payment.payment_intent)
                });
                listing::page(some, form, "/v1/invoice_payments", InvoicePayment::json)
            }),
        ("GET", ["invoice_payments", id]) => books.retrieve_invoice_payment(id),
        _ => return None,
    })
}

fn payments(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("GET", ["charges"]) => {
            known(form, &["created", "customer", "payment_intent", "transfer_group"]).and_then(
                |()| {
                    let some = books.charges.newest_first().filter(|charge| {
                        passes(form, "customer", Some(&charge.customer))
                            && passes(form, "payment_intent", Some(&charge.payment_intent))
                    });
                    listing::page(some, form, "/v1/charges", |charge| books.charge_json(charge))
                },
            )
        }
        ("GET", ["charges", id]) => books.retrieve_charge(id),
        ("GET", ["charges", id, "refunds"]) => Ok(books.refunds_of_charge(id)),
        ("GET", ["payment_intents"]) => known(form, &["created", "customer", "customer_account"])
            .and_then(|()| {
                let some = books
                    .payment_intents
                    .newest_first()
                    .filter(|intent| passes(form, "customer", Some(&intent.customer)));
                listing::page(some, form, "/v1/payment_intents", PaymentIntent::json)
            }),
        ("GET", ["payment_intents", id]) => books.retrieve_payment_intent(id),
        ("POST", ["refunds"]) => books.create_refund(form),
        ("GET", ["refunds"]) => {
            known(form, &["charge", "created", "payment_intent"]).and_then(|()| {
                let some = books.refunds.newest_first().filter(|refund| {
                    passes(form, "charge", Some(&refund.charge))
                        && passes(form, "payment_intent", Some(&refund.payment_intent))
                });
                listing::page(some, form, "/v1/refunds", Refund::json)
            })
        }
        ("GET", ["refunds", id]) => books.retrieve_refund(id),
        ("GET", ["disputes"]) => {
            known(form, &["charge", "created", "payment_intent"]).and_then(|()| {
                let some = books.disputes.newest_first().filter(|dispute| {
                    passes(form, "charge", Some(&dispute.charge))
                        && passes(form, "payment_intent", Some(&dispute.payment_intent))
                });
                listing::page(some, form, "/v1/disputes", Dispute::json)
            })
        }
        ("GET", ["disputes", id]) => books.retrieve_dispute(id),
        ("POST", ["disputes", id]) => books.update_dispute(id, form),
        ("POST", ["disputes", id, "close"]) => books.decide_dispute(id, false),
        _ => return None,
    })
}

fn events(books: &mut Books, method: &str, path: &[&str], form: &Form) -> Option<Answer> {
    Some(match (method, path) {
        ("GET", ["events"]) => known(form, &["created", "delivery_success", "type", "types"])
            .and_then(|()| list_events(books, form)),
        ("GET", ["events", id]) => books.retrieve_event(id),
        ("POST", ["webhook_endpoints"]) => books.create_endpoint(form),
        ("GET", ["webhook_endpoints"]) => known(form, &[]).and_then(|()| {
            let there = books.endpoints.newest_first().filter(|endpoint| !endpoint.url.is_empty());
            listing::page(there, form, "/v1/webhook_endpoints", |endpoint| endpoint.json(false))
        }),
        ("GET", ["webhook_endpoints", id]) => books.retrieve_endpoint(id),
        ("POST", ["webhook_endpoints", id]) => books.update_endpoint(id, form),
        ("DELETE", ["webhook_endpoints", id]) => books.delete_endpoint(id),
        _ => return None,
    })
}

/// Events are kept for thirty days; `delivery_success=false` also names those on their way.
fn list_events(books: &Books, form: &Form) -> Answer {
    let types = form.texts("types");
    let success = form.boolean("delivery_success")?;
    let oldest = books.now - 30 * 86_400;
    let matches = |wanted: &str, kind: &str| {
        wanted == kind || wanted.strip_suffix('*').is_some_and(|prefix| kind.starts_with(prefix))
    };
    let some = books.events.newest_first().filter(|event| {
        event.created >= oldest
            && form.text("type").is_none_or(|wanted| matches(wanted, &event.kind))
            && (types.is_empty() || types.iter().any(|wanted| matches(wanted, &event.kind)))
            && success.is_none_or(|success| success == event.pending.is_empty())
    });
    listing::page(some, form, "/v1/events", Event::json)
}
