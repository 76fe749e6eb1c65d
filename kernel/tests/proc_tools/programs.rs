//! This machine's own tools on a session's /proc: it is written to a directory, which is mounted over /proc for the
//! tool alone.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tools are the host's, and so are the files"
)]

use crate::common::Proc;
use crate::scene::{MEMORY_TOTAL, Scene, memory_used, with_scene};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use warren_kernel::Errno;
use warren_kernel::vfs::FileKind;

/// Runs `$@` with the directory `$0` for /proc, and a terminal of number 0 where one can be made. It has pid 1 of a
/// namespace of its own, since ps looks itself up.
const STAGE: &str = "mount --bind \"$0\" /proc || exit 1
if mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts 2>/dev/null; then exec 3<>/dev/pts/ptmx; fi
exec \"$@\"";

/// Why the tools cannot be run here, if so.
fn missing(tool: &str) -> Option<String> {
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(Command::new("sh").args(["-c", &format!("command -v {tool}")])) {
        return Some(format!("{tool} is not installed"));
    }
    let namespace = works(Command::new("unshare").args(["-rmp", "--fork", "sh", "-c", "mount --bind /tmp /proc"]));
    (!namespace).then(|| "no private mount namespace can be made here".to_owned())
}

/// Everything `who` can read of /proc, as files of the host.
fn write_out(who: Proc<'_>, from: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in who.names(from).unwrap().into_iter().filter(|name| name != "." && name != "..") {
        let (path, copy) = (format!("{from}/{name}"), to.join(&name));
        let Ok(stat) = who.lstat(&path) else { continue };
        match stat.kind {
            FileKind::Directory => write_out(who, &path, &copy),
            FileKind::Symlink => match who.readlink(&path) {
                Ok(target) => symlink(target, copy).unwrap(),
                Err(errno) => assert_eq!(errno, Errno::ENOENT, "{path}"),
            },
            _ => fs::write(copy, who.get(&path).unwrap_or_else(|errno| panic!("{path}: {errno}"))).unwrap(),
        }
    }
}

/// What a tool prints, given the scene as root sees it; `None` where it cannot be run, and why is printed.
fn with_tool(tool: &str, arguments: &[&str], check: impl FnOnce(&Scene<'_>, &str)) {
    if let Some(reason) = missing(tool) {
        eprintln!("skipped: {reason}");
        return;
    }
    with_scene(|scene| {
        let directory = tempfile::tempdir().unwrap();
        write_out(scene.daemon, "/proc", directory.path());
        let mut command = Command::new("unshare");
        command.args(["-rmp", "--fork", "sh", "-c", STAGE]).arg(directory.path()).arg(tool).args(arguments);
        let output = command.env("LC_ALL", "C").env("COLUMNS", "200").env("TERM", "dumb").output().unwrap();
        let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{tool} {arguments:?}: {}\n{shown}\n{errors}", output.status);
        check(scene, &shown);
    });
}

/// The words of the line about a process.
fn line_of<'t>(shown: &'t str, column: usize, process: Proc<'_>) -> Vec<&'t str> {
    let pid = process.pid.to_string();
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.into_iter().find(|words| words.get(column) == Some(&&*pid)).unwrap_or_else(|| panic!("{pid}:\n{shown}"))
}

#[test]
fn ps_shows_groups_sessions_states_and_arguments() {
    let columns = "pid,ppid,pgid,sid,tpgid,tty,stat,nlwp,ruid,args";
    with_tool("ps", &["-eo", columns], |scene, shown| {
        let pid = |process: Proc<'_>| process.pid.to_string();
        let (shell, script) = (pid(scene.shell), pid(scene.script));
        let words = line_of(shown, 0, scene.script);
        assert_eq!(words[..5], [&*script, &shell, &script, &shell, &script], "{shown}");
        assert!(["pts/0", "?"].contains(&words[5]), "as this machine can say it: {shown}");
        assert_eq!(words[6..], ["R+", "1", "1000", "/bin/prog", "-v", "./tool.sh", "a", "b"], "{shown}");
        let state = |process: Proc<'_>| line_of(shown, 0, process)[6];
        assert_eq!(
            [scene.shell, scene.sleeper, scene.stopped, scene.zombie, scene.disk, scene.daemon].map(state),
            ["Rs", "S", "T", "Z", "D", "Rs"]
        );
        assert_eq!(line_of(shown, 0, scene.zombie)[9..], ["[prog]", "<defunct>"]);
        assert_eq!(line_of(shown, 0, scene.daemon)[4..6], ["-1", "?"]);
        assert_eq!(shown.lines().count(), 9, "init and seven more: {shown}");
    });
}

#[test]
fn ps_ef_and_aux_show_times_and_memory() {
    with_tool("ps", &["-ef"], |scene, shown| {
        let words = line_of(shown, 1, scene.script);
        assert_eq!((words[2], words[6]), (&*scene.shell.pid.to_string(), "00:00:02"), "{shown}");
    });
    with_tool("ps", &["aux"], |scene, shown| {
        let words = line_of(shown, 1, scene.script);
        // 2.5 of the 40.5 seconds it has been there, 8 of 64 MiB.
        assert_eq!((words[2], words[3], words[5]), ("6.1", "12.5", "8192"), "{shown}");
        assert_eq!((words[4], words[9]), ("8196", "0:02"), "{shown}");
    });
    with_tool("ps", &["-eo", "pid,etimes,cputimes,vsz,rss,comm,wchan:16,blocked,caught,ignored"], |scene, shown| {
        let words = line_of(shown, 0, scene.script);
        assert_eq!(words[1..6], ["40", "2", "8196", "8192", "tool.sh"], "{shown}");
        let ends = ["0000000000000200", "0000000000000002", "0000000000000001"];
        assert_eq!(words[7..], ends, "{shown}");
        assert_eq!(line_of(shown, 0, scene.sleeper)[6], "pipe_wait", "{shown}");
    });
}

#[test]
fn top_counts_tasks_and_memory() {
    with_tool("top", &["-b", "-n1", "-w", "200"], |scene, shown| {
        let words = line_of(shown, 0, scene.script);
        assert_eq!((words[4], words[5], words[7], words[9]), ("8196", "8192", "R", "12.5"), "{shown}");
        assert!(shown.contains("Tasks:   8 total,   3 running,   3 sleeping,   1 stopped,   1 zombie"), "{shown}");
        assert!(shown.contains("load average: 3.00, 3.00, 3.00") && shown.contains("up 1 min"), "{shown}");
        assert!(shown.contains("64.0 total,     56.0 free,      8.0 used"), "{shown}");
    });
}

#[test]
fn free_and_vmstat_show_memory() {
    with_tool("free", &["-b"], |scene, shown| {
        let words: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        let [total, used, free] =
            [MEMORY_TOTAL, memory_used(scene), MEMORY_TOTAL - memory_used(scene)].map(|bytes| bytes.to_string());
        assert_eq!(words, ["Mem:", &total, &used, &free, "0", "0", &free], "{shown}");
    });
    with_tool("vmstat", &[], |scene, shown| {
        let words: Vec<&str> = shown.lines().nth(2).unwrap().split_whitespace().collect();
        let free = ((MEMORY_TOTAL - memory_used(scene)) / 1024).to_string();
        assert_eq!((words[0], words[1], words[3]), ("3", "1", &*free), "{shown}");
    });
    with_tool("uptime", &["-p"], |_, shown| assert_eq!(shown, "up 1 minute\n"));
}

#[test]
fn processes_are_found_by_name_and_shown_as_a_tree() {
    with_tool("pgrep", &["-a", "tool"], |scene, shown| {
        assert_eq!(shown, format!("{} /bin/prog -v ./tool.sh a b\n", scene.script.pid));
    });
    with_tool("pgrep", &["-u", "1000", "-r", "S,T"], |scene, shown| {
        assert_eq!(shown, format!("{}\n{}\n", scene.sleeper.pid, scene.stopped.pid));
    });
    with_tool("pidof", &["-x", "tool.sh"], |scene, shown| assert_eq!(shown.trim(), scene.script.pid.to_string()));
    with_tool("pstree", &["-Ap"], |scene, shown| {
        assert!(shown.starts_with("init(1)-"), "{shown}");
        assert!(shown.contains(&format!("tool.sh({})", scene.script.pid)), "{shown}");
        assert!(shown.contains(&format!("prog({})-+-", scene.shell.pid)), "{shown}");
    });
}

#[test]
fn memory_and_directories_of_a_process() {
    with_scene(|scene| {
        let (script, sleeper) = (scene.script.pid.to_string(), scene.sleeper.pid.to_string());
        with_tool("pmap", &["-x", &script], |_, shown| {
            assert!(shown.contains("0000000000000000    8192    8192    8192 rw---   [ stack ]"), "{shown}");
            assert!(shown.contains("0000000100000000       4       0       0 r-x-- prog"), "{shown}");
            assert!(shown.lines().last().unwrap().starts_with("total kB            8196    8192    8192"), "{shown}");
        });
        with_tool("pwdx", &[&sleeper], |_, shown| assert_eq!(shown, format!("{sleeper}: /home/agent\n")));
    });
}

#[test]
fn lsof_lists_descriptors() {
    with_tool("lsof", &["-w", "-n", "-P", "-F", "pcftan"], |scene, shown| {
        let own = shown.split("\np").find(|part| part.starts_with(&scene.shell.pid.to_string()));
        let own = own.unwrap_or_else(|| panic!("{shown}"));
        assert!(own.contains("\ncprog\nfcwd\n") && own.contains("\nn/home/agent\n"), "{own}");
        let named =
            [("f3", "n/home/agent/file"), ("f4", "n/bin"), ("f5", "n/dev/null"), ("f6", "npipe"), ("f8", "nsocket")];
        for (descriptor, name) in named {
            let part = own.split("\nf").skip(1).find(|part| part.starts_with(&format!("{}\n", &descriptor[1..])));
            assert!(part.is_some_and(|part| part.contains(&format!("\n{name}"))), "{descriptor}: {own}");
        }
    });
}
