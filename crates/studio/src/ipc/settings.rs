//! What a person can choose.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Languages of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Español.
    Es,
    /// English.
    En,
}

/// What a person can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Null follows the system.
    pub language: Option<Language>,
    /// Light, dark, or the system's.
    pub theme: Theme,
    /// The three steps of the first start have been seen or skipped.
    pub welcomed: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// A change of settings: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct SettingsPatch {
    /// Set the language.
    pub language: Option<Language>,
    /// Follow the system's language again.
    pub follow_system_language: Option<bool>,
    /// Set the theme.
    pub theme: Option<Theme>,
    /// The first start is over.
    pub welcomed: Option<bool>,
}
