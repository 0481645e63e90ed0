//! Where secrets are kept: the operating system's keyring, a private file, or memory.
//!
//! The keyring is asked on a thread of its own, since it may be showing a dialog to unlock it, and
//! never waited for longer than ten seconds. Which place is used is the caller's to say and to
//! remember: only a person may decide that a secret goes into a file. "Not there" is `None`; "no
//! keyring" is [`VaultError::NoKeyring`]; both are read off types, never off messages.
//!
//! Deliberately not here: what the secrets are for.

use crate::ipc::SecretPlace;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Under which name the keyring files our secrets.
const SERVICE: &str = "org.joxai.autocrea";
/// Longest wait for the keyring: an unlock dialog may be open.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can go wrong with a secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// This machine offers no keyring, or it refuses to serve us.
    #[error("there is no keyring")]
    NoKeyring(#[source] Option<Box<keyring::Error>>),
    /// The keyring is there but has not answered: a dialog may be waiting.
    #[error("the keyring has not answered")]
    Slow,
    /// The private file cannot be read or written.
    #[error("the private file for secrets failed")]
    File(#[source] io::Error),
}

type Job = Box<dyn FnOnce() + Send>;

/// The places, and the way to them. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    file: Arc<PathBuf>,
    memory: Arc<Mutex<BTreeMap<String, SecretString>>>,
    keyring: Option<std::sync::mpsc::Sender<Job>>,
}

impl Vault {
    /// A vault whose private file is `file`. Nothing is touched yet.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let (sender, jobs) = std::sync::mpsc::channel::<Job>();
        // One thread, so that a keyring that hangs costs one and no more. It ends with the vault.
        let thread = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            for job in jobs {
                job();
            }
        });
        Self {
            file: Arc::new(file),
            memory: Arc::default(),
            keyring: thread.is_ok().then_some(sender),
        }
    }

    /// A vault on a machine without a keyring, for tests of just that.
    #[must_use]
    pub fn without_keyring(file: PathBuf) -> Self {
        Self { file: Arc::new(file), memory: Arc::default(), keyring: None }
    }

    /// Finds out whether there is a keyring, by reading.
    ///
    /// # Errors
    /// [`VaultError::NoKeyring`] or [`VaultError::Slow`].
    pub async fn probe(&self) -> Result<(), VaultError> {
        self.load(SecretPlace::Keyring, "probe").await.map(drop)
    }

    /// Reads a secret; `None` where there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn load(
        &self,
        place: SecretPlace,
        name: &str,
    ) -> Result<Option<SecretString>, VaultError> {
        match place {
            SecretPlace::Memory => Ok(self.memory.lock().get(name).cloned()),
            SecretPlace::File => {
                let (file, name) = (Arc::clone(&self.file), name.to_owned());
                on_disk(move || Ok(read_file(&file)?.remove(&name).map(SecretString::from))).await
            }
            SecretPlace::Keyring => {
                self.ask(name, |entry| match entry.get_password() {
                    Ok(secret) => Ok(Some(SecretString::from(secret))),
                    Err(keyring::Error::NoEntry) => Ok(None),
                    Err(error) => Err(error),
                })
                .await
            }
        }
    }

    /// Keeps a secret, in the place of an older one of that name.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn save(
        &self,
        place: SecretPlace,
        name: &str,
        secret: &SecretString,
    ) -> Result<(), VaultError> {
        let secret = secret.clone();
        match place {
            SecretPlace::Memory => {
                self.memory.lock().insert(name.to_owned(), secret);
                Ok(())
            }
            SecretPlace::File => {
                self.change_file(name, move |all, name| {
                    all.insert(name, secret.expose_secret().to_owned());
                })
                .await
            }
            SecretPlace::Keyring => {
                self.ask(name, move |entry| entry.set_password(secret.expose_secret())).await
            }
        }
    }

    /// Forgets a secret; one that is not there is forgotten already.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn forget(&self, place: SecretPlace, name: &str) -> Result<(), VaultError> {
        match place {
            SecretPlace::Memory => {
                self.memory.lock().remove(name);
                Ok(())
            }
            SecretPlace::File => {
                self.change_file(name, |all, name| {
                    all.remove(&name);
                })
                .await
            }
            SecretPlace::Keyring => {
                self.ask(name, |entry| match entry.delete_credential() {
                    Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
                    Err(error) => Err(error),
                })
                .await
            }
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(keyring::Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, VaultError> {
        let name = name.to_owned();
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked has given up while another question was holding the keyring.
            if sender.is_closed() {
                return;
            }
            sender.send(keyring::Entry::new(SERVICE, &name).and_then(work)).ok();
        });
        let Some(keyring) = &self.keyring else { return Err(VaultError::NoKeyring(None)) };
        keyring.send(job).map_err(|_| VaultError::NoKeyring(None))?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer.map_err(|error| VaultError::NoKeyring(Some(Box::new(error)))),
            Ok(Err(_)) => Err(VaultError::NoKeyring(None)),
            Err(_) => Err(VaultError::Slow),
        }
    }

    async fn change_file(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>, String) + Send + 'static,
    ) -> Result<(), VaultError> {
        let (file, name) = (Arc::clone(&self.file), name.to_owned());
        on_disk(move || {
            let mut all = read_file(&file)?;
            change(&mut all, name);
            write_file(&file, &all)
        })
        .await
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, VaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|result| result).map_err(VaultError::File)
}

fn read_file(file: &Path) -> io::Result<BTreeMap<String, String>> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step, so that a crash leaves the old or the new one. It is private from
/// its first byte: the mode is given at creation, not afterwards.
fn write_file(file: &Path, all: &BTreeMap<String, String>) -> io::Result<()> {
    if all.is_empty() {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let staged = file.with_extension("new");
    std::fs::remove_file(&staged).ok();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&staged)?;
    open.write_all(&serde_json::to_vec(all)?)?;
    open.sync_all()?;
    std::fs::rename(&staged, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    async fn read(vault: &Vault, place: SecretPlace) -> Option<String> {
        let found = vault.load(place, "a").await.expect("readable");
        found.map(|secret| secret.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_file_keeps_a_secret_for_the_next_start_and_for_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets.json");
        let vault = Vault::without_keyring(file.clone());
        assert_eq!(read(&vault, SecretPlace::File).await, None);
        vault.save(SecretPlace::File, "a", &secret("one")).await.expect("saved");
        vault.save(SecretPlace::File, "a", &secret("two")).await.expect("saved");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let next = Vault::without_keyring(file.clone());
        assert_eq!(read(&next, SecretPlace::File).await.as_deref(), Some("two"));
        next.forget(SecretPlace::File, "a").await.expect("forgotten");
        assert_eq!(read(&next, SecretPlace::File).await, None);
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn memory_forgets_at_the_end_of_the_app() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets.json");
        let vault = Vault::without_keyring(file.clone());
        vault.save(SecretPlace::Memory, "a", &secret("one")).await.expect("saved");
        assert_eq!(read(&vault, SecretPlace::Memory).await.as_deref(), Some("one"));
        assert_eq!(read(&Vault::without_keyring(file.clone()), SecretPlace::Memory).await, None);
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn no_keyring_is_told_apart_from_no_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::without_keyring(folder.path().join("secrets.json"));
        assert!(matches!(vault.probe().await, Err(VaultError::NoKeyring(None))));
        assert!(matches!(vault.load(SecretPlace::File, "a").await, Ok(None)));
    }

    #[tokio::test]
    async fn a_damaged_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets.json");
        std::fs::write(&file, b"{").expect("written");
        let vault = Vault::without_keyring(file.clone());
        let saved = vault.save(SecretPlace::File, "a", &secret("one")).await;
        assert!(matches!(saved, Err(VaultError::File(_))));
        assert_eq!(std::fs::read(&file).expect("there"), b"{");
    }
}
