//! The variables of a run: the environment, over `.env.local`.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;

/// Variables as they are in force.
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads `.env.local`, if there is one, and the environment, which wins. A variable that is
    /// set to nothing is as if it were not set.
    pub fn read() -> Result<Self> {
        let mut variables = BTreeMap::new();
        let file = crate::root().join(".env.local");
        if file.exists() {
            let text = fs::read_to_string(&file).context("reading .env.local")?;
            for (number, line) in text.lines().enumerate() {
                if let Some((name, value)) =
                    assignment(line).with_context(|| format!(".env.local, line {}", number + 1))?
                {
                    variables.insert(name, value);
                }
            }
        }
        variables.extend(std::env::vars());
        variables.retain(|_, value| !value.trim().is_empty());
        Ok(Self(variables))
    }

    /// A variable, if it is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it is set to something.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All variables whose name begins with one of `prefixes`.
    pub fn starting_with(&self, prefixes: &[&str]) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// `NAME=value`, `export NAME="value"`, a comment or nothing.
fn assignment(line: &str) -> Result<Option<(String, String)>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
        bail!("expected NAME=value");
    };
    let value = value.trim();
    let value = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    Ok(Some((name.trim().to_owned(), value.to_owned())))
}

/// The port that is wanted, or a free one where it is taken.
pub fn port(wanted: u16) -> Result<u16> {
    if let Ok(listener) = TcpListener::bind(("127.0.0.1", wanted)) {
        return Ok(listener.local_addr()?.port());
    }
    let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    println!("Port {wanted} is taken; {free} is used instead.");
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_file_is_read_as_a_shell_would() {
        let read = |line| assignment(line).expect("well formed");
        assert_eq!(read("# a comment"), None);
        assert_eq!(read("A=b"), Some(("A".into(), "b".into())));
        assert_eq!(read("export A=\"b c\""), Some(("A".into(), "b c".into())));
        assert!(assignment("nonsense").is_err());
    }

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let wanted = taken.local_addr().expect("address").port();
        assert_ne!(port(wanted).expect("another"), wanted);
    }
}
