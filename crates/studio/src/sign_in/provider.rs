//! The OAuth provider (Clerk), as the app meets it: a public client with PKCE S256 and no secret.
//!
//! Endpoints are discovered below the issuer that the relay names, and must be https (or loopback,
//! for development). The `oauth2` crate makes and reads the messages; our own HTTP client carries
//! them. Deliberately not here: states, attempts, and where tokens are kept.

use crate::relay::is_loopback;
use autocrea_protocol::config::ClerkConfig;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// How long the provider may take over one answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What an access token is taken to live where the provider does not say.
const UNSAID_LIFE: Duration = Duration::from_secs(300);

/// What the provider can answer, or not.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection, no answer, or a server in trouble: later is another matter.
    #[error("the sign-in provider cannot be reached")]
    Unreachable(#[source] Option<Box<reqwest::Error>>),
    /// The code or refresh token is not good (any more).
    #[error("the sign-in provider refuses the grant")]
    Refused,
    /// Something answered that does not speak OAuth as agreed.
    #[error("the sign-in provider's answer cannot be used: {0}")]
    Unusable(&'static str),
}

impl From<reqwest::Error> for ProviderError {
    fn from(source: reqwest::Error) -> Self {
        Self::Unreachable(Some(Box::new(source.without_url())))
    }
}

/// RFC 8414 and OpenID Connect Discovery, as far as the app needs them.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
}

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// A discovered provider.
pub struct Provider {
    http: reqwest::Client,
    config: ClerkConfig,
    metadata: Metadata,
    client: Client,
}

/// A new attempt: where to send the browser, and what to remember.
pub struct Authorization {
    /// For the browser.
    pub url: Url,
    /// Comes back with the answer.
    pub state: String,
    /// Proves that whoever exchanges the code has asked for it.
    pub verifier: String,
}

/// What a grant brings.
pub struct Granted {
    /// For the relay.
    pub access: SecretString,
    /// How long it is good for.
    pub lives: Duration,
    /// For the next one; providers may or may not send a new one each time.
    pub refresh: Option<SecretString>,
}

impl Provider {
    /// Finds the endpoints of `config.issuer`.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn discover(
        http: reqwest::Client,
        config: &ClerkConfig,
    ) -> Result<Self, ProviderError> {
        let issuer = config.issuer.trim_end_matches('/');
        let openid = format!("{issuer}/.well-known/openid-configuration");
        let metadata = match get(&http, &openid, None).await {
            Err(ProviderError::Unusable(_)) => {
                let oauth = format!("{issuer}/.well-known/oauth-authorization-server");
                get::<Metadata>(&http, &oauth, None).await?
            }
            other => other?,
        };
        if metadata.issuer.trim_end_matches('/') != issuer {
            return Err(ProviderError::Unusable("it names another issuer"));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint];
        let optional = [&metadata.userinfo_endpoint, &metadata.revocation_endpoint];
        if !endpoints.into_iter().chain(optional.into_iter().flatten()).all(is_private) {
            return Err(ProviderError::Unusable("an endpoint is not https"));
        }
        let client = BasicClient::new(ClientId::new(config.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()))
            .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()));
        Ok(Self { http, config: config.clone(), metadata, client })
    }

    /// Whether this is the provider that `config` names.
    #[must_use]
    pub fn is_for(&self, config: &ClerkConfig) -> bool {
        self.config == *config
    }

    /// A new attempt that comes back to `redirect`.
    ///
    /// # Errors
    /// If `redirect` is not an address.
    pub fn authorize(&self, redirect: &str) -> Result<Authorization, ProviderError> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = self.config.scopes.iter().cloned().map(Scope::new);
        let client = self.client.clone().set_redirect_uri(redirect_url(redirect)?);
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok(Authorization { url, state: state.into_secret(), verifier: verifier.into_secret() })
    }

    /// Changes a code for tokens, once.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Granted, ProviderError> {
        let client = self.client.clone().set_redirect_uri(redirect_url(redirect)?);
        client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&|request| carry(self.http.clone(), request))
            .await
            .map(|answer| granted(&answer))
            .map_err(refused)
    }

    /// A new access token.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when the sign-in has ended.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Granted, ProviderError> {
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        self.client
            .exchange_refresh_token(&refresh)
            .request_async(&|request| carry(self.http.clone(), request))
            .await
            .map(|answer| granted(&answer))
            .map_err(refused)
    }

    /// Ends a refresh token at the provider, where it has a way to. By hand, since the `oauth2`
    /// crate refuses loopback endpoints here.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn revoke(&self, refresh: &SecretString) -> Result<(), ProviderError> {
        let Some(endpoint) = &self.metadata.revocation_endpoint else { return Ok(()) };
        let form = [
            ("token", refresh.expose_secret()),
            ("token_type_hint", "refresh_token"),
            ("client_id", self.config.client_id.as_str()),
        ];
        let sending = self.http.post(endpoint.clone()).form(&form).timeout(TIMEOUT / 4).send();
        let status = sending.await?.status();
        if status.is_success() { Ok(()) } else { Err(ProviderError::Refused) }
    }

    /// The person that an access token speaks for.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn subject(&self, access: &SecretString) -> Result<String, ProviderError> {
        #[derive(Deserialize)]
        struct Userinfo {
            sub: String,
        }
        let Some(endpoint) = &self.metadata.userinfo_endpoint else {
            return Err(ProviderError::Unusable("it has no userinfo endpoint"));
        };
        get::<Userinfo>(&self.http, endpoint.as_str(), Some(access)).await.map(|info| info.sub)
    }
}

/// https, or a loopback address that never leaves the machine.
fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn redirect_url(redirect: &str) -> Result<RedirectUrl, ProviderError> {
    RedirectUrl::new(redirect.to_owned())
        .map_err(|_| ProviderError::Unusable("the redirect is not an address"))
}

async fn get<T: DeserializeOwned>(
    http: &reqwest::Client,
    url: &str,
    access: Option<&SecretString>,
) -> Result<T, ProviderError> {
    let mut request = http.get(url).header("accept", "application/json").timeout(TIMEOUT);
    if let Some(access) = access {
        request = request.bearer_auth(access.expose_secret());
    }
    let response = request.send().await?;
    if response.status().is_server_error() {
        return Err(ProviderError::Unreachable(None));
    }
    if !response.status().is_success() {
        return Err(ProviderError::Unusable("it answers with an error"));
    }
    let body = response.bytes().await?;
    serde_json::from_slice(&body)
        .map_err(|_| ProviderError::Unusable("it is not the JSON expected"))
}

/// Carries a message of the `oauth2` crate. A server in trouble counts as not reached.
async fn carry(
    http: reqwest::Client,
    message: HttpRequest,
) -> Result<HttpResponse, reqwest::Error> {
    let mut request = reqwest::Request::try_from(message)?;
    *request.timeout_mut() = Some(TIMEOUT);
    let response = http.execute(request).await?;
    if response.status().is_server_error() {
        response.error_for_status_ref()?;
    }
    let mut answer = HttpResponse::new(Vec::new());
    *answer.status_mut() = response.status();
    answer.headers_mut().clone_from(response.headers());
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

fn granted(answer: &BasicTokenResponse) -> Granted {
    Granted {
        access: SecretString::from(answer.access_token().secret().clone()),
        lives: answer.expires_in().unwrap_or(UNSAID_LIFE),
        refresh: answer.refresh_token().map(|token| SecretString::from(token.secret().clone())),
    }
}

type TokenError =
    RequestTokenError<reqwest::Error, oauth2::StandardErrorResponse<BasicErrorResponseType>>;

fn refused(error: TokenError) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            BasicErrorResponseType::InvalidGrant => ProviderError::Refused,
            _ => ProviderError::Unusable("it refuses the request"),
        },
        RequestTokenError::Request(source) => source.into(),
        // What was received may hold a token: it is not passed on.
        RequestTokenError::Parse(..) => ProviderError::Unusable("its tokens cannot be read"),
        RequestTokenError::Other(_) => ProviderError::Unusable("its answer is empty"),
    }
}
