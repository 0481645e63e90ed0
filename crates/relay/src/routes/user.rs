//! The person's own record, and their subscription.

use super::Json;
use crate::account::{self, ProfileEdit};
use crate::app::App;
use crate::auth::Person;
use crate::departure::{self, Told};
use crate::error::ApiError;
use crate::lang::Lang;
use autocrea_protocol::{Subscription, User};
use axum::extract::State;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// The snapshot's `user`, and the choice that only this route shows.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    #[serde(flatten)]
    user: User,
    marketing_emails: bool,
}

/// A wish to change some of it. A `name` of null goes back to Clerk's.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProfilePatch {
    #[serde(default, deserialize_with = "given")]
    name: Option<Option<String>>,
    locale: Option<String>,
    marketing_emails: Option<bool>,
}

/// Tells an explicit null (`Some(None)`) from a key that is not there (`None`).
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

const LONGEST_NAME: usize = 200;

/// `GET /api/user/profile`
pub(super) async fn profile(
    State(app): State<Arc<App>>,
    person: Person,
) -> Result<Json<Profile>, ApiError> {
    let (user, marketing_emails) =
        app.db.glance(move |tx| account::profile(tx, &person.id)).await?;
    Ok(Json(Profile { user, marketing_emails }))
}

/// `PATCH /api/user/profile`
pub(super) async fn edit_profile(
    State(app): State<Arc<App>>,
    person: Person,
    Json(patch): Json<ProfilePatch>,
) -> Result<Json<Profile>, ApiError> {
    let edit = valid(patch)?;
    let (user, marketing_emails) = app
        .db
        .jot(move |tx| {
            account::edit_profile(tx, &person.id, &edit)?;
            account::profile(tx, &person.id)
        })
        .await?;
    Ok(Json(Profile { user, marketing_emails }))
}

fn valid(patch: ProfilePatch) -> Result<ProfileEdit, ApiError> {
    let name = patch.name.map(|name| name.map(|it| it.trim().to_owned()));
    let sound = |it: &String| {
        !it.is_empty() && it.chars().count() <= LONGEST_NAME && !it.chars().any(char::is_control)
    };
    if name.iter().flatten().any(|it| !sound(it)) {
        return Err(ApiError::invalid(
            "name",
            "El nombre debe tener entre 1 y 200 caracteres.",
            "The name must have between 1 and 200 characters.",
        ));
    }
    let locale = match patch.locale.as_deref() {
        None => None,
        Some("es") => Some(Lang::Es),
        Some("en") => Some(Lang::En),
        Some(_) => {
            return Err(ApiError::invalid(
                "locale",
                "El idioma debe ser es o en.",
                "The language must be es or en.",
            ));
        }
    };
    Ok(ProfileEdit { name, locale, marketing_emails: patch.marketing_emails })
}

/// `DELETE /api/user/profile`
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    person: Person,
) -> Result<StatusCode, ApiError> {
    // In a task of its own: whoever hangs up has asked for it all the same.
    let id = person.id.clone();
    let leaving =
        tokio::spawn(async move { departure::erase(&app, &id, Told::ByThemselves).await });
    match leaving.await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => Err(ApiError::internal(&error)),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// `GET /api/user/subscription`
pub(super) async fn subscription(
    State(app): State<Arc<App>>,
    person: Person,
) -> Result<Json<Subscription>, ApiError> {
    Ok(Json(app.db.glance(move |tx| account::subscription(tx, &person.id)).await?))
}
