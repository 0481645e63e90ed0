//! AUTOCREA's development sandbox: stand-ins for Clerk, Stripe, JoxCoder and Resend that speak
//! their HTTP on loopback, so that the whole product runs and is tested with no account anywhere.
//!
//! Each stand-in is one module with its own port; the relay and the app are only given other URLs
//! and do not know that it exists. [`Sandbox::start`] starts all of them; dropping it stops them
//! at once, open connections included. Nothing here is ever linked into the app or the relay, and
//! nothing here listens anywhere but on 127.0.0.1.

// Stripe's objects have many fields, and `json!` recurses once a token.
#![recursion_limit = "256"]

pub mod clerk;
pub mod clock;
mod ids;
mod index;
pub mod joxcoder;
pub mod page;
pub mod resend;
pub mod serving;
pub mod stripe;

use anyhow::ensure;
use clerk::Clerk;
use clock::Clock;
use joxcoder::JoxCoder;
use resend::Resend;
use serving::{Bound, Serving};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stripe::Stripe;

/// How the sandbox is started. The default suits tests: any ports, nothing kept, no pauses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of the index page; 0, here and below, takes any free one.
    pub index_port: u16,
    /// Port of Clerk.
    pub clerk_port: u16,
    /// Port of Stripe.
    pub stripe_port: u16,
    /// Port of JoxCoder.
    pub joxcoder_port: u16,
    /// Port of Resend.
    pub resend_port: u16,
    /// The relay's public URL, if it is known already: see [`Sandbox::attach_relay`].
    pub relay_public_url: Option<String>,
    /// Signs Stripe's webhooks.
    pub stripe_webhook_secret: String,
    /// Signs Clerk's webhooks.
    pub clerk_webhook_secret: String,
    /// Signs Resend's webhooks.
    pub resend_webhook_secret: String,
    /// Ports of the app's `http://127.0.0.1:<port>/callback`.
    pub loopback_ports: Vec<u16>,
    /// How long access tokens live.
    pub access_token_life: Duration,
    /// Chunks a second of the demonstration model; 0 sends without pauses.
    pub chunks_per_second: u32,
    /// Folder for what outlasts the process (Clerk's key, people and refresh tokens, Stripe's
    /// books); made if missing.
    pub state_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index_port: 0,
            clerk_port: 0,
            stripe_port: 0,
            joxcoder_port: 0,
            resend_port: 0,
            relay_public_url: None,
            stripe_webhook_secret: "whsec_sandbox_stripe".to_owned(),
            clerk_webhook_secret: "whsec_c2FuZGJveC1jbGVyay1zZWNyZXQ=".to_owned(),
            resend_webhook_secret: "whsec_c2FuZGJveC1yZXNlbmQtc2VjcmV0".to_owned(),
            loopback_ports: clerk::LOOPBACK_PORTS.to_vec(),
            access_token_life: Duration::from_secs(24 * 60 * 60),
            chunks_per_second: 0,
            state_dir: None,
        }
    }
}

/// The running sandbox; everything stops when it is dropped.
pub struct Sandbox {
    /// Clerk's twin.
    pub clerk: Arc<Clerk>,
    /// Stripe's twin.
    pub stripe: Arc<Stripe>,
    /// JoxCoder's twin.
    pub joxcoder: Arc<JoxCoder>,
    /// Resend's twin.
    pub resend: Arc<Resend>,
    index: Serving,
    options: Options,
}

impl Sandbox {
    /// Starts every twin and the index page.
    ///
    /// # Errors
    /// When no port can be had, the state folder cannot be made, or the relay's URL is not loopback.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        install_crypto();
        if let Some(folder) = &options.state_dir {
            std::fs::create_dir_all(folder)?;
        }
        let clerk = Clerk::start(clerk::Options {
            port: options.clerk_port,
            access_token_life: options.access_token_life,
            loopback_ports: options.loopback_ports.clone(),
            state_file: options.state_dir.as_ref().map(|folder| folder.join("clerk.json")),
            ..clerk::Options::default()
        });
        let stripe = Stripe::start_kept(
            stripe::Options { port: options.stripe_port, clock: Clock::new() },
            options.state_dir.as_ref().map(|folder| folder.join("stripe.json")),
        );
        let joxcoder = JoxCoder::start(joxcoder::Options {
            port: options.joxcoder_port,
            chunks_per_second: options.chunks_per_second,
        });
        let resend =
            Resend::start(resend::Options { port: options.resend_port, clock: Clock::new() });
        let (clerk, stripe, joxcoder, resend) = tokio::try_join!(clerk, stripe, joxcoder, resend)?;
        let (clerk, stripe) = (Arc::new(clerk), Arc::new(stripe));
        let (joxcoder, resend) = (Arc::new(joxcoder), Arc::new(resend));
        let bound = Bound::to(options.index_port).await?;
        let index = bound.serve(index::routes(index::Twins {
            clerk: Arc::clone(&clerk),
            stripe: Arc::clone(&stripe),
            joxcoder: Arc::clone(&joxcoder),
            resend: Arc::clone(&resend),
        }));
        let sandbox = Self { clerk, stripe, joxcoder, resend, index, options };
        if let Some(relay) = sandbox.options.relay_public_url.clone() {
            sandbox.attach_relay(&relay)?;
        }
        Ok(sandbox)
    }

    /// The index page's address.
    #[must_use]
    pub fn index_url(&self) -> String {
        format!("{}/", self.index.url())
    }

    /// Registers a relay: its return address with Clerk, its webhooks with the others.
    ///
    /// # Errors
    /// When the address is not on loopback.
    pub fn attach_relay(&self, relay_public_url: &str) -> anyhow::Result<()> {
        let relay = relay_public_url.trim_end_matches('/');
        let host = relay.strip_prefix("http://").unwrap_or_default();
        ensure!(
            serving::is_loopback_host(host),
            "the sandbox talks to relays on loopback only, as http://127.0.0.1:5000 is"
        );
        self.clerk.register_redirect(&format!("{relay}/return/auth"));
        let stripe_target = format!("{relay}/api/stripe/webhooks");
        self.stripe.webhook_target(&stripe_target, &self.options.stripe_webhook_secret);
        let clerk_target = format!("{relay}/api/clerk/webhooks");
        self.clerk.webhook_target(&clerk_target, &self.options.clerk_webhook_secret);
        let resend_target = format!("{relay}/api/resend/webhooks");
        self.resend.webhook_target(&resend_target, &self.options.resend_webhook_secret);
        Ok(())
    }

    /// Every variable that a relay at that public URL needs to use this sandbox. Its return
    /// address is registered with Clerk; webhooks are sent to it once it is attached.
    #[must_use]
    pub fn relay_env(&self, relay_public_url: &str) -> Vec<(String, String)> {
        let relay = relay_public_url.trim_end_matches('/');
        self.clerk.register_redirect(&format!("{relay}/return/auth"));
        let ports: Vec<String> = self.options.loopback_ports.iter().map(u16::to_string).collect();
        let clerk = self.clerk.url();
        let mut env = vec![
            ("RELAY_PUBLIC_URL".to_owned(), relay.to_owned()),
            ("CLERK_ISSUER".to_owned(), clerk.clone()),
            ("CLERK_OAUTH_CLIENT_ID".to_owned(), self.clerk.client_id().to_owned()),
            ("CLERK_SECRET_KEY".to_owned(), self.clerk.secret_key().to_owned()),
            ("CLERK_API_URL".to_owned(), format!("{clerk}/v1")),
            ("CLERK_WEBHOOK_SECRET".to_owned(), self.options.clerk_webhook_secret.clone()),
            ("CLERK_LOOPBACK_PORTS".to_owned(), ports.join(",")),
            ("JOXCODER_URL".to_owned(), self.joxcoder.url()),
            ("JOXCODER_MODEL".to_owned(), joxcoder::MODEL.to_owned()),
            ("HF_TOKEN".to_owned(), "hf_sandbox".to_owned()),
            ("RESEND_API_KEY".to_owned(), "re_sandbox".to_owned()),
            ("RESEND_BASE_URL".to_owned(), self.resend.url()),
            ("RESEND_WEBHOOK_SECRET".to_owned(), self.options.resend_webhook_secret.clone()),
        ];
        env.extend(self.stripe.relay_env());
        let has = |env: &[(String, String)], name: &str| env.iter().any(|(known, _)| known == name);
        if !has(&env, "STRIPE_WEBHOOK_SECRET") {
            let secret = self.options.stripe_webhook_secret.clone();
            env.push(("STRIPE_WEBHOOK_SECRET".to_owned(), secret));
        }
        env
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The pages share the twins and may outlive this by a moment; the books must not wait.
        self.stripe.put_away();
    }
}

/// reqwest is built without a provider of cryptography; the sandbox needs one even for loopback.
fn install_crypto() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A client for webhooks, with time-outs.
pub(crate) fn http_client() -> reqwest::Client {
    install_crypto();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default()
}
