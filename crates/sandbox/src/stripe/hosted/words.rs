//! Which language a hosted page speaks, and how it writes money and days.

use http::HeaderMap;
use time::OffsetDateTime;

/// The two languages of AUTOCREA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    Es,
    En,
}

impl Tongue {
    /// The session's locale if it names one, else the browser's.
    pub(super) fn of(locale: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = locale.filter(|locale| *locale != "auto").or_else(|| {
            headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
        });
        match asked {
            Some(language) if language.trim_start().to_lowercase().starts_with("es") => Self::Es,
            _ => Self::En,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }

    /// One of two sentences.
    pub(super) fn say<'a>(self, es: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Es => es,
            Self::En => en,
        }
    }

    /// Minor units as people write them.
    pub(super) fn money(self, amount: i64, currency: &str) -> String {
        let sign = if amount < 0 { "−" } else { "" };
        let whole = thousands(amount.abs() / 100, if self == Self::Es { '.' } else { ',' });
        let cents = amount.abs() % 100;
        let currency = currency.to_uppercase();
        match (self, currency.as_str()) {
            (Self::En, "USD") => format!("{sign}${whole}.{cents:02}"),
            (Self::En, _) => format!("{sign}{currency} {whole}.{cents:02}"),
            (Self::Es, "USD") => format!("{sign}{whole},{cents:02} US$"),
            (Self::Es, _) => format!("{sign}{whole},{cents:02} {currency}"),
        }
    }

    /// Unix seconds as a day.
    pub(super) fn day(self, at: i64) -> String {
        const ES: [&str; 12] =
            ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"];
        const EN: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Ok(date) = OffsetDateTime::from_unix_timestamp(at) else { return String::new() };
        let month = usize::from(u8::from(date.month()) - 1);
        match self {
            Self::Es => format!("{} {} {}", date.day(), ES[month], date.year()),
            Self::En => format!("{} {}, {}", EN[month], date.day(), date.year()),
        }
    }

    /// Stripe's word for an interval as people say it.
    pub(super) fn every(self, interval: &str) -> &'static str {
        match (self, interval) {
            (Self::Es, "year") => "al año",
            (Self::Es, _) => "al mes",
            (Self::En, "year") => "per year",
            (Self::En, _) => "per month",
        }
    }

    /// Stripe's sentence about a card, for its reader.
    pub(super) fn card_message(self, message: &str) -> String {
        if self == Self::En {
            return message.to_owned();
        }
        match message {
            "Your card was declined." => {
                "Tu tarjeta ha sido rechazada. Prueba con otra.".to_owned()
            }
            "Your card has insufficient funds." => {
                "Tu tarjeta no tiene fondos suficientes. Prueba con otra.".to_owned()
            }
            "Your card number is incorrect." => {
                "El número de la tarjeta no es correcto. Usa una de las tarjetas de prueba."
                    .to_owned()
            }
            other if other.starts_with("We are unable to authenticate") => {
                "No hemos podido autenticar tu tarjeta. Elige otra e inténtalo de nuevo.".to_owned()
            }
            other => other.to_owned(),
        }
    }
}

fn thousands(whole: i64, separator: char) -> String {
    let digits = whole.to_string();
    let mut written = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push(separator);
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_its_readers_write_it() {
        assert_eq!(Tongue::En.money(199_000, "usd"), "$1,990.00");
        assert_eq!(Tongue::Es.money(199_000, "usd"), "1.990,00 US$");
        assert_eq!(Tongue::En.money(-2_905, "usd"), "−$29.05");
    }

    #[test]
    fn the_sessions_locale_goes_before_the_browsers() {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", http::HeaderValue::from_static("es-ES,es;q=0.9"));
        assert_eq!(Tongue::of(None, &headers), Tongue::Es);
        assert_eq!(Tongue::of(Some("auto"), &headers), Tongue::Es);
        assert_eq!(Tongue::of(Some("en"), &headers), Tongue::En);
    }
}
