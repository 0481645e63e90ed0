//! Changes to the files that there are: colours, theme, heading, footer, files removed or renamed;
//! and a new section where the prompt asks for something else. Only what changes is answered.

use super::colours::{Colour, DARK, LIGHT, Theme};
use super::frame::File;
use super::prompt::{self, Language};
use super::{Made, pages, say};
use crate::page::escape;
use std::fmt::Write as _;

const SECTION_CSS: &str = "
.added { width: min(1040px, calc(100% - 48px)); margin: 24px auto; padding: 28px; border-radius: 20px; background: var(--surface, #ffffff); color: var(--text, #0f172a); border: 1px solid var(--line, #e2e8f0); }
.added h2 { font-size: 24px; margin: 0 0 8px; }
.added p { color: var(--muted, #64748b); max-width: 65ch; }
.added ul { display: flex; gap: 8px; flex-wrap: wrap; list-style: none; margin: 16px 0 0; padding: 0; }
.added li { display: block; padding: 4px 14px; border: 0; border-radius: 99px; font-size: 14px; color: var(--on-accent, #ffffff); background: var(--accent, #0891b2); }
";
const FOOTER_CSS: &str = "
.page-foot { grid-column: 1 / -1; width: 100%; padding: 28px 24px; text-align: center; font-size: 14px; color: var(--muted, #64748b); border-top: 1px solid var(--line, #e2e8f0); }
";

/// Words for a heading.
const TITLE_WORDS: &[&str] = &[
    "titulo",
    "titular",
    "encabezado",
    "cabecera",
    "nombre",
    "title",
    "heading",
    "headline",
    "name",
];

/// The files in hand, and what has been done to them.
struct Work {
    files: Vec<File>,
    done: Vec<String>,
    deleted: Vec<String>,
    renamed: Vec<(String, String)>,
}

/// The project with the changes that the prompt asks for.
pub(super) fn change(files: &[File], prompt: &str, language: Language) -> Made {
    if !files.iter().any(|file| file.path.ends_with(".html")) {
        return pages::make(prompt, None, language);
    }
    let plain = prompt::plain(prompt);
    let mut work =
        Work { files: files.to_vec(), done: Vec::new(), deleted: Vec::new(), renamed: Vec::new() };
    remove_or_rename(&mut work, prompt, &plain, language);
    recolour(&mut work, &plain, language);
    retitle(&mut work, prompt, &plain, language);
    resize(&mut work, &plain, language);
    add_footer(&mut work, prompt, &plain, language);
    let changed = work.files != files || !work.deleted.is_empty() || !work.renamed.is_empty();
    if !changed {
        work.done.clear();
        add_section(&mut work, prompt, language);
    }
    explain(work, files, language)
}

fn explain(work: Work, before: &[File], language: Language) -> Made {
    let mut text = say(
        language,
        "Soy el modelo de demostración de AUTOCREA. Esto es lo que he cambiado:",
        "I am AUTOCREA’s demonstration model. This is what I changed:",
    )
    .to_owned();
    for done in &work.done {
        let _ = write!(text, "\n- {done}");
    }
    let files = work.files.into_iter().filter(|file| !before.contains(file)).collect();
    Made {
        before: text,
        files,
        deleted: work.deleted,
        renamed: work.renamed,
        after: say(
            language,
            "La versión anterior sigue en el historial.",
            "The previous version is still in the history.",
        )
        .to_owned(),
    }
}

fn remove_or_rename(work: &mut Work, prompt: &str, plain: &str, language: Language) {
    let asks = |verbs: &[&str]| verbs.iter().any(|verb| prompt::find_word(plain, verb).is_some());
    let words: Vec<&str> = prompt
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| "\"'`«»“”,;:()".contains(letter)))
        .map(|word| word.trim_end_matches('.'))
        .collect();
    let known = |word: &&&str| work.files.iter().any(|file| file.path == **word);
    let Some(path) = words.iter().find(known).map(|word| (*word).to_owned()) else {
        return;
    };
    if asks(&["borra", "elimina", "quita", "delete", "remove"]) {
        let done = say(language, "He borrado", "I deleted");
        work.done.push(format!("{done} `{path}`."));
        work.deleted.push(path);
    } else if asks(&["renombra", "rename"]) {
        let looks_like_file = |word: &&&str| word.contains('.') && **word != path;
        let Some(to) = words.iter().find(looks_like_file).map(|word| (*word).to_owned()) else {
            return;
        };
        let done = say(language, "He renombrado", "I renamed");
        work.done.push(format!("{done} `{path}` → `{to}`."));
        work.renamed.push((path, to));
    }
}

fn recolour(work: &mut Work, plain: &str, language: Language) {
    let colour = Colour::named_in(plain);
    let mut tokens: Vec<(&str, &str)> = Vec::new();
    if let Some(colour) = colour {
        tokens.extend([
            ("--accent", colour.accent),
            ("--accent-2", colour.second),
            ("--on-accent", colour.on),
        ]);
        let done = say(language, "El color principal es ahora", "The main colour is now");
        work.done.push(format!("{done} {}.", colour.name(language)));
    }
    let shades: Vec<&str> = DARK.iter().chain(LIGHT).copied().collect();
    let shade_only = colour.is_some_and(|colour| colour.is_shaded(plain, &shades));
    if let Some(theme) = Theme::named_in(plain).filter(|_| !shade_only) {
        tokens.extend(theme.tokens());
        work.done.push(match theme {
            Theme::Dark => say(language, "Tema oscuro.", "Dark theme.").to_owned(),
            Theme::Light => say(language, "Tema claro.", "Light theme.").to_owned(),
        });
        if theme == Theme::Light && colour.is_none() {
            work.style(deepen);
        }
    }
    if !tokens.is_empty() {
        work.style(|css| set_tokens(css, &tokens));
    }
}

/// Accents that are bright enough for a dark page are too pale to be read on a light one.
fn deepen(css: &mut String) {
    for (bright, deep) in
        [("--accent: #22d3ee", "--accent: #0e7490"), ("--accent: #38bdf8", "--accent: #0369a1")]
    {
        if css.contains(bright) {
            *css = css.replace(bright, deep);
            set_tokens(css, &[("--on-accent", "#ffffff")]);
        }
    }
}

/// Gives the tokens their values where they are declared; a page without them gets them, and
/// rules that use them, at the end.
fn set_tokens(css: &mut String, tokens: &[(&str, &str)]) {
    let mut missing = String::new();
    for (name, value) in tokens {
        let declaration = format!("{name}:");
        let found = css.find(&declaration).and_then(|start| {
            let start = start + declaration.len();
            Some((start, start + css[start..].find(';')?))
        });
        match found {
            Some((start, end)) => css.replace_range(start..end, &format!(" {value}")),
            None => {
                let _ = write!(missing, " {name}: {value};");
            }
        }
    }
    if missing.contains("--accent:") {
        css.push_str("\nh1, h2, a { color: var(--accent); }\nbutton { background: var(--accent); color: var(--on-accent); }");
    }
    if missing.contains("--bg:") {
        css.push_str("\nbody { background: var(--bg); color: var(--text); }");
    }
    if !missing.is_empty() {
        let _ = write!(css, "\n:root {{{missing} }}\n");
    }
}

fn retitle(work: &mut Work, prompt: &str, plain: &str, language: Language) {
    let Some(at) = TITLE_WORDS.iter().filter_map(|name| prompt::find_word(plain, name)).min()
    else {
        return;
    };
    let told = || {
        // "Change the colour of the title to green" names no title.
        if Colour::named_in(plain).is_some() { None } else { after_mark(prompt, at) }
    };
    let Some(title) = prompt::quoted(prompt).or_else(told) else {
        return;
    };
    let safe = escape(&title);
    work.html(|html| {
        let headed = replace_inside(html, "<h1", "</h1>", &safe);
        let titled = replace_inside(html, "<title", "</title>", &safe);
        if !headed && !titled {
            insert_before(html, &["</body>"], &format!("<h1>{safe}</h1>\n"));
        }
    });
    let done = say(language, "El título es ahora", "The title is now");
    work.done.push(format!("{done} «{title}»."));
}

/// A title given without quotation marks: what follows the first "to" after the word for it.
/// `at` counts letters as the plain prompt has them, which is near enough.
fn after_mark(prompt: &str, at: usize) -> Option<String> {
    let start = (at..=prompt.len()).find(|at| prompt.is_char_boundary(*at))?;
    let rest = &prompt[start..];
    let marks = [": ", " to say ", " to ", " por ", " a "];
    let (_, after) = marks
        .iter()
        .filter_map(|mark| Some((rest.find(mark)?, mark.len())))
        .min()
        .map(|(found, length)| rest.split_at(found + length))?;
    let title = after.trim().trim_end_matches('.');
    (!title.is_empty() && title.chars().count() <= 60).then(|| title.to_owned())
}

fn resize(work: &mut Work, plain: &str, language: Language) {
    let names = |list: &[&str]| list.iter().any(|name| prompt::find_word(plain, name).is_some());
    let bigger = names(&["mas grande", "mas grandes", "bigger", "larger"]);
    let smaller = names(&["mas pequeno", "mas pequena", "mas pequenos", "smaller"]);
    if !bigger && !smaller {
        return;
    }
    let (what, rule) = match (names(TITLE_WORDS), bigger) {
        (true, true) => {
            (say(language, "título", "title"), "h1 { font-size: clamp(44px, 9vw, 96px); }")
        }
        (true, false) => (say(language, "título", "title"), "h1 { font-size: 26px; }"),
        (false, true) => (say(language, "texto", "text"), "body { font-size: 19px; }"),
        (false, false) => (say(language, "texto", "text"), "body { font-size: 14px; }"),
    };
    work.style(|css| {
        if !css.contains(rule) {
            let _ = write!(css, "\n{rule}\n");
        }
    });
    let size = if bigger {
        say(language, "más grande", "larger")
    } else {
        say(language, "más pequeño", "smaller")
    };
    work.done.push(match language {
        Language::Es => format!("El {what} es {size}."),
        Language::En => format!("The {what} is {size}."),
    });
}

fn add_footer(work: &mut Work, prompt: &str, plain: &str, language: Language) {
    let names = ["pie", "pie de pagina", "footer"];
    if !names.iter().any(|name| prompt::find_word(plain, name).is_some()) {
        return;
    }
    let words = prompt::quoted(prompt).unwrap_or_else(|| {
        say(language, "Hecho con cariño en AUTOCREA.", "Made with care in AUTOCREA.").to_owned()
    });
    let safe = escape(&words);
    work.html(|html| {
        if !replace_inside(html, "<footer class=\"page-foot\"", "</footer>", &safe) {
            let footer = format!("<footer class=\"page-foot\">{safe}</footer>\n  ");
            insert_before(html, &["<script", "</body>"], &footer);
        }
    });
    work.style(|css| {
        if !css.contains(".page-foot") {
            css.push_str(FOOTER_CSS);
        }
    });
    let done = say(language, "Hay un pie de página", "There is a footer");
    work.done.push(format!("{done}: «{words}»."));
}

fn add_section(work: &mut Work, prompt: &str, language: Language) {
    let heading = prompt::quoted(prompt).unwrap_or_else(|| section_title(prompt, language));
    let text = say(
        language,
        "Esta sección es nueva. Dime qué debe contar y la completo en la próxima versión.",
        "This section is new. Tell me what it should say and the next version will.",
    );
    let tags = say(
        language,
        "<li>Nuevo</li><li>Fácil de cambiar</li><li>A tu gusto</li>",
        "<li>New</li><li>Easy to change</li><li>Yours</li>",
    );
    let section = format!(
        "<section class=\"added\">\n    <h2>{}</h2>\n    <p>{text}</p>\n    <ul>{tags}</ul>\n  </section>\n  ",
        escape(&heading)
    );
    work.html(|html| {
        // In a page that fills its main area exactly, the section goes below it.
        if html.contains("<main class=\"book\"") {
            insert_before(html, &["<script", "</body>"], &section);
        } else if html.matches("</section>").count() > 1 {
            // High up, where it is seen at once.
            let at = html.find("</section>").map(|at| at + "</section>".len());
            html.insert_str(at.unwrap_or(html.len()), &format!("\n  {}", section.trim_end()));
        } else {
            insert_before(html, &["</main>", "<script", "</body>"], &section);
        }
    });
    work.style(|css| {
        if !css.contains(".added {") {
            css.push_str(SECTION_CSS);
        }
    });
    let done = say(language, "He añadido la sección", "I added the section");
    work.done.push(format!("{done} «{heading}»."));
}

/// The words of the request without those that only ask.
fn section_title(prompt: &str, language: Language) -> String {
    let asking = [
        "anade", "agrega", "pon", "incluye", "mete", "ahora", "tambien", "seccion", "add", "put",
        "include", "insert", "now", "also", "section", "apartado", "nueva", "nuevo", "new",
    ];
    let rest: Vec<&str> = prompt
        .split_whitespace()
        .filter(|word| {
            let word = prompt::plain(word);
            !asking.contains(&word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        })
        .collect();
    pages::subject(&rest.join(" "), language)
}

impl Work {
    /// Works on the page: `index.html`, else the first one.
    fn html(&mut self, work: impl FnOnce(&mut String)) {
        let found = self.position("index.html", ".html");
        if let Some(file) = found.and_then(|index| self.files.get_mut(index)) {
            work(&mut file.text);
        }
    }

    /// Works on the style sheet; a page without one keeps its style in its head.
    fn style(&mut self, work: impl FnOnce(&mut String)) {
        if let Some(index) = self.position("styles.css", ".css") {
            if let Some(file) = self.files.get_mut(index) {
                work(&mut file.text);
            }
            return;
        }
        self.html(|html| {
            let inside = html.find("<style>").map(|start| start + "<style>".len());
            let range =
                inside.and_then(|start| Some(start..start + html[start..].find("</style>")?));
            match range {
                Some(range) => {
                    let mut css = html[range.clone()].to_owned();
                    work(&mut css);
                    html.replace_range(range, &css);
                }
                None => {
                    let mut css = String::new();
                    work(&mut css);
                    let style = format!("<style>{css}</style>\n");
                    insert_before(html, &["</head>", "<body", "</body>"], &style);
                }
            }
        });
    }

    fn position(&self, name: &str, ending: &str) -> Option<usize> {
        let named = self.files.iter().position(|file| file.path == name);
        named.or_else(|| self.files.iter().position(|file| file.path.ends_with(ending)))
    }
}

/// Puts `text` between the first tag that begins with `open` and its `close`.
fn replace_inside(html: &mut String, open: &str, close: &str, text: &str) -> bool {
    let range = html.find(open).and_then(|start| {
        let start = start + html[start..].find('>')? + 1;
        Some(start..start + html[start..].find(close)?)
    });
    match range {
        Some(range) => {
            html.replace_range(range, text);
            true
        }
        None => false,
    }
}

/// Puts `text` before the last of the first mark that is there, else at the end.
fn insert_before(html: &mut String, marks: &[&str], text: &str) {
    let at = marks.iter().find_map(|mark| html.rfind(mark));
    html.insert_str(at.unwrap_or(html.len()), text);
}
