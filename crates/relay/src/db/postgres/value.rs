//! Values as PostgreSQL's binary protocol carries them.
//!
//! A statement's parameters have the types that PostgreSQL infers; an integer fits whichever of its
//! integers (or truth values) that is. What is read is as tolerant: the program knows one kind of
//! integer and one kind of text.

use crate::db::SqlValue;
use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Fault = Box<dyn Error + Sync + Send>;

impl ToSql for SqlValue<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match *self {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Integer(number) => integer(number, kind, out)?,
            SqlValue::Text(text) => out.extend_from_slice(text.as_bytes()),
            SqlValue::Uuid(id) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
            }
            SqlValue::Blob(bytes) if *kind == Type::BYTEA => out.extend_from_slice(bytes),
            SqlValue::Blob(_) => return Err(format!("bytes for a {kind}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn integer(number: i64, kind: &Type, out: &mut BytesMut) -> Result<(), Fault> {
    match *kind {
        Type::INT8 => out.extend_from_slice(&number.to_be_bytes()),
        Type::INT4 => out.extend_from_slice(&i32::try_from(number)?.to_be_bytes()),
        Type::INT2 => out.extend_from_slice(&i16::try_from(number)?.to_be_bytes()),
        Type::BOOL => out.extend_from_slice(&[u8::from(number != 0)]),
        _ => return Err(format!("an integer for a {kind}").into()),
    }
    Ok(())
}

impl<'a> FromSql<'a> for SqlValue<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        Ok(match *kind {
            Type::INT8 => SqlValue::Integer(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => SqlValue::Integer(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => SqlValue::Integer(i16::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => SqlValue::Integer(raw.iter().any(|byte| *byte != 0).into()),
            Type::BYTEA => SqlValue::Blob(raw),
            _ => SqlValue::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Fault> {
        Ok(SqlValue::Null)
    }

    fn accepts(kind: &Type) -> bool {
        const KNOWN: [Type; 9] = [
            Type::INT8,
            Type::INT4,
            Type::INT2,
            Type::BOOL,
            Type::BYTEA,
            Type::TEXT,
            Type::VARCHAR,
            Type::NAME,
            Type::UNKNOWN,
        ];
        KNOWN.contains(kind)
    }
}
