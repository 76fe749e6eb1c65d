//! What a program is judged by.

/// The most lines of a side that are shown of a difference.
const SHOWN_LINES_MAX: usize = 24;

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `exited 3`, `signal 9`, or that it hangs.
    pub(crate) status: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The same, where standard error counts only if it is asked for, and then without what is never alike: frames of stacks,
    /// the lines of Node's own source an error may begin with, the process id before a warning and the version at the end.
    pub(crate) fn judged(self, stderr: bool) -> Outcome {
        if !stderr {
            return Outcome { stderr: String::new(), ..self };
        }
        let mut kept: Vec<String> = Vec::new();
        let mut lines = self.stderr.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with("    at ") {
                continue;
            }
            if line.starts_with("node:") && line.rsplit_once(':').is_some_and(|(_, at)| at.parse::<u32>().is_ok()) {
                // The line, what points to it, and an empty one.
                while lines.next_if(|line| !line.is_empty()).is_some() {}
                lines.next_if(|line| line.is_empty());
                continue;
            }
            let version = line.starts_with("Node.js v");
            kept.push(if version { "Node.js".to_owned() } else { without_pid(line) });
        }
        Outcome { stderr: kept.join("\n"), ..self }
    }
}

/// `(node:12) Warning` as `(node) Warning`.
fn without_pid(line: &str) -> String {
    match line.strip_prefix("(node:").and_then(|rest| rest.split_once(')')) {
        Some((pid, rest)) if pid.parse::<u32>().is_ok() => format!("(node){rest}"),
        _ => line.to_owned(),
    }
}

/// Where two outcomes part: lines of the first by `-`, of the second by `+`. `None` if they are equal.
pub(crate) fn difference(host: &Outcome, session: &Outcome) -> Option<String> {
    if host == session {
        return None;
    }
    let mut told = String::new();
    let sides = [
        ("status", &host.status, &session.status),
        ("stdout", &host.stdout, &session.stdout),
        ("stderr", &host.stderr, &session.stderr),
    ];
    for (what, host, session) in sides.into_iter().filter(|(_, host, session)| host != session) {
        told.push_str(&format!("    {what}:\n"));
        let (host, session): (Vec<&str>, Vec<&str>) = (host.lines().collect(), session.lines().collect());
        let begin = host.iter().zip(&session).take_while(|(one, other)| one == other).count();
        let (host, session) = (&host[begin..], &session[begin..]);
        let end = host.iter().rev().zip(session.iter().rev()).take_while(|(one, other)| one == other).count();
        for (sign, side) in [('-', &host[..host.len() - end]), ('+', &session[..session.len() - end])] {
            for line in side.iter().take(SHOWN_LINES_MAX) {
                told.push_str(&format!("    {sign} {line}\n"));
            }
            if side.len() > SHOWN_LINES_MAX {
                told.push_str(&format!("    {sign} ... {} lines\n", side.len()));
            }
        }
    }
    Some(told)
}

#[test]
fn standard_error_is_judged_by_what_it_says() {
    let outcome = |stderr: &str| Outcome { status: String::new(), stdout: String::new(), stderr: stderr.to_owned() };
    let said =
        "node:events:487\n      throw er;\n      ^\n\nError: x\n    at a (b:1:2)\n(node:12) W\n\nNode.js v24.1.0\n";
    assert_eq!(outcome(said).judged(true), outcome("Error: x\n(node) W\n\nNode.js"));
    assert_eq!(outcome(said).judged(false), outcome(""));
}

#[test]
fn a_difference_is_told_by_its_lines() {
    let outcome = |stdout: &str| Outcome { status: String::new(), stdout: stdout.to_owned(), stderr: String::new() };
    assert_eq!(difference(&outcome("a\nb"), &outcome("a\nb")), None);
    let told = difference(&outcome("a\nb\nc"), &outcome("a\nx\ny\nc")).unwrap();
    assert_eq!(told, "    stdout:\n    - b\n    + x\n    + y\n");
}
