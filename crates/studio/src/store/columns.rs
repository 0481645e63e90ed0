//! Reading columns into the domain's types.

use rusqlite::Row;
use rusqlite::types::Type;
use std::str::FromStr;
use uuid::Uuid;

/// A column whose text is not of its type.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a value of this column")]
struct Unreadable(String);

fn unreadable(index: usize, text: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(Unreadable(text)))
}

/// A UUID in text.
pub fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(index)?;
    Uuid::from_str(&text).map_err(|_| unreadable(index, text))
}

/// A word of a closed set.
pub fn word<T>(
    row: &Row<'_>,
    index: usize,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    read(&text).ok_or_else(|| unreadable(index, text))
}

/// Rows that can be read; one that cannot is logged and does not hide the others.
pub fn readable<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> rusqlite::Result<Vec<T>> {
    let mut all = Vec::new();
    for row in rows {
        match row {
            Ok(value) => all.push(value),
            Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                tracing::warn!(%error, "a stored row could not be read and is left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
