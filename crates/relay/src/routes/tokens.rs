//! Tokens: how many are left, what a generation would cost at most, and where they went.

use super::Json;
use crate::account;
use crate::app::App;
use crate::auth::Person;
use crate::ceiling::Ceiling;
use crate::error::{ApiError, RequestId};
use crate::generation::request::{self, Bounds, RequestError};
use crate::lang::Lang;
use crate::ledger::{self, Cursor};
use autocrea_protocol::ErrorCode;
use autocrea_protocol::generation::{Content, Message, MessageRole};
use autocrea_protocol::ledger::{LedgerPage, TokenUsage, Validation};
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// `GET /api/tokens/usage`
pub(super) async fn usage(
    State(app): State<Arc<App>>,
    person: Person,
) -> Result<Json<TokenUsage>, ApiError> {
    let figures = app.db.read(move |tx| ledger::figures(tx, &person.id)).await?;
    Ok(Json(TokenUsage {
        month: figures.month,
        tokens_used: figures.used,
        tokens_reserved: figures.reserved,
        tokens_limit: figures.limit,
        remaining: figures.remaining,
        generations_count: figures.generations_count,
        last_generation_at: figures.last_generation_at,
        resets_at: figures.resets_at,
    }))
}

/// What would be sent: a prompt alone, or a conversation.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValidateRequest {
    /// One of the two.
    prompt: Option<String>,
    /// One of the two.
    #[schemars(with = "Option<Vec<Message>>")]
    messages: Option<Box<RawValue>>,
    /// As when generating.
    #[schemars(with = "Option<i64>", range(min = 1))]
    max_output_tokens: Option<Box<RawValue>>,
}

/// `POST /api/tokens/validate`
pub(super) async fn validate(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
    Extension(RequestId(request_id)): Extension<RequestId>,
    asked: Result<Json<ValidateRequest>, ApiError>,
) -> Result<Response, ApiError> {
    let Json(asked) = asked.map_err(not_understood)?;
    let wanted = request::max_output_tokens(asked.max_output_tokens.as_deref())
        .map_err(|error| not_to_be_sent(&error, "maxOutputTokens"))?;
    let messages = asked.messages.map(|raw| request::messages(Some(&raw))).transpose();
    let messages = messages.map_err(|_| {
        let [es, en] = MISSHAPEN;
        ApiError::invalid("messages", es, en)
    })?;
    let (messages, field) = match (asked.prompt, messages) {
        (Some(prompt), None) => {
            (vec![Message { role: MessageRole::User, content: Content::Text(prompt) }], "prompt")
        }
        (None, Some(messages)) if !messages.is_empty() => (messages, "messages"),
        _ => {
            return Err(ApiError::invalid(
                "messages",
                "Error al validar tokens: envía un prompt o una lista de mensajes, y solo uno de los dos.",
                "The tokens could not be validated: send a prompt or a list of messages, and only one of them.",
            ));
        }
    };
    request::check_messages(&messages, Bounds::of(&app.config))
        .map_err(|error| not_to_be_sent(&error, field))?;
    let input = app.config.joxcoder.counter.messages(&Arc::new(messages)).await;
    let (figures, plan) = app
        .db
        .read(move |tx| {
            let figures = ledger::figures(tx, &person.id)?;
            Ok::<_, crate::db::DbError>((figures, account::subscription(tx, &person.id)?.plan_id))
        })
        .await?;
    let most = app.config.plans.terms(&plan).max_output_tokens;
    let ceiling = Ceiling::of(input, wanted, most, figures.remaining);
    let refused = ApiError::new(ErrorCode::TokenLimit);
    let answer = Validation {
        can_generate: ceiling.enough,
        estimated_tokens: input,
        ceiling: ceiling.total(),
        tokens_used: figures.used,
        tokens_limit: figures.limit,
        remaining: figures.remaining,
        error: (!ceiling.enough).then(|| refused.sentence(lang).to_owned()),
        code: (!ceiling.enough).then_some(ErrorCode::TokenLimit),
        request_id: (!ceiling.enough).then(|| request_id.to_string()),
    };
    let status = if ceiling.enough { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
    Ok((status, Json(answer)).into_response())
}

/// What is said of a body that is not what it must be, in Spanish and in English.
const MISSHAPEN: [&str; 2] = [
    "Error al validar tokens: el cuerpo no es un objeto JSON con la forma esperada.",
    "The tokens could not be validated: the body is not a JSON object of the expected form.",
];

/// A body that is not what it must be, in this route's words.
fn not_understood(refusal: ApiError) -> ApiError {
    if refusal.code() != ErrorCode::InvalidRequest {
        return refusal;
    }
    let [es, en] = MISSHAPEN;
    refusal.saying(es, en)
}

/// What generating would refuse is refused here too.
fn not_to_be_sent(error: &RequestError, field: &str) -> ApiError {
    match error {
        RequestError::TooLarge => ApiError::new(ErrorCode::PayloadTooLarge),
        RequestError::Field("maxOutputTokens") => ApiError::invalid(
            field,
            "Error al validar tokens: la longitud máxima debe ser un número entero mayor que cero.",
            "The tokens could not be validated: the maximum length must be a whole number greater than zero.",
        ),
        RequestError::Field(_) => ApiError::invalid(
            field,
            "Error al validar tokens: hace falta algún texto; las imágenes, solo si el modelo las admite y como data:.",
            "The tokens could not be validated: some text is needed; images only if the model takes them, and as data:.",
        ),
    }
}

const PAGE: u32 = 50;

/// `GET /api/tokens/ledger?after=&limit=`
pub(super) async fn ledger(
    State(app): State<Arc<App>>,
    person: Person,
    RawQuery(query): RawQuery,
) -> Result<Json<LedgerPage>, ApiError> {
    let (cursor, limit) = page_wanted(query.as_deref().unwrap_or_default())?;
    let page = app.db.read(move |tx| ledger::page(tx, &person.id, cursor, limit)).await?;
    page.map(Json).ok_or_else(unknown_cursor)
}

fn page_wanted(query: &str) -> Result<(Cursor, u32), ApiError> {
    let (mut cursor, mut limit) = (Cursor::Start, PAGE);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "after" if value.is_empty() => cursor = Cursor::Start,
            "after" => cursor = Cursor::After(value.parse().map_err(|_| unknown_cursor())?),
            "limit" => {
                limit =
                    value.parse().ok().filter(|it| (1..=100).contains(it)).ok_or_else(|| {
                        ApiError::invalid(
                            "limit",
                            "El límite debe ser un número entre 1 y 100.",
                            "The limit must be a number between 1 and 100.",
                        )
                    })?;
            }
            _ => {}
        }
    }
    Ok((cursor, limit))
}

fn unknown_cursor() -> ApiError {
    ApiError::invalid(
        "after",
        "No hay ningún apunte con ese identificador: usa el `next` de la página anterior.",
        "There is no entry with that id: use the `next` of the previous page.",
    )
}
