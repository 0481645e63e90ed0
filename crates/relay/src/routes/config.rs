//! What is public: the configuration that the app needs, and the plans.

use super::Json;
use crate::app::App;
use crate::lang::Lang;
use autocrea_protocol::RelayConfig;
use autocrea_protocol::config::{ClerkConfig, GenerationLimits, Plan, Plans, Redirects};
use axum::extract::State;
use std::sync::Arc;

/// `GET /api/config`
pub(super) async fn config(State(app): State<Arc<App>>, lang: Lang) -> Json<RelayConfig> {
    let config = &app.config;
    Json(RelayConfig {
        clerk: ClerkConfig {
            issuer: config.clerk.issuer.clone(),
            client_id: config.clerk.client_id.clone(),
            scopes: config.clerk.scopes.clone(),
        },
        redirects: Redirects {
            auth: format!("{}/return/auth", config.public_url),
            checkout: format!("{}/return/checkout", config.public_url),
            loopback_ports: config.clerk.loopback_ports.clone(),
        },
        plans: all_plans(&app, lang),
        generation: GenerationLimits {
            max_prompt_bytes: config.generation.max_prompt_bytes,
            max_body_bytes: config.generation.max_body_bytes,
            context_tokens: config.joxcoder.context_tokens,
            images: config.joxcoder.images,
            model: config.joxcoder.model.clone(),
        },
        links: config.links.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        min_app_version: config.min_app_version.clone(),
    })
}

/// `GET /api/plans`
pub(super) async fn plans(State(app): State<Arc<App>>, lang: Lang) -> Json<Plans> {
    Json(Plans { plans: all_plans(&app, lang) })
}

fn all_plans(app: &App, lang: Lang) -> Vec<Plan> {
    let plan = |terms: &crate::config::PlanTerms| Plan {
        id: terms.id.clone(),
        name: terms.name(lang).to_owned(),
        tokens: terms.tokens,
        concurrency: terms.concurrency,
        generations_per_hour: terms.generations_per_hour,
        max_output_tokens: terms.max_output_tokens,
        prices: app.billing.prices.of(&terms.id),
        features: terms.features(lang).to_vec(),
    };
    app.config.plans.iter().map(plan).collect()
}
