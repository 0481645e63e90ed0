//! Lists: newest first, cut by `limit`, `starting_after` and `ending_before`, filtered by ranges of
//! `created`.

use serde_json::{Value, json};

use super::books::{Answer, Kept};
use super::failure::Failure;
use super::form::Form;

/// The parameters that every list takes.
pub(crate) const PAGING: &[&str] = &["limit", "starting_after", "ending_before"];

/// A page of `objects` (newest first).
pub(crate) fn page<'a, T: Kept + 'a>(
    objects: impl Iterator<Item = &'a T>,
    form: &Form,
    url: &str,
    render: impl Fn(&T) -> Value,
) -> Answer {
    let limit = form.integer("limit")?.unwrap_or(10);
    let limit =
        usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
            Failure::invalid("Invalid limit: must be between 1 and 100").param("limit")
        })?;
    let created = Range::read(form, "created")?;
    let all: Vec<&T> = objects.filter(|object| created.holds(object.created())).collect();
    let place = |name: &str| -> Result<Option<usize>, Failure> {
        let Some(id) = form.text(name) else { return Ok(None) };
        all.iter()
            .position(|object| object.id() == id)
            .map(Some)
            .ok_or_else(|| Failure::no_such(T::NOUN, id, name))
    };
    let (start, end) = match (place("starting_after")?, place("ending_before")?) {
        (Some(after), _) => (after + 1, (after + 1 + limit).min(all.len())),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit.min(all.len())),
    };
    let has_more = if form.text("ending_before").is_some() { start > 0 } else { end < all.len() };
    let data: Vec<Value> = all[start..end].iter().map(|object| render(object)).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

/// A range of times: `created=7`, `created[gte]=7`, …
struct Range {
    from: i64,
    to: i64,
}

impl Range {
    fn read(form: &Form, name: &str) -> Result<Self, Failure> {
        let mut range = Self { from: i64::MIN, to: i64::MAX };
        if let Some(exact) = form.raw(name) {
            let at = exact
                .parse()
                .map_err(|_| Failure::invalid(format!("Invalid integer: {exact}")).param(name))?;
            return Ok(Self { from: at, to: at });
        }
        let Some(node) = form.node(name) else { return Ok(range) };
        node.only(&["gt", "gte", "lt", "lte"])?;
        if let Some(gte) = node.integer("gte")? {
            range.from = gte;
        }
        if let Some(gt) = node.integer("gt")? {
            range.from = range.from.max(gt + 1);
        }
        if let Some(lte) = node.integer("lte")? {
            range.to = lte;
        }
        if let Some(lt) = node.integer("lt")? {
            range.to = range.to.min(lt - 1);
        }
        Ok(range)
    }

    fn holds(&self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}
