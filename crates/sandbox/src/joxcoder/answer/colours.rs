//! Colours by name, and the light and dark themes, as values of the pages' design tokens.

use super::prompt::{self, Language};
use super::say;

/// A colour that a page can be given.
pub(super) struct Colour {
    es: &'static str,
    en: &'static str,
    names: &'static [&'static str],
    /// `--accent`
    pub(super) accent: &'static str,
    /// `--accent-2`
    pub(super) second: &'static str,
    /// `--on-accent`
    pub(super) on: &'static str,
}

const COLOURS: &[Colour] = &[
    Colour {
        es: "verde",
        en: "green",
        names: &["verde", "verdes", "green"],
        accent: "#16a34a",
        second: "#0d9488",
        on: "#ffffff",
    },
    Colour {
        es: "azul",
        en: "blue",
        names: &["azul", "azules", "blue"],
        accent: "#2563eb",
        second: "#0ea5e9",
        on: "#ffffff",
    },
    Colour {
        es: "rojo",
        en: "red",
        names: &["rojo", "roja", "rojos", "red"],
        accent: "#dc2626",
        second: "#f97316",
        on: "#ffffff",
    },
    Colour {
        es: "naranja",
        en: "orange",
        names: &["naranja", "orange"],
        accent: "#ea580c",
        second: "#f59e0b",
        on: "#ffffff",
    },
    Colour {
        es: "morado",
        en: "purple",
        names: &["morado", "morada", "violeta", "lila", "purpura", "purple", "violet"],
        accent: "#9333ea",
        second: "#6366f1",
        on: "#ffffff",
    },
    Colour {
        es: "rosa",
        en: "pink",
        names: &["rosa", "rosado", "fucsia", "pink"],
        accent: "#db2777",
        second: "#f472b6",
        on: "#ffffff",
    },
    Colour {
        es: "amarillo",
        en: "yellow",
        names: &["amarillo", "amarilla", "dorado", "yellow", "gold"],
        accent: "#eab308",
        second: "#f59e0b",
        on: "#422006",
    },
    Colour {
        es: "turquesa",
        en: "teal",
        names: &["turquesa", "cian", "teal", "cyan", "turquoise"],
        accent: "#0891b2",
        second: "#14b8a6",
        on: "#ffffff",
    },
    Colour {
        es: "gris",
        en: "grey",
        names: &["gris", "grey", "gray"],
        accent: "#475569",
        second: "#94a3b8",
        on: "#ffffff",
    },
    Colour {
        es: "negro",
        en: "black",
        names: &["negro", "negra", "black"],
        accent: "#0f172a",
        second: "#475569",
        on: "#ffffff",
    },
];

impl Colour {
    /// The first colour that a prompt (in plain letters) names.
    pub(super) fn named_in(plain: &str) -> Option<&'static Self> {
        prompt::words(plain)
            .find_map(|word| COLOURS.iter().find(|colour| colour.names.contains(&word)))
    }

    /// True if a shade beside the colour's name belongs to it ("light blue", "verde más oscuro").
    pub(super) fn is_shaded(&self, plain: &str, shades: &[&str]) -> bool {
        let words: Vec<&str> = prompt::words(plain).collect();
        words.iter().enumerate().any(|(at, word)| {
            let near = &words[at.saturating_sub(1)..(at + 3).min(words.len())];
            self.names.contains(word) && near.iter().any(|word| shades.contains(word))
        })
    }

    pub(super) fn name(&self, language: Language) -> &'static str {
        say(language, self.es, self.en)
    }
}

/// A whole theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

/// Words for dark.
pub(super) const DARK: &[&str] =
    &["oscuro", "oscura", "oscuros", "dark", "noche", "nocturno", "night"];
/// Words for light.
pub(super) const LIGHT: &[&str] =
    &["claro", "clara", "claros", "light", "blanco", "blanca", "white"];

impl Theme {
    /// The theme that a prompt (in plain letters) names.
    pub(super) fn named_in(plain: &str) -> Option<Self> {
        prompt::words(plain).find_map(|word| {
            if DARK.contains(&word) {
                Some(Self::Dark)
            } else {
                LIGHT.contains(&word).then_some(Self::Light)
            }
        })
    }

    /// The tokens and their values.
    pub(super) fn tokens(self) -> [(&'static str, &'static str); 5] {
        match self {
            Self::Light => [
                ("--bg", "#f6f7fb"),
                ("--surface", "#ffffff"),
                ("--text", "#0f172a"),
                ("--muted", "#64748b"),
                ("--line", "#e2e8f0"),
            ],
            Self::Dark => [
                ("--bg", "#0b1120"),
                ("--surface", "#151d33"),
                ("--text", "#f1f5f9"),
                ("--muted", "#94a3b8"),
                ("--line", "#28324d"),
            ],
        }
    }
}
