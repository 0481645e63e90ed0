//! What a browser sees of this Clerk.

use super::state::State as Clerk;
use crate::page::{Language, escape, page, page_in};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};
use std::fmt::Write as _;
use std::sync::Arc;

/// The form where a person is chosen and says yes or no. It posts to its own address, so the
/// request that came in the query stays there.
pub(super) fn choose(clerk: &Clerk, language: Language, problem: Option<&str>) -> String {
    let say = |es: &'static str, en: &'static str| language.say(es, en);
    let problem = problem.map_or_else(String::new, |text| {
        format!("<p class=\"error\" role=\"alert\">{}</p>", escape(text))
    });
    let title = say("Entra en AUTOCREA", "Sign in to AUTOCREA");
    page_in(
        language,
        title,
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>{title}</h1>\
             <p class=\"muted\">{hint}</p>{problem}\
             <form method=\"post\"><div class=\"card\">{people}\
             <h3>{else_title}</h3>\
             <label class=\"field\"><span>{email}</span><input type=\"email\" name=\"new_email\" autocomplete=\"off\" placeholder=\"{example}\"></label>\
             <label class=\"field\"><span>{name}</span><input type=\"text\" name=\"name\" autocomplete=\"off\"></label></div>\
             <div class=\"card\"><p>{consent}</p>\
             <div class=\"row\"><button class=\"primary fill\" name=\"decision\" value=\"allow\">{allow}</button>\
             <button name=\"decision\" value=\"deny\">{deny}</button></div></div>\
             <details class=\"card\"><summary>{differently}</summary>\
             <label class=\"check\"><input type=\"checkbox\" name=\"slow\" value=\"1\">{slow}</label>\
             <label class=\"check\"><input type=\"checkbox\" name=\"twice\" value=\"1\">{twice}</label>\
             </details></form></main>",
            people = people(clerk),
            hint = say(
                "El doble de Clerk: elige quién eres. No hay contraseña.",
                "Clerk’s stand-in: choose who you are. There is no password."
            ),
            else_title = say("Otra persona", "Somebody else"),
            email = say("Correo", "E-mail"),
            example = say("nombre@ejemplo.es", "name@example.com"),
            name = say("Nombre (puede quedar vacío)", "Name (may be left empty)"),
            consent = say(
                "AUTOCREA verá tu <b>correo</b>, tu <b>nombre</b> y tu <b>foto</b>.",
                "AUTOCREA will see your <b>e-mail</b>, <b>name</b> and <b>picture</b>."
            ),
            allow = say("Permitir", "Allow"),
            deny = say("Denegar", "Deny"),
            differently = say("Que salga de otra manera", "Make it go differently"),
            slow = say(
                "Con calma: esperar cinco segundos antes de volver",
                "Be slow: wait five seconds before going back"
            ),
            twice =
                say("Volver dos veces con el mismo código", "Come back twice with the same code"),
        ),
    )
}

fn people(clerk: &Clerk) -> String {
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
    people
}

/// Two ways back with the same code, for whoever wants to see what the second one does.
pub(super) fn twice(address: &str, language: Language) -> String {
    let address = escape(address);
    let title = language.say("De vuelta, dos veces", "Back, twice");
    let why = language.say(
        "Los dos enlaces llevan el mismo código y estado. El segundo no debe cambiar nada.",
        "Both links carry the same code and state. The second one must change nothing.",
    );
    let first = language.say("La primera vez", "First time");
    let second = language.say("La segunda vez", "Second time");
    page_in(
        language,
        title,
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>{title}</h1><p class=\"muted\">{why}</p>\
             <div class=\"card row\"><a class=\"button primary fill\" id=\"first\" target=\"_blank\" href=\"{address}\">{first}</a>\
             <a class=\"button fill\" id=\"second\" href=\"{address}\">{second}</a></div></main>"
        ),
    )
}

/// A request that cannot go anywhere.
pub(super) fn refused(why: &str, language: Language) -> String {
    let title = language.say("No se puede entrar así", "This sign-in cannot go on");
    let advice = language.say(
        "Vuelve a AUTOCREA y entra desde allí.",
        "Go back to AUTOCREA and sign in from there.",
    );
    page_in(
        language,
        title,
        &format!(
            "<main class=\"narrow\"><div class=\"mark\">A</div><h1>{title}</h1>\
             <p class=\"error\">{}</p><p class=\"muted\">{advice}</p></main>",
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
