//! One who looks at a terminal: sees all of its stream in order, or a new screen where that is too much.

use super::Shown;
use super::live::{State, Terminal};
use crate::event::End;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use warren_kernel::pty::WindowSize;

/// Bytes of the stream shown at once.
const PART: usize = 64 * 1024;

/// A look at a terminal. It holds up nobody, however slowly it is read.
#[derive(Debug)]
pub struct View {
    terminal: Arc<Terminal>,
    /// Bytes of the stream that were seen; `None` sees the screen first.
    at: Option<u64>,
    size: Option<WindowSize>,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl View {
    pub(super) fn new(terminal: Arc<Terminal>, place: OwnedSemaphorePermit, at: Option<u64>) -> View {
        View { terminal, at, size: None, over: false, _place: place }
    }

    /// What is seen next; waits for it. Nothing follows an end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Shown> {
        if self.over {
            return None;
        }
        let terminal = self.terminal.clone();
        loop {
            let changed = terminal.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let shown = self.look(&mut terminal.lock());
            if let Some(shown) = shown {
                self.over = matches!(shown, Shown::Ended(_) | Shown::Closed);
                return Some(shown);
            }
            changed.await;
        }
    }

    fn look(&mut self, state: &mut State) -> Option<Shown> {
        let size = state.kept.size();
        if self.size != Some(size) {
            self.size = Some(size);
            return Some(Shown::Size(size));
        }
        let (begin, end) = (state.begin(), state.end);
        // An offset that is not there yet is of a stream that was lost with a server's power: nothing lies between.
        match self.at.filter(|at| *at <= end) {
            None => {
                self.at = Some(end);
                let image = state.screen.as_mut().map(|screen| screen.image()).unwrap_or_default();
                Some(Shown::Screen { offset: end, bytes: Bytes::from(image) })
            }
            Some(at) if at < begin => {
                self.at = None;
                Some(Shown::Gap { from: at, to: end })
            }
            Some(at) if at < end => {
                let from = (at - begin) as usize;
                let to = state.recent.len().min(from + PART);
                let bytes: Vec<u8> = state.recent.range(from..to).copied().collect();
                self.at = Some(at + bytes.len() as u64);
                Some(Shown::Bytes { offset: at, bytes: Bytes::from(bytes) })
            }
            Some(_) if state.closed => Some(Shown::Closed),
            Some(_) if state.exec.is_none() => Some(Shown::Ended(state.over.clone().unwrap_or(End::Interrupted))),
            Some(_) => None,
        }
    }
}
