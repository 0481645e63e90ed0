//! Listening for the browser on this machine, where the `autocrea` scheme cannot be registered.
//!
//! One listener on one of the ports that are registered with the provider (its matching is exact),
//! for one attempt. It answers `GET /callback` with a page that says to go back to the app, and
//! everything else with 404; what the callback carried goes to whoever started it, who checks the
//! state like that of any other answer.

use crate::deep_link::{self, AuthAnswer};
use crate::ipc::Language;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// How long a browser may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request head that is read.
const LONGEST: usize = 8 << 10;

/// A listener on a registered port.
pub struct Loopback {
    listener: TcpListener,
    redirect: String,
}

impl Loopback {
    /// Takes the first of `ports` that is free; `None` if none is.
    pub async fn open(ports: &[u16]) -> Option<Self> {
        for &port in ports {
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
                let port = listener.local_addr().ok()?.port();
                let redirect = format!("http://127.0.0.1:{port}/callback");
                return Some(Self { listener, redirect });
            }
        }
        None
    }

    /// The redirect address that is registered for this port.
    #[must_use]
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// Waits for an answer that is one. Favicons, scanners and half requests are turned away.
    pub async fn answer(&self, language: impl Fn() -> Language) -> AuthAnswer {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of descriptors, say; not worth spinning for.
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let reading = tokio::time::timeout(PATIENCE, read_target(&mut stream)).await;
            let answer = reading.ok().flatten().and_then(|target| self.read(&target));
            let page = page(answer.is_some(), language());
            let writing = tokio::time::timeout(PATIENCE, async {
                stream.write_all(page.as_bytes()).await?;
                stream.shutdown().await
            });
            writing.await.ok();
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    fn read(&self, target: &str) -> Option<AuthAnswer> {
        let url = Url::parse(&self.redirect).ok()?.join(target).ok()?;
        if url.path() != "/callback" {
            return None;
        }
        deep_link::read_auth(&url).ok()
    }
}

/// The target of a GET request, once its head has ended.
async fn read_target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 || head.len() + read > LONGEST {
            return None;
        }
        head.extend_from_slice(chunk.get(..read)?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.lines().next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    (method == "GET" && target.starts_with('/')).then(|| target.to_owned())
}

fn page(accepted: bool, language: Language) -> String {
    let (status, title, text) = match (accepted, language) {
        (true, Language::Es) => {
            ("200 OK", "Ya puedes volver a AUTOCREA", "Puedes cerrar esta pestaña.")
        }
        (true, Language::En) => {
            ("200 OK", "You can go back to AUTOCREA", "This tab can be closed.")
        }
        (false, Language::Es) => {
            ("404 Not Found", "Aquí no hay nada", "Vuelve a AUTOCREA e inicia sesión de nuevo.")
        }
        (false, Language::En) => {
            ("404 Not Found", "There is nothing here", "Go back to AUTOCREA and sign in again.")
        }
    };
    let body = format!(
        "<!doctype html><meta charset=utf-8><title>{title}</title>\
         <body style=\"font:16px system-ui;background:#020617;color:#e2e8f0;text-align:center;\
         padding-top:20vh\"><h1 style=\"font-size:24px\">{title}</h1><p>{text}</p>"
    );
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
         x-content-type-options: nosniff\r\n\
         content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_callback_is_taken_and_everything_else_is_turned_away() {
        let loopback = Loopback::open(&[0]).await.expect("a free port");
        let base = Url::parse(loopback.redirect()).expect("a url");
        let address = base.socket_addrs(|| None).expect("an address")[0];
        let ask = async |request: &str| {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("answered");
            answer
        };
        let browser = async {
            let stray = ask("GET /favicon.ico HTTP/1.1\r\n\r\n").await;
            let posted = ask("POST /callback?code=c&state=s HTTP/1.1\r\n\r\n").await;
            let bare = ask("GET /callback?code=c HTTP/1.1\r\n\r\n").await;
            let good = ask("GET /callback?code=c&state=s HTTP/1.1\r\nhost: x\r\n\r\n").await;
            (stray, posted, bare, good)
        };
        let (answer, (stray, posted, bare, good)) =
            tokio::join!(loopback.answer(|| Language::En), browser);
        assert_eq!(answer, AuthAnswer::Code { code: "c".into(), state: "s".into() });
        for refused in [stray, posted, bare] {
            assert!(refused.starts_with("HTTP/1.1 404"), "{refused}");
        }
        assert!(good.starts_with("HTTP/1.1 200"), "{good}");
        assert!(!good.contains("code"), "nothing of the query is shown");
    }

    #[tokio::test]
    async fn a_taken_port_gives_way_to_the_next() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = taken.local_addr().expect("bound").port();
        assert!(Loopback::open(&[port]).await.is_none());
        assert!(Loopback::open(&[port, 0]).await.is_some());
    }
}
