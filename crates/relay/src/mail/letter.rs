//! A letter: what a mail says, as blocks, and the two forms in which it goes out.
//!
//! What is said is said once ([`super::words`]); HTML and text are two templates over the same
//! blocks, so that neither can say less than the other. The templates escape whatever they are
//! given. No picture is ever fetched: the mark is drawn by the page itself.

use super::keys::Keys;
use super::news::News;
use super::reader::Reader;
use super::{unsubscribe, words};
use crate::config::Config;
use askama::Template;
use autocrea_protocol::UserId;
use autocrea_protocol::config::Links;

/// What a mail says.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// What inboxes show after it.
    pub preheader: String,
    /// The first line.
    pub heading: String,
    /// The rest, in order.
    pub blocks: Vec<Block>,
}

/// A part of a letter.
#[derive(Clone, Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names and values.
    Figures(Vec<(String, String)>),
    /// How much of something is gone.
    Bar {
        /// 0 to 100.
        percent: i64,
        /// The same, as the language writes it.
        shown: String,
        /// What it is, for whoever does not see it.
        label: String,
    },
    /// What to do, one after the other.
    Steps(Vec<Item>),
    /// What there is to choose from or to know, in no order.
    Points(Vec<Item>),
    /// Something to paste into the studio.
    Prompt(String),
    /// Where to go.
    Button {
        /// What it says.
        label: String,
        /// Where it leads.
        url: String,
    },
}

/// One of several.
#[derive(Clone, Debug)]
pub struct Item {
    /// In a few words.
    pub title: String,
    /// In a sentence; may be empty.
    pub text: String,
}

impl Letter {
    pub(super) fn new(
        subject: impl Into<String>,
        preheader: impl Into<String>,
        heading: impl Into<String>,
    ) -> Self {
        let (subject, preheader, heading) = (subject.into(), preheader.into(), heading.into());
        Self { subject, preheader, heading, blocks: Vec::new() }
    }

    pub(super) fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    pub(super) fn text(self, text: impl Into<String>) -> Self {
        self.with(Block::Text(text.into()))
    }
}

/// A mail as it goes out.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The subject.
    pub subject: String,
    /// HTML body.
    pub html: String,
    /// Text body.
    pub text: String,
    /// Where promotion can be ended, if this is that.
    pub unsubscribe: Option<String>,
}

/// What stands at the foot.
struct Foot<'a> {
    tagline: &'a str,
    why: &'a str,
    stop: &'a str,
    unsubscribe: Option<&'a str>,
    links: Vec<(&'a str, &'a str)>,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    lang: &'a str,
    letter: &'a Letter,
    instead: &'a str,
    foot: &'a Foot<'a>,
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct Text<'a> {
    letter: &'a Letter,
    foot: &'a Foot<'a>,
}

/// Writes a mail to somebody.
///
/// # Errors
/// If a template cannot be rendered.
pub fn write(
    config: &Config,
    keys: &Keys,
    user: &UserId,
    news: &News,
    reader: &Reader,
) -> Result<Rendered, askama::Error> {
    let letter = words::of(news, &words::Scene { config, reader, lang: reader.lang });
    let unsubscribe = news.is_promotional().then(|| {
        let token = unsubscribe::token(keys, user);
        format!("{}/api/mail/unsubscribe?token={token}", config.public_url)
    });
    let foot = foot(reader, &config.links, unsubscribe.as_deref());
    let instead = reader.lang.pick(
        "¿No funciona el botón? Entra por este enlace:",
        "Button not working? Use this link:",
    );
    let html =
        Html { lang: reader.lang.as_str(), letter: &letter, instead, foot: &foot }.render()?;
    let text = Text { letter: &letter, foot: &foot }.render()?;
    let text = format!("{}\n", text.trim());
    Ok(Rendered { html, text, subject: letter.subject.clone(), unsubscribe })
}

fn foot<'a>(reader: &Reader, links: &'a Links, unsubscribe: Option<&'a str>) -> Foot<'a> {
    let lang = reader.lang;
    let known = [
        (lang.pick("Ayuda", "Help"), &links.support),
        (lang.pick("Términos", "Terms"), &links.terms),
        (lang.pick("Privacidad", "Privacy"), &links.privacy),
    ];
    Foot {
        tagline: lang.pick("De idea a la materialización", "From idea to the real thing"),
        why: lang.pick(
            "Recibes este correo porque tienes una cuenta en AUTOCREA.",
            "You receive this e-mail because you have an AUTOCREA account.",
        ),
        stop: lang.pick("No quiero más consejos por correo", "No more tips by e-mail"),
        unsubscribe,
        links: known
            .into_iter()
            .filter_map(|(name, link)| link.as_deref().map(|link| (name, link)))
            .collect(),
    }
}
