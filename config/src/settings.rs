//! Everything that can be set: one table, from which the types, the defaults, the checks and `warren config show` are made.

use crate::template::Template;
use crate::value::{Endpoint, Period, Ratio, Size, Timeout};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use warren_session::spec::Tier;

/// Secrets a configuration names, at most.
pub const SECRETS_MAX: usize = 1024;
/// Templates a configuration names, at most.
pub const TEMPLATES_MAX: usize = 256;

/// One thing that can be set in a section of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The section: `server`.
    pub section: &'static str,
    /// Its name there: `listen`.
    pub name: &'static str,
    /// What it decides, with its unit.
    pub about: &'static str,
    /// The version that brought it.
    pub since: &'static str,
}

/// What a server is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// Where clients come in.
    pub server: Server,
    /// Where sessions are kept.
    pub data: Data,
    /// What holds for all sessions of the node.
    pub sessions: SessionSettings,
    /// Limits of a session whose template says nothing else, by the names of `docs/limits.md`.
    pub limits: BTreeMap<String, Size>,
    /// What limits that a client asks for may be at most, by the same names.
    pub limits_max: BTreeMap<String, Size>,
    /// What each tenant may take that has no number of its own, by the names of `docs/security.md`.
    pub quotas: BTreeMap<String, Size>,
    /// What sessions reach outside.
    pub egress: EgressSettings,
    /// What JavaScript programs of all sessions share.
    pub node: NodeSettings,
    /// What is kept of who did what.
    pub audit: Audit,
    /// Where spans of requests go.
    pub telemetry: Telemetry,
    /// What the server writes about itself.
    pub log: Log,
    /// Where the values of secrets are, by the names that templates use.
    pub secrets: BTreeMap<String, Secret>,
    /// What sessions are made of, by name. `default` is taken when a client names none.
    pub templates: BTreeMap<String, Template>,
}

/// Where the value of a secret is. The configuration itself never holds one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Secret {
    /// In this environment variable of the server.
    Env(String),
    /// In this file, without the newline at its end; read again each time.
    File(PathBuf),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

macro_rules! sections {
    ($($(#[doc = $about:literal])* $section:ident: $Section:ident {
        $($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr, $since:literal;)*
    })*) => {
        $($(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct $Section { $($(#[doc = $doc])* pub $name: $type,)* }

        impl Default for $Section {
            fn default() -> $Section {
                $Section { $($name: $default,)* }
            }
        }

        impl $Section {
            /// Reads each key by itself, so that one that is wrong hides no other.
            pub(crate) fn read(from: &mut crate::load::Reader<'_>) -> $Section {
                let default = $Section::default();
                $Section { $($name: from.value(concat!(stringify!($section), ".", stringify!($name)), default.$name),)* }
            }
        })*

        /// All keys of the sections that are the same in every configuration.
        pub const KEYS: &[Key] = &[$($(Key {
            section: stringify!($section),
            name: stringify!($name),
            about: concat!($($doc),*),
            since: $since,
        },)*)*];
    };
}

sections! {
    /// Where clients come in.
    server: Server {
        /// Address and port to listen on. Loopback only, unless `allow_remote`.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7717)), "0.1";
        /// Whether other machines may reach the server. They need a key, as everybody does; what they send is not encrypted,
        /// so put something that does TLS in front.
        allow_remote: bool = false, "0.1";
        /// Host names, beside those of loopback, that requests may be sent to. Others are refused, so that no web page
        /// can reach the server by a name of its own.
        hosts: Vec<String> = Vec::new(), "0.1";
        /// Connections at once; more wait to be accepted.
        connections_max: usize = 1024, "0.1";
        /// Connections at once of one address, or of one network of IPv6 (/64); more are closed. Raise it where a proxy stands
        /// in front, from whose address all come.
        connections_per_address: usize = 512, "0.1";
        /// Requests a second of one address, counted before its keys are looked at; ten seconds' worth may come at once. 0 is
        /// no limit.
        requests_per_address: usize = 0, "0.1";
        /// Requests a second with a key or token that is not valid, of one address; ten seconds' worth may come at once.
        refusals_per_address: usize = 200, "0.1";
        /// Requests a second with one key; ten seconds' worth may come at once. 0 is no limit.
        requests_per_key: usize = 0, "0.1";
        /// WebSockets at once, beside those; more are refused.
        websockets_max: usize = 32_768, "0.1";
        /// How long a client may take to send the head of a request.
        header_timeout: Period = Period(Duration::from_secs(10)), "0.1";
        /// How long a client may pause while it sends a body.
        body_timeout: Period = Period(Duration::from_secs(30)), "0.1";
        /// Bytes of a JSON body.
        request_bytes_max: Size = Size(8 << 20), "0.1";
        /// Bytes of an uploaded file or archive.
        upload_bytes_max: Size = Size(4 << 30), "0.1";
        /// How long requests may go on when the server is told to stop.
        drain: Period = Period(Duration::from_secs(5)), "0.1";
    }
    /// Where sessions are kept.
    data: Data {
        /// Folder of all that is kept. By default $STATE_DIRECTORY (given by systemd), else $XDG_STATE_HOME/warren, else
        /// ~/.local/state/warren.
        dir: PathBuf = PathBuf::new(), "0.1";
        /// File with the key that what is kept is encrypted with. By default a key made at the first start, in the data
        /// folder.
        key_file: Option<PathBuf> = None, "0.1";
        /// Bytes of the disk that are left free for what has to be written whatever comes. Below it nothing new is begun.
        reserve: Size = Size(512 << 20), "0.1";
    }
    /// What holds for all sessions of the node.
    sessions: SessionSettings {
        /// Sessions awake at once; more requests for sessions at rest are turned away until one rests.
        awake_max: usize = 10_000, "0.1";
        /// How durable what a session acknowledged is, unless its template says otherwise: scratch, checkpoint, journal or
        /// strict.
        default_durability: Tier = Tier::Checkpoint, "0.1";
        /// A session without a command or a client hibernates after this long, unless its template says otherwise.
        idle_timeout: Timeout = Timeout(Some(Duration::from_secs(15 * 60))), "0.1";
        /// How long processes have between SIGTERM and SIGKILL when their session hibernates or is deleted.
        grace: Period = Period(Duration::from_secs(5)), "0.1";
        /// Bytes of each stream of a command that are sent with its outcome; the rest is fetched by offset.
        output_bytes_max: Size = Size(1 << 20), "0.1";
    }
    /// What sessions reach outside. Which hosts, their templates and owners say; without a word, none.
    egress: EgressSettings {
        /// Connections of all sessions to the outside at once, and half as many of one tenant; each takes a descriptor of the
        /// server.
        connections_max: usize = 1024, "0.1";
        /// Rules that reach what is not public, such as "10.1.0.0/16:5432", which tenants other than `default` may give their
        /// sessions. Templates may have any.
        private: Vec<String> = Vec::new(), "0.1";
    }
    /// What JavaScript programs of all sessions share.
    node: NodeSettings {
        /// Isolates that wait for a program, so that it begins at once.
        isolates_ready: usize = 2, "0.1";
        /// A program that nothing happens to for this long gives memory back that it does not need.
        quiet: Period = Period(Duration::from_secs(3)), "0.1";
        /// Bytes of compiled scripts kept in memory; what was used least lately goes first.
        code_bytes_max: Size = Size(256 << 20), "0.1";
        /// The same on disk, in `scripts` of the software's folder.
        code_disk_bytes_max: Size = Size(1 << 30), "0.1";
    }
    /// What is kept of who did what.
    audit: Audit {
        /// How long a record is kept.
        keep: Period = Period(Duration::from_secs(400 * 24 * 3600)), "0.1";
        /// Bytes kept for one tenant; the oldest records go first.
        bytes_max: Size = Size(256 << 20), "0.1";
    }
    /// Where spans of requests go. Figures are at `GET /metrics`.
    telemetry: Telemetry {
        /// Collector of OpenTelemetry that takes spans by OTLP over HTTP, such as "http://127.0.0.1:4318"; `/v1/traces` is added.
        /// By default OTEL_EXPORTER_OTLP_ENDPOINT of the environment, else spans go nowhere.
        otlp_endpoint: Option<Endpoint> = None, "0.1";
        /// How many of all traces are sent, from 0 to 1; which, their ids say.
        sampled: Ratio = Ratio(1.0), "0.1";
    }
    /// What the server writes about itself, to standard error.
    log: Log {
        /// Which lines: error, warn, info, debug, trace; also for single parts, as in `info,warren_session=debug`.
        level: String = "info".to_owned(), "0.1";
        /// How they look: text or json.
        format: LogFormat = LogFormat::Text, "0.1";
    }
}
