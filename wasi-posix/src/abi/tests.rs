use super::{FUNCTIONS, SPAWN_V4, Support};
use crate::engine::{EngineOptions, Wasm};
use std::collections::BTreeSet;

#[test]
fn no_function_is_in_the_table_twice() {
    let mut seen = BTreeSet::new();
    for function in FUNCTIONS.iter().chain([&SPAWN_V4]) {
        assert!(seen.insert((function.module, function.name)), "{}.{} twice", function.module, function.name);
    }
}

#[test]
fn every_function_links() {
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = EngineOptions { processes: 1, ..EngineOptions::default() };
    Wasm::new(&options, executor.handle().clone()).unwrap();
}

/// The reasons are cells of a table on the compatibility page.
#[test]
fn reasons_are_given_and_fit_a_cell() {
    for function in FUNCTIONS {
        if let Support::Partial(reason) | Support::Refused(reason) = function.support {
            assert!(!reason.is_empty() && !reason.contains(['|', '\n']), "{}.{}", function.module, function.name);
        }
    }
}

/// wasi_unstable has what preview1 has but sock_accept, which is younger.
#[test]
fn the_predecessor_has_the_same_functions() {
    let names =
        |module| FUNCTIONS.iter().filter(move |it| it.module == module).map(|it| it.name).collect::<BTreeSet<_>>();
    let (new, old) = (names("wasi_snapshot_preview1"), names("wasi_unstable"));
    assert_eq!(new.difference(&old).collect::<Vec<_>>(), [&"sock_accept"]);
    assert!(old.is_subset(&new));
}
