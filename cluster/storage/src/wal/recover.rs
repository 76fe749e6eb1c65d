//! Opening a log: read it all, judge what is damaged, put it right, begin a new segment.
//!
//! The order of the changes is such that a crash between any two of them leads to the same judgement the next time: what is
//! intact is synced, the new segment with the mark "durable up to here" is made durable, and only then is anything
//! rewritten, cut or removed.
use super::frame::{self, HEADER_BYTES, Header, Key};
use super::segment::{At, Reader, Tail};
use super::{Position, RUN, Segment, WalError};
use crate::disk::{Disk, create_dir_all};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub position: Position,
    /// What was appended.
    pub body: Bytes,
}

/// What opening a log found. Files are named without their folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments with entries.
    pub segments: usize,
    /// Entries that are served.
    pub entries: u64,
    /// Bytes of the segments that are served.
    pub bytes: u64,
    /// The end that was cut off because the power went while it was written.
    pub torn: Option<Torn>,
    /// Places where entries that had been durable are gone.
    pub damage: Vec<Damage>,
    /// Runs of entries that had been durable and whose segment is not there.
    pub missing: Vec<Missing>,
}

/// The end of a log that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment that was cut, or the first that was removed.
    pub segment: String,
    /// Where it ends now.
    pub offset: u64,
    /// Bytes cut off, in this and later segments.
    pub bytes: u64,
    /// Intact entries among these, behind the torn place. None had been acknowledged as synced.
    pub entries: u64,
}

/// A damaged place in what had been durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: String,
    /// What the damaged segment is called now.
    pub kept_as: String,
    /// The last entry before the place.
    pub after: Position,
    /// The first intact entry behind it in this segment.
    pub resumed: Option<Position>,
}

/// Entries whose segment is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The last entry before them.
    pub after: Position,
    /// The first entry after them.
    pub before: Position,
}

/// What is in the log, in order: an iterator that reads as it goes. Memory does not grow with the log.
#[derive(Debug)]
pub struct Recovery {
    report: RecoveryReport,
    last: u64,
    disk: Arc<dyn Disk>,
    left: VecDeque<Kept>,
    reading: Option<(Reader, Key)>,
}

impl Recovery {
    /// What was found.
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// The last position of the log as it was.
    pub(super) fn durable(&self) -> u64 {
        self.last
    }

    fn read_next(&mut self) -> Result<Option<Entry>, WalError> {
        loop {
            if self.reading.is_none() {
                let Some(kept) = self.left.pop_front() else { return Ok(None) };
                let mut reader = Reader::open(&self.disk, &kept.path)?;
                reader.end_at(kept.end);
                reader.header()?;
                self.reading = Some((reader, kept.key));
            }
            let (reader, key) = self.reading.as_mut().expect("just set");
            match reader.look(key)? {
                At::Frame(frame) => {
                    let body = reader.take(&frame)?;
                    return Ok(Some(Entry { position: Position(frame.position), body }));
                }
                At::End => self.reading = None,
                At::Damaged => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "it changed since it was checked");
                    return Err(WalError::from_io("read", reader.path(), &error));
                }
            }
        }
    }
}

impl Iterator for Recovery {
    type Item = Result<Entry, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read_next();
        if next.is_err() {
            self.left.clear();
            self.reading = None;
        }
        next.transpose()
    }
}

/// Reads, judges and repairs the log in `dir`, and begins a segment to append to.
pub(super) fn recover(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(Recovery, Tail, VecDeque<Segment>), WalError> {
    let failed = |doing, error: &io::Error| WalError::from_io(doing, dir, error);
    create_dir_all(&**disk, dir).map_err(|error| failed("create", &error))?;
    let mut scanned = Vec::new();
    for (first, path) in list(disk, dir)? {
        scanned.push(scan(disk, first, path)?);
    }
    let durable = scanned.iter().map(|segment| segment.synced).max().unwrap_or(0);
    let highest = scanned.iter().map(Scanned::highest).max().unwrap_or(0);
    let mut plan = judge(scanned, durable);

    for kept in &plan.kept {
        let sync = disk.open_write(&kept.path).and_then(|file| file.sync_data());
        sync.map_err(|error| WalError::from_io("sync", &kept.path, &error))?;
    }
    let first = highest + RUN;
    let path = dir.join(frame::segment_name(first));
    let tail = Tail::create(disk, path, first, plan.last, plan.last)?;
    tail.file.sync_data().map_err(|error| WalError::from_io("sync", &tail.path, &error))?;
    disk.sync_dir(dir).map_err(|error| failed("sync", &error))?;
    put_right(disk, dir, &mut plan).map_err(|error| failed("repair", &error))?;

    for damage in &plan.report.damage {
        tracing::error!(segment = %damage.segment, kept_as = %damage.kept_as, after = %damage.after, "a log lost entries that were durable");
    }
    for missing in &plan.report.missing {
        tracing::error!(after = %missing.after, before = %missing.before, "a segment of a log is missing");
    }
    if let Some(torn) = &plan.report.torn {
        tracing::warn!(segment = %torn.segment, offset = torn.offset, bytes = torn.bytes, entries = torn.entries, "the torn end of a log was cut off");
    }
    let segments = plan.kept.iter().map(|kept| Segment { last: kept.last, path: kept.path.clone() }).collect();
    let recovery =
        Recovery { report: plan.report, last: plan.last, disk: disk.clone(), left: plan.kept.into(), reading: None };
    Ok((recovery, tail, segments))
}

/// The segments of a folder in order, after finishing a repair that a crash cut short.
fn list(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<(u64, PathBuf)>, WalError> {
    let failed = |error: io::Error| WalError::from_io("list", dir, &error);
    let listed = disk.list(dir).map_err(failed)?;
    let mut found: Vec<_> =
        listed.iter().filter_map(|entry| Some((frame::segment_first(&entry.name)?, dir.join(&entry.name)))).collect();
    for entry in &listed {
        let Some(name) = entry.name.strip_suffix(REPAIR) else { continue };
        let Some(first) = frame::segment_first(name) else { continue };
        let (repaired, path) = (dir.join(&entry.name), dir.join(name));
        if found.iter().any(|(known, _)| *known == first) {
            disk.remove(&repaired).map_err(failed)?;
        } else {
            disk.rename(&repaired, &path).map_err(failed)?;
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The suffix of a segment's repaired copy until it takes the name.
const REPAIR: &str = ".repair";

/// A segment as it was found.
#[derive(Debug)]
struct Scanned {
    first: u64,
    path: PathBuf,
    len: u64,
    header: Option<Header>,
    spans: Vec<Span>,
    /// The highest mark in it: the log was durable up to there.
    synced: u64,
}

/// Intact frames one after another, with consecutive positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
    first: u64,
    last: u64,
}

impl Scanned {
    /// The highest position that may have been used in it.
    fn highest(&self) -> u64 {
        self.spans.iter().map(|span| span.last).max().unwrap_or(0).max(self.first)
    }

    fn entries(&self) -> u64 {
        self.spans.iter().map(|span| span.last - span.first + 1).sum()
    }

    fn name(&self) -> String {
        frame::segment_name(self.first)
    }
}

fn scan(disk: &Arc<dyn Disk>, first: u64, path: PathBuf) -> Result<Scanned, WalError> {
    let mut reader = Reader::open(disk, &path)?;
    let header = reader.header()?.filter(|header| header.first == first);
    let mut scanned = Scanned { first, path, len: reader.end(), header: None, spans: Vec::new(), synced: 0 };
    let Some(header) = header else { return Ok(scanned) };
    scanned.synced = header.synced;
    let mut last = first - 1;
    loop {
        match reader.look(&header.key)? {
            At::End => break,
            At::Damaged => reader.search(&header.key, last)?,
            At::Frame(frame) if frame.position <= last => reader.search(&header.key, last)?,
            At::Frame(frame) => {
                let start = reader.offset();
                reader.pass(&frame);
                let end = reader.offset();
                scanned.synced = scanned.synced.max(frame.synced);
                match scanned.spans.last_mut() {
                    Some(span) if span.end == start && span.last + 1 == frame.position => {
                        span.end = end;
                        span.last = frame.position;
                    }
                    _ => scanned.spans.push(Span { start, end, first: frame.position, last: frame.position }),
                }
                last = frame.position;
            }
        }
    }
    scanned.header = Some(header);
    Ok(scanned)
}

/// A segment that stays.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    header: Header,
    key: Key,
    spans: Vec<Span>,
    /// Where it ends, once it is put right.
    end: u64,
    last: u64,
    change: Change,
}

impl Kept {
    /// The last entry of the log up to here. An empty segment tells only what was before it.
    fn last_entry(&self, before: Option<u64>) -> u64 {
        if self.spans.is_empty() { before.unwrap_or(self.header.previous) } else { self.last }
    }

    /// Ends it with the spans it has: what is rewritten anyway is rewritten without the rest.
    fn cut(&mut self) {
        if self.change == Change::None {
            self.change = Change::Cut;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    /// Cut to `end`.
    Cut,
    /// Rewrite with what is intact.
    Rewrite,
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    kept: Vec<Kept>,
    aside: Vec<PathBuf>,
    removed: Vec<PathBuf>,
    /// The last position before the new segment.
    last: u64,
    report: RecoveryReport,
}

/// What one segment's judgement leads to.
enum Verdict {
    Keep(Kept),
    /// Keep it up to this offset, where the log ends.
    KeepLast(Kept, u64),
    /// The header is gone, of what had been durable.
    Aside,
    /// The log ended before it.
    Remove,
}

fn judge(scanned: Vec<Scanned>, durable: u64) -> Plan {
    let mut plan = Plan::default();
    let mut before: Option<u64> = None;
    let mut ended = false;
    // Behind a damaged or repaired segment the positions leave some out, which was reported then.
    let mut gap_known = false;
    for segment in scanned {
        if ended {
            plan.remove(segment);
            continue;
        }
        let verdict = judge_segment(&segment, before, gap_known, durable, &mut plan.report);
        match verdict {
            Verdict::Aside => {
                gap_known = true;
                plan.aside.push(segment.path);
            }
            Verdict::Remove => {
                ended = true;
                plan.remove(segment);
            }
            Verdict::KeepLast(kept, at) => {
                ended = true;
                plan.torn(&segment, at);
                before = Some(kept.last_entry(before));
                plan.kept.push(kept);
            }
            Verdict::Keep(kept) => {
                gap_known = kept.change == Change::Rewrite || kept.header.repaired;
                before = Some(kept.last_entry(before));
                plan.kept.push(kept);
            }
        }
    }
    // What an opening without an append left: no entry is lost with it, and they would pile up.
    while plan.kept.last().is_some_and(|kept| kept.spans.is_empty()) {
        plan.removed.extend(plan.kept.pop().map(|kept| kept.path));
    }
    plan.last = before.unwrap_or(0);
    plan.report.segments = plan.kept.len();
    plan.report.entries = plan.kept.iter().flat_map(|kept| &kept.spans).map(|span| span.last - span.first + 1).sum();
    plan.report.bytes = plan.kept.iter().map(|kept| kept.end).sum();
    plan
}

fn judge_segment(
    segment: &Scanned,
    before: Option<u64>,
    gap_known: bool,
    durable: u64,
    report: &mut RecoveryReport,
) -> Verdict {
    let aside = || format!("{}.corrupt", segment.name());
    let Some(header) = &segment.header else {
        if segment.first > durable {
            return Verdict::Remove;
        }
        let after = Position(segment.first - 1);
        report.damage.push(Damage { segment: segment.name(), kept_as: aside(), after, resumed: None });
        return Verdict::Aside;
    };
    if let Some(before) = before
        && before != header.previous
        && !gap_known
    {
        if before >= durable {
            return Verdict::Remove;
        }
        report.missing.push(Missing { after: Position(before), before: Position(header.first) });
    }
    let mut kept = Kept {
        path: segment.path.clone(),
        header: header.clone(),
        key: header.key.clone(),
        spans: Vec::new(),
        end: HEADER_BYTES as u64,
        last: header.first - 1,
        change: Change::None,
    };
    let mut at = HEADER_BYTES as u64;
    for span in &segment.spans {
        let consecutive = span.first == kept.last + 1 || header.repaired;
        if span.start != at || !consecutive {
            if kept.last >= durable {
                kept.cut();
                return Verdict::KeepLast(kept, at);
            }
            let (after, resumed) = (Position(kept.last), Some(Position(span.first)));
            report.damage.push(Damage { segment: segment.name(), kept_as: aside(), after, resumed });
            kept.change = Change::Rewrite;
        }
        kept.end += span.end - span.start;
        kept.last = span.last;
        kept.spans.push(*span);
        at = span.end;
    }
    if at == segment.len {
        return Verdict::Keep(kept);
    }
    if kept.last >= durable {
        kept.cut();
        return Verdict::KeepLast(kept, at);
    }
    let after = Position(kept.last);
    report.damage.push(Damage { segment: segment.name(), kept_as: aside(), after, resumed: None });
    kept.change = Change::Rewrite;
    Verdict::Keep(kept)
}

impl Plan {
    fn torn(&mut self, segment: &Scanned, end: u64) {
        let (start, entries) = (end.min(segment.len), segment.spans.iter().filter(|span| span.start >= end));
        let entries: u64 = entries.map(|span| span.last - span.first + 1).sum();
        let bytes = segment.len - start;
        let torn = self.report.torn.get_or_insert(Torn { segment: segment.name(), offset: end, bytes: 0, entries: 0 });
        torn.bytes += bytes;
        torn.entries += entries;
    }

    fn remove(&mut self, segment: Scanned) {
        // A segment with nothing in it is only the trace of an opening: nothing is lost with it.
        if segment.header.is_none() || segment.entries() > 0 {
            self.torn(&segment, 0);
        }
        self.removed.push(segment.path);
    }
}

fn put_right(disk: &Arc<dyn Disk>, dir: &Path, plan: &mut Plan) -> io::Result<()> {
    let changes = plan.kept.iter().any(|kept| kept.change != Change::None);
    if !changes && plan.aside.is_empty() && plan.removed.is_empty() {
        return Ok(());
    }
    for kept in &plan.kept {
        match kept.change {
            Change::None => {}
            Change::Rewrite => rewrite(disk, dir, kept)?,
            Change::Cut => {
                let file = disk.open_write(&kept.path)?;
                file.set_len(kept.end)?;
                file.sync_data()?;
            }
        }
    }
    for path in &plan.aside {
        disk.rename(path, &with_suffix(path, ".corrupt"))?;
    }
    // From behind, so that what is left after a crash is what was there, without its end.
    for path in plan.removed.iter().rev() {
        disk.remove(path)?;
        disk.sync_dir(dir)?;
    }
    disk.sync_dir(dir)
}

/// Replaces a damaged segment by one with its intact frames, and keeps the damaged one beside it.
fn rewrite(disk: &Arc<dyn Disk>, dir: &Path, kept: &Kept) -> io::Result<()> {
    let copy = with_suffix(&kept.path, REPAIR);
    match disk.remove(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (from, to) = (disk.open(&kept.path)?, disk.create(&copy)?);
    to.write_at(&Header { repaired: true, ..kept.header.clone() }.encode(), 0)?;
    let mut at = HEADER_BYTES as u64;
    let mut buf = vec![0; 256 * 1024];
    for span in &kept.spans {
        let mut done = span.start;
        while done < span.end {
            let count = (span.end - done).min(buf.len() as u64) as usize;
            if crate::disk::read_full(&*from, &mut buf[..count], done)? < count {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_at(&buf[..count], at)?;
            done += count as u64;
            at += count as u64;
        }
    }
    to.sync_data()?;
    disk.sync_dir(dir)?; // The copy is there for sure before the name changes hands.
    disk.rename(&kept.path, &with_suffix(&kept.path, ".corrupt"))?;
    disk.sync_dir(dir)?;
    disk.rename(&copy, &kept.path)?;
    disk.sync_dir(dir)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
