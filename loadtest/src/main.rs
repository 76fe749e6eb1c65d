//! Benchmarks of the promises: what each measures, its target, and what this machine gives. Also the runner of WASI
//! test suites, [`conformance`], and of a server that is killed under load, [`crash`].
//!
//! ```text
//! bench ──for each benchmark, three times──▶ run-one, a process of its own ──JSON──▶ median of the runs ──▶ report
//! ```
//! Each run is a process of its own, so that none finds the memory, caches or threads another left. Read in this
//! order: a [`bed`] is a node made from the installed software; [`bench`] lists the benchmarks; [`measure`] is what
//! they give; [`report`] prints it.
#![forbid(unsafe_code)]

mod bed;
mod bench;
mod conformance;
mod crash;
mod machine;
mod measure;
mod output;
mod report;

use bed::{Bed, Failure};
use bench::{BENCHMARKS, Benchmark, Effort};
use clap::{Parser, Subcommand};
use measure::Measured;
use report::{Report, Row};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Runs of each benchmark, of which the median is given.
const RUNS: usize = 3;

#[derive(Debug, Parser)]
#[command(name = "warren-loadtest", version, about = "Benchmarks of Warren's promises")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs the benchmarks and prints target and measurement of each.
    Bench {
        /// Few iterations, once: to see that everything works.
        #[arg(long)]
        quick: bool,
        /// Prints one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// Only this benchmark.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
    },
    /// Runs every module of a WASI test suite, and checks what its description says.
    Conformance {
        /// The suite, laid out as the WebAssembly/wasi-testsuite repository is.
        dir: std::path::PathBuf,
        /// Seconds one program may take.
        #[arg(long, value_name = "SECONDS", default_value_t = 20)]
        limit: u64,
    },
    /// Kills a server at random moments under load, and checks that nothing it acknowledged is lost.
    Crash {
        /// How often it is killed.
        #[arg(long, value_name = "N", default_value_t = 200)]
        kills: usize,
        /// The choices of the clients; by default others each time. Printed first.
        #[arg(long, value_name = "SEED")]
        seed: Option<u64>,
        /// Sessions that are kept alive.
        #[arg(long, value_name = "COUNT", default_value_t = 8)]
        sessions: usize,
        /// The server's binary; by default `warren` beside this one.
        #[arg(long, value_name = "PATH")]
        binary: Option<std::path::PathBuf>,
    },
    /// Runs one benchmark once, in this process, and prints its measurement as JSON.
    RunOne {
        /// Its name.
        name: String,
        /// Few iterations.
        #[arg(long)]
        quick: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Action::Bench { quick, json, only } => bench(Effort::new(quick), json, only.as_deref()),
        Action::Conformance { dir, limit } => conformance::run(&dir, Duration::from_secs(limit))
            .map(|good| if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Action::Crash { kills, seed, sessions, binary } => crash(kills, seed, sessions, binary),
        Action::RunOne { name, quick } => run_one(&name, Effort::new(quick)),
    };
    done.unwrap_or_else(|error| {
        output::note(error);
        ExitCode::FAILURE
    })
}

fn crash(
    kills: usize,
    seed: Option<u64>,
    sessions: usize,
    binary: Option<std::path::PathBuf>,
) -> Result<ExitCode, Failure> {
    bed::require_software()?;
    let seed = match seed {
        Some(seed) => seed,
        None => std::time::UNIX_EPOCH.elapsed()?.as_nanos() as u64,
    };
    let binary = match binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("warren"),
    };
    crash::run(&crash::Options { kills, seed, sessions, binary })?;
    Ok(ExitCode::SUCCESS)
}

/// A missed target is a result; only what did not work is a failure.
fn bench(effort: Effort, json: bool, only: Option<&str>) -> Result<ExitCode, Failure> {
    let chosen: Vec<&Benchmark> = match only {
        Some(name) => vec![find(name)?],
        None => BENCHMARKS.iter().collect(),
    };
    bed::require_software()?;
    let mut report = Report::new(effort);
    if !json {
        output::line(report.head());
    }
    for benchmark in chosen {
        let runs: Result<Vec<Measured>, Failure> =
            (0..effort.pick(RUNS, 1)).map(|_| apart(benchmark.name, effort)).collect();
        let row = Row::new(benchmark, runs.map(|runs| Measured::median(&runs)));
        if !json {
            output::line(row.text());
        }
        report.rows.push(row);
    }
    if json {
        output::line(serde_json::to_string_pretty(&report)?);
    }
    Ok(if report.worked() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_one(name: &str, effort: Effort) -> Result<ExitCode, Failure> {
    let benchmark = find(name)?;
    let measured = (benchmark.run)(&Bed::open()?, effort)?;
    output::line(serde_json::to_string(&measured)?);
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static Benchmark, Failure> {
    let known = || BENCHMARKS.iter().map(|benchmark| benchmark.name).collect::<Vec<_>>().join(", ");
    let found = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    found.ok_or_else(|| format!("no benchmark is called `{name}`; there are: {}", known()).into())
}

/// One run in a process of its own.
fn apart(name: &str, effort: Effort) -> Result<Measured, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run-one", name]).args(effort.pick(None, Some("--quick")));
    let done = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !done.status.success() {
        return Err(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}
