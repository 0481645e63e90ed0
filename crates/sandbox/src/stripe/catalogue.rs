//! Products and prices: the three paid plans of AUTOCREA, each by the month and by the year, and
//! whatever `stripe setup` adds. The ids of the six are always the same, so that a relay that was
//! configured for one sandbox works with the next.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::calendar::Interval;
use super::failure::Failure;
use super::form::Form;
use super::ids;

/// The ids of the six paid prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Creator, 29 USD a month.
    pub creator: String,
    /// Creator, 290 USD a year.
    pub creator_yearly: String,
    /// Pro, 79 USD a month.
    pub pro: String,
    /// Pro, 790 USD a year.
    pub pro_yearly: String,
    /// Business, 199 USD a month.
    pub business: String,
    /// Business, 1,990 USD a year.
    pub business_yearly: String,
}

impl Default for Prices {
    fn default() -> Self {
        let price = |name: &str| format!("price_1SandboxAutocrea{name}");
        Self {
            creator: price("CreatorMonth"),
            creator_yearly: price("CreatorYear"),
            pro: price("ProMonth"),
            pro_yearly: price("ProYear"),
            business: price("BusinessMonth"),
            business_yearly: price("BusinessYear"),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) active: bool,
    pub(crate) metadata: Metadata,
    pub(crate) default_price: Option<String>,
}

impl Kept for Product {
    const NOUN: &'static str = "product";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Product {
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": self.default_price,
            "description": self.description,
            "images": [],
            "livemode": false,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "tax_details": null,
            "type": "service",
            "unit_label": null,
            "updated": self.updated,
            "url": null,
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) product: String,
    pub(crate) currency: String,
    pub(crate) unit_amount: i64,
    /// None for a price that is paid once.
    pub(crate) interval: Option<Interval>,
    pub(crate) interval_count: i64,
    pub(crate) nickname: Option<String>,
    pub(crate) lookup_key: Option<String>,
    pub(crate) active: bool,
    pub(crate) metadata: Metadata,
}

impl Kept for Price {
    const NOUN: &'static str = "price";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Price {
    pub(crate) fn json(&self) -> Value {
        let recurring = self.interval.map(|interval| {
            json!({
                "interval": interval.word(),
                "interval_count": self.interval_count,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            })
        });
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": if self.interval.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }

    /// The same as the plan that subscription items still carry.
    pub(crate) fn plan_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "plan",
            "active": self.active,
            "amount": self.unit_amount,
            "amount_decimal": self.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "interval": self.interval.unwrap_or(Interval::Month).word(),
            "interval_count": self.interval_count,
            "livemode": false,
            "metadata": self.metadata,
            "meter": null,
            "nickname": self.nickname,
            "product": self.product,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    }
}

impl Books {
    /// Puts AUTOCREA's three products and six prices on the shelves.
    pub(crate) fn stock_catalogue(&mut self) {
        let prices = Prices::default();
        let plans = [
            ("Creator", 2_900, prices.creator, 29_000, prices.creator_yearly),
            ("Pro", 7_900, prices.pro, 79_000, prices.pro_yearly),
            ("Business", 19_900, prices.business, 199_000, prices.business_yearly),
        ];
        for (name, monthly_amount, monthly, yearly_amount, yearly) in plans {
            let product = Product {
                id: format!("prod_SandboxAutocrea{name}"),
                created: self.now,
                updated: self.now,
                name: format!("AUTOCREA {name}"),
                description: None,
                active: true,
                metadata: Metadata::from([("planId".to_owned(), name.to_lowercase())]),
                default_price: Some(monthly.clone()),
            };
            let price = |id: String, amount: i64, interval: Interval| Price {
                id,
                created: product.created,
                product: product.id.clone(),
                currency: "usd".to_owned(),
                unit_amount: amount,
                interval: Some(interval),
                interval_count: 1,
                nickname: None,
                lookup_key: None,
                active: true,
                metadata: Metadata::new(),
            };
            self.prices.put(price(monthly, monthly_amount, Interval::Month));
            self.prices.put(price(yearly, yearly_amount, Interval::Year));
            self.products.put(product);
        }
    }

    pub(crate) fn create_product(&mut self, form: &Form) -> Answer {
        let id = form.text("id").map_or_else(|| ids::fresh("prod_", 14), ToOwned::to_owned);
        if self.products.get(&id).is_some() {
            return Err(Failure::invalid(format!("Product already exists: {id}"))
                .code("resource_already_exists")
                .param("id"));
        }
        let mut product = Product {
            id,
            created: self.now,
            updated: self.now,
            name: form.required("name")?.to_owned(),
            description: form.text("description").map(ToOwned::to_owned),
            active: form.boolean("active")?.unwrap_or(true),
            metadata: Metadata::new(),
            default_price: None,
        };
        form.lay_metadata(&mut product.metadata);
        let product_id = product.id.clone();
        self.products.put(product);
        if let Some(data) = form.node("default_price_data") {
            let price = self.price_from(data, &product_id)?;
            let price_id = price.id.clone();
            self.prices.put(price);
            if let Some(product) = self.products.get_mut(&product_id) {
                product.default_price = Some(price_id);
            }
        }
        let json = self.products.find(&product_id)?.json();
        self.emit("product.created", json.clone());
        Ok(json)
    }

    pub(crate) fn update_product(&mut self, id: &str, form: &Form) -> Answer {
        let before = self.products.find(id)?.clone();
        let mut product = before.clone();
        if let Some(name) = form.text("name") {
            name.clone_into(&mut product.name);
        }
        if let Some(description) = form.raw("description") {
            product.description = Some(description.to_owned()).filter(|text| !text.is_empty());
        }
        if let Some(active) = form.boolean("active")? {
            product.active = active;
        }
        if let Some(price) = form.text("default_price") {
            self.prices.named(price, "default_price")?;
            product.default_price = Some(price.to_owned());
        }
        form.lay_metadata(&mut product.metadata);
        product.updated = self.now;
        let json = product.json();
        self.products.put(product);
        self.emit_change("product.updated", &before.json(), json.clone());
        Ok(json)
    }

    pub(crate) fn create_price(&mut self, form: &Form) -> Answer {
        let product = if let Some(id) = form.text("product") {
            self.products.named(id, "product")?.id.clone()
        } else if let Some(data) = form.node("product_data") {
            let product = self.create_product(data)?;
            product["id"].as_str().unwrap_or_default().to_owned()
        } else {
            return Err(Failure::missing("product"));
        };
        let price = self.price_from(form, &product)?;
        let holder = price.lookup_key.as_ref().and_then(|key| {
            self.prices.iter().find(|other| other.lookup_key.as_ref() == Some(key)).cloned()
        });
        if let Some(mut holder) = holder {
            if form.boolean("transfer_lookup_key")? != Some(true) {
                return Err(Failure::invalid(format!(
                    "A price (`{}`) already uses that lookup key.",
                    holder.id
                ))
                .code("resource_already_exists")
                .param("lookup_key"));
            }
            holder.lookup_key = None;
            self.prices.put(holder);
        }
        let json = price.json();
        self.prices.put(price);
        self.emit("price.created", json.clone());
        Ok(json)
    }

    pub(crate) fn update_price(&mut self, id: &str, form: &Form) -> Answer {
        let before = self.prices.find(id)?.clone();
        let mut price = before.clone();
        if let Some(active) = form.boolean("active")? {
            price.active = active;
        }
        if let Some(nickname) = form.raw("nickname") {
            price.nickname = Some(nickname.to_owned()).filter(|text| !text.is_empty());
        }
        if let Some(key) = form.raw("lookup_key") {
            price.lookup_key = Some(key.to_owned()).filter(|text| !text.is_empty());
        }
        form.lay_metadata(&mut price.metadata);
        let json = price.json();
        self.prices.put(price);
        self.emit_change("price.updated", &before.json(), json.clone());
        Ok(json)
    }

    fn price_from(&self, form: &Form, product: &str) -> Result<Price, Failure> {
        let recurring = form.node("recurring");
        let interval = recurring
            .map(|recurring| {
                let word = recurring.required("interval")?;
                Interval::from_word(word).ok_or_else(|| {
                    Failure::invalid(format!("Invalid recurring[interval]: must be one of day, week, month or year; got {word}"))
                        .param("recurring[interval]")
                })
            })
            .transpose()?;
        let mut metadata = Metadata::new();
        form.lay_metadata(&mut metadata);
        Ok(Price {
            id: ids::fresh("price_1", 23),
            created: self.now,
            product: product.to_owned(),
            currency: form.required("currency")?.to_lowercase(),
            unit_amount: form
                .integer("unit_amount")?
                .ok_or_else(|| Failure::missing("unit_amount"))?,
            interval,
            interval_count: match recurring {
                Some(recurring) => recurring.integer("interval_count")?.unwrap_or(1),
                None => 1,
            },
            nickname: form.text("nickname").map(ToOwned::to_owned),
            lookup_key: form.text("lookup_key").map(ToOwned::to_owned),
            active: form.boolean("active")?.unwrap_or(true),
            metadata,
        })
    }
}
