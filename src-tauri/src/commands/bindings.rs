//! The page's side of the commands, written from the table in [`super`] and the types that it
//! names. The files are checked in; a test fails when they are stale.

use autocrea_studio::ipc::{GenerationUpdate, StudioEvent};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};
use ts_rs::{Config, ExportError, TS};

/// One command.
pub struct Declaration {
    /// In snake_case, as Tauri knows it.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Names in snake_case, with their TypeScript types.
    pub arguments: Vec<(&'static str, String)>,
    /// The TypeScript type of the answer.
    pub answer: String,
}

/// Why the files could not be written.
#[derive(Debug)]
pub enum BindingsError {
    /// A type could not be written.
    Type(ExportError),
    /// A file could not be read or written.
    Io(io::Error),
}

impl From<ExportError> for BindingsError {
    fn from(error: ExportError) -> Self {
        Self::Type(error)
    }
}

impl From<io::Error> for BindingsError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes a type and what it is made of; a primitive has no file.
pub(super) fn export<T: TS + 'static + ?Sized>(config: &Config) -> Result<(), ExportError> {
    struct Export<'a>(&'a Config, Result<(), ExportError>);
    impl ts_rs::TypeVisitor for Export<'_> {
        fn visit<T: TS + 'static + ?Sized>(&mut self) {
            if self.1.is_ok() {
                self.1 = export::<T>(self.0);
            }
        }
    }
    if T::output_path().is_some() {
        return T::export_all(config);
    }
    if TypeId::of::<T>() == TypeId::of::<()>() {
        return Ok(());
    }
    let mut visitor = Export(config, Ok(()));
    T::visit_generics(&mut visitor);
    visitor.1
}

/// Writes all of it into `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> Result<(), BindingsError> {
    let config = Config::new().with_out_dir(folder).with_large_int("number");
    super::export_types(&config)?;
    export::<GenerationUpdate>(&config)?;
    export::<StudioEvent>(&config)?;
    export::<super::Problem>(&config)?;
    let types: Vec<String> = read(folder)?
        .into_keys()
        .filter_map(|name| name.strip_suffix(".ts").map(str::to_owned))
        .filter(|name| name != "commands")
        .collect();
    fs::write(folder.join("commands.ts"), commands(&super::declarations(&config), &types))?;
    Ok(())
}

/// The files of a folder, by name.
///
/// # Errors
/// When one cannot be read.
pub fn read(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, fs::read_to_string(entry.path())?))
        })
        .collect()
}

fn commands(declarations: &[Declaration], types: &[String]) -> String {
    let functions: String = declarations.iter().map(function).collect();
    let mut text = String::from(
        "// This file was generated from src-tauri/src/commands/mod.rs. Do not edit it.\n\
         import { Channel, invoke } from \"@tauri-apps/api/core\";\n",
    );
    let words: Vec<&str> = functions.split(|c: char| !c.is_alphanumeric()).collect();
    for name in types {
        if words.contains(&name.as_str()) || name == "GenerationUpdate" {
            let _ = writeln!(text, "import type {{ {name} }} from \"./{name}\";");
        }
    }
    let _ = write!(
        text,
        "\n/** The studio's commands. Each rejects with a `Problem`. */\n\
         export const commands = {{\n{functions}\
         \x20 /** Follows a generation until it ends or the page is gone. */\n\
         \x20 generationWatch: (id: string, updates: Channel<GenerationUpdate>): Promise<null> =>\n\
         \x20   invoke(\"generation_watch\", {{ id, updates }}),\n}};\n"
    );
    text
}

fn function(declaration: &Declaration) -> String {
    let arguments: Vec<(String, &str)> = declaration
        .arguments
        .iter()
        .map(|(name, type_name)| (camel_case(name), type_name.as_str()))
        .collect();
    let typed: Vec<String> =
        arguments.iter().map(|(name, type_name)| format!("{name}: {type_name}")).collect();
    let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
    let passed =
        if names.is_empty() { String::new() } else { format!(", {{ {} }}", names.join(", ")) };
    format!(
        "  /** {} */\n  {}: ({}): Promise<{}> => invoke(\"{}\"{}),\n",
        declaration.doc,
        camel_case(declaration.name),
        typed.join(", "),
        declaration.answer,
        declaration.name,
        passed,
    )
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the files instead, when it is set: `cargo xtask bindings` does.
    const WRITE: &str = "AUTOCREA_WRITE_BINDINGS";

    #[test]
    fn the_typescript_that_is_checked_in_is_the_one_that_rust_generates() {
        let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/lib/bindings");
        let fresh = tempfile::tempdir().expect("a folder");
        write(fresh.path()).expect("bindings");
        let fresh = read(fresh.path()).expect("fresh");
        if std::env::var_os(WRITE).is_some() {
            let _ = fs::remove_dir_all(&checked_in);
            fs::create_dir_all(&checked_in).expect("folder");
            for (name, text) in &fresh {
                fs::write(checked_in.join(name), text).expect("write");
            }
        }
        let stale = read(&checked_in).unwrap_or_default();
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&stale), names(&fresh), "run `cargo xtask bindings`");
        for (name, text) in fresh {
            assert_eq!(stale[&name], text, "{name} is stale: run `cargo xtask bindings`");
        }
    }

    #[test]
    fn a_command_is_called_in_camel_case() {
        assert_eq!(camel_case("project_get"), "projectGet");
        assert_eq!(camel_case("boot"), "boot");
    }
}
