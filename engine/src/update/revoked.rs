//! What becomes of jobs whose release may not be offered any more: they are withdrawn, so that a device that was away is not
//! offered them when it comes.

use super::{Error, admit, release_of, withdrawal};
use crate::engine::Engine;
use crate::rollout;
use fleetfn_core::PartitionId;

/// Devices that are looked at together.
const PAGE_DEVICES: usize = 256;

/// Aborts every rollout and withdraws every open job of a release that is not offered; returns how many jobs. Each is
/// durable on return.
pub(crate) async fn withdraw_revoked(engine: &Engine) -> Result<usize, Error> {
    // First: a rollout would give jobs anew.
    rollout::abort_withheld(engine).await?;
    let mut count = 0;
    for partition in (0..engine.partitions()).map(PartitionId) {
        let mut after = None;
        loop {
            let page = engine.store().view().updates(partition, after, PAGE_DEVICES)?;
            after = page.last().map(|(id, _)| *id);
            let is_last = page.len() < PAGE_DEVICES;
            for (id, update) in page {
                let Some(job) = update.job.filter(|job| job.is_open()) else { continue };
                if release_of(&job).is_none_or(|release| !engine.registry().is_offered(&release)) {
                    admit(engine, id, withdrawal(&mut [0; 8], job.number)?).await?;
                    count += 1;
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(count)
}
