//! One connection, owned by one thread.
//!
//! The thread that asks also moves the connection's bytes, so a statement costs one send and one
//! receive and no hop between threads. What needs no answer (the beginning of a transaction, the
//! hold on a person, the growth of their version) is sent *ahead*: together with the next statement,
//! in the same packet.

use super::address::{Address, Wire};
use super::fault::Fault;
use super::sql::translated;
use crate::db::{DbError, Param, SqlValue};
use autocrea_protocol::UserId;
use futures_util::future::{join, join_all, try_join_all};
use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

/// No statement of ours takes longer: a server that has taken one and says nothing has stopped.
const SILENT: Duration = Duration::from_secs(300);
/// After so much silence a connection is looked at before it is used.
const TRUSTED_FOR: Duration = Duration::from_millis(20);

/// A connection and the statements that it knows.
pub(in crate::db) struct Session {
    client: Client,
    /// `None` once it has ended.
    wire: Option<Box<dyn Wire>>,
    runtime: Runtime,
    statements: HashMap<&'static str, Statement>,
    ahead: Vec<Ahead>,
    /// Why the running transaction cannot be committed any more.
    failed: Option<Fault>,
    used: Instant,
}

type Value<'a> = &'a (dyn ToSql + Sync);

/// What is sent with the next statement.
enum Ahead {
    Command(&'static str),
    About(Statement, UserId),
}

impl Session {
    pub(super) fn open(address: &Address) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::said(&error.to_string()))?;
        let (client, wire) = runtime.block_on(address.connect())?;
        Ok(Self {
            client,
            wire: Some(wire),
            runtime,
            statements: HashMap::new(),
            ahead: Vec::new(),
            failed: None,
            used: Instant::now(),
        })
    }

    /// Whether it can still be used, as far as is known here.
    pub(super) fn is_alive(&mut self) -> bool {
        if self.used.elapsed() > TRUSTED_FOR {
            let wire = &mut self.wire;
            self.runtime.block_on(async {
                // Lets the runtime look at the socket once.
                tokio::task::yield_now().await;
                std::future::poll_fn(|cx| {
                    turn(wire, cx);
                    Poll::Ready(())
                })
                .await;
            });
        }
        self.is_open()
    }

    /// Whether its end has not been seen.
    pub(super) fn is_open(&self) -> bool {
        self.wire.is_some() && !self.client.is_closed()
    }

    /// Begins a transaction with the next statement.
    pub(super) fn begin(&mut self, command: &'static str) {
        self.ahead.clear();
        self.failed = None;
        self.ahead.push(Ahead::Command(command));
    }

    /// Ends it for good. An error means that nothing was written, or that nobody knows.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        if self.is_untouched() {
            return Ok(());
        }
        if let Some(fault) = self.failed.clone() {
            self.rollback();
            return Err(fault);
        }
        self.ahead.push(Ahead::Command("COMMIT"));
        self.send_ahead()
    }

    /// Ends it and leaves nothing of it.
    pub(super) fn rollback(&mut self) {
        let begun = !self.is_untouched();
        self.ahead.clear();
        if begun {
            self.ahead.push(Ahead::Command("ROLLBACK"));
            if self.send_ahead().is_err() {
                self.wire = None;
            }
        }
    }

    /// Whether the beginning itself has not been sent: then there is nothing to end.
    fn is_untouched(&mut self) -> bool {
        let untouched = matches!(self.ahead[..], [Ahead::Command(_)]);
        if untouched {
            self.ahead.clear();
        }
        untouched
    }

    /// Sends a statement about one person with the next one that is answered.
    pub(in crate::db) fn send_later(
        &mut self,
        sql: &'static str,
        user: &UserId,
    ) -> Result<(), DbError> {
        let statement = self.prepared(sql)?;
        self.ahead.push(Ahead::About(statement, user.clone()));
        Ok(())
    }

    /// How many rows a statement changed.
    pub(in crate::db) fn execute(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<usize, DbError> {
        let changed = self.ask(
            sql,
            &[params],
            &async |client: &Client, statement: &Statement, values: &[Value<'_>]| {
                client.execute(statement, values).await
            },
        )?;
        Ok(changed.first().map_or(0, |rows| usize::try_from(*rows).unwrap_or(usize::MAX)))
    }

    /// All rows that a statement answers.
    pub(in crate::db) fn query(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<Vec<Row>, DbError> {
        Ok(self.query_each(sql, &[params])?.pop().unwrap_or_default())
    }

    /// All rows that a statement answers to each set of parameters, in one exchange.
    pub(in crate::db) fn query_each(
        &mut self,
        sql: &'static str,
        sets: &[&[&dyn Param]],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        self.ask(sql, sets, &async |client: &Client,
                                    statement: &Statement,
                                    values: &[Value<'_>]| {
            client.query(statement, values).await
        })
    }

    /// Sends a statement with each set of parameters, one behind the other, and waits for all.
    fn ask<T>(
        &mut self,
        sql: &'static str,
        sets: &[&[&dyn Param]],
        request: &impl AsyncFn(&Client, &Statement, &[Value<'_>]) -> Result<T, Error>,
    ) -> Result<Vec<T>, DbError> {
        let statement = self.prepared(sql)?;
        let ahead = std::mem::take(&mut self.ahead);
        let Self { client, wire, runtime, failed, used, .. } = self;
        let one = async |params: &[&dyn Param]| {
            let values: Vec<SqlValue<'_>> = params.iter().map(|param| param.value()).collect();
            let values: Vec<Value<'_>> = values.iter().map(|value| value as Value<'_>).collect();
            request(client, &statement, &values).await
        };
        let answered = drive(runtime, wire, async {
            let asked = try_join_all(sets.iter().map(|params| one(params)));
            let (ahead, answers) = join(sent(client, &ahead), asked).await;
            ahead.and(answers)
        });
        *used = Instant::now();
        answered.map_err(|fault| {
            failed.get_or_insert(fault.clone());
            DbError::Postgres(fault)
        })
    }

    fn send_ahead(&mut self) -> Result<(), Fault> {
        let ahead = std::mem::take(&mut self.ahead);
        let Self { client, wire, runtime, .. } = self;
        drive(runtime, wire, sent(client, &ahead))?;
        Ok(())
    }

    /// Prepared once a connection. Outside the transaction if that has not been sent yet, which
    /// makes no difference.
    fn prepared(&mut self, sql: &'static str) -> Result<Statement, DbError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let text = translated(sql);
        let Self { client, wire, runtime, .. } = self;
        let prepared = drive(runtime, wire, client.prepare(&text));
        let statement = prepared.map_err(|fault| {
            self.failed.get_or_insert(fault.clone());
            DbError::Postgres(fault)
        })?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// Sends all of it at once, in order; the first fault of any.
async fn sent(client: &Client, ahead: &[Ahead]) -> Result<(), Error> {
    let all = ahead.iter().map(|one| async move {
        match one {
            Ahead::Command(command) => client.batch_execute(command).await,
            Ahead::About(statement, user) => {
                client.execute(statement, &[&user.as_str()]).await.map(drop)
            }
        }
    });
    join_all(all).await.into_iter().collect()
}

/// Moves the connection's bytes until `future` has its answer. A connection on which none comes is
/// given up.
fn drive<T>(
    runtime: &Runtime,
    wire: &mut Option<Box<dyn Wire>>,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    let mut future = pin!(future);
    let answered = runtime.block_on(async {
        let answered = std::future::poll_fn(|cx| {
            turn(wire, cx);
            // What this asks for wakes the connection, and so this function, once more.
            future.as_mut().poll(cx)
        });
        tokio::time::timeout(SILENT, answered).await
    });
    let Ok(answered) = answered else {
        *wire = None;
        return Err(Fault::said("it did not answer in time"));
    };
    Ok(answered?)
}

fn turn(wire: &mut Option<Box<dyn Wire>>, cx: &mut Context<'_>) {
    while let Some(moving) = wire {
        match moving.poll_message(cx) {
            Poll::Pending => return,
            // Notices; nobody here listens to notifications.
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(error = %Fault::from(error), "a connection to the database ended");
                *wire = None;
            }
            Poll::Ready(None) => *wire = None,
        }
    }
}
