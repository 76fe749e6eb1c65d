//! `warren session`: a client of a server, at the command line.

pub(crate) mod attach;
mod change;
pub(crate) mod client;
pub(crate) mod events;
mod exec;
mod execs;
mod files;
mod follow;
mod processes;
pub(crate) mod server;
mod socket;
mod stream;
pub(crate) mod table;
mod terminals;
mod tls;
mod watch;

use clap::{Args, Subcommand};
use client::{Client, ClientError};
use serde_json::{Value, json};
use server::{Context, ServerArguments};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Table;
use ureq::SendBody;

/// Entries asked for at a time.
const PAGE: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
    /// Makes a session.
    Create {
        /// What to call it.
        #[arg(long)]
        name: Option<String>,
        /// A template of the server.
        #[arg(long)]
        template: Option<String>,
        /// scratch, checkpoint, journal or strict.
        #[arg(long)]
        durability: Option<String>,
        /// Sets an environment variable in it.
        #[arg(long = "env", value_name = "K=V")]
        environment: Vec<String>,
        /// A label to find it by.
        #[arg(long = "label", value_name = "K=V")]
        labels: Vec<String>,
        /// Hibernates it after this long without use; `never` does not.
        #[arg(long, value_name = "TIME")]
        idle_timeout: Option<String>,
        /// Deletes it after this long.
        #[arg(long, value_name = "TIME")]
        time_to_live: Option<String>,
        /// Lets it reach this outside: HOST, HOST:PORT, *.HOST, an address or a network, `public`. In place of what its
        /// template says.
        #[arg(long = "allow-net", value_name = "HOST[:PORT]")]
        egress: Vec<String>,
    },
    /// Lists sessions, those of which all that is said is true.
    List {
        /// active, hibernated and so on.
        #[arg(long)]
        state: Option<String>,
        /// How their names begin.
        #[arg(long, value_name = "PREFIX")]
        name_prefix: Option<String>,
        /// A label they have.
        #[arg(long = "label", value_name = "K=V")]
        labels: Vec<String>,
        /// The template they were made from.
        #[arg(long)]
        template: Option<String>,
    },
    /// Shows one session.
    Get {
        /// Its name or id.
        session: String,
    },
    /// Changes what a session is called, or made of.
    Update(change::UpdateArguments),
    /// Runs a command in a session and ends with its status.
    Exec(exec::ExecArguments),
    /// Commands of a session that run, or ended last.
    #[command(subcommand)]
    Execs(execs::ExecsCommand),
    /// Processes of a session.
    Ps {
        /// The session's name or id.
        session: String,
    },
    /// Signals one process of a session.
    Kill(processes::KillArguments),
    /// Terminals of a session; `warren attach` uses one.
    #[command(subcommand)]
    Terminals(terminals::TerminalsCommand),
    /// Prints what happened in a session.
    #[command(visible_alias = "logs")]
    Events(events::EventsArguments),
    /// Reads and changes files of a session.
    #[command(subcommand)]
    Files(files::FilesCommand),
    /// Prints what becomes of files.
    Watch(watch::WatchArguments),
    /// Makes a copy of a session as it is now.
    Fork {
        /// Its name or id.
        session: String,
        /// What to call the copy.
        #[arg(long)]
        name: Option<String>,
    },
    /// Makes a point to come back to.
    Checkpoint {
        /// The session's name or id.
        session: String,
        /// What to call the point.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists points to come back to.
    Checkpoints {
        /// The session's name or id.
        session: String,
    },
    /// Ends a session's processes and brings its files back.
    Rollback {
        /// The session's name or id.
        session: String,
        /// The number of the point.
        checkpoint: u64,
    },
    /// Puts a session to rest.
    Hibernate {
        /// Its name or id.
        session: String,
    },
    /// Wakes a session.
    Wake {
        /// Its name or id.
        session: String,
    },
    /// Writes a session's files to a tar archive.
    Export {
        /// Its name or id.
        session: String,
        /// The archive; standard output without it.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Makes a session of a tar archive.
    Import {
        /// The archive; `-` is standard input.
        archive: PathBuf,
        /// What to call the session.
        #[arg(long)]
        name: Option<String>,
        /// A template of the server.
        #[arg(long)]
        template: Option<String>,
    },
    /// Makes a token, which reaches this one session, and prints it. It is shown this once.
    Token {
        /// The session's name or id.
        session: String,
        /// What it may do there: sessions:read, sessions:write, exec, files:read, files:write.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
        /// How long it works, an hour at most.
        #[arg(long, value_name = "TIME", default_value = "15m")]
        life: String,
    },
    /// Lists what sessions can be made from.
    Templates,
    /// Deletes a session.
    Delete {
        /// Its name or id.
        session: String,
    },
}

pub(crate) fn main(arguments: &SessionArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    Ok(run(&arguments.server.context()?, &arguments.command)?)
}

fn run(context: &Context, command: &SessionCommand) -> Result<ExitCode, ClientError> {
    let client = &context.client;
    match command {
        SessionCommand::Create { .. } => context.session(&client.post("/v1/sessions", &wanted(command)?)?),
        SessionCommand::List { .. } => list(context, command)?,
        SessionCommand::Get { session } => context.session(&client.get(&Client::session(session, ""))?),
        SessionCommand::Update(arguments) => change::update(context, arguments)?,
        SessionCommand::Exec(arguments) => return exec::exec(context, arguments),
        SessionCommand::Execs(command) => return execs::execs(context, command),
        SessionCommand::Ps { session } => processes::list(context, session)?,
        SessionCommand::Kill(arguments) => processes::kill(context, arguments)?,
        SessionCommand::Terminals(command) => terminals::terminals(context, command)?,
        SessionCommand::Events(arguments) => events::events(context, arguments)?,
        SessionCommand::Files(command) => files::files(context, command)?,
        SessionCommand::Watch(arguments) => watch::watch(context, arguments)?,
        SessionCommand::Fork { session, name } => {
            context.session(&client.post(&Client::session(session, "/fork"), &json!({ "name": name }))?);
        }
        SessionCommand::Checkpoint { session, name } => {
            let made = client.post(&Client::session(session, "/checkpoint"), &json!({ "name": name }))?;
            context.show(&made, || table::text(&made["checkpoint"]));
        }
        SessionCommand::Checkpoints { session } => checkpoints(context, session)?,
        SessionCommand::Rollback { session, checkpoint } => {
            let body = json!({ "checkpoint": checkpoint });
            context.session(&client.post(&Client::session(session, "/rollback"), &body)?);
        }
        SessionCommand::Hibernate { session } => {
            context.session(&client.post(&Client::session(session, "/hibernate"), &json!({}))?);
        }
        SessionCommand::Wake { session } => {
            context.session(&client.post(&Client::session(session, "/wake"), &json!({}))?);
        }
        SessionCommand::Export { session, output } => export(client, session, output.as_deref())?,
        SessionCommand::Import { archive, name, template } => {
            context.session(&import(client, archive, name.as_deref(), template.as_deref())?);
        }
        SessionCommand::Token { session, scopes, life } => {
            let body = json!({ "scopes": scopes, "life": life });
            let token = client.post(&Client::session(session, "/tokens"), &body)?;
            context.show(&token, || table::text(&token["token"]));
        }
        SessionCommand::Templates => templates(context)?,
        SessionCommand::Delete { session } => client.delete(&Client::session(session, ""))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Context {
    /// Shows a list that comes in one piece, by these fields.
    fn items(&self, path: &str, fields: &[&str]) -> Result<(), ClientError> {
        let mut answer = self.client.get(path)?;
        let items = answer["items"].take();
        self.show(&items, || Table::of(&items, fields).to_string());
        Ok(())
    }

    fn session(&self, session: &Value) {
        self.show(session, || sessions(std::slice::from_ref(session)).to_string());
    }
}

/// The object that `create` sends.
fn wanted(command: &SessionCommand) -> Result<Value, ClientError> {
    let SessionCommand::Create { name, template, durability, environment, labels, idle_timeout, time_to_live, egress } =
        command
    else {
        return Ok(json!({}));
    };
    let mut body = json!({ "environment": pairs("--env", environment)?, "labels": pairs("--label", labels)? });
    let texts = [
        ("name", name),
        ("template", template),
        ("durability", durability),
        ("idle_timeout", idle_timeout),
        ("time_to_live", time_to_live),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            body[field] = json!(value);
        }
    }
    if !egress.is_empty() {
        body["egress"] = json!(egress);
    }
    Ok(body)
}

/// `NAME=VALUE` arguments as an object.
pub(crate) fn pairs(flag: &str, given: &[String]) -> Result<Value, ClientError> {
    let split = |entry: &String| match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), json!(value))),
        _ => Err(ClientError::Local(format!("{flag} {entry}: give NAME=VALUE"))),
    };
    Ok(Value::Object(given.iter().map(split).collect::<Result<_, _>>()?))
}

/// All of a list that the server gives in parts.
pub(crate) fn all(client: &Client, path: &str) -> Result<Vec<Value>, ClientError> {
    let mut items = Vec::new();
    let mut after = String::new();
    let join = if path.contains('?') { '&' } else { '?' };
    loop {
        let mut answer = client.get(&format!("{path}{join}limit={PAGE}{after}"))?;
        if let Value::Array(part) = answer["items"].take() {
            items.extend(part);
        }
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={}", client::escape(next, false)),
            None => return Ok(items),
        }
    }
}

fn list(context: &Context, command: &SessionCommand) -> Result<(), ClientError> {
    let SessionCommand::List { state, name_prefix, labels, template } = command else { return Ok(()) };
    let one = [("state", state), ("name_prefix", name_prefix), ("template", template)];
    let one = one.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let members = one.chain(labels.iter().map(|label| ("label", label)));
    let members: Vec<_> = members.map(|(name, value)| format!("{name}={}", client::escape(value, false))).collect();
    let query = if members.is_empty() { String::new() } else { format!("?{}", members.join("&")) };
    let found = all(&context.client, &format!("/v1/sessions{query}"))?;
    context.show(&json!(found), || sessions(&found).to_string());
    Ok(())
}

fn sessions(found: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "STATE", "DURABILITY", "POSITION", "CREATED"]);
    for session in found {
        table.row(
            ["id", "name", "state", "durability", "position", "created"].map(|field| table::text(&session[field])),
        );
    }
    table
}

fn checkpoints(context: &Context, session: &str) -> Result<(), ClientError> {
    context.items(&Client::session(session, "/checkpoints"), &["checkpoint", "name", "position", "time"])
}

fn templates(context: &Context) -> Result<(), ClientError> {
    context.items("/v1/templates", &["name", "software", "durability", "idle_timeout", "time_to_live", "user", "cwd"])
}

fn export(client: &Client, session: &str, to: Option<&Path>) -> Result<(), ClientError> {
    let answer = client.open("GET", &Client::session(session, "/export"), &[], SendBody::none())?;
    save(client, answer, to)
}

/// Writes an answer's bytes to a file, or to standard output.
pub(crate) fn save(
    client: &Client,
    answer: ureq::http::Response<ureq::Body>,
    to: Option<&Path>,
) -> Result<(), ClientError> {
    let mut from = answer.into_body().into_with_config().limit(u64::MAX).reader();
    let local = |name: &str, error: std::io::Error| ClientError::Local(format!("{name}: {error}"));
    let name = to.map_or("standard output".to_owned(), |path| path.display().to_string());
    let mut out: Box<dyn Write> = match to {
        Some(path) => Box::new(std::fs::File::create(path).map_err(|error| local(&name, error))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return out.flush().map_err(|error| local(&name, error)),
            Ok(count) => out.write_all(&buffer[..count]).map_err(|error| local(&name, error))?,
            Err(error) => return Err(client.failed(ureq::Error::Io(error))),
        }
    }
}

fn import(client: &Client, archive: &Path, name: Option<&str>, template: Option<&str>) -> Result<Value, ClientError> {
    let mut query = Vec::new();
    for (field, value) in [("name", name), ("template", template)] {
        query.extend(value.map(|value| format!("{field}={}", client::escape(value, false))));
    }
    let path = format!("/v1/sessions/import?{}", query.join("&"));
    let local = |error| ClientError::Local(format!("{}: {error}", archive.display()));
    let mut input: Box<dyn Read> = match archive.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(archive).map_err(local)?),
    };
    // A refusal comes before the bytes are sent.
    let headers = [("content-type", "application/x-tar"), ("expect", "100-continue")];
    let mut answer = client.open("POST", &path, &headers, SendBody::from_reader(&mut input))?;
    let text = answer.body_mut().read_to_string().map_err(|error| client.failed(error))?;
    serde_json::from_str(&text).map_err(|error| ClientError::Local(error.to_string()))
}
