//! Schemas of what is written as text: ids, positions, times, kinds. They stand in for types of the layers below, which
//! know nothing of OpenAPI.

use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use warren_cluster::registry::{self, Scopes};
use warren_config::schema::by_name;
pub(crate) use warren_config::schema::{Durability, Environment};
use warren_config::value::Size;
use warren_kernel::limits::Limits;
use warren_kernel::signal::Signal;
use warren_session::quota::Quota;

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $Name:ident = $schema:expr;)*) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $Name;

            impl PartialSchema for $Name {
                fn schema() -> RefOr<Schema> {
                    RefOr::T($schema.description(Some(concat!($($doc),+).trim())).build().into())
                }
            }

            impl ToSchema for $Name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($Name))
                }
            }
        )*
    };
}

schemas! {
    /// A session's id: 26 characters of 0-9 and a-v, in the order sessions were made.
    SessionId = text("^[0-7][0-9a-v]{25}$", "01k82qc0in51v6ssuofna6hl2e");
    /// A name of a session, its tenant's own: 1 to 63 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit; not the form of an id.
    SessionName = text(NAME, "build-17");
    /// What a terminal is called: 1 to 63 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit.
    TerminalName = text(NAME, "1");
    /// A label with its value: `name=value`.
    LabelWith = text("^[^=]+=", "team=a");
    /// Labels by name; `null` takes one away.
    LabelChanges = entries(string().min_length(Some(1)).max_length(Some(256)), string().max_length(Some(256)))
        .max_properties(Some(32));
    /// Entries of an environment by name; `null` takes one away.
    EnvironmentChanges = entries(string().pattern(Some("^[^=\\x00]+$")), string().pattern(Some("^[^\\x00]*$")));
    /// A path in a session, from its root.
    Path = string().pattern(Some(r"^[^\x00]*$"));
    /// Where a symbolic link leads.
    LinkTarget = string().pattern(Some(r"^[^\x00]+$")).max_length(Some(4095));
    /// Where an event stands: the owner's epoch and the event's number.
    Position = text(POSITION, "1.42");
    /// Where a session's life stands.
    State = words(&["creating", "active", "hibernating", "hibernated", "waking", "moving", "failed", "deleted"]);
    /// A stream of a command. For a command on a terminal standard output is all it shows.
    Stream = words(&["stdout", "stderr"]);
    /// What a file is.
    Kind = words(&["file", "directory", "symlink", "fifo", "socket", "character", "block"]);
    /// How a command ended.
    End = words(&["exited", "signaled", "timed_out", "not_started", "interrupted"]);
    /// A key's id.
    KeyId = text("^[0-9a-v]{16}$", "9p3k0v1m2n4b5c6d");
    /// A tenant's id.
    TenantId = text("^[a-z0-9][a-z0-9-]{0,62}$", "acme");
    /// A set of scopes by name.
    Role = words(&["operator", "admin", "member", "viewer"]);
    /// One thing that a key allows.
    Scope = string().enum_values(Some(scopes()));
    /// One thing that a token allows in its session.
    TokenScope = string().enum_values(Some(token_scopes()));
    /// A word of a command.
    Word = string().pattern(Some(r"^[^\x00]*$"));
    /// A number of 64 bits: of bytes, a command, a record.
    Count = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u64::MAX));
    /// Always the same word.
    ResyncWord = words(&["resync"]);
    /// Always the same word.
    EndWord = words(&["end"]);
    /// A signal by name or number as text: `TERM`, `SIGTERM`, `15`.
    SignalName = text(&signals(), "TERM");
    /// A refusal or limit of the kernel: what, and about what.
    KernelEvent = ObjectBuilder::new().schema_type(Type::Object);
}

/// What sessions and terminals are called; a session's id looks so, too.
pub(crate) const NAME: &str = "^[a-z0-9][a-z0-9._-]{0,62}$";
/// An epoch and a number. Each has so many digits that it is one of 64 bits.
pub(crate) const POSITION: &str = r"^[1-9][0-9]{0,18}\.[0-9]{1,18}$";

/// Numbers by the name of a quota; `null` is what the server says for all.
pub(crate) struct QuotaChanges;

/// Numbers by the name of a limit; `null` is what the server says for all.
pub(crate) struct LimitChanges;

impl PartialSchema for QuotaChanges {
    fn schema() -> RefOr<Schema> {
        changes(Quota::ALL.iter().map(|quota| quota.as_str()))
    }
}

impl PartialSchema for LimitChanges {
    fn schema() -> RefOr<Schema> {
        changes(Limits::TABLE.iter().map(|limit| limit.name))
    }
}

impl ToSchema for QuotaChanges {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("QuotaChanges")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Size::name().into_owned(), Size::schema()));
    }
}

impl ToSchema for LimitChanges {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("LimitChanges")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        QuotaChanges::schemas(schemas);
    }
}

fn changes<'a>(names: impl Iterator<Item = &'a str>) -> RefOr<Schema> {
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let value = OneOfBuilder::new().item(none).item(Ref::from_schema_name(Size::name()));
    let about = "Numbers by name; `null` is what the server says for all.";
    RefOr::T(by_name(names, value).description(Some(about)).build().into())
}

fn signals() -> String {
    let names = (1..=Signal::COUNT as u32).filter_map(|number| Some(Signal::new(number).ok()?.name()));
    format!("^((SIG)?({})|[1-9]|[12][0-9]|3[01])$", names.collect::<Vec<_>>().join("|"))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text(pattern: &str, example: &str) -> ObjectBuilder {
    string().pattern(Some(pattern)).examples([Value::from(example)])
}

/// Values by name, or `null`.
fn entries(names: ObjectBuilder, values: ObjectBuilder) -> ObjectBuilder {
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let values = AdditionalProperties::RefOr(OneOfBuilder::new().item(none).item(values).into());
    ObjectBuilder::new().schema_type(Type::Object).property_names(Some(names)).additional_properties(Some(values))
}

fn words(words: &[&str]) -> ObjectBuilder {
    string().enum_values(Some(words.iter().copied()))
}

fn token_scopes() -> Vec<&'static str> {
    registry::Scope::ALL
        .into_iter()
        .filter(|scope| Scopes::of_a_session().has(*scope))
        .map(registry::Scope::as_str)
        .collect()
}

fn scopes() -> Vec<&'static str> {
    registry::Scope::ALL.map(registry::Scope::as_str).to_vec()
}
