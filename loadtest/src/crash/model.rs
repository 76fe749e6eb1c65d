//! What one client knows of its sessions: what was acknowledged, and what is in doubt since the server died in a call.

use super::events::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Lines of a session's story that a failure prints.
const STORY: usize = 60;
/// Where a session's files under test are.
pub(crate) const HOME: &str = "/home/agent/w";
/// The file that each keyed command appends its key to.
pub(crate) const KEYED: &str = "keyed";

/// Files by name.
pub(crate) type Files = BTreeMap<String, Arc<Vec<u8>>>;

/// A session as its client knows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tier: &'static str,
    /// As acknowledged.
    pub(crate) files: Files,
    /// What the call in doubt may have made of them, wholly or up to a step of its own.
    pub(crate) doubt: Vec<Files>,
    /// Of a scratch session: what it may come back with. The last point that was acknowledged, and those in doubt.
    pub(crate) points: Vec<Files>,
    /// Those acknowledged.
    pub(crate) checkpoints: BTreeMap<u64, Files>,
    /// One was asked for and not acknowledged.
    pub(crate) checkpoint_in_doubt: bool,
    /// Keyed commands with an outcome.
    pub(crate) keys: BTreeMap<String, Outcome>,
    /// Those among them whose outcome a point keeps. A scratch session may lose the others' outcomes, not that they ran.
    pub(crate) kept_keys: BTreeSet<String>,
    /// One without an acknowledged outcome.
    pub(crate) key_in_doubt: Option<String>,
    pub(crate) delete_in_doubt: bool,
    /// Commands whose end was acknowledged, by number.
    pub(crate) ended: BTreeMap<u64, i64>,
    /// Lines that were asked to run.
    pub(crate) asked: Vec<String>,
    /// Events that were handed out, by number.
    pub(crate) seen: BTreeMap<u64, Seen>,
    /// The client's log.
    story: Vec<String>,
}

/// What became of a keyed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) exec: u64,
    pub(crate) end: String,
}

impl Session {
    pub(crate) fn new(id: String, name: String, tier: &'static str, files: Files) -> Session {
        Session {
            id,
            name,
            tier,
            points: vec![files.clone()],
            files,
            doubt: Vec::new(),
            checkpoints: BTreeMap::new(),
            checkpoint_in_doubt: false,
            keys: BTreeMap::new(),
            kept_keys: BTreeSet::new(),
            key_in_doubt: None,
            delete_in_doubt: false,
            ended: BTreeMap::new(),
            asked: Vec::new(),
            seen: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    pub(crate) fn is_scratch(&self) -> bool {
        self.tier == "scratch"
    }

    /// A call begins that may leave the files in any of these states.
    pub(crate) fn begin(&mut self, what: impl Into<String>, doubt: Vec<Files>) {
        self.note(format!("? {}", what.into()));
        self.doubt = doubt;
    }

    /// It was acknowledged.
    pub(crate) fn settle(&mut self, files: Files) {
        self.note("  acknowledged");
        self.doubt.clear();
        self.files = files;
    }

    /// The files as they are were made durable, whatever the tier.
    pub(crate) fn pointed(&mut self) {
        self.points = vec![self.files.clone()];
        self.kept_keys.extend(self.keys.keys().cloned());
    }

    /// What the files may be now. `orderly`: the server was not killed but stopped.
    pub(crate) fn candidates(&self, orderly: bool) -> Vec<Files> {
        match self.is_scratch() && !orderly {
            true => self.points.clone(),
            false => std::iter::once(self.files.clone()).chain(self.doubt.iter().cloned()).collect(),
        }
    }

    /// The files are these.
    pub(crate) fn found(&mut self, files: Files) {
        self.points = vec![files.clone()];
        self.doubt.clear();
        self.files = files;
    }

    /// Keys that have an outcome, the latest first.
    pub(crate) fn ended_keys(&self) -> impl Iterator<Item = (String, Outcome)> {
        let mut keys: Vec<_> = self.keys.iter().map(|(key, outcome)| (key.clone(), outcome.clone())).collect();
        keys.sort_by_key(|(_, outcome)| std::cmp::Reverse(outcome.exec));
        keys.into_iter()
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.story.push(line.into());
    }

    /// What a failure says of it.
    pub(crate) fn tell(&self, wrong: &str) -> String {
        let head = format!("session {} `{}` ({}): {wrong}", self.id, self.name, self.tier);
        let from = self.story.len().saturating_sub(STORY);
        format!(
            "{head}\n  the client's log ({} lines, the last):\n    {}",
            self.story.len(),
            self.story[from..].join("\n    ")
        )
    }
}

/// The files with one more line in one of them.
pub(crate) fn with_line(files: &Files, name: &str, line: &str) -> Files {
    let mut files = files.clone();
    let mut content = files.get(name).map_or_else(Vec::new, |content| content.to_vec());
    content.extend_from_slice(line.as_bytes());
    content.push(b'\n');
    files.insert(name.to_owned(), Arc::new(content));
    files
}

/// Every state that `echo LINE >> NAME` goes through: the file is there, then the line.
pub(crate) fn steps(files: &Files, name: &str, line: &str) -> Vec<Files> {
    let mut opened = files.clone();
    opened.entry(name.to_owned()).or_default();
    vec![opened, with_line(files, name, line)]
}

/// Files for people: names, lengths, and the text of those that are short.
pub(crate) fn describe(files: &Files) -> String {
    let one = |(name, content): (&String, &Arc<Vec<u8>>)| match std::str::from_utf8(content) {
        Ok(text) if text.len() <= 400 => format!("{name}: {text:?}"),
        _ => format!("{name}: {} bytes {:02x?}...", content.len(), &content[..content.len().min(8)]),
    };
    files.iter().map(one).collect::<Vec<_>>().join(", ")
}
