//! Callers of functions over HTTP that wait for the answer of the invocation that their request becomes.
//!
//! A request is an event like any other: durable before it is handled, handled once. Only the answer is live: if the
//! node ends in between, the caller sees a broken connection, and what the handler asked for happens all the same.

use bytes::Bytes;
use fleetfn_core::Offset;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Callers that may wait at once: each holds a connection.
const CALLERS_MAX: usize = 1_024;

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code, 100 to 599.
    pub(crate) status: u16,
    /// Media type of the body.
    pub(crate) content_type: String,
    /// The body.
    pub(crate) body: Bytes,
}

/// An answer may come before its caller is told the offset of its event.
enum Waiting {
    Caller(oneshot::Sender<Answer>),
    Answer(Answer),
}

/// Who waits for the answer to which event. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Callers(Arc<Mutex<HashMap<Offset, Waiting>>>);

impl Callers {
    /// Waits for the answer to the event at `offset`; `None` if too many wait.
    pub(crate) fn wait(&self, offset: Offset) -> Option<oneshot::Receiver<Answer>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, one| !matches!(one, Waiting::Caller(caller) if caller.is_closed()));
        let (caller, answer) = oneshot::channel();
        match waiting.remove(&offset) {
            Some(Waiting::Answer(early)) => drop(caller.send(early)),
            Some(Waiting::Caller(_)) | None if waiting.len() >= CALLERS_MAX => return None,
            Some(Waiting::Caller(_)) | None => drop(waiting.insert(offset, Waiting::Caller(caller))),
        }
        Some(answer)
    }

    /// A handler has answered.
    pub(crate) fn answer(&self, offset: Offset, answer: Answer) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.remove(&offset) {
            // Fails only when the caller has gone.
            Some(Waiting::Caller(caller)) => drop(caller.send(answer)),
            Some(Waiting::Answer(_)) | None if waiting.len() < CALLERS_MAX => {
                waiting.insert(offset, Waiting::Answer(answer));
            }
            Some(Waiting::Answer(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { status: 200, content_type: "text/plain".into(), body: Bytes::from_static(b"ok") }
    }

    #[test]
    fn an_answer_finds_its_caller_whoever_comes_first() {
        let callers = Callers::default();
        let mut first = callers.wait(Offset(1)).expect("there is room");
        callers.answer(Offset(1), answer());
        callers.answer(Offset(2), answer());
        let mut second = callers.wait(Offset(2)).expect("there is room");
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(answer()), Ok(answer())));
        assert!(callers.0.lock().expect("no panic").is_empty());
    }

    #[test]
    fn callers_that_gave_up_make_room() {
        let callers = Callers::default();
        let waiting: Vec<_> = (0..1_024).map(|offset| callers.wait(Offset(offset))).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(callers.wait(Offset(2_000)).is_none());
        drop(waiting);
        assert!(callers.wait(Offset(2_000)).is_some());
    }
}
