//! The two languages of the relay, and which one a request asked for.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use std::convert::Infallible;

/// Spanish first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Español.
    #[default]
    Es,
    /// English.
    En,
}

impl Lang {
    /// The tag on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }

    /// From a tag as `en`, `en-GB`, `es_MX`; `None` for other languages.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("es") {
            Some(Self::Es)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// The one of the two that `Accept-Language` prefers. `*` stands for what is not named; of two
    /// that are liked as well, the one that is named first.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        let text = values.filter_map(|it| it.to_str().ok());
        let (mut named, mut rest) = (Vec::new(), 0.0);
        for (tag, quality) in text.flat_map(|it| it.split(',')).filter_map(range) {
            if tag == "*" {
                rest = quality;
            } else if let Some(lang) = Self::from_tag(tag) {
                named.push((lang, quality));
            }
        }
        for lang in [Self::Es, Self::En] {
            if !named.iter().any(|(known, _)| *known == lang) {
                named.push((lang, rest));
            }
        }
        let mut best = (Self::default(), 0.0);
        for (lang, quality) in named {
            if quality > best.1 {
                best = (lang, quality);
            }
        }
        best.0
    }

    /// The sentence in this language.
    #[must_use]
    pub const fn pick<'a>(self, es: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Es => es,
            Self::En => en,
        }
    }
}

/// A tag and how much it is liked: `en-GB;q=0.8`. What cannot be read is not liked.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty())?;
    let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
    let quality = weight.map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok());
    Some((tag, quality.filter(|it| (0.0..=1.0).contains(it)).unwrap_or(0.0)))
}

impl<S: Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> Lang {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, http::HeaderValue::from_static(value));
        Lang::of(&headers)
    }

    #[test]
    fn the_better_liked_of_the_two_languages_wins_and_spanish_is_the_rest() {
        assert_eq!(asked("en-GB,en;q=0.9,es;q=0.8"), Lang::En);
        assert_eq!(asked("fr, en;q=0.5, es;q=0.7"), Lang::Es);
        assert_eq!(asked("de"), Lang::Es);
        assert_eq!(asked("es;q=0, en;q=0.1"), Lang::En);
        assert_eq!(asked("en-GB;q=0.8, es;q=0.9, *"), Lang::Es);
        assert_eq!(asked("EN-us"), Lang::En);
        assert_eq!(asked("en, es"), Lang::En);
        assert_eq!(asked("es-419,en"), Lang::Es);
        assert_eq!(Lang::of(&HeaderMap::new()), Lang::Es);
    }

    #[test]
    fn a_star_is_whatever_is_not_named() {
        assert_eq!(asked("*"), Lang::Es);
        assert_eq!(asked("en, *"), Lang::En);
        assert_eq!(asked("*, en;q=0.5"), Lang::Es);
        assert_eq!(asked("*;q=0.5, en"), Lang::En);
        assert_eq!(asked("es;q=0, *"), Lang::En);
        assert_eq!(asked("de, *;q=0"), Lang::Es);
    }

    #[test]
    fn what_cannot_be_read_is_not_liked() {
        for rubbish in ["", ",", ";q=1", "en;q=x", "en;q=-1", "en;q=NaN", "en;q=inf", "en;q=7"] {
            assert_eq!(asked(rubbish), Lang::Es, "{rubbish}");
        }
        assert_eq!(asked("es;Q=0.1,en;Q=0.2"), Lang::En);
    }

    #[test]
    fn the_header_may_come_in_several_lines() {
        let mut headers = HeaderMap::new();
        for line in ["fr", "en;q=0.4"] {
            headers.append(header::ACCEPT_LANGUAGE, http::HeaderValue::from_static(line));
        }
        assert_eq!(Lang::of(&headers), Lang::En);
    }
}
