//! nchan, nginx's module for publishing to subscribers: the baseline of the account's events.
//!
//! One worker process, as nchan runs fastest where a channel's subscribers all wait (with two, each
//! message crosses between them). Channels are made at the first subscription; a message is a post
//! to `/pub?id=…`.

use crate::http::{Conn, get};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx; ended when dropped.
#[derive(Debug)]
pub struct Nchan {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Nchan {
    /// Starts it with a configuration of its own in `work`.
    ///
    /// # Errors
    /// If it does not begin to listen.
    pub async fn start(nginx: &Path, work: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = work.join("nchan");
        fs::create_dir_all(&folder)?;
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(address))?;
        let mut command = Command::new(nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "error.log"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", nginx.display()))?;
        let mut nchan = Self { address, child };
        let began = Instant::now();
        // It listens before it has made its worker.
        while Conn::open(address).await.is_err() || nchan.worker().is_err() {
            ensure!(nchan.child.try_wait()?.is_none(), "nginx ended; see {}", folder.display());
            ensure!(began.elapsed() < Duration::from_secs(10), "nginx does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(nchan)
    }

    /// The process that holds the connections.
    ///
    /// # Errors
    /// If it is not there.
    pub fn worker(&self) -> Result<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(path)?;
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).context("no worker")
    }
}

/// The request of a subscriber.
#[must_use]
pub fn subscription(channel: usize) -> Vec<u8> {
    get(&format!("/sub?id={channel}"), "accept: text/event-stream\r\n")
}

/// The request that publishes a message.
#[must_use]
pub fn publication(channel: usize, message: &str) -> Vec<u8> {
    crate::http::post(&format!("/pub?id={channel}"), "", message.as_bytes())
}

fn configuration(address: SocketAddr) -> String {
    format!(
        "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  nchan_shared_memory_size 256m;
  server {{
    listen {address} backlog=4096;
    location = /sub {{ nchan_subscriber eventsource; nchan_channel_id $arg_id; }}
    location = /pub {{ nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 1; }}
  }}
}}
"
    )
}

impl Drop for Nchan {
    fn drop(&mut self) {
        // TERM, on which nginx ends its worker too.
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().ok();
        self.child.wait().ok();
    }
}
