//! `expand[]`: ids in an answer that are asked to be objects, and lists that are only sent on demand.

use serde_json::{Value, json};

use super::books::{Answer, Books};
use super::failure::Failure;
use super::form::Form;

impl Books {
    /// Expands what the request asks for in an answer.
    pub(crate) fn expand(&self, mut answer: Value, form: &Form) -> Answer {
        for path in form.texts("expand") {
            let names: Vec<&str> = path.split('.').collect();
            if names.len() > 5 {
                return Err(Failure::invalid(
                    "You cannot expand more than 4 levels of a property.",
                )
                .param("expand"));
            }
            self.expand_path(&mut answer, &names, &path)?;
        }
        Ok(answer)
    }

    fn expand_path(&self, value: &mut Value, names: &[&str], path: &str) -> Result<(), Failure> {
        if let Value::Array(elements) = value {
            for element in elements {
                self.expand_path(element, names, path)?;
            }
            return Ok(());
        }
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        if value.get(*name).is_none() {
            let Some(list) = self.sent_on_demand(value, name) else {
                return Err(Failure::invalid(format!(
                    "This property cannot be expanded ({path})."
                ))
                .param("expand"));
            };
            value[*name] = list;
        }
        let Some(child) = value.get_mut(*name) else { return Ok(()) };
        if let Value::String(id) = child
            && let Some(object) = self.by_id(id)
        {
            *child = object;
        }
        if child.is_null() {
            return Ok(());
        }
        self.expand_path(child, rest, path)
    }

    /// Lists that an object carries only when asked.
    fn sent_on_demand(&self, object: &Value, name: &str) -> Option<Value> {
        let id = object["id"].as_str()?;
        match (object["object"].as_str()?, name) {
            ("checkout.session", "line_items") => self.line_items_of_session(id).ok(),
            ("invoice", "payments") => Some(self.payments_of_invoice(id)),
            ("invoice", "confirmation_secret") => Some(json!(null)),
            ("charge", "refunds") => Some(self.refunds_of_charge(id)),
            ("customer", "sources" | "tax_ids") => {
                Some(Self::sublist(&format!("/v1/customers/{id}/{name}"), &[]))
            }
            ("customer", "subscriptions") => {
                let running: Vec<Value> = self
                    .subscriptions
                    .newest_first()
                    .filter(|subscription| subscription.customer == id && !subscription.has_ended())
                    .map(|subscription| self.subscription_json(subscription))
                    .collect();
                Some(Self::sublist(&format!("/v1/customers/{id}/subscriptions"), &running))
            }
            _ => None,
        }
    }

    /// Any object by its id.
    fn by_id(&self, id: &str) -> Option<Value> {
        let (prefix, _) = id.split_once('_')?;
        match prefix {
            "cus" => self.retrieve_customer(id).ok(),
            "prod" => self.products.get(id).map(super::catalogue::Product::json),
            "price" => self.prices.get(id).map(super::catalogue::Price::json),
            "pm" => self.payment_methods.get(id).map(super::card::PaymentMethod::json),
            "cs" => self.retrieve_session(id).ok(),
            "sub" => self.retrieve_subscription(id).ok(),
            "in" => self.retrieve_invoice(id).ok(),
            "pi" => self.retrieve_payment_intent(id).ok(),
            "ch" => self.retrieve_charge(id).ok(),
            "re" => self.retrieve_refund(id).ok(),
            "du" => self.retrieve_dispute(id).ok(),
            "bpc" => self.retrieve_configuration(id).ok(),
            _ => None,
        }
    }
}
