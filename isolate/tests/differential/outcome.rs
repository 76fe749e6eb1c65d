//! What a program is judged by.

/// The most lines that are shown of a difference.
const SHOWN_LINES_MAX: usize = 40;

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
            // Of an error's cause too, where frames that both have are counted.
            let is_frame =
                line.trim_start().starts_with("at ") || line.ends_with(" lines matching cause stack trace ...");
            if line.starts_with("    ") && is_frame {
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

/// Takes the lines that begin with one of these labels out of what was printed, and gives them.
pub(crate) fn without(outcome: &Outcome, labels: &[&str]) -> (Outcome, Vec<Vec<String>>) {
    let mut taken = vec![Vec::new(); labels.len()];
    let mut kept = String::new();
    for line in outcome.stdout.lines() {
        match labels.iter().position(|label| line.strip_prefix(label).is_some_and(|rest| rest.starts_with(' '))) {
            Some(label) => taken[label].push(line.to_owned()),
            None => kept.extend([line, "\n"]),
        }
    }
    (Outcome { stdout: kept, ..outcome.clone() }, taken)
}

/// Where two outcomes part: lines of the first alone by `-`, of the second alone by `+`. `None` if they are equal.
pub(crate) fn difference(host: &Outcome, session: &Outcome) -> Option<String> {
    if host == session {
        return None;
    }
    let mut told = String::new();
    let status = ("status", &host.status, &session.status);
    let sides = [status, ("stdout", &host.stdout, &session.stdout), ("stderr", &host.stderr, &session.stderr)];
    for (what, host, session) in sides.into_iter().filter(|(_, host, session)| host != session) {
        told.push_str(&format!("    {what}:\n"));
        let lines = changes(&host.lines().collect::<Vec<_>>(), &session.lines().collect::<Vec<_>>());
        lines.iter().take(SHOWN_LINES_MAX).for_each(|line| told.push_str(&format!("    {line}\n")));
        if lines.len() > SHOWN_LINES_MAX {
            told.push_str(&format!("    ... {} lines\n", lines.len()));
        }
    }
    Some(told)
}

/// The lines that are not of a longest common subsequence.
fn changes(from: &[&str], to: &[&str]) -> Vec<String> {
    let mut lengths = vec![vec![0_u32; to.len() + 1]; from.len() + 1];
    for one in (0..from.len()).rev() {
        for other in (0..to.len()).rev() {
            lengths[one][other] = if from[one] == to[other] {
                lengths[one + 1][other + 1] + 1
            } else {
                lengths[one + 1][other].max(lengths[one][other + 1])
            };
        }
    }
    let (mut one, mut other, mut lines) = (0, 0, Vec::new());
    while one < from.len() || other < to.len() {
        if one < from.len() && other < to.len() && from[one] == to[other] {
            (one, other) = (one + 1, other + 1);
        } else if other == to.len() || one < from.len() && lengths[one + 1][other] >= lengths[one][other + 1] {
            lines.push(format!("- {}", from[one]));
            one += 1;
        } else {
            lines.push(format!("+ {}", to[other]));
            other += 1;
        }
    }
    lines
}

#[test]
fn standard_error_is_judged_by_what_it_says() {
    let outcome = |stderr: &str| Outcome { status: String::new(), stdout: String::new(), stderr: stderr.to_owned() };
    let said = "node:events:487\n      throw er;\n      ^\n\nError: x\n    at a (b:1:2)\n      at a (b:1:2)\n(node:12) W\n\nNode.js v24.1.0\n";
    assert_eq!(outcome(said).judged(true), outcome("Error: x\n(node) W\n\nNode.js"));
    assert_eq!(outcome(said).judged(false), outcome(""));
}

#[test]
fn a_difference_is_told_by_its_lines() {
    let outcome = |stdout: &str| Outcome { status: String::new(), stdout: stdout.to_owned(), stderr: String::new() };
    assert_eq!(difference(&outcome("a\nb"), &outcome("a\nb")), None);
    let told = difference(&outcome("a\nb\nc\nd"), &outcome("a\nx\ny\nc\nz")).unwrap();
    assert_eq!(told, "    stdout:\n    - b\n    + x\n    + y\n    - d\n    + z\n");
    let (rest, taken) = without(&outcome("a = 1\nab = 2\na ! 3\n"), &["a", "c"]);
    assert_eq!((rest, taken), (outcome("ab = 2\n"), vec![vec!["a = 1".to_owned(), "a ! 3".to_owned()], vec![]]));
}
