//! What a browser sees of this Clerk.

use super::state::State as Clerk;
use crate::page::{escape, page};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};
use std::fmt::Write as _;
use std::sync::Arc;

/// The form where a person is chosen and says yes or no. It posts to its own address, so the
/// request that came in the query stays there.
pub(super) fn choose(clerk: &Clerk, problem: Option<&str>) -> String {
    let mut people = String::new();
    for (index, person) in clerk.people().iter().enumerate() {
        let _ = write!(
            people,
            "<label class=\"person\"><input type=\"radio\" name=\"email\" value=\"{email}\"{checked}>\
             <img class=\"avatar\" src=\"/avatar/{id}\" alt=\"\">\
             <span><b>{name}</b><small>{email}</small></span></label>",
            email = escape(&person.email),
            id = escape(&person.id),
            name = escape(&person.name),
            checked = if index == 0 { " checked" } else { "" },
        );
    }
    let problem = problem.map_or_else(String::new, |text| {
        format!("<p class=\"error\" role=\"alert\">{}</p>", escape(text))
    });
    page(
        "Sign in to AUTOCREA",
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>Sign in to AUTOCREA</h1>\
             <p class=\"muted\">Clerk’s stand-in: choose who you are. There is no password.</p>{problem}\
             <form method=\"post\"><div class=\"card\">{people}\
             <h3>Somebody else</h3>\
             <label class=\"field\"><span>E-mail</span><input type=\"email\" name=\"new_email\" autocomplete=\"off\" placeholder=\"name@example.com\"></label>\
             <label class=\"field\"><span>Name (may be left empty)</span><input type=\"text\" name=\"name\" autocomplete=\"off\"></label></div>\
             <div class=\"card\"><p>AUTOCREA will see your <b>e-mail</b>, <b>name</b> and <b>picture</b>.</p>\
             <div class=\"row\"><button class=\"primary fill\" name=\"decision\" value=\"allow\">Allow</button>\
             <button name=\"decision\" value=\"deny\">Deny</button></div></div>\
             <details class=\"card\"><summary>Make it go differently</summary>\
             <label class=\"check\"><input type=\"checkbox\" name=\"slow\" value=\"1\">Be slow: wait five seconds before going back</label>\
             <label class=\"check\"><input type=\"checkbox\" name=\"twice\" value=\"1\">Come back twice with the same code</label>\
             </details></form></main>"
        ),
    )
}

/// Two ways back with the same code, for whoever wants to see what the second one does.
pub(super) fn twice(address: &str) -> String {
    let address = escape(address);
    page(
        "Back to AUTOCREA, twice",
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>Back, twice</h1>\
             <p class=\"muted\">Both links carry the same code and state. The second one must change nothing.</p>\
             <div class=\"card row\"><a class=\"button primary fill\" id=\"first\" target=\"_blank\" href=\"{address}\">First time</a>\
             <a class=\"button fill\" id=\"second\" href=\"{address}\">Second time</a></div></main>"
        ),
    )
}

/// A request that cannot go anywhere.
pub(super) fn refused(why: &str) -> String {
    page(
        "This sign-in cannot go on",
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>This sign-in cannot go on</h1>\
             <p class=\"error\">{}</p><p class=\"muted\">Go back to AUTOCREA and sign in from there.</p></main>",
            escape(why)
        ),
    )
}

/// What there is to know about this Clerk.
pub(super) async fn home(State(clerk): State<Arc<Clerk>>) -> Html<String> {
    let mut redirects = String::new();
    for address in clerk.redirects() {
        let _ = write!(redirects, "<tr><td><code>{}</code></td></tr>", escape(&address));
    }
    Html(page(
        "Clerk’s stand-in",
        &format!(
            "<main class=\"wrap\"><h1>Clerk’s stand-in</h1>\
             <p class=\"muted\">An OAuth 2 / OpenID provider without passwords. Sign-ins begin in AUTOCREA.</p>\
             <section><h2>Client</h2><p><code>{}</code> (public, PKCE S256)</p>\
             <p><a href=\"/.well-known/openid-configuration\">Discovery document</a> · <a href=\"/.well-known/jwks.json\">Keys</a></p></section>\
             <section><h2>Registered return addresses</h2><table>{redirects}</table></section></main>",
            escape(&clerk.client_id)
        ),
    ))
}

/// A round picture with the person's initials.
pub(super) async fn avatar(State(clerk): State<Arc<Clerk>>, Path(id): Path<String>) -> Response {
    let Some(person) = clerk.person_by_id(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let hue = id.bytes().fold(0_u32, |sum, byte| sum + u32::from(byte)) % 360;
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><defs>\
         <linearGradient id=\"g\" x1=\"0\" y1=\"0\" x2=\"1\" y2=\"1\"><stop stop-color=\"hsl({hue} 70% 45%)\"/>\
         <stop offset=\"1\" stop-color=\"hsl({} 70% 35%)\"/></linearGradient></defs>\
         <rect width=\"64\" height=\"64\" rx=\"32\" fill=\"url(#g)\"/>\
         <text x=\"32\" y=\"41\" font-family=\"Inter,system-ui,sans-serif\" font-size=\"24\" font-weight=\"600\" \
         text-anchor=\"middle\" fill=\"#fff\">{}</text></svg>",
        (hue + 40) % 360,
        escape(&person.initials())
    );
    ([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()
}
