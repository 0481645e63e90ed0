//! What Stripe answers when it cannot do what was asked: one JSON form, few types.

use serde_json::{Value, json};

/// An error in the form of Stripe's API.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    kind: &'static str,
    code: Option<String>,
    decline_code: Option<String>,
    message: String,
    param: Option<String>,
}

impl Failure {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, decline_code: None, message: message.into(), param: None }
    }

    /// 400: the request cannot be understood or is not allowed now.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400: a parameter that must be there is not.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."))
            .code("parameter_missing")
            .param(param)
    }

    /// 400: this endpoint has no such parameter.
    pub(crate) fn unknown_parameter(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}"))
            .code("parameter_unknown")
            .param(param)
    }

    /// 404 (or 400 when it was named by a parameter): there is no such object.
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        let status = if param == "id" { 404 } else { 400 };
        Self::new(status, "invalid_request_error", format!("No such {noun}: '{id}'"))
            .code("resource_missing")
            .param(param)
    }

    /// 404: no endpoint at this address.
    pub(crate) fn unrecognized(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). This sandbox speaks only the part of Stripe that AUTOCREA needs."
        );
        Self::new(404, "invalid_request_error", message)
    }

    /// 401: no key, or not ours.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 402: the card said no.
    pub(crate) fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let mut failure = Self::new(402, "card_error", message).code(code);
        failure.decline_code = decline_code.map(ToOwned::to_owned);
        failure
    }

    /// 400: an idempotency key used again for another request.
    pub(crate) fn idempotency(message: impl Into<String>) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    /// 503: Stripe is down.
    pub(crate) fn down() -> Self {
        Self::new(503, "api_error", "The sandbox's Stripe has been switched off for a while.")
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(crate) fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn json(&self) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = &self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!("https://stripe.com/docs/error-codes/{code}"));
        }
        if let Some(decline_code) = &self.decline_code {
            error["decline_code"] = json!(decline_code);
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
