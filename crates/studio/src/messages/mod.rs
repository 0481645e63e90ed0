//! Sentences for people, Spanish and English side by side.
//!
//! A subject is an enum whose variants carry what the sentence needs; [`Say::pair`] gives both
//! languages from one match, so that neither can be forgotten. Each sentence says what happened
//! and what to do. Deliberately not here: the page's own labels, and the relay's sentences (they
//! come in the language that was asked for).

mod online;
mod store;
mod work;

pub use online::OnlineMessage;
pub use store::StoreMessage;
pub use work::WorkMessage;

use crate::ipc::Language;
use std::borrow::Cow;

/// A sentence in every language of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Español.
    pub es: Cow<'static, str>,
    /// English.
    pub en: Cow<'static, str>,
}

impl Pair {
    /// Both languages of one sentence.
    pub fn new(es: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self { es: es.into(), en: en.into() }
    }
}

/// Something that can be said.
pub trait Say {
    /// In every language.
    fn pair(&self) -> Pair;

    /// In one.
    fn say(&self, language: Language) -> String {
        let Pair { es, en } = self.pair();
        match language {
            Language::Es => es.into_owned(),
            Language::En => en.into_owned(),
        }
    }
}

/// The language of a system locale (`es_MX.UTF-8`, `en-GB`): English where it is asked for,
/// Spanish otherwise, since that is the product's first language.
#[must_use]
pub fn language_of(locale: &str) -> Language {
    let primary = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
    if primary.eq_ignore_ascii_case("en") { Language::En } else { Language::Es }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_language_is_read_whatever_its_spelling() {
        assert_eq!(language_of("en_GB.UTF-8"), Language::En);
        assert_eq!(language_of("EN-us"), Language::En);
        assert_eq!(language_of("es-MX"), Language::Es);
        assert_eq!(language_of("C"), Language::Es);
        assert_eq!(language_of(""), Language::Es);
    }
}
