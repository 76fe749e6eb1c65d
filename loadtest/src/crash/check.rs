//! After the server came back: what is there, against what was acknowledged and what was in doubt.

use super::Stop;
use super::client::{Client, exec, keyed_line, leads_to, read_files};
use super::events;
use super::model::{Files, KEYED, Outcome, Session, describe, steps, with_line};
use super::server::Link;
use serde_json::Value;

/// Sessions that were deleted, of which as many of the latest are asked for again.
const GONE: usize = 20;
/// Keys of a session that are asked for again.
const KEYS: usize = 3;

impl Client {
    /// Checks every session, and settles what was in doubt. `orderly`: the server was stopped, not killed.
    pub(crate) fn check(&mut self, link: &Link, orderly: bool) -> Result<(), Stop> {
        self.settle_making(link)?;
        let mut at = 0;
        while at < self.sessions.len() {
            let is_there = self.is_there(at, link);
            if !is_there.map_err(|stop| self.named(at, Err(stop)).expect_err("it is an error"))? {
                self.bury(at);
                continue;
            }
            let checked = check(&mut self.sessions[at], link, orderly);
            self.named(at, checked)?;
            at += 1;
        }
        for (id, name) in self.gone.iter().rev().take(GONE) {
            gone(link, id, name)?;
        }
        Ok(())
    }

    /// A session that was asked for may be there, whole, under its name; or not, and the name is free.
    fn settle_making(&mut self, link: &Link) -> Result<(), Stop> {
        let Some(making) = self.making.clone() else { return Ok(()) };
        let answer = link.get(&format!("/v1/sessions/{}", making.name))?;
        if answer.status == 404 {
            self.making = None;
            self.free.push(making.name);
            return Ok(());
        }
        let found = answer.json("get a session that was in doubt", 200)?;
        if found["durability"].as_str() != Some(making.tier) {
            return Err(Stop::Wrong(format!("`{}` was asked for as {} and is {found}", making.name, making.tier)));
        }
        self.keep(&found, making.name, making.tier, making.files);
        Ok(())
    }

    fn is_there(&self, at: usize, link: &Link) -> Result<bool, Stop> {
        let session = &self.sessions[at];
        let answer = link.get(&format!("/v1/sessions/{}", session.id))?;
        if !session.delete_in_doubt {
            answer.expect("get", &[200])?;
        }
        Ok(is_alive(&answer.json("get", answer.status)?, answer.status))
    }
}

fn is_alive(summary: &Value, status: u16) -> bool {
    status == 200 && summary["state"] != "deleted"
}

/// A deleted session stays so, and its name leads elsewhere or nowhere.
fn gone(link: &Link, id: &str, name: &str) -> Result<(), Stop> {
    let answer = link.get(&format!("/v1/sessions/{id}"))?;
    if is_alive(&answer.json("get", answer.status)?, answer.status) {
        return Err(Stop::Wrong(format!("session {id} `{name}` was deleted, and is there: {}", answer.text())));
    }
    let answer = link.get(&format!("/v1/sessions/{name}"))?;
    answer.expect("get by the name of a deleted session", &[200, 404])?;
    if answer.status == 200 && answer.json("get", 200)?["id"].as_str() == Some(id) {
        return Err(Stop::Wrong(format!("the name `{name}` leads to {id}, which was deleted")));
    }
    Ok(())
}

fn check(session: &mut Session, link: &Link, orderly: bool) -> Result<(), Stop> {
    session.note("-- the server came back");
    session.delete_in_doubt = false;
    leads_to(session, link)?;
    let found = read_files(session, link)?;
    one_of(&found, &session.candidates(orderly))?;
    session.found(found);
    once(session)?;
    check_points(session, link)?;
    settle_key(session, link)?;
    ask_again(session, link, orderly)?;
    let again = read_files(session, link)?;
    one_of(&again, std::slice::from_ref(&session.files))?;
    events::check(session, link)
}

fn one_of(found: &Files, candidates: &[Files]) -> Result<(), Stop> {
    if candidates.contains(found) {
        return Ok(());
    }
    let candidates: Vec<String> = candidates.iter().map(describe).collect();
    Err(Stop::Wrong(format!("files: {}\n  which is none of:\n    {}", describe(found), candidates.join("\n    "))))
}

/// No key's line is there twice.
fn once(session: &Session) -> Result<(), Stop> {
    let Some(content) = session.files.get(KEYED) else { return Ok(()) };
    let text = String::from_utf8_lossy(content);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    match lines.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Stop::Wrong(format!("the command with key {} ran twice", pair[0]))),
        None => Ok(()),
    }
}

/// Every acknowledged checkpoint is kept, and at most the one in doubt beside them.
fn check_points(session: &mut Session, link: &Link) -> Result<(), Stop> {
    let path = format!("/v1/sessions/{}/checkpoints", session.id);
    let listing = link.get(&path)?.json("checkpoints", 200)?;
    let items = listing["items"].as_array().cloned().unwrap_or_default();
    let mut kept: Vec<u64> = items.iter().filter_map(|item| item["checkpoint"].as_u64()).collect();
    for number in session.checkpoints.keys() {
        let Some(at) = kept.iter().position(|kept| kept == number) else {
            return Err(Stop::Wrong(format!("checkpoint {number} is lost; kept are {kept:?}")));
        };
        kept.remove(at);
    }
    match (kept.as_slice(), session.checkpoint_in_doubt) {
        ([], _) => {}
        ([number], true) => {
            session.checkpoints.insert(*number, session.files.clone());
        }
        (others, _) => return Err(Stop::Wrong(format!("checkpoints {others:?} are there that nobody asked for"))),
    }
    session.checkpoint_in_doubt = false;
    Ok(())
}

/// Some keys that had an outcome are asked for it again.
fn ask_again(session: &mut Session, link: &Link, orderly: bool) -> Result<(), Stop> {
    let latest = session.ended_keys().take(KEYS).collect::<Vec<_>>();
    for (key, outcome) in latest {
        let may_forget = session.is_scratch() && !orderly && !session.kept_keys.contains(&key);
        let (number, end) = exec(session, link, &keyed_line(&key), Some(&key))?;
        let is_forgotten = may_forget && end == "interrupted";
        if number != outcome.exec || (end != outcome.end && !is_forgotten) {
            return Err(Stop::Wrong(format!("key {key} had {outcome:?} and now answers command {number}, {end}")));
        }
        session.keys.insert(key, Outcome { exec: number, end });
    }
    Ok(())
}

/// A keyed command without an acknowledged outcome: it ran, it did not, or it was interrupted; its key knows which.
fn settle_key(session: &mut Session, link: &Link) -> Result<(), Stop> {
    let Some(key) = session.key_in_doubt.clone() else { return Ok(()) };
    let has_run = session
        .files
        .get(KEYED)
        .is_some_and(|content| String::from_utf8_lossy(content).lines().any(|line| line == key));
    let after = match has_run {
        true => session.files.clone(),
        false => with_line(&session.files, KEYED, &key),
    };
    let doubt = if has_run { Vec::new() } else { steps(&session.files, KEYED, &key) };
    session.begin(format!("again key {key}, in doubt"), doubt);
    let (number, end) = exec(session, link, &keyed_line(&key), Some(&key))?;
    session.note(format!("  answered {end}"));
    let found = read_files(session, link)?;
    let may = match end.as_str() {
        // It ran to its end now, or before and it was kept; a scratch session keeps the key and not the files.
        "exited" if session.is_scratch() => vec![session.files.clone(), after],
        "exited" => vec![after],
        "interrupted" => vec![session.files.clone()],
        other => return Err(Stop::Wrong(format!("key {key} answers `{other}`"))),
    };
    one_of(&found, &may)?;
    if end == "exited" {
        session.ended.insert(number, 0);
    }
    session.key_in_doubt = None;
    session.doubt.clear();
    session.files = found;
    session.keys.insert(key, Outcome { exec: number, end });
    Ok(())
}
