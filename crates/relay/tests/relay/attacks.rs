//! What somebody tries who wants what is not theirs, or wants nobody to have anything.

use crate::support::shop::*;
use crate::support::{ANA, World};
use autocrea_sandbox::stripe::sign;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LUIS: &str = "luis@example.com";

async fn opens(world: &World, token: &str) -> bool {
    let asked = world.ask(Method::GET, "/api/account").bearer_auth(token).send().await;
    let status = asked.expect("an answer").status();
    assert!(status == StatusCode::OK || status == StatusCode::UNAUTHORIZED, "{status}");
    status == StatusCode::OK
}

/// The claims and the key id of a good token.
fn parts_of(token: &str) -> (Value, String) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    });
    let (header, claims) = (parts.next().expect("a header"), parts.next().expect("claims"));
    (claims, header["kid"].as_str().expect("a key id").to_owned())
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    let mut header = Header::new(algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    header
}

async fn published_key(world: &World) -> Value {
    let url = format!("{}/.well-known/jwks.json", world.sandbox.clerk.url());
    let keys: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
    keys["keys"][0].clone()
}

#[tokio::test]
async fn the_public_key_is_nobodys_secret() {
    let world = World::start().await;
    let good = world.token(ANA);
    let (claims, kid) = parts_of(&good);
    assert!(opens(&world, &good).await);
    let key = published_key(&world).await;
    let modulus = key["n"].as_str().expect("a modulus");
    let raw = URL_SAFE_NO_PAD.decode(modulus).expect("base64");
    let secrets = [modulus.as_bytes().to_vec(), raw, key.to_string().into_bytes(), Vec::new()];
    for secret in secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(&secret);
            let forged = encode(&header(algorithm, &kid), &claims, &key).expect("a token");
            assert!(!opens(&world, &forged).await, "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_token_brings_no_key_of_its_own() {
    let world = World::start().await;
    let (claims, kid) = parts_of(&world.token(ANA));
    let theirs = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).expect("a key");
    let theirs = EncodingKey::from_rsa_der(theirs.to_pkcs1_der().expect("a key").as_bytes());
    let url = "http://127.0.0.1:9/keys.json".to_owned();
    for known in [kid.as_str(), "theirs", "../../dev/null", ""] {
        let plain = header(Algorithm::RS256, known);
        let mut pointing = plain.clone();
        pointing.jku = Some(url.clone());
        pointing.x5u = Some(url.clone());
        for header in [plain, pointing] {
            let forged = encode(&header, &claims, &theirs).expect("a token");
            assert!(!opens(&world, &forged).await, "{header:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused_quietly() {
    let world = World::start().await;
    let good = world.token(ANA);
    let long = "a".repeat(20_000);
    let rubbish = [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "null",
        "{}",
        "é.é.é",
        "oat_",
        "oat_%00",
        "Bearer",
        &long,
        &format!("{good}.{good}"),
        &format!("{good}="),
        &good[..good.len() - 1],
        &good.to_ascii_uppercase(),
    ];
    for token in rubbish {
        let header = http::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
        let asked = world.ask(Method::GET, "/api/account").header("authorization", header.unwrap());
        assert_eq!(asked.send().await.unwrap().status(), 401, "{token:.40}");
    }
    for scheme in ["Basic", "Token", "bearerx"] {
        let value = format!("{scheme} {good}");
        let asked = world.ask(Method::GET, "/api/account").header("authorization", value);
        assert_eq!(asked.send().await.unwrap().status(), 401, "{scheme}");
    }
    // In the address it is no token either: addresses are written down everywhere.
    for name in ["access_token", "token"] {
        let asked = world.ask(Method::GET, &format!("/api/account?{name}={good}")).send().await;
        assert_eq!(asked.unwrap().status(), 401, "{name}");
    }
}

async fn webhook(world: &World, signature: &str, body: &str) -> u16 {
    let request = world.ask(Method::POST, "/api/stripe/webhooks").body(body.to_owned());
    let answer = request.header("stripe-signature", signature).send().await;
    answer.expect("an answer").status().as_u16()
}

fn secret(world: &World) -> String {
    use secrecy::ExposeSecret;
    world.relay.app.config.stripe.webhook_secrets[0].expose_secret().to_owned()
}

#[tokio::test]
async fn an_event_that_was_caught_on_its_way_brings_nothing_twice_and_nothing_later() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = (account(&world).await, grants(&world).await);
    let paid = stripe(&world).events().into_iter().find(|event| event.kind == "invoice.paid");
    let body = stripe(&world).event(&paid.expect("it was paid").id).expect("an event").to_string();
    let now = world.clock.now().as_secs();
    let caught = sign(body.as_bytes(), &secret(&world), now);
    for _ in 0..3 {
        assert_eq!(webhook(&world, &caught, &body).await, 200, "Stripe repeats itself, too");
    }
    settle(&world).await;
    assert_eq!((account(&world).await, grants(&world).await), before);
    let stale = sign(body.as_bytes(), &secret(&world), now - 301);
    assert_eq!(webhook(&world, &stale, &body).await, 400);
    let fresh_time = stale.replace(&format!("t={}", now - 301), &format!("t={now}"));
    assert_eq!(webhook(&world, &fresh_time, &body).await, 400, "the time is signed, too");
}

/// An event says only that it is time to look: what it claims is worth nothing.
#[tokio::test]
async fn a_well_signed_lie_brings_nothing() {
    let world = open().await;
    checkout(&world, "creator", "month").await;
    let customer = customer(&world).await.expect("a customer");
    let before = account(&world).await;
    let lie = json!({"id": "evt_lie", "object": "event", "type": "invoice.paid", "created": 1,
        "data": {"object": {"id": "in_lie", "object": "invoice", "customer": customer,
            "status": "paid", "amount_paid": 19_900, "subscription": "sub_lie",
            "metadata": {"userId": world.user(ANA).as_str(), "planId": "business"}}}})
    .to_string();
    let signature = sign(lie.as_bytes(), &secret(&world), world.clock.now().as_secs());
    assert_eq!(webhook(&world, &signature, &lie).await, 200);
    settle(&world).await;
    assert_eq!(account(&world).await, before);
}

#[tokio::test]
async fn a_header_of_many_signatures_costs_little_more_than_one() {
    let world = World::start().await;
    let (body, now) = ("x".repeat(7 << 20), world.clock.now().as_secs());
    let many = ["v1=", &"0".repeat(64), ","].concat().repeat(800);
    let began = Instant::now();
    assert_eq!(webhook(&world, &format!("t={now},{many}"), &body).await, 400);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_reads_on_from_an_entry_of_somebody_elses_ledger() {
    let world = World::start().await;
    let ledger = world.get("/api/tokens/ledger").await;
    let entry = text(&ledger["entries"][0], "id");
    let path = format!("/api/tokens/ledger?after={entry}");
    let asked = world.ask_as(LUIS, Method::GET, &path).send().await.expect("an answer");
    assert_eq!(asked.status(), 400, "as one that never was");
    let own = world.ask_as(ANA, Method::GET, &path).send().await.expect("an answer");
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn a_customer_of_somebody_else_is_not_to_be_had_by_asking() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    let customer = customer(&world).await.expect("a customer");
    let ana = world.user(ANA);
    // Whatever a body says besides, the person is the token's.
    let body = json!({"customer": customer, "userId": ana.as_str(), "customerId": customer});
    let (status, refused) = post(&world, LUIS, "/api/stripe/create-portal", &body).await;
    assert_eq!((status.as_u16(), &refused["code"]), (404, &json!("no_subscription")));
    let query = format!("/api/user/invoices?customer={customer}&userId={ana}");
    let asked = world.ask_as(LUIS, Method::GET, &query).send().await.expect("an answer");
    assert_eq!(asked.json::<Value>().await.expect("JSON"), json!({"invoices": []}));
    let mine = world.get("/api/user/invoices").await;
    assert_eq!(mine["invoices"].as_array().map(Vec::len), Some(1));
}

/// Encoded, each of these would break out of a header, an attribute, a script or the link.
const BREAKS_OUT: [&str; 8] = [
    "%0d%0aSet-Cookie:%20a=b",
    "%0d%0a%0d%0a%3Cscript%3Ealert(1)%3C/script%3E",
    "%22%20onclick=%22alert(1)",
    "%27%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E",
    "javascript:alert(1)",
    "%E2%80%A8alert(1)%00",
    "%FF%FE%C0%80",
];

#[tokio::test]
async fn nothing_in_a_bounce_pages_address_becomes_a_header_a_tag_or_another_link() {
    let world = World::start().await;
    let known = ["code", "state", "error", "error_description", "session_id", "cancelled"];
    for page in ["auth", "checkout", "portal"] {
        for poison in BREAKS_OUT {
            let all: Vec<String> = known.iter().map(|name| format!("{name}={poison}")).collect();
            let path = format!(
                "/return/{page}?{}&redirect_uri={poison}&next={poison}&{poison}={poison}&code=2",
                all.join("&")
            );
            let answer = world.ask(Method::GET, &path).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let headers = answer.headers().clone();
            assert!(headers.get("set-cookie").is_none() && headers.get("location").is_none());
            assert!(
                headers["content-security-policy"]
                    .to_str()
                    .unwrap()
                    .starts_with("default-src 'none'")
            );
            assert_eq!(headers["cache-control"], "no-store");
            let html = answer.text().await.expect("text");
            assert_eq!(html.matches("<script").count(), 1, "{poison}");
            assert!(
                !html.contains("<img") && !html.contains(" onclick") && !html.contains("\" on")
            );
            assert!(!html.contains("redirect_uri") && !html.contains("next="), "{poison}");
            assert!(!html.contains("code=2"), "of several the first counts");
            let link = html.split("href=\"").nth(1).and_then(|rest| rest.split('"').next());
            assert!(link.expect("a link").starts_with("autocrea://"), "{link:?}");
        }
    }
}

/// What comes back on a connection of our own, until it is closed.
async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.relay.addr).await.expect("a connection");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("closed in time").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_that_is_no_http_or_smuggles_another_is_refused_and_its_connection_closed() {
    let world = World::start().await;
    let head = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    assert!(raw(&world, format!("{head}\r\n").as_bytes()).await.starts_with("HTTP/1.1 200"));
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let huge = format!("x-huge: {}\r\n", "y".repeat(200_000));
    let refused = [
        "GET /return/auth?code=a\r\nset-cookie: b HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        format!("{head}x-a: b\rc\r\n\r\n"),
        format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
        format!("{head}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        format!("{head}{many}\r\n"),
        format!("{head}{huge}\r\n"),
    ];
    for request in &refused {
        let answer = raw(&world, request.as_bytes()).await;
        let fine = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 431");
        assert!(fine || answer.is_empty(), "{request:.60}: {answer:.80}");
        assert!(!answer.contains("set-cookie"));
    }
    // Both lengths at once is how requests are smuggled past a proxy: one answer, no second.
    let smuggled = "POST /api/stripe/webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\
        transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = raw_for_a_moment(&world, smuggled.as_bytes()).await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
}

/// What comes back within a second, whether or not the connection is closed.
async fn raw_for_a_moment(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.relay.addr).await.expect("a connection");
    stream.write_all(bytes).await.expect("written");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(Ok(read)) =
        tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await
        && read > 0
    {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_without_end_is_refused_when_it_has_become_too_large_and_one_of_nobody_before() {
    let world = World::start().await;
    let token = world.token(ANA);
    for path in ["/api/tokens/validate", "/api/joxcoder/generate", "/api/stripe/webhooks"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nstripe-signature: t=1,v1=00\r\n\
             content-length: 99999999999\r\n\r\n{{"
        );
        let mut stream = TcpStream::connect(world.relay.addr).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("written");
        let (mut read, mut write) = stream.split();
        let mut sent = 0;
        let endless = async {
            while sent < 64 << 20 && write.write_all(&[b' '; 1 << 16]).await.is_ok() {
                sent += 1 << 16;
            }
            // It is not read on; the answer is there.
            std::future::pending::<()>().await;
        };
        let mut answer = [0; 12];
        tokio::select! {
            () = endless => {}
            read = read.read_exact(&mut answer) => {
                read.expect("an answer");
            }
        }
        assert_eq!(&answer, b"HTTP/1.1 413", "{path}");
        assert!(sent < 32 << 20, "{path}: {sent}");
    }
    // Somebody who is nobody does not get so far.
    let head = "POST /api/joxcoder/generate HTTP/1.1\r\nhost: x\r\n\
        content-type: application/json\r\ncontent-length: 8000000\r\n\r\n{";
    let answer = raw_for_a_moment(&world, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

/// Without a token, or with too much of it: whoever is still sending is told why nobody listens.
#[tokio::test]
async fn who_is_refused_while_still_sending_can_read_why() {
    let world = World::start().await;
    let path = "/api/joxcoder/generate";
    let body = || format!("{{\"messages\":\"{}\"}}", "x".repeat(20 << 20));
    let post = |asked: reqwest::RequestBuilder| {
        asked.header("content-type", "application/json").body(body()).send()
    };
    let nobody = post(world.ask(Method::POST, path)).await.expect("an answer");
    assert_eq!(nobody.status(), 401);
    let nobody: Value = nobody.json().await.expect("JSON");
    assert_eq!(nobody["code"], "unauthenticated");
    let ana = post(world.ask_as(ANA, Method::POST, path)).await.expect("an answer");
    assert_eq!(ana.status(), 413);
    // The same for somebody who does not say how much it will be.
    let mut chunked = TcpStream::connect(world.relay.addr).await.expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        world.token(ANA)
    );
    chunked.write_all(head.as_bytes()).await.expect("written");
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..20 {
        chunked.write_all(chunk.as_bytes()).await.expect("it is still read");
    }
    chunked.write_all(b"0\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    chunked.read_to_string(&mut answer).await.expect("an answer, and no reset");
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
}

async fn counted(world: &World, forwarded: &[&str]) -> Vec<u16> {
    let mut seen = Vec::new();
    for value in forwarded {
        let asked = world.ask(Method::GET, "/api/plans").header("x-forwarded-for", *value);
        seen.push(asked.send().await.expect("an answer").status().as_u16());
    }
    seen
}

#[tokio::test]
async fn a_forwarded_address_is_believed_only_behind_a_proxy_that_is_trusted() {
    let limit = ("RELAY_RATE_PER_MINUTE_ADDRESS", "2");
    let world = World::with(&[limit]).await;
    let invented = ["1.1.1.1", "2.2.2.2", "3.3.3.3"];
    assert_eq!(counted(&world, &invented).await, [200, 200, 429], "one address, whatever it says");
    let world = World::with(&[limit, ("RELAY_TRUSTED_PROXIES", "127.0.0.1")]).await;
    assert_eq!(counted(&world, &invented).await, [200, 200, 200], "three people behind a proxy");
    // The last hop that is not trusted is the one that the proxy saw; before it anything is claimed.
    let claims = ["7.7.7.7, 5.5.5.5", "8.8.8.8, 5.5.5.5", "9.9.9.9,5.5.5.5", "6.6.6.6"];
    assert_eq!(counted(&world, &claims).await, [200, 200, 429, 200]);
    let rubbish = ["unknown", "", "5.5.5.5, nonsense"];
    assert_eq!(counted(&world, &rubbish).await, [200, 200, 429], "then it is the proxy's own");
}

#[tokio::test]
async fn a_flood_from_one_person_or_address_hinders_nobody_else() {
    let limits = [
        ("RELAY_RATE_PER_MINUTE", "5"),
        ("RELAY_RATE_PER_MINUTE_ADDRESS", "5"),
        ("RELAY_TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let world = World::with(&limits).await;
    let flood = (0..40).map(|_| world.ask_as(ANA, Method::GET, "/api/account").send());
    let answers = futures_util::future::join_all(flood).await;
    let let_in = answers.iter().flatten().filter(|answer| answer.status() == 200).count();
    assert!((5..=6).contains(&let_in), "{let_in}");
    let limited = answers.iter().flatten().find(|answer| answer.status() == 429).expect("one");
    let after: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    let luis = world.ask_as(LUIS, Method::GET, "/api/account").send().await.unwrap();
    assert_eq!(luis.status(), 200);
    assert_eq!(counted(&world, &["4.4.4.4"; 7]).await, [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(counted(&world, &["4.4.4.5"]).await, [200]);
}

/// In the long form, by the clock; in the short form the same code is tested with less patience
/// where it lives (`server.rs`).
#[tokio::test]
async fn a_sender_that_drips_is_not_waited_for() {
    if !std::env::var("RELAY_TEST_LONG").is_ok_and(|it| it == "1") {
        return;
    }
    let world = World::start().await;
    let token = world.token(ANA);
    let head = "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned();
    let body = format!(
        "POST /api/tokens/validate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    let (head, body) = tokio::join!(drip(&world, head, "x"), drip(&world, body, " "));
    assert!(head < Duration::from_secs(40), "{head:?}");
    assert!(body < Duration::from_secs(140), "{body:?}");
}

/// How long it takes the relay to hang up on somebody who sends another letter every second.
async fn drip(world: &World, begin: String, letter: &str) -> Duration {
    let stream = TcpStream::connect(world.relay.addr).await.expect("a connection");
    let (mut read, mut write) = stream.into_split();
    let began = Instant::now();
    write.write_all(begin.as_bytes()).await.expect("written");
    let closed = async {
        let mut answer = Vec::new();
        read.read_to_end(&mut answer).await.ok();
    };
    let dripping = async {
        while write.write_all(letter.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let hung_up = async {
        tokio::select! {
            () = closed => {}
            () = dripping => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(180), hung_up).await.expect("it hangs up");
    began.elapsed()
}
