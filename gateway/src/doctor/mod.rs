//! `warren doctor`: what is wrong, how to mend it, and which limits hold.
//!
//! ```text
//! configuration ──▶ this machine: its data folder, descriptors, memory, clock, port, software ──▶ findings, limits
//!              └──▶ the server, if one answers: ready, its version, the key, quotas ──▶
//! `--cluster`: a bucket, a Redis ──▶ races, reads and lists, tried ──▶
//! ```
//! Nothing is changed but two small files in the data folder, and objects of a probe in the stores of a cluster, which are gone
//! again: only writing shows that writing works.

mod cluster;
mod folder;
mod limits;
mod machine;
mod port;
mod server;
mod software;

use crate::output;
use crate::session::server::{ServerArguments, local_port};
use crate::session::table::{Table, printable};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use warren_config::{Loaded, Sources};

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The configuration file, as of `warren serve`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port that the server is to listen on, as of `warren serve`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Folder of all that is kept, as of `warren serve`.
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
    #[command(flatten)]
    cluster: cluster::ClusterArguments,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    /// It works, and may not for long or not for all.
    Warning,
    /// It does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Finding {
    level: Level,
    /// What was looked at: `data.space`.
    check: &'static str,
    /// What was found.
    what: String,
    /// What to do about it.
    mend: Option<String>,
}

/// One limit that holds.
#[derive(Clone, Debug)]
struct Limit {
    name: String,
    value: String,
    /// How much of it is taken, where that is known.
    used: Option<String>,
    /// Who said it.
    origin: String,
}

/// All that was found.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
    limits: Vec<Limit>,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl Report {
    fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.findings.push(Finding { level: Level::Ok, check, what: what.into(), mend: None });
    }

    fn warning(&mut self, check: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding { level: Level::Warning, check, what: what.into(), mend: Some(mend.into()) });
    }

    fn error(&mut self, check: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding { level: Level::Error, check, what: what.into(), mend: Some(mend.into()) });
    }

    fn limit(&mut self, name: impl Into<String>, value: impl Into<String>, origin: impl Into<String>) {
        self.limits.push(Limit { name: name.into(), value: value.into(), used: None, origin: origin.into() });
    }

    fn worst(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

pub(crate) fn main(arguments: &DoctorArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut report = Report::default();
    let mut loaded = configuration(arguments, &mut report);
    let url = arguments.server.url();
    // What is found here says nothing of a server elsewhere.
    match url.as_deref().filter(|url| local_port(url).is_none()) {
        Some(url) => report.ok("machine", format!("not looked at: {url} is elsewhere; run `warren doctor` there")),
        None => {
            if let Some(loaded) = &mut loaded {
                let holder = folder::check(&mut report, &loaded.config);
                machine::check(&mut report, &loaded.config, holder.as_ref());
                port::check(&mut report, &loaded.config, holder.as_ref());
                software::check(&mut report, &loaded.config);
                limits::of_the_configuration(&mut report, loaded);
                limits::of_the_system(&mut report, holder.as_ref());
                // The server that uses the folder is asked where it says it is.
                let address = holder.and_then(|holder| holder.url?.strip_prefix("http://")?.parse().ok());
                loaded.config.server.listen = address.unwrap_or(loaded.config.server.listen);
            }
        }
    }
    server::check(&mut report, &arguments.server, loaded.as_ref().map(|loaded| &loaded.config));
    cluster::check(&mut report, &arguments.cluster);
    match arguments.server.json() {
        true => output::line(as_json(&report)),
        false => output::line(as_text(&report)),
    }
    Ok(ExitCode::from(u8::from(report.worst(Level::Error) > 0)))
}

/// What a server would be told, and all that is wrong with it.
fn configuration(arguments: &DoctorArguments, report: &mut Report) -> Option<Loaded> {
    let flags = [("server.listen", &arguments.listen), ("data.dir", &arguments.dir)];
    let sources = Sources {
        file: arguments.config.clone(),
        flags: flags.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect(),
        ..Sources::of_this_process()
    };
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            for problem in error.0 {
                report.error("config", problem.to_string(), "correct it there; `warren config check` reads it again");
            }
            return None;
        }
    };
    if let Err(error) = crate::serve::check_level(&loaded.config.log) {
        report.error("config", error.to_string(), "correct it there; `warren config check` reads it again");
    }
    let said =
        loaded.values().iter().filter(|(_, _, from)| !matches!(from, warren_config::load::Origin::Default)).count();
    let from = loaded.file.as_ref().map_or("no file".to_owned(), |path| path.display().to_string());
    report.ok("config", format!("{from}; {said} values are not the defaults (`warren config show --origin`)"));
    Some(loaded)
}

fn as_json(report: &Report) -> Value {
    let finding =
        |it: &Finding| json!({ "level": it.level.word(), "check": it.check, "what": it.what, "mend": it.mend });
    let limit = |it: &Limit| json!({ "name": it.name, "value": it.value, "used": it.used, "origin": it.origin });
    json!({
        "errors": report.worst(Level::Error),
        "warnings": report.worst(Level::Warning),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "limits": report.limits.iter().map(limit).collect::<Vec<_>>(),
    })
}

fn as_text(report: &Report) -> String {
    let mut found = Table::new(&["LEVEL", "CHECK", "FINDING"]);
    for finding in &report.findings {
        found.row([finding.level.word().to_owned(), finding.check.to_owned(), printable(&finding.what)]);
        if let Some(mend) = &finding.mend {
            found.row([String::new(), String::new(), format!("-> {}", printable(mend))]);
        }
    }
    let mut text = found.to_string();
    if !report.limits.is_empty() {
        let mut limits = Table::new(&["LIMIT", "VALUE", "USED", "FROM"]);
        for limit in &report.limits {
            let used = limit.used.clone().unwrap_or_default();
            limits.row([limit.name.clone(), printable(&limit.value), used, printable(&limit.origin)]);
        }
        text.push_str(&format!("\n\n{limits}"));
    }
    let (errors, warnings) = (report.worst(Level::Error), report.worst(Level::Warning));
    format!("{text}\n\n{errors} errors, {warnings} warnings")
}
