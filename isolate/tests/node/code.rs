//! Code that is kept between programs, whoever runs them.

use crate::harness::{Place, code_counts};
use warren_kernel::process::ExitStatus;

/// A script of some length that is like no other.
fn long(name: &str, line: &str) -> String {
    let mut text = format!("function part{name}() {{ {line} }}\n");
    (0..60).for_each(|index| text += &format!("exports.value{index} = () => '{name}' + {index};\n"));
    text
}

#[test]
fn a_file_is_compiled_once_for_all_sessions_and_each_has_its_own_paths() {
    let text = long("Shared", "throw new Error('here')")
        + "if (process.argv[2]) partShared(); else console.log(exports.value7())";
    let first = Place::new();
    first.file("/home/agent/one/first.js", &text);
    assert_eq!(first.node(&["one/first.js"]).out, "Shared7\n");
    let before = code_counts().found;
    let second = Place::new();
    second.file("/tmp/second.js", &text);
    assert_eq!(second.node(&["/tmp/second.js"]).out, "Shared7\n");
    assert!(code_counts().found > before);
    let ended = second.node(&["/tmp/second.js", "throw"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("at partShared (/tmp/second.js:1:31)"), "{}", ended.err);
    assert!(!ended.err.contains("first.js"), "{}", ended.err);
}

#[test]
fn a_module_is_compiled_once_for_all_sessions() {
    let text = long("Module", "return new Error().stack").replace("exports.", "globalThis.")
        + "export {}; console.log(value7(), partModule().split('\\n')[1].trim())";
    for (index, name) in ["/home/agent/a.mjs", "/tmp/b.mjs", "/tmp/c.mjs"].into_iter().enumerate() {
        let before = code_counts().found;
        let place = Place::new();
        place.file(name, &text);
        let ended = place.node(&[name]);
        assert_eq!(ended.out, format!("Module7 at partModule (file://{name}:1:32)\n"), "{}", ended.err);
        assert!(index == 0 || code_counts().found > before);
    }
}

#[test]
fn texts_that_differ_in_a_lone_surrogate_are_not_taken_for_one_another() {
    // A lossy form of both is the same, and so is their length, which is all that the engine compares.
    let script = "const Module = require('module'); const pad = '//' + 'x'.repeat(4000) + '\\n'; \
                  for (const unit of ['\\ud800', '\\ufffd', '\\udfff']) { const m = new Module('m'); \
                  m._compile(pad + `module.exports = '${unit}'.charCodeAt(0).toString(16)`, '/tmp/m.js'); console.log(m.exports) }";
    for _ in 0..2 {
        assert_eq!(Place::new().node(&["-e", script]).out, "d800\nfffd\ndfff\n");
    }
}

#[test]
fn a_file_that_changes_is_compiled_anew() {
    let place = Place::new();
    for word in ["one", "two", "six"] {
        place.file("/home/agent/a.js", &format!("{}console.log('{word}')", long("Change", "")));
        assert_eq!(place.node(&["a.js"]).out, format!("{word}\n"));
    }
}

#[test]
fn a_program_that_is_killed_or_never_ends_well_leaves_others_as_they_are() {
    let text = long("Exit", "") + "setTimeout(() => process.exit(Number(process.argv[2])), 1)";
    for code in ["3", "0", "4"] {
        let place = Place::new();
        place.file("/home/agent/a.js", &text);
        assert_eq!(place.node(&["a.js", code]).status, ExitStatus::Exited(code.parse().unwrap()));
    }
}

#[test]
fn the_cache_a_program_asks_for_is_told_and_is_not_in_its_files() {
    let place = Place::new();
    let script = "const m = require('module'); const s = m.constants.compileCacheStatus; const one = m.enableCompileCache('/tmp/cc'); \
                  const two = m.enableCompileCache(); m.flushCompileCache(); console.log(one.status === s.ENABLED, one.directory.startsWith('/tmp/cc/v'), \
                  two.status === s.ALREADY_ENABLED, m.getCompileCacheDir() === one.directory, require('fs').existsSync('/tmp/cc'))";
    assert_eq!(place.node(&["-e", script]).out, "true true true true false\n");
    let named = "import { enableCompileCache, getCompileCacheDir, constants } from 'node:module'; \
                 console.log(getCompileCacheDir(), enableCompileCache().status === constants.compileCacheStatus.ENABLED)";
    assert_eq!(place.node(&["--input-type=module", "-e", named]).out, "undefined true\n");
    let disabled =
        "process.env.NODE_DISABLE_COMPILE_CACHE = '1'; console.log(require('module').enableCompileCache().status)";
    assert_eq!(place.node(&["-e", disabled]).out, "3\n");
    let given = Place::with(|template| crate::harness::set(template, "NODE_COMPILE_CACHE=/tmp/own"));
    let script = "const m = require('module'); console.log(m.getCompileCacheDir().startsWith('/tmp/own/'), m.enableCompileCache().status)";
    assert_eq!(given.node(&["-e", script]).out, "true 2\n");
}

#[test]
fn a_program_that_waits_gives_memory_back() {
    let script = "let all = []; for (let i = 0; i < 300; i++) all.push(new Array(1e4).fill(i)); all = null; \
                  const before = process.memoryUsage().heapTotal; \
                  setTimeout(() => console.log(process.memoryUsage().heapTotal < before / 2), 1500)";
    assert_eq!(Place::new().node(&["-e", script]).out, "true\n");
}
