//! All programs, by both.

use crate::host::Host;
use crate::outcome::{difference, without};
use crate::program::{self, Program};
use crate::session;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

/// Programs that run at once, each by one side at a time.
const AT_ONCE: usize = 4;
/// The differences that are explained: of a program, or of the lines of one that begin with a label.
const KNOWN: &str = include_str!("known.txt");

/// Of each program that differs: the labels, none of them for the program as a whole.
type Known = BTreeMap<&'static str, Vec<&'static str>>;

/// What came of a program.
enum Verdict {
    Equal,
    /// It agrees but for lines that are known to differ.
    Partly,
    /// It differs as a whole, and that is known.
    Known,
    /// How it differs, or what is known and does not differ.
    Differs(String),
    /// The program itself is no good: why.
    Bad(String),
}

#[test]
fn programs_do_in_a_session_what_they_do_by_node() {
    let known = known();
    let mut programs = program::all();
    for title in known.keys() {
        assert!(programs.iter().any(|program| program.title == *title), "known.txt: there is no program {title}");
    }
    let host = match Host::new() {
        Ok(host) => host,
        Err(why) => return warren_pinned_npm::skipped("programs in sessions beside Node's", &why),
    };
    let case = std::env::var("CASE").unwrap_or_default();
    programs.retain(|program| program.title.contains(&case));
    let (left, verdicts) = (Mutex::new(programs.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(program) = left.lock().unwrap().next() else { return };
                    let labels = known.get(program.title.as_str());
                    let verdict = verdict(&host, program, labels.map(Vec::as_slice), !case.is_empty());
                    verdicts.lock().unwrap().push((program, verdict));
                }
            });
        }
    });
    judge(verdicts.into_inner().unwrap());
}

fn verdict(host: &Host, program: &Program, known: Option<&[&str]>, shown: bool) -> Verdict {
    let folder = host.folder(program);
    let by_node = host.run(program, &folder).judged(program.stderr);
    let ended_well = by_node.status == "exited 0";
    if by_node.stdout.is_empty() && by_node.stderr.is_empty() || ended_well == program.fails {
        return Verdict::Bad(format!("Node itself: {by_node:?}"));
    }
    let ours = session::run(program, host.user, &folder, &host.environment(&folder));
    if shown {
        println!("{}: {}\n{}{}", program.title, ours.status, ours.stdout, ours.stderr);
    }
    let ours = ours.judged(program.stderr);
    let labels = known.unwrap_or_default();
    let ((by_node, of_node), (ours, of_ours)) = (without(&by_node, labels), without(&ours, labels));
    let stale = labels.iter().zip(of_node.iter().zip(&of_ours)).find(|(_, (one, other))| one == other);
    match (difference(&by_node, &ours), known, stale) {
        (None, _, Some((label, _))) => {
            Verdict::Differs(format!("    {label:?} agrees now: take it out of known.txt\n"))
        }
        (None, Some([]), None) => Verdict::Differs("    it agrees now: take it out of known.txt\n".to_owned()),
        (None, Some(_), None) => Verdict::Partly,
        (None, None, None) => Verdict::Equal,
        (Some(_), Some([]), _) => Verdict::Known,
        (Some(told), ..) => Verdict::Differs(told),
    }
}

/// Prints how many programs of each module agree, and fails for what is not as it is known.
fn judge(mut verdicts: Vec<(&Program, Verdict)>) {
    verdicts.sort_by(|(one, _), (other, _)| one.title.cmp(&other.title));
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut partly, mut wrong) = (0, Vec::new());
    for (program, verdict) in &verdicts {
        let (equal, all) = counts.entry(program.module()).or_default();
        *all += 1;
        let title = program.title.as_str();
        match verdict {
            Verdict::Equal => *equal += 1,
            Verdict::Partly => partly += 1,
            Verdict::Known => {}
            Verdict::Differs(how) => wrong.push(format!("{title} differs:\n{how}")),
            Verdict::Bad(why) => wrong.push(format!("{title} is no good program: {why}")),
        }
    }
    for (module, (equal, all)) in &counts {
        println!("{module}: {equal} of {all} programs agree");
    }
    let (equal, all) = counts.values().fold((0, 0), |(equal, all), (more, of)| (equal + more, all + of));
    let lines = KNOWN.lines().filter(is_entry).count();
    println!("{equal} of {all} programs agree, {partly} but for lines that are known; {lines} differences are known");
    assert!(wrong.is_empty(), "{} programs:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_entry(line: &&str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn known() -> Known {
    let mut known = Known::new();
    for line in KNOWN.lines().filter(is_entry) {
        let (what, why) = line.split_once(": ").unwrap_or_else(|| panic!("known.txt: {line}"));
        assert!(!why.is_empty(), "known.txt: {line}");
        let (title, label) = what.strip_suffix(']').and_then(|what| what.split_once(" [")).unwrap_or((what, ""));
        let labels = known.entry(title).or_default();
        if !label.is_empty() {
            labels.push(label);
        }
    }
    known
}
