//! What goes on without anybody asking: staying in touch with the relay, and going on with what an
//! earlier run left open.

use crate::Studio;
use std::sync::Arc;

impl Studio {
    /// Starts it; to be called once, after opening. Ends when the studio is dropped.
    pub async fn start_background(&self) {
        let Ok(online) = self.online() else { return };
        tokio::spawn(Arc::clone(online).stay_in_touch());
        online.resume_attempt();
        if let Ok(generations) = self.generations()
            && let Err(error) = generations.go_on().await
        {
            tracing::error!(%error, "what was running could not be read");
        }
        let is_waiting = online.known.lock().checkout.is_some();
        if is_waiting {
            online.wait_for_checkout();
        }
    }
}
