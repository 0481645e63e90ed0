//! The twelve roles: what a generation is asked to act as.
//!
//! A role is a translated system prompt with what it is good at, what it always delivers and its
//! usual output length. What is the same for all of them (how the work is looked at, how files are
//! framed) is said once, in [`system_prompt`].

mod en;
mod es;

use crate::Studio;
use crate::ipc::{Language, Role};
use autocrea_protocol::Tokens;

/// A role in one language.
pub(crate) struct Text {
    pub name: &'static str,
    pub summary: &'static str,
    /// Who it is and how it works.
    pub prompt: &'static str,
    /// What every answer of it contains.
    pub delivers: &'static [&'static str],
}

/// Ids and usual output lengths, in the order in which they are shown.
const ROLES: [(&str, i64); 12] = [
    ("fullstack", 8_192),
    ("arquitecto", 4_096),
    ("frontend", 8_192),
    ("backend", 8_192),
    ("devops", 4_096),
    ("security", 4_096),
    ("qa", 6_144),
    ("data_engineer", 6_144),
    ("ml_engineer", 6_144),
    ("pentester", 4_096),
    ("mobile_dev", 8_192),
    ("blockchain_dev", 6_144),
];

fn text(id: &str, language: Language) -> Option<Text> {
    match language {
        Language::Es => es::role(id),
        Language::En => en::role(id),
    }
}

/// The roles in a language.
#[must_use]
pub fn roles(language: Language) -> Vec<Role> {
    ROLES.iter().filter_map(|(id, _)| role(id, language)).collect()
}

/// One role in a language.
#[must_use]
pub fn role(id: &str, language: Language) -> Option<Role> {
    let (id, tokens) = ROLES.iter().find(|(known, _)| *known == id)?;
    let text = text(id, language)?;
    Some(Role {
        id: (*id).to_owned(),
        name: text.name.to_owned(),
        summary: text.summary.to_owned(),
        default_output_tokens: Tokens(*tokens),
    })
}

/// The system prompt of a role, with the rules that all share and the frame for `nonce`.
#[must_use]
pub fn system_prompt(id: &str, language: Language, nonce: &str) -> Option<String> {
    let text = text(id, language)?;
    let (always, rules) = match language {
        Language::Es => ("Entregas siempre:", es::RULES),
        Language::En => ("You always deliver:", en::RULES),
    };
    let delivers: String = text.delivers.iter().map(|line| format!("- {line}\n")).collect();
    let rules = rules.replace("{nonce}", nonce);
    Some(format!("{}\n\n{always}\n{delivers}\n{rules}", text.prompt))
}

impl Studio {
    /// The roles, in the person's language.
    #[must_use]
    pub fn roles_list(&self) -> Vec<Role> {
        roles(self.language())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twelve_roles_in_both_languages() {
        for language in [Language::Es, Language::En] {
            let roles = roles(language);
            assert_eq!(roles.len(), 12);
            for role in roles {
                let prompt = system_prompt(&role.id, language, "n0nce").expect("a prompt");
                assert!(prompt.contains("\nAUTOCREA-FILES n0nce\n"), "{}", role.id);
                assert!(prompt.contains("<<<END n0nce>>>") && !prompt.contains("{nonce}"));
                assert!(prompt.len() < 5_000, "{}: the composer counts on it", prompt.len());
                assert!(!role.name.is_empty() && role.summary.ends_with('.'));
            }
        }
    }

    #[test]
    fn the_example_in_the_prompt_is_what_the_parser_reads() {
        for language in [Language::Es, Language::En] {
            let prompt = system_prompt("fullstack", language, "n0nce").expect("a prompt");
            let parsed = crate::parser::Parser::read("n0nce", &prompt);
            assert_eq!(parsed.changes.len(), 3, "write, delete and rename are shown");
            assert!(parsed.refused.is_empty());
        }
    }
}
