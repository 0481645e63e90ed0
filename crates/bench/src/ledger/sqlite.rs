//! The raw side on SQLite: one thread that writes, and commits whatever has queued up in one go.

use super::statements::{RESERVE, SETTLE};
use super::{AT_ONCE, CHARGE, RESERVE as HELD, people};
use anyhow::{Context, Result};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A transaction's work: the statements of one half of a pair.
struct Work {
    statements: &'static [&'static str],
    user: String,
    lot: i64,
    generation: String,
    done: oneshot::Sender<()>,
}

/// The database, with its writer.
pub(crate) struct Raw {
    queue: mpsc::Sender<Work>,
    lots: Vec<i64>,
}

impl Raw {
    /// Opens a database that has the people and their lots.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", "ON")?;
        // As the relay does: statements are planned once.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        db.set_prepared_statement_cache_capacity(64);
        let lot = |user: &str| {
            let sql = "SELECT id FROM lots WHERE user_id = ?1";
            db.query_row(sql, [user], |row| row.get(0))
        };
        let lots = people("raw").iter().map(|user| lot(user.as_str())).collect::<Result<_, _>>()?;
        let (queue, works) = mpsc::channel();
        std::thread::spawn(move || write(&db, &works));
        Ok(Self { queue, lots })
    }

    /// Pairs a second of all clients together.
    pub(crate) async fn pairs_a_second(&self, window: Duration) -> Result<f64> {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for client in 0..AT_ONCE {
            let (queue, lot) = (self.queue.clone(), self.lots[client]);
            let user = format!("raw{client}");
            clients.spawn(async move {
                let mut pairs = 0_u32;
                while began.elapsed() < window {
                    let generation = uuid::Uuid::now_v7().hyphenated().to_string();
                    for statements in [&RESERVE[..], &SETTLE[..]] {
                        let (done, answer) = oneshot::channel();
                        let (user, generation) = (user.clone(), generation.clone());
                        queue.send(Work { statements, user, lot, generation, done })?;
                        answer.await.context("the raw writer failed")?;
                    }
                    pairs += 1;
                }
                Ok::<_, anyhow::Error>(pairs)
            });
        }
        let mut pairs = 0;
        while let Some(one) = clients.join_next().await {
            pairs += one??;
        }
        Ok(f64::from(pairs) / began.elapsed().as_secs_f64())
    }
}

/// Ends, and with it every client, at the first failure: the baseline has no use for a bad run.
fn write(db: &Connection, works: &mpsc::Receiver<Work>) -> Option<()> {
    while let Ok(first) = works.recv() {
        let mut group = vec![first];
        group.extend(works.try_iter());
        db.prepare_cached("BEGIN IMMEDIATE").ok()?.raw_execute().ok()?;
        for work in &group {
            for statement in work.statements {
                run(db, statement, work).ok()?;
            }
        }
        db.prepare_cached("COMMIT").ok()?.raw_execute().ok()?;
        for work in group {
            work.done.send(()).ok();
        }
    }
    Some(())
}

fn run(db: &Connection, sql: &str, work: &Work) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default().to_owned();
        match name.as_str() {
            ":user" => statement.raw_bind_parameter(index, &work.user)?,
            ":generation" => statement.raw_bind_parameter(index, &work.generation)?,
            ":lot" => statement.raw_bind_parameter(index, work.lot)?,
            ":reserve_entry" | ":settle_entry" => {
                let id = uuid::Uuid::now_v7().hyphenated().to_string();
                statement.raw_bind_parameter(index, id)?;
            }
            ":lease" => statement.raw_bind_parameter(index, "lease")?,
            ":month" => statement.raw_bind_parameter(index, "2000-01")?,
            ":held" => statement.raw_bind_parameter(index, HELD.get())?,
            ":less" => statement.raw_bind_parameter(index, -HELD.get())?,
            ":charged" => statement.raw_bind_parameter(index, CHARGE.get())?,
            ":back" => statement.raw_bind_parameter(index, (HELD - CHARGE).get())?,
            ":now" => statement.raw_bind_parameter(index, 1_760_000_000_000_i64)?,
            ":one" => statement.raw_bind_parameter(index, 1)?,
            _ => statement.raw_bind_parameter(index, 0)?,
        }
    }
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}
