//! Finds what a configuration is made of, reads it, and says everything that is wrong with it at once.
//!
//! Sources, each over those before it: the defaults of [`crate::settings`], one file, environment variables
//! `WARREN_SECTION__KEY`, flags of the command line. Every value remembers which of them it came from.

use crate::settings::{
    Audit, Config, Data, EgressSettings, KEYS, Log, NodeSettings, SECRETS_MAX, Secret, Server, SessionSettings,
    TEMPLATES_MAX, Telemetry,
};
use crate::template::Template;
use crate::value::Size;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use warren_egress::Rules;
use warren_kernel::limits::Limits;
use warren_session::id::SessionName;
use warren_session::quota::Quota;
use warren_session::spec::SessionSpec;

/// Variables with our prefix that are no settings.
const OTHER_VARIABLES: &[&str] = &["WARREN_CACHE", "WARREN_CONFIG", "WARREN_KEY", "WARREN_URL"];
const PREFIX: &str = "WARREN_";
/// Bytes of a configuration file, at most.
const FILE_BYTES_MAX: u64 = 4 << 20;
const SECTIONS: [&str; 13] = [
    "egress",
    "node",
    "server",
    "data",
    "sessions",
    "limits",
    "limits_max",
    "quotas",
    "audit",
    "telemetry",
    "log",
    "secrets",
    "templates",
];

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that was asked for; else $WARREN_CONFIG, $XDG_CONFIG_HOME/warren/config.toml and
    /// /etc/warren/config.toml are looked for in this order.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Flags: the key that each stands for, and its value.
    pub flags: Vec<(&'static str, String)>,
}

/// A configuration, and where its values came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// The file it was read from, if there was one.
    pub file: Option<PathBuf>,
    figment: Figment,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Who said it.
    pub origin: Origin,
    /// What it is about: `server.listen`; nothing when it is about the whole source.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct ConfigError(pub Vec<Problem>);

impl Sources {
    /// This process's environment, no flags, the usual files.
    pub fn of_this_process() -> Sources {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Sources { variables: std::env::vars_os().filter_map(text).collect(), ..Sources::default() }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong, each with where it came from.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut problems = Vec::new();
        let file = self.find_file();
        let mut figment = Figment::from(self.defaults());
        if let Some(path) = &file {
            match read_file(path) {
                Ok(toml) => figment = figment.merge(FileValues { path: path.clone(), toml }),
                Err(problem) => problems.push(problem),
            }
        }
        let texts = self.texts(&mut problems);
        for text in &texts {
            figment = figment.merge(text.clone());
        }
        unknown_keys(&figment, &mut problems);
        let mut reader = Reader { figment: &figment, texts: &texts, problems };
        let config = reader.config();
        check(&config, &mut reader);
        match reader.problems {
            problems if problems.is_empty() => Ok(Loaded { config, file, figment }),
            problems => Err(ConfigError(problems)),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn find_file(&self) -> Option<PathBuf> {
        let asked = self.file.clone().or_else(|| self.variable("WARREN_CONFIG").map(PathBuf::from));
        let home = self.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = home.or_else(|| self.variable("HOME").map(|home| Path::new(home).join(".config")));
        let own = home.map(|home| home.join("warren/config.toml"));
        let usual = [own, Some(PathBuf::from("/etc/warren/config.toml"))];
        asked.or_else(|| usual.into_iter().flatten().find(|path| path.exists()))
    }

    /// The defaults, with the folder that this environment puts data into.
    fn defaults(&self) -> Figment {
        let state = self.variable("STATE_DIRECTORY").map(|list| PathBuf::from(list.split(':').next().unwrap_or(list)));
        let user = || self.variable("XDG_STATE_HOME").map(|home| Path::new(home).join("warren"));
        let home = || self.variable("HOME").map(|home| Path::new(home).join(".local/state/warren"));
        let dir = state.or_else(user).or_else(home).unwrap_or_default();
        Figment::from(Serialized::defaults(Config::default())).merge(Serialized::default("data.dir", dir))
    }

    /// What variables and flags say, flags last.
    fn texts(&self, problems: &mut Vec<Problem>) -> Vec<TextValue> {
        let mut texts = Vec::new();
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !OTHER_VARIABLES.contains(&name.as_str())) else {
                continue;
            };
            let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
            if path.len() < 2 || path.iter().any(String::is_empty) {
                problems.push(Problem {
                    origin: Origin::Variable(name.clone()),
                    key: String::new(),
                    reason: "is no setting; write WARREN_SECTION__KEY with two underscores, as in \
                             WARREN_SERVER__LISTEN"
                        .to_owned(),
                });
                continue;
            }
            let origin = Origin::Variable(name.clone());
            texts.push(TextValue { origin, path, text: value.clone() });
        }
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        texts.extend(self.flags.iter().map(|(key, value)| TextValue {
            origin: Origin::Flag(format!("--{}", key.rsplit('.').next().unwrap_or(key).replace('_', "-"))),
            path: key.split('.').map(str::to_owned).collect(),
            text: value.clone(),
        }));
        texts
    }
}

impl Loaded {
    /// Every value that holds, as `key`, its text in TOML, and where it came from. What might be a secret is not shown.
    pub fn values(&self) -> Vec<(String, String, Origin)> {
        let mut values = Vec::new();
        if let Ok(data) = self.figment.data() {
            for (name, value) in data.get(&Profile::Default).into_iter().flatten() {
                leaves(name, value, &mut |key, value, tag| {
                    let text = if is_secret(key) { "\"(hidden)\"".to_owned() } else { as_toml(value) };
                    values.push((key.to_owned(), text, origin(&self.figment, tag)));
                });
            }
        }
        values
    }
}

/// One value given as text: a variable or a flag.
#[derive(Clone, Debug)]
pub(crate) struct TextValue {
    origin: Origin,
    path: Vec<String>,
    text: String,
}

impl Provider for TextValue {
    fn metadata(&self) -> Metadata {
        match &self.origin {
            Origin::Variable(name) => Metadata::from("variable", name.clone()),
            other => Metadata::from("flag", other.to_string()),
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = self.text.parse::<Value>().unwrap_or_else(|never| match never {});
        Ok(figment::util::nest(&self.path.join("."), value)
            .into_dict()
            .map(|dict| Map::from([(Profile::Default, dict)]))
            .unwrap_or_default())
    }
}

/// The values of a file that was parsed already.
struct FileValues {
    path: PathBuf,
    toml: String,
}

impl Provider for FileValues {
    fn metadata(&self) -> Metadata {
        Metadata::from("file", self.path.as_path())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Toml::string(&self.toml).data()
    }
}

/// Takes values out, and gathers what is wrong with them.
pub(crate) struct Reader<'a> {
    figment: &'a Figment,
    texts: &'a [TextValue],
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value of a key, or what to go on with when it is wrong.
    pub(crate) fn value<T: for<'de> Deserialize<'de>>(&mut self, key: &str, otherwise: T) -> T {
        match self.figment.extract_inner(key) {
            Ok(value) => value,
            Err(error) if error.missing() => otherwise,
            Err(error) => match self.as_text(key) {
                Some(value) => value,
                None => {
                    self.wrong(error, key);
                    otherwise
                }
            },
        }
    }

    /// A variable's text taken as it is: `WARREN_DATA__DIR=7` is a folder called 7.
    fn as_text<T: for<'de> Deserialize<'de>>(&self, key: &str) -> Option<T> {
        let last = self.texts.iter().rev().find(|text| text.path.join(".") == key)?;
        Figment::from(Serialized::default(key, &last.text)).extract_inner(key).ok()
    }

    fn wrong(&mut self, error: figment::Error, key: &str) {
        for error in error {
            let origin = error.metadata.as_ref().map_or_else(|| self.origin(key), as_origin);
            // figment puts the path that was asked for behind the way inside the value.
            let within = error.path.len().saturating_sub(key.split('.').count());
            let key: Vec<&str> = key.split('.').chain(error.path[..within].iter().map(String::as_str)).collect();
            let mut reason = error.kind.to_string();
            if reason.contains("socket address") {
                reason.push_str("; give ADDRESS:PORT, for example 127.0.0.1:7717");
            }
            self.problems.push(Problem { origin, key: key.join("."), reason });
        }
    }

    fn refuse(&mut self, key: &str, reason: impl fmt::Display) {
        let origin = self.origin(key);
        self.problems.push(Problem { origin, key: key.to_owned(), reason: reason.to_string() });
    }

    fn origin(&self, key: &str) -> Origin {
        self.figment.find_metadata(key).map_or(Origin::Default, as_origin)
    }

    fn config(&mut self) -> Config {
        Config {
            server: Server::read(self),
            data: Data::read(self),
            sessions: SessionSettings::read(self),
            limits: self.table::<Size>("limits", Limits::TABLE.len()),
            limits_max: self.table::<Size>("limits_max", Limits::TABLE.len()),
            quotas: self.table::<Size>("quotas", Quota::ALL.len()),
            egress: EgressSettings::read(self),
            node: NodeSettings::read(self),
            audit: Audit::read(self),
            telemetry: Telemetry::read(self),
            log: Log::read(self),
            secrets: self.table::<Secret>("secrets", SECRETS_MAX),
            templates: self.table::<Template>("templates", TEMPLATES_MAX),
        }
    }

    /// A section whose keys are names that the operator chose.
    fn table<T: for<'de> Deserialize<'de>>(&mut self, section: &str, most: usize) -> BTreeMap<String, T> {
        let names: Vec<String> = match self.figment.find_value(section) {
            Ok(Value::Dict(_, dict)) => dict.into_keys().collect(),
            _ => Vec::new(),
        };
        if names.len() > most {
            self.refuse(section, format!("has {} entries; at most {most} are allowed", names.len()));
        }
        let mut table = BTreeMap::new();
        for name in names.into_iter().take(most) {
            let key = format!("{section}.{name}");
            if name.contains('.') {
                self.refuse(&key, "a name has no `.`");
            } else if let Some(value) = self.value(&key, None) {
                table.insert(name, value);
            }
        }
        table
    }
}

/// What the types alone cannot promise.
fn check(config: &Config, reader: &mut Reader<'_>) {
    let server = &config.server;
    if !server.listen.ip().is_loopback() && !server.allow_remote {
        reader.refuse(
            "server.listen",
            format!(
                "{} can be reached by other machines; they need a key, and what they send is not encrypted: listen on \
                 127.0.0.1, or set server.allow_remote = true where something in front of the server does TLS, or on a \
                 network that you trust",
                server.listen
            ),
        );
    }
    for (key, number) in [
        ("server.connections_max", server.connections_max),
        ("server.connections_per_address", server.connections_per_address),
        ("server.refusals_per_address", server.refusals_per_address),
        ("sessions.awake_max", config.sessions.awake_max),
        ("egress.connections_max", config.egress.connections_max),
    ] {
        if number == 0 {
            reader.refuse(key, "0 would let nothing in; give at least 1");
        }
    }
    if let Err(error) = Rules::parse(&config.egress.private) {
        reader.refuse("egress.private", error);
    }
    if config.data.dir.as_os_str().is_empty() {
        reader.refuse("data.dir", "there is no HOME to put data under; name a folder");
    }
    let mut limits = Limits::default();
    for (section, table) in [("limits", &config.limits), ("limits_max", &config.limits_max)] {
        for (name, value) in table {
            if let Err(error) = limits.set(name, value.0) {
                reader.refuse(&format!("{section}.{name}"), error);
            }
        }
    }
    for name in config.quotas.keys() {
        if let Err(error) = name.parse::<Quota>() {
            reader.refuse(&format!("quotas.{name}"), error);
        }
    }
    for (name, template) in &config.templates {
        let key = format!("templates.{name}");
        if let Err(error) = name.parse::<SessionName>() {
            reader.refuse(&key, error.to_string().replace("a session's name", "a template's name"));
        }
        if let Err(error) = template.apply(&mut SessionSpec::default()) {
            reader.refuse(&key, error);
        }
        for secret in template.secrets.values().filter(|secret| !config.secrets.contains_key(*secret)) {
            reader.refuse(
                &format!("{key}.secrets"),
                format!("there is no secret `{secret}`; add [secrets.{secret}] with env or file"),
            );
        }
    }
}

fn unknown_keys(figment: &Figment, problems: &mut Vec<Problem>) {
    let data = figment.data().unwrap_or_default();
    for (section, value) in data.get(&Profile::Default).into_iter().flatten() {
        let mut refuse = |key: String, value: &Value, reason: String| {
            problems.push(Problem { origin: origin(figment, first_tag(value)), key, reason });
        };
        if !SECTIONS.contains(&section.as_str()) {
            refuse(section.clone(), value, format!("is no section; there are: {}", SECTIONS.join(", ")));
            continue;
        }
        let Value::Dict(_, dict) = value else {
            refuse(section.clone(), value, format!("is a section: write its keys under [{section}]"));
            continue;
        };
        let known: Vec<&str> = KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect();
        for (name, value) in dict.iter().filter(|_| !known.is_empty()) {
            if !known.contains(&name.as_str()) {
                let reason = format!("is no key of [{section}]; there are: {}", known.join(", "));
                refuse(format!("{section}.{name}"), value, reason);
            }
        }
    }
}

fn read_file(path: &Path) -> Result<String, Problem> {
    let problem = |reason: String| Problem { origin: Origin::File(path.to_owned()), key: String::new(), reason };
    let size = std::fs::metadata(path).map_err(|error| problem(format!("cannot be read: {error}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(problem(format!("has {size} bytes; a configuration has at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    match Toml::string(&text).data() {
        Ok(_) => Ok(text),
        Err(error) => Err(problem(format!("is no TOML: {}", error.kind.to_string().trim_end()))),
    }
}

fn as_origin(metadata: &Metadata) -> Origin {
    let text = || metadata.source.as_ref().and_then(|source| source.custom()).unwrap_or_default().to_owned();
    match metadata.name.as_ref() {
        "file" => Origin::File(
            metadata.source.as_ref().and_then(|source| source.file_path()).unwrap_or(Path::new("")).to_owned(),
        ),
        "variable" => Origin::Variable(text()),
        "flag" => Origin::Flag(text()),
        _ => Origin::Default,
    }
}

fn origin(figment: &Figment, tag: Tag) -> Origin {
    figment.get_metadata(tag).map_or(Origin::Default, as_origin)
}

fn first_tag(value: &Value) -> Tag {
    match value {
        Value::Dict(tag, dict) => dict.values().next().map_or(*tag, first_tag),
        other => other.tag(),
    }
}

fn leaves(key: &str, value: &Value, each: &mut dyn FnMut(&str, &Value, Tag)) {
    match value {
        Value::Dict(_, dict) => dict.iter().for_each(|(name, value)| leaves(&format!("{key}.{name}"), value, each)),
        Value::Empty(..) => {}
        other => each(key, other, other.tag()),
    }
}

/// The environment a template gives may hold what nobody else should read.
fn is_secret(key: &str) -> bool {
    let words = ["secret", "token", "password", "key", "credential"];
    let inside = |part: &str| words.iter().any(|word| part.to_ascii_lowercase().contains(word));
    key.starts_with("templates.") && key.split_once(".environment.").is_some_and(|(_, name)| inside(name))
}

fn as_toml(value: &Value) -> String {
    match value {
        Value::String(_, text) => toml::Value::String(text.clone()).to_string(),
        Value::Char(_, character) => toml::Value::String(character.to_string()).to_string(),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, number) => number
            .to_u128()
            .map(|number| number.to_string())
            .or_else(|| number.to_i128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .unwrap_or_default(),
        Value::Array(_, items) => format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, dict) => {
            let entries: Vec<String> =
                dict.iter().map(|(name, value)| format!("{name} = {}", as_toml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Empty(..) => String::new(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => path.display().fmt(f),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.reason),
            key => write!(f, "{}: `{key}`: {}", self.origin, self.reason),
        }
    }
}

#[cfg(test)]
mod tests;
