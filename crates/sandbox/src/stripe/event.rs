//! Events: what happened, with the object as it was then; and what became of their delivery.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::books::{API_VERSION, Answer, Books, Kept};
use super::ids;

/// The API call that made an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventRequest {
    pub(crate) id: String,
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) kind: String,
    pub(crate) object: Value,
    pub(crate) previous: Option<Value>,
    pub(crate) request: Option<EventRequest>,
    /// The endpoints that have yet to take it.
    pub(crate) pending: Vec<String>,
    /// How often it has been sent, and what the last answer was.
    pub(crate) attempts: u32,
    pub(crate) last_answer: Option<String>,
}

impl Kept for Event {
    const NOUN: &'static str = "event";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Event {
    pub(crate) fn new(
        kind: &str,
        object: Value,
        previous: Option<Value>,
        now: i64,
        request: Option<EventRequest>,
        pending: Vec<String>,
    ) -> Self {
        Self {
            id: ids::fresh("evt_1", 23),
            created: now,
            kind: kind.to_owned(),
            object,
            previous,
            request,
            pending,
            attempts: 0,
            last_answer: None,
        }
    }

    pub(crate) fn json(&self) -> Value {
        let mut data = Map::new();
        data.insert("object".to_owned(), self.object.clone());
        if let Some(previous) = &self.previous {
            data.insert("previous_attributes".to_owned(), previous.clone());
        }
        let request = self.request.as_ref();
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": data,
            "livemode": false,
            "pending_webhooks": self.pending.len(),
            "request": {
                "id": request.map(|request| &request.id),
                "idempotency_key": request.and_then(|request| request.idempotency_key.as_ref()),
            },
            "type": self.kind,
        })
    }

    /// The id of the object that it is about.
    pub(crate) fn about(&self) -> &str {
        self.object["id"].as_str().unwrap_or_default()
    }
}

impl Books {
    pub(crate) fn retrieve_event(&self, id: &str) -> Answer {
        self.events.find(id).map(Event::json)
    }
}
