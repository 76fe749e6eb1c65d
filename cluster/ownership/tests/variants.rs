//! Cores that break one rule each, every one of which the simulator has to notice: else the rule is not needed, or nobody
//! would see that it is not kept.
#![allow(clippy::print_stdout, reason = "a test")]

use warren_ownership::rule::{Rule, Rules};
use warren_ownership::simulation::{Plan, run};

const SEEDS: u64 = 10_000;

#[test]
fn every_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for rule in Rule::ALL {
        let rules = Rules::breaking(*rule);
        let noticed = (0..SEEDS)
            .find_map(|seed| run(&Plan::of(seed), rules, false).violation.map(|(_, violation)| (seed, violation)));
        match noticed {
            Some((seed, violation)) => println!("{:<22} seed {seed:>5}  {violation}", rule.to_string()),
            None => unnoticed.push(format!("{rule}: {}", rule.text())),
        }
    }
    assert!(unnoticed.is_empty(), "not noticed within {SEEDS} seeds:\n{}", unnoticed.join("\n"));
}
