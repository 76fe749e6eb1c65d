//! `warren cp`: files into a session, out of one, and from one to another.
//!
//! ```text
//! SRC ──look, list──▶ each file ──open──▶ bytes, part by part ──write──▶ there whole, or not at all
//!                        └ links, devices, names that cannot be: left out, and told
//! ```
//! Of each file a few hundred KiB are in memory. A session keeps a file once all of it has come; here it is written beside
//! its place and renamed. So neither a connection that breaks nor Ctrl-C leaves half of one.

mod cleanup;
mod local;
mod place;
mod remote;

use crate::output;
use crate::session::client::{Client, ClientError};
use crate::session::server::{Context, ServerArguments};
use crate::session::table::printable;
use clap::Args;
use cleanup::Cleanup;
use local::Local;
use place::Place;
use remote::Remote;
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// Bytes moved at a time.
const PART: usize = 64 * 1024;
/// Directories within one another that are copied, at most.
const DEPTH_MAX: usize = 512;
/// Things left out that are listed at the end with `--json`; all are counted, and told as they are met.
const LEFT_OUT_LISTED: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Copies a directory with all in it. Symbolic links in it are neither followed nor copied, but told.
    #[arg(long, short)]
    recursive: bool,
    /// Makes directories on the way to the target.
    #[arg(long, short)]
    parents: bool,
    /// What is copied: SESSION:/PATH, a path here, or - for standard input. `./a:b` is a path here.
    from: Place,
    /// Where to: the same, with - for standard output. In a directory that is there it keeps its name.
    to: Place,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    kind: Kind,
    /// Permission bits.
    mode: Option<u32>,
    modified: Option<SystemTime>,
}

/// What kind of file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    /// A symbolic link, and where it leads.
    Link(String),
    /// A kind that has no bytes to copy: its name.
    Other(String),
}

/// Why something was not copied.
#[derive(Debug)]
enum Failure {
    /// It cannot be; others can.
    One(String),
    /// Nothing further can be.
    All(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::All(error)
    }
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> ClientError {
        match failure {
            Failure::One(why) => ClientError::Local(why),
            Failure::All(error) => error,
        }
    }
}

/// Part of a directory, and where the rest begins.
struct Page {
    entries: Vec<(OsString, Found)>,
    next: Option<String>,
}

/// Files of one side.
trait Files {
    /// What is at a path, or behind the link there.
    fn look(&self, path: &Path) -> Result<Option<Found>, Failure>;
    /// Part of a directory in order of name, each entry itself.
    fn list(&self, path: &Path, after: Option<&str>) -> Result<Page, Failure>;
    /// A file's bytes. A name met in a directory is not followed if it has become a link since.
    fn open(&self, path: &Path, named: Named) -> Result<Box<dyn Read + '_>, Failure>;
    /// Writes a file, whole or not at all; how many bytes it has. A link in its place is written through if it was typed.
    fn write(&self, path: &Path, from: &mut dyn Read, what: &Found, named: Named) -> Result<u64, Failure>;
    /// Makes a directory, unless it is there.
    fn make_directory(&self, path: &Path, what: &Found, named: Named) -> Result<(), Failure>;
    /// The path as somebody would type it.
    fn called(&self, path: &Path) -> String;
}

/// Who named a file, or the one it is copied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// Whoever typed the command.
    Typed,
    /// The directory it is in.
    Met,
}

pub(crate) fn main(arguments: &CopyArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let cleanup =
        Cleanup::on_signals().map_err(|error| ClientError::Local(format!("cannot wait for signals: {error}")))?;
    let side = |place| side(place, &context.client, &cleanup, arguments.parents);
    let (from, to) = (side(&arguments.from), side(&arguments.to));
    let mut copy = Copy { from: &*from, to: &*to, files: 0, directories: 0, bytes: 0, left_out: Vec::new(), missed: 0 };
    let done = copy.all(&context.client, arguments);
    if done.is_err() && copy.files > 0 {
        output::note(format!("{} files had been copied, each of them whole", copy.files));
    }
    done?;
    copy.tell(&context, arguments);
    Ok(ExitCode::from(u8::from(copy.missed > 0)))
}

/// The files that a place is among.
fn side<'a>(place: &'a Place, client: &'a Client, cleanup: &Cleanup, parents: bool) -> Box<dyn Files + 'a> {
    match place {
        Place::Session { session, .. } => Box::new(Remote::new(client, session, parents)),
        Place::Here(_) | Place::Standard => Box::new(Local::new(cleanup.clone(), parents)),
    }
}

struct Copy<'a> {
    from: &'a dyn Files,
    to: &'a dyn Files,
    files: u64,
    directories: u64,
    bytes: u64,
    /// The first of what was left out, and why.
    left_out: Vec<(String, String)>,
    missed: u64,
}

impl Copy<'_> {
    fn all(&mut self, client: &Client, arguments: &CopyArguments) -> Result<(), ClientError> {
        let (from, to) = (arguments.from.path(), arguments.to.path());
        let found = match &arguments.from {
            Place::Standard => Found { kind: Kind::File, mode: None, modified: None },
            _ => self.look(from)?,
        };
        let target = match &arguments.to {
            Place::Standard => None,
            _ => self.to.look(to)?,
        };
        let in_directory = arguments.to.is_directory() || target.as_ref().is_some_and(|it| it.kind == Kind::Directory);
        let below = |name: Option<&OsStr>| match (in_directory, name) {
            (true, Some(name)) => Ok(to.join(name)),
            (true, None) => {
                let what = "standard input has no name to keep in a directory; name the file";
                Err(ClientError::Local(format!("{}: {what}", self.to.called(to))))
            }
            (false, _) => Ok(to.to_owned()),
        };
        match &found.kind {
            Kind::Directory if !arguments.recursive => {
                Err(ClientError::Local(format!("{}: is a directory; -r copies it", self.from.called(from))))
            }
            Kind::Directory if arguments.to == Place::Standard => Err(ClientError::Local(format!(
                "{}: is a directory; name another to copy it to",
                self.from.called(from)
            ))),
            Kind::Directory => {
                // Without the `.` of `dir/.`, which would be in the name of everything below.
                let from: &Path = &from.components().collect::<PathBuf>();
                if let Some(Kind::File | Kind::Other(_)) = target.as_ref().map(|target| &target.kind) {
                    return Err(ClientError::Local(format!("{}: is no directory", self.to.called(to))));
                }
                let to = match arguments.from.name() {
                    Some(name) if target.is_some() => to.join(name),
                    // It gets the name that was given, or only what is in it is meant.
                    _ => to.to_owned(),
                };
                refuse_itself(client, &arguments.from, &arguments.to, &to)?;
                Ok(self.tree(from, &to, &found, 0)?)
            }
            Kind::File | Kind::Link(_) | Kind::Other(_) => {
                let to = below(arguments.from.name())?;
                // Who may use a pipe or a device says nothing of the file that is made of what comes out.
                let plain = found.kind == Kind::File;
                let found = if plain { found } else { Found { mode: None, modified: None, ..found } };
                Ok(self.file(from, &to, &found, Named::Typed)?)
            }
        }
    }

    fn look(&self, path: &Path) -> Result<Found, ClientError> {
        let found = self.from.look(path)?;
        found.ok_or_else(|| ClientError::Local(format!("{}: there is nothing", self.from.called(path))))
    }

    fn file(&mut self, from: &Path, to: &Path, found: &Found, named: Named) -> Result<(), Failure> {
        let mut bytes = self.from.open(from, named)?;
        self.bytes += self.to.write(to, &mut *bytes, found, named)?;
        self.files += 1;
        Ok(())
    }

    fn tree(&mut self, from: &Path, to: &Path, found: &Found, depth: usize) -> Result<(), Failure> {
        if depth > DEPTH_MAX {
            return Err(Failure::One(format!("more than {DEPTH_MAX} directories are within one another")));
        }
        let named = if depth == 0 { Named::Typed } else { Named::Met };
        self.to.make_directory(to, found, named)?;
        self.directories += 1;
        let mut after = None;
        loop {
            let page = self.from.list(from, after.as_deref())?;
            for (name, found) in page.entries {
                let (from, to) = (from.join(&name), to.join(&name));
                let copied = match &found.kind {
                    Kind::File => self.file(&from, &to, &found, Named::Met),
                    Kind::Directory => self.tree(&from, &to, &found, depth + 1),
                    Kind::Link(target) => Err(Failure::One(format!("a symbolic link, to {target}"))),
                    Kind::Other(kind) => Err(Failure::One(format!("a {kind}"))),
                };
                match copied {
                    Ok(()) => {}
                    Err(Failure::One(why)) => self.leave_out(&from, &why),
                    Err(all) => return Err(all),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        let called = self.from.called(path);
        output::note(format!("left out {}: {}", printable(&called), printable(why)));
        self.missed += 1;
        if self.left_out.len() < LEFT_OUT_LISTED {
            self.left_out.push((called, why.to_owned()));
        }
    }

    fn tell(&self, context: &Context, arguments: &CopyArguments) {
        if self.missed > 0 {
            output::note(format!("{} copied, {} left out", self.files, self.missed));
        }
        if context.json && arguments.to != Place::Standard {
            let left_out: Vec<_> =
                self.left_out.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect();
            let (files, directories, bytes) = (self.files, self.directories, self.bytes);
            output::line(json!({ "files": files, "directories": directories, "bytes": bytes, "left_out": left_out }));
        }
    }
}

/// Refuses a directory that is to be copied into itself, which would have no end.
fn refuse_itself(client: &Client, from: &Place, to: &Place, target: &Path) -> Result<(), ClientError> {
    let (a, b) = match (from, to) {
        (Place::Session { session: a, .. }, Place::Session { session: b, .. }) => (a, b),
        (Place::Here(path), Place::Here(_)) => {
            let real = |path: &Path| path.ancestors().find_map(|path| std::fs::canonicalize(path).ok());
            return match (std::fs::canonicalize(path).ok(), real(target)) {
                (Some(from), Some(to)) if to.starts_with(&from) => Err(itself(from.display())),
                _ => Ok(()),
            };
        }
        _ => return Ok(()),
    };
    if !lexical(target).starts_with(lexical(from.path())) {
        return Ok(());
    }
    let id = |name: &String| client.get(&Client::session(name, "")).map(|mut session| session["id"].take());
    if a == b || id(a)? == id(b)? { Err(itself(target.display())) } else { Ok(()) }
}

fn itself(what: impl std::fmt::Display) -> ClientError {
    ClientError::Local(format!("{what}: a directory cannot be copied into itself"))
}

/// A path without `.` and `..`, as far as its text tells.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
