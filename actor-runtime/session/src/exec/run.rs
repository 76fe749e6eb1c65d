//! A command while it runs: its output becomes events, its end is written down with what the files became.

use super::{Exec, Given, Input};
use crate::awake::Awake;
use crate::durability::KeyedCommand;
use crate::event::{End, OUTPUT_EVENT_BYTES_MAX, Stream, What};
use crate::id::CommandKey;
use crate::metrics::{self, Counted};
use crate::scribe::{Record, Ticket, Urgency};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Span;
use warren_kernel::Errno;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_wasi_posix::node::{OnTerminal, PipeEnd, Running, Terminal};

/// Bytes of one stream that are read and not yet durable, at most: then its writer waits.
const IN_FLIGHT_MAX: usize = 256 * 1024;
/// How long after the end of a process its streams are waited for, if a child keeps them open.
const LINGER: Duration = Duration::from_millis(100);
/// Pieces of output that become events at once, and the pause between two that come on top: a program that writes byte
/// by byte makes some hundred events a second, not a hundred thousand.
const BURST: u32 = 64;
const PAUSE: Duration = Duration::from_millis(5);
/// A piece from here on is worth an event of its own.
const LARGE: usize = 4096;
/// How long a piece waits, at most, because its tenant makes more events than it may.
const PACED_MAX: Duration = Duration::from_secs(5);

/// The outside's ends of a command.
pub(super) struct Ends {
    pub(super) pid: Pid,
    input: Mutex<Option<Input>>,
    outputs: Vec<(Stream, Output)>,
}

enum Output {
    Pipe(PipeEnd),
    Terminal(Arc<Terminal>),
}

impl Ends {
    pub(super) fn of_pipes(running: Running) -> Ends {
        let outputs = [(Stream::Stdout, running.stdout), (Stream::Stderr, running.stderr)];
        Ends {
            pid: running.pid,
            input: Mutex::new(running.stdin.map(|end| Input::Pipe(Arc::new(end)))),
            outputs: outputs.into_iter().filter_map(|(stream, end)| Some((stream, Output::Pipe(end?)))).collect(),
        }
    }

    pub(super) fn of_terminal(running: OnTerminal) -> Ends {
        let terminal = Arc::new(running.terminal);
        Ends {
            pid: running.pid,
            input: Mutex::new(Some(Input::Terminal(terminal.clone()))),
            outputs: vec![(Stream::Stdout, Output::Terminal(terminal))],
        }
    }

    pub(super) fn take_input(&self) -> Option<Input> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Output {
    async fn read(&self, want: usize, to: &mut Vec<u8>) -> Result<usize, Errno> {
        match self {
            Output::Pipe(end) => end.read(want, to).await,
            Output::Terminal(terminal) => terminal.read(want, to).await,
        }
    }
}

/// Attends to a command until it has ended and both its streams are at their end.
pub(super) async fn attend(
    awake: Arc<Awake>,
    exec: Arc<Exec>,
    ends: Ends,
    key: Option<(CommandKey, KeyedCommand)>,
    timeout: Option<Duration>,
    feed: Option<((Input, Bytes), Given)>,
) {
    let (_counted, begun) = (Counted::new(metrics::EXECS), Instant::now());
    let Ends { pid, outputs, .. } = ends;
    let mut outputs = outputs.into_iter();
    let (first, second) = (outputs.next(), outputs.next());
    let pumps = async { tokio::join!(pump(&awake, &exec, first), pump(&awake, &exec, second), fed(feed)) };
    tokio::pin!(pumps);
    let waiting = awake.session.wait(pid);
    tokio::pin!(waiting);
    let deadline = tokio::time::sleep(timeout.unwrap_or_default());
    tokio::pin!(deadline);
    let (mut pumped, mut timed_out) = (false, false);
    let collected = loop {
        tokio::select! {
            biased;
            _ = &mut pumps, if !pumped => pumped = true,
            collected = &mut waiting => break collected,
            () = &mut deadline, if timeout.is_some() && !timed_out => {
                timed_out = true;
                awake.kill_posix_session(pid);
            }
        }
    };
    if !pumped {
        pumped = tokio::time::timeout(LINGER, &mut pumps).await.is_ok();
    }
    let end = match collected {
        _ if timed_out => End::TimedOut,
        _ if awake.killing.load(Ordering::Acquire) => End::Interrupted,
        Ok((status, _)) => End::Status(status),
        Err(_) => End::Interrupted,
    };
    let cpu = collected.map_or(Duration::ZERO, |(_, cpu)| cpu);
    exec.lock().cpu = cpu;
    note(&end, cpu);
    let keys = key.into_iter().map(|(key, keyed)| (key, KeyedCommand { end: Some(end.clone()), ..keyed })).collect();
    let events = vec![What::Exited { exec: exec.id, end: end.clone() }];
    let settled = match awake.scribe.record(Record { events, keys, files: true }, Urgency::Call) {
        Ok(ticket) => awake.scribe.wait(&ticket).await.map(|()| (end, ticket.last)),
        Err(error) => Err(error),
    };
    ::metrics::histogram!(metrics::EXEC).record(begun.elapsed());
    if pumped {
        exec.lock().drained = true;
        exec.release();
    }
    // Whoever hears of the end finds its place free.
    awake.execs.retire(exec.id);
    exec.settle(settled);
    if !pumped {
        pumps.await;
        exec.lock().drained = true;
        exec.release();
        exec.changed.notify_waiters();
    }
}

/// Says how a command ended to who looks at all of them.
fn note(end: &End, cpu: Duration) {
    let how = match end {
        End::Status(ExitStatus::Exited(_)) => "exited",
        End::Status(_) => "signaled",
        End::NotStarted(_) => "not_started",
        End::TimedOut => "timed_out",
        End::Interrupted => "interrupted",
    };
    ::metrics::counter!(metrics::ENDED, "end" => how).increment(1);
    ::metrics::counter!(metrics::CPU).increment(u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX));
    let span = Span::current();
    span.record("end", how);
    span.record("cpu_us", u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX));
}

/// Writes what a command was given as its input, and ends it.
async fn fed(feed: Option<((Input, Bytes), Given)>) {
    // Whoever does not read its input to the end has had enough of it.
    if let Some(((input, bytes), _given)) = feed {
        let _ = input.write_all(&bytes).await;
    }
}

/// Makes events of a stream until its end.
async fn pump(awake: &Arc<Awake>, exec: &Exec, output: Option<(Stream, Output)>) {
    let Some((stream, output)) = output else { return };
    let account = awake.node.upgrade().map(|node| node.accounts.of(&awake.tenant));
    let mut on_its_way: VecDeque<(Ticket, usize)> = VecDeque::new();
    let mut in_flight = 0;
    let mut pace = Pace { credit: BURST, since: Instant::now() };
    let mut buffer = Vec::new();
    while let Ok(1..) = output.read(OUTPUT_EVENT_BYTES_MAX, &mut buffer).await {
        if buffer.len() < LARGE && pace.is_spent() {
            tokio::time::sleep(PAUSE).await;
            let room = OUTPUT_EVENT_BYTES_MAX - buffer.len();
            // What is there by now; at the end there is nothing, and the next read says so again.
            let more = output.read(room, &mut buffer);
            let _ = tokio::time::timeout(Duration::ZERO, more).await;
        }
        let bytes = Bytes::from(std::mem::take(&mut buffer));
        let len = bytes.len();
        let offset = exec.add_output(stream, &bytes);
        let events = vec![What::Output { exec: exec.id, stream, offset, bytes }];
        let Ok(ticket) = awake.scribe.record(Record { events, ..Record::default() }, Urgency::Background) else {
            // Nothing is acknowledged any more: the session ends.
            return;
        };
        exec.mark(stream, offset, ticket.before);
        if let Some(account) = &account {
            // Not before it is written down: what was read of the guest is never lost.
            let wait = account.pace_events(1);
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(PACED_MAX)).await;
            }
        }
        in_flight += len;
        on_its_way.push_back((ticket, len));
        while in_flight > IN_FLIGHT_MAX
            && let Some((ticket, len)) = on_its_way.pop_front()
        {
            if awake.scribe.wait(&ticket).await.is_err() {
                return;
            }
            in_flight -= len;
        }
        if on_its_way.len() > BURST as usize {
            on_its_way.retain(|(ticket, len)| {
                let settled = awake.scribe.is_settled(ticket);
                in_flight -= if settled { *len } else { 0 };
                !settled
            });
        }
    }
}

/// How many small pieces may still become events of their own.
struct Pace {
    credit: u32,
    since: Instant,
}

impl Pace {
    fn is_spent(&mut self) -> bool {
        let earned = self.since.elapsed().as_millis() / PAUSE.as_millis();
        if earned > 0 {
            self.credit = BURST.min(self.credit.saturating_add(u32::try_from(earned).unwrap_or(BURST)));
            self.since = Instant::now();
        }
        if self.credit == 0 {
            return true;
        }
        self.credit -= 1;
        false
    }
}
