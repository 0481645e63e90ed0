//! The catalogue of plans: what each gives, and which Stripe price buys it.

use super::reader::{Key, Reader};
use crate::lang::Lang;
use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Tokens};

/// The plans in the order in which they are shown, which is also from the least to the most.
const ORDER: [(&str, Option<(&str, &str)>); 4] = [
    ("free", None),
    ("creator", Some(("STRIPE_CREATOR_PRICE_ID", "STRIPE_CREATOR_YEARLY_PRICE_ID"))),
    ("pro", Some(("STRIPE_PRO_PRICE_ID", "STRIPE_PRO_YEARLY_PRICE_ID"))),
    ("business", Some(("STRIPE_BUSINESS_PRICE_ID", "STRIPE_BUSINESS_YEARLY_PRICE_ID"))),
];

/// What a plan gives.
#[derive(Clone, Debug)]
pub struct PlanTerms {
    /// Which.
    pub id: PlanId,
    /// Granted a period.
    pub tokens: Tokens,
    /// Generations at once; 0 = no limit.
    pub concurrency: u32,
    /// Generations in any hour; 0 = no limit.
    pub generations_per_hour: u32,
    /// The most output of one generation.
    pub max_output_tokens: Tokens,
    names: [String; 2],
    features: [Vec<String>; 2],
    /// Stripe's price ids: by the month, by the year.
    prices: [Option<String>; 2],
}

impl PlanTerms {
    /// Its name, for people.
    #[must_use]
    pub fn name(&self, lang: Lang) -> &str {
        &self.names[usize::from(lang == Lang::En)]
    }

    /// Its feature lines, for people.
    #[must_use]
    pub fn features(&self, lang: Lang) -> &[String] {
        &self.features[usize::from(lang == Lang::En)]
    }

    /// Stripe's price for it.
    #[must_use]
    pub fn price_id(&self, interval: Interval) -> Option<&str> {
        self.prices[usize::from(interval == Interval::Year)].as_deref()
    }
}

/// All plans, free first.
#[derive(Clone, Debug)]
pub struct Catalogue {
    plans: Vec<PlanTerms>,
}

impl Catalogue {
    /// The plans, in order.
    pub fn iter(&self) -> impl Iterator<Item = &PlanTerms> {
        self.plans.iter()
    }

    /// A plan by its id.
    #[must_use]
    pub fn get(&self, id: &PlanId) -> Option<&PlanTerms> {
        self.plans.iter().find(|plan| &plan.id == id)
    }

    /// A plan by its id; the free one's terms for a plan that is no longer in the catalogue.
    #[must_use]
    pub fn terms(&self, id: &PlanId) -> &PlanTerms {
        self.get(id).unwrap_or(&self.plans[0])
    }

    /// Which plan a Stripe price buys, and how often it is paid.
    #[must_use]
    pub fn by_price(&self, price: &str) -> Option<(&PlanTerms, Interval)> {
        self.plans.iter().find_map(|plan| {
            [Interval::Month, Interval::Year]
                .into_iter()
                .find(|&interval| plan.price_id(interval) == Some(price))
                .map(|interval| (plan, interval))
        })
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        for name in reader.names_below("plans") {
            if !ORDER.iter().any(|(known, _)| *known == name) {
                reader.fault(
                    format!("plans.{name}"),
                    "is not a plan; they are free, creator, pro and business",
                );
            }
        }
        let plans: Vec<PlanTerms> =
            ORDER.iter().map(|(id, variables)| read_plan(reader, id, *variables)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for price in plans.iter().flat_map(|plan| plan.prices.iter().flatten()) {
            if !seen.insert(price) {
                reader.fault("plans".to_owned(), "two prices have the same Stripe price id");
            }
        }
        Self { plans }
    }
}

fn read_plan(reader: &mut Reader<'_>, id: &str, variables: Option<(&str, &str)>) -> PlanTerms {
    let path = |key: &str| format!("plans.{id}.{key}");
    let number = |reader: &mut Reader<'_>, key: &str, least: i64, most: i64| {
        reader.number(Key { path: &path(key), variable: None }, least, most)
    };
    let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let prices = match variables {
        None => [None, None],
        Some((monthly, yearly)) => {
            let key = path("price_id");
            let month = reader.required_word(Key { path: &key, variable: Some(monthly) });
            let key = path("yearly_price_id");
            let year = reader.word(Key { path: &key, variable: Some(yearly) });
            [Some(month).filter(|it| !it.is_empty()), year]
        }
    };
    PlanTerms {
        id: PlanId::from(id),
        tokens: Tokens(number(reader, "tokens", 0, 1_000_000_000_000)),
        concurrency: small(number(reader, "concurrency", 0, 1_000_000)),
        generations_per_hour: small(number(reader, "generations_per_hour", 0, 1_000_000)),
        max_output_tokens: Tokens(number(reader, "max_output_tokens", 256, 10_000_000)),
        names: ["name.es", "name.en"]
            .map(|key| reader.required(Key { path: &path(key), variable: None })),
        features: ["features.es", "features.en"]
            .map(|key| reader.list(Key { path: &path(key), variable: None })),
        prices,
    }
}
