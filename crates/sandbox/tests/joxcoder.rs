//! JoxCoder's twin on the wire: what a relay sees when all goes well, and when it is told not to.

#![allow(clippy::unwrap_used)] // the helpers of tests, too

use autocrea_sandbox::joxcoder::{Fault, JoxCoder, Options, Outcome, Reply};
use futures_util::StreamExt;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

async fn start() -> (JoxCoder, Client) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let joxcoder = JoxCoder::start(Options::default()).await.unwrap();
    (joxcoder, Client::new())
}

async fn ask_with(joxcoder: &JoxCoder, client: &Client, prompt: &str, more: Value) -> Response {
    let mut body = json!({
        "model": "demo",
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": [
            { "role": "system", "content": "Be brief.\nAUTOCREA-FILES n0nce\n" },
            { "role": "user", "content": prompt },
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let url = format!("{}/chat/completions", joxcoder.url());
    client.post(url).json(&body).send().await.unwrap()
}

async fn ask(joxcoder: &JoxCoder, client: &Client, prompt: &str) -> Response {
    ask_with(joxcoder, client, prompt, json!({})).await
}

/// What a stream said, read by its events.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    finish_reason: Option<String>,
    usage: Option<Value>,
    usage_with_choices: bool,
    done: bool,
    broken: bool,
    parts: usize,
}

async fn hear(response: Response) -> Heard {
    assert_eq!(response.status(), StatusCode::OK);
    let mut heard = Heard::default();
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        let Ok(part) = part else {
            heard.broken = true;
            break;
        };
        heard.parts += 1;
        bytes.extend_from_slice(&part);
    }
    for event in String::from_utf8(bytes).unwrap().split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            heard.done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        let choice = &chunk["choices"][0];
        heard.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if let Some(reason) = choice["finish_reason"].as_str() {
            heard.finish_reason = Some(reason.to_owned());
        }
        if chunk["usage"].is_object() {
            heard.usage = Some(chunk["usage"].clone());
            heard.usage_with_choices = choice.is_object();
        }
    }
    heard
}

#[tokio::test]
async fn a_page_streams_in_frames_with_usage_and_an_end() {
    let (joxcoder, client) = start().await;
    let heard = hear(ask(&joxcoder, &client, "Haz una lista de tareas").await).await;
    for path in ["index.html", "styles.css", "app.js"] {
        assert!(heard.text.contains(&format!("<<<FILE n0nce {path}>>>\n")), "{path}");
    }
    assert_eq!(heard.text.matches("\n<<<END n0nce>>>\n").count(), 3);
    assert!(heard.text.contains("modelo de demostración"));
    assert_eq!((heard.finish_reason.as_deref(), heard.done), (Some("stop"), true));
    let usage = heard.usage.unwrap();
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 0);
    assert_eq!(usage["completion_tokens"], heard.text.len().div_ceil(4));
    assert!(!heard.usage_with_choices);
    assert_eq!(joxcoder.requests()[0].body["model"], "demo");
}

#[tokio::test]
async fn usage_is_not_told_to_whoever_did_not_ask() {
    let (joxcoder, client) = start().await;
    let more = json!({ "stream_options": {} });
    assert_eq!(hear(ask_with(&joxcoder, &client, "notas", more).await).await.usage, None);
}

#[tokio::test]
async fn max_tokens_ends_the_text_and_says_length() {
    let (joxcoder, client) = start().await;
    let more = json!({ "max_tokens": 50 });
    let heard = hear(ask_with(&joxcoder, &client, "a to-do list", more.clone()).await).await;
    assert_eq!(heard.finish_reason.as_deref(), Some("length"));
    assert!(heard.text.len() <= 200);
    joxcoder.next(Fault::IgnoresMaxTokens);
    let heard = hear(ask_with(&joxcoder, &client, "a to-do list", more).await).await;
    assert!(heard.text.len() > 400, "{}", heard.text.len());
}

#[tokio::test]
async fn a_scripted_reply_is_given_as_written() {
    let (joxcoder, client) = start().await;
    joxcoder.script(Reply::pieces(["ho", "la ñ", "\n"]).usage(7, 0).finish("length"));
    let heard = hear(ask(&joxcoder, &client, "x").await).await;
    assert_eq!(heard.text, "hola ñ\n");
    assert_eq!(heard.finish_reason.as_deref(), Some("length"));
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7 });
    assert_eq!(heard.usage, Some(usage));
}

#[tokio::test]
async fn faults_concern_one_request_each_in_the_order_asked() {
    let (joxcoder, client) = start().await;
    joxcoder.next(Fault::Status(500));
    joxcoder.next(Fault::NoUsage);
    joxcoder.next(Fault::Empty);
    joxcoder.next(Fault::UsageOnChoice);
    joxcoder.next(Fault::EndAfter(3));
    joxcoder.next(Fault::DropAfter(3));
    let refused = ask(&joxcoder, &client, "notas").await;
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(hear(ask(&joxcoder, &client, "notas").await).await.usage, None);
    let empty = hear(ask(&joxcoder, &client, "notas").await).await;
    assert_eq!((empty.text.as_str(), empty.done), ("", true));
    assert!(hear(ask(&joxcoder, &client, "notas").await).await.usage_with_choices);
    let short = hear(ask(&joxcoder, &client, "notas").await).await;
    assert_eq!((short.finish_reason, short.done, short.broken), (None, false, false));
    assert!(hear(ask(&joxcoder, &client, "notas").await).await.broken);
    let whole = hear(ask(&joxcoder, &client, "notas").await).await;
    assert!(whole.done && !whole.broken);
}

#[tokio::test]
async fn a_waking_endpoint_answers_503_and_holds_whoever_offers_to_wait() {
    let (joxcoder, client) = start().await;
    joxcoder.next(Fault::WakingTimes(2));
    joxcoder.script(Reply::text("awake"));
    for _ in 0..2 {
        let status = ask(&joxcoder, &client, "x").await.status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(hear(ask(&joxcoder, &client, "x").await).await.text, "awake");

    joxcoder.next(Fault::Waking(Duration::from_millis(200)));
    joxcoder.script(Reply::text("held"));
    assert_eq!(ask(&joxcoder, &client, "x").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let url = format!("{}/chat/completions", joxcoder.url());
    let body = json!({ "stream": true, "messages": [{ "role": "user", "content": "x" }] });
    let request = client.post(url).header("x-scale-up-timeout", "30").json(&body);
    assert_eq!(hear(request.send().await.unwrap()).await.text, "held");
    let last = joxcoder.requests().pop().unwrap();
    assert_eq!(last.scale_up_timeout.as_deref(), Some("30"));
}

#[tokio::test]
async fn a_held_reply_waits_for_release_and_notices_a_client_that_leaves() {
    let (joxcoder, client) = start().await;
    joxcoder.script(Reply::pieces(["a", "b"]).hold_after(1));
    joxcoder.script(Reply::pieces(["a", "b"]).hold_after(1));
    let held = ask(&joxcoder, &client, "x").await;
    joxcoder.release();
    assert_eq!(hear(held).await.text, "ab");
    let left = ask(&joxcoder, &client, "x").await;
    drop(left);
    joxcoder.wait_for(|requests| requests[1].outcome == Outcome::ClientLeft).await;
    assert_eq!(joxcoder.requests()[0].outcome, Outcome::Finished);
}

#[tokio::test]
async fn bytes_can_arrive_cut_in_the_middle_of_letters() {
    let (joxcoder, client) = start().await;
    joxcoder.script(Reply::text("áéíóú→🙂".repeat(20)));
    let whole = hear(ask(&joxcoder, &client, "x").await).await;
    joxcoder.script(Reply { cut_bytes: Some(3), ..Reply::text("áéíóú→🙂".repeat(20)) });
    let cut = hear(ask(&joxcoder, &client, "x").await).await;
    assert_eq!(cut.text, whole.text);
    assert!(cut.parts > whole.parts * 4, "{} {}", cut.parts, whole.parts);
}

#[tokio::test]
async fn a_word_in_the_prompt_asks_for_its_fault_and_the_switch_for_all() {
    let (joxcoder, client) = start().await;
    let refused = ask(&joxcoder, &client, "Haz una tienda #error.").await;
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    joxcoder.switch(Some(Fault::NoUsage));
    for _ in 0..2 {
        assert_eq!(hear(ask(&joxcoder, &client, "notas").await).await.usage, None);
    }
    joxcoder.switch(None);
    assert!(hear(ask(&joxcoder, &client, "notas").await).await.usage.is_some());
}

#[tokio::test]
async fn dropping_the_model_cuts_what_it_was_saying() {
    let (joxcoder, client) = start().await;
    joxcoder.script(Reply::pieces(["a", "b"]).hold_after(1));
    let held = ask(&joxcoder, &client, "x").await;
    drop(joxcoder);
    assert!(hear(held).await.broken);
}

fn files(text: &str) -> Vec<(String, String)> {
    let frames = text.split("<<<FILE n0nce ").skip(1);
    frames
        .map(|frame| {
            let (path, rest) = frame.split_once(">>>\n").unwrap();
            let (content, _) = rest.split_once("\n<<<END n0nce>>>").unwrap();
            (path.to_owned(), content.to_owned())
        })
        .collect()
}

fn framed(files: &[(String, String)], request: &str) -> String {
    let frames = files
        .iter()
        .map(|(path, text)| format!("<<<FILE n0nce {path}>>>\n{text}\n<<<END n0nce>>>\n"));
    frames.collect::<String>() + "\n" + request
}

fn file<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
    &files.iter().find(|(known, _)| known == path).unwrap().1
}

#[tokio::test]
async fn changes_touch_what_was_asked_and_nothing_else() {
    let (joxcoder, client) = start().await;
    let say = async |prompt: &str| hear(ask(&joxcoder, &client, prompt).await).await.text;
    let first = files(&say("Haz una lista de tareas").await);
    let green = say(&framed(&first, "Cambia el color a verde")).await;
    let green = files(&green);
    assert_eq!(green.len(), 1);
    assert!(file(&green, "styles.css").contains("--accent: #16a34a;"));
    let dark = files(&say(&framed(&first, "use a dark theme, please")).await);
    assert!(file(&dark, "styles.css").contains("--bg: #0b1120;"));
    let titled = files(&say(&framed(&first, "Cambia el título a \"Casa <3\"")).await);
    assert!(file(&titled, "index.html").contains("<h1>Casa &lt;3</h1>"));
    assert!(file(&titled, "index.html").contains("<title>Casa &lt;3</title>"));
    let footer = files(&say(&framed(&first, "Add a footer “Bye”")).await);
    assert!(file(&footer, "index.html").contains("<footer class=\"page-foot\">Bye</footer>"));
    let section = files(&say(&framed(&first, "Añade preguntas frecuentes")).await);
    assert!(file(&section, "index.html").contains("<h2>Preguntas frecuentes</h2>"));
    let large = files(&say(&framed(&first, "Pon el título más grande")).await);
    assert!(file(&large, "styles.css").contains("h1 { font-size: clamp(44px, 9vw, 96px); }"));
    let told = files(&say(&framed(&first, "Change the title to Going to Mars.")).await);
    assert!(file(&told, "index.html").contains("<h1>Going to Mars</h1>"));
    let only = files(&say(&framed(&first, "Cambia el color del título a verde oscuro")).await);
    assert_eq!(only.len(), 1);
    assert!(!file(&only, "styles.css").contains("#0b1120"));
    let gone = say(&framed(&first, "Borra app.js")).await;
    assert!(gone.contains("\n<<<DELETE n0nce app.js>>>\n"));
    let moved = say(&framed(&first, "rename app.js to main.js")).await;
    assert!(moved.contains("\n<<<RENAME n0nce app.js -> main.js>>>\n"));
}

#[tokio::test]
async fn the_same_request_twice_still_makes_another_version() {
    let (joxcoder, client) = start().await;
    let say = async |prompt: &str| hear(ask(&joxcoder, &client, prompt).await).await.text;
    let mut project = files(&say("Una calculadora").await);
    for _ in 0..3 {
        let changed = files(&say(&framed(&project, "Cambia el color a rojo")).await);
        assert!(!changed.is_empty());
        assert!(changed.iter().all(|change| !project.contains(change)));
        for (path, text) in changed {
            project.retain(|(known, _)| *known != path);
            project.push((path, text));
        }
    }
}

#[tokio::test]
async fn an_answer_that_broke_off_goes_on_where_it_stopped() {
    let (joxcoder, client) = start().await;
    let url = format!("{}/chat/completions", joxcoder.url());
    let ask = async |messages: &Value, max_tokens: usize| {
        let body = json!({ "stream": true, "max_tokens": max_tokens, "messages": messages });
        hear(client.post(&url).json(&body).send().await.unwrap()).await
    };
    let mut messages = json!([
        { "role": "system", "content": "AUTOCREA-FILES n0nce\n\nProyecto: Mi huerto\n" },
        { "role": "user", "content": "Haz una tienda" },
    ]);
    let whole = ask(&messages, 100_000).await.text;
    assert!(whole.contains("Mi huerto"));
    let mut said = String::new();
    for _ in 0..100 {
        let heard = ask(&messages, 700).await;
        said.push_str(&heard.text);
        if heard.finish_reason.as_deref() == Some("stop") {
            break;
        }
        let list = messages.as_array_mut().unwrap();
        list.push(json!({ "role": "assistant", "content": heard.text }));
        list.push(json!({ "role": "user", "content": "Sigue donde se quedó." }));
    }
    assert_eq!(said, whole);
}

#[tokio::test]
async fn every_page_is_whole_in_both_languages() {
    let (joxcoder, client) = start().await;
    let kinds = [
        ("Lista de tareas", "A to-do list"),
        ("Landing page", "A landing page for my band"),
        ("Una calculadora", "A calculator"),
        ("Panel de ventas", "An admin dashboard"),
        ("Tienda online", "An online shop"),
        ("Bloc de notas", "A notes app"),
        ("Un juego", "A game of snake"),
        ("App móvil de hábitos", "A mobile app for habits"),
        ("Una API REST", "A REST API"),
        ("Algo sobre volcanes", "Something about the sea"),
    ];
    for prompt in kinds.iter().flat_map(|(es, en)| [es, en]) {
        let heard = hear(ask(&joxcoder, &client, prompt).await).await;
        let made = files(&heard.text);
        assert_eq!(made.len(), if prompt.contains("API") { 6 } else { 3 }, "{prompt}");
        for (path, text) in &made {
            assert!(!text.contains("{{") && !text.contains("||]]"), "{prompt} {path}");
            assert!(!text.contains("https://") && !text.contains("/*base*/"), "{prompt} {path}");
        }
        // Within what the free plan lets a generation write, by the relay's own estimate.
        assert!(heard.text.len().div_ceil(3) < 4_096, "{prompt}: {}", heard.text.len());
        let html = file(&made, "index.html");
        assert!(html.contains("href=\"styles.css\"") && html.contains("src=\"app.js\""));
    }
}
