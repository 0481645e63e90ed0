//! What the person chose: read once at start, kept in memory, written through.

use crate::Studio;
use crate::error::Error;
use crate::ipc::{Language, Settings, SettingsPatch, Theme};
use crate::messages::language_of;
use crate::store::{self, StoreError};
use rusqlite::Connection;
use serde_json::{Map, Value};

const NAME: &str = "settings";

/// Before anything was chosen: the system's language, and dark, which is how AUTOCREA is meant.
pub(crate) const fn untouched() -> Settings {
    Settings { language: None, theme: Theme::Dark, welcomed: false }
}

/// What is stored, over the defaults: a name that an older or newer program did not know, or meant
/// otherwise, costs the person that one choice and not all of them.
fn stored(db: &Connection) -> Result<Settings, StoreError> {
    let mut settings = untouched();
    let found: Option<Map<String, Value>> = store::settings::get(db, NAME)?;
    for (name, value) in found.into_iter().flatten() {
        let Ok(Value::Object(mut all)) = serde_json::to_value(&settings) else { continue };
        all.insert(name, value);
        settings = serde_json::from_value(Value::Object(all)).unwrap_or(settings);
    }
    Ok(settings)
}

/// As stored, or untouched.
pub(crate) fn load(store: &store::Store) -> Settings {
    match store.read_now(stored) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the settings could not be read; the defaults are in force");
            untouched()
        }
    }
}

fn apply(mut settings: Settings, patch: &SettingsPatch) -> Settings {
    if patch.follow_system_language == Some(true) {
        settings.language = None;
    }
    settings.language = patch.language.or(settings.language);
    settings.theme = patch.theme.unwrap_or(settings.theme);
    settings.welcomed = patch.welcomed.unwrap_or(settings.welcomed);
    settings
}

impl Studio {
    /// Changes what is given and keeps the rest.
    ///
    /// # Errors
    /// If it cannot be stored; nothing has changed then.
    pub async fn settings_update(&self, patch: SettingsPatch) -> Result<Settings, Error> {
        let settings = self
            .store()?
            .write(move |db| {
                let settings = apply(stored(db)?, &patch);
                store::settings::set(db, NAME, &settings)?;
                Ok(settings)
            })
            .await?;
        let before = self.language();
        *self.settings.write() = settings.clone();
        if self.language() != before {
            // The plans' names and lines come from the relay, in the language asked for.
            self.fetch_config_soon();
        }
        Ok(settings)
    }

    /// The language in force: the person's choice, else the system's.
    #[must_use]
    pub fn language(&self) -> Language {
        self.settings.read().language.unwrap_or_else(|| language_of(&self.options.system_language))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn settings_of_another_version_of_the_program_keep_what_is_known() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("opens");
        let theirs = serde_json::json!({"theme": "light", "language": "fr", "density": 3});
        store.write(move |db| store::settings::set(db, NAME, &theirs)).await.expect("written");
        assert_eq!(load(&store), Settings { theme: Theme::Light, ..untouched() });
    }

    #[test]
    fn what_is_absent_from_a_patch_stays() {
        let dark = Settings { language: Some(Language::En), theme: Theme::Dark, welcomed: true };
        assert_eq!(apply(dark.clone(), &SettingsPatch::default()), dark);
        let patch = SettingsPatch { follow_system_language: Some(true), ..Default::default() };
        assert_eq!(apply(dark, &patch).language, None);
    }
}
