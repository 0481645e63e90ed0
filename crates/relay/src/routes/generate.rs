//! Generating: begin or attach, attach again, stop.

use super::json::{is_json, unreadable};
use crate::app::App;
use crate::auth::Person;
use crate::error::ApiError;
use crate::generation::request::{self, Bounds, RequestError};
use crate::generation::store::Refusal;
use crate::generation::{Key, Live, StartError, follow};
use crate::lang::Lang;
use autocrea_protocol::ErrorCode;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a body of up to eight megabytes may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The routes of generations.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/joxcoder/generate", post(begin))
        .route("/api/joxcoder/generate/{id}", get(attach).delete(stop))
}

/// `POST /api/joxcoder/generate`
async fn begin(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
    request: Request,
) -> Result<Response, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType));
    }
    let after = last_event_id(request.headers())?;
    let body = match timeout(BODY_TIMEOUT, Bytes::from_request(request, &app)).await {
        Ok(read) => read.map_err(|rejection| unreadable(rejection.status()))?,
        Err(_) => return Err(unreadable(StatusCode::REQUEST_TIMEOUT)),
    };
    let request = request::read(&body, Bounds::of(&app.config)).map_err(invalid)?;
    drop(body);
    let live = app.generations.start(person.id, request).await.map_err(refused)?;
    Ok(stream(&app, live, after, lang))
}

/// `GET /api/joxcoder/generate/{id}`
async fn attach(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers)?;
    let key = key(person, id)?;
    let live = app.generations.attach(&key).await.map_err(refused)?;
    Ok(stream(&app, live.ok_or_else(unknown)?, after, lang))
}

/// `DELETE /api/joxcoder/generate/{id}`
async fn stop(
    State(app): State<Arc<App>>,
    person: Person,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let key = key(person, id)?;
    if app.generations.stop(&key).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

fn key(person: Person, id: Result<Path<String>, PathRejection>) -> Result<Key, ApiError> {
    // What is not a UUID, or not even text, has never been anybody's generation.
    let Path(id) = id.map_err(|_| unknown())?;
    let generation = id.parse().map_err(|_| unknown())?;
    Ok(Key { user: person.id, generation })
}

fn stream(app: &App, live: Arc<Live>, after: u64, lang: Lang) -> Response {
    let events = follow(live, app.generations.spool().clone(), after, lang.as_str());
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    value.to_str().ok().and_then(request::last_event_id).ok_or_else(|| {
        ApiError::invalid(
            "Last-Event-ID",
            "Last-Event-ID debe ser el número de la última pieza recibida.",
            "Last-Event-ID must be the number of the last piece received.",
        )
    })
}

fn invalid(error: RequestError) -> ApiError {
    let RequestError::Field(field) = error else {
        return ApiError::new(ErrorCode::PayloadTooLarge);
    };
    let (es, en) = match field {
        "generationId" => ("generationId debe ser un UUID.", "generationId must be a UUID."),
        "role" => (
            "role debe tener de 1 a 64 letras minúsculas, cifras, guiones o guiones bajos.",
            "role must be 1 to 64 lower-case letters, digits, hyphens or underscores.",
        ),
        "messages" => (
            "messages debe ser una lista de mensajes con texto; las imágenes, solo si el modelo las admite y como data:.",
            "messages must be a list of messages with text; images only if the model takes them, and as data:.",
        ),
        "maxOutputTokens" => (
            "maxOutputTokens debe ser un número entero mayor que cero.",
            "maxOutputTokens must be a whole number greater than zero.",
        ),
        _ => (
            "El cuerpo debe ser un objeto JSON bien formado.",
            "The body must be a well-formed JSON object.",
        ),
    };
    ApiError::invalid(field, es, en)
}

fn refused(error: StartError) -> ApiError {
    match error {
        StartError::Conflict => ApiError::new(ErrorCode::GenerationConflict),
        StartError::Refused(Refusal::TooMany) => ApiError::new(ErrorCode::TooManyGenerations),
        StartError::Refused(Refusal::TokenLimit) => ApiError::new(ErrorCode::TokenLimit),
        StartError::Refused(Refusal::RateLimited { retry_after }) => {
            let secs = retry_after.as_secs().saturating_add(1);
            ApiError::rate_limited(secs).saying(
                "Has empezado tantas generaciones como tu plan permite en una hora: espera un poco o elige otro plan.",
                "You have begun as many generations as your plan allows in an hour: wait a little or choose another plan.",
            )
        }
        StartError::Closing => ApiError::new(ErrorCode::UpstreamUnavailable),
        StartError::Db(fault) => fault.into(),
        fault @ (StartError::Spool(_) | StartError::Broken) => ApiError::internal(&fault),
    }
}

fn unknown() -> ApiError {
    ApiError::new(ErrorCode::NotFound).saying(
        "No hay ninguna generación con ese identificador, o ya no se guarda su texto.",
        "There is no generation with that id, or its text is no longer kept.",
    )
}
