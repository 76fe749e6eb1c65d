//! Files of a session, over HTTP.

use super::{Failure, Files, Found, Kind, Named, Page};
use crate::session::client::{Client, ClientError, escape};
use crate::session::table::text;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use ureq::SendBody;

/// Entries of a directory asked for at a time.
const PAGE: usize = 1000;
/// Codes of refusals that are about one file; of another it may be otherwise.
const OF_ONE_FILE: &[&str] = &[
    "bad_path",
    "body_too_large",
    "directory_not_empty",
    "file_busy",
    "file_denied",
    "file_error",
    "file_exists",
    "file_not_found",
    "file_too_large",
    "file_unreadable",
    "is_a_directory",
    "invalid_request",
    "not_a_directory",
    "not_a_file",
];

/// A session.
pub(super) struct Remote<'a> {
    client: &'a Client,
    session: &'a str,
    parents: bool,
}

impl<'a> Remote<'a> {
    /// Makes directories on the way with `parents`.
    pub(super) fn new(client: &'a Client, session: &'a str, parents: bool) -> Remote<'a> {
        Remote { client, session, parents }
    }

    /// The URL of a file.
    fn place(&self, path: &Path) -> Result<String, Failure> {
        let Some(path) = path.to_str() else {
            return Err(Failure::One("its name is no UTF-8, which a path in a URL has to be".to_owned()));
        };
        Ok(Client::session(self.session, &format!("/files/{}", escape(path.trim_start_matches('/'), true))))
    }

    fn failure(&self, error: ClientError) -> Failure {
        match error {
            ClientError::Refused { code, detail, .. } if OF_ONE_FILE.contains(&&*code) => {
                Failure::One(format!("{}: {detail} ({code})", self.session))
            }
            other => Failure::All(other),
        }
    }

    /// What is behind a link.
    fn behind(&self, place: &str) -> Result<Option<Found>, Failure> {
        let answer = match self.client.open("GET", &format!("{place}?limit=1"), &[], SendBody::none()) {
            Ok(answer) => answer,
            Err(ClientError::Refused { code, .. }) if code == "file_not_found" => return Ok(None),
            Err(ClientError::Refused { code, .. }) if code == "not_a_file" => {
                return Ok(Some(Found { kind: Kind::Other("special file".to_owned()), mode: None, modified: None }));
            }
            Err(error) => return Err(self.failure(error)),
        };
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = if header("warren-kind").is_some() { Kind::File } else { Kind::Directory };
        Ok(Some(Found { kind, mode: header("warren-mode").and_then(octal), modified: None }))
    }
}

impl Files for Remote<'_> {
    fn look(&self, path: &Path) -> Result<Option<Found>, Failure> {
        let place = self.place(path)?;
        match self.client.get(&format!("{place}?stat=true")) {
            Ok(stat) if stat["kind"] == "symlink" => self.behind(&place),
            Ok(stat) => Ok(Some(found(&stat))),
            Err(ClientError::Refused { code, .. }) if code == "file_not_found" => Ok(None),
            Err(error) => Err(self.failure(error)),
        }
    }

    fn list(&self, path: &Path, after: Option<&str>) -> Result<Page, Failure> {
        let after = after.map(|after| format!("&after={}", escape(after, false))).unwrap_or_default();
        let asked = format!("{}?limit={PAGE}{after}", self.place(path)?);
        let mut answer = self.client.get(&asked).map_err(|error| self.failure(error))?;
        let Value::Array(items) = answer["items"].take() else {
            return Err(Failure::One(format!("{}: is no directory any more", self.called(path))));
        };
        let mut entries = Vec::with_capacity(items.len());
        for item in &items {
            let name = item["name"].as_str().unwrap_or_default();
            // What a server says decides what is written here.
            if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
                return Err(Failure::All(ClientError::Strange(self.client.url().to_owned())));
            }
            entries.push((OsString::from(name), found(item)));
        }
        Ok(Page { entries, next: answer["next"].as_str().map(str::to_owned) })
    }

    fn open(&self, path: &Path, _: Named) -> Result<Box<dyn Read + '_>, Failure> {
        let answer = self.client.open("GET", &self.place(path)?, &[], SendBody::none());
        let answer = answer.map_err(|error| self.failure(error))?;
        if answer.headers().get("warren-kind").is_none_or(|kind| kind != "file") {
            return Err(Failure::One(format!("{}: is a directory", self.called(path))));
        }
        Ok(Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn write(&self, path: &Path, from: &mut dyn Read, what: &Found, _: Named) -> Result<u64, Failure> {
        let mode = what.mode.map(|mode| format!("&mode={mode:04o}")).unwrap_or_default();
        let asked = format!("{}?parents={}{mode}", self.place(path)?, self.parents);
        // A refusal comes before the bytes are sent.
        let headers = [("content-type", "application/octet-stream"), ("expect", "100-continue")];
        let mut source = Counted { from, bytes: 0, failed: None };
        let sent = self.client.open("PUT", &asked, &headers, SendBody::from_reader(&mut source));
        match (sent, source.failed) {
            (Ok(_), None) => Ok(source.bytes),
            // The server was not told the end of it, and keeps nothing.
            (_, Some(why)) => Err(Failure::One(format!("it broke off in the middle: {why}"))),
            (Err(error), None) => Err(self.failure(error)),
        }
    }

    fn make_directory(&self, path: &Path, _: &Found, _: Named) -> Result<(), Failure> {
        let asked = format!("{}?op=mkdir&parents={}", self.place(path)?, self.parents);
        match self.client.post(&asked, &json!({})) {
            Ok(_) => Ok(()),
            Err(ClientError::Refused { code, .. }) if code == "file_exists" => match self.look(path)? {
                Some(Found { kind: Kind::Directory, .. }) => Ok(()),
                _ => Err(Failure::One(format!("{}: is there, and is no directory", self.called(path)))),
            },
            Err(error) => Err(self.failure(error)),
        }
    }

    fn called(&self, path: &Path) -> String {
        format!("{}:{}", self.session, path.display())
    }
}

/// A source whose own failure is told apart from the server's.
struct Counted<'a> {
    from: &'a mut dyn Read,
    bytes: u64,
    failed: Option<String>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer);
        match &read {
            Ok(count) => self.bytes += *count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.failed = Some(error.to_string()),
        }
        read
    }
}

/// A file as the server describes it.
fn found(stat: &Value) -> Found {
    let kind = match stat["kind"].as_str() {
        Some("file") => Kind::File,
        Some("directory") => Kind::Directory,
        Some("symlink") => Kind::Link(text(&stat["target"])),
        other => Kind::Other(other.unwrap_or("file of no known kind").to_owned()),
    };
    let modified = stat["modified"].as_str().and_then(|time| humantime::parse_rfc3339(time).ok());
    Found { kind, mode: stat["mode"].as_str().and_then(octal), modified }
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().map(|mode| mode & 0o777)
}
