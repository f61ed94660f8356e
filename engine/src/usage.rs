//! What a bill is made from: sums over the usage rows of a month, which are a fold over the log and so the same on every
//! node.

use crate::admit::Waiter;
use fleetfn_core::Entity;
use fleetfn_core::usage::Usage;
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Error, StateSize, Store};
use std::collections::{BTreeMap, HashMap};

/// Rows read at once.
const PAGE_ROWS: usize = 4_096;

/// Products that are remembered while rows are summed up, so that a device with many functions is looked up once.
const PRODUCTS_MAX: usize = 65_536;

/// What sums stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// One line for each function.
    Function,
    /// One line for each product, and one for what belongs to none.
    Product,
    /// One line for each entity: a device, or whatever else functions keep books about.
    Device,
}

/// Who used it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum User {
    /// A function.
    Function(FunctionName),
    /// A product; `None` for entities that are no device, or a device without a product.
    Product(Option<String>),
    /// An entity, as people write it.
    Entity(String),
}

/// Sums of one month, by user.
pub(crate) fn of_month(store: &Store<Waiter>, month: u32, by: By) -> Result<BTreeMap<User, Usage>, Error> {
    let (mut sums, mut after, mut products) = (BTreeMap::new(), None, HashMap::new());
    loop {
        let page = store.view().usage(month, after.as_ref(), PAGE_ROWS)?;
        for (_, key, usage) in &page {
            let user = match by {
                By::Function => User::Function(key.function),
                By::Device => User::Entity(match Entity::from_canonical(&key.entity) {
                    Some(entity) => entity.to_string(),
                    None => String::from_utf8_lossy(&key.entity).into_owned(),
                }),
                By::Product => match Entity::from_canonical(&key.entity) {
                    Some(Entity::Device(id)) => User::Product(product(store, &mut products, id)?),
                    Some(Entity::Named(_)) | None => User::Product(None),
                },
            };
            sums.entry(user).or_insert_with(Usage::default).add(usage);
        }
        let last = page.len() < PAGE_ROWS;
        after = page.into_iter().next_back().map(|(partition, key, _)| (partition, key));
        if last {
            return Ok(sums);
        }
    }
}

fn product(
    store: &Store<Waiter>,
    known: &mut HashMap<DeviceId, Option<String>>,
    id: DeviceId,
) -> Result<Option<String>, Error> {
    if let Some(product) = known.get(&id) {
        return Ok(product.clone());
    }
    if known.len() >= PRODUCTS_MAX {
        known.clear();
    }
    let row = store.view().device(id)?;
    let product = row.and_then(|row| row.product).map(|product| product.to_string());
    known.insert(id, product.clone());
    Ok(product)
}

/// What every function keeps at the moment. Reads all state: slow.
pub(crate) fn storage(
    store: &Store<Waiter>,
    partitions: u16,
) -> Result<BTreeMap<FunctionName, StateSize>, Error> {
    let mut sums: BTreeMap<FunctionName, StateSize> = BTreeMap::new();
    for partition in (0..partitions).map(fleetfn_core::PartitionId) {
        for (function, size) in store.view().state_sizes(partition)? {
            let sum = sums.entry(function).or_default();
            sum.entities += size.entities;
            sum.bytes += size.bytes;
        }
    }
    Ok(sums)
}
