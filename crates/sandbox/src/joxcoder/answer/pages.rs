//! The pages that the model knows by heart.
//!
//! Each is three small files without anything from elsewhere. In the templates `[[es||en]]` is a
//! text in two languages and `{{name}}` a value.

use super::frame::File;
use super::prompt::{self, Kind, Language};
use super::{Made, say};

struct Template {
    html: &'static str,
    css: &'static str,
    js: &'static str,
    /// Further files, by path.
    more: &'static [(&'static str, &'static str)],
}

macro_rules! template {
    ($folder:literal $(, $path:literal)*) => {
        Template {
            html: include_str!(concat!("../pages/", $folder, "/index.html")),
            css: include_str!(concat!("../pages/", $folder, "/styles.css")),
            js: include_str!(concat!("../pages/", $folder, "/app.js")),
            more: &[$(($path, include_str!(concat!("../pages/", $folder, "/", $path)))),*],
        }
    };
}

/// A new project, named by the prompt, else by the project that it is for.
pub(super) fn make(prompt: &str, project: Option<&str>, language: Language) -> Made {
    let kind = prompt::kind(prompt);
    let title = prompt::name(prompt)
        .or_else(|| project.map(str::to_owned))
        .unwrap_or_else(|| default_title(kind, prompt, language));
    let tagline = tagline(kind, prompt, language);
    let template = template_of(kind);
    let fill = |text: &str, escape: fn(&str) -> String| {
        in_language(text, language)
            .replace("{{title}}", &escape(&title))
            .replace("{{subject}}", &escape(&tagline))
            .replace("{{lang}}", say(language, "es", "en"))
    };
    let base = include_str!("../pages/base.css");
    let mut files = vec![
        file("index.html", fill(template.html, crate::page::escape)),
        file("styles.css", fill(&template.css.replace("/*base*/\n", base), str::to_owned)),
        file("app.js", fill(template.js, js_escape)),
    ];
    for (path, text) in template.more {
        files.push(file(path, fill(text, str::to_owned)));
    }
    Made {
        before: introduction(kind, &title, files.len(), language),
        files,
        deleted: Vec::new(),
        renamed: Vec::new(),
        after: closing(kind, language).to_owned(),
    }
}

fn file(path: &str, text: String) -> File {
    File { path: path.to_owned(), text }
}

/// Keeps one side of every `[[es||en]]`. Brackets without `||` are left as they are.
fn in_language(text: &str, language: Language) -> String {
    let mut chosen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("]]") {
        match before
            .rsplit_once("[[")
            .and_then(|(before, both)| Some((before, both.split_once("||")?)))
        {
            Some((before, (es, en))) => {
                chosen.push_str(before);
                chosen.push_str(say(language, es, en));
            }
            None => {
                chosen.push_str(before);
                chosen.push_str("]]");
            }
        }
        rest = after;
    }
    chosen.push_str(rest);
    chosen
}

/// The line under a title.
fn tagline(kind: Kind, prompt: &str, language: Language) -> String {
    let default = match kind {
        Kind::Shop => say(language, "Cerámica artesana", "Handmade pottery"),
        Kind::Landing => say(language, "Ya disponible", "Now available"),
        _ => {
            return say(
                language,
                "Todo lo que conviene saber, en un solo lugar.",
                "Everything worth knowing, in one place.",
            )
            .to_owned();
        }
    };
    prompt::topic(prompt, kind == Kind::Shop).unwrap_or_else(|| default.to_owned())
}

fn js_escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(['"', '\'', '`'], "’").replace('<', "\\u003c")
}

fn template_of(kind: Kind) -> Template {
    match kind {
        Kind::Todo => template!("todo"),
        Kind::Landing => template!("landing"),
        Kind::Calculator => template!("calculator"),
        Kind::Dashboard => template!("dashboard"),
        Kind::Shop => template!("shop"),
        Kind::Notes => template!("notes"),
        Kind::Game => template!("game"),
        Kind::Habits => template!("habits"),
        Kind::Api => template!("api", "api.js", "server.js", "README.md"),
        Kind::Anything => template!("anything"),
    }
}

fn default_title(kind: Kind, prompt: &str, language: Language) -> String {
    let title = match kind {
        Kind::Todo => say(language, "Mis tareas", "My tasks"),
        Kind::Landing => say(language, "Lumbre", "Ember"),
        Kind::Calculator => say(language, "Calculadora", "Calculator"),
        Kind::Dashboard => say(language, "Panel de ventas", "Sales dashboard"),
        Kind::Shop => say(language, "Barro y Luz", "Clay & Light"),
        Kind::Notes => say(language, "Notas", "Notes"),
        Kind::Game => say(language, "Serpiente", "Snake"),
        Kind::Habits => say(language, "Mis hábitos", "My habits"),
        Kind::Api => say(language, "API de tareas", "Tasks API"),
        Kind::Anything => return subject(prompt, language),
    };
    title.to_owned()
}

/// The prompt's own words as a title, without the ones that only ask.
pub(super) fn subject(prompt: &str, language: Language) -> String {
    const ASKING: &[&str] = &[
        "haz",
        "hazme",
        "crea",
        "creame",
        "quiero",
        "necesito",
        "genera",
        "una",
        "un",
        "pagina",
        "web",
        "sitio",
        "app",
        "aplicacion",
        "sobre",
        "de",
        "para",
        "que",
        "make",
        "me",
        "create",
        "build",
        "i",
        "want",
        "need",
        "a",
        "an",
        "page",
        "website",
        "site",
        "about",
        "for",
        "of",
        "please",
        "the",
        "el",
        "la",
        "los",
        "las",
        "with",
        "con",
    ];
    let words: Vec<&str> = prompt
        .split_whitespace()
        .filter(|word| !word.starts_with('#'))
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .skip_while(|word| ASKING.contains(&prompt::plain(word).as_str()))
        .take(4)
        .collect();
    let title: String = words.join(" ").chars().take(48).collect();
    if title.is_empty() {
        say(language, "Una idea", "An idea").to_owned()
    } else {
        prompt::capitalised(&title)
    }
}

fn introduction(kind: Kind, title: &str, count: usize, language: Language) -> String {
    let what = match kind {
        Kind::Todo => say(language, "una lista de tareas", "a to-do list"),
        Kind::Landing => say(language, "una página de presentación", "a landing page"),
        Kind::Calculator => say(language, "una calculadora", "a calculator"),
        Kind::Dashboard => {
            say(language, "un panel con cifras y gráficos", "a dashboard with figures and charts")
        }
        Kind::Shop => say(language, "una tienda con carrito", "a shop with a cart"),
        Kind::Notes => say(language, "un cuaderno de notas", "a notebook"),
        Kind::Game => say(language, "el juego de la serpiente", "a game of snake"),
        Kind::Habits => say(
            language,
            "una app de hábitos pensada para el móvil",
            "a habit tracker for the phone",
        ),
        Kind::Api => say(
            language,
            "una API REST con su servidor de Node y una página para probarla",
            "a REST API with its Node server and a page to try it on",
        ),
        Kind::Anything => say(language, "una página", "a page"),
    };
    match language {
        Language::Es => format!(
            "Soy el modelo de demostración de AUTOCREA. He preparado {what}, «{title}», en {count} archivos sin dependencias."
        ),
        Language::En => format!(
            "I am AUTOCREA’s demonstration model. Here is {what}, “{title}”, in {count} files without dependencies."
        ),
    }
}

fn closing(kind: Kind, language: Language) -> &'static str {
    match kind {
        Kind::Todo | Kind::Notes | Kind::Shop | Kind::Habits => say(
            language,
            "Los datos se guardan en localStorage. Pídeme un cambio: por ejemplo, «cambia el color a verde» o «añade un pie de página».",
            "Data is kept in localStorage. Ask for a change: “make it green”, say, or “add a footer”.",
        ),
        _ => say(
            language,
            "Pídeme un cambio: por ejemplo, «cambia el color a verde», «ponlo en claro» o «añade un pie de página».",
            "Ask for a change: “make it green”, say, “use a light theme”, or “add a footer”.",
        ),
    }
}
