//! `warren quotas`, `warren usage` and `warren audit`: what a tenant may take, what it used, and who did what.

use crate::output;
use crate::session::client::{ClientError, escape};
use crate::session::server::{Context, ServerArguments};
use crate::session::table::{Table, text};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::ExitCode;
use ureq::SendBody;
use warren_cluster::audit::verify;

/// Bytes of one record of an audit log that are looked at.
const RECORD_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct QuotasArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The tenant; by default that of the key in use. For the operator.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The tenant; by default that of the key in use. For the operator.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The first hour, as 2026-11-22T23:00:00Z; by default 24 hours before the last.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The last hour; by default this one.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How it is added up.
    #[arg(long, value_enum, default_value_t = By::Hour)]
    by: By,
    /// Prints a table of commas.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Hour,
    Session,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The tenant; by default that of the key in use. For the operator.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The number of a record: those behind it.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Verifies that no record was changed, taken out or put in, and prints no records.
    #[arg(long)]
    verify: bool,
}

pub(crate) fn quotas(arguments: &QuotasArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let found = context.client.get(&format!("/v1/quotas{}", query(&[("tenant", arguments.tenant.as_deref())])))?;
    context.show(&found, || quotas_table(&found));
    Ok(ExitCode::SUCCESS)
}

/// What a tenant may take and has taken.
pub(crate) fn quotas_table(tenant: &Value) -> String {
    let mut table = Table::new(&["QUOTA", "LIMIT", "USED", "OWN"]);
    for (name, quota) in tenant["quotas"].as_object().into_iter().flatten() {
        table.row([name.clone(), text(&quota["limit"]), text(&quota["used"]), text(&quota["own"])]);
    }
    for (name, most) in tenant["limits_max"].as_object().into_iter().flatten() {
        table.row([format!("limit {name}"), text(most), String::new(), String::new()]);
    }
    table.row(["weight".to_owned(), text(&tenant["weight"]), String::new(), String::new()]);
    table.to_string()
}

pub(crate) fn usage(arguments: &UsageArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let by = match arguments.by {
        By::Hour => "hour",
        By::Session => "session",
    };
    let path = format!(
        "/v1/usage{}",
        query(&[
            ("tenant", arguments.tenant.as_deref()),
            ("from", arguments.from.as_deref()),
            ("to", arguments.to.as_deref()),
            ("by", Some(by)),
        ])
    );
    if arguments.csv {
        let mut answer = context.client.open("GET", &path, &[("accept", "text/csv")], SendBody::none())?;
        let body = answer.body_mut().read_to_string().map_err(|error| context.client.failed(error))?;
        output::line(body.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let mut answer = context.client.get(&path)?;
    let rows = answer["items"].take();
    context.show(&rows, || {
        let columns = ["cpu_ms", "memory_gib_s", "stored_gib_h", "requests", "events"];
        let mut table =
            Table::new(&[by.to_uppercase().as_str(), "CPU MS", "GIB S", "STORED GIB H", "REQUESTS", "EVENTS"]);
        for row in rows.as_array().into_iter().flatten() {
            table.row(std::iter::once(by).chain(columns).map(|column| match &row[column] {
                Value::Number(number) if number.is_f64() => format!("{:.3}", number.as_f64().unwrap_or(0.0)),
                other => text(other),
            }));
        }
        table.to_string()
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn audit(arguments: &AuditArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let after = arguments.after.map(|after| after.to_string());
    let path = format!("/v1/audit{}", query(&[("tenant", arguments.tenant.as_deref()), ("after", after.as_deref())]));
    let lines = lines(&context, &path)?;
    if arguments.verify {
        let mut failed = None;
        let told = lines.map_while(|line| line.map_err(|error| failed = Some(error)).ok());
        let told: Vec<String> = told.collect();
        if let Some(error) = failed {
            return Err(error.into());
        }
        match verify(told.iter().map(String::as_str))? {
            found if context.json => {
                let found = found
                    .map(|it| json!({ "first": it.first, "last": it.last, "hash": it.hash, "records": it.records }));
                output::line(found.unwrap_or_else(|| json!({ "records": 0 })));
            }
            Some(found) => output::line(format!(
                "{} records, {} to {}, are as they were written; the last has the hash {}",
                found.records, found.first, found.last, found.hash
            )),
            None => output::line("there are no records"),
        }
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines {
        let line = line?;
        match context.json {
            true => output::line(line),
            false => output::line(as_text(&serde_json::from_str(&line).unwrap_or_default())),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_text(record: &Value) -> String {
    let targets = record["targets"].as_object().into_iter().flatten();
    let targets: Vec<String> = targets.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let word = |name: &str| text(&record[name]);
    let parts = ["seq", "time", "status", "code", "method", "route"].map(word);
    format!("{}  key={} {} from {}", parts.join(" "), word("key"), targets.join(" "), word("address"))
}

/// The records, line by line.
fn lines(
    context: &Context,
    path: &str,
) -> Result<impl Iterator<Item = Result<String, ClientError>> + use<>, ClientError> {
    let answer = context.client.open("GET", path, &[("accept", "application/jsonl")], SendBody::none())?;
    let mut reader = BufReader::new(answer.into_body().into_reader());
    let broken = |error: std::io::Error| ClientError::Local(format!("the audit log ended early: {error}"));
    Ok(std::iter::from_fn(move || {
        let mut line = String::new();
        match std::io::Read::take(&mut reader, RECORD_BYTES_MAX).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line.trim_end_matches('\n').to_owned())),
            Err(error) => Some(Err(broken(error))),
        }
    }))
}

fn query(parts: &[(&str, Option<&str>)]) -> String {
    let given: Vec<String> =
        parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?, false)))).collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}
