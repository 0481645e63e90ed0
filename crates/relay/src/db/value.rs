//! Values on their way into statements and out of rows, without naming the engine.

use super::DbError;
use autocrea_protocol::{GenerationId, PlanId, Tokens, UnixMillis, UserId};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// A value to bind.
#[derive(Clone, Copy, Debug)]
pub enum SqlValue<'a> {
    /// NULL.
    Null,
    /// An integer; times, tokens and truth values too.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// The sixteen bytes of a UUID, bound as its hyphenated text.
    Uuid(uuid::Uuid),
    /// Bytes.
    Blob(&'a [u8]),
}

/// Whatever can be bound to a statement.
pub trait Param {
    /// Its value.
    fn value(&self) -> SqlValue<'_>;
}

impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> SqlValue<'_> {
        (**self).value()
    }
}
impl<T: Param> Param for Option<T> {
    fn value(&self) -> SqlValue<'_> {
        self.as_ref().map_or(SqlValue::Null, Param::value)
    }
}

macro_rules! params {
    ($($kind:ty => |$it:ident| $value:expr;)*) => {
        $(impl Param for $kind {
            fn value(&self) -> SqlValue<'_> {
                let $it = self;
                $value
            }
        })*
    };
}
params! {
    i64 => |it| SqlValue::Integer(*it);
    i32 => |it| SqlValue::Integer(i64::from(*it));
    u32 => |it| SqlValue::Integer(i64::from(*it));
    bool => |it| SqlValue::Integer(i64::from(*it));
    str => |it| SqlValue::Text(it);
    String => |it| SqlValue::Text(it);
    [u8] => |it| SqlValue::Blob(it);
    Vec<u8> => |it| SqlValue::Blob(it);
    uuid::Uuid => |it| SqlValue::Uuid(*it);
    Tokens => |it| SqlValue::Integer(it.get());
    UnixMillis => |it| SqlValue::Integer(it.0);
    UserId => |it| SqlValue::Text(it.as_str());
    PlanId => |it| SqlValue::Text(it.as_str());
    GenerationId => |it| SqlValue::Uuid(it.0);
}

struct Bound<'a>(SqlValue<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            SqlValue::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(number)),
            SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            SqlValue::Uuid(id) => ToSqlOutput::Owned(id.hyphenated().to_string().into()),
            SqlValue::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

pub(super) fn bind(
    statement: &mut rusqlite::CachedStatement<'_>,
    params: &[&dyn Param],
) -> Result<(), DbError> {
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Bound(param.value()))?;
    }
    Ok(())
}

/// One row of an answer; columns are counted from 0.
pub struct Row<'a>(pub(super) Source<'a>);

/// Whose row it is.
pub(super) enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column.
    ///
    /// # Errors
    /// [`DbError::Column`] if it holds something else.
    pub fn get<T: Column>(&self, index: usize) -> Result<T, DbError> {
        let value = match self.0 {
            Source::Sqlite(row) => plain(row.get_ref(index)?),
            Source::Postgres(row) => row.try_get(index).ok(),
        };
        value.and_then(T::read).ok_or(DbError::Column { index, expected: T::EXPECTED })
    }
}

fn plain(value: ValueRef<'_>) -> Option<SqlValue<'_>> {
    Some(match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Text(text) => SqlValue::Text(std::str::from_utf8(text).ok()?),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
        ValueRef::Real(_) => return None,
    })
}

/// Whatever a column can be read as.
pub trait Column: Sized {
    /// For the error.
    const EXPECTED: &'static str;
    /// The value, if it is one.
    fn read(value: SqlValue<'_>) -> Option<Self>;
}

impl<T: Column> Column for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

macro_rules! columns {
    ($($kind:ty, $expected:literal, $pattern:pat => $value:expr;)*) => {
        $(impl Column for $kind {
            const EXPECTED: &'static str = $expected;
            fn read(value: SqlValue<'_>) -> Option<Self> {
                match value {
                    $pattern => $value,
                    _ => None,
                }
            }
        })*
    };
}
columns! {
    i64, "an integer", SqlValue::Integer(number) => Some(number);
    u32, "a small integer", SqlValue::Integer(number) => u32::try_from(number).ok();
    bool, "0 or 1", SqlValue::Integer(number) => Some(number != 0);
    String, "text", SqlValue::Text(text) => Some(text.to_owned());
    Vec<u8>, "bytes", SqlValue::Blob(bytes) => Some(bytes.to_vec());
    uuid::Uuid, "a UUID", SqlValue::Text(text) => uuid::Uuid::try_parse(text).ok();
    Tokens, "tokens", SqlValue::Integer(number) => Some(Tokens(number));
    UnixMillis, "a time", SqlValue::Integer(number) => Some(UnixMillis(number));
    UserId, "a user id", SqlValue::Text(text) => Some(UserId(text.to_owned()));
    PlanId, "a plan id", SqlValue::Text(text) => Some(PlanId(text.to_owned()));
    GenerationId, "a generation id", SqlValue::Text(text) =>
        uuid::Uuid::try_parse(text).ok().map(GenerationId);
}
