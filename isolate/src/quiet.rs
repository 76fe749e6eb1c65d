//! When nothing happens to a program.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Waits until an event loop has not been woken for a while. One that has rested waits for an event first, so that nothing
/// wakes a program that nothing happens to.
pub(crate) struct Quiet {
    time: Duration,
    rested: bool,
    over: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Quiet {
    pub(crate) fn new(time: Duration, rested: bool) -> Quiet {
        Quiet { time, rested, over: None }
    }

    /// After each time the event loop was polled, and had nothing more to do.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.rested) {
            return Poll::Pending;
        }
        match &mut self.over {
            Some(over) if over.is_elapsed() => return Poll::Ready(()),
            Some(over) => over.as_mut().reset(tokio::time::Instant::now() + self.time),
            None => self.over = Some(Box::pin(tokio::time::sleep(self.time))),
        }
        self.over.as_mut().map_or(Poll::Pending, |over| over.as_mut().poll(context))
    }
}
