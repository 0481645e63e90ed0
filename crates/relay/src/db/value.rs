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
pub struct Row<'a>(pub(super) &'a rusqlite::Row<'a>);

impl Row<'_> {
    /// The value of a column.
    ///
    /// # Errors
    /// [`DbError::Column`] if it holds something else.
    pub fn get<T: Column>(&self, index: usize) -> Result<T, DbError> {
        let value = self.0.get_ref(index)?;
        T::read(value).ok_or(DbError::Column { index, expected: T::EXPECTED })
    }
}

/// Whatever a column can be read as.
pub trait Column: Sized {
    /// For the error.
    const EXPECTED: &'static str;
    /// The value, if it is one.
    fn read(value: ValueRef<'_>) -> Option<Self>;
}

impl<T: Column> Column for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

macro_rules! columns {
    ($($kind:ty, $expected:literal, $pattern:pat => $value:expr;)*) => {
        $(impl Column for $kind {
            const EXPECTED: &'static str = $expected;
            fn read(value: ValueRef<'_>) -> Option<Self> {
                match value {
                    $pattern => $value,
                    _ => None,
                }
            }
        })*
    };
}
columns! {
    i64, "an integer", ValueRef::Integer(number) => Some(number);
    u32, "a small integer", ValueRef::Integer(number) => u32::try_from(number).ok();
    bool, "0 or 1", ValueRef::Integer(number) => Some(number != 0);
    String, "text", ValueRef::Text(text) => String::from_utf8(text.to_vec()).ok();
    Vec<u8>, "bytes", ValueRef::Blob(bytes) => Some(bytes.to_vec());
    uuid::Uuid, "a UUID", ValueRef::Text(text) => uuid::Uuid::try_parse_ascii(text).ok();
    Tokens, "tokens", ValueRef::Integer(number) => Some(Tokens(number));
    UnixMillis, "a time", ValueRef::Integer(number) => Some(UnixMillis(number));
    UserId, "a user id", ValueRef::Text(text) => String::from_utf8(text.to_vec()).ok().map(UserId);
    PlanId, "a plan id", ValueRef::Text(text) => String::from_utf8(text.to_vec()).ok().map(PlanId);
    GenerationId, "a generation id", ValueRef::Text(text) =>
        uuid::Uuid::try_parse_ascii(text).ok().map(GenerationId);
}
