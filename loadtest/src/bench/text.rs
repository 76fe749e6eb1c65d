//! Guests' own computing: the packaged text tools and the host's on the same bytes.
//!
//! The figure is CPU time: of the guest as the session charges it, of the host's command as its kernel does. The
//! session charges the time its task was on a thread, which on a busy machine is more than it used; so the ratio of
//! this whole process's CPU time is given beside it.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::machine;
use crate::measure::{Measured, Timer, median};
use std::io::Write;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};
use warren_wasi_posix::node::{Command, Stdio};

const FILE: &str = "/tmp/text";
const BYTES: usize = 10_000_000;
/// Different words of the text.
const WORDS: u64 = 5000;
/// Runs of the host's command at most, however little time it takes.
const HOST_RUNS_MAX: u32 = 50;

/// A command on one file. Its output has to be the same here and there.
#[derive(Clone, Copy)]
struct Tool {
    /// Name and arguments before the file.
    arguments: &'static [&'static str],
    /// Where the timed runs write: GNU grep stops at the first match when it writes to /dev/null.
    output: Stdio,
}

pub(crate) fn sort(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    compare(bed, effort, Tool { arguments: &["sort"], output: Stdio::Null })
}

pub(crate) fn grep(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    compare(bed, effort, Tool { arguments: &["grep", "-c", "kabo"], output: Stdio::Pipe })
}

pub(crate) fn sed(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    compare(bed, effort, Tool { arguments: &["sed", "s/kabo/KABO/g"], output: Stdio::Null })
}

pub(crate) fn awk(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    const PROGRAM: &str = "{ n[$2]++; sum += $3 } END { for (word in n) words++; print words, sum }";
    compare(bed, effort, Tool { arguments: &["awk", PROGRAM], output: Stdio::Pipe })
}

fn compare(bed: &Bed, effort: Effort, tool: Tool) -> Result<Measured, Failure> {
    let text = text();
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&text)?;
    let session = bed.session();
    bed::put_file(&session, FILE, &text)?;

    let arguments = tool.arguments.iter().copied().chain([FILE]);
    let piped = bed::command(&bed.node().template(), arguments, [Stdio::Pipe; 2]);
    let timed = Command { stdio: [Stdio::Null, tool.output, Stdio::Pipe], ..piped.clone() };
    let (measured, guest, output) = bed.drive(async move {
        let output = bed::finish(&session, &piped).await?.stdout;
        let mut cpu = Vec::new();
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(10, 1) {
            let begun = Instant::now();
            cpu.push(bed::finish(&session, &timed).await?.cpu.as_secs_f64());
            timer.record(begun);
        }
        Ok((timer.end(), median(cpu.into_iter()), output))
    })?;
    let process = measured.cpu_ms / 1e3 / measured.operations as f64;
    let measured = measured.with("guest CPU", "ms", guest * 1e3);
    let Some(host) = Host::find(tool, file.path(), &output)? else {
        return Ok(measured);
    };
    let host = host.cpu_time(effort.pick(Duration::from_millis(500), Duration::from_millis(100)))?.as_secs_f64();
    Ok(measured.with("host CPU", "ms", host * 1e3).with("guest/host CPU", "x", guest / host).with(
        "process/host CPU",
        "x",
        process / host,
    ))
}

/// The host's command of the same name.
struct Host<'a> {
    tool: Tool,
    file: &'a Path,
}

impl Host<'_> {
    /// `None` when the host has none: then there is no ratio.
    fn find<'a>(tool: Tool, file: &'a Path, expected: &[u8]) -> Result<Option<Host<'a>>, Failure> {
        let host = Host { tool, file };
        let done = match host.command().stdout(process::Stdio::piped()).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            done => done?,
        };
        if done.stdout != expected {
            return Err(format!("{}: the host's output differs from the session's", tool.arguments.join(" ")).into());
        }
        Ok(Some(host))
    }

    /// Of one run, its start included as in the session: the mean of as many as take `enough` together.
    fn cpu_time(&self, enough: Duration) -> Result<Duration, Failure> {
        let before = machine::children_cpu_time()?;
        let mut runs = 0;
        loop {
            match self.tool.output {
                Stdio::Null => drop(self.command().stdout(process::Stdio::null()).status()?),
                Stdio::Pipe => drop(self.command().stdout(process::Stdio::piped()).output()?),
            }
            runs += 1;
            let used = machine::children_cpu_time()? - before;
            if used >= enough || (runs >= HOST_RUNS_MAX && !used.is_zero()) {
                return Ok(used / runs);
            }
        }
    }

    fn command(&self) -> process::Command {
        let mut command = process::Command::new(self.tool.arguments[0]);
        command.args(&self.tool.arguments[1..]).arg(self.file).env("LC_ALL", "C.UTF-8").stdin(process::Stdio::null());
        command
    }
}

/// Lines of words and numbers, the same each time.
fn text() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        // Knuth's MMIX generator; its upper bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = Vec::with_capacity(BYTES + 128);
    while text.len() < BYTES {
        let (first, second, number) = (next(WORDS), next(WORDS), next(1000));
        // Writing to a Vec cannot fail.
        let _ = write!(text, "{} {} {number}", word(first), word(second));
        for _ in 0..next(6) {
            text.push(b' ');
            text.extend_from_slice(word(next(WORDS)).as_bytes());
        }
        text.push(b'\n');
    }
    text
}

/// The word of this number: syllables of one consonant and one vowel.
fn word(mut number: u64) -> String {
    let mut word = String::new();
    for _ in 0..3 {
        word.push(char::from(b"bdfgklmnprst"[(number % 12) as usize]));
        number /= 12;
        word.push(char::from(b"aeiou"[(number % 5) as usize]));
        number /= 5;
    }
    word
}
