//! The form encoding of Stripe's API: `metadata[userId]=u&items[0][price]=p&expand[]=customer`.
//!
//! A request becomes a tree of [`Form`] nodes; endpoints ask it for what they know by name, and
//! [`Form::only`] refuses what they do not know, as Stripe does. Nothing here knows any endpoint.

use std::collections::BTreeMap;

use super::failure::Failure;

/// A value of a form: a text, or named (or numbered) values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text(String),
    Node(Vec<(String, Form)>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Node(Vec::new())
    }
}

impl Form {
    /// Parses an `application/x-www-form-urlencoded` text (a body or a query).
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut root = Self::default();
        for (key, value) in url::form_urlencoded::parse(text) {
            let (head, rest) = key.split_once('[').unwrap_or((key.as_ref(), ""));
            let mut path = vec![head.to_owned()];
            if !rest.is_empty() {
                let rest = rest.strip_suffix(']').unwrap_or(rest);
                path.extend(rest.split("][").map(ToOwned::to_owned));
            }
            root.insert(&path, value.into_owned());
        }
        root
    }

    fn insert(&mut self, path: &[String], value: String) {
        let Some((head, rest)) = path.split_first() else {
            *self = Self::Text(value);
            return;
        };
        if let Self::Text(_) = self {
            *self = Self::default();
        }
        let Self::Node(children) = self else { return };
        // `name[]` always adds another element; any other name is found again.
        let key = if head.is_empty() { children.len().to_string() } else { head.clone() };
        if let Some((_, child)) = children.iter_mut().find(|(name, _)| *name == key) {
            child.insert(rest, value);
        } else {
            let mut child = Self::default();
            child.insert(rest, value);
            children.push((key, child));
        }
    }

    /// The child of that name.
    pub(crate) fn node(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Node(children) => {
                children.iter().find(|(key, _)| key == name).map(|(_, child)| child)
            }
            Self::Text(_) => None,
        }
    }

    /// The text at `name`, also when it is empty (which is how Stripe is told to unset something).
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        match self.node(name) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text at `name`, if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|text| !text.is_empty())
    }

    /// The text at `name`, or Stripe's error for its absence.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| Failure::missing(name))
    }

    /// The whole number at `name`.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Failure::invalid(format!("Invalid integer: {text}"))
                        .code("parameter_invalid_integer")
                        .param(name)
                })
            })
            .transpose()
    }

    /// The truth value at `name`.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Failure::invalid(format!("Invalid boolean: {other}")).param(name)),
        }
    }

    /// The elements of the list at `name`.
    pub(crate) fn items(&self, name: &str) -> Vec<&Self> {
        match self.node(name) {
            Some(Self::Node(children)) => children.iter().map(|(_, child)| child).collect(),
            _ => Vec::new(),
        }
    }

    /// The texts of the list at `name`.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.items(name)
            .into_iter()
            .filter_map(|item| match item {
                Self::Text(text) => Some(text.clone()),
                Self::Node(_) => None,
            })
            .collect()
    }

    /// Lays the `metadata` of the request over what there is: a text sets, an empty text unsets,
    /// an empty `metadata` unsets all.
    pub(crate) fn lay_metadata(&self, over: &mut BTreeMap<String, String>) {
        match self.node("metadata") {
            Some(Self::Text(text)) if text.is_empty() => over.clear(),
            Some(Self::Node(children)) => {
                for (key, value) in children {
                    match value {
                        Self::Text(text) if text.is_empty() => {
                            over.remove(key);
                        }
                        Self::Text(text) => {
                            over.insert(key.clone(), text.clone());
                        }
                        Self::Node(_) => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Refuses names that are not in `known`; `expand` is known everywhere.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Failure> {
        if let Self::Node(children) = self {
            for (key, _) in children {
                if key != "expand" && !known.contains(&key.as_str()) {
                    return Err(Failure::unknown_parameter(key));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_become_a_tree() {
        let form = Form::parse(
            b"mode=subscription&metadata[userId]=user_1&line_items[0][price]=price_a&line_items[0][quantity]=1&expand[]=customer&expand[]=invoice&expand[2]=subscription",
        );
        assert_eq!(form.text("mode"), Some("subscription"));
        assert_eq!(form.node("metadata").and_then(|m| m.text("userId")), Some("user_1"));
        assert_eq!(form.items("line_items")[0].text("price"), Some("price_a"));
        assert_eq!(form.texts("expand"), ["customer", "invoice", "subscription"]);
    }

    #[test]
    fn percent_encoded_brackets_are_brackets() {
        let form = Form::parse(b"subscription_data%5Bmetadata%5D%5BuserId%5D=a%20b%2Bc");
        let data = form.node("subscription_data").and_then(|data| data.node("metadata"));
        assert_eq!(data.and_then(|data| data.text("userId")), Some("a b+c"));
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let form = Form::parse(b"customer=cus_1&custmer=2&expand[]=x");
        let failure = form.only(&["customer"]).expect_err("a failure");
        assert!(failure.message().contains("custmer"));
    }

    #[test]
    fn metadata_is_laid_over_and_unset_by_emptiness() {
        let mut metadata = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        Form::parse(b"metadata[b]=2&metadata[a]=").lay_metadata(&mut metadata);
        assert_eq!(metadata, BTreeMap::from([("b".to_owned(), "2".to_owned())]));
        Form::parse(b"metadata=").lay_metadata(&mut metadata);
        assert!(metadata.is_empty());
    }
}
