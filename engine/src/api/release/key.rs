//! `/products/{product}/keys`: who may sign releases of a product.

use super::withdraw_revoked;
use super::yank::Reason;
use crate::api::Api;
use crate::api::page::Page;
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Document, Name, NameAndRest};
use crate::api::write::{Nothing, Write, added};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::update::KeyRow;
use fleetfn_protocol::ProductId;
use fleetfn_protocol::update::{Digest, UpdateKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key that may sign for a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyView {
    /// The first eight bytes of the key, by which signatures name it.
    pub(crate) id: String,
    /// The product.
    pub(crate) product: String,
    /// The 32 bytes of the public key, in hexadecimal digits.
    pub(crate) key: String,
    /// When it was added, in milliseconds since 1970.
    pub(crate) added_at_ms: u64,
}

/// A key that is to be added.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// The 32 bytes of the public key, in hexadecimal digits.
    pub(crate) key: String,
    /// Who acts, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

fn view(product: ProductId, key: UpdateKey, row: KeyRow) -> KeyView {
    KeyView {
        id: key.id().to_string(),
        product: product.to_string(),
        // A key is as long as a digest, and is written in the same way.
        key: Digest(key.0).to_string(),
        added_at_ms: row.added_at_ms,
    }
}

pub(super) fn parse(product: &str) -> Result<ProductId, Problem> {
    ProductId::parse(product).map_err(|error| Problem::malformed("product", &error))
}

/// `GET /products/{product}/keys`; `-` stands for all products.
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Name(product): Name,
) -> Result<Json<Page<KeyView>>, Problem> {
    let mut keys = api.engine.registry().all_update_keys();
    if product != "-" {
        let product = parse(&product)?;
        keys.retain(|(of, _, _)| *of == product);
    }
    let items = keys.into_iter().map(|(product, key, row)| view(product, key, row)).collect();
    Ok(Json(Page { items, next: None }))
}

/// `POST /products/{product}/keys`: lets a key sign for the product. Durable in the answer.
pub(in crate::api) async fn add(
    State(api): State<Api>,
    Name(product): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(new): Document<NewKey>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let product = parse(&product)?;
    let bytes: Digest = new.key.parse().map_err(|_| {
        Problem::new(Kind::Malformed, "key: a public key of ed25519 is 64 hexadecimal digits")
    })?;
    let key = UpdateKey(bytes.0);
    let NewKey { by, why, .. } = new;
    let told = Reason { by, why }.told(mode)?;
    let row = api.engine.registry().add_update_key(product, key, &told).await?;
    Ok((added(mode), Json(view(product, key, row))))
}

/// `DELETE /products/{product}/keys/{key}`: signatures by the key do not count any more; open jobs of releases that have too
/// few then are withdrawn.
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    NameAndRest(product, key): NameAndRest,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_update_key(parse(&product)?, &key, &reason.told(mode)?).await?;
    withdraw_revoked(&api, mode).await?;
    Ok(StatusCode::NO_CONTENT)
}
