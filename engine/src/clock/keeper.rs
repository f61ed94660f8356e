//! Keeps the clock of an engine: looks at it once a second, makes known that the engine was away before anybody can see that
//! it is later, and notes in the data directory that it is there, for the next start.

use super::Clock;
use super::steady::{Look, Steady};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// After how many looks it is noted that the engine is there: what a start believes of an outage is off by as much.
const NOTED_EVERY: u32 = 10;

/// How far the clock may be ahead before that is told of, in milliseconds: the machine's own is put right by a little all
/// the time.
const LEAD_TOLD_MS: u64 = 2_000;

/// Told that the engine was away: since when, and what time it is.
pub(crate) type Away = Box<dyn Fn(u64, u64) + Send>;

/// Whether it is to end.
type End = Arc<(Mutex<bool>, Condvar)>;

/// The thread that keeps the clock. Dropped, it ends by itself.
#[derive(Debug)]
pub(crate) struct Keeper {
    end: End,
    thread: Option<JoinHandle<()>>,
}

struct Watch {
    clock: &'static Steady,
    wall: Clock,
    away: Away,
    file: PathBuf,
    is_ahead: bool,
}

impl Keeper {
    /// Begins to keep a clock by another one.
    pub(crate) fn start(
        clock: &'static Steady,
        wall: Clock,
        data: &Path,
        away: Away,
    ) -> std::io::Result<Self> {
        let end = End::default();
        let mut watch = Watch { clock, wall, away, file: file(data), is_ahead: false };
        watch.note();
        let of_thread = Arc::clone(&end);
        let thread = Builder::new().name("clock".into()).spawn(move || {
            let mut looks = 0_u32;
            while !wait(&of_thread) {
                watch.look();
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(NOTED_EVERY) {
                    watch.note();
                }
            }
            watch.note();
        })?;
        Ok(Self { end, thread: Some(thread) })
    }

    /// Keeps it no longer.
    pub(crate) fn stop(mut self) {
        self.signal();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }

    fn signal(&self) {
        *self.end.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.1.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signal();
    }
}

/// Waits for the next look; whether there is none.
fn wait(end: &End) -> bool {
    let is_ending = end.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = end.1.wait_timeout_while(is_ending, EVERY, |is_ending| !*is_ending);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

impl Watch {
    fn look(&mut self) {
        let (elapsed, wall_ms) = (self.clock.elapsed(), self.wall.now_ms());
        let look = self.clock.look(elapsed, wall_ms);
        self.tell(look);
        if let Some(since_ms) = look.away_since_ms() {
            (self.away)(since_ms, look.now_ms);
        }
        self.clock.put_right(elapsed, look);
    }

    fn tell(&mut self, look: Look) {
        let is_ahead = look.lead_ms > LEAD_TOLD_MS;
        if look.goes_back() {
            let by_s = look.before_ms.saturating_sub(look.now_ms) / 1_000;
            tracing::error!(by_s, "the clock was set back: what waits for a time waits for so much longer");
        } else if let Some(since_ms) = look.away_since_ms() {
            let for_s = look.now_ms.saturating_sub(since_ms) / 1_000;
            tracing::warn!(
                for_s,
                "the machine stood still, or its clock was set ahead: that counts as an outage"
            );
        } else if is_ahead && !self.is_ahead {
            let by_s = look.lead_ms / 1_000;
            tracing::warn!(
                by_s,
                "the machine's clock was set back: time goes at half its speed until they meet"
            );
        }
        self.is_ahead = is_ahead && !look.goes_back();
    }

    /// Notes that the engine is there. A file that a crash has cut off says nothing, and the end of the log must do.
    fn note(&self) {
        if let Err(error) = std::fs::write(&self.file, self.clock.now_ms().to_string()) {
            tracing::warn!(%error, file = %self.file.display(), "it cannot be noted that the engine is there");
        }
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("present")
}

/// When it was noted last that the engine was there, in milliseconds since 1970.
pub(crate) fn noted_ms(data: &Path) -> Option<u64> {
    std::fs::read_to_string(file(data)).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    #[test]
    fn an_outage_is_made_known_before_the_clock_shows_it_and_the_next_start_knows_when_it_was_there() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(noted_ms(directory.path()), None);
        let ahead: &'static AtomicU64 = Box::leak(Box::default());
        let (clock, wall) = Clock::Ahead(ahead).kept(0);
        let steady = clock.steady().expect("it is kept");
        let (heard, away) = mpsc::channel();
        let tell = move |since_ms, now_ms| {
            heard.send((since_ms, now_ms, clock.now_ms())).expect("somebody listens");
        };
        let keeper = Keeper::start(steady, wall, directory.path(), Box::new(tell)).expect("a thread");
        ahead.store(3_600_000, Ordering::Relaxed);
        let (since_ms, now_ms, shown_ms) = away.recv_timeout(Duration::from_secs(30)).expect("it looks");
        assert!(now_ms - since_ms >= 3_600_000 && shown_ms < since_ms + 60_000);
        keeper.stop();
        assert!(clock.now_ms() >= now_ms);
        assert!(noted_ms(directory.path()).is_some_and(|noted_ms| noted_ms >= now_ms));
    }
}
