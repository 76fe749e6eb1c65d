//! What a program says that ends with an error.

use crate::harness::Place;
use warren_kernel::process::ExitStatus;

/// What it says, from the first line on; it ends with 1.
fn said(place: &Place, words: &[&str], begin: &str) -> String {
    let ended = place.node(words);
    assert_eq!(ended.status, ExitStatus::Exited(1), "{ended:?}");
    assert!(ended.err.starts_with(begin), "{words:?} {}\nwanted: {begin}", ended.err);
    assert!(ended.err.ends_with("\n\nNode.js v26.5.1\n"), "{}", ended.err);
    assert!(!ended.err.contains("ext:"), "{}", ended.err);
    ended.err
}

#[test]
fn commonjs_is_named_by_its_path_and_a_module_by_its_url() {
    let place = Place::new();
    place.file("/home/agent/a.js", "function f() { throw new TypeError('broken') }\nf()\n");
    let begin = "/home/agent/a.js:1\nfunction f() { throw new TypeError('broken') }\n               ^\n\n\
                 TypeError: broken\n    at f (/home/agent/a.js:1:22)\n    at Object.<anonymous> (/home/agent/a.js:2:1)\n    \
                 at Module._compile (node:internal/modules/cjs/loader:";
    said(&place, &["a.js"], begin);
    place.file("/home/agent/f.mjs", "\nthrow new Error(\"x\")");
    said(
        &place,
        &["f.mjs"],
        "file:///home/agent/f.mjs:2\nthrow new Error(\"x\")\n      ^\n\nError: x\n    at file:///home/agent/f.mjs:2:7\n",
    );
    said(
        &place,
        &["-e", "\nthrow new Error('e')"],
        "[eval]:2\nthrow new Error('e')\n^\n\nError: e\n    at [eval]:2:7\n",
    );
}

#[test]
fn what_an_error_has_and_what_caused_it_are_told() {
    let place = Place::new();
    place.file("/home/agent/a.js", "throw Object.assign(new Error('a'), { code: 'X', cause: new RangeError('deep') })");
    let err = said(&place, &["a.js"], "/home/agent/a.js:1\n");
    assert!(err.contains(" {\n  code: 'X',\n  "), "{err}");
    assert!(err.contains("cause: RangeError: deep\n      at Object.<anonymous> (/home/agent/a.js:1:"), "{err}");
}

#[test]
fn what_is_thrown_need_not_be_an_error() {
    let place = Place::new();
    place.file("/home/agent/b.js", "throw 5");
    let hint = "(Use `node --trace-uncaught ...` to show where the exception was thrown)\n\nNode.js v26.5.1\n";
    assert_eq!(said(&place, &["b.js"], "\n"), format!("\n/home/agent/b.js:1\nthrow 5\n^\n5\n{hint}"));
    assert_eq!(said(&place, &["-e", "throw 5"], "\n"), format!("\n[eval]:1\nthrow 5\n^\n5\n{hint}"));
    assert_eq!(said(&place, &["-e", "throw {a:1}"], "["), "[eval]:1\nthrow {a:1}\n^\n\n{ a: 1 }\n\nNode.js v26.5.1\n");
}

#[test]
fn a_promise_nobody_cares_for_ends_the_program() {
    let place = Place::new();
    place.file("/home/agent/c.js", "Promise.reject(new Error(\"q\"))\n");
    let begin = "/home/agent/c.js:1\nPromise.reject(new Error(\"q\"))\n               ^\n\nError: q\n    at Object.<anonymous> (/home/agent/c.js:1:16)\n";
    said(&place, &["c.js"], begin);
    let err = said(&place, &["-e", "Promise.reject(7)"], "node:internal/");
    assert!(
        err.contains("UnhandledPromiseRejection: This error originated either by throwing inside of an async function"),
        "{err}"
    );
    assert!(
        err.contains("The promise rejected with the reason \"7\".\n")
            && err.contains("  code: 'ERR_UNHANDLED_REJECTION'\n}"),
        "{err}"
    );
    let script = "Promise.reject(new Error('q')); setTimeout(() => console.log('on'), 5)";
    assert_eq!(place.node(&["--unhandled-rejections=none", "-e", script]).out, "on\n");
    let ended = place.node(&["--unhandled-rejections=warn", "-e", script]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "on\n"));
    assert!(ended.err.contains("UnhandledPromiseRejectionWarning: Error: q"), "{}", ended.err);
}

#[test]
fn errors_of_later_turns_are_told_too() {
    let place = Place::new();
    for (script, text) in [
        (
            "process.nextTick(() => { throw new Error('t') })",
            "[eval]:1\nprocess.nextTick(() => { throw new Error('t') })\n                         ^\n\nError: t\n    at [eval]:1:32\n",
        ),
        (
            "setTimeout(() => { throw new Error('t') }, 1)",
            "[eval]:1\nsetTimeout(() => { throw new Error('t') }, 1)\n                   ^\n\nError: t\n    at ",
        ),
    ] {
        said(&place, &["-e", script], text);
    }
}

#[test]
fn a_script_that_is_none_is_told_where() {
    let place = Place::new();
    place.file("/home/agent/d.js", "let x = ;\n");
    said(&place, &["d.js"], "/home/agent/d.js:1\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n    at ");
    said(&place, &["-e", "let y = ;"], "[eval]:1\nlet y = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n");
    place.file("/home/agent/e.mjs", "import {nope} from \"fs\";\n");
    let begin = "file:///home/agent/e.mjs:1\nimport {nope} from \"fs\";\n        ^^^^\nSyntaxError: The requested module 'fs' does not provide an export named 'nope'\n";
    said(&place, &["e.mjs"], begin);
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let err = said(&Place::new(), &["nope.js"], "node:internal/modules/cjs/loader:");
    assert!(err.contains("\nError: Cannot find module '/home/agent/nope.js'\n    at "), "{err}");
    assert!(err.contains(" {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n"), "{err}");
}

#[test]
fn a_module_that_waits_for_ever_ends_with_13() {
    let place = Place::new();
    place.file(
        "/home/agent/g.mjs",
        "process.on('exit', (code) => console.log('exit', code));\nawait new Promise(() => {})",
    );
    let ended = place.node(&["g.mjs"]);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(13), "exit 13\n"));
    assert!(ended.err.starts_with("Warning: Detected unsettled top-level await"), "{}", ended.err);
}

#[test]
fn typescript_keeps_its_lines_and_columns() {
    let place = Place::new();
    place.file("/home/agent/a.ts", "interface A {\n  x: number;\n}\nconst f = (a: A): never => { throw new Error(`${a.x}`) };\nf({ x: 1 } as A);\n");
    let err = said(&place, &["a.ts"], "/home/agent/a.ts:4\n");
    assert!(
        err.contains("Error: 1\n    at f (/home/agent/a.ts:4:36)\n    at Object.<anonymous> (/home/agent/a.ts:5:1)\n"),
        "{err}"
    );
    place.file("/home/agent/e.ts", "enum E { A }");
    let ended = place.node(&["e.ts"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("enum is not supported in strip-only mode"), "{}", ended.err);
}

#[test]
fn a_program_makes_its_own_stacks() {
    let place = Place::new();
    let script = "Error.prepareStackTrace = (e, sites) => sites[0].getFileName() + ':' + sites[0].getLineNumber() + ' ' + e.message; \
                  console.log(new Error('m').stack)";
    place.file("/home/agent/a.js", script);
    place.file("/home/agent/b.mjs", script);
    assert_eq!(place.node(&["a.js"]).out, "/home/agent/a.js:1 m\n");
    assert_eq!(place.node(&["b.mjs"]).out, "file:///home/agent/b.mjs:1 m\n");
    let limited = "function f(n) { return n ? f(n - 1) : new Error('x').stack.split('\\n').length } console.log(f(50))";
    assert_eq!(place.node(&["--stack-trace-limit=3", "-e", limited]).out, "4\n");
    assert_eq!(place.node(&["-e", "Error.captureStackTrace(globalThis.o = { name: 'N', message: 'm' }); console.log(o.stack.split('\\n').slice(0, 2).join('|'))"]).out, "N: m|    at [eval]:1:7\n");
}
