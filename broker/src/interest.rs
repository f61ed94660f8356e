//! Which topics anybody listens to: asked for every message, so that nothing is done for nobody.

use arc_swap::ArcSwap;
use fleetfn_protocol::filter_matches;
use std::sync::{Arc, Mutex, PoisonError};

/// Filters that are looked through one by one; with more, every topic counts as wanted, for the router knows best.
const FILTERS_MAX: usize = 64;

/// The filters of all live listeners.
#[derive(Default)]
pub(crate) struct Interest {
    filters: ArcSwap<Vec<String>>,
    change: Mutex<()>,
}

impl Interest {
    /// Whether anybody listens to a topic.
    pub(crate) fn wants(&self, topic: &str) -> bool {
        let filters = self.filters.load();
        filters.len() > FILTERS_MAX || filters.iter().any(|filter| filter_matches(filter, topic))
    }

    pub(crate) fn add(&self, filter: &str) {
        self.change(|filters| filters.push(filter.to_owned()));
    }

    /// Removes one listener of a filter.
    pub(crate) fn remove(&self, filter: &str) {
        self.change(|filters| {
            if let Some(at) = filters.iter().position(|known| known == filter) {
                filters.swap_remove(at);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Vec<String>)) {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filters = Vec::clone(&self.filters.load());
        change(&mut filters);
        self.filters.store(Arc::new(filters));
    }
}

#[cfg(test)]
mod tests {
    use super::Interest;

    #[test]
    fn a_topic_is_wanted_as_long_as_one_listener_is_left() {
        let interest = Interest::default();
        assert!(!interest.wants("a/b"));
        interest.add("a/#");
        interest.add("a/#");
        interest.remove("a/#");
        assert!(interest.wants("a/b"));
        interest.remove("a/#");
        assert!(!interest.wants("a/b"));
    }
}
