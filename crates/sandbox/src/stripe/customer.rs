//! Customers: made by the relay before a checkout, found again by their id, deleted with everything
//! that runs in their name.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::card::{PaymentMethod, TestCard};
use super::failure::Failure;
use super::form::Form;
use super::ids;
use super::subscription::Ending;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) preferred_locales: Vec<String>,
    pub(crate) default_payment_method: Option<String>,
    /// Minor units; negative is in the customer's favour.
    pub(crate) balance: i64,
    pub(crate) currency: Option<String>,
    pub(crate) delinquent: bool,
    pub(crate) invoice_prefix: String,
    pub(crate) next_invoice_sequence: i64,
    pub(crate) deleted: bool,
}

impl Kept for Customer {
    const NOUN: &'static str = "customer";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

const PARAMS: &[&str] = &[
    "address",
    "balance",
    "business_name",
    "cash_balance",
    "default_source",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "invoice_settings",
    "metadata",
    "name",
    "next_invoice_sequence",
    "payment_method",
    "phone",
    "preferred_locales",
    "shipping",
    "source",
    "tax",
    "tax_exempt",
    "tax_id_data",
    "test_clock",
    "validate",
];

impl Customer {
    pub(crate) fn json(&self) -> Value {
        if self.deleted {
            return json!({ "id": self.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": self.balance,
            "created": self.created,
            "currency": self.currency,
            "customer_account": null,
            "default_source": null,
            "delinquent": self.delinquent,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix,
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.default_payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": self.next_invoice_sequence,
            "phone": self.phone,
            "preferred_locales": self.preferred_locales,
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }

    fn take(&mut self, form: &Form) -> Result<(), Failure> {
        let fields = [
            ("email", &mut self.email),
            ("name", &mut self.name),
            ("phone", &mut self.phone),
            ("description", &mut self.description),
        ];
        for (name, field) in fields {
            if let Some(text) = form.raw(name) {
                *field = Some(text.to_owned()).filter(|text| !text.is_empty());
            }
        }
        if let Some(email) = self.email.as_deref().filter(|email| !email.contains('@')) {
            return Err(Failure::invalid(format!("Invalid email address: {email}"))
                .code("email_invalid")
                .param("email"));
        }
        if let Some(balance) = form.integer("balance")? {
            self.balance = balance;
        }
        if form.node("preferred_locales").is_some() {
            self.preferred_locales = form.texts("preferred_locales");
        }
        if let Some(settings) = form.node("invoice_settings")
            && let Some(method) = settings.raw("default_payment_method")
        {
            self.default_payment_method = Some(method.to_owned()).filter(|id| !id.is_empty());
        }
        form.lay_metadata(&mut self.metadata);
        Ok(())
    }
}

impl Books {
    pub(crate) fn create_customer(&mut self, form: &Form) -> Answer {
        form.only(PARAMS)?;
        let mut customer = Customer {
            id: ids::fresh("cus_", 14),
            created: self.now,
            email: None,
            name: None,
            phone: None,
            description: None,
            metadata: Metadata::new(),
            preferred_locales: Vec::new(),
            default_payment_method: None,
            balance: 0,
            currency: None,
            delinquent: false,
            invoice_prefix: ids::fresh("", 8).to_uppercase(),
            next_invoice_sequence: 1,
            deleted: false,
        };
        customer.take(form)?;
        let json = customer.json();
        self.customers.put(customer);
        self.emit("customer.created", json.clone());
        Ok(json)
    }

    pub(crate) fn retrieve_customer(&self, id: &str) -> Answer {
        self.customers.find(id).map(Customer::json)
    }

    /// The customer, if it has not been deleted.
    pub(crate) fn living_customer(&self, id: &str, param: &str) -> Result<&Customer, Failure> {
        self.customers
            .get(id)
            .filter(|customer| !customer.deleted)
            .ok_or_else(|| Failure::no_such(Customer::NOUN, id, param))
    }

    pub(crate) fn update_customer(&mut self, id: &str, form: &Form) -> Answer {
        form.only(PARAMS)?;
        let before = self.living_customer(id, "id")?.clone();
        let mut customer = before.clone();
        customer.take(form)?;
        if let Some(method) = &customer.default_payment_method {
            self.payment_methods.named(method, "invoice_settings[default_payment_method]")?;
        }
        Ok(self.put_customer(&before, customer))
    }

    /// Stores a changed customer and tells of it.
    pub(crate) fn put_customer(&mut self, before: &Customer, customer: Customer) -> Value {
        let json = customer.json();
        self.customers.put(customer);
        self.emit_change("customer.updated", &before.json(), json.clone());
        json
    }

    /// Deletes for good: what runs is cancelled at once, and only the id is left.
    pub(crate) fn delete_customer(&mut self, id: &str) -> Answer {
        let mut customer = self.living_customer(id, "id")?.clone();
        let running: Vec<String> = self
            .subscriptions
            .iter()
            .filter(|subscription| subscription.customer == id && !subscription.has_ended())
            .map(|subscription| subscription.id.clone())
            .collect();
        for subscription in running {
            self.end_subscription(&subscription, Ending::Requested)?;
        }
        self.emit("customer.deleted", customer.json());
        customer.deleted = true;
        let json = customer.json();
        self.customers.put(customer);
        Ok(json)
    }

    /// Saves a card for a customer and makes it what the next invoices are paid with.
    pub(crate) fn save_card(
        &mut self,
        customer: &str,
        card: TestCard,
        holder: Option<&str>,
    ) -> Result<String, Failure> {
        let before = self.living_customer(customer, "customer")?.clone();
        let method = PaymentMethod {
            id: ids::fresh("pm_1", 23),
            created: self.now,
            customer: Some(customer.to_owned()),
            card,
            holder: holder.map(ToOwned::to_owned).or_else(|| before.name.clone()),
            email: before.email.clone(),
        };
        let id = method.id.clone();
        self.emit("payment_method.attached", method.json());
        self.payment_methods.put(method);
        let mut after = before.clone();
        after.default_payment_method = Some(id.clone());
        after.currency.get_or_insert_with(|| "usd".to_owned());
        self.put_customer(&before, after);
        Ok(id)
    }

    /// Saves a card and takes it for the running subscriptions too, as the portal does.
    pub(crate) fn replace_card(
        &mut self,
        customer: &str,
        card: TestCard,
        holder: Option<&str>,
    ) -> Result<String, Failure> {
        if !card.can_be_saved() {
            return Err(Failure::card(
                "card_declined",
                Some("generic_decline"),
                "Your card was declined.",
            ));
        }
        let method = self.save_card(customer, card, holder)?;
        let running: Vec<String> = self
            .subscriptions
            .iter()
            .filter(|subscription| subscription.customer == customer && !subscription.has_ended())
            .map(|subscription| subscription.id.clone())
            .collect();
        for subscription in running {
            self.alter_subscription(&subscription, |subscription| {
                subscription.default_payment_method = Some(method.clone());
            })?;
        }
        Ok(method)
    }
}
