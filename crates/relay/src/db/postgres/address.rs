//! From a `postgres://` address to a connection.
//!
//! Encrypted unless the server is on this machine or the address says `sslmode=disable`. Whoever is
//! encrypted to is also verified, by the authorities that the system trusts (`sslrootcert=system` says
//! the same) or by those in `sslrootcert=FILE`; `verify-ca` and `verify-full` are taken as `require`,
//! which is no less here.

use super::fault::Fault;
use crate::upstream;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

const PATIENCE: Duration = Duration::from_secs(5);
/// For all of a connection's beginning: a server may take the call and say nothing.
const WHOLE_PATIENCE: Duration = Duration::from_secs(10);
/// A peer that is gone is noticed: its locks are given back.
const SILENCE: Duration = Duration::from_secs(20);
/// What each connection is told at its beginning: no transaction waits for ever, nor holds a row
/// for a process that has stopped.
const MANNERS: &str = "-c idle_in_transaction_session_timeout=60s -c lock_timeout=30s -c jit=off";

/// Where a database is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    /// Where others than the system's are trusted.
    tls: Option<MakeRustlsConnect>,
}

/// The half of a connection that moves its bytes.
pub(super) trait Wire: Send {
    /// The next message that nobody asked for; `None` when the connection has ended.
    fn poll_message(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<tokio_postgres::AsyncMessage, tokio_postgres::Error>>>;
}

impl<S, T> Wire for Connection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn poll_message(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<tokio_postgres::AsyncMessage, tokio_postgres::Error>>> {
        Self::poll_message(self, cx)
    }
}

impl Address {
    /// Reads an address.
    pub(crate) fn read(address: &str) -> Result<Self, Fault> {
        // No URL parser: `user@/database?host=/a/folder`, usual with sockets, is none to it.
        let (place, query) = address.split_once('?').unwrap_or((address, ""));
        let (mut authorities, mut sslmode) = (None, None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslrootcert" => authorities = Some(value.into_owned()),
                "sslmode" => sslmode = Some(value.into_owned()),
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let mut config: Config = format!("{place}?{}", rest.finish()).parse()?;
        config.ssl_mode(match sslmode.as_deref() {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("allow" | "prefer") => SslMode::Prefer,
            Some(_) => return Err(Fault::said("its address has an unknown sslmode")),
            None if config.get_hosts().iter().all(here) => SslMode::Disable,
            None => SslMode::Prefer,
        });
        let options = config.get_options().map_or_else(String::new, |given| format!(" {given}"));
        config
            .options(format!("{MANNERS}{options}"))
            .application_name("autocrea-relay")
            .connect_timeout(PATIENCE)
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE);
        let others = authorities.filter(|file| file != "system");
        let tls = others.map(|file| trusting(&file)).transpose()?.map(MakeRustlsConnect::new);
        Ok(Self { config, tls })
    }

    /// The same place, spoken to about what may be lost with the server: a commit is not waited for
    /// until it is on the disk, and a statement ends that nobody waits for any more.
    pub(super) fn aside(&self, patience: Duration) -> Self {
        let mut config = self.config.clone();
        let given = config.get_options().unwrap_or_default();
        let most = patience.as_millis() * 2;
        let options = format!("{given} -c synchronous_commit=off -c statement_timeout={most}");
        config.options(options);
        Self { config, tls: self.tls.clone() }
    }

    /// Connects, with a task of the present runtime that moves the bytes.
    pub(crate) async fn client(&self) -> Result<Client, Fault> {
        let (client, mut wire) = self.connect().await?;
        tokio::spawn(async move {
            while let Some(Ok(_)) = std::future::poll_fn(|cx| wire.poll_message(cx)).await {}
        });
        Ok(client)
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<(Client, Box<dyn Wire>), Fault> {
        let connected = tokio::time::timeout(WHOLE_PATIENCE, self.begin()).await;
        connected.unwrap_or_else(|_| Err(Fault::said("it did not answer in time")))
    }

    async fn begin(&self) -> Result<(Client, Box<dyn Wire>), Fault> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = self.config.connect(NoTls).await?;
            return Ok((client, Box::new(connection)));
        }
        let tls = self.tls.clone().unwrap_or_else(|| MakeRustlsConnect::new(upstream::tls()));
        let (client, connection) = self.config.connect(tls).await?;
        Ok((client, Box::new(connection)))
    }
}

fn here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]"),
        Host::Unix(_) => true,
    }
}

/// Encryption to whoever one of these authorities vouches for.
fn trusting(file: &str) -> Result<ClientConfig, Fault> {
    let unreadable = || Fault::said("the file of its sslrootcert cannot be read");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unreadable())? {
        let added = certificate.ok().and_then(|it| roots.add(it).ok());
        added.ok_or_else(unreadable)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Fault::said("no encryption can be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(address: &str) -> SslMode {
        Address::read(address).expect("an address").config.get_ssl_mode()
    }

    #[test]
    fn only_a_server_on_this_machine_is_spoken_to_in_the_clear_unless_told_to() {
        assert_eq!(mode("postgres://ana@127.0.0.1:5432/relay"), SslMode::Disable);
        assert_eq!(mode("postgres://ana@localhost/relay?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://ana@db.example.com/relay"), SslMode::Prefer);
        assert_eq!(
            mode("postgres://ana@db.example.com/relay?sslmode=verify-full"),
            SslMode::Require
        );
        assert_eq!(mode("postgres://ana@db.example.com/relay?sslmode=disable"), SslMode::Disable);
    }

    #[test]
    fn a_socket_is_an_address_too() {
        for address in [
            "postgresql://ana:secret@/relay?host=/var/run/postgresql&sslmode=prefer",
            "postgresql:///relay?user=ana&host=/var/run/postgresql",
        ] {
            let config = Address::read(address).expect("an address").config;
            assert_eq!(config.get_hosts(), [Host::Unix("/var/run/postgresql".into())]);
            assert_eq!((config.get_user(), config.get_dbname()), (Some("ana"), Some("relay")));
        }
        assert!(Address::read("mysql://ana@localhost/relay").is_err());
    }

    #[test]
    fn what_the_address_gets_wrong_is_said_without_its_password() {
        let wrong = "postgres://ana:hunter2@db.example.com/relay?sslmode=perhaps";
        let fault = Address::read(wrong).err().expect("refused");
        assert!(!fault.to_string().contains("hunter2"));
    }
}
