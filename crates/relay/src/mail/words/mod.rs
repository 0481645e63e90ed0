//! What each mail says, in both languages, side by side so that neither falls behind.

mod billing;
mod onboarding;
mod tokens;
mod welcome;

use super::format;
use super::letter::{Block, Item, Letter};
use super::news::{Day, News};
use super::reader::Reader;
use crate::config::{Config, PlanTerms};
use crate::lang::Lang;
use autocrea_protocol::{PlanId, Tokens, UnixMillis};

/// To whom something is said, and by which relay.
pub(super) struct Scene<'a> {
    pub(super) config: &'a Config,
    pub(super) reader: &'a Reader,
    pub(super) lang: Lang,
}

/// What there is to say.
pub(super) fn of(news: &News, scene: &Scene<'_>) -> Letter {
    match news {
        News::Welcome => welcome::letter(scene),
        News::Tokens { share, plan, used, limit, ends_at } => {
            let spent = tokens::Spent { plan, used: *used, limit: *limit, ends_at: *ends_at };
            tokens::letter(scene, *share, &spent)
        }
        News::Upgrade => tokens::upgrade(scene),
        News::SubscriptionConfirmed { plan, interval, trial, until } => {
            billing::confirmed(scene, plan, *interval, *trial, *until)
        }
        News::SubscriptionCancelled { plan, until } => billing::cancelled(scene, plan, *until),
        News::PaymentFailed { plan, kept_until } => billing::failed(scene, plan, *kept_until),
        News::Onboarding { day: Day::First } => onboarding::first(scene),
        News::Onboarding { day: Day::Second } => onboarding::second(scene),
        News::Onboarding { day: Day::Third } => onboarding::third(scene),
        News::Onboarding { day: Day::Fifth } => onboarding::fifth(scene),
        News::Onboarding { day: Day::Seventh } => onboarding::seventh(scene),
    }
}

impl Scene<'_> {
    fn say(&self, es: impl Into<String>, en: impl Into<String>) -> String {
        match self.lang {
            Lang::Es => es.into(),
            Lang::En => en.into(),
        }
    }

    /// `Hola, Ana:`
    fn greeting(&self) -> String {
        match &self.reader.name {
            Some(name) => self.say(format!("Hola, {name}:"), format!("Hi {name},")),
            None => self.say("Hola:", "Hi,"),
        }
    }

    fn tokens(&self, tokens: Tokens) -> String {
        format::tokens(self.lang, tokens)
    }

    fn number(&self, number: impl Into<i64>) -> String {
        format::number(self.lang, number.into())
    }

    fn date(&self, at: UnixMillis) -> String {
        format::date(self.lang, at)
    }

    fn plan_name(&self, plan: &PlanId) -> &str {
        self.config.plans.terms(plan).name(self.lang)
    }

    /// What somebody on the free plan could have next: the least that is more.
    fn next_plan(&self) -> &PlanTerms {
        let free = self.config.plans.terms(&PlanId::free());
        self.config.plans.iter().find(|plan| plan.tokens > free.tokens).unwrap_or(free)
    }

    fn features(&self, plan: &PlanTerms) -> Block {
        let lines = plan.features(self.lang).iter();
        Block::Points(lines.map(|it| Item { title: it.clone(), text: String::new() }).collect())
    }

    fn free_tokens(&self) -> String {
        self.tokens(self.config.plans.terms(&PlanId::free()).tokens)
    }

    /// A button that opens the app. Mail programs follow https links alone, so it goes by the page
    /// that brings people back to it.
    fn open(&self, es: &str, en: &str) -> Block {
        let url = format!("{}/return/portal?from=mail", self.config.public_url);
        Block::Button { label: self.say(es, en), url }
    }

    fn item(&self, es: (&str, &str), en: (&str, &str)) -> Item {
        let (title, text) = if self.lang == Lang::Es { es } else { en };
        Item { title: title.to_owned(), text: text.to_owned() }
    }
}
