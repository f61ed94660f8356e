//! Lists come in pages: `?limit=` entries, from the one after `?after=`.

use super::problem::{Kind, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries of a page when the client does not say.
const LIMIT_DEFAULT: usize = 100;

/// Most entries of a page: bounds the time and memory of one request.
pub(super) const LIMIT_MAX: usize = 1_000;

/// What a list handler takes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<usize>,
    /// The `next` of the page before.
    pub(super) after: Option<String>,
}

impl PageQuery {
    /// Entries wanted, at least 1.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        checked(self.limit)
    }
}

/// Entries wanted, for lists with parameters of their own.
pub(super) fn checked(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(LIMIT_DEFAULT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(Problem::new(Kind::Malformed, format!("limit: {limit} is not from 1 to {LIMIT_MAX}")))
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Page<T> {
    /// The entries, in the list's order.
    pub(crate) items: Vec<T>,
    /// What to give as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` entries out of one entry more, which says whether there is another page.
    pub(super) fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn only_a_page_with_a_successor_has_a_cursor() {
        let name = |item: &u8| item.to_string();
        assert_eq!(Page::cut(vec![1, 2, 3], 2, name), Page { items: vec![1, 2], next: Some("2".into()) });
        assert_eq!(Page::cut(vec![1, 2], 2, name), Page { items: vec![1, 2], next: None });
        assert_eq!(Page::cut(Vec::new(), 2, name), Page { items: Vec::new(), next: None });
    }
}
