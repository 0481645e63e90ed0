//! The one look of all pages that the sandbox shows: AUTOCREA's dark slate with a cyan accent,
//! and a strip that says, everywhere, that this is a development sandbox.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

const STYLE: &str = include_str!("page.css");

/// The languages of what a creator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Español, when nothing else is asked for.
    Es,
    /// English.
    En,
}

impl Language {
    /// What the browser asks for first, of the two.
    #[must_use]
    pub fn asked_by(headers: &HeaderMap) -> Self {
        let asked =
            headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut languages = asked.split(',').map(|one| one.trim().to_ascii_lowercase());
        match languages.find(|one| one.starts_with("es") || one.starts_with("en")) {
            Some(first) if first.starts_with("en") => Self::En,
            _ => Self::Es,
        }
    }

    /// One of two texts.
    #[must_use]
    pub const fn say<'a>(self, es: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Es => es,
            Self::En => en,
        }
    }
}

/// A whole page in English. `title` is plain text, `body` is HTML.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    page_in(Language::En, title, body)
}

/// A whole page. `title` is plain text, `body` is HTML.
#[must_use]
pub fn page_in(language: Language, title: &str, body: &str) -> String {
    let title = escape(title);
    let lang = language.say("es", "en");
    let strip = language.say(
        "Entorno de pruebas de AUTOCREA · nada de esto es real",
        "AUTOCREA development sandbox · nothing here is real",
    );
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\
         <p class=\"strip\">{strip}</p>\
         {body}</body></html>"
    )
}

/// Text made safe between tags and inside quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
