//! One route with one method: what it takes and every way in which it can answer.

use autocrea_protocol::ErrorCode;
use http::Method;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const HTML: &str = "text/html";

/// The shapes that the document refers to. What is read and what is answered differ where serde
/// does: a key that we always write is required in an answer and may be left out of a request.
pub(super) struct Schemas {
    read: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let generator = |contract: Contract| {
            let settings = SchemaSettings::draft2020_12().with(|it| {
                it.definitions_path = "/components/schemas".into();
                it.meta_schema = None;
                it.contract = contract;
            });
            settings.into_generator()
        };
        Self { read: generator(Contract::Deserialize), answered: generator(Contract::Serialize) }
    }
}

impl Schemas {
    /// A reference to what is read as `T`.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// A reference to what is answered as `T`.
    pub(super) fn answered<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().to_value()
    }

    /// All shapes by their names; a test sees to it that no name means two.
    pub(super) fn all(&mut self) -> Map<String, Value> {
        let (mut all, answered) = self.apart();
        all.extend(answered);
        all
    }

    /// The shapes that are read, and those that are answered.
    pub(super) fn apart(&mut self) -> (Map<String, Value>, Map<String, Value>) {
        (self.read.take_definitions(true), self.answered.take_definitions(true))
    }
}

/// Who may ask, and what can refuse them before the route is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Anybody, counted by address.
    Anybody,
    /// Somebody with a token, counted by person.
    Person,
    /// Anybody, counted nowhere.
    Exempt,
}

/// A route with a method.
pub(super) struct Operation {
    pub(super) path: String,
    pub(super) method: &'static str,
    summary: &'static str,
    tag: &'static str,
    access: Access,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// By status: the description, and the shapes by media type.
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, BTreeSet<&'static str>>,
}

impl Operation {
    pub(super) fn new(method: &Method, path: &str, summary: &'static str) -> Self {
        let method = match method.as_str() {
            "POST" => "post",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        };
        let area = path.trim_start_matches("/api/").trim_start_matches('/');
        let tag = match area.split('/').next().unwrap_or_default() {
            "config" | "plans" => "catalogue",
            "account" | "user" => "account",
            "tokens" => "tokens",
            "joxcoder" => "generation",
            "stripe" | "clerk" | "resend" if area.ends_with("webhooks") => "webhooks",
            "stripe" => "billing",
            "return" | "mail" => "pages",
            _ => "operation",
        };
        let operation = Self {
            path: path.to_owned(),
            method,
            summary,
            tag,
            access: Access::Anybody,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
        };
        operation.refuses(&[ErrorCode::Internal, ErrorCode::MethodNotAllowed])
    }

    /// Needs a token.
    pub(super) fn person(mut self) -> Self {
        self.access = Access::Person;
        // Clerk's keys may be out of reach.
        self.refuses(&[
            ErrorCode::Unauthenticated,
            ErrorCode::RateLimited,
            ErrorCode::UpstreamUnavailable,
        ])
    }

    /// For anybody, counted by address.
    pub(super) fn anybody(self) -> Self {
        // A token is looked at wherever it is sent, and a person's requests are counted.
        self.refuses(&[ErrorCode::RateLimited])
    }

    /// For anybody, and no limit counts it.
    pub(super) fn exempt(mut self) -> Self {
        self.access = Access::Exempt;
        self
    }

    /// A part of the path.
    pub(super) fn path_parameter(mut self, name: &str, schema: &Value, what: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": what, "schema": schema,
        }));
        self
    }

    /// A parameter that may be left out, of the query or a header.
    pub(super) fn parameter(mut self, place: &str, name: &str, schema: &Value, what: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "required": false, "description": what, "schema": schema,
        }));
        self
    }

    /// A JSON body.
    pub(super) fn takes(mut self, schema: &Value, required: bool) -> Self {
        self.body = Some(json!({"required": required, "content": {JSON: {"schema": schema}}}));
        self.refuses(&[ErrorCode::InvalidRequest, ErrorCode::PayloadTooLarge])
    }

    /// A JSON body that must say that it is one.
    pub(super) fn takes_json(self, schema: &Value) -> Self {
        self.takes(schema, true).refuses(&[ErrorCode::UnsupportedMediaType])
    }

    /// Answers a status with JSON.
    pub(super) fn answers(self, status: u16, what: &str, schema: &Value) -> Self {
        self.answers_as(status, what, JSON, schema)
    }

    /// Answers 200 with server-sent events; the shape is that of one event.
    pub(super) fn streams(self, what: &str, events: &[Value]) -> Self {
        self.answers_as(200, what, EVENTS, &json!({"oneOf": events}))
    }

    /// Answers a status with a page.
    pub(super) fn shows(self, status: u16, what: &str) -> Self {
        self.answers_as(status, what, HTML, &json!({"type": "string"}))
    }

    /// Answers a status with nothing.
    pub(super) fn answers_nothing(mut self, status: u16, what: &str) -> Self {
        self.answers.insert(status, json!({"description": what}));
        self
    }

    fn answers_as(mut self, status: u16, what: &str, media: &str, schema: &Value) -> Self {
        self.answers
            .insert(status, json!({"description": what, "content": {media: {"schema": schema}}}));
        self
    }

    /// Can refuse with these codes.
    pub(super) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            let mut add = |status| self.refusals.entry(status).or_default().insert(word(*code));
            add(code.status());
            if *code == ErrorCode::UpstreamUnavailable {
                add(502);
            }
        }
        self
    }

    /// The operation object.
    pub(super) fn written(mut self) -> Value {
        for (status, codes) in std::mem::take(&mut self.refusals) {
            let refusal = refusal(&codes);
            match self.answers.get_mut(&status) {
                // An answer of its own under the same status: either of the two.
                Some(own) => {
                    let shape = &mut own["content"][JSON]["schema"];
                    let also = &refusal["content"][JSON]["schema"];
                    *shape = json!({"anyOf": [shape, also]});
                    if own["headers"].is_null() {
                        own["headers"] = refusal["headers"].clone();
                    }
                }
                None => {
                    self.answers.insert(status, refusal);
                }
            }
        }
        let mut answers = Map::new();
        for (status, mut answer) in self.answers {
            answer["headers"]["x-request-id"] = json!({"$ref": "#/components/headers/RequestId"});
            answers.insert(status.to_string(), answer);
        }
        self.parameters.push(json!({"$ref": "#/components/parameters/AcceptLanguage"}));
        let mut written = json!({
            "operationId": operation_id(self.method, &self.path),
            "summary": self.summary,
            "tags": [self.tag],
            "security": if self.access == Access::Person { json!([{"clerk": []}]) } else { json!([]) },
            "parameters": self.parameters,
            "responses": answers,
        });
        if let Some(body) = self.body {
            written["requestBody"] = body;
        }
        written
    }
}

/// The code's word on the wire.
fn word(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthenticated => "unauthenticated",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::InvalidRequest => "invalid_request",
        ErrorCode::InvalidPlan => "invalid_plan",
        ErrorCode::NoSubscription => "no_subscription",
        ErrorCode::NotFound => "not_found",
        ErrorCode::MethodNotAllowed => "method_not_allowed",
        ErrorCode::GenerationConflict => "generation_conflict",
        ErrorCode::PayloadTooLarge => "payload_too_large",
        ErrorCode::UnsupportedMediaType => "unsupported_media_type",
        ErrorCode::TokenLimit => "token_limit",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::TooManyGenerations => "too_many_generations",
        ErrorCode::UpstreamUnavailable => "upstream_unavailable",
        ErrorCode::Internal => "internal",
    }
}

/// One kind of server-sent event: its name, what its data is as JSON, and the shape of its id.
pub(super) fn event(name: &str, data: &Value, id: Option<&str>) -> Value {
    let mut event = json!({
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": data,
            },
        },
    });
    if let Some(pattern) = id {
        event["properties"]["id"] = json!({"type": "string", "pattern": pattern});
        event["required"] = json!(["event", "data", "id"]);
    }
    event
}

fn refusal(codes: &BTreeSet<&'static str>) -> Value {
    let listed: Vec<&str> = codes.iter().copied().collect();
    let mut refusal = json!({
        "description": format!("Refused: {}.", listed.join(", ")),
        "content": {JSON: {"schema": {
            "allOf": [
                {"$ref": "#/components/schemas/ErrorBody"},
                {"properties": {"code": {"enum": listed}}},
            ],
        }}},
    });
    if codes.contains("rate_limited") {
        refusal["headers"]["Retry-After"] = json!({
            "description": "With `rate_limited`: in how many seconds to try again.",
            "schema": {"type": "integer", "minimum": 1},
        });
    }
    refusal
}

/// `post_api_stripe_sync`: stable, because generated clients name their functions after it.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    words.fold(method.to_owned(), |id, word| id + "_" + word)
}
