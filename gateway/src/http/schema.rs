//! Schemas of what is written as text: ids, positions, times, kinds. They stand in for types of the layers below, which
//! know nothing of OpenAPI.

use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
pub(crate) use warren_config::schema::Durability;

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
    SessionId = text("^[0-9a-v]{26}$", "01k82qc0in51v6ssuofna6hl2e");
    /// A name of a session, its tenant's own: 1 to 63 of a-z, 0-9 and `-`, not beginning or ending with `-`.
    SessionName = text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "build-17");
    /// What a terminal is called: 1 to 63 of a-z, 0-9 and `-`.
    TerminalName = text("^[a-z0-9-]{1,63}$", "1");
    /// Where an event stands: the owner's epoch and the event's number.
    Position = text(r"^[0-9]+\.[0-9]+$", "1.42");
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
    TenantId = text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "acme");
    /// A set of scopes by name.
    Role = words(&["operator", "admin", "member", "viewer"]);
    /// One thing that a key allows.
    Scope = string().enum_values(Some(scopes()));
    /// A refusal or limit of the kernel: what, and about what.
    KernelEvent = ObjectBuilder::new().schema_type(Type::Object);
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text(pattern: &str, example: &str) -> ObjectBuilder {
    string().pattern(Some(pattern)).examples([Value::from(example)])
}

fn words(words: &[&str]) -> ObjectBuilder {
    string().enum_values(Some(words.iter().copied()))
}

fn scopes() -> Vec<&'static str> {
    warren_cluster::registry::Scope::ALL.map(warren_cluster::registry::Scope::as_str).to_vec()
}
