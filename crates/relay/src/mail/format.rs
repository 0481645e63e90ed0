//! Numbers and dates, as each language writes them.

use crate::lang::Lang;
use autocrea_protocol::{Tokens, UnixMillis};
use time::OffsetDateTime;

const MONTHS_ES: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `500.000` or `500,000`.
pub(super) fn number(lang: Lang, number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(lang.pick(".", ","));
        }
        text.push(digit);
    }
    text
}

/// As [`number`].
pub(super) fn tokens(lang: Lang, tokens: Tokens) -> String {
    number(lang, tokens.get())
}

/// `1 de diciembre de 2026` or `December 1, 2026`, UTC; a line may only break where it reads well.
pub(super) fn date(lang: Lang, at: UnixMillis) -> String {
    let date =
        OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = usize::from(u8::from(date.month())) - 1;
    let (day, year) = (date.day(), date.year());
    match lang {
        Lang::Es => format!("{day}\u{a0}de {} de\u{a0}{year}", MONTHS_ES[month]),
        Lang::En => format!("{}\u{a0}{day}, {year}", MONTHS_EN[month]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_are_written_as_each_language_does() {
        assert_eq!(number(Lang::Es, 1_500_000), "1.500.000");
        assert_eq!(number(Lang::En, 20_000), "20,000");
        assert_eq!(number(Lang::En, 999), "999");
        assert_eq!(number(Lang::Es, -1_000), "-1.000");
        let at = UnixMillis(1_796_083_200_000);
        assert_eq!(date(Lang::Es, at), "1\u{a0}de diciembre de\u{a0}2026");
        assert_eq!(date(Lang::En, at), "December\u{a0}1, 2026");
    }
}
