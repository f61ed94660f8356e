//! `/usage`: what functions have used in a month, for whoever writes the bill.

use super::Api;
use super::page::Page;
use super::problem::{Kind, Problem};
use super::request::Parameters;
use crate::usage::{self, By, Storage, Sums, User};
use axum::Json;
use axum::extract::State;
use fleetfn_core::usage::{MONTHS_KEPT, month_of, oldest_kept};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sums of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UsageView {
    /// The function, product or entity; empty for what belongs to no product.
    pub(crate) name: String,
    /// Invocations that counted, whatever their outcome.
    pub(crate) invocations: u64,
    /// Those of them that became dead letters.
    pub(crate) errors: u64,
    /// Events that a schema refused.
    pub(crate) refused: u64,
    /// Invocations that ran dark.
    pub(crate) dark: u64,
    /// Fuel burnt by all of them.
    pub(crate) fuel: u64,
    /// Time in guests, in microseconds, as measured by the nodes that ran them.
    pub(crate) guest_us: u64,
    /// Bytes of payloads of events.
    pub(crate) bytes_in: u64,
    /// Bytes that handlers asked to keep, publish and send.
    pub(crate) bytes_out: u64,
    /// Bytes of keys and values kept at the moment; only of the present month.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) stored_bytes: Option<u64>,
}

impl UsageView {
    fn new(user: User, sums: &Sums) -> Self {
        let Sums { usage, stored_bytes } = sums;
        let name = match user {
            User::Function(name) => name.to_string(),
            User::Product(product) => product.unwrap_or_default(),
            User::Entity(entity) => entity,
        };
        Self {
            name,
            invocations: usage.invocations,
            errors: usage.errors,
            refused: usage.refused,
            dark: usage.dark,
            fuel: usage.fuel,
            guest_us: usage.guest_ns / 1_000,
            bytes_in: usage.bytes_in,
            bytes_out: usage.bytes_out,
            stored_bytes: *stored_bytes,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    /// `2026-11`; the present month if it is left out.
    month: Option<String>,
    /// `function` (the default), `product` or `device`.
    by: Option<String>,
}

/// `GET /usage`: by name, in one page.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<UsageQuery>,
) -> Result<Json<Page<UsageView>>, Problem> {
    let present = month_of(api.engine.clock().now_ms());
    let month = match &query.month {
        None => present,
        Some(text) => parse_month(text).ok_or_else(|| {
            Problem::new(Kind::Malformed, format!("month: '{text}' is not of the form 2026-11"))
        })?,
    };
    let oldest = oldest_kept(present);
    if month < oldest {
        let (year, first) = (oldest / 100, oldest % 100);
        let why = format!("month: sums are kept for {MONTHS_KEPT} months, from {year}-{first:02} on");
        return Err(Problem::new(Kind::Missing, why));
    }
    let storage = if month == present { Storage::Measured } else { Storage::Unknown };
    let by = match query.by.as_deref() {
        None | Some("function") => By::Function,
        Some("product") => By::Product,
        Some("device") => By::Device,
        Some(other) => {
            let why = format!("by: '{other}' is none of function, product and device");
            return Err(Problem::new(Kind::Malformed, why));
        }
    };
    let engine = api.engine.clone();
    let read = tokio::task::spawn_blocking(move || {
        let sums = usage::of_month(engine.store(), engine.partitions(), month, by, storage)?;
        let view = |(user, sums): (User, Sums)| UsageView::new(user, &sums);
        Ok::<_, fleetfn_store::Error>(sums.into_iter().map(view).collect())
    });
    let unavailable = |why: String| Problem::new(Kind::Unavailable, why);
    let items = read.await.map_err(|error| unavailable(error.to_string()))?;
    Ok(Json(Page { items: items.map_err(|error| unavailable(error.to_string()))?, next: None }))
}

/// `2026-11` as 202611.
fn parse_month(text: &str) -> Option<u32> {
    let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
    (1..=12).contains(&month).then_some(year * 100 + month)
}

#[cfg(test)]
mod tests {
    use super::parse_month;

    #[test]
    fn a_month_has_a_year_and_a_number_of_1_to_12() {
        assert_eq!(parse_month("2026-11"), Some(202_611));
        for wrong in ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "abcd-ef"] {
            assert_eq!(parse_month(wrong), None, "{wrong:?} must be refused");
        }
    }
}
