//! One try at a download: ask for what is missing, judge the answer, append what comes.
//!
//! # Standard
//! RFC 9110, sections 13.1.5 (If-Range), 14 (Range, 206, 416) and 15.

use super::super::pin::Pin;
use super::super::progress::{Progress, Report};
use super::config::Request;
use super::part::Part;
use super::{NpmError, Registry, TARBALL_BYTES_MAX};
use std::io::{self, Read};
use ureq::Body;
use ureq::http::{Response, header};

const BUFFER_BYTES: usize = 64 * 1024;

pub(super) struct Transfer<'a> {
    pub(super) registry: &'a Registry,
    pub(super) request: &'a Request,
    pub(super) pin: &'a Pin,
    pub(super) report: Report<'a>,
}

/// How a try ended, when it does not end the download.
pub(super) enum Outcome {
    Complete,
    /// Worth another try.
    Broken {
        status: Option<u16>,
        reason: String,
    },
}

impl Transfer<'_> {
    pub(super) fn attempt(&self, part: &mut Part) -> Result<Outcome, NpmError> {
        let mut have = part.length()?;
        if self.pin.size == Some(have) {
            return Ok(Outcome::Complete);
        }
        if have > self.limit() || self.pin.size.is_some_and(|size| have > size) {
            part.restart()?;
            have = 0;
        }
        let response = match self.send(part, have) {
            Ok(response) => response,
            Err(error) => return self.judge_error(&error),
        };
        let status = response.status().as_u16();
        match status {
            200 => {
                part.restart()?;
                self.receive(response, part, 0)
            }
            206 if have > 0 => match content_range(&response) {
                Some((start, total)) if start == have => {
                    self.check_total(part, total)?;
                    self.receive(response, part, have)
                }
                _ => {
                    part.restart()?;
                    Ok(broken(Some(status), "the server sent another part than the one asked for"))
                }
            },
            // Everything is there already, or what is there is not what the server has.
            416 if have > 0 && unsatisfied_total(&response) == Some(have) && self.pin.size.is_none() => {
                Ok(Outcome::Complete)
            }
            416 if have > 0 => {
                part.restart()?;
                Ok(broken(Some(status), "the server cannot continue the partial download"))
            }
            408 | 429 | 500..=599 => Ok(broken(Some(status), &format!("status {status}"))),
            401 | 403 => Err(NpmError::Forbidden {
                package: self.pin.package.clone(),
                version: self.pin.version.clone(),
                registry: self.request.registry.clone(),
                status,
            }),
            404 | 410 => Err(NpmError::NotFound {
                name: self.pin.name.clone(),
                package: self.pin.package.clone(),
                version: self.pin.version.clone(),
                registry: self.request.registry.clone(),
                status,
            }),
            _ => Err(self.unreachable(format!("the server answers with status {status}"))),
        }
    }

    pub(super) fn unreachable(&self, reason: String) -> NpmError {
        NpmError::Unreachable {
            name: self.pin.name.clone(),
            package: self.pin.package.clone(),
            version: self.pin.version.clone(),
            registry: self.request.registry.clone(),
            reason,
        }
    }

    fn send(&self, part: &Part, have: u64) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.registry.agent().get(&self.request.url);
        // A compressed transfer would make offsets and lengths mean something else.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if let Some(authorization) = &self.request.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            if let Some(etag) = part.etag() {
                request = request.header(header::IF_RANGE, etag);
            }
        }
        request.call()
    }

    fn judge_error(&self, error: &ureq::Error) -> Result<Outcome, NpmError> {
        use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
        match error {
            Io(_) | Timeout(_) | HostNotFound | ConnectionFailed | Protocol(_) => Ok(broken(None, &error.to_string())),
            other => Err(self.unreachable(other.to_string())),
        }
    }

    fn receive(&self, response: Response<Body>, part: &mut Part, have: u64) -> Result<Outcome, NpmError> {
        let length = response.body().content_length();
        let total = length.map(|length| have.saturating_add(length));
        self.check_total(part, total)?;
        part.set_etag(response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()));
        let mut done = have;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            (self.report)(Progress::Downloading { package: &self.pin.package, done, total: self.pin.size.or(total) });
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(broken(None, &error.to_string())),
            };
            done += count as u64;
            self.check_total(part, Some(done).filter(|_| done > self.limit()))?;
            part.append(&buffer[..count])?;
        }
        match total.or(self.pin.size) {
            Some(total) if done < total => Ok(broken(None, "the connection ended early")),
            _ => Ok(Outcome::Complete),
        }
    }

    /// Bytes that may arrive: those pinned, or the limit for tarballs whose size is not.
    fn limit(&self) -> u64 {
        self.pin.size.unwrap_or(TARBALL_BYTES_MAX)
    }

    fn check_total(&self, part: &Part, total: Option<u64>) -> Result<(), NpmError> {
        let Some(found) = total else { return Ok(()) };
        let (package, version) = (self.pin.package.clone(), self.pin.version.clone());
        match self.pin.size {
            Some(expected) if found != expected => {
                part.delete();
                let registry = self.request.registry.clone();
                Err(NpmError::WrongSize { package, version, registry, expected, found })
            }
            None if found > TARBALL_BYTES_MAX => {
                part.delete();
                Err(NpmError::TooLarge { package, version, max: TARBALL_BYTES_MAX })
            }
            _ => Ok(()),
        }
    }
}

fn broken(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Broken { status, reason: reason.to_owned() }
}

/// `bytes START-END/TOTAL`; a total of `*` is unknown.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

/// `bytes */TOTAL`
fn unsatisfied_total(response: &Response<Body>) -> Option<u64> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes */")?.parse().ok()
}
