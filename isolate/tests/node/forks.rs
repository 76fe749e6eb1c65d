//! `child_process.fork`: node programs that send each other messages.

use crate::harness::{Ended, Place};
use warren_kernel::process::ExitStatus;

/// Runs `parent`, which has `child.js` beside it.
fn run(parent: &str, child: &str) -> Ended {
    let place = Place::new();
    place.file("/home/agent/child.js", child);
    place.node(&["-e", &format!("const cp = require('child_process'); {parent}")])
}

fn says(parent: &str, child: &str) -> String {
    let ended = run(parent, child);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(0), ""), "{ended:?}");
    ended.out
}

#[test]
fn messages_go_back_and_forth() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js', ['word']); c.on('message', (n) => { if (n === 'word') return c.send(0); if (n < 1000) c.send(n); else { console.log(n); c.disconnect(); } }); \
             c.on('exit', (...a) => console.log(...a, c.connected))",
            "process.on('message', (n) => process.send(n + 1)); process.send(process.argv[2])"
        ),
        "1000\n0 null false\n"
    );
}

#[test]
fn messages_are_values_of_json() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js'); c.on('message', (m) => { console.log(JSON.stringify(m), m instanceof Object); c.disconnect(); }); \
             c.send({ a: [1, 'ü', null], when: new Date(0), none: undefined, to: { toJSON: () => 'json' } })",
            "process.on('message', (m) => process.send(m))"
        ),
        "{\"a\":[1,\"ü\",null],\"when\":\"1970-01-01T00:00:00.000Z\",\"to\":\"json\"} true\n"
    );
}

#[test]
fn messages_are_structured_values_if_asked_for() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js', { serialization: 'advanced' }); c.on('message', (m) => { console.log(m.map.get(1n), m.when.getTime(), m.bytes instanceof Uint8Array, [...m.bytes].join(), m.self === m, 'none' in m); c.disconnect(); }); \
             const m = { map: new Map([[1n, 'one']]), when: new Date(5), bytes: Buffer.from('hi'), none: undefined }; m.self = m; c.send(m)",
            "process.on('message', (m) => process.send(m))"
        ),
        "one 5 true 104,105 true true\n"
    );
}

#[test]
fn a_large_message_arrives_whole_and_in_its_order() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js'); const big = 'x'.repeat(3 << 20); const got = []; c.on('message', (m) => { got.push(m.length ?? m); if (got.length === 3) { console.log(got.join()); c.disconnect(); } }); \
             c.send(1, () => console.log('sent')); c.send(big); c.send(2)",
            "process.on('message', (m) => process.send(m))"
        ),
        "sent\n1,3145728,2\n"
    );
}

#[test]
fn a_channel_ends_from_either_side() {
    let said = says(
        "const c = cp.fork('./child.js'); c.on('disconnect', () => { console.log('parent', c.connected); c.send('x', (e) => console.log(e.code)); }); c.on('close', (...a) => console.log('close', ...a))",
        "process.on('disconnect', () => console.log('child', process.connected)); process.disconnect(); try { process.disconnect() } catch (e) { console.log(e.code) }",
    );
    let mut lines: Vec<_> =
        said.lines().filter(|line| !line.starts_with("child") && *line != "ERR_IPC_DISCONNECTED").collect();
    // A busy parent learns of the child's end and of the channel's at once.
    lines.sort_unstable();
    assert_eq!(lines, ["ERR_IPC_CHANNEL_CLOSED", "close 0 null", "parent false"]);
}

#[test]
fn a_child_that_ends_ends_its_channel() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js'); const order = []; for (const e of ['message', 'disconnect', 'exit', 'close']) c.on(e, (v) => order.push(e + ':' + v)); process.on('exit', () => console.log(order.sort().join()))",
            "process.send('last'); process.exit(6)"
        ),
        "close:6,disconnect:undefined,exit:6,message:last\n"
    );
}

#[test]
fn a_child_that_waits_for_nothing_ends() {
    assert_eq!(
        says(
            "cp.fork('./child.js').on('exit', (c) => console.log('exit', c))",
            "console.log(typeof process.send, process.connected, process.env.NODE_CHANNEL_FD)"
        ),
        "function true undefined\nexit 0\n"
    );
}

#[test]
fn a_program_that_was_not_forked_has_no_channel() {
    assert_eq!(
        says("console.log(process.send, process.connected, process.disconnect)", ""),
        "undefined undefined undefined\n"
    );
}

#[test]
fn a_child_of_a_forked_child_has_no_channel() {
    assert_eq!(
        says(
            "cp.fork('./child.js')",
            "console.log(String(require('child_process').execFileSync(process.execPath, ['-p', 'typeof process.send + Object.keys(process.env).filter((k) => k.startsWith(\"NODE\"))'])).trim())"
        ),
        "undefined\n"
    );
}

#[test]
fn what_is_no_message_is_an_error() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js'); const m = {}; m.m = m; for (const bad of [undefined, Symbol(), () => {}, m, { n: 1n }]) try { c.send(bad); } catch (e) { console.log(e.code ?? e.name); } c.disconnect()",
            "process.on('message', () => {})"
        ),
        "ERR_MISSING_ARGS\nERR_INVALID_ARG_TYPE\nERR_INVALID_ARG_TYPE\nTypeError\nTypeError\n"
    );
}

#[test]
fn options_of_node_are_the_childs_too() {
    assert_eq!(
        says(
            "const c = cp.fork('./child.js', ['a', 'b'], { execArgv: ['--no-warnings'], env: { ONE: '1', PATH: process.env.PATH }, cwd: '/home/agent' }); c.on('message', (m) => { console.log(JSON.stringify(m)); c.disconnect(); })",
            "process.on('message', () => {}); process.send([process.argv.slice(2), process.execArgv, process.env.ONE, Object.keys(process.env).sort()])"
        ),
        "[[\"a\",\"b\"],[\"--no-warnings\"],\"1\",[\"ONE\",\"PATH\"]]\n"
    );
}
