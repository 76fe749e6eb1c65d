//! What the binary promises, command by command, as a user types it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::warren;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No command here takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Output {
    fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// It ended well and printed this.
    fn says(&self, stdout: &str) {
        assert_eq!((self.code(), self.stdout.as_str()), (0, stdout), "{}", self.stderr);
    }

    /// It was not run, and the note on standard error has each of these words.
    fn refused(&self, words: &[&str]) {
        assert_eq!((self.code(), self.stdout.as_str()), (125, ""), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
    }
}

/// Runs a command to its end, which must come.
fn finish(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut out, mut err) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        let stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let stderr = scope.spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let started = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > LIMIT => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("{command:?} has not ended in {LIMIT:?}");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Output { status, stdout: text(stdout.join().unwrap()), stderr: text(stderr.join().unwrap()) }
    })
}

fn run(arguments: &[&str]) -> Output {
    finish(warren().arg("run").args(arguments), b"")
}

// ---- what users type

#[test]
fn pipelines() {
    if !common::software() {
        return;
    }
    run(&["seq 1 100000 | sort -rn | head -3 | wc -l"]).says("3\n");
    run(&["yes | head -1"]).says("y\n");
    run(&["printf 'b\\na\\n' | sort | tr a-z A-Z | tee /tmp/x | cat - /tmp/x"]).says("A\nB\nA\nB\n");
}

#[test]
fn signals_and_jobs_of_a_shell() {
    if !common::software() {
        return;
    }
    let killed = run(&["kill -9 $$"]);
    assert_eq!((killed.code(), killed.stdout.as_str()), (137, ""), "{}", killed.stderr);
    run(&["sleep 0.1 & wait; echo done"]).says("done\n");
    run(&["timeout 1 sleep 5; echo $?"]).says("124\n");
    run(&["timeout 5 true; echo $?"]).says("0\n");
    run(&["printf '1\n2\n' | xargs -n1 echo n"]).says("n 1\nn 2\n");
    run(&["sleep 100 & kill -STOP $!; kill -TERM $!; kill -CONT $!; wait $!; echo $?"]).says("143\n");
    run(&["sh -c 'kill -s USR1 $$'; echo $?"]).says("138\n");
}

/// 64 MiB through a file, a pipe and a hash: what this machine's own commands make of the same.
#[test]
fn a_large_file_is_hashed_as_this_machine_hashes_it() {
    if !common::software() {
        return;
    }
    let line = "seq 1 9000000 | head -c 67108864 > big; wc -c < big; cat big | sha256sum";
    let folder = tempfile::tempdir().unwrap();
    let native = finish(Command::new("sh").args(["-c", line]).current_dir(folder.path()), b"");
    assert_eq!(native.code(), 0, "{}", native.stderr);
    assert!(native.stdout.starts_with("67108864\n"), "{}", native.stdout);
    run(&[line]).says(&native.stdout);
}

#[test]
fn git_in_one_session() {
    if !common::software() {
        return;
    }
    let line = "git init -q repo && cd repo && git config user.email a@b && git config user.name a && echo hi > f && \
                git add f && git commit -q -m first && git log --oneline | wc -l && git status --short | wc -l";
    run(&[line]).says("1\n0\n");
}

#[test]
fn programs_of_many_kinds() {
    if !common::software() {
        return;
    }
    run(&["sqlite3 :memory: 'select 6*7'"]).says("42\n");
    run(&["sqlite3", "/tmp/db", "create table t(a); insert into t values(1),(2); select sum(a) from t"]).says("3\n");
    run(&["jq -n '[1,2]|add'"]).says("3\n");
    let version = run(&["rg --version"]);
    assert!(version.code() == 0 && version.stdout.starts_with("ripgrep "), "{}{}", version.stdout, version.stderr);
    run(&["dd if=/dev/zero of=big bs=1024 count=4096 2> /dev/null; stat -c %s big"]).says("4194304\n");
    run(&["echo 'a b c' | awk '{ print $2 }'; echo abc | sed s/b/-/; echo x | gzip | gunzip"]).says("b\na-c\nx\n");
}

/// An absolute path loses its `/` in the archive.
#[test]
fn tar_in_a_pipeline() {
    if !common::software() {
        return;
    }
    run(&["cd / && tar c etc | tar t | head -1"]).says("etc/\n");
    run(&["tar c /etc | tar t | head -1"]).says("etc/\n");
}

#[test]
fn a_refused_connection_says_what_to_do_and_ends() {
    if !common::software() {
        return;
    }
    let refused = run(&["curl http://example.com"]);
    assert_ne!(refused.code(), 0);
    assert!(refused.stderr.contains("warren: egress: example.com:80 refused: no rule"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--allow-net"), "it says what to do: {}", refused.stderr);
}

// ---- status, arguments, streams

#[test]
fn the_status_is_the_commands() {
    if !common::software() {
        return;
    }
    assert_eq!(run(&["exit 3"]).code(), 3);
    assert_eq!(run(&["true"]).code(), 0);
    assert_eq!(run(&["false"]).code(), 1);
    assert_eq!(run(&["sh", "-c", "exit 300"]).code(), 44);
    assert_eq!(run(&["kill -TERM $$"]).code(), 143);
    assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).code(), 143);
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).code(), 137);
}

#[test]
fn a_command_that_is_none_is_127_and_one_that_cannot_run_126() {
    if !common::software() {
        return;
    }
    let none = run(&["no-such-command", "x"]);
    assert_eq!((none.code(), none.stdout.as_str()), (127, ""));
    assert!(none.stderr.contains("no-such-command"), "{}", none.stderr);
    assert_eq!(run(&["no-such-command"]).code(), 127);
    for path in ["/etc/passwd", "/etc", "/tmp"] {
        let refused = run(&[path, "x"]);
        assert_eq!(refused.code(), 126, "{path}: {}", refused.stderr);
    }
    assert_eq!(run(&["/etc/passwd"]).code(), 126);
}

#[test]
fn several_arguments_are_a_command_and_one_is_a_line() {
    if !common::software() {
        return;
    }
    run(&["echo", "a  b", "$HOME", "*", ";"]).says("a  b $HOME * ;\n");
    run(&["echo a  b; echo $HOME"]).says("a b\n/home/agent\n");
    run(&["--", "echo", "--help-me", "-x"]).says("--help-me -x\n");
    run(&["--", "echo --"]).says("--\n");
    // What follows the command is the command's, also when it looks like an option of ours.
    run(&["echo", "--json", "--cwd", "/"]).says("--json --cwd /\n");
    run(&["printf", "%s|", "", "a\nb", "\u{fc}"]).says("|a\nb|\u{fc}|");
}

#[test]
fn standard_input_reaches_the_command() {
    if !common::software() {
        return;
    }
    let text: Vec<u8> = (0..200_000u32).flat_map(|index| (index % 251).to_le_bytes()).collect();
    let counted = finish(warren().args(["run", "wc -c"]), &text);
    assert_eq!((counted.code(), counted.stdout.trim()), (0, "800000"));
    finish(warren().args(["run", "cat"]), b"one\ntwo\n").says("one\ntwo\n");
    finish(warren().args(["run", "cat"]), b"").says("");
    // A command that does not read its input ends nevertheless.
    finish(warren().args(["run", "echo done"]), &text).says("done\n");
    let both = run(&["echo err >&2; ls /none; echo out"]);
    assert_eq!(both.stdout, "out\n");
    assert!(both.stderr.starts_with("err\nls: "), "{}", both.stderr);
    // known wrong: the packaged shell has a command inherit its standard output where `>&2` names the shell's own
    // standard error, and the other way round for `2>&1`. Redirected to a file or a pipe, both are right.
    let moved = run(&["ls /etc/hosts >&2; ls /none 2>&1"]);
    assert_eq!(moved.stdout, "/etc/hosts\n");
    assert!(moved.stderr.starts_with("ls: "), "{}", moved.stderr);
    run(&["ls /none 2>&1 | wc -l"]).says("1\n");
}

// ---- options

#[test]
fn variables() {
    if !common::software() {
        return;
    }
    run(&["--env", "A=1", "--env", "B=x y = z", "--env", "A=2", "echo $A; echo $B"]).says("2\nx y = z\n");
    run(&["--env", "EMPTY=", "echo ${EMPTY-unset}${OTHER-unset}"]).says("unset\n");
    run(&["--env", "HOME=/tmp", "echo $HOME"]).says("/tmp\n");
    for wrong in ["A", "=1", ""] {
        run(&["--env", wrong, "true"]).refused(&["--env", "NAME=VALUE"]);
    }
    let inherited = finish(warren().env("WARREN_TEST_SECRET", "leak").args(["run", "env"]), b"");
    assert!(!inherited.stdout.contains("WARREN_TEST_SECRET") && !inherited.stdout.contains("leak"));
}

#[test]
fn mounts() {
    if !common::software() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let path = host.path().to_str().unwrap();
    std::fs::write(host.path().join("in"), "from outside\n").unwrap();
    let read_only = format!("{path}:/mnt/host");
    run(&["--mount", &read_only, "cat /mnt/host/in"]).says("from outside\n");
    let refused = run(&["--mount", &read_only, "echo x > /mnt/host/new"]);
    assert_ne!(refused.code(), 0);
    assert!(!host.path().join("new").exists());
    run(&["--mount", &format!("{read_only}:ro"), "rm -f /mnt/host/in; cat /mnt/host/in"]);
    assert!(host.path().join("in").exists());
    let writable = format!("{read_only}:rw");
    run(&["--mount", &writable, "echo x > /mnt/host/new; mkdir /mnt/host/d; mv /mnt/host/in /mnt/host/d/out"]).says("");
    assert_eq!(std::fs::read_to_string(host.path().join("new")).unwrap(), "x\n");
    assert_eq!(std::fs::read_to_string(host.path().join("d/out")).unwrap(), "from outside\n");
    // The mount point is made.
    run(&["--mount", &format!("{path}:/a/b/c"), "cat /a/b/c/new"]).says("x\n");
    run(&["--mount", &format!("{path}/none:/mnt/host"), "true"]).refused(&["--mount", "none"]);
    for wrong in ["", "/tmp", ":/mnt", "/tmp:", "/tmp:relative"] {
        run(&["--mount", wrong, "true"]).refused(&["--mount", "HOST:GUEST"]);
    }
}

/// A link in a mounted folder leads where the session's own files are, whatever is there on the host.
#[test]
fn a_link_in_a_mount_shows_the_sessions_file() {
    if !common::software() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret\n").unwrap();
    let folder = host.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../etc/hostname", folder.join("relative")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.join("secret")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.join("directory")).unwrap();
    let mount = format!("{}:/mnt/host", folder.display());
    run(&["--mount", &mount, "cat /mnt/host/absolute"]).says("warren\n");
    run(&["--mount", &mount, "cat /mnt/host/relative"]).says("warren\n");
    for path in ["secret", "directory/secret", "../secret"] {
        let line = format!("cat /mnt/host/{path}");
        let missing = run(&["--mount", &mount, &line]);
        assert!(missing.code() != 0 && !missing.stdout.contains("secret"), "{path}: {}", missing.stdout);
    }
    // Nothing is made outside through a link either.
    let line = "echo x > /mnt/host/directory/new; mkdir -p /mnt/host/directory/d";
    run(&["--mount", &format!("{mount}:rw"), line]);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn limits() {
    if !common::software() {
        return;
    }
    run(&["--limit", "nothing=1", "true"]).refused(&["no limit is called `nothing`", "processes", "cpu_ms"]);
    for wrong in
        ["processes", "processes=", "processes=many", "processes=-1", "processes=1.5", "file_bytes=1t", "=1", ""]
    {
        run(&["--limit", wrong, "true"]).refused(&["--limit"]);
    }
    run(&["--limit", "file_bytes=99999999999999999999g", "true"]).refused(&["--limit", "whole number"]);
    let full = run(&["--limit", "file_bytes=1m", "dd if=/dev/zero of=big bs=1024 count=4096; stat -c %s big"]);
    assert!(full.stdout.contains("1048576"), "{}", full.stdout);
    assert!(full.stderr.contains("limit `file_bytes` reached (EDQUOT)"), "{}", full.stderr);
    let busy = run(&["--limit", "cpu_ms=200", "while :; do :; done"]);
    assert_eq!(busy.code(), 152, "{}", busy.stderr);
    assert!(busy.stderr.contains("limit `cpu_ms` reached"), "{}", busy.stderr);
}

#[test]
fn users() {
    if !common::software() {
        return;
    }
    run(&["id -u; id -g; pwd; echo $USER $HOME"]).says("1000\n1000\n/home/agent\nagent /home/agent\n");
    run(&["--user", "root", "id -u; pwd; echo $USER $HOME"]).says("0\n/root\nroot /root\n");
    run(&["--user", "nobody", "id -u; pwd; echo $USER"]).says("65534\n/\nnobody\n");
    run(&["--user", "agent", "id -un"]).says("agent\n");
    // Without an account: the packaged id looks for one even when it is asked for a number.
    run(&["--user", "4242", "touch /tmp/x; stat -c '%u %g' /tmp/x"]).says("4242 4242\n");
    run(&["--user", "4242:7", "touch /tmp/x; stat -c '%u %g' /tmp/x"]).says("4242 7\n");
    assert_ne!(run(&["--user", "nobody", "echo x > /home/agent/x"]).code(), 0);
    assert_ne!(run(&["cat /root/x; ls /root"]).code(), 0);
    for wrong in ["nemo", "", "-1", "1:", ":1", "4294967296", "root:root"] {
        run(&["--user", wrong, "true"]).refused(&["--user", "no such user"]);
    }
}

#[test]
fn working_directory() {
    if !common::software() {
        return;
    }
    run(&["--cwd", "/tmp", "pwd"]).says("/tmp\n");
    run(&["--cwd", "/etc", "cat", "hostname"]).says("warren\n");
    run(&["--user", "root", "--cwd", "/tmp", "pwd"]).says("/tmp\n");
    for wrong in ["tmp", "", "."] {
        run(&["--cwd", wrong, "true"]).refused(&["--cwd", "absolute path"]);
    }
    let missing = run(&["--cwd", "/none", "true"]);
    assert!(matches!(missing.code(), 126 | 127), "{}: {}", missing.code(), missing.stderr);
}

#[test]
fn policies() {
    if !common::software() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    let path = path.to_str().unwrap();
    let with = |text: &str, arguments: &[&str]| {
        std::fs::write(path, text).unwrap();
        run(&[&["--policy", path], arguments].concat())
    };
    let no_home = r#"
        [write]
        default = "allow"
        rules = [{ effect = "deny", pattern = "/home/**" }]
    "#;
    let denied = with(no_home, &["echo x > /tmp/x && cat /tmp/x; echo y > /home/agent/y; cat /home/agent/y"]);
    assert_eq!(denied.stdout, "x\n");
    assert!(denied.stderr.contains("warren: policy: write /home/agent/y denied"), "{}", denied.stderr);
    // What the policy allows, the way out still refuses without a rule.
    let allowed = with("[connect]\nrules = [{ effect = \"allow\", pattern = \"*:80\" }]", &["curl http://example.com"]);
    assert!(allowed.code() != 0 && !allowed.stderr.contains("policy:"), "{}", allowed.stderr);
    let denied =
        with("[connect]\nrules = [{ effect = \"allow\", pattern = \"*:80\" }]", &["curl http://example.com:81"]);
    assert!(denied.stderr.contains("policy: connect example.com:81 denied"), "{}", denied.stderr);
    let denied = with("[environment]\ndefault = \"deny\"", &["--env", "A=1", "true"]);
    denied.refused(&["--env A", "`environment`"]);
    let only_sh = "[execute]\nrules = [{ effect = \"allow\", pattern = \"/usr/bin/*sh\" }]";
    let denied = with(only_sh, &["ls /; echo after"]);
    assert!(
        denied.stdout == "after\n" && denied.stderr.contains("policy: execute /usr/bin/ls denied"),
        "{}",
        denied.stderr
    );
    let denied = with(
        "[read]\ndefault = \"allow\"\nrules = [{ effect = \"deny\", pattern = \"/etc/pass*\" }]",
        &["cat /etc/passwd"],
    );
    assert!(denied.code() != 0 && denied.stderr.contains("policy: read /etc/passwd denied"), "{}", denied.stderr);
}

#[test]
fn policies_that_cannot_be_used() {
    if !common::software() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    let path = path.to_str().unwrap();
    for (text, words) in [
        ("[write]\ndefault = \"deny\"\nrules = [\n", &["policy.toml", "line"][..]),
        ("\n\n[write\n", &["policy.toml", "line 3"]),
        ("[raed]\ndefault = \"deny\"\n", &["policy.toml", "raed", "`read`"]),
        ("[write]\ndefault = \"maybe\"\n", &["policy.toml", "maybe"]),
        ("[write]\nrule = []\n", &["policy.toml", "rule"]),
        ("[write]\nrules = [{ effect = \"allow\" }]\n", &["policy.toml", "pattern"]),
        ("[write]\nrules = [{ effect = \"allow\", pattern = \"\" }]\n", &["`write`", "1 to 1024 bytes"]),
        ("write = 1\n", &["policy.toml"]),
    ] {
        std::fs::write(path, text).unwrap();
        run(&["--policy", path, "true"]).refused(words);
    }
    run(&["--policy", "/none/policy.toml", "true"]).refused(&["/none/policy.toml"]);
}

#[test]
fn json() {
    if !common::software() {
        return;
    }
    let object = |output: &Output| -> serde_json::Value { serde_json::from_str(&output.stdout).unwrap() };
    let exited = run(&["--json", "echo out; echo err >&2; exit 3"]);
    let value = object(&exited);
    assert_eq!(exited.code(), 3);
    assert_eq!(value["status"], 3);
    assert_eq!(value["signal"], serde_json::Value::Null);
    assert_eq!((&value["stdout"], &value["stderr"]), (&"out\n".into(), &"err\n".into()));
    assert!(value["cpu_ms"].is_number() && value["wall_ms"].is_number() && value["events"].is_array(), "{value}");
    assert_eq!(exited.stdout.lines().count(), 1);
    let killed = run(&["--json", "sh", "-c", "kill -TERM $$"]);
    let value = object(&killed);
    assert_eq!((killed.code(), &value["status"], &value["signal"]), (143, &143.into(), &"SIGTERM".into()));
    let denied = object(&run(&["--json", "curl -s http://example.com"]));
    let denied =
        &denied["events"].as_array().unwrap().iter().find(|event| !event["what"]["refused"].is_null()).unwrap();
    let reason = "no rule of the session's egress allows it";
    let told = serde_json::json!({ "subject": "example.com:80", "reason": reason, "skipped": 0 });
    assert_eq!(denied["what"]["refused"], told);
    assert!(denied["seq"].is_u64() && denied["pid"].is_u64() && denied["time"].is_i64());
    // Bytes that are no text are shown as such; standard input is empty.
    let value = object(&finish(warren().args(["run", "--json", "printf '\\377'; cat"]), b"input"));
    assert_eq!(value["stdout"], "\u{fffd}");
    let missing = run(&["--json", "no-such-command", "x"]);
    let value = object(&missing);
    assert_eq!((missing.code(), &value["status"], &value["error"]), (127, &127.into(), &"ENOENT".into()));
}

/// Nothing a session shows is a fact of the machine it runs on.
#[test]
fn nothing_shows_the_host() {
    if !common::software() {
        return;
    }
    let host = |command: &str, argument: &str| {
        let output = Command::new(command).arg(argument).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let facts = [
        ("host name", host("uname", "-n")),
        ("kernel release", host("uname", "-r")),
        ("kernel version", host("uname", "-v")),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("cargo's folder", env!("CARGO_MANIFEST_DIR").to_owned()),
        ("working directory", folder.path().display().to_string()),
        ("a variable", "warren-test-fact".to_owned()),
        ("cache", "/.cache/warren".to_owned()),
        ("process id", format!(" {} ", std::process::id())),
    ];
    let line = "env; cat /proc/cpuinfo /proc/meminfo /proc/version /proc/mounts /proc/self/environ /proc/self/mountinfo \
                /proc/self/cmdline /proc/self/maps /proc/self/status /proc/self/limits /proc/cmdline /proc/stat \
                /proc/loadavg /proc/uptime /proc/filesystems /proc/sys/kernel/hostname; ls -la /proc/self /proc/self/fd; \
                hostname; uname -a; ls -la / /dev /etc /tmp /root /home /run; pwd; df; mount; set; ps aux; whoami; uptime";
    let shown = finish(
        warren()
            .env("WARREN_TEST_FACT", "warren-test-fact")
            .current_dir(folder.path())
            .args(["run", "--user", "root", line]),
        b"",
    );
    assert!(shown.stdout.contains("warren") && shown.stdout.contains("PATH="), "{}{}", shown.stdout, shown.stderr);
    for (what, fact) in facts {
        if fact.is_empty() || fact == "warren" || fact == "localhost" {
            continue;
        }
        for (name, text) in [("output", &shown.stdout), ("errors", &shown.stderr)] {
            let found = text.lines().find(|line| line.contains(&fact));
            assert!(found.is_none(), "the {what} `{fact}` is in the {name}: {found:?}");
        }
    }
    if let Some(home) = std::env::var_os("HOME").filter(|home| home != "/root") {
        assert!(!shown.stdout.contains(home.to_str().unwrap()), "HOME is shown");
    }
    // The root directory is the base system's.
    let own: Vec<String> =
        std::fs::read_dir("/").unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    let usual = "bin dev etc home lib mnt opt proc root run sbin srv tmp usr var";
    run(&["ls /"]).says(&format!("{}\n", usual.replace(' ', "\n")));
    assert!(own.iter().any(|name| !usual.split(' ').any(|it| it == name)), "the host's root is not the session's");
}

// ---- software

#[test]
fn software_is_added_listed_verified_and_removed() {
    let (cache, package) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let software =
        |arguments: &[&str]| finish(warren().env("WARREN_CACHE", cache.path()).arg("software").args(arguments), b"");
    let folder = package.path().join("tiny");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::create_dir_all(folder.join("share")).unwrap();
    std::fs::write(folder.join("bin/hello"), "#!/bin/sh\necho hello\n").unwrap();
    std::fs::write(folder.join("share/text"), "some text\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("bin/hello"), mode).unwrap();

    software(&["list"]).says("");
    software(&["verify"]).says("all files are as installed\n");
    let added = software(&["add", "--from", folder.to_str().unwrap()]);
    added.says("tiny@0.0.0 1 commands\n");
    let listed = software(&["list"]);
    assert!(listed.code() == 0 && listed.stdout.starts_with("tiny@0.0.0 "), "{}", listed.stdout);
    let json: serde_json::Value = serde_json::from_str(&software(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["commands"][0]["name"]), (&"tiny".into(), &"hello".into()));
    software(&["verify", "tiny"]).says("all files are as installed\n");
    // Adding it again changes nothing.
    software(&["add", "--from", folder.to_str().unwrap()]).says("tiny@0.0.0 1 commands\n");
    assert_eq!(software(&["list"]).stdout.lines().count(), 1);

    // A file of the store that was changed is found, and adding the package repairs it.
    let blob = blobs(cache.path()).into_iter().find(|path| std::fs::read(path).unwrap() == b"some text\n").unwrap();
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&blob, writable).unwrap();
    std::fs::write(&blob, "some more text\n").unwrap();
    let damaged = software(&["verify"]);
    assert_eq!(damaged.code(), 125);
    assert!(damaged.stdout.contains("tiny@0.0.0: ") && damaged.stdout.contains("share/text"), "{}", damaged.stdout);
    software(&["add", "--from", folder.to_str().unwrap()]).says("tiny@0.0.0 1 commands\n");
    software(&["verify"]).says("all files are as installed\n");

    software(&["remove", "tiny"]).says("removed tiny@0.0.0\n");
    software(&["list"]).says("");
    assert!(blobs(cache.path()).is_empty(), "nothing of it is left");
    software(&["remove", "tiny"]).refused(&["tiny"]);
    software(&["verify", "tiny"]).refused(&["tiny"]);
    software(&["add", "no-such-package"]).refused(&["no-such-package", "commands"]);
    software(&["add", "--from", "/none/folder"]).refused(&["/none/folder"]);
    software(&["add", "sed", "tar", "--from", folder.to_str().unwrap()]).refused(&["--from"]);
    let available = software(&["list", "--available"]);
    assert!(available.stdout.lines().any(|line| line.starts_with("commands ")), "{}", available.stdout);
}

fn blobs(cache: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(folders) = std::fs::read_dir(cache.join("blobs")) else { return Vec::new() };
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().map(|blob| blob.unwrap().path()))
        .collect()
}

/// A link that leaves the package is no package.
#[test]
fn a_folder_whose_links_lead_out_is_refused() {
    let (cache, package) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = package.path().join("tiny");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::os::unix::fs::symlink("../../../../etc/passwd", folder.join("bin/out")).unwrap();
    let refused =
        finish(warren().env("WARREN_CACHE", cache.path()).args(["software", "add", "--from"]).arg(&folder), b"");
    assert_eq!((refused.code(), refused.stdout.as_str()), (125, ""), "{}", refused.stderr);
    assert!(!refused.stderr.contains("root:"), "{}", refused.stderr);
}

#[test]
fn without_a_cache_folder_it_says_so() {
    let refused = finish(warren().env_clear().args(["software", "list"]), b"");
    refused.refused(&["WARREN_CACHE", "HOME"]);
}
