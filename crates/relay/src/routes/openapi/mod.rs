//! `GET /openapi.json`: what can be asked of this relay, and every status that it can answer.
//!
//! The shapes come from the Rust types that are sent and read, those of `autocrea-protocol` first of
//! all, so that a field is declared once; [`table`] says which route takes and answers which, and a
//! test compares it with the router. Nothing in the document depends on the configuration: it is
//! made once, when it is first asked for.

mod operation;
mod table;

use autocrea_protocol::ErrorBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use operation::Schemas;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(DOCUMENT.to_string()));

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], TEXT.clone()).into_response()
}

const ABOUT: &str = "The hosted side of AUTOCREA: who somebody is, what they bought, what is left, \
and the generations that spend it. JSON is camelCase; times are Unix milliseconds in UTC; money is \
in minor units. Every answer carries `x-request-id`. Refusals have one form (`ErrorBody`) and a \
closed set of codes; their sentence is in the language of `Accept-Language` (es, en). Below the \
routes, the listener itself answers 400 and closes on what is not HTTP/1.1, 414 on an address and \
431 on headers that are too large.";

fn document() -> Value {
    let mut schemas = Schemas::default();
    // The one shape that every refusal refers to.
    schemas.answered::<ErrorBody>();
    let mut paths: Map<String, Value> = Map::new();
    for operation in table::all(&mut schemas) {
        let (path, method) = (operation.path.clone(), operation.method);
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[method] = operation.written();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AUTOCREA relay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "securitySchemes": {
                "clerk": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An OAuth 2 access token of Clerk's, issued to the app.",
                },
            },
            "parameters": {
                "AcceptLanguage": {
                    "name": "Accept-Language",
                    "in": "header",
                    "description": "es (otherwise too) or en.",
                    "schema": {"type": "string", "examples": ["es", "en"]},
                },
            },
            "headers": {
                "RequestId": {
                    "description": "To quote when asking for help.",
                    "schema": {"type": "string", "format": "uuid"},
                },
            },
        },
    })
}

#[cfg(test)]
mod tests;
