//! A customer's credit: what moved it, and when. Invoices take from it when they are finalised; the
//! API adds to it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::form::Form;
use super::ids;
use super::listing;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BalanceTransaction {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    /// Minor units; negative is in the customer's favour.
    pub(crate) amount: i64,
    pub(crate) ending_balance: i64,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// That of the invoice which it was applied to; none for one that was made by hand.
    pub(crate) invoice: Option<String>,
}

impl Kept for BalanceTransaction {
    const NOUN: &'static str = "customer_balance_transaction";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl BalanceTransaction {
    fn json(&self) -> Value {
        let kind = if self.invoice.is_some() { "applied_to_invoice" } else { "adjustment" };
        json!({
            "id": self.id,
            "object": "customer_balance_transaction",
            "amount": self.amount,
            "checkout_session": null,
            "created": self.created,
            "credit_note": null,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "ending_balance": self.ending_balance,
            "invoice": self.invoice,
            "livemode": false,
            "metadata": self.metadata,
            "type": kind,
        })
    }
}

impl Books {
    /// `POST /v1/customers/{id}/balance_transactions`.
    pub(crate) fn create_balance_transaction(&mut self, customer: &str, form: &Form) -> Answer {
        form.only(&["amount", "currency", "description", "metadata"])?;
        let before = self.living_customer(customer, "customer")?.clone();
        form.required("amount")?;
        let amount = form.integer("amount")?.unwrap_or_default();
        let mut after = before.clone();
        after.balance += amount;
        let mut made = BalanceTransaction {
            id: ids::fresh("cbtxn_1", 23),
            created: self.now,
            customer: customer.to_owned(),
            amount,
            ending_balance: after.balance,
            currency: form.required("currency")?.to_owned(),
            description: form.text("description").map(ToOwned::to_owned),
            metadata: Metadata::new(),
            invoice: None,
        };
        form.lay_metadata(&mut made.metadata);
        let json = made.json();
        self.balance_transactions.put(made);
        self.put_customer(&before, after);
        Ok(json)
    }

    /// `GET /v1/customers/{id}/balance_transactions`.
    pub(crate) fn balance_transactions_of(&self, customer: &str, form: &Form) -> Answer {
        self.living_customer(customer, "customer")?;
        let own = self.balance_transactions.newest_first().filter(|one| one.customer == customer);
        let url = format!("/v1/customers/{customer}/balance_transactions");
        listing::page(own, form, &url, BalanceTransaction::json)
    }

    /// Notes that an invoice has moved its customer's balance by `amount`.
    pub(crate) fn note_applied_balance(
        &mut self,
        customer: &str,
        invoice: &str,
        currency: &str,
        (amount, ending_balance): (i64, i64),
    ) {
        self.balance_transactions.put(BalanceTransaction {
            id: ids::fresh("cbtxn_1", 23),
            created: self.now,
            customer: customer.to_owned(),
            amount,
            ending_balance,
            currency: currency.to_owned(),
            description: None,
            metadata: Metadata::new(),
            invoice: Some(invoice.to_owned()),
        });
    }
}
