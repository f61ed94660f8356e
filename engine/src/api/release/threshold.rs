//! `/products/{product}/threshold`: how many keys must have signed releases of a product.

use super::key::parse;
use super::withdraw_revoked;
use super::yank::Reason;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::api::request::{Document, Name};
use crate::api::write::{Nothing, Write};
use axum::Json;
use axum::extract::State;
use fleetfn_protocol::ProductId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many keys must have signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ThresholdView {
    /// The product.
    pub(crate) product: String,
    /// How many keys must have signed a release of it.
    pub(crate) count: u8,
    /// How many keys it has.
    pub(crate) keys: usize,
}

/// How many keys shall have signed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewThreshold {
    /// From 1 to 4, and not more than the product has keys.
    pub(crate) count: u8,
    /// Who acts, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

fn view(api: &Api, product: ProductId, count: u8) -> ThresholdView {
    let keys = api.engine.registry().update_keys(product).len();
    ThresholdView { product: product.to_string(), count, keys }
}

/// `GET /products/{product}/threshold`.
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Name(product): Name,
) -> Result<Json<ThresholdView>, Problem> {
    let product = parse(&product)?;
    Ok(Json(view(&api, product, api.engine.registry().threshold(product))))
}

/// `PUT /products/{product}/threshold`: releases with fewer signatures are not offered any more, and open jobs of them are
/// withdrawn. Durable in the answer.
pub(in crate::api) async fn set(
    State(api): State<Api>,
    Name(product): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(new): Document<NewThreshold>,
) -> Result<Json<ThresholdView>, Problem> {
    let product = parse(&product)?;
    let NewThreshold { count, by, why } = new;
    api.engine.registry().set_threshold(product, count, &Reason { by, why }.told(mode)?).await?;
    withdraw_revoked(&api, mode).await?;
    Ok(Json(view(&api, product, count)))
}
