//! `loadtest crash`: a server is killed at random moments under load, and nothing it acknowledged may be lost.
//!
//! ```text
//! round:  start ──▶ each client checks what is there against its own log ──▶ load ──▶ SIGKILL at a random moment ─┐
//!           ▲                                                                                                      │
//!           └──────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! last:   check, load, SIGTERM; check again; growth of one server; delete all; sweep; the folder is as at the start
//! ```
//! Read in this order: a [`server`] is the process; a [`model`] is what a client knows of its sessions; a [`client`] makes
//! calls; [`check`] compares after each start, with [`events`] for the log; [`folder`] measures what is left behind. The
//! choices follow from the seed; when a call meets the kill does not.

mod check;
mod client;
mod events;
pub(crate) mod folder;
mod model;
pub(crate) mod random;
pub(crate) mod server;

use crate::bed::Failure;
use crate::output;
use client::Client;
use events::{Item, Seen};
use random::Random;
use serde_json::json;
use server::{Link, Server};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 4;
/// A check of all sessions that takes longer will not end.
const CHECK_MAX: Duration = Duration::from_secs(120);
/// The longest that load runs before the kill.
const LOAD_MAX: Duration = Duration::from_millis(700);
/// Kills in a hundred that come while the server's sessions are still being checked.
const EARLY: usize = 20;
/// Calls of each client in the round that ends in order.
const LAST_CALLS: usize = 10;
/// Bytes the folder may have more than at the start: nothing of sessions, so what its own bookkeeping varies by.
const FOLDER_SLACK: u64 = 8 << 10;
/// Bytes of a name that is free again: its object stays, and says so.
const NAME_BYTES: u64 = 160;
/// Bytes a server may have more after as much work again: the allocator and the engine's pools breathe.
const RESIDENT_SLACK: u64 = 24 << 20;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) kills: usize,
    pub(crate) seed: u64,
    pub(crate) sessions: usize,
    pub(crate) binary: PathBuf,
}

/// Why a client ends its round.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The server was killed in a call: the call is in doubt.
    Down,
    /// Something is not as it has to be.
    Wrong(String),
}

/// Runs it. Fails with what was found; the data folder is kept then.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    output::line(format!("crash: seed {}, {} kills, {} sessions", options.seed, options.kills, options.sessions));
    let dir = tempfile::Builder::new().prefix("warren-crash-").tempdir()?;
    let done = Run::new(options, dir.path()).go();
    done.map_err(|error| {
        let dir = dir.keep();
        format!("{error}\nseed {}, data folder {}", options.seed, dir.display()).into()
    })
}

struct Run<'a> {
    options: &'a Options,
    dir: &'a Path,
    random: Random,
    clients: Vec<Client>,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, dir: &'a Path) -> Run<'a> {
        let mut random = Random::new(options.seed);
        let clients = CLIENTS.min(options.sessions.max(1));
        let each = options.sessions.div_ceil(clients);
        let clients = (0..clients).map(|number| Client::new(number, random.next(), each)).collect();
        Run { options, dir, random, clients }
    }

    fn go(mut self) -> Result<(), Failure> {
        let baseline = self.baseline()?;
        let begun = Instant::now();
        for kill in 1..=self.options.kills {
            self.round().map_err(|error| format!("kill {kill}: {error}"))?;
        }
        let acknowledged: u64 = self.clients.iter().map(|client| client.acknowledged).sum();
        let took = begun.elapsed().as_secs_f64();
        output::line(format!("{} kills in {took:.1} s, {acknowledged} calls acknowledged", self.options.kills));
        self.in_order().map_err(|error| format!("after the last kill: {error}"))?;
        self.growth()?;
        self.leaves_nothing(baseline)
    }

    fn start(&self) -> Result<Server, Failure> {
        Server::start(&self.options.binary, self.dir)
    }

    /// The folder's bytes once a session was made and deleted, and all was collected.
    fn baseline(&self) -> Result<u64, Failure> {
        let server = self.start()?;
        cycle(&server.link(), "baseline").map_err(said)?;
        server.stop()?;
        folder::sweep(self.dir)?;
        folder::bytes_below(self.dir)
    }

    /// One life of the server, ended by a kill.
    fn round(&mut self) -> Result<(), Failure> {
        let server = self.start()?;
        let is_early = self.random.percent(EARLY);
        let pause = LOAD_MAX.mul_f64(self.random.below(1000) as f64 / 1000.0);
        let (checked, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let count = self.clients.len();
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for client in &mut self.clients {
                let (link, checked, failed) = (server.link(), &checked, &failed);
                running.push(scope.spawn(move || {
                    let lived = live(client, &link, checked);
                    failed.fetch_or(lived.is_err(), Ordering::SeqCst);
                    lived
                }));
            }
            let since = Instant::now();
            while !is_early && checked.load(Ordering::SeqCst) < count && !failed.load(Ordering::SeqCst) {
                if since.elapsed() > CHECK_MAX {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            let is_late = since.elapsed() > CHECK_MAX;
            std::thread::sleep(pause);
            let killed = server.kill();
            let wrong: Vec<String> = running
                .into_iter()
                .filter_map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".to_owned())).err())
                .collect();
            killed?;
            match wrong.first() {
                Some(first) => Err(first.clone().into()),
                None if is_late => Err(format!("the sessions were not checked in {} s", CHECK_MAX.as_secs()).into()),
                None => Ok(()),
            }
        })
    }

    /// Checks, works, stops in order and checks again: then even scratch sessions keep everything.
    fn in_order(&mut self) -> Result<(), Failure> {
        let server = self.start()?;
        let link = server.link();
        for client in &mut self.clients {
            client.check(&link, false).map_err(said)?;
            for _ in 0..LAST_CALLS {
                client.turn(&link).map_err(said)?;
            }
        }
        server.stop()?;
        let server = self.start()?;
        let link = server.link();
        for client in &mut self.clients {
            client.check(&link, true).map_err(|stop| format!("after an orderly end: {}", said(stop)))?;
        }
        self.all_known(&link).map_err(said)?;
        server.stop()
    }

    /// No session is there that no client knows.
    fn all_known(&self, link: &Link) -> Result<(), Stop> {
        let listing = link.get("/v1/sessions?limit=1000")?.json("list", 200)?;
        let mut there: Vec<&str> =
            listing["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
        let mut known: Vec<&str> =
            self.clients.iter().flat_map(|client| client.sessions.iter().map(|session| session.id.as_str())).collect();
        there.sort_unstable();
        known.sort_unstable();
        match there == known {
            true => Ok(()),
            false => Err(Stop::Wrong(format!("sessions listed: {there:?}\n  known: {known:?}"))),
        }
    }

    /// One server does the same work twice; the second time it takes no more descriptors and memory.
    fn growth(&self) -> Result<(), Failure> {
        let server = self.start()?;
        let link = server.link();
        let work = || (0..6).try_for_each(|number| cycle(&link, &format!("cycle-{number}")).map_err(said));
        work()?;
        work()?;
        let before = (folder::descriptors(server.pid())?, folder::resident(server.pid())?);
        work()?;
        work()?;
        let after = (folder::descriptors(server.pid())?, folder::resident(server.pid())?);
        output::line(format!(
            "one server: descriptors {} then {}, resident {} KiB then {} KiB",
            before.0,
            after.0,
            before.1 >> 10,
            after.1 >> 10
        ));
        if after.0 > before.0 || after.1 > before.1 + RESIDENT_SLACK {
            return Err("the server grows with the work it did".into());
        }
        server.stop()
    }

    /// All sessions are deleted: the folder is as large as at the start.
    fn leaves_nothing(mut self, baseline: u64) -> Result<(), Failure> {
        let server = self.start()?;
        let link = server.link();
        for client in &mut self.clients {
            while let Some(session) = client.sessions.last() {
                let answer = link.call("DELETE", &format!("/v1/sessions/{}", session.id), &[], b"").map_err(said)?;
                answer.expect("delete", &[204]).map_err(said)?;
                client.bury(client.sessions.len() - 1);
            }
        }
        server.kill()?;
        let server = self.start()?;
        self.all_known(&server.link()).map_err(said)?;
        server.stop()?;
        let full = folder::bytes_below(self.dir)?;
        folder::sweep(self.dir)?;
        let left = folder::bytes_below(self.dir)?;
        output::line(format!("data folder: {baseline} bytes at the start, {full} at the end, {left} once collected"));
        let names: u64 = self.clients.iter().map(|client| client.made as u64).sum();
        if left > baseline + FOLDER_SLACK + names * NAME_BYTES {
            return Err(format!("the folder keeps {left} bytes: {}", folder::largest(self.dir)).into());
        }
        Ok(())
    }
}

fn said(stop: Stop) -> String {
    match stop {
        Stop::Down => "the server went away".to_owned(),
        Stop::Wrong(wrong) => wrong,
    }
}

/// A client's part of a round: it checks, then works until the server dies.
fn live(client: &mut Client, link: &Link, checked: &AtomicUsize) -> Result<(), String> {
    let lived = client.check(link, false).and_then(|()| {
        checked.fetch_add(1, Ordering::SeqCst);
        let followed = client.sessions.first().map(|session| (session.id.clone(), cursor(session)));
        let follower = followed.map(|(id, after)| {
            let link = link.clone();
            let path = format!("/v1/sessions/{id}/events{}", after.map_or(String::new(), |it| format!("?after={it}")));
            (id, std::thread::spawn(move || follow(&link, &path)))
        });
        let worked = loop {
            if let Err(stop) = client.turn(link) {
                break stop;
            }
        };
        if let (Stop::Down, Some((id, follower))) = (&worked, follower) {
            let seen = follower.join().map_err(|_| Stop::Wrong("a follower panicked".to_owned()))?;
            followed_to(client, &id, seen.map_err(Stop::Wrong)?)?;
        }
        Err(worked)
    });
    match lived {
        Ok(()) | Err(Stop::Down) => Ok(()),
        Err(Stop::Wrong(wrong)) => Err(wrong),
    }
}

fn cursor(session: &model::Session) -> Option<String> {
    session.seen.last_key_value().map(|(_, seen): (_, &Seen)| seen.position())
}

/// Reads a session's events as they come, until the server dies or the session is gone.
fn follow(link: &Link, path: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    events::parse(link.lines(path), |item| items.push(item))?;
    Ok(items)
}

/// What was handed out live may not be taken back.
fn followed_to(client: &mut Client, id: &str, items: Vec<Item>) -> Result<(), Stop> {
    let Some(session) = client.sessions.iter_mut().find(|session| session.id == id) else { return Ok(()) };
    // The client may have read further by itself.
    let last = session.seen.last_key_value().map_or(0, |(seq, _)| *seq);
    for item in &items {
        if let Item::Event(event) = item
            && let Some(seen) = session.seen.get(&event.seq)
            && seen != event
        {
            return Err(Stop::Wrong(
                session.tell(&format!("event {} was handed out as {seen:?} and {event:?}", event.seq)),
            ));
        }
    }
    let newer = items.into_iter().filter(|item| !matches!(item, Item::Event(event) if event.seq <= last)).collect();
    events::take(session, newer).map_err(|wrong| Stop::Wrong(session.tell(&wrong)))
}

/// The life of a session, whole.
fn cycle(link: &Link, name: &str) -> Result<(), Stop> {
    let seed = json!({ "path": format!("{}/seed", model::HOME), "content": name });
    let made = link.post("/v1/sessions", &json!({ "name": name, "durability": "journal", "files": [seed] }))?;
    let id = made.json("create", 201)?["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/v1/sessions/{id}");
    let body = vec![7; 100_000];
    link.call("PUT", &format!("{path}/files{}/file", model::HOME), &[], &body)?.expect("PUT", &[200])?;
    link.post(&format!("{path}/exec"), &json!({ "command": "echo hello" }))?.expect("exec", &[200])?;
    link.post(&format!("{path}/checkpoint"), &json!({}))?.expect("checkpoint", &[201])?;
    let fork = link.post(&format!("{path}/fork"), &json!({}))?.json("fork", 201)?;
    link.post(&format!("{path}/hibernate"), &json!({}))?.expect("hibernate", &[200])?;
    link.post(&format!("{path}/wake"), &json!({}))?.expect("wake", &[200])?;
    for id in [&id, fork["id"].as_str().unwrap_or_default()] {
        link.call("DELETE", &format!("/v1/sessions/{id}"), &[], b"")?.expect("delete", &[204])?;
    }
    Ok(())
}
