//! What a prompt asks for, as far as a model of a few words can tell.

/// The languages that the model speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Es,
    En,
}

/// The pages that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Todo,
    Landing,
    Calculator,
    Dashboard,
    Shop,
    Notes,
    Game,
    Habits,
    Api,
    Anything,
}

const KINDS: &[(Kind, &[&str])] = &[
    (
        Kind::Todo,
        &[
            "to-do",
            "todo list",
            "todo app",
            "lista todo",
            "to do",
            "tareas",
            "pendientes",
            "task list",
            "tasks",
            "checklist",
            "por hacer",
        ],
    ),
    (Kind::Calculator, &["calculadora", "calculator"]),
    (Kind::Notes, &["notas", "notes", "bloc", "apuntes", "diario", "journal"]),
    (
        Kind::Shop,
        &[
            "tienda",
            "shop",
            "store",
            "carrito",
            "cart",
            "ecommerce",
            "e-commerce",
            "catalogo",
            "venta",
        ],
    ),
    (
        Kind::Dashboard,
        &[
            "dashboard",
            "panel",
            "estadisticas",
            "analytics",
            "metricas",
            "metrics",
            "kpi",
            "cuadro de mando",
            "admin",
        ],
    ),
    (
        Kind::Landing,
        &[
            "landing",
            "portada",
            "pagina de inicio",
            "home page",
            "homepage",
            "pagina de aterrizaje",
            "promocion",
            "saas",
            "startup",
            "presentacion",
        ],
    ),
    (Kind::Game, &["juego", "videojuego", "game", "snake", "serpiente"]),
    (
        Kind::Habits,
        &[
            "habitos",
            "habito",
            "habits",
            "habit",
            "app movil",
            "aplicacion movil",
            "mobile app",
            "movil",
        ],
    ),
    (Kind::Api, &["api", "rest", "backend", "servidor", "server", "endpoint", "endpoints"]),
];

const SPANISH: &[&str] = &[
    "una",
    "un",
    "el",
    "la",
    "los",
    "las",
    "de",
    "del",
    "con",
    "para",
    "que",
    "mi",
    "mis",
    "y",
    "en",
    "por",
    "haz",
    "hazme",
    "crea",
    "creame",
    "quiero",
    "pagina",
    "lista",
    "tareas",
    "tienda",
    "cambia",
    "pon",
    "anade",
    "agrega",
    "boton",
    "hola",
    "sencilla",
    "sencillo",
    "color",
    "azul",
    "rojo",
    "verde",
    "oscuro",
    "claro",
    "calculadora",
    "notas",
    "mas",
    "titulo",
    "pie",
];
const ENGLISH: &[&str] = &[
    "a",
    "an",
    "the",
    "with",
    "for",
    "and",
    "of",
    "my",
    "make",
    "build",
    "create",
    "want",
    "page",
    "list",
    "that",
    "to",
    "in",
    "change",
    "add",
    "put",
    "button",
    "hello",
    "simple",
    "blue",
    "red",
    "green",
    "dark",
    "light",
    "calculator",
    "notes",
    "shop",
    "please",
    "me",
    "it",
    "title",
];

/// Lower case without diacritics, so that `página` and `PAGINA` are one word.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            'á' | 'à' | 'ä' | 'â' => 'a',
            'é' | 'è' | 'ë' | 'ê' => 'e',
            'í' | 'ì' | 'ï' | 'î' => 'i',
            'ó' | 'ò' | 'ö' | 'ô' => 'o',
            'ú' | 'ù' | 'ü' | 'û' => 'u',
            'ñ' => 'n',
            other => other,
        })
        .collect()
}

/// Words of plain text.
pub(super) fn words(plain: &str) -> impl Iterator<Item = &str> {
    plain
        .split(|letter: char| !letter.is_alphanumeric() && letter != '-')
        .filter(|word| !word.is_empty())
}

/// Spanish unless the prompt has more of English.
pub(super) fn language(prompt: &str) -> Language {
    if prompt.contains(['ñ', '¿', '¡', 'Ñ']) {
        return Language::Es;
    }
    let text = plain(prompt);
    let count = |list: &[&str]| words(&text).filter(|word| list.contains(word)).count();
    if count(ENGLISH) > count(SPANISH) { Language::En } else { Language::Es }
}

/// The kind of page whose words come first in the prompt.
pub(super) fn kind(prompt: &str) -> Kind {
    let text = plain(prompt);
    KINDS
        .iter()
        .filter_map(|(kind, names)| {
            let first = names.iter().filter_map(|name| find_word(&text, name)).min()?;
            Some((first, *kind))
        })
        .min_by_key(|(first, _)| *first)
        .map_or(Kind::Anything, |(_, kind)| kind)
}

/// Where `name` begins a word of `text`.
pub(super) fn find_word(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let part_of_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        !part_of_word(before) && !part_of_word(after)
    })
}

/// What stands between quotation marks, of whatever kind, first in the prompt. An apostrophe
/// within a word is no quotation mark.
pub(super) fn quoted(prompt: &str) -> Option<String> {
    let pairs = [('"', '"'), ('“', '”'), ('«', '»'), ('\'', '\''), ('‘', '’'), ('`', '`')];
    let alone = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    pairs
        .iter()
        .filter_map(|(open, close)| {
            let (at, _) = prompt
                .match_indices(*open)
                .find(|(at, _)| alone(prompt[..*at].chars().next_back()))?;
            let start = at + open.len_utf8();
            let (end, _) = prompt[start..]
                .match_indices(*close)
                .find(|(end, _)| alone(prompt[start + end + close.len_utf8()..].chars().next()))?;
            let inside = prompt[start..start + end].trim();
            (!inside.is_empty() && inside.chars().count() <= 80).then(|| (start, inside.to_owned()))
        })
        .min_by_key(|(start, _)| *start)
        .map(|(_, inside)| inside)
}

/// The name that the prompt gives: quoted, or after "called" and its like.
pub(super) fn name(prompt: &str) -> Option<String> {
    if let Some(quoted) = quoted(prompt) {
        return Some(quoted);
    }
    let introductions = ["llamada ", "llamado ", "que se llame ", "called ", "named ", "titulada "];
    let lower = prompt.to_lowercase();
    // Lowering can change lengths in a few scripts; then the name is not looked for.
    if lower.len() != prompt.len() {
        return None;
    }
    introductions.iter().find_map(|introduction| {
        let start = lower.find(introduction)? + introduction.len();
        let rest = prompt.get(start..)?;
        let end = rest.find(['.', ',', ';', ':', '\n', '(']).unwrap_or(rest.len());
        let stop = [" con ", " with ", " que ", " that ", " para ", " for ", " y ", " and "];
        let end = stop.iter().filter_map(|word| rest.find(word)).fold(end, usize::min);
        let name = rest[..end].trim();
        (!name.is_empty() && name.chars().count() <= 40).then(|| name.to_owned())
    })
}

/// The same with a capital first letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What the page is about: the words after "for" and its like. `of_too` takes "de" as one.
pub(super) fn topic(prompt: &str, of_too: bool) -> Option<String> {
    let mut introductions = vec![" para ", " sobre ", " for ", " about "];
    if of_too {
        introductions.extend([" de ", " selling "]);
    }
    let start =
        introductions.iter().filter_map(|word| Some(prompt.find(word)? + word.len())).min()?;
    let rest = prompt.get(start..)?;
    let ends = [
        " con ", " que ", " with ", " that ", " llamad", " called ", " named ", ".", ",", ";", ":",
        "(", "\n", "\"", "“", "«", "'", "#",
    ];
    let end = ends.iter().filter_map(|word| rest.find(word)).min();
    let mut topic = rest[..end.unwrap_or(rest.len())].trim();
    for article in ["una ", "un ", "la ", "el ", "los ", "las ", "mi ", "a ", "an ", "the ", "my "]
    {
        topic = topic.strip_prefix(article).unwrap_or(topic);
    }
    (!topic.is_empty() && topic.chars().count() <= 60).then(|| capitalised(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_prompt() {
        for prompt in ["Haz una lista de tareas", "cambia el color a verde", "calculadora", ""] {
            assert_eq!(language(prompt), Language::Es, "{prompt}");
        }
        for prompt in ["Make a to-do list", "change the color to green", "a calculator, please"] {
            assert_eq!(language(prompt), Language::En, "{prompt}");
        }
    }

    #[test]
    fn the_kind_is_what_the_prompt_names_first() {
        assert_eq!(kind("Una lista de tareas que guarde en localStorage"), Kind::Todo);
        assert_eq!(kind("Make a to-do list"), Kind::Todo);
        assert_eq!(kind("Página de inicio para una tienda de té"), Kind::Landing);
        assert_eq!(kind("Una tienda online de cerámica"), Kind::Shop);
        assert_eq!(kind("Panel de ventas"), Kind::Dashboard);
        assert_eq!(kind("quick notes"), Kind::Notes);
        assert_eq!(kind("Una API REST para mis tareas"), Kind::Api);
        assert_eq!(kind("An app for mobile: habits"), Kind::Habits);
        assert_eq!(kind("A snake game"), Kind::Game);
        assert_eq!(kind("Algo sobre volcanes"), Kind::Anything);
        assert_eq!(kind("Cuéntalo todo sobre el mar"), Kind::Anything);
    }

    #[test]
    fn the_topic_is_what_the_page_is_for() {
        let landing = "Haz una landing page para una cafetería de especialidad con reservas";
        assert_eq!(topic(landing, false).as_deref(), Some("Cafetería de especialidad"));
        assert_eq!(topic("Tienda online de cerámica.", true).as_deref(), Some("Cerámica"));
        assert_eq!(topic("A landing page", false), None);
    }

    #[test]
    fn a_name_is_found_where_it_is_given() {
        assert_eq!(
            name("Una tienda llamada Barro Vivo con carrito").as_deref(),
            Some("Barro Vivo")
        );
        assert_eq!(name("A landing page for “Lumen Café”").as_deref(), Some("Lumen Café"));
        assert_eq!(name("Una calculadora"), None);
        assert_eq!(name("A page that doesn't look like the others' pages"), None);
        assert_eq!(name("Call it 'Peter's'").as_deref(), Some("Peter's"));
    }
}
