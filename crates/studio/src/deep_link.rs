//! Reading `autocrea://` links.
//!
//! A link comes from anywhere: a browser, another program, a line in a mail. So this parser takes
//! exactly four shapes, each with exactly the parameters that it needs, once each, and refuses
//! everything else; that a link is well-formed says nothing yet about whether it is ours (a state
//! is checked against the store, a session against the relay). Pure: no I/O, nothing remembered.

use url::Url;
use uuid::Uuid;

/// Our scheme.
pub const SCHEME: &str = "autocrea";
/// Codes and states are short; a link longer than this is not one of ours.
const LONGEST: usize = 4096;

/// What a link asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The browser came back from signing in.
    Auth(AuthAnswer),
    /// The browser came back from paying.
    Checkout(CheckoutAnswer),
    /// The browser came back from the billing portal.
    Portal,
    /// Show a project.
    Project(Uuid),
}

/// What the provider says at the end of a sign-in.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthAnswer {
    /// Yes: a code for the attempt with this state.
    Code {
        /// To be exchanged, once.
        code: String,
        /// Which attempt.
        state: String,
    },
    /// No.
    Denied {
        /// OAuth's word: `access_denied` …
        error: String,
        /// Which attempt.
        state: String,
    },
}

/// Codes are secrets while they live, so neither they nor states are printed.
impl std::fmt::Debug for AuthAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code { .. } => f.write_str("Code"),
            Self::Denied { .. } => f.write_str("Denied"),
        }
    }
}

impl AuthAnswer {
    /// Which attempt it answers.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Code { state, .. } | Self::Denied { state, .. } => state,
        }
    }
}

/// What Checkout says at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutAnswer {
    /// It was gone through; whether it was paid, the relay knows.
    Returned {
        /// Stripe's session.
        session_id: String,
    },
    /// The person turned back.
    Cancelled,
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not a link of ours at all, or not readable.
    #[error("the link is not one of AUTOCREA's")]
    Malformed,
    /// Ours, but it leads nowhere that this version knows.
    #[error("the link leads nowhere")]
    Unknown,
    /// A text to paste that has no state: a bare code proves nothing.
    #[error("the text lacks its state")]
    NoState,
}

/// Reads a link.
///
/// # Errors
/// [`LinkError`]; a refused link has no effect.
pub fn parse(text: &str) -> Result<Link, LinkError> {
    let url = read_url(text)?;
    if url.scheme() != SCHEME || !url.username().is_empty() || url.password().is_some() {
        return Err(LinkError::Malformed);
    }
    if url.port().is_some() || url.fragment().is_some() {
        return Err(LinkError::Malformed);
    }
    let host = url.host_str().ok_or(LinkError::Malformed)?.to_ascii_lowercase();
    let path = url.path().trim_matches('/');
    match (host.as_str(), path) {
        ("auth", "callback") => read_auth(&url).map(Link::Auth),
        ("checkout", "return") => read_checkout(&url).map(Link::Checkout),
        // The relay's bounce page for the portal is given nothing, so it passes nothing on.
        ("portal", "return") => Ok(Link::Portal),
        ("project", id) => id.parse().map(Link::Project).map_err(|_| LinkError::Malformed),
        _ => Err(LinkError::Unknown),
    }
}

/// Reads what a person pasted from the bounce page: the whole link, the address of the bounce page
/// or of the loopback callback, or just their query. A bare code is refused, since without its
/// state anybody's code could be slipped in.
///
/// # Errors
/// [`LinkError`].
pub fn parse_pasted(text: &str) -> Result<AuthAnswer, LinkError> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(LinkError::Malformed);
    }
    if text.contains("://") {
        return read_auth(&read_url(text)?);
    }
    if !text.contains('=') {
        return Err(LinkError::NoState);
    }
    let query = text.trim_start_matches('?');
    let url = Url::parse(&format!("{SCHEME}://auth/callback?{query}"));
    read_auth(&url.map_err(|_| LinkError::Malformed)?)
}

/// Reads the query of a sign-in's callback, wherever it arrived.
///
/// # Errors
/// [`LinkError`].
pub fn read_auth(url: &Url) -> Result<AuthAnswer, LinkError> {
    let state = one(url, "state")?.ok_or(LinkError::NoState)?;
    let (code, error) = (one(url, "code")?, one(url, "error")?);
    match (code, error) {
        (Some(code), None) => Ok(AuthAnswer::Code { code, state }),
        (None, Some(error)) => Ok(AuthAnswer::Denied { error, state }),
        _ => Err(LinkError::Malformed),
    }
}

fn read_checkout(url: &Url) -> Result<CheckoutAnswer, LinkError> {
    let session_id = one(url, "session_id")?;
    match (session_id, one(url, "cancelled")?) {
        (_, Some(cancelled)) if cancelled == "1" => Ok(CheckoutAnswer::Cancelled),
        (Some(session_id), None) if is_session_id(&session_id) => {
            Ok(CheckoutAnswer::Returned { session_id })
        }
        _ => Err(LinkError::Malformed),
    }
}

fn is_session_id(text: &str) -> bool {
    text.starts_with("cs_")
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The value of a parameter that may be there once, and then not empty.
fn one(url: &Url, name: &str) -> Result<Option<String>, LinkError> {
    let mut found = None;
    for (key, value) in url.query_pairs() {
        if key == name {
            let printable = !value.is_empty() && !value.chars().any(char::is_control);
            if found.is_some() || !printable {
                return Err(LinkError::Malformed);
            }
            found = Some(value.into_owned());
        }
    }
    Ok(found)
}

fn read_url(text: &str) -> Result<Url, LinkError> {
    if text.len() > LONGEST || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(LinkError::Malformed);
    }
    Url::parse(text).map_err(|_| LinkError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(code: &str, state: &str) -> AuthAnswer {
        AuthAnswer::Code { code: code.into(), state: state.into() }
    }

    #[test]
    fn the_four_links_are_read() {
        let id = Uuid::now_v7();
        assert_eq!(
            parse("autocrea://auth/callback?code=c0de&state=st4te"),
            Ok(Link::Auth(code("c0de", "st4te")))
        );
        assert_eq!(
            parse("autocrea://checkout/return?session_id=cs_test_1"),
            Ok(Link::Checkout(CheckoutAnswer::Returned { session_id: "cs_test_1".into() }))
        );
        assert_eq!(
            parse("autocrea://checkout/return?session_id=cs_test_1&cancelled=1"),
            Ok(Link::Checkout(CheckoutAnswer::Cancelled))
        );
        assert_eq!(parse("autocrea://portal/return"), Ok(Link::Portal));
        assert_eq!(parse(&format!("autocrea://project/{id}")), Ok(Link::Project(id)));
    }

    #[test]
    fn a_refusal_of_the_provider_is_read_with_its_state() {
        let link =
            parse("autocrea://auth/callback?error=access_denied&state=s&error_description=x");
        let denied = AuthAnswer::Denied { error: "access_denied".into(), state: "s".into() };
        assert_eq!(link, Ok(Link::Auth(denied)));
    }

    #[test]
    fn foreign_malformed_and_ambiguous_links_are_refused() {
        for text in [
            "",
            "autocrea",
            "autocrea:",
            "https://auth/callback?code=a&state=b",
            "autocrea://user@auth/callback?code=a&state=b",
            "autocrea://auth:80/callback?code=a&state=b",
            "autocrea://auth/callback?code=a&state=b#c",
            "autocrea://auth/callback?code=a&code=b&state=c",
            "autocrea://auth/callback?code=a&error=b&state=c",
            "autocrea://auth/callback?code=&state=c",
            "autocrea://auth/callback?code=a%00&state=c",
            "autocrea://auth/callback?state=c",
            "autocrea://checkout/return",
            "autocrea://checkout/return?session_id=../../x",
            "autocrea://checkout/return?cancelled=2",
            "autocrea://project/not-an-id",
            "autocrea://project/",
            "autocrea://auth/callback?code=a b&state=c",
        ] {
            assert_eq!(parse(text), Err(LinkError::Malformed), "{text}");
        }
        assert_eq!(parse("autocrea://settings"), Err(LinkError::Unknown));
        assert_eq!(parse("autocrea://auth/other?code=a&state=b"), Err(LinkError::Unknown));
        assert_eq!(parse("autocrea://auth/callback?code=a"), Err(LinkError::NoState));
        let long = format!("autocrea://auth/callback?state=b&code={}", "a".repeat(LONGEST));
        assert_eq!(parse(&long), Err(LinkError::Malformed));
    }

    #[test]
    fn a_pasted_text_is_read_in_every_form_the_bounce_page_can_give() {
        for text in [
            "code=c&state=s",
            "  ?code=c&state=s \n",
            "autocrea://auth/callback?code=c&state=s",
            "https://relay.example/return/auth?code=c&state=s",
            "http://127.0.0.1:4000/callback?code=c&state=s",
        ] {
            assert_eq!(parse_pasted(text), Ok(code("c", "s")), "{text}");
        }
    }

    #[test]
    fn a_bare_code_is_refused() {
        assert_eq!(parse_pasted("c0de"), Err(LinkError::NoState));
        assert_eq!(parse_pasted("code=c0de"), Err(LinkError::NoState));
        assert_eq!(parse_pasted("   "), Err(LinkError::Malformed));
    }

    #[test]
    fn neither_code_nor_state_is_printed() {
        assert_eq!(format!("{:?}", code("secret", "secret")), "Code");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}", tail in "[a-z:/?=&%0-9]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&format!("autocrea://{tail}"));
            let _ = parse_pasted(&tail);
        }

        #[test]
        fn what_is_encoded_comes_back_whole(value in "[ -~ñ€]{1,40}", state in "[a-zA-Z0-9_-]{1,40}") {
            let mut url = Url::parse("autocrea://auth/callback").expect("a url");
            url.query_pairs_mut().append_pair("code", &value).append_pair("state", &state);
            prop_assert_eq!(parse(url.as_str()), Ok(Link::Auth(code(&value, &state))));
        }
    }
}
