//! Runs clusters from seeds: `simulate [SEEDS] [--break RULE] [--trace] [--shrink]`.
//!
//! SEEDS is `N` or `FROM..TO`; 10,000 from 0 without it. One seed is told with its trace if it fails; `--trace` tells it
//! anyway, `--shrink` first leaves out what it fails without. `--break` takes a rule's name, or `all` for one line a rule: in
//! which seed each is noticed. `--table` prints what may be done to a record. The status is 1 if something did not hold, and
//! with `--break` if everything did.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;
use warren_ownership::record;
use warren_ownership::rule::{Rule, Rules};
use warren_ownership::simulation::{COMMANDS_MIN, Coverage, Plan, run, shrink};

const USAGE: &str = "simulate [N | FROM..TO] [--break RULE|all] [--trace] [--shrink] [--table]";

struct Arguments {
    seeds: Range<u64>,
    one: bool,
    breaking: Vec<Rule>,
    trace: bool,
    shrink: bool,
    table: bool,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let told = match arguments() {
        Ok(arguments) => tell(&arguments, &mut out),
        Err(why) => writeln!(out, "{why}\n{USAGE}").map(|()| 2),
    };
    ExitCode::from(told.unwrap_or(1))
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments =
        Arguments { seeds: 0..10_000, one: false, breaking: Vec::new(), trace: false, shrink: false, table: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--trace" => arguments.trace = true,
            "--shrink" => arguments.shrink = true,
            "--table" => arguments.table = true,
            "--break" => {
                let name = given.next().ok_or("--break needs a rule")?;
                arguments.breaking =
                    Rule::ALL.iter().filter(|rule| name == "all" || rule.to_string() == name).copied().collect();
                if arguments.breaking.is_empty() {
                    let names: Vec<String> = Rule::ALL.iter().map(Rule::to_string).collect();
                    return Err(format!("no rule is called {name}; there are {}", names.join(", ")));
                }
            }
            seeds => {
                let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{seeds}` is no seed"));
                (arguments.seeds, arguments.one) = match seeds.split_once("..") {
                    Some((from, to)) => (number(from)?..number(to)?, false),
                    None => (number(seeds)?..number(seeds)? + 1, true),
                };
            }
        }
    }
    Ok(arguments)
}

fn tell(arguments: &Arguments, out: &mut impl Write) -> io::Result<u8> {
    if arguments.table {
        write!(out, "{}", record::table())?;
        return Ok(0);
    }
    if arguments.one {
        let rules = arguments.breaking.first().map_or(Rules::ALL, |rule| Rules::breaking(*rule));
        return tell_one(arguments, rules, out);
    }
    if !arguments.breaking.is_empty() {
        return tell_broken(arguments, out);
    }
    let (mut coverage, mut failed, mut steps, mut faults, mut commands) = (Coverage::default(), 0u64, 0u64, 0, 0);
    for seed in arguments.seeds.clone() {
        let plan = Plan::of(seed);
        let outcome = run(&plan, Rules::ALL, false);
        coverage.add(&outcome.coverage);
        steps += outcome.steps;
        faults += plan.faults.len();
        commands += plan.commands.len();
        if let Some((at, violation)) = outcome.violation {
            failed += 1;
            writeln!(out, "seed {seed}, at {at} ms: {violation}")?;
            if failed >= 20 {
                break;
            }
        }
    }
    write!(out, "{coverage}")?;
    let seeds = arguments.seeds.end - arguments.seeds.start;
    writeln!(
        out,
        "{seeds} seeds, {steps} steps, {faults} faults, {commands} commands (at least {COMMANDS_MIN} each): {failed} failed"
    )?;
    Ok(u8::from(failed > 0))
}

fn tell_one(arguments: &Arguments, rules: Rules, out: &mut impl Write) -> io::Result<u8> {
    let plan = Plan::of(arguments.seeds.start);
    let plan = if arguments.shrink { shrink(&plan, rules) } else { plan };
    let outcome = run(&plan, rules, true);
    write!(out, "{plan}")?;
    if outcome.violation.is_some() || arguments.trace {
        for line in &outcome.trace {
            writeln!(out, "{line}")?;
        }
    }
    match &outcome.violation {
        Some((at, violation)) => writeln!(out, "at {at} ms: {violation}")?,
        None => writeln!(out, "all of it held, {} steps", outcome.steps)?,
    }
    Ok(u8::from(outcome.violation.is_some()))
}

fn tell_broken(arguments: &Arguments, out: &mut impl Write) -> io::Result<u8> {
    let mut unnoticed = 0;
    for rule in &arguments.breaking {
        let rules = Rules::breaking(*rule);
        let noticed = arguments
            .seeds
            .clone()
            .find_map(|seed| run(&Plan::of(seed), rules, false).violation.map(|(_, violation)| (seed, violation)));
        match noticed {
            Some((seed, violation)) => writeln!(out, "{:<22} seed {seed:>6}  {violation}", rule.to_string())?,
            None => {
                unnoticed += 1;
                writeln!(out, "{:<22} NOT NOTICED", rule.to_string())?;
            }
        }
        out.flush()?;
    }
    Ok(u8::from(unnoticed > 0))
}
