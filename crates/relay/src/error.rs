//! How the relay says no: a closed code outside, the reason inside.
//!
//! Handlers return [`ApiError`]; it travels in the response's extensions and [`render`], a layer
//! around all routes, writes the body, because only there the request's language and id are known.
//! What happened inside is logged where the error is made and never leaves.

use crate::db::DbError;
use crate::lang::Lang;
use crate::metrics;
use crate::upstream::SPANS;
use autocrea_protocol::{ErrorBody, ErrorCode};
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header};
use std::panic::AssertUnwindSafe;
use std::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

/// A refusal.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ErrorCode,
    status: StatusCode,
    sentence: Option<[String; 2]>,
    field: Option<String>,
    retry_after_secs: Option<u64>,
}

/// The id of a request, to quote when asking for help.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub Uuid);

impl ApiError {
    /// A refusal with the code's own sentence.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, status, sentence: None, field: None, retry_after_secs: None }
    }

    /// `invalid_request`, with the field and what to write in it.
    #[must_use]
    pub fn invalid(field: &str, es: &str, en: &str) -> Self {
        let mut error = Self::new(ErrorCode::InvalidRequest).saying(es, en);
        error.field = Some(field.to_owned());
        error
    }

    /// `rate_limited`, with when to try again.
    #[must_use]
    pub fn rate_limited(retry_after_secs: u64) -> Self {
        let mut error = Self::new(ErrorCode::RateLimited);
        error.retry_after_secs = Some(retry_after_secs.max(1));
        error
    }

    /// `internal`; the reason goes to the log and nowhere else.
    #[must_use]
    pub fn internal(reason: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %reason, "a request failed inside");
        Self::new(ErrorCode::Internal)
    }

    /// `upstream_unavailable`, as 502 (it answered badly) or 503 (it did not answer).
    #[must_use]
    pub fn upstream(status: StatusCode) -> Self {
        Self { status, ..Self::new(ErrorCode::UpstreamUnavailable) }
    }

    /// With a sentence of its own.
    #[must_use]
    pub fn saying(mut self, es: &str, en: &str) -> Self {
        self.sentence = Some([es.to_owned(), en.to_owned()]);
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence in a language.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> &str {
        match &self.sentence {
            Some([es, en]) => lang.pick(es, en),
            None => default_sentence(self.code, lang),
        }
    }
}

/// What each code says when nothing more exact is known.
fn default_sentence(code: ErrorCode, lang: Lang) -> &'static str {
    let (es, en) = match code {
        ErrorCode::Unauthenticated => {
            ("No autenticado: inicia sesión de nuevo.", "Not signed in: please sign in again.")
        }
        ErrorCode::Forbidden => {
            ("No tienes permiso para hacer esto.", "You are not allowed to do this.")
        }
        ErrorCode::InvalidRequest => (
            "La petición no es válida: revisa lo que has enviado.",
            "The request is not valid: please check what you sent.",
        ),
        ErrorCode::InvalidPlan => (
            "Plan inválido: elige uno de los que se ofrecen.",
            "Invalid plan: please choose one of those on offer.",
        ),
        ErrorCode::NoSubscription => (
            "No hay suscripción activa: elige primero un plan.",
            "There is no active subscription: please choose a plan first.",
        ),
        ErrorCode::NotFound => (
            "No se ha encontrado lo que pides: comprueba la dirección.",
            "What you asked for was not found: please check the address.",
        ),
        ErrorCode::MethodNotAllowed => {
            ("Esta dirección no admite ese método.", "This address does not take that method.")
        }
        ErrorCode::GenerationConflict => (
            "Ese identificador ya se usó para otra generación: empieza una nueva.",
            "That id was used for another generation: please start a new one.",
        ),
        ErrorCode::PayloadTooLarge => (
            "Lo que envías es demasiado grande: acórtalo.",
            "What you sent is too large: please shorten it.",
        ),
        ErrorCode::UnsupportedMediaType => (
            "El cuerpo debe ser JSON (Content-Type: application/json).",
            "The body must be JSON (Content-Type: application/json).",
        ),
        ErrorCode::TokenLimit => (
            "No te quedan tokens suficientes: espera a que se renueven o elige otro plan.",
            "You do not have enough tokens left: wait for them to renew or choose another plan.",
        ),
        ErrorCode::RateLimited => (
            "Demasiadas peticiones: espera un momento y vuelve a intentarlo.",
            "Too many requests: please wait a moment and try again.",
        ),
        ErrorCode::TooManyGenerations => (
            "Ya hay tantas generaciones en marcha como permite tu plan: espera a que acabe una.",
            "As many generations as your plan allows are running: please wait for one to end.",
        ),
        ErrorCode::UpstreamUnavailable => (
            "Un servicio que hace falta no responde: vuelve a intentarlo en un momento.",
            "A service that is needed does not answer: please try again in a moment.",
        ),
        ErrorCode::Internal => (
            "Algo ha fallado de nuestro lado: vuelve a intentarlo en un momento.",
            "Something failed on our side: please try again in a moment.",
        ),
    };
    lang.pick(es, en)
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        // The one row that every handler needs is its person's. Whoever has left since they were
        // let in begins anew with their next call.
        if matches!(error, DbError::NoRow) {
            tracing::warn!("a request met nobody: its person has left meanwhile");
            return Self::new(ErrorCode::Unauthenticated);
        }
        Self::internal(&error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.code == ErrorCode::Unauthenticated {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer that gives each request an id and each refusal its body.
pub async fn render(mut request: Request, next: Next) -> Response {
    let id = RequestId(Uuid::now_v7());
    let lang = Lang::of(request.headers());
    request.extensions_mut().insert(id);
    let asked = Asked::of(&request, id);
    let span = asked.span();
    let ran = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = ran.unwrap_or_else(|_| {
        tracing::error!(request_id = %id.0, "a handler panicked");
        ApiError::new(ErrorCode::Internal).into_response()
    });
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let body = ErrorBody {
            error: error.sentence(lang).to_owned(),
            code: error.code,
            request_id: id.0.to_string(),
            field: error.field,
        };
        let headers = std::mem::take(response.headers_mut());
        response = (response.status(), axum::Json(body)).into_response();
        for (name, value) in &headers {
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id.0.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    span.record("http.response.status_code", response.status().as_u16());
    asked.log(response.status());
    response
}

/// What the log says of a request: its route, never its address, query or headers.
struct Asked {
    id: RequestId,
    method: Method,
    route: String,
    since: Instant,
}

impl Asked {
    fn of(request: &Request, id: RequestId) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or_else(|| "none".to_owned(), |it| it.as_str().to_owned());
        Self { id, method: request.method().clone(), route, since: Instant::now() }
    }

    /// Off unless traces are exported.
    fn span(&self) -> tracing::Span {
        let (method, route) = (&self.method, &self.route);
        tracing::trace_span!(
            target: SPANS,
            "request",
            otel.name = format!("{method} {route}"),
            otel.kind = "server",
            http.request.method = %method,
            http.route = route,
            http.response.status_code = Empty,
            request_id = %self.id.0,
        )
    }

    fn log(&self, status: StatusCode) {
        metrics::http(&self.method, &self.route, status.as_u16(), self.since.elapsed());
        let (method, route, request_id) = (&self.method, &self.route, self.id.0);
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = status.as_u16();
        if status >= 400 {
            tracing::info!(%method, route, status, millis, %request_id, "refused");
        } else {
            tracing::debug!(%method, route, status, millis, %request_id, "answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    async fn asked(handler: Router) -> (StatusCode, http::HeaderMap, ErrorBody) {
        let request = Request::builder().uri("/").header("accept-language", "en");
        let request = request.body(Body::empty()).expect("a request");
        let router = handler.layer(axum::middleware::from_fn(render));
        let response = router.oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        (parts.status, parts.headers, serde_json::from_slice(&bytes).expect("JSON"))
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_500_and_nothing_of_the_inside() {
        async fn broken() -> &'static str {
            assert!(std::env::args().count() > 1_000, "the secret reason");
            "never"
        }
        let (status, _, body) = asked(Router::new().route("/", get(broken))).await;
        assert_eq!((status, body.code), (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal));
        assert!(!body.error.contains("secret"));
    }

    #[tokio::test]
    async fn a_failure_of_the_database_says_nothing_of_the_inside() {
        async fn failing() -> Result<(), ApiError> {
            Err(DbError::Column { index: 3, expected: "tokens" })?
        }
        let (status, _, body) = asked(Router::new().route("/", get(failing))).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body.error, "Something failed on our side: please try again in a moment.");
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_headers_and_carries_the_id_of_the_request() {
        async fn limited() -> ApiError {
            ApiError::rate_limited(7)
        }
        let (status, headers, body) = asked(Router::new().route("/", get(limited))).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers[header::RETRY_AFTER], "7");
        assert_eq!(headers["x-request-id"], body.request_id);
    }

    #[test]
    fn every_code_has_a_sentence_in_both_languages() {
        let codes = [
            ErrorCode::Unauthenticated,
            ErrorCode::Forbidden,
            ErrorCode::InvalidRequest,
            ErrorCode::InvalidPlan,
            ErrorCode::NoSubscription,
            ErrorCode::NotFound,
            ErrorCode::MethodNotAllowed,
            ErrorCode::GenerationConflict,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::TokenLimit,
            ErrorCode::RateLimited,
            ErrorCode::TooManyGenerations,
            ErrorCode::UpstreamUnavailable,
            ErrorCode::Internal,
        ];
        let known = ["No autenticado", "Plan inválido", "No hay suscripción activa"];
        let spanish: Vec<_> = codes.map(|code| default_sentence(code, Lang::Es)).to_vec();
        for beginning in known {
            assert!(spanish.iter().any(|it| it.starts_with(beginning)), "{beginning}");
        }
        for code in codes {
            assert_ne!(default_sentence(code, Lang::Es), default_sentence(code, Lang::En));
        }
    }
}
