//! Stripe's own record of events, for what never reached the webhook.
//!
//! Events are read as plain JSON: they come in the shape of the day they were made, and one that
//! does not fit a type must not hide the others.

use super::envelope::HANDLED;
use super::objects::List;
use super::{Stripe, StripeFault};
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_core::event::ListEvent;
use stripe_types::RangeQueryTs;

/// Which events.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// Those that no endpoint has taken, of the 30 days that Stripe keeps.
    Undelivered,
    /// Those made at or after this second.
    Since(i64),
}

/// A page of Stripe's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The raw JSON of each event, newest first.
    pub events: Vec<String>,
    /// After which event the next page begins, if there is one.
    pub next: Option<String>,
}

impl Stripe {
    /// The newest of the events that can change anything here, or those older than `after`.
    ///
    /// # Errors
    /// As every call.
    pub async fn events(
        &self,
        which: Which,
        after: Option<&str>,
    ) -> Result<EventPage, StripeFault> {
        let mut request = ListEvent::new().limit(100).types(HANDLED.map(str::to_owned).to_vec());
        request = match which {
            Which::Undelivered => request.delivery_success(false),
            Which::Since(at) => request.created(RangeQueryTs::gte(at)),
        };
        if let Some(after) = after {
            request = request.starting_after(after);
        }
        let page: List<Box<RawValue>> = self.get("events", &request).await?;
        Ok(EventPage {
            next: page.data.last().and_then(|last| id_of(last)).filter(|_| page.has_more),
            events: page
                .data
                .into_iter()
                .map(|event| String::from(Box::<str>::from(event)))
                .collect(),
        })
    }
}

fn id_of(event: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        id: String,
    }
    serde_json::from_str::<Identified>(event.get()).ok().map(|it| it.id)
}
