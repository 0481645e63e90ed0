//! JSON bodies, refused in the contract's words.

use crate::error::ApiError;
use autocrea_protocol::ErrorCode;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body, in or out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(ErrorCode::PayloadTooLarge);
    }
    match rejection {
        JsonRejection::MissingJsonContentType(_) => ApiError::new(ErrorCode::UnsupportedMediaType),
        JsonRejection::JsonDataError(error) => {
            let text = error.body_text();
            let field = field_of(&text).unwrap_or("body");
            ApiError::invalid(
                field,
                "La petición no es válida: un campo falta o no tiene la forma esperada.",
                "The request is not valid: a field is missing or not of the expected form.",
            )
        }
        _ => ApiError::invalid(
            "body",
            "La petición no es válida: el cuerpo no es JSON bien formado.",
            "The request is not valid: the body is not well-formed JSON.",
        ),
    }
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
