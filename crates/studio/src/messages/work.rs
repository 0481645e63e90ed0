//! What is said about projects, drafts, files and previews.

use super::{Pair, Say};
use autocrea_protocol::Tokens;

/// Sentences about the creator's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkMessage {
    /// There is no such project.
    ProjectGone,
    /// There is no such version.
    VersionGone,
    /// There is no such file in the version.
    FileGone,
    /// A project needs a name.
    NameEmpty,
    /// Its name is too long.
    NameTooLong {
        /// Characters allowed.
        limit: usize,
    },
    /// Its description is too long.
    DescriptionTooLong {
        /// Characters allowed.
        limit: usize,
    },
    /// There is no such role.
    RoleUnknown,
    /// Nothing was asked for.
    PromptEmpty,
    /// Too much was asked for at once.
    PromptTooLong {
        /// Kilobytes allowed.
        limit_kb: u64,
    },
    /// The prompt and the chosen files do not fit the model.
    ContextTooLong {
        /// Tokens that fit.
        limit: Tokens,
    },
    /// Not enough tokens are left.
    NotEnoughTokens {
        /// What is left.
        remaining: Tokens,
    },
    /// A path that the model gave was refused.
    PathRefused {
        /// As it was given.
        path: String,
    },
    /// The version holds nothing that a page can show.
    PreviewNoPage,
    /// It is a program that runs outside a page.
    PreviewServer,
    /// It has no files.
    PreviewEmpty,
    /// A file that a previewed page asked for is not there.
    PreviewFileMissing,
    /// A previewed page asked for something that did not come; `{file}` is filled in the page.
    PreviewNotLoaded,
    /// Said once in a previewed page's console.
    PreviewMemory,
}

impl Say for WorkMessage {
    #[allow(clippy::too_many_lines, reason = "a catalogue: one arm a sentence")]
    fn pair(&self) -> Pair {
        match self {
            Self::ProjectGone => Pair::new(
                "Ese proyecto ya no existe. Vuelve a la lista de proyectos.",
                "That project no longer exists. Go back to the list of projects.",
            ),
            Self::VersionGone => Pair::new(
                "Esa versión no existe en el proyecto. Elige otra de la lista.",
                "The project has no such version. Choose another from the list.",
            ),
            Self::FileGone => Pair::new(
                "Ese archivo no está en esta versión. Elige otro de la lista.",
                "That file is not in this version. Choose another from the list.",
            ),
            Self::NameEmpty => Pair::new(
                "El proyecto necesita un nombre. Escribe al menos un carácter.",
                "The project needs a name. Write at least one character.",
            ),
            Self::NameTooLong { limit } => Pair::new(
                format!("El nombre es demasiado largo. Usa {limit} caracteres como máximo."),
                format!("The name is too long. Use at most {limit} characters."),
            ),
            Self::DescriptionTooLong { limit } => Pair::new(
                format!("La descripción es demasiado larga. Usa {limit} caracteres como máximo."),
                format!("The description is too long. Use at most {limit} characters."),
            ),
            Self::RoleUnknown => Pair::new(
                "Ese rol no existe. Elige uno de la lista.",
                "There is no such role. Choose one from the list.",
            ),
            Self::PromptEmpty => {
                Pair::new("Describe lo que quieres crear.", "Describe what you want to make.")
            }
            Self::PromptTooLong { limit_kb } => Pair::new(
                format!(
                    "El texto es demasiado largo: el modelo admite {limit_kb} KB por mensaje. \
                     Acórtalo o envía menos archivos."
                ),
                format!(
                    "The text is too long: the model takes {limit_kb} KB a message. Shorten it, \
                     or send fewer files along."
                ),
            ),
            Self::ContextTooLong { limit } => Pair::new(
                format!(
                    "No cabe en el modelo, que admite {limit} tokens entre pregunta y respuesta. \
                     Acorta el texto o envía menos archivos."
                ),
                format!(
                    "It does not fit the model, which takes {limit} tokens for question and \
                     answer. Shorten the text, or send fewer files along."
                ),
            ),
            Self::NotEnoughTokens { remaining } => Pair::new(
                format!(
                    "Te quedan {remaining} tokens y no bastan para esta generación. Acorta la \
                     petición o consigue más en Planes."
                ),
                format!(
                    "You have {remaining} tokens left, not enough for this generation. Ask for \
                     less, or get more in Plans."
                ),
            ),
            Self::PathRefused { path } => Pair::new(
                format!(
                    "El modelo quiso escribir en «{path}», fuera del proyecto o con un nombre no \
                     permitido. El contenido se ha dejado en la explicación."
                ),
                format!(
                    "The model wanted to write to “{path}”, outside the project or under a name \
                     that is not allowed. The content was left in the explanation."
                ),
            ),
            Self::PreviewNoPage => Pair::new(
                "Esta versión no tiene una página que mostrar. Pide un «index.html» o exporta el \
                 proyecto para usarlo fuera.",
                "This version has no page to show. Ask for an “index.html”, or export the project \
                 to use it elsewhere.",
            ),
            Self::PreviewServer => Pair::new(
                "Es un programa que se ejecuta fuera del navegador. Exporta el proyecto y sigue \
                 su README para ponerlo en marcha.",
                "This is a program that runs outside a browser. Export the project and follow its \
                 README to run it.",
            ),
            Self::PreviewEmpty => Pair::new(
                "Esta versión no tiene archivos. Pide algo o restaura una versión anterior.",
                "This version has no files. Ask for something, or restore an earlier version.",
            ),
            Self::PreviewFileMissing => Pair::new(
                "Ese archivo no está en esta versión del proyecto.",
                "That file is not in this version of the project.",
            ),
            Self::PreviewNotLoaded => Pair::new(
                "No se pudo cargar «{file}»: no está en el proyecto y la vista previa no tiene \
                 red. Añádelo a los archivos.",
                "“{file}” could not be loaded: it is not in the project, and the preview has no \
                 network. Add it to the files.",
            ),
            Self::PreviewMemory => Pair::new(
                "Vista previa: localStorage, sessionStorage y las cookies duran hasta recargar.",
                "Preview: localStorage, sessionStorage and cookies last until reload.",
            ),
        }
    }
}
