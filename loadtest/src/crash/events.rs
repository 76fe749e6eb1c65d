//! A session's log as a client sees it, and what has to hold of it.

use super::Stop;
use super::model::Session;
use super::server::Link;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event that was handed out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// What a stream of events holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Event(Seen),
    Resync,
}

impl Seen {
    /// As `Last-Event-ID` takes it.
    pub(crate) fn position(&self) -> String {
        format!("{}.{}", self.epoch, self.seq)
    }
}

/// Reads server-sent events; one that is cut off is left out.
pub(crate) fn parse(lines: impl Iterator<Item = String>, mut each: impl FnMut(Item)) -> Result<(), String> {
    let (mut id, mut kind, mut data) = (String::new(), String::new(), String::new());
    for line in lines {
        if let Some(rest) = line.strip_prefix("id: ") {
            id = rest.to_owned();
        } else if let Some(rest) = line.strip_prefix("event: ") {
            kind = rest.to_owned();
        } else if let Some(rest) = line.strip_prefix("data: ") {
            data.push_str(rest);
        } else if line.is_empty() && !data.is_empty() {
            let value: Value = serde_json::from_str(&data).map_err(|error| format!("{error} in {data}"))?;
            match kind.as_str() {
                "resync" => each(Item::Resync),
                // It is no part of the log, and the last.
                "end" => {}
                "error" => return Err(format!("the stream says: {data}")),
                _ => {
                    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u64>().ok());
                    let (epoch, seq) = id.split_once('.').unwrap_or_default();
                    let (Some(epoch), Some(seq)) = (number(Some(epoch)), number(Some(seq))) else {
                        return Err(format!("`{id}` is no position"));
                    };
                    if value["position"].as_str() != Some(&id) {
                        return Err(format!("the id is {id}, the event says {}", value["position"]));
                    }
                    each(Item::Event(Seen { epoch, seq, kind: std::mem::take(&mut kind), data: value }));
                }
            }
            data.clear();
        }
    }
    Ok(())
}

/// The events after a position, to the head.
pub(crate) fn read(link: &Link, id: &str, after: Option<&str>) -> Result<Vec<Item>, Stop> {
    let after = after.map_or(String::new(), |after| format!("&after={after}"));
    let path = format!("/v1/sessions/{id}/events?follow=false{after}");
    let answer = link.get(&path)?;
    answer.expect(&path, &[200])?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let mut items = Vec::new();
    parse(text.lines().map(str::to_owned), |item| items.push(item))
        .map_err(|error| Stop::Wrong(format!("{path}: {error}")))?;
    Ok(items)
}

/// Compares the log with all the client saw of it, over the server's death.
pub(crate) fn check(session: &mut Session, link: &Link) -> Result<(), Stop> {
    let whole = whole(read(link, &session.id, None)?).map_err(Stop::Wrong)?;
    contiguous(&whole).map_err(Stop::Wrong)?;
    once(&whole, &session.asked).map_err(Stop::Wrong)?;
    let by_seq: BTreeMap<u64, Seen> = whole.into_iter().map(|event| (event.seq, event)).collect();
    let cursor = session.seen.last_key_value().map(|(_, seen)| seen.clone());
    if !session.is_scratch() {
        for (seq, seen) in &session.seen {
            if by_seq.get(seq) != Some(seen) {
                let text = format!("event {seq} was handed out as {seen:?}, and is now {:?}", by_seq.get(seq));
                return Err(Stop::Wrong(text));
            }
        }
        for (exec, status) in &session.ended {
            let is_it = |event: &&Seen| event.kind == "exited" && event.data["exec"].as_u64() == Some(*exec);
            let kept = by_seq.values().find(is_it).map(|event| event.data["status"].clone());
            if kept.as_ref().and_then(Value::as_i64) != Some(*status) {
                return Err(Stop::Wrong(format!("command {exec} ended with {status}; the log says {kept:?}")));
            }
        }
    }
    if let Some(cursor) = cursor {
        continued(session, link, &cursor, &by_seq)?;
    }
    session.seen = by_seq;
    Ok(())
}

/// A client that continues behind the last event it saw gets the rest: no gap, no duplicate.
fn continued(session: &Session, link: &Link, cursor: &Seen, whole: &BTreeMap<u64, Seen>) -> Result<(), Stop> {
    let mut items = read(link, &session.id, Some(&cursor.position()))?.into_iter().peekable();
    let is_kept = whole.get(&cursor.seq) == Some(cursor);
    let resync = items.next_if(|item| *item == Item::Resync).is_some();
    let wrong = |text: String| Err(Stop::Wrong(format!("continued after {}: {text}", cursor.position())));
    if is_kept && resync {
        return wrong("a resync, though the event is kept".to_owned());
    }
    let mut next = match is_kept {
        true => cursor.seq + 1,
        // What was lost is said, and told again from where it is known.
        false if resync => match items.peek() {
            Some(Item::Event(first)) if first.seq <= cursor.seq + 1 => first.seq,
            None => return Ok(()),
            other => return wrong(format!("after a resync {other:?}")),
        },
        // The log does not reach as far yet.
        false if items.peek().is_none() => return Ok(()),
        false => return wrong(format!("the event was lost and no resync says so: {:?}", items.peek())),
    };
    for item in items {
        match item {
            Item::Event(event) if event.seq == next && whole.get(&next).is_none_or(|kept| *kept == event) => next += 1,
            other => return wrong(format!("event {next} has to follow, not {other:?}")),
        }
    }
    match whole.keys().next_back() {
        Some(last) if *last >= next => wrong(format!("it ends before {last}")),
        _ => Ok(()),
    }
}

fn whole(items: Vec<Item>) -> Result<Vec<Seen>, String> {
    let event = |item| match item {
        Item::Event(event) => Ok(event),
        Item::Resync => Err("a resync in the log from its beginning".to_owned()),
    };
    items.into_iter().map(event).collect()
}

/// Numbers from 1 without a gap; epochs change where one begins, which names the event before it.
fn contiguous(log: &[Seen]) -> Result<(), String> {
    let mut before: Option<&Seen> = None;
    for event in log {
        let (last_epoch, last_seq) = before.map_or((0, 0), |seen| (seen.epoch, seen.seq));
        if event.seq != last_seq + 1 {
            return Err(format!("event {} follows event {last_seq}", event.position()));
        }
        let begins = event.kind == "epoch_began";
        if begins != (event.epoch > last_epoch) || event.epoch < last_epoch {
            return Err(format!("event {} ({}) follows epoch {last_epoch}", event.position(), event.kind));
        }
        let previous = before.map_or("1.0".to_owned(), Seen::position);
        if begins && event.data["previous"].as_str() != Some(&previous) {
            return Err(format!(
                "epoch {} says {} is before it, which is {previous}",
                event.epoch, event.data["previous"]
            ));
        }
        before = Some(event);
    }
    match before {
        Some(_) => Ok(()),
        None => Err("the log is empty".to_owned()),
    }
}

/// No line was started twice. A line is asked for once, or with the same key again.
fn once(log: &[Seen], asked: &[String]) -> Result<(), String> {
    let mut started: BTreeMap<String, u64> = BTreeMap::new();
    for event in log.iter().filter(|event| event.kind == "started") {
        let words = event.data["command"].as_array().cloned().unwrap_or_default();
        let line = words.last().and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(first) = started.insert(line.clone(), event.seq) {
            return Err(format!("`{line}` was started twice, at {first} and {}", event.seq));
        }
        if !asked.contains(&line) {
            return Err(format!("`{line}` was started, and nobody asked for it"));
        }
    }
    Ok(())
}

/// Adds what a client read while the server lives; it follows what it saw before.
pub(crate) fn take(session: &mut Session, items: Vec<Item>) -> Result<(), String> {
    for item in items {
        let last = session.seen.last_key_value().map_or(0, |(seq, _)| *seq);
        match item {
            Item::Event(event) if event.seq == last + 1 => {
                session.seen.insert(event.seq, event);
            }
            other => return Err(format!("event {} has to follow, not {other:?}", last + 1)),
        }
    }
    Ok(())
}
