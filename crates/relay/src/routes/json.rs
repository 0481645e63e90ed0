//! JSON bodies, refused in the contract's words.

use crate::error::ApiError;
use autocrea_protocol::ErrorCode;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body, in or out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| unreadable(rejection.status()))?;
        if !is_object(&body) {
            return Err(malformed());
        }
        let read = axum::Json::<T>::from_bytes(&body).map_err(|rejection| refused(&rejection))?;
        Ok(Self(read.0))
    }
}

/// Whether a request says that its body is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether a body can only be an object. serde would take an array of the fields' values for one.
pub(super) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

fn refused(rejection: &JsonRejection) -> ApiError {
    let JsonRejection::JsonDataError(error) = rejection else { return malformed() };
    let text = error.body_text();
    ApiError::invalid(
        field_of(&text).unwrap_or("body"),
        "La petición no es válida: un campo falta o no tiene la forma esperada.",
        "The request is not valid: a field is missing or not of the expected form.",
    )
}

pub(super) fn malformed() -> ApiError {
    ApiError::invalid(
        "body",
        "La petición no es válida: el cuerpo no es un objeto JSON bien formado.",
        "The request is not valid: the body is not a well-formed JSON object.",
    )
}

/// A body that could not be read, whatever was to be in it.
pub(super) fn unreadable(status: StatusCode) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(ErrorCode::PayloadTooLarge);
    }
    ApiError::invalid(
        "body",
        "La petición no llegó entera: vuelve a enviarla.",
        "The request did not arrive whole: please send it again.",
    )
}

/// The field that serde's sentence is about: the path before it, or the name in backquotes.
fn field_of(text: &str) -> Option<&str> {
    let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
    if let Some(rest) = text.strip_prefix("missing field `") {
        return rest.split('`').next();
    }
    let (path, _) = text.split_once(": ")?;
    let plain = path.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.[]".contains(&it));
    let root = path.split(['.', '[']).next()?;
    (plain && !root.is_empty()).then_some(root)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}
