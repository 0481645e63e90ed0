//! What the shell's custom scheme serves: the files of one version, one origin a version.
//!
//! An address is `preview://<project>-<number>/<path>`. The shell takes a request apart and hands
//! host and path to [`Studio::preview_serve`]; whatever the answer, it is a response, and nothing
//! outside that version is ever in it. Pages get one script before their own ([`html`]); a policy
//! in the header allows no network and repeats the frame's sandbox, should the page ever be
//! opened without one.
//!
//! Deliberately not here yet: the transformation of TSX, JSX and TypeScript, whose place is
//! between reading a file and answering with it.

mod entry;
mod html;
mod media_type;

use crate::Studio;
use crate::error::{Error, Thing};
use crate::ipc::PreviewTarget;
use crate::messages::Say;
use crate::store::{self, blobs};
use std::str::FromStr;
use uuid::Uuid;

/// The scheme of previews.
pub const SCHEME: &str = "preview";

/// An answer for the shell to hand to the webview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewResponse {
    /// 200 or 404.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// The version that a host stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Host {
    project: Uuid,
    number: u32,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let (project, number) = text.split_once('-')?;
        let plain = project.len() == 32 && number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then_some(())?;
        Some(Self { project: Uuid::from_str(project).ok()?, number: number.parse().ok()? })
    }

    fn text(self) -> String {
        format!("{}-{}", self.project.simple(), self.number)
    }
}

impl Studio {
    /// How a version can be looked at.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn preview_target(&self, project: Uuid, number: u32) -> Result<PreviewTarget, Error> {
        let files = self.version_files(project, number).await?;
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        Ok(match entry::page(&paths) {
            Some(path) => {
                let host = Host { project, number }.text();
                PreviewTarget::Page { url: format!("{SCHEME}://{host}/{}", encoded(path)) }
            }
            None => PreviewTarget::None { reason: entry::why_none(&paths).say(self.language()) },
        })
    }

    /// Answers a request of the preview scheme for `path` (still percent-encoded, with or without
    /// a query) at `host`.
    pub async fn preview_serve(&self, host: &str, path: &str) -> PreviewResponse {
        match self.find(host, path).await {
            Ok((path, bytes)) => {
                let media_type = media_type::of(&path);
                let body = if media_type::is_page(media_type) {
                    html::with_shim(&bytes, self.language())
                } else {
                    bytes
                };
                response(200, host, media_type, body)
            }
            Err(error) => {
                if !matches!(error, Error::NotFound(_)) {
                    tracing::warn!(%error, "a preview could not be served");
                }
                let page = html::missing(self.language());
                response(404, "", "text/html; charset=utf-8", page)
            }
        }
    }

    /// The file that a request means: its path and bytes.
    async fn find(&self, host: &str, path: &str) -> Result<(String, Vec<u8>), Error> {
        let Host { project, number } = Host::parse(host).ok_or(Error::NotFound(Thing::Version))?;
        let asked = path.split(['?', '#']).next().unwrap_or_default();
        let asked = decoded(asked).ok_or(Error::NotFound(Thing::File))?;
        self.store()?
            .read(move |db| {
                let kept = store::versions::blobs(db, project, number)?;
                let paths: Vec<&str> = kept.keys().map(String::as_str).collect();
                let found = entry::resolve(&paths, &asked)
                    .and_then(|path| kept.get_key_value(path.as_str()));
                match found {
                    Some((path, blob)) => Ok(Some((path.clone(), blobs::get(db, *blob)?))),
                    None => Ok(None),
                }
            })
            .await?
            .ok_or(Error::NotFound(Thing::File))
    }
}

fn response(status: u16, host: &str, media_type: &str, body: Vec<u8>) -> PreviewResponse {
    PreviewResponse {
        status,
        headers: vec![
            ("Content-Type", media_type.to_owned()),
            ("Content-Security-Policy", policy(host)),
            // The frame's origin is opaque, so even its own modules and fonts are cross-origin.
            ("Access-Control-Allow-Origin", "*".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            ("Referrer-Policy", "no-referrer".to_owned()),
            ("X-DNS-Prefetch-Control", "off".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ],
        body,
    }
}

/// No network. The address is named beside 'self', which engines disagree about in a frame whose
/// origin is opaque.
fn policy(host: &str) -> String {
    let own = if Host::parse(host).is_some() {
        format!("'self' {SCHEME}://{host}")
    } else {
        "'self'".to_owned()
    };
    format!(
        "default-src {own} data: blob: 'unsafe-inline'; connect-src {own} data: blob:; \
         object-src 'none'; base-uri {own}; form-action 'none'; \
         sandbox allow-scripts allow-forms allow-modals"
    )
}

/// A path as it stands in an address.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The path that stands in an address; `None` if it is not text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()))
            .flatten()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
