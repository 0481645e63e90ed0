//! Copying the relay's ledger, page by page, behind a cursor that is stored with each page.

use super::Online;
use crate::Studio;
use crate::error::Error;
use crate::ipc::{LedgerView, StudioEvent};
use crate::store::{self, StoreError};
use autocrea_protocol::Tokens;
use autocrea_protocol::ledger::{EntryKind, LedgerEntry, LedgerPage};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Entries asked for at once: the most that the relay gives.
const PAGE: u32 = 100;
/// Rows that the page may ask for at once.
const MOST_ROWS: u32 = 200;

impl Online {
    /// Copies what is missing, on a task of its own.
    pub(super) fn copy_ledger_soon(self: &Arc<Self>) {
        let online = Arc::clone(self);
        tokio::spawn(async move {
            let copying = online.copy_ledger();
            let stopped = online.stop.cancelled();
            tokio::select! {
                () = stopped => {}
                copied = copying => if let Err(error) = copied {
                    // It is behind until the next snapshot; the relay's is the truth.
                    tracing::debug!(%error, "the ledger could not be copied");
                }
            }
        });
    }

    /// One copier at a time: two would fetch the same pages.
    async fn copy_ledger(self: &Arc<Self>) -> Result<(), Error> {
        let _turn = self.ledger_turn.lock().await;
        loop {
            let Some(user) = self.user() else { return Ok(()) };
            let whose = user.clone();
            let after = self.store.read(move |db| store::ledger::cursor(db, &whose)).await?;
            let cursor = after.clone();
            let page: LedgerPage = self
                .call(move |relay, access| {
                    let cursor = cursor.clone();
                    async move { relay.ledger(access.secret(), cursor.as_deref(), PAGE).await }
                })
                .await?;
            let is_last = page.next.is_none();
            // At the end the relay names no cursor; its entries are themselves the cursor.
            let next = page.next.or_else(|| page.entries.last().map(|entry| entry.id.clone()));
            let Some(next) = next.filter(|next| Some(next) != after.as_ref()) else {
                return Ok(());
            };
            // Somebody else may have signed in while the page was on its way.
            if self.user().as_ref() != Some(&user) {
                return Ok(());
            }
            let entries = page.entries;
            let (added, projects) = self
                .store
                .write(move |db| {
                    let added = store::ledger::append(db, &user, &entries, &next)?;
                    Ok((added, learn_costs(db, &entries)?))
                })
                .await?;
            if added > 0 {
                self.announce(StudioEvent::Ledger);
            }
            for id in projects {
                self.announce(StudioEvent::Project { id });
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Generations that ended out of our sight cost what the ledger says. Returns their projects.
fn learn_costs(db: &Connection, entries: &[LedgerEntry]) -> Result<BTreeSet<Uuid>, StoreError> {
    let mut projects = BTreeSet::new();
    for entry in entries {
        let charged = match entry.kind {
            EntryKind::Settle => entry.tokens,
            EntryKind::Release => Tokens::ZERO,
            _ => continue,
        };
        let Some(id) = entry.generation_id else { continue };
        if let Some(project) = store::generations::learn_cost(db, id, charged)? {
            store::projects::add_tokens(db, project, charged)?;
            projects.insert(project);
        }
    }
    Ok(projects)
}

impl Studio {
    /// A page of the ledger's copy, newest first. Works offline.
    ///
    /// # Errors
    /// If nobody is known here, or the store cannot be read.
    pub async fn ledger_page(
        &self,
        before: Option<String>,
        limit: u32,
    ) -> Result<LedgerView, Error> {
        let online = self.online()?;
        let user = online.known.lock().account.as_ref().map(|account| account.user_id.clone());
        let Some(user) = user else {
            return Ok(LedgerView { rows: Vec::new(), next: None });
        };
        let limit = limit.clamp(1, MOST_ROWS);
        Ok(online
            .store
            .read(move |db| store::ledger::page(db, &user, before.as_deref(), limit))
            .await?)
    }
}
