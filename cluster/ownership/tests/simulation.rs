//! Clusters from seeds: what must hold holds, and what can happen happened. `OWNERSHIP_SEEDS=FROM..TO` runs others.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::ops::Range;
use warren_ownership::record;
use warren_ownership::rule::{Rule, Rules};
use warren_ownership::simulation::{COMMANDS_MIN, Coverage, EFFECTS, FAILURES, Plan, run, shrink};

fn seeds() -> Range<u64> {
    let given = std::env::var("OWNERSHIP_SEEDS").unwrap_or_else(|_| "0..10000".to_owned());
    let (from, to) = given.split_once("..").expect("OWNERSHIP_SEEDS is FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn every_seed_holds() {
    let (mut coverage, mut failed, mut steps) = (Coverage::default(), Vec::new(), 0);
    for seed in seeds() {
        let plan = Plan::of(seed);
        assert!(!plan.faults.is_empty() && plan.commands.len() as u64 >= COMMANDS_MIN, "seed {seed}");
        let outcome = run(&plan, Rules::ALL, false);
        coverage.add(&outcome.coverage);
        steps += outcome.steps;
        if let Some((at, violation)) = outcome.violation {
            failed.push(format!("seed {seed}, at {at} ms: {violation}"));
        }
    }
    println!("{coverage}{} seeds, {steps} steps", seeds().count());
    assert!(failed.is_empty(), "{}\n(see it: simulate SEED --shrink)", failed.join("\n"));
    if seeds().count() >= 10_000 {
        covers(&coverage);
    }
}

/// Every kind of fault, every change of a record, and a death at every kind of effect.
fn covers(coverage: &Coverage) {
    let mut missing: Vec<String> = Vec::new();
    let mut wanted = |table: &'static str, line: String| {
        if coverage.times(table, &line) == 0 {
            missing.push(format!("{table}: {line}"));
        }
    };
    for kind in FAILURES {
        wanted("faults", (*kind).to_owned());
    }
    // Only a garbage collector removes records, and only a core that breaks a rule peeks.
    for kind in EFFECTS.iter().filter(|kind| !["store remove", "redis peek"].contains(kind)) {
        wanted("deaths", format!("before {kind}"));
        wanted("deaths", format!("after {kind}"));
    }
    for change in [
        "none -> mine",
        "mine -> mine (committed)",
        "mine -> mine (reaffirmed)",
        "mine -> resting",
        "mine -> another's",
        "mine -> deleted",
        "resting -> mine",
        "resting -> deleted",
        "another's -> mine, unsettled",
        "another's -> deleted",
        "another's, unsettled -> mine, unsettled",
        "mine, unsettled -> mine",
        "mine: write refused",
        "another's: write refused",
        "deleted: write refused",
    ] {
        wanted("record", change.to_owned());
    }
    for answer in ["done by Lease", "done by Fence", "done by Record", "interrupted", "events", "resync"] {
        wanted("answers", answer.to_owned());
    }
    for why in ["Misdirected", "CannotJudge", "Parting", "Fenced", "Deleted", "Exists", "Draining"] {
        wanted("answers", format!("refused {why}"));
    }
    assert!(missing.is_empty(), "never happened:\n{}", missing.join("\n"));
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in [3, 1002, 40_500] {
        let plan = Plan::of(seed);
        let (one, other) = (run(&plan, Rules::ALL, true), run(&plan, Rules::ALL, true));
        assert!(!one.trace.is_empty());
        assert_eq!((one.trace, one.coverage), (other.trace, other.coverage), "seed {seed}");
    }
}

#[test]
fn what_a_seed_fails_without_is_left_out() {
    let rules = Rules::breaking(Rule::FlushBeforeRest);
    let plan = (0..1000).map(Plan::of).find(|plan| run(plan, rules, false).violation.is_some()).unwrap();
    let least = shrink(&plan, rules);
    assert!(run(&least, rules, false).violation.is_some());
    assert_eq!(least.faults.len(), 1, "it needs none, and a run has one");
    assert!(least.commands.len() < plan.commands.len() && least.commands.len() <= 4, "{:?}", least.commands);
}

#[test]
fn the_table_of_a_record_is_what_the_documentation_says() {
    let table = record::table().to_string();
    println!("{table}");
    let documented = include_str!("../../../docs/cluster.md");
    let told = documented.split("<!-- record table -->").nth(1).expect("docs/cluster.md has the table");
    let told = told.trim().trim_start_matches("```text").trim_end_matches("```").trim();
    let allowed: Vec<&str> = table.lines().filter(|line| !line.contains("refused")).collect();
    assert_eq!(told.lines().map(str::trim_end).collect::<Vec<_>>(), allowed);
}
