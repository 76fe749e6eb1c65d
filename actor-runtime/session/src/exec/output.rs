//! What a command wrote, by offset: from memory, else from what is kept.

use super::Exec;
use crate::awake::Awake;
use crate::command::{ExecInfo, Output};
use crate::durability::{Durability, KeyedCommand};
use crate::error::SessionError;
use crate::event::{End, Event, Stream, What};
use crate::id::ExecId;
use crate::node::Node;
use crate::position::Position;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;

/// Bytes one call returns, at most.
pub(crate) const OUTPUT_MAX: usize = 1 << 20;
/// Bytes of events asked for at once.
const PAGE: usize = 1 << 20;

/// Puts the pieces of a stream together from its events.
struct Gather {
    exec: ExecId,
    stream: Stream,
    offset: u64,
    max: usize,
    begin: Option<u64>,
    bytes: BytesMut,
}

impl Gather {
    fn add(&mut self, event: &Event) {
        let What::Output { exec, stream, offset, bytes } = &event.what else { return };
        if *exec != self.exec || *stream != self.stream || self.is_full() {
            return;
        }
        let wanted = self.begin.map_or(self.offset, |begin| begin + self.bytes.len() as u64);
        let end = offset + bytes.len() as u64;
        if end <= wanted || (self.begin.is_some() && *offset > wanted) {
            return;
        }
        let from = wanted.max(*offset);
        let part = &bytes[(from - offset) as usize..];
        let part = &part[..part.len().min(self.max - self.bytes.len())];
        self.begin.get_or_insert(from);
        self.bytes.extend_from_slice(part);
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= self.max
    }
}

impl Awake {
    /// Bytes of a command's stream.
    ///
    /// # Errors
    /// `NoExec`, and those of the store.
    pub(crate) async fn output(
        &self,
        node: &Node,
        exec: &Exec,
        (stream, offset): (Stream, u64),
        max: usize,
        wait: bool,
    ) -> Result<Output, SessionError> {
        let max = max.clamp(1, OUTPUT_MAX);
        loop {
            // Before looking, so that what comes meanwhile is not missed.
            let grown = exec.changed.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            let Some(seat) = self.seat.upgrade() else { return Err(SessionError::ShuttingDown) };
            let handed_out = seat.log.grown();
            tokio::pin!(handed_out);
            handed_out.as_mut().enable();
            let (after, written, over) = exec.reach(stream, offset);
            if offset < written {
                let found = self.gather(node, exec.id, (stream, offset), max, after).await?;
                if !found.bytes.is_empty() || over || !wait {
                    let end = over && found.offset + found.bytes.len() as u64 >= written;
                    return Ok(Output { end, ..found });
                }
                // It was read and is not yet handed out.
                tokio::select! {
                    () = grown => {}
                    () = handed_out => {}
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
                continue;
            }
            if over || !wait {
                return Ok(Output { offset, bytes: Bytes::new(), end: over });
            }
            if let Some(error) = self.scribe.halted() {
                return Err(error);
            }
            grown.await;
        }
    }

    async fn gather(
        &self,
        node: &Node,
        exec: ExecId,
        (stream, offset): (Stream, u64),
        max: usize,
        after: Position,
    ) -> Result<Output, SessionError> {
        let mut gather = Gather { exec, stream, offset, max, begin: None, bytes: BytesMut::new() };
        let Some(seat) = self.seat.upgrade() else { return Err(SessionError::ShuttingDown) };
        let complete = seat.log.visit(after, |event| gather.add(event));
        if !complete && gather.begin != Some(offset) {
            let head = seat.log.head().unwrap_or(after);
            let mut kept = Gather { begin: None, bytes: BytesMut::new(), ..gather };
            visit_kept(node, self, after, head, |event| {
                kept.add(event);
                !kept.is_full()
            })
            .await?;
            // What a scratch session said is in memory or nowhere.
            if kept.begin.is_none() {
                seat.log.visit(after, |event| kept.add(event));
            }
            return Ok(kept.finish());
        }
        Ok(gather.finish())
    }

    /// What is known of a keyed command an earlier owner ran.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn past_info(&self, node: &Node, keyed: KeyedCommand) -> Result<ExecInfo, SessionError> {
        let mut info = ExecInfo {
            exec: keyed.exec,
            pid: None,
            command: Vec::new(),
            started: Default::default(),
            ended: Some((keyed.end.unwrap_or(End::Interrupted), keyed.after)),
            cpu: Duration::ZERO,
            written: [0; 2],
        };
        let head = self.scribe.last();
        visit_kept(node, self, keyed.after, head, |event| match &event.what {
            What::Started { exec, command, .. } if *exec == info.exec => {
                info.command = command.clone();
                info.started = event.time;
                true
            }
            What::Output { exec, stream, offset, bytes } if *exec == info.exec => {
                info.written[stream.index()] = offset + bytes.len() as u64;
                true
            }
            What::Exited { exec, end } if *exec == info.exec => {
                info.ended = Some((end.clone(), event.position));
                false
            }
            _ => true,
        })
        .await?;
        Ok(info)
    }

    /// Bytes of a keyed command's stream that an earlier owner ran.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn past_output(
        &self,
        node: &Node,
        keyed: &KeyedCommand,
        (stream, offset): (Stream, u64),
        max: usize,
    ) -> Result<Output, SessionError> {
        let max = max.clamp(1, OUTPUT_MAX);
        let mut gather = Gather { exec: keyed.exec, stream, offset, max, begin: None, bytes: BytesMut::new() };
        let head = self.scribe.last();
        visit_kept(node, self, keyed.after, head, |event| {
            gather.add(event);
            let is_end = matches!(&event.what, What::Exited { exec, .. } if *exec == keyed.exec);
            !is_end && !gather.is_full()
        })
        .await?;
        let full = gather.is_full();
        Ok(Output { end: !full, ..gather.finish() })
    }
}

impl Gather {
    fn finish(self) -> Output {
        Output { offset: self.begin.unwrap_or(self.offset), bytes: self.bytes.freeze(), end: false }
    }
}

impl Exec {
    /// An event behind which the bytes of a stream from `offset` on stand.
    pub(crate) fn mark_before(&self, stream: Stream, offset: u64) -> Position {
        self.reach(stream, offset).0
    }

    /// Where to begin to look for `offset`, how much was written, and whether nothing will follow.
    fn reach(&self, stream: Stream, offset: u64) -> (Position, u64, bool) {
        let state = self.lock();
        let marks = &state.marks[stream.index()];
        let nearest = marks.partition_point(|(at, _)| *at <= offset).saturating_sub(1);
        let after = marks.get(nearest).map_or(Position::START, |(_, before)| *before);
        let over = state.drained && state.end.is_some();
        (after, state.written[stream.index()], over || matches!(state.end, Some(Err(_))))
    }
}

/// Shows kept events after `after` up to `head`, until `visit` has had enough.
pub(crate) async fn visit_kept(
    node: &Node,
    awake: &Awake,
    mut after: Position,
    head: Position,
    mut visit: impl FnMut(&Event) -> bool,
) -> Result<(), SessionError> {
    let durability: &Arc<dyn Durability> = &node.durability;
    loop {
        let past = durability.events(&awake.tenant, awake.id, after, PAGE).await?;
        for event in past.events.iter().take_while(|event| event.position <= head) {
            after = event.position;
            if !visit(event) {
                return Ok(());
            }
        }
        if !past.more || past.events.last().is_none_or(|last| last.position >= head) {
            return Ok(());
        }
    }
}
