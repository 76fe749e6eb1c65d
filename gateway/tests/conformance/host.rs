//! The host side of the conformance corpus: what each script does on Linux, and how that compares with Warren.
//!
//! Read in this order. [`cases`] finds the scripts, one folder a kernel noun. [`run_on_host`] runs one of them with the
//! host's bash and coreutils, as a user without privilege, in a new empty directory; what it leaves behind is an
//! [`Outcome`]: standard output, exit status and the tree of files. Whoever runs the same script in a session builds
//! the same [`Outcome`] there ([`Contents::read`] and [`group_links`] give both sides one notion of a file), and
//! [`difference`] says where the two part. [`known_differences`] are those we have explained and not yet removed.
//!
//! Standard error is not compared: its words belong to the tools. Neither are times, sizes of directories, owners and
//! inode numbers; a script that is about those compares them itself and prints the verdict.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process_group, waitid};

/// User and group a script runs as when the suite itself runs as root: permission checks mean nothing to root.
pub const USER_ID: u32 = 1000;

/// Longest time a script may take on the host. They are written to need less than two seconds.
pub const HOST_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of a file kept as they are; a longer file is compared by length and hash.
pub const CONTENTS_KEPT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of standard output one script may write.
pub const STDOUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one file a script may leave behind, holes included. A script that makes a larger one removes it.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Characters of each side shown around a difference.
const EXCERPT_CHARS_MAX: usize = 160;

/// How often a running script is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The file in the corpus folder that lists the known differences.
const KNOWN_FILE: &str = "known.txt";

/// One script of the corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The folder: the part of the kernel the case is about.
    pub noun: String,
    /// The file name without `.sh`.
    pub name: String,
    /// One sentence: the behaviour shown.
    pub about: String,
    /// The whole script.
    pub script: String,
}

impl Case {
    /// `noun/name`, as written in `known.txt`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.noun, self.name)
    }
}

/// All a script is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output, up to [`STDOUT_BYTES_MAX`].
    pub stdout: Vec<u8>,
    /// The exit status as a shell would tell it: 128 + n when signal n ended the script.
    pub status: i32,
    /// The working directory as `.`, and everything below it by its path relative to it (`d/f`).
    pub tree: BTreeMap<String, Entry>,
}

/// One name in the tree a script leaves behind. A mode is the lower twelve bits: permissions and special bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Directory {
        mode: u32,
    },
    File {
        mode: u32,
        contents: Contents,
        /// The smallest path of those that name the same file; the path itself when it is the only one.
        links: String,
    },
    Symlink {
        target: String,
    },
    Fifo {
        mode: u32,
    },
}

/// The bytes of a file, or enough of them to tell it from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    Bytes(Vec<u8>),
    Digest { length: u64, hash: u64 },
}

impl Contents {
    /// Reads a file to its end. Both sides must come through here: the hash is that of one build of std.
    ///
    /// # Errors
    /// Those of the reader, and `FileTooLarge` beyond [`FILE_BYTES_MAX`].
    pub fn read(mut reader: impl Read) -> io::Result<Contents> {
        // One byte more than is kept tells a file that fits from one that does not.
        let chunk_bytes = CONTENTS_KEPT_BYTES_MAX as u64 + 1;
        let mut chunk = Vec::new();
        let mut hasher = DefaultHasher::new();
        let mut length = 0;
        loop {
            chunk.clear();
            // `take` and `read_to_end` fill each chunk but the last, so equal files are hashed in equal pieces.
            let read = reader.by_ref().take(chunk_bytes).read_to_end(&mut chunk)? as u64;
            if length == 0 && read < chunk_bytes {
                return Ok(Contents::Bytes(chunk));
            }
            hasher.write(&chunk);
            length += read;
            if length > FILE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {FILE_BYTES_MAX} bytes")));
            }
            if read < chunk_bytes {
                return Ok(Contents::Digest { length, hash: hasher.finish() });
            }
        }
    }
}

/// Names the file behind a path: device and inode number, or whatever else tells files apart on that side.
pub type FileId = (u64, u64);

/// The scripts below `dir`, sorted by noun and name.
///
/// # Panics
/// When the corpus itself is broken: a folder that cannot be read, or a script whose leading comment lines have no
/// `# about:`.
pub fn cases(dir: &Path) -> Vec<Case> {
    match read_cases(dir) {
        Ok(cases) => cases,
        Err(error) => panic!("the conformance corpus in {}: {error}", dir.display()),
    }
}

/// The lines of `known.txt`: `noun/name` to `kind: reason`.
///
/// # Panics
/// When the file cannot be read, a line is not `noun/name: kind: reason` with kind `shell`, `tool` or `kernel`, or a
/// name is listed twice or is no case.
pub fn known_differences(dir: &Path) -> BTreeMap<String, String> {
    match read_known_differences(dir) {
        Ok(known) => known,
        Err(error) => panic!("{}: {error}", dir.join(KNOWN_FILE).display()),
    }
}

/// Runs a script with the host's bash and coreutils in a new empty directory of mode 755.
///
/// As root it runs as [`USER_ID`] without supplementary groups, else as the user we are. The environment is PATH, HOME
/// (the directory), LANG=C.UTF-8 and USER; umask 022; standard input and error are the null device; no other descriptor
/// is open and every signal has its default action, whatever the test runner was started with.
///
/// # Errors
/// `TimedOut` after [`HOST_TIMEOUT`], when the script and its children were killed; else whatever kept the script from
/// running or its tree from being read.
pub fn run_on_host(case: &Case) -> io::Result<Outcome> {
    let top = tempfile::Builder::new().prefix("warren-conformance-").tempdir()?;
    fs::set_permissions(top.path(), Permissions::from_mode(0o755))?;
    // Its real path: a script may compare `pwd` with what the kernel says.
    let top_path = top.path().canonicalize()?;
    let script = top_path.join("script.sh");
    fs::write(&script, &case.script)?;
    fs::set_permissions(&script, Permissions::from_mode(0o644))?;
    let work = top_path.join("work");
    fs::create_dir(&work)?;
    fs::set_permissions(&work, Permissions::from_mode(0o755))?;

    let mut command = if geteuid().is_root() {
        std::os::unix::fs::chown(&work, Some(USER_ID), Some(USER_ID))?;
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={USER_ID}"), format!("--regid={USER_ID}")]);
        command.args(["--clear-groups", "--", "bash"]);
        command
    } else {
        Command::new("bash")
    };
    command
        .args(["-c", LAUNCH, "bash"])
        .arg(&script)
        .current_dir(&work)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &work)
        .env("LANG", "C.UTF-8")
        .env("USER", "agent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let ran = run_to_end(command.spawn()?);
    // Before anything is returned: what cannot be searched cannot be removed with the temporary directory either.
    let tree = read_tree(&work);
    let (stdout, status) = ran?;
    Ok(Outcome { stdout, status, tree: tree? })
}

/// The first difference in words, or `None` when the outcomes agree.
pub fn difference(host: &Outcome, warren: &Outcome) -> Option<String> {
    let status =
        (host.status != warren.status).then(|| format!("exit status: host {}, Warren {}", host.status, warren.status));
    if let Some(stdout) = stdout_difference(&host.stdout, &warren.stdout) {
        return Some(match status {
            Some(status) => format!("{stdout}\n{status}"),
            None => stdout,
        });
    }
    status.or_else(|| tree_difference(&host.tree, &warren.tree))
}

/// Sets `links` of every file of a tree: paths with one id are one group, named by the smallest of them.
pub fn group_links(tree: &mut BTreeMap<String, Entry>, ids: &BTreeMap<String, FileId>) {
    let mut groups: BTreeMap<FileId, &str> = BTreeMap::new();
    for (path, id) in ids {
        // Paths come in order, so the first of a group is its smallest.
        let group = *groups.entry(*id).or_insert(path);
        if let Some(Entry::File { links, .. }) = tree.get_mut(path) {
            group.clone_into(links);
        }
    }
}

/// What a script is started through. Descriptors a test runner leaked (a build tool's job server, say) are closed,
/// signals it ignored (under nohup, say) get their default action again, and nothing dumps core into the tree.
const LAUNCH: &str = r#"umask 022; ulimit -c 0
for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -gt 2 ] && exec {fd}>&-; done
exec env --default-signal --unset=SHLVL --unset=PWD --unset=OLDPWD bash "$1""#;

fn read_cases(dir: &Path) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for noun in fs::read_dir(dir)? {
        let noun = noun?;
        if !noun.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(noun.path())? {
            let path = file?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".sh"))
            else {
                return Err(broken(format!("{} is not a script", path.display())));
            };
            let script = fs::read_to_string(&path)?;
            let Some(about) = about(&script) else {
                return Err(broken(format!("{} does not say what it is about", path.display())));
            };
            let about = about.to_owned();
            let noun = noun.file_name().to_string_lossy().into_owned();
            cases.push(Case { noun, name: name.to_owned(), about, script });
        }
    }
    cases.sort_by(|a, b| (&a.noun, &a.name).cmp(&(&b.noun, &b.name)));
    Ok(cases)
}

/// The sentence after `# about:` among the comment lines a script begins with.
fn about(script: &str) -> Option<&str> {
    script
        .lines()
        .take_while(|line| line.starts_with('#'))
        .find_map(|line| line.strip_prefix("# about:"))
        .map(str::trim)
        .filter(|about| !about.is_empty())
}

fn read_known_differences(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let titles: Vec<String> = read_cases(dir)?.iter().map(Case::title).collect();
    let mut known = BTreeMap::new();
    for (index, line) in fs::read_to_string(dir.join(KNOWN_FILE))?.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let mut parts = line.splitn(3, ':').map(str::trim);
        let (Some(title), Some(kind), Some(reason)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(broken(format!("line {number} is not `noun/name: kind: reason`")));
        };
        if !matches!(kind, "shell" | "tool" | "kernel") {
            return Err(broken(format!("line {number}: `{kind}` is not shell, tool or kernel")));
        }
        if reason.is_empty() {
            return Err(broken(format!("line {number} gives no reason")));
        }
        if !titles.iter().any(|known| known == title) {
            return Err(broken(format!("line {number}: there is no case `{title}`")));
        }
        if known.insert(title.to_owned(), format!("{kind}: {reason}")).is_some() {
            return Err(broken(format!("line {number}: `{title}` is listed twice")));
        }
    }
    Ok(known)
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Waits for a script that leads its own process group, then ends whatever it left running.
fn run_to_end(mut child: Child) -> io::Result<(Vec<u8>, i32)> {
    let deadline = Instant::now() + HOST_TIMEOUT;
    let group = Pid::from_child(&child);
    let output = child.stdout.take().map(read_in_background);
    let ended = wait_until(group, deadline);
    // The leader is not reaped yet, so the group's number cannot have passed to someone else.
    let killed = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    ended?;
    killed?;

    let stdout = match output {
        // A writer that left the process group may still hold the pipe, so this too has an end.
        Some(output) => output
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "something still holds standard output"))??,
        None => Vec::new(),
    };
    let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    let status = status.ok_or_else(|| io::Error::other("the script neither exited nor was it killed"))?;
    Ok((stdout, status))
}

/// Waits for the end of a process and leaves it to be reaped.
fn wait_until(pid: Pid, deadline: Instant) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("still running after {HOST_TIMEOUT:?}")));
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

fn read_in_background(stdout: ChildStdout) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // One byte more than allowed tells too much from exactly enough; the pipe is then closed, which ends a writer.
        let read = stdout.take(STDOUT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
        let read = read.and_then(|length| match length {
            0..=STDOUT_BYTES_MAX => Ok(bytes),
            _ => Err(io::Error::other(format!("more than {STDOUT_BYTES_MAX} bytes of output"))),
        });
        // Nobody listens after a timeout, and nothing is lost then.
        let _ = sender.send(read);
    });
    receiver
}

fn read_tree(work: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut tree = BTreeMap::new();
    let mut ids = BTreeMap::new();
    let mut pending = vec![".".to_owned()];
    while let Some(path) = pending.pop() {
        let entry = read_entry(&work.join(&path), &path, &mut pending, &mut ids)
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        tree.insert(path, entry);
    }
    group_links(&mut tree, &ids);
    Ok(tree)
}

/// Reads one name. What is in a directory goes to `pending`, the identity of a file to `ids`.
fn read_entry(
    full: &Path,
    path: &str,
    pending: &mut Vec<String>,
    ids: &mut BTreeMap<String, FileId>,
) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(full)?;
    let kind = metadata.file_type();
    let mode = metadata.mode() & 0o7777;
    // What the script locked we unlock after noting its mode: for us to read, and for the directory to be removed.
    if kind.is_dir() {
        if mode & 0o700 != 0o700 {
            fs::set_permissions(full, Permissions::from_mode(mode | 0o700))?;
        }
        for child in fs::read_dir(full)? {
            let name = text(child?.file_name().into_encoded_bytes());
            pending.push(if path == "." { name } else { format!("{path}/{name}") });
        }
        Ok(Entry::Directory { mode })
    } else if kind.is_file() {
        if mode & 0o400 == 0 {
            fs::set_permissions(full, Permissions::from_mode(mode | 0o400))?;
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{} bytes", metadata.len())));
        }
        ids.insert(path.to_owned(), (metadata.dev(), metadata.ino()));
        Ok(Entry::File { mode, contents: Contents::read(fs::File::open(full)?)?, links: path.to_owned() })
    } else if kind.is_symlink() {
        Ok(Entry::Symlink { target: text(fs::read_link(full)?.into_os_string().into_encoded_bytes()) })
    } else if kind.is_fifo() {
        Ok(Entry::Fifo { mode })
    } else {
        Err(io::Error::new(io::ErrorKind::Unsupported, "neither directory, file, link nor FIFO"))
    }
}

/// A name as text. The corpus keeps to UTF-8, as WASI does.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().escape_ascii().to_string())
}

fn stdout_difference(host: &[u8], warren: &[u8]) -> Option<String> {
    if host == warren {
        return None;
    }
    let (mut host, mut warren) = (host.split_inclusive(is_newline), warren.split_inclusive(is_newline));
    let mut number = 1;
    loop {
        match (host.next(), warren.next()) {
            (host, warren) if host != warren => {
                let (host, warren) = (shown_line(host), shown_line(warren));
                return Some(format!("standard output, line {number}:\n    host   {host}\n    Warren {warren}"));
            }
            (None, None) => return None,
            _ => number += 1,
        }
    }
}

fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}

fn shown_line(line: Option<&[u8]>) -> String {
    line.map_or_else(|| "(no more output)".to_owned(), excerpt)
}

/// Bytes quoted for a reader, cut to [`EXCERPT_CHARS_MAX`].
fn excerpt(bytes: &[u8]) -> String {
    let quoted = format!("{:?}", String::from_utf8_lossy(bytes));
    if quoted.chars().count() <= EXCERPT_CHARS_MAX {
        return quoted;
    }
    let head: String = quoted.chars().take(EXCERPT_CHARS_MAX).collect();
    format!("{head}... ({} bytes)", bytes.len())
}

fn tree_difference(host: &BTreeMap<String, Entry>, warren: &BTreeMap<String, Entry>) -> Option<String> {
    let mut paths: Vec<&String> = host.keys().chain(warren.keys()).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().find_map(|path| {
        let (host, warren) = (host.get(path), warren.get(path));
        (host != warren).then(|| {
            let (host_text, warren_text) = (shown_entry(host, warren), shown_entry(warren, host));
            format!("file tree, {path:?}:\n    host   {host_text}\n    Warren {warren_text}")
        })
    })
}

/// One side of a difference; `other` is the other side, which says where in a file to look.
fn shown_entry(entry: Option<&Entry>, other: Option<&Entry>) -> String {
    match entry {
        None => "(not there)".to_owned(),
        Some(Entry::Directory { mode }) => format!("directory {mode:04o}"),
        Some(Entry::Fifo { mode }) => format!("FIFO {mode:04o}"),
        Some(Entry::Symlink { target }) => format!("link to {target:?}"),
        Some(Entry::File { mode, contents, links }) => {
            let other = match other {
                Some(Entry::File { contents, .. }) => Some(contents),
                _ => None,
            };
            format!("file {mode:04o}, same file as {links:?}, {}", shown_contents(contents, other))
        }
    }
}

fn shown_contents(contents: &Contents, other: Option<&Contents>) -> String {
    match (contents, other) {
        (Contents::Digest { length, hash }, _) => format!("{length} bytes with hash {hash:016x}"),
        (Contents::Bytes(bytes), Some(Contents::Bytes(other))) if bytes != other => {
            let same = bytes.iter().zip(other).take_while(|(a, b)| a == b).count();
            // A few bytes before the first that differs, for orientation.
            let from = same.saturating_sub(16);
            format!("{} bytes, from byte {from}: {}", bytes.len(), excerpt(&bytes[from..]))
        }
        (Contents::Bytes(bytes), _) => format!("{} bytes: {}", bytes.len(), excerpt(bytes)),
    }
}
