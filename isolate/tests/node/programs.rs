//! The `node` command: what it runs, and how that ends.

use crate::harness::{Place, printed};
use warren_kernel::process::ExitStatus;

#[test]
fn a_script_of_the_command_line_runs() {
    assert_eq!(printed("console.log(2n**64n, process.version)"), "18446744073709551616n v26.5.1\n");
}

#[test]
fn what_a_script_comes_to_is_printed() {
    let ended = Place::new().node(&["-p", "[process.argv.length, process.argv[1], typeof require, __filename]", "one"]);
    assert_eq!(ended.out, "[ 2, 'one', 'function', '[eval]' ]\n");
}

#[test]
fn files_are_read_and_written_in_the_session_alone() {
    let place = Place::new();
    place.file("/home/agent/in.txt", "words");
    let script = "const fs = require('node:fs'); fs.writeFileSync('out.txt', fs.readFileSync('in.txt', 'utf8') + '!'); \
                  console.log(fs.readdirSync('.').join(), fs.existsSync('/root/.cargo'), fs.statSync('out.txt').size)";
    let ended = place.node(&["-e", script]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("in.txt,out.txt false 6\n", ""));
}

#[test]
fn a_program_of_commonjs_requires_its_neighbours() {
    let place = Place::new();
    place.file(
        "/home/agent/a.js",
        "const b = require('./lib/b'); console.log(b.name, require.main === module, __dirname)",
    );
    place.file("/home/agent/lib/b.js", "exports.name = require('./c.json').name");
    place.file("/home/agent/lib/c.json", "{\"name\": \"c\"}");
    let ended = place.node(&["a.js"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("c true /home/agent\n", ""));
}

#[test]
fn a_module_imports_packages_by_their_exports() {
    let place = Place::new();
    place.file("/home/agent/main.mjs", "import { readFileSync } from 'node:fs'; import one, { two } from 'pack'; import sub from 'pack/sub'; import data from './d.json' with { type: 'json' };\n console.log(one, two, sub, data.x, import.meta.url, typeof readFileSync, (await import('./late.cjs')).default.late)");
    place.file("/home/agent/d.json", "{\"x\": 7}");
    place.file("/home/agent/late.cjs", "exports.late = 'late'");
    place.file("/home/agent/node_modules/pack/package.json", "{\"name\":\"pack\",\"exports\":{\".\":{\"import\":\"./i.mjs\",\"require\":\"./r.cjs\"},\"./sub\":\"./sub.cjs\"}}");
    place.file("/home/agent/node_modules/pack/i.mjs", "export default 1; export const two = 2;");
    place.file("/home/agent/node_modules/pack/sub.cjs", "module.exports = 'sub'");
    let ended = place.node(&["main.mjs"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("1 2 sub 7 file:///home/agent/main.mjs function late\n", ""));
}

#[test]
fn types_are_stripped() {
    let place = Place::new();
    place.file(
        "/home/agent/a.ts",
        "import { b } from './b.ts'; interface X { y: number } const x: X = { y: b as number }; console.log(x.y)",
    );
    place.file("/home/agent/b.ts", "export const b: unknown = 5;");
    let ended = place.node(&["a.ts"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("5\n", ""));
}

#[test]
fn standard_input_is_a_script_or_is_read_by_one() {
    let place = Place::new();
    assert_eq!(place.node_with(&[], "console.log('from', 'input')").out, "from input\n");
    let script =
        "let all = ''; process.stdin.on('data', (d) => all += d).on('end', () => console.log(all.toUpperCase()))";
    let ended = place.node_with(&["-e", script], "in");
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("IN\n", ""));
    assert_eq!(place.node_with(&["-p", "require('fs').readFileSync(0, 'utf8')"], "sync").out, "sync\n");
}

#[test]
fn a_program_ends_with_its_code() {
    let place = Place::new();
    assert_eq!(place.node(&["-e", "process.exit(7)"]).status, ExitStatus::Exited(7));
    assert_eq!(place.node(&["-e", "process.exitCode = 3; setTimeout(() => {}, 5)"]).status, ExitStatus::Exited(3));
    let ended = place.node(&["-e", "process.on('exit', (c) => console.log('bye', c)); process.exit(2)"]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(2), "bye 2\n"));
    let ended = place.node(&["--nonsense"]);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(9), "node: bad option: --nonsense\n"));
}

#[test]
fn an_error_nobody_catches_is_told_as_node_tells_it() {
    let place = Place::new();
    place.file("/home/agent/e.js", "\nthrow new TypeError('broken')\n");
    let ended = place.node(&["e.js"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(
        ended.err.starts_with("/home/agent/e.js:2\nthrow new TypeError('broken')\n^\n\nTypeError: broken\n    at "),
        "{}",
        ended.err
    );
    assert!(ended.err.ends_with("\n\nNode.js v26.5.1\n"), "{}", ended.err);
    let ended = place.node(&["-e", "Promise.reject(new Error('lost'))"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("Error: lost"), "{}", ended.err);
    let ended = place.node(&["-e", "process.on('uncaughtException', (e) => { console.log('got', e.message); }); setTimeout(() => console.log('on'), 5); throw new Error('x')"]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "got x\non\n"));
}

#[test]
fn an_error_of_a_programs_first_turn_is_told_wherever_it_is_thrown() {
    let place = Place::new();
    for thrown in [
        "process.nextTick(() => { throw new Error('lost'); })",
        "(async () => { await require('fs').promises.readFile('/etc/passwd'); throw new Error('lost'); })()",
        "require('dns').lookup('localhost', () => { throw new Error('lost'); })",
    ] {
        place.file("/home/agent/e.js", thrown);
        let ended = place.node(&["e.js"]);
        assert_eq!(ended.status, ExitStatus::Exited(1));
        assert!(ended.err.contains("Error: lost"), "{thrown}: {}", ended.err);
    }
}

#[test]
fn the_environment_is_the_processs_own() {
    let place = Place::new();
    let ended = place.node(&["-p", "process.env.HOME + process.env.CARGO_HOME + (process.env.X = 'y') + process.env.X + process.cwd() + process.pid"]);
    assert!(ended.out.starts_with("/home/agentundefinedyy/home/agent"), "{ended:?}");
}

#[test]
fn pure_modules_work() {
    assert_eq!(
        printed(
            "const c = require('crypto'); console.log(c.createHash('sha256').update('a').digest('hex').slice(0, 8), require('path').join('a', '..', 'b'), Buffer.from('hi').toString('base64'), require('util').inspect({ a: [1] }), require('zlib').gunzipSync(require('zlib').gzipSync('z')).toString(), new URL('http://a/b?c').search, structuredClone({ d: 1 }).d)"
        ),
        "ca978112 b aGk= { a: [ 1 ] } z ?c 1\n"
    );
    assert_eq!(
        printed(
            "console.log(new Intl.NumberFormat('de').format(1234.5), typeof Deno, typeof __bootstrap, typeof bootstrap)"
        ),
        "1.234,5 undefined undefined undefined\n"
    );
}

#[test]
fn timers_are_never_early_however_long_the_isolate_waited_for_its_program() {
    let script = "const began = performance.now(); let inner; \
                  setTimeout(() => { inner = performance.now(); setTimeout(() => { const now = performance.now(); \
                  console.log(now - began >= 59, now - inner >= 29) }, 30) }, 30)";
    assert_eq!(printed(script), "true true\n");
}
