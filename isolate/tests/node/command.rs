//! The command line of `node`.

use crate::harness::{Ended, Place, set};
use warren_kernel::process::ExitStatus;

fn fails(ended: &Ended, code: u8, why: &str) {
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(code), format!("node: {why}\n").as_str()));
}

#[test]
fn options_that_are_none_are_refused_as_node_refuses_them() {
    let place = Place::new();
    fails(&place.node(&["--foo"]), 9, "bad option: --foo");
    fails(&place.node(&["-r"]), 9, "-r requires an argument");
    fails(&place.node(&["-e"]), 9, "-e requires an argument");
    fails(&place.node(&["--env-file=nope", "-e", "0"]), 9, "nope: not found");
    let place = Place::with(|template| set(template, "NODE_OPTIONS=--eval x"));
    fails(&place.node(&["-p", "1"]), 9, "--eval is not allowed in NODE_OPTIONS");
}

#[test]
fn variables_come_from_files_and_those_of_the_process_are_kept() {
    let place = Place::with(|template| set(template, "KEPT=own"));
    place.file(
        "/home/agent/a.env",
        "# a comment\nONE=1\nQUOTED=\"two\\nlines\"\nSINGLE='a # b'\nKEPT=file\nexport SPACED =  x y  # end\n",
    );
    place.file("/home/agent/b.env", "ONE=2\n");
    let script = "const e = process.env; console.log(JSON.stringify([e.ONE, e.QUOTED, e.SINGLE, e.KEPT, e.SPACED, process.execArgv.length]))";
    let ended = place.node(&["--env-file=a.env", "--env-file", "b.env", "--env-file-if-exists=none", "-e", script]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("[\"2\",\"two\\nlines\",\"a # b\",\"own\",\"x y\",6]\n", ""));
    assert_eq!(place.node(&["--env-file=a.env", "-p", "process.env.ONE"]).out, "1\n");
    let load = "process.loadEnvFile('a.env'); console.log(process.env.ONE, process.env.KEPT, require('util').parseEnv('A=b').A)";
    assert_eq!(place.node(&["-e", load]).out, "1 own b\n");
}

#[test]
fn options_of_the_environment_count() {
    let place = Place::with(|template| set(template, "NODE_OPTIONS=--require ./first.js --stack-trace-limit=1"));
    place.file("/home/agent/first.js", "globalThis.first = true");
    let ended = place.node(&["-p", "[first, process.execArgv.length, Error.stackTraceLimit]"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("[ true, 2, 1 ]\n", ""));
}

#[test]
fn a_program_knows_how_it_was_called() {
    let place = Place::new();
    place.file(
        "/home/agent/dir/a.js",
        "console.log(process.argv.join(), process.argv0, process.execArgv.join(), process.execPath)",
    );
    let ended = place.node(&["--no-warnings", "--stack-trace-limit=5", "dir/../dir/a", "--", "-x"]);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("/usr/bin/node,/home/agent/dir/a,--,-x node --no-warnings,--stack-trace-limit=5 /usr/bin/node\n", "")
    );
    assert_eq!(place.node(&["-p", "process.argv.slice(1)", "--", "-a", "b"]).out, "[ '-a', 'b' ]\n");
    let ended = place.node_with(&["-", "one"], "console.log(process.argv.join(), __filename)");
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("/usr/bin/node,one [stdin]\n", ""));
    assert_eq!(place.node_with(&["-p"], "6 * 7").out, "42\n");
}

#[test]
fn a_folder_is_a_program_by_its_package_or_its_index() {
    let place = Place::new();
    place.file("/home/agent/one/package.json", "{\"main\": \"lib/start\"}");
    place.file("/home/agent/one/lib/start.js", "console.log('start', require.main === module, process.argv[1])");
    place.file("/home/agent/two/index.js", "#!/usr/bin/env node\nconsole.log('index', __filename)");
    place.file("/home/agent/three", "#!/usr/bin/env node\nconsole.log('bare', require.main.filename)");
    assert_eq!(place.node(&["one"]).out, "start true /home/agent/one\n");
    assert_eq!(place.node(&["./two"]).out, "index /home/agent/two/index.js\n");
    assert_eq!(place.node(&["three"]).out, "bare /home/agent/three\n");
}

#[test]
fn what_is_required_and_imported_first_runs_in_this_order() {
    let place = Place::new();
    place.file("/home/agent/r.cjs", "console.log('required')");
    place.file("/home/agent/i.mjs", "console.log('imported'); await null; globalThis.ready = 1");
    place.file("/home/agent/main.mjs", "console.log('main', ready)");
    let ended = place.node(&["--import", "./i.mjs", "-r", "./r.cjs", "main.mjs"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("required\nimported\nmain 1\n", ""));
}

#[test]
fn what_is_a_module_is_seen_by_its_syntax() {
    let place = Place::new();
    place.file(
        "/home/agent/a.js",
        "import { sep } from 'node:path'; console.log(sep, typeof require, import.meta.main)",
    );
    place.file("/home/agent/b", "console.log(await 7, import.meta.filename)");
    place.file("/home/agent/c.js", "const module = 1; const require = (x) => x; console.log(require(module)); await 0");
    place.file("/home/agent/d.js", "console.log(typeof require, 'import this, export that')");
    assert_eq!(place.node(&["a.js"]).out, "/ undefined true\n");
    let ended = place.node(&["b"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("7 /home/agent/b\n", ""));
    assert_eq!(place.node(&["c.js"]).out, "1\n");
    assert_eq!(place.node(&["d.js"]).out, "function import this, export that\n");
    assert_eq!(
        place.node(&["-e", "import fs from 'fs'; console.log(typeof fs.readFileSync, import.meta.url)"]).out,
        "function file:///home/agent/[eval1]\n"
    );
    assert_eq!(place.node_with(&[], "export {}; console.log(await 3)").out, "3\n");
    assert_eq!(place.node(&["--input-type=module", "-e", "console.log(typeof require)"]).out, "undefined\n");
    let ended = place.node(&["--input-type=commonjs", "-e", "import fs from 'fs'"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(ended.err.contains("SyntaxError: Cannot use import statement outside a module"), "{}", ended.err);
    assert_eq!(place.node(&["-e", "import('node:path').then((p) => console.log(p.sep))"]).out, "/\n");
}

#[test]
fn a_script_can_be_checked_without_running_it() {
    let place = Place::new();
    place.file("/home/agent/good.js", "console.log('ran')");
    place.file("/home/agent/good.mjs", "import './nowhere.mjs'; await 1");
    place.file("/home/agent/either.js", "export const x = 1");
    place.file("/home/agent/bad.js", "let x = ;\n");
    for name in ["good.js", "good.mjs", "either.js"] {
        let ended = place.node(&["--check", name]);
        assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (ExitStatus::Exited(0), "", ""), "{name}");
    }
    let ended = place.node(&["-c", "bad.js"]);
    assert_eq!(ended.status, ExitStatus::Exited(1));
    assert!(
        ended.err.starts_with("/home/agent/bad.js:1\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n"),
        "{}",
        ended.err
    );
}

#[test]
fn conditions_choose_among_a_packages_exports() {
    let place = Place::new();
    place.file(
        "/home/agent/node_modules/p/package.json",
        "{\"exports\": {\"special\": \"./s.js\", \"default\": \"./d.js\"}}",
    );
    place.file("/home/agent/node_modules/p/s.js", "module.exports = 's'");
    place.file("/home/agent/node_modules/p/d.js", "module.exports = 'd'");
    let script = "console.log(require('p'))";
    assert_eq!(place.node(&["-e", script]).out, "d\n");
    assert_eq!(place.node(&["-C", "special", "-e", script]).out, "s\n");
    assert_eq!(
        place.node(&["--conditions=special", "--input-type=module", "-e", "import p from 'p'; console.log(p)"]).out,
        "s\n"
    );
}
