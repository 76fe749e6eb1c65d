//! How choices look to OpenAPI, where the types they are made of know nothing of it.

use crate::value::{Period, Size, Timeout};
use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! schemas {
    ($($Name:ident = $schema:expr, $about:literal;)*) => {
        $(
            impl PartialSchema for $Name {
                fn schema() -> RefOr<Schema> {
                    RefOr::T($schema.description(Some($about)).build().into())
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

/// [`warren_session::spec::Tier`].
#[derive(Debug)]
pub struct Durability;

/// [`warren_kernel::policy::Rules`].
#[derive(Debug)]
pub struct Rules;

/// [`warren_session::spec::SpecFile`].
#[derive(Debug)]
pub struct NewFile;

schemas! {
    Durability = string().enum_values(Some(["scratch", "checkpoint", "journal", "strict"])),
        "How durable what is acknowledged is.";
    Rules = rules(), "Rules of a domain: of `rules` the last that matches decides, else `default`.";
    NewFile = file(), "A file to begin with.";
    Size = OneOfBuilder::new().item(number()).item(string().pattern(Some("^[0-9]+ *([kKmMgGtT]([iI][bB])?|[bB])?$"))),
        "A number of bytes, or of things: whole, or as text with `KiB`, `MiB`, `GiB`.";
    Period = string().examples([Value::from("1h 30m")]), "A length of time with its unit.";
    Timeout = string().examples([Value::from("5m")]), "A length of time with its unit, or `never`.";
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

fn rules() -> ObjectBuilder {
    let effect = || string().enum_values(Some(["deny", "allow"]));
    let rule = ObjectBuilder::new().property("effect", effect()).property("pattern", string());
    let rule = rule.required("effect").required("pattern").build();
    let rules = ArrayBuilder::new().items(rule);
    ObjectBuilder::new().property("default", effect()).property("rules", rules)
}

fn file() -> ObjectBuilder {
    let path = string().pattern(Some("^/")).description(Some("Absolute; directories on the way are made."));
    let mode = number().maximum(Some(0o7777)).description(Some("Permission bits, as a number: 420 is 0644."));
    let file = ObjectBuilder::new().property("path", path).property("content", string()).property("mode", mode);
    file.required("path").required("content")
}
