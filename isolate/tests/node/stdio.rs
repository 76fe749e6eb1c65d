//! Standard streams: pipes, files and terminals.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

#[test]
fn input_is_a_socket_that_is_read_when_it_is_wanted() {
    let place = Place::new();
    let kinds =
        "console.log(process.stdin.constructor.name, process.stdin.isTTY, process.stdout.isTTY, process.stdin.fd)";
    assert_eq!(place.node_with(&["-e", kinds], "never read").out, "Socket undefined undefined 0\n");
    let lines = "const rl = require('readline').createInterface({ input: process.stdin }); \
                 rl.on('line', (l) => console.log('<' + l + '>')).on('close', () => console.log('closed'));";
    assert_eq!(place.node_with(&["-e", lines], "one\ntwo\nlast").out, "<one>\n<two>\n<last>\nclosed\n");
    let part = "process.stdin.once('data', (d) => { process.stdin.pause(); console.log(String(d)); })";
    assert_eq!(place.node_with(&["-e", part], "first").out, "first\n");
}

#[test]
fn what_a_program_does_not_read_is_left_for_its_child() {
    let script = "const cp = require('child_process'); process.stdin.resume(); process.stdin.pause();\n\
                  setImmediate(() => cp.spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { stdio: 'inherit' }).on('exit', (c) => console.log(c)));";
    assert_eq!(Place::new().node_with(&["-e", script], "for the child\n").out, "for the child\n0\n");
}

#[test]
fn much_output_arrives_whole_at_a_slow_reader() {
    let script = "const cp = require('child_process');\n\
        if (process.argv[1] === 'writer') { const b = Buffer.alloc(1 << 20, 'x'); for (let i = 0; i < 4; i++) process.stdout.write(b); process.stdout.write('end\\n', () => process.exit(3)); return; }\n\
        const child = cp.spawn(process.execPath, ['-e', process._eval, 'writer']); let n = 0, last = '';\n\
        child.stdout.on('data', (d) => { n += d.length; last = String(d.subarray(-4)); child.stdout.pause(); setTimeout(() => child.stdout.resume(), 1); });\n\
        child.on('close', (code) => console.log(n, JSON.stringify(last), code));";
    let script = format!("(function () {{ {script} }})()");
    assert_eq!(printed(&script), "4194308 \"end\\n\" 3\n");
}

#[test]
fn a_terminal_has_a_size_raw_keys_and_is_left_as_it_was() {
    let script = "const out = process.stdout; console.log(out.isTTY, process.stdin.isTTY, out.columns, out.rows, out.constructor.name);\n\
        process.stdin.setRawMode(true); console.log('ready', process.stdin.isRaw);\n\
        process.stdin.on('data', (d) => { console.log(JSON.stringify(String(d))); if (String(d) === 'q') { process.stdin.setRawMode(false); console.log('cooked', process.stdin.isRaw); process.stdin.pause(); } });\n\
        out.on('resize', () => console.log('resized', out.columns, out.rows));";
    let screen = Place::new().on_terminal(
        &["-e", script],
        &[("ready true", b"\x03"), ("\\u0003", b"a"), ("\"a\"", b""), ("resized 100 30", b"q")],
    );
    assert!(screen.out.starts_with("true true 80 24 WriteStream\r\n"), "{screen:?}");
    assert!(screen.out.ends_with("\"q\"\r\ncooked false\r\n"), "{screen:?}");
    assert_eq!(screen.status, ExitStatus::Exited(0));
}
