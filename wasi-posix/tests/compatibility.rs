//! `docs/compatibility.md` says what the table of functions says: no more, no less.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;
use warren_wasi_posix::abi::{FUNCTIONS, SPAWN_V4, Support};

/// Rows `| `name` | full, partial or refused | reason |` below each `## module`.
fn documented(text: &str) -> BTreeMap<(String, String), (String, String)> {
    let mut rows = BTreeMap::new();
    let mut module = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            module = heading.trim().trim_matches('`').to_owned();
            continue;
        }
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(name) = cells.first().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`')) else { continue };
        let Some(support @ ("full" | "partial" | "refused")) = cells.get(1).copied() else { continue };
        let reason = cells.get(2).copied().unwrap_or_default().trim_end_matches('|').trim().to_owned();
        let row = rows.insert((module.clone(), name.to_owned()), (support.to_owned(), reason));
        assert!(row.is_none(), "`{module}.{name}` is there twice");
    }
    rows
}

fn table() -> BTreeMap<(String, String), (String, String)> {
    let row = |function: &warren_wasi_posix::abi::Function| {
        let (support, reason) = match function.support {
            Support::Full => ("full", ""),
            Support::Partial(reason) => ("partial", reason),
            Support::Refused(reason) => ("refused", reason),
        };
        ((function.module.to_owned(), function.name.to_owned()), (support.to_owned(), reason.to_owned()))
    };
    FUNCTIONS.iter().chain([&SPAWN_V4]).map(row).collect()
}

#[test]
fn the_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (documented, table) = (documented(&text), table());
    let mut wrong = Vec::new();
    for (key @ (module, name), row) in &table {
        match documented.get(key) {
            None => wrong.push(format!("`{module}.{name}` is not on the page: {row:?}")),
            Some(found) if found != row => {
                wrong.push(format!("`{module}.{name}`: {found:?} on the page, {row:?} in the table"))
            }
            Some(_) => {}
        }
    }
    for (module, name) in documented.keys().filter(|key| !table.contains_key(*key)) {
        wrong.push(format!("`{module}.{name}` is on the page and not in the table"));
    }
    assert!(wrong.is_empty(), "docs/compatibility.md:\n{}", wrong.join("\n"));
}
