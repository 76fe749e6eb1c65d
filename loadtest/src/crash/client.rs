//! One client: its sessions, and what it does with them while the server lives.

use super::Stop;
use super::model::{Files, HOME, KEYED, Outcome, Session, describe, steps, with_line};
use super::random::Random;
use super::server::{Link, Pieces};
use serde_json::{Value, json};
use std::sync::Arc;

/// In turn, so that every client has each.
const TIERS: [&str; 4] = ["scratch", "checkpoint", "journal", "strict"];
/// Bytes of a file that goes to the store by itself, beside the journal.
const LARGE: usize = 300 << 10;
/// Bytes of an upload that takes its time, at least.
const UPLOAD: usize = 1 << 20;
/// Bytes of it that are sent at once.
const PIECE: usize = 256 << 10;
/// Files under test of a session.
const SLOTS: usize = 6;
/// Checkpoints of a session; the server takes 64.
const CHECKPOINTS: usize = 40;

/// A session that was asked for and not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Making {
    pub(crate) name: String,
    pub(crate) tier: &'static str,
    pub(crate) files: Files,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    pub(crate) random: Random,
    /// Sessions it keeps.
    want: usize,
    pub(crate) sessions: Vec<Session>,
    pub(crate) making: Option<Making>,
    /// Deleted: id and name.
    pub(crate) gone: Vec<(String, String)>,
    /// Names that are free again.
    pub(crate) free: Vec<String>,
    /// Different names it gave.
    pub(crate) made: usize,
    tokens: usize,
    /// Calls that were acknowledged.
    pub(crate) acknowledged: u64,
}

impl Client {
    pub(crate) fn new(number: usize, seed: u64, want: usize) -> Client {
        Client {
            number,
            random: Random::new(seed),
            want: want.max(1),
            sessions: Vec::new(),
            making: None,
            gone: Vec::new(),
            free: Vec::new(),
            made: 0,
            tokens: 0,
            acknowledged: 0,
        }
    }

    /// One call, whichever is its turn.
    pub(crate) fn turn(&mut self, link: &Link) -> Result<(), Stop> {
        if self.sessions.len() < self.want {
            self.create(link)?;
        } else {
            let at = self.random.below(self.sessions.len());
            let done = self.one(at, link);
            self.named(at, done)?;
        }
        self.acknowledged += 1;
        Ok(())
    }

    /// What is wrong with a session is said with its story.
    pub(crate) fn named(&self, at: usize, done: Result<(), Stop>) -> Result<(), Stop> {
        match (done, self.sessions.get(at)) {
            (Err(Stop::Wrong(wrong)), Some(session)) => Err(Stop::Wrong(session.tell(&wrong))),
            (done, _) => done,
        }
    }

    fn one(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        match self.random.below(100) {
            0..=22 => self.put(at, link),
            23..=24 => self.upload(at, link),
            25..=29 => self.remove(at, link),
            30..=47 => self.append(at, link),
            48..=61 => self.keyed(at, link),
            62..=65 => self.replay(at, link),
            66..=71 => compare(&self.sessions[at], link),
            72..=79 => self.checkpoint(at, link),
            80..=83 => self.rollback(at, link),
            84..=88 => self.fork(at, link),
            89..=93 => self.rest(at, link),
            94..=96 => self.read_events(at, link),
            97 => self.name_taken(at, link),
            _ => self.delete(at, link),
        }
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("c{}t{}", self.number, self.tokens)
    }

    /// A name nobody has: a new one, or one that was given up.
    fn name(&mut self) -> String {
        if self.random.percent(40) && !self.free.is_empty() {
            let at = self.random.below(self.free.len());
            return self.free.swap_remove(at);
        }
        self.made += 1;
        format!("crash-{}-{}", self.number, self.made)
    }

    fn create(&mut self, link: &Link) -> Result<(), Stop> {
        let (name, tier) = (self.name(), TIERS[(self.made + self.number) % TIERS.len()]);
        let files = Files::from([("seed".to_owned(), Arc::new(name.clone().into_bytes()))]);
        self.making = Some(Making { name: name.clone(), tier, files: files.clone() });
        let seed = json!({ "path": format!("{HOME}/seed"), "content": name });
        let body = json!({ "name": name, "durability": tier, "files": [seed], "user": "root" });
        let made = link.post("/v1/sessions", &body)?.json("create", 201)?;
        self.keep(&made, name, tier, files);
        Ok(())
    }

    pub(crate) fn keep(&mut self, made: &Value, name: String, tier: &'static str, files: Files) {
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        let mut session = Session::new(id, name, tier, files);
        session.note("made");
        self.sessions.push(session);
        self.making = None;
    }

    fn put(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let name = format!("f{}", self.random.below(SLOTS));
        let count = match self.random.percent(8) {
            true => LARGE + self.random.below(LARGE),
            false => self.random.below(3000),
        };
        let content = Arc::new(self.random.bytes(count));
        let session = &mut self.sessions[at];
        let mut after = session.files.clone();
        after.insert(name.clone(), content.clone());
        session.begin(format!("PUT {name}, {count} bytes {:02x?}", &content[..count.min(8)]), vec![after.clone()]);
        let path = format!("/v1/sessions/{}/files{HOME}/{name}", session.id);
        link.call("PUT", &path, &[], &content)?.expect("PUT", &[200])?;
        session.settle(after);
        Ok(())
    }

    /// A large file comes slowly, and other calls are answered between its pieces; some of them make points of the
    /// session, in which the file has no name yet. Sometimes its client goes away before the end.
    fn upload(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let length = UPLOAD + self.random.below(4 * UPLOAD);
        let content = Arc::new(self.random.bytes(length));
        let ends_at = match self.random.percent(20) {
            true => Some(self.random.below(length)),
            false => None,
        };
        let name = format!("up{}", self.random.below(2));
        let session = &mut self.sessions[at];
        session.note(format!("? upload {name}, {length} bytes {:02x?}, until {ends_at:?}", &content[..8]));
        let path = format!("/v1/sessions/{}/files{HOME}/{name}", session.id);
        let (send, coming) = std::sync::mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| link.upload(&path, length, Pieces::new(coming)));
            let between = self.pieces(at, link, &content[..ends_at.unwrap_or(length)], &send);
            if between.is_ok() && ends_at.is_none() {
                // From its last bytes on it may be there.
                let session = &mut self.sessions[at];
                let mut after = session.files.clone();
                after.insert(name, content.clone());
                session.begin("upload's end", vec![after.clone()]);
                let _ = send.send(content[length - 1..].to_vec());
                let answer = sender.join().map_err(|_| Stop::Wrong("an upload panicked".to_owned()))??;
                answer.ok_or(Stop::Down)?.expect("upload", &[200])?;
                session.settle(after);
                return Ok(());
            }
            drop(send);
            let sent = sender.join().map_err(|_| Stop::Wrong("an upload panicked".to_owned()))?;
            between.and(sent.map(|_| ()))
        })
    }

    /// Sends all of a content but its last byte, with other calls between.
    fn pieces(
        &mut self,
        at: usize,
        link: &Link,
        content: &[u8],
        send: &std::sync::mpsc::SyncSender<Vec<u8>>,
    ) -> Result<(), Stop> {
        let Some((_, most)) = content.split_last() else { return Ok(()) };
        for piece in most.chunks(PIECE) {
            // Whoever would take it has failed, and says why.
            if send.send(piece.to_vec()).is_err() {
                return Ok(());
            }
            match self.random.below(10) {
                0..=2 => self.append(at, link)?,
                3 => self.put(at, link)?,
                4 => self.checkpoint(at, link)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn remove(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let session = &mut self.sessions[at];
        let Some(name) = session.files.keys().next_back().cloned() else { return Ok(()) };
        let mut after = session.files.clone();
        after.remove(&name);
        session.begin(format!("DELETE {name}"), vec![after.clone()]);
        let path = format!("/v1/sessions/{}/files{HOME}/{name}", session.id);
        link.call("DELETE", &path, &[], b"")?.expect("DELETE", &[200, 204])?;
        session.settle(after);
        Ok(())
    }

    /// A line that appends to one file, or to two in order.
    fn append(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let token = self.token();
        let is_both = self.random.percent(40);
        let session = &mut self.sessions[at];
        let mut states = steps(&session.files, "log", &token);
        let mut line = format!("echo {token} >> {HOME}/log");
        if is_both {
            line.push_str(&format!("; echo {token} >> {HOME}/second"));
            states.extend(steps(&with_line(&session.files, "log", &token), "second", &token));
        }
        let after = states.last().cloned().unwrap_or_default();
        session.begin(format!("exec {line}"), states);
        session.asked.push(line.clone());
        let (exec, end) = exec(session, link, &line, None)?;
        if end != "exited" {
            return Err(Stop::Wrong(format!("command {exec} ended as {end}")));
        }
        session.ended.insert(exec, 0);
        session.settle(after);
        Ok(())
    }

    fn keyed(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let key = self.token();
        let session = &mut self.sessions[at];
        let line = keyed_line(&key);
        session.begin(format!("exec {line}, with key {key}"), steps(&session.files, KEYED, &key));
        session.asked.push(line.clone());
        session.key_in_doubt = Some(key.clone());
        let (number, end) = exec(session, link, &line, Some(&key))?;
        if end != "exited" {
            return Err(Stop::Wrong(format!("command {number} with key {key} ended as {end}")));
        }
        session.key_in_doubt = None;
        session.ended.insert(number, 0);
        session.settle(with_line(&session.files, KEYED, &key));
        session.keys.insert(key, Outcome { exec: number, end });
        Ok(())
    }

    /// A key that has an outcome answers it again, and nothing runs.
    fn replay(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        if self.sessions[at].keys.is_empty() {
            return Ok(());
        }
        let which = self.random.below(self.sessions[at].keys.len());
        let session = &mut self.sessions[at];
        let Some((key, outcome)) = session.keys.iter().nth(which).map(|(key, outcome)| (key.clone(), outcome.clone()))
        else {
            return Ok(());
        };
        session.note(format!("? again key {key}"));
        let (number, end) = exec(session, link, &keyed_line(&key), Some(&key))?;
        // After a kill a scratch session may know less of the outcome than its client, and says so.
        let is_forgotten = session.is_scratch() && end == "interrupted";
        if number != outcome.exec || (end != outcome.end && !is_forgotten) {
            return Err(Stop::Wrong(format!("key {key} had {outcome:?} and now answers command {number}, {end}")));
        }
        Ok(())
    }

    fn checkpoint(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let session = &mut self.sessions[at];
        if session.checkpoints.len() >= CHECKPOINTS {
            return Ok(());
        }
        session.begin("checkpoint", Vec::new());
        session.checkpoint_in_doubt = true;
        session.points.push(session.files.clone());
        let path = format!("/v1/sessions/{}/checkpoint", session.id);
        let made = link.post(&path, &json!({}))?.json("checkpoint", 201)?;
        let number = made["checkpoint"].as_u64().unwrap_or_default();
        session.checkpoint_in_doubt = false;
        if session.checkpoints.insert(number, session.files.clone()).is_some() {
            return Err(Stop::Wrong(format!("checkpoint {number} was made twice")));
        }
        session.settle(session.files.clone());
        session.note(format!("  as {number}"));
        session.pointed();
        Ok(())
    }

    fn rollback(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        if self.sessions[at].checkpoints.is_empty() {
            return Ok(());
        }
        let which = self.random.below(self.sessions[at].checkpoints.len());
        let session = &mut self.sessions[at];
        let Some((number, files)) =
            session.checkpoints.iter().nth(which).map(|(number, files)| (*number, files.clone()))
        else {
            return Ok(());
        };
        session.begin(format!("rollback to {number}"), vec![files.clone()]);
        let path = format!("/v1/sessions/{}/rollback", session.id);
        link.post(&path, &json!({ "checkpoint": number }))?.expect("rollback", &[200])?;
        session.settle(files);
        Ok(())
    }

    fn fork(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        if self.sessions.len() > self.want + 2 {
            return self.delete(at, link);
        }
        let name = self.name();
        let session = &mut self.sessions[at];
        session.begin(format!("fork to {name}"), Vec::new());
        session.points.push(session.files.clone());
        let (tier, files) = (session.tier, session.files.clone());
        self.making = Some(Making { name: name.clone(), tier, files: files.clone() });
        let path = format!("/v1/sessions/{}/fork", session.id);
        let made = link.post(&path, &json!({ "name": name }))?.json("fork", 201)?;
        session.settle(files.clone());
        session.pointed();
        if made["forked_from"].as_str() != Some(&session.id) {
            return Err(Stop::Wrong(format!("the fork says it is one of {}", made["forked_from"])));
        }
        self.keep(&made, name, tier, files);
        Ok(())
    }

    /// Hibernates, and half of the time wakes again.
    fn rest(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let is_woken = self.random.percent(50);
        let session = &mut self.sessions[at];
        session.begin("hibernate", Vec::new());
        session.points.push(session.files.clone());
        let path = format!("/v1/sessions/{}", session.id);
        let summary = link.post(&format!("{path}/hibernate"), &json!({}))?.json("hibernate", 200)?;
        if summary["state"] != "hibernated" {
            return Err(Stop::Wrong(format!("hibernated, it is {}", summary["state"])));
        }
        session.settle(session.files.clone());
        session.pointed();
        if is_woken {
            session.note("? wake");
            link.post(&format!("{path}/wake"), &json!({}))?.expect("wake", &[200])?;
        }
        Ok(())
    }

    /// Events that were handed out may not change after that.
    fn read_events(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let session = &mut self.sessions[at];
        let after = session.seen.last_key_value().map(|(_, seen)| seen.position());
        let items = super::events::read(link, &session.id, after.as_deref())?;
        super::events::take(session, items).map_err(Stop::Wrong)
    }

    /// A name that is taken stays its owner's.
    fn name_taken(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let session = &self.sessions[at];
        let answer = link.post("/v1/sessions", &json!({ "name": session.name }))?;
        answer.expect("create with a name that is taken", &[409])?;
        leads_to(session, link)
    }

    fn delete(&mut self, at: usize, link: &Link) -> Result<(), Stop> {
        let session = &mut self.sessions[at];
        session.begin("delete", Vec::new());
        session.delete_in_doubt = true;
        link.call("DELETE", &format!("/v1/sessions/{}", session.id), &[], b"")?.expect("delete", &[204])?;
        self.bury(at);
        Ok(())
    }

    /// It is gone for good.
    pub(crate) fn bury(&mut self, at: usize) {
        let session = self.sessions.remove(at);
        self.free.push(session.name.clone());
        self.gone.push((session.id, session.name));
    }
}

/// The shell's line of a keyed command.
pub(crate) fn keyed_line(key: &str) -> String {
    format!("echo {key} >> {HOME}/{KEYED}")
}

/// Runs a line to its end: its number and how it ended.
pub(crate) fn exec(session: &Session, link: &Link, line: &str, key: Option<&str>) -> Result<(u64, String), Stop> {
    let path = format!("/v1/sessions/{}/exec", session.id);
    let body = json!({ "command": line }).to_string();
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let answer = link.call("POST", &path, &headers, body.as_bytes())?.json("exec", 200)?;
    let end = answer["end"].as_str().unwrap_or_default().to_owned();
    if end == "exited" && answer["status"] != 0 {
        return Err(Stop::Wrong(format!("`{line}`: {answer}")));
    }
    Ok((answer["exec"].as_u64().unwrap_or_default(), end))
}

/// The name leads to the session.
pub(crate) fn leads_to(session: &Session, link: &Link) -> Result<(), Stop> {
    let found = link.get(&format!("/v1/sessions/{}", session.name))?.json("get by name", 200)?;
    match found["id"].as_str() == Some(&session.id) {
        true => Ok(()),
        false => Err(Stop::Wrong(format!("its name leads to {}", found["id"]))),
    }
}

/// The files there are.
pub(crate) fn read_files(session: &Session, link: &Link) -> Result<Files, Stop> {
    let place = format!("/v1/sessions/{}/files{HOME}", session.id);
    let listing = link.get(&format!("{place}?limit=1000"))?.json("list files", 200)?;
    let mut files = Files::new();
    for item in listing["items"].as_array().into_iter().flatten() {
        let name = item["name"].as_str().unwrap_or_default().to_owned();
        let answer = link.get(&format!("{place}/{name}"))?;
        answer.expect(&format!("GET {name}"), &[200])?;
        files.insert(name, Arc::new(answer.body));
    }
    Ok(files)
}

/// The files are as acknowledged, while the server lives.
fn compare(session: &Session, link: &Link) -> Result<(), Stop> {
    let found = read_files(session, link)?;
    match found == session.files {
        true => Ok(()),
        false => Err(Stop::Wrong(format!("files: {}\n  acknowledged: {}", describe(&found), describe(&session.files)))),
    }
}
