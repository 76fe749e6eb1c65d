//! `docs/node-compatibility.md` says of each module what a session says of it.
//!
//! A row of its table is `| module | state | missing | notes |`. The first three are checked: whether `require` gives the module,
//! or the code it is refused with, and which names Node's own module has beside.

use crate::harness::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Prints a line for each module: its name, `ok` or the code of an error, and the names it exports.
const LIST: &str = "
for (const name of require('module').builtinModules) {
  try {
    const names = Reflect.ownKeys(require(name)).filter((key) => typeof key === 'string' && !key.startsWith('_'));
    console.log([name, 'ok', names.join(' ')].join('\\t'));
  } catch (error) {
    console.log([name, error.code ?? error.name, ''].join('\\t'));
  }
}";

/// Modules that are there and whose purpose is refused: what asks for it, and throws.
const REFUSED: &[(&str, &str)] = &[
    ("inspector", "require('inspector').open()"),
    ("inspector/promises", "new (require('inspector/promises').Session)().connect()"),
    ("node:sqlite", "new (require('node:sqlite').DatabaseSync)(':memory:')"),
    ("wasi", "new (require('wasi').WASI)({ version: 'preview1' }).getImportObject()"),
    ("worker_threads", "new (require('worker_threads').Worker)('0', { eval: true })"),
];

/// What a module has: the names it exports, or the code of the error it is refused with.
type Modules = BTreeMap<String, Result<BTreeSet<String>, String>>;

fn parsed(lines: &str) -> Modules {
    let mut modules = Modules::new();
    for line in lines.lines() {
        let [name, state, names] = line.splitn(3, '\t').collect::<Vec<_>>().try_into().unwrap();
        let names = names.split_whitespace().map(str::to_owned).collect();
        modules.insert(name.to_owned(), if state == "ok" { Ok(names) } else { Err(state.to_owned()) });
    }
    modules
}

fn of_session() -> Modules {
    let place = Place::new();
    let mut modules = parsed(&place.node(&["-e", LIST]).out);
    for (module, asks) in REFUSED {
        let script =
            format!("try {{ {asks}; console.log('works') }} catch (error) {{ console.log(error.code ?? error.name) }}");
        let said = place.node(&["-e", &script]).out.trim().to_owned();
        assert_ne!(said, "works", "{module} is not refused any more");
        modules.insert((*module).to_owned(), Err(said));
    }
    modules
}

/// The first three cells of each row.
fn rows() -> BTreeMap<String, (String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/node-compatibility.md");
    let text = std::fs::read_to_string(page).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut found = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let &[module, state, missing, _] = cells.as_slice() else { panic!("a row has four cells: {row}") };
        let before = found.insert(module.trim_matches('`').to_owned(), (state.to_owned(), missing.to_owned()));
        assert!(before.is_none(), "{module} has two rows");
    }
    found
}

#[test]
fn the_page_says_what_is_refused() {
    let modules = of_session();
    for (module, (state, _)) in rows() {
        let expected = match modules.get(&module) {
            Some(Ok(_)) => "",
            Some(Err(code)) => code,
            None => "MODULE_NOT_FOUND",
        };
        let said = state.strip_prefix("refused, ").unwrap_or_default().trim_matches('`');
        assert_eq!(said, expected, "the state of {module} in docs/node-compatibility.md");
    }
}

#[test]
fn the_page_says_what_is_missing() {
    let listed = warren_pinned_npm::pinned_node().and_then(|node| {
        Command::new(node).args(["--no-warnings", "-e", LIST]).output().map_err(|why| why.to_string())
    });
    let node = match listed {
        Ok(listed) => parsed(&String::from_utf8(listed.stdout).unwrap()),
        Err(why) => return warren_pinned_npm::skipped("what the modules of sessions lack", &why),
    };
    let (ours, rows) = (of_session(), rows());
    let mut wrong = Vec::new();
    for (module, theirs) in &node {
        let theirs = theirs.as_ref().unwrap();
        let (state, missing) = match ours.get(module) {
            None => ("refused, `MODULE_NOT_FOUND`".to_owned(), String::new()),
            Some(Err(code)) => (format!("refused, `{code}`"), String::new()),
            Some(Ok(names)) => {
                let missing: Vec<String> = theirs.difference(names).map(|name| format!("`{name}`")).collect();
                (if missing.is_empty() { "works" } else { "partly" }.to_owned(), missing.join(", "))
            }
        };
        if rows.get(module) != Some(&(state.clone(), missing.clone())) {
            wrong.push(format!("| `{module}` | {state} | {missing} |  |"));
        }
    }
    wrong.extend(rows.keys().filter(|module| !node.contains_key(*module)).map(|module| format!("no module: {module}")));
    assert!(wrong.is_empty(), "docs/node-compatibility.md has to say, with notes of its own:\n{}", wrong.join("\n"));
}
