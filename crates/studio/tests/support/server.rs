//! A server that can be killed, connections and all, and started again on the same port.

use axum::Router;
use parking_lot::Mutex;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

pub struct Server {
    app: Router,
    address: SocketAddr,
    running: Mutex<Option<Runtime>>,
}

impl Server {
    pub fn start(app: impl FnOnce(SocketAddr) -> Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Self { app: app(address), address, running: Mutex::new(None) };
        server.serve(listener);
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything breaks at once.
    pub fn kill(&self) {
        if let Some(runtime) = self.running.lock().take() {
            runtime.shutdown_background();
        }
        // The port is free once the runtime's tasks are dropped.
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    pub fn revive(&self) {
        let bound = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(_) => std::thread::yield_now(),
            }
        };
        self.serve(bound);
    }

    fn serve(&self, listener: std::net::TcpListener) {
        listener.set_nonblocking(true).expect("set");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let app = self.app.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, app).await.expect("serving");
        });
        *self.running.lock() = Some(runtime);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.running.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}
