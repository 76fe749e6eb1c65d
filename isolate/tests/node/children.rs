//! `node:child_process`: children that are waited for with the thread, and children that are not.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

/// What every script here begins with: `node(words, options)` waits for a child that is node itself.
const BEGIN: &str = "const cp = require('child_process'); const fs = require('fs'); \
    const node = (words, options) => cp.spawnSync(process.execPath, words, { encoding: 'utf8', ...options }); ";

/// What a script prints.
fn says(script: &str) -> String {
    printed(&format!("{BEGIN}{script}"))
}

#[test]
fn a_child_is_waited_for() {
    assert_eq!(
        says(
            "const r = node(['-e', 'console.log(1); console.error(2); process.exit(3)']); console.log(r.status, r.signal, r.stdout, r.stderr, r.output.length, r.pid > 1, r.error)"
        ),
        "3 null 1\n 2\n 3 true undefined\n"
    );
}

#[test]
fn its_input_is_fed_while_its_output_is_read() {
    assert_eq!(
        says(
            "const text = 'x'.repeat(1 << 20); const r = node(['-e', 'process.stdout.write(fs.readFileSync(0))', 'x'].map((w) => w.replace('fs.', \"require('fs').\")), { input: text, maxBuffer: 4 << 20 }); console.log(r.status, r.stdout === text, r.stderr)"
        ),
        "0 true \n"
    );
}

#[test]
fn input_nobody_reads_holds_up_nothing() {
    assert_eq!(
        says("const r = node(['-e', '0'], { input: 'x'.repeat(1 << 20) }); console.log(r.status, r.stdout)"),
        "0 \n"
    );
}

#[test]
fn execution_of_a_file_gives_its_output_or_throws() {
    assert_eq!(
        says(
            "console.log(cp.execFileSync('node', ['-p', '6*7'], { encoding: 'utf8' })); try { cp.execFileSync('node', ['-e', 'process.exit(9)']); } catch (e) { console.log(e.status, e.message) }"
        ),
        "42\n\n9 Command failed: node -e process.exit(9)\n"
    );
}

#[test]
fn a_command_that_is_not_there_is_an_error() {
    assert_eq!(
        says(
            "const r = cp.spawnSync('nosuch', ['a']); console.log(r.error.code, r.error.errno, r.error.syscall, r.error.path, r.error.spawnargs.join(), r.error.message, r.status, r.pid, r.stdout)"
        ),
        "ENOENT -2 spawnSync nosuch nosuch a spawnSync nosuch ENOENT null 0 undefined\n"
    );
    assert_eq!(
        says(
            "fs.writeFileSync('plain', 'x'); fs.mkdirSync('d'); for (const [c, o] of [['./plain'], ['/tmp'], ['node', { cwd: 'plain' }], ['node', { cwd: 'nowhere' }], ['node', { argv0: 'a'.repeat(1 << 20) }], ['node', { uid: 0 }], ['node', { env: { PATH: '/nowhere' } }]]) console.log(cp.spawnSync(c, ['-e', '0'], o).error?.code)"
        ),
        "EACCES\nEACCES\nENOTDIR\nENOENT\nE2BIG\nEPERM\nENOENT\n"
    );
}

#[test]
fn a_child_has_the_environment_directory_and_name_it_is_given() {
    assert_eq!(
        says(
            "process.env.MINE = 'm'; fs.mkdirSync('/tmp/d'); const script = 'console.log(process.env.MINE, process.env.X, process.cwd(), process.argv0)'; \
              console.log(node(['-e', script], { cwd: '/tmp/d', argv0: 'other', env: { X: 'x', PATH: process.env.PATH } }).stdout + node(['-e', script]).stdout)"
        ),
        "undefined x /tmp/d other\nm undefined /home/agent node\n\n".replace(" node\n\n", " /usr/bin/node\n\n")
    );
}

#[test]
fn a_child_that_takes_too_long_is_ended() {
    assert_eq!(
        says(
            "let r = node(['-e', 'console.log(1); setInterval(() => {}, 1000)'], { timeout: 700 }); console.log(r.error.code, r.status, r.signal); \
              r = node(['-e', 'for (;;);'], { timeout: 300, killSignal: 'SIGKILL' }); console.log(r.error.code, r.signal)"
        ),
        "ETIMEDOUT null SIGTERM\nETIMEDOUT SIGKILL\n"
    );
}

#[test]
fn a_child_that_says_too_much_is_ended() {
    assert_eq!(
        says(
            "const r = node(['-e', 'for (;;) console.log(\"x\".repeat(1000))'], { maxBuffer: 5000 }); console.log(r.error.code, r.signal, r.stdout.length >= 5000, r.stdout.length < 200000)"
        ),
        "ENOBUFS SIGTERM true true\n"
    );
}

#[test]
fn a_child_shares_descriptors() {
    let script = "const out = fs.openSync('out', 'w'); \
        const r = node(['-e', 'console.log(\"to a file\"); console.error(\"here\")'], { stdio: ['ignore', out, 'inherit'] }); \
        console.log(r.status, r.stdout, r.stderr, fs.readFileSync('out', 'utf8'))";
    let ended = Place::new().node(&["-e", &format!("{BEGIN}{script}")]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("0 null null to a file\n\n", "here\n"));
}

#[test]
fn a_child_has_no_other_descriptors() {
    assert_eq!(
        says(
            "const a = fs.openSync('a', 'w'), b = fs.openSync('b', 'w'); const script = 'console.log(require(\"fs\").readdirSync(\"/proc/self/fd\").filter((n) => n < 3 || n > 3).join()); require(\"fs\").writeSync(5, \"five\")'; \
              const r = node(['-e', script], { stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'ignore', b] }); console.log(r.stdout, r.stderr, fs.readFileSync('b', 'utf8'))"
        ),
        "0,1,2,5\n  five\n"
    );
}

#[test]
fn a_child_ended_by_a_signal_says_which() {
    assert_eq!(
        says("const r = node(['-e', 'process.kill(process.pid, \"SIGKILL\")']); console.log(r.status, r.signal)"),
        "null SIGKILL\n"
    );
    assert_eq!(
        says(
            "const r = node(['-e', 'process.kill(process.pid, \"SIGINT\"); console.log(\"on\")']); console.log(r.status, r.signal, r.stdout)"
        ),
        "null SIGINT \n"
    );
    assert_eq!(says("const r = node(['-e', 'process.abort()']); console.log(r.status, r.signal)"), "null SIGABRT\n");
}

#[test]
fn a_script_of_a_shell_of_ones_own() {
    let place = Place::new();
    place.file("/home/agent/text", "#!/usr/bin/node\nconsole.log(process.argv.slice(2).join('|'))\n");
    let script = format!(
        "{BEGIN} fs.writeFileSync('shell', fs.readFileSync('text'), {{ mode: 0o755 }}); console.log(cp.execSync('a b > c', {{ shell: './shell', encoding: 'utf8' }}))"
    );
    let ended = place.node(&["-e", &script]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("-c|a b > c\n\n", ""));
}

#[test]
fn a_parent_that_waits_is_ended_with_its_wait() {
    assert_eq!(
        says(
            "const script = 'require(\"child_process\").spawnSync(process.execPath, [\"-e\", \"setInterval(() => {}, 1000)\"])'; \
              const r = node(['-e', script], { timeout: 1500, killSignal: 'SIGTERM' }); console.log(r.error.code, r.signal)"
        ),
        "ETIMEDOUT SIGTERM\n"
    );
}

#[test]
fn children_are_limited_as_the_session_is() {
    let place = Place::with(|template| template.limits.processes = 2);
    let script = "const r = node(['-e', 'console.log(require(\"child_process\").spawnSync(\"node\", [\"-v\"]).error.code)']); \
        console.log(r.stdout, node(['-v']).status, cp.spawnSync('node', [], { stdio: Array(300).fill('pipe') }).error.code)";
    let ended = place.node(&["-e", &format!("{BEGIN}{script}")]);
    assert_eq!(
        (ended.status, ended.out.as_str(), ended.err.as_str()),
        (ExitStatus::Exited(0), "EAGAIN\n 0 E2BIG\n", "")
    );
}

#[test]
fn a_child_is_started_and_its_end_is_told() {
    assert_eq!(
        says(
            "const c = cp.spawn('node', ['-e', 'process.exit(4)'], { stdio: 'inherit' }); console.log(typeof c.pid, c.exitCode, c.spawnfile, c.stdin); \
              c.on('spawn', () => console.log('spawn')); c.on('exit', (...a) => console.log('exit', ...a)); c.on('close', (...a) => console.log('close', ...a, c.exitCode))"
        ),
        "number null node null\nspawn\nexit 4 null\nclose 4 null 4\n"
    );
}

#[test]
fn a_child_that_cannot_be_started_is_told_or_thrown() {
    assert_eq!(
        says(
            "const c = cp.spawn('nosuch', ['x'], { stdio: 'inherit' }); c.on('error', (e) => console.log(e.message, e.code, e.errno, e.path, e.spawnargs.join(), c.pid)); c.on('exit', () => console.log('never')); c.on('close', () => console.log('close'));"
        ),
        "spawn nosuch ENOENT ENOENT -2 nosuch x undefined\nclose\n"
    );
    assert_eq!(
        says(
            "fs.writeFileSync('f', ''); for (const o of [{ cwd: 'f' }, { argv0: 'x'.repeat(1 << 20) }, { uid: 0 }]) try { cp.spawn('node', [], { stdio: 'inherit', ...o }); } catch (e) { console.log(e.message, e.syscall); }"
        ),
        "spawn ENOTDIR spawn\nspawn E2BIG spawn\nspawn EPERM spawn\n"
    );
}

#[test]
fn a_child_is_killed_and_collected_once() {
    assert_eq!(
        says(
            "const c = cp.spawn('node', ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }); console.log(c.kill(0), c.kill('SIGKILL'), c.killed); \
              c.on('exit', (...a) => { console.log(...a, c.kill(), c.kill(0)); console.log(fs.readdirSync('/proc').filter((n) => n == c.pid).length); })"
        ),
        "true true true\nnull SIGKILL false false\n0\n"
    );
}

#[test]
fn a_child_goes_on_without_its_parent() {
    let place = Place::new();
    let script = format!(
        "{BEGIN} const c = cp.spawn('node', ['-e', 'setTimeout(() => require(\"fs\").writeFileSync(\"done\", \"\" + process.ppid), 300)'], {{ detached: true, stdio: 'ignore' }}); c.unref(); console.log('parent')"
    );
    assert_eq!(place.node(&["-e", &script]).out, "parent\n");
    let wait = "const fs = require('fs'); const look = () => fs.existsSync('done') ? console.log(fs.readFileSync('done', 'utf8')) : setTimeout(look, 20); look()";
    assert_eq!(place.node(&["-e", wait]).out, "1\n");
}

#[test]
fn a_detached_child_leads_a_group_of_its_own() {
    assert_eq!(
        says(
            "const script = 'console.log(require(\"fs\").readFileSync(\"/proc/self/stat\", \"utf8\").split(\" \").slice(4, 6).join() === process.pid + \",\" + process.pid)'; \
              cp.spawn('node', ['-e', script], { detached: true, stdio: 'inherit' }).on('exit', () => cp.spawn('node', ['-e', script], { stdio: 'inherit' }))"
        ),
        "true\nfalse\n"
    );
}
