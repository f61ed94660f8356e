//! What a bill is made from: sums over the usage rows of a month, which are a fold over the log and so the same on every
//! node.

use crate::admit::Waiter;
use fleetfn_core::usage::Usage;
use fleetfn_core::{Entity, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Error, Store};
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

/// What was used by one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// In the month.
    pub(crate) usage: Usage,
    /// Bytes of keys and values kept at the moment, if that was asked for.
    pub(crate) stored_bytes: Option<u64>,
}

/// Whether to measure what is kept at the moment: that reads all state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Yes: the month is the present one.
    Measured,
    /// No: nobody knows what was kept then.
    Unknown,
}

/// Sums of one month, by user.
pub(crate) fn of_month(
    store: &Store<Waiter>,
    partitions: u16,
    month: u32,
    by: By,
    storage: Storage,
) -> Result<BTreeMap<User, Sums>, Error> {
    let (mut sums, mut users) = (BTreeMap::<User, Sums>::new(), Users::new(store, by));
    let mut after = None;
    loop {
        let page = store.view().usage(month, after.as_ref(), PAGE_ROWS)?;
        for (_, key, usage) in &page {
            sums.entry(users.of(&key.entity, key.function)?).or_default().usage.add(usage);
        }
        let last = page.len() < PAGE_ROWS;
        after = page.into_iter().next_back().map(|(partition, key, _)| (partition, key));
        if last {
            break;
        }
    }
    if storage == Storage::Measured {
        for partition in (0..partitions).map(PartitionId) {
            let mut failed = None;
            store.view().state_sizes(partition, &mut |entity, function, bytes| match users
                .of(entity, function)
            {
                Ok(user) => {
                    let stored = sums.entry(user).or_default().stored_bytes.get_or_insert(0);
                    *stored = stored.saturating_add(bytes);
                }
                Err(error) => failed = Some(error),
            })?;
            failed.map_or(Ok(()), Err)?;
        }
        for sums in sums.values_mut() {
            sums.stored_bytes.get_or_insert(0);
        }
    }
    Ok(sums)
}

/// Finds out whose a row is.
struct Users<'a> {
    store: &'a Store<Waiter>,
    by: By,
    products: HashMap<DeviceId, Option<String>>,
}

impl<'a> Users<'a> {
    fn new(store: &'a Store<Waiter>, by: By) -> Self {
        Self { store, by, products: HashMap::new() }
    }

    fn of(&mut self, entity: &[u8], function: FunctionName) -> Result<User, Error> {
        Ok(match self.by {
            By::Function => User::Function(function),
            By::Device => User::Entity(match Entity::from_canonical(entity) {
                Some(entity) => entity.to_string(),
                None => String::from_utf8_lossy(entity).into_owned(),
            }),
            By::Product => match Entity::from_canonical(entity) {
                Some(Entity::Device(id)) => User::Product(self.product(id)?),
                Some(Entity::Named(_)) | None => User::Product(None),
            },
        })
    }

    fn product(&mut self, id: DeviceId) -> Result<Option<String>, Error> {
        if let Some(product) = self.products.get(&id) {
            return Ok(product.clone());
        }
        if self.products.len() >= PRODUCTS_MAX {
            self.products.clear();
        }
        let row = self.store.view().device(id)?;
        let product = row.and_then(|row| row.product).map(|product| product.to_string());
        self.products.insert(id, product.clone());
        Ok(product)
    }
}
