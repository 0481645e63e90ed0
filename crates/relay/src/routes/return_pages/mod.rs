//! The three pages that bring people back from the browser: after signing in, after paying, and
//! from Stripe's portal. Clerk and Stripe only redirect to https, so the browser comes here and the
//! page opens the app's own link, by script at once and by a button for whoever must confirm.
//!
//! Only six parameters are passed on, rebuilt rather than copied; nothing of the query is logged or
//! kept. Script and style are the only things that the page's policy lets run, by their hashes.
//! Whether a code is any good is the app's business: the page looks the same for all.

use crate::lang::Lang;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use url::form_urlencoded;

/// All that is passed on to the app.
const PASSED_ON: [&str; 6] =
    ["code", "state", "error", "error_description", "session_id", "cancelled"];

pub(super) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// The policy of a page with this style, no script, and a form that goes nowhere else.
pub(super) fn style_alone() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'",
            hash(STYLE)
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    // Base64 and ASCII: always a valid header.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The routes of the three pages.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/return/auth", get(auth))
        .route("/return/checkout", get(checkout))
        .route("/return/portal", get(portal))
}

async fn auth(lang: Lang, RawQuery(query): RawQuery) -> Response {
    let passed = Passed::read(query.as_deref());
    let words = if passed.has("error") || !passed.has("code") {
        Words {
            title: lang.pick("No se ha iniciado la sesión", "You are not signed in"),
            text: lang.pick(
                "Vuelve a AUTOCREA para intentarlo otra vez. Tu trabajo sigue ahí.",
                "Go back to AUTOCREA to try again. Your work is still there.",
            ),
        }
    } else {
        Words {
            title: lang.pick("Ya casi está", "Almost there"),
            text: lang.pick(
                "Te llevamos de vuelta a AUTOCREA. Después puedes cerrar esta pestaña.",
                "Taking you back to AUTOCREA. You can close this tab afterwards.",
            ),
        }
    };
    let link = passed.link("autocrea://auth/callback");
    let text = (passed.has("code") && passed.has("state")).then_some(link.as_str());
    page(lang, &words, &link, text)
}

async fn checkout(lang: Lang, RawQuery(query): RawQuery) -> Response {
    let passed = Passed::read(query.as_deref());
    let words = if passed.has("cancelled") {
        Words {
            title: lang.pick("No se ha cobrado nada", "Nothing was charged"),
            text: lang.pick(
                "Has salido del pago. Tu plan sigue como estaba; vuelve a AUTOCREA cuando quieras.",
                "You left the checkout. Your plan is as it was; go back to AUTOCREA when you like.",
            ),
        }
    } else {
        Words {
            title: lang.pick("Gracias", "Thank you"),
            text: lang.pick(
                "Te llevamos de vuelta a AUTOCREA, donde verás tu plan y tus tokens.",
                "Taking you back to AUTOCREA, where you will see your plan and your tokens.",
            ),
        }
    };
    page(lang, &words, &passed.link("autocrea://checkout/return"), None)
}

/// Also where the buttons of mails lead: these say nothing of a plan.
async fn portal(lang: Lang, RawQuery(query): RawQuery) -> Response {
    let from_mail = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "from" && value == "mail");
    if from_mail {
        let words = Words {
            title: lang.pick("Abriendo AUTOCREA", "Opening AUTOCREA"),
            text: lang.pick(
                "Te llevamos a tu estudio. Si estás en el móvil, abre el correo en el equipo donde \
                 tienes AUTOCREA.",
                "Taking you to your studio. If you are on a phone, open the e-mail on the computer \
                 that has AUTOCREA.",
            ),
        };
        return page(lang, &words, "autocrea://portal/return", None);
    }
    let words = Words {
        title: lang.pick("Todo listo", "All set"),
        text: lang.pick(
            "Te llevamos de vuelta a AUTOCREA. Los cambios de tu plan ya están en camino.",
            "Taking you back to AUTOCREA. The changes to your plan are on their way.",
        ),
    };
    page(lang, &words, &Passed::read(query.as_deref()).link("autocrea://portal/return"), None)
}

struct Words {
    title: &'static str,
    text: &'static str,
}

/// The parameters that are passed on, each at most once: the first counts.
struct Passed(Vec<(&'static str, String)>);

impl Passed {
    fn read(query: Option<&str>) -> Self {
        let mut found = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if let Some(known) = PASSED_ON.into_iter().find(|known| *known == name)
                && !found.iter().any(|(seen, _)| *seen == known)
            {
                found.push((known, value.into_owned()));
            }
        }
        Self(found)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| *known == name && !value.is_empty())
    }

    fn link(&self, base: &str) -> String {
        if self.0.is_empty() {
            return base.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish();
        format!("{base}?{query}")
    }
}

fn page(lang: Lang, words: &Words, link: &str, text: Option<&str>) -> Response {
    let link = escape(link);
    let paste = text.map_or_else(String::new, |text| {
        format!(
            "<section class=\"paste\"><p>{}</p><div><input id=\"text\" readonly aria-label=\"{}\" \
             value=\"{}\"><button id=\"copy\" type=\"button\" data-done=\"{}\">{}</button></div></section>",
            lang.pick(
                "¿No se abre? Copia este texto y pégalo en AUTOCREA, donde empezaste a iniciar sesión.",
                "Nothing opened? Copy this text and paste it into AUTOCREA, where you began to sign in.",
            ),
            lang.pick("Texto para pegar en AUTOCREA", "Text to paste into AUTOCREA"),
            escape(text),
            lang.pick("Copiado", "Copied"),
            lang.pick("Copiar", "Copy"),
        )
    });
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title} · AUTOCREA</title>\
         <style>{STYLE}</style></head><body><main>{LOGO}<h1>{title}</h1><p>{}</p>\
         <a class=\"open\" id=\"open\" href=\"{link}\">{}</a>{paste}\
         <footer>AUTOCREA · Powered by JoxAI</footer></main><script>{SCRIPT}</script></body></html>\n",
        lang.as_str(),
        words.text,
        lang.pick("Abrir AUTOCREA", "Open AUTOCREA"),
        title = words.title,
    );
    let headers: [(HeaderName, HeaderValue); 7] = [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.as_str())),
    ];
    (headers, Html(html)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The app's mark, without the ground of its icon.
pub(super) const LOGO: &str = r##"<svg viewBox="196 176 632 660" aria-hidden="true"><defs><linearGradient id="a" x1="240" y1="800" x2="790" y2="230" gradientUnits="userSpaceOnUse"><stop stop-color="#3b82f6"/><stop offset="1" stop-color="#06b6d4"/></linearGradient></defs><path d="M268 764 470 296Q512 208 554 296L756 764" fill="none" stroke="url(#a)" stroke-width="92" stroke-linecap="round" stroke-linejoin="round"/><rect x="424" y="560" width="176" height="176" rx="44" fill="#06b6d4"/></svg>"##;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    async fn get_page(path: &str, language: &str) -> (http::HeaderMap, String) {
        let request = Request::get(path)
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Body::empty())
            .expect("a request");
        let response = routes::<()>().with_state(()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn the_sign_in_page_opens_the_app_and_shows_code_and_state_to_copy() {
        let (_, page) = get_page("/return/auth?code=c%2F1&state=s%201&iss=x&evil=1", "es").await;
        let link = "autocrea://auth/callback?code=c%2F1&amp;state=s+1\"";
        assert!(page.contains(&format!("href=\"{link}")), "{page}");
        assert!(page.contains(&format!("value=\"{link}")));
        assert!(!page.contains("evil") && !page.contains("iss="));
    }

    #[tokio::test]
    async fn what_the_policy_lets_run_is_this_pages_script_and_style_and_nothing_else() {
        let (headers, page) = get_page("/return/portal", "en").await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        for (open, close) in [("<script>", "</script>"), ("<style>", "</style>")] {
            let from = page.find(open).expect("there") + open.len();
            let inside = &page[from..page.find(close).expect("closed")];
            let hash = STANDARD.encode(Sha256::digest(inside));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{open}");
        }
        assert!(!page.contains(" style=") && !page.contains(" onclick="));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[tokio::test]
    async fn nothing_in_the_query_gets_out_of_its_attribute() {
        let (_, page) =
            get_page("/return/auth?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&state=s", "es")
                .await;
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(page.contains("code=%22%3E%3Cscript%3E"));
    }

    #[tokio::test]
    async fn a_mails_button_opens_the_app_and_speaks_of_no_change() {
        let (_, page) = get_page("/return/portal?from=mail", "es").await;
        assert!(page.contains("href=\"autocrea://portal/return\"") && page.contains("Abriendo"));
        assert!(!page.contains("Los cambios"));
    }

    #[tokio::test]
    async fn paying_giving_up_and_the_portal_come_back_in_the_language_asked_for() {
        let (headers, page) = get_page("/return/checkout?session_id=cs_1&cancelled=1", "en").await;
        assert!(page.contains("autocrea://checkout/return?session_id=cs_1&amp;cancelled=1"));
        assert!(page.contains("Nothing was charged"));
        assert_eq!(headers[header::CONTENT_LANGUAGE], "en");
        let (_, page) = get_page("/return/portal", "es").await;
        assert!(page.contains("href=\"autocrea://portal/return\"") && page.contains("Todo listo"));
        assert!(!page.contains("id=\"text\""));
    }
}
