//! Changes to the files that there are.

use super::frame::File;
use super::prompt::Language;
use super::{Made, say};

pub(super) fn change(files: &[File], _prompt: &str, language: Language) -> Made {
    Made {
        before: say(language, "Hecho.", "Done.").to_owned(),
        files: files.to_vec(),
        after: String::new(),
    }
}
