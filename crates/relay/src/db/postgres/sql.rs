//! The shared subset of SQL, as PostgreSQL writes it.
//!
//! Placeholders are `?1` above and `$1` here. What PostgreSQL alone needs stands in a comment that
//! SQLite passes over: `SELECT … LIMIT ?1 /*pg: FOR UPDATE SKIP LOCKED */`.

const ONLY_HERE: &str = "/*pg:";

pub(super) fn translated(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(ONLY_HERE) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let after = &after[ONLY_HERE.len()..];
        let end = after.find("*/").unwrap_or(after.len());
        text.push_str(&after[..end]);
        rest = after.get(end + 2..).unwrap_or_default();
    }
    text.push_str(rest);
    text.replace('?', "$")
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn placeholders_and_what_is_only_for_postgresql_are_written_its_way() {
        assert_eq!(
            translated("SELECT id FROM lots WHERE id = ?1 LIMIT ?2 /*pg: FOR UPDATE */"),
            "SELECT id FROM lots WHERE id = $1 LIMIT $2  FOR UPDATE "
        );
        assert_eq!(translated("SELECT 1"), "SELECT 1");
    }
}
