//! How choices look to OpenAPI, where the types they are made of know nothing of it.

use crate::value::{Period, Size, Timeout};
use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use warren_egress::rule::{RULE_BYTES_MAX, RULES_MAX as EGRESS_RULES_MAX};
use warren_kernel::limits::Limits;
use warren_kernel::policy::{PATTERN_MAX, RULES_MAX};

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

/// Entries of an environment: values by name.
#[derive(Debug)]
pub struct Environment;

/// Labels of a session: values by name.
#[derive(Debug)]
pub struct Labels;

/// Numbers by the name of a limit.
#[derive(Debug)]
pub struct LimitsByName;

/// [`warren_egress::Rules`].
#[derive(Debug)]
pub struct EgressRules;

/// What a length of time looks like: numbers, each with its unit. `humantime` reads them.
const PERIOD: &str = "([0-9]{1,9} *(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|\
                      hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y) *)+";
/// What a number of bytes looks like, as text; the digits are so many that it is below 2^64 with any unit.
const SIZE: &str = "^([0-9]{1,19} *[bB]?|[0-9]{1,7} *[kKmMgGtT]([iI][bB])?)$";

schemas! {
    Durability = string().enum_values(Some(["scratch", "checkpoint", "journal", "strict"])),
        "How durable what is acknowledged is.";
    Rules = rules(), "Rules of a domain: of `rules` the last that matches decides, else `default`.";
    NewFile = file(), "A file to begin with.";
    Size = OneOfBuilder::new().item(number().maximum(Some(u64::MAX))).item(string().pattern(Some(SIZE))),
        "A number of bytes, or of things: whole, or as text with `KiB`, `MiB`, `GiB`.";
    Period = string().pattern(Some(format!("^{PERIOD}$"))).examples([Value::from("1h 30m")]), "A length of time with its unit.";
    Timeout = string().pattern(Some(format!("^(never|{PERIOD})$"))).examples([Value::from("5m")]), "A length of time with its unit, or `never`.";
    Environment = map(string().pattern(Some("^[^=\\x00]+$")), string().pattern(Some("^[^\\x00]*$"))),
        "Entries of an environment: values by name.";
    EgressRules = ArrayBuilder::new().items(egress_rule().build()).max_items(Some(EGRESS_RULES_MAX)),
        "What a session reaches outside.";
    Labels = map(string().min_length(Some(1)).max_length(Some(256)), string().max_length(Some(256))).max_properties(Some(32)),
        "Labels: values by name.";
}

impl PartialSchema for LimitsByName {
    fn schema() -> RefOr<Schema> {
        let limits = by_name(Limits::TABLE.iter().map(|limit| limit.name), Ref::from_schema_name(Size::name()));
        RefOr::T(limits.description(Some("Numbers by the name of a limit.")).build().into())
    }
}

impl ToSchema for LimitsByName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("LimitsByName")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Size::name().into_owned(), Size::schema()));
    }
}

/// An object whose members have one of these names, and values that look the same.
pub fn by_name<'a>(names: impl Iterator<Item = &'a str>, values: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    map(string().enum_values(Some(names)), values)
}

fn map(names: ObjectBuilder, values: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    let values = AdditionalProperties::RefOr(values.into());
    ObjectBuilder::new().schema_type(Type::Object).property_names(Some(names)).additional_properties(Some(values))
}

/// An object without other members.
fn closed(object: ObjectBuilder) -> ObjectBuilder {
    object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

fn rules() -> ObjectBuilder {
    let effect = || string().enum_values(Some(["deny", "allow"]));
    let rule = ObjectBuilder::new().property("effect", effect());
    let pattern = string().min_length(Some(1)).max_length(Some(PATTERN_MAX));
    let rule = closed(rule.property("pattern", pattern).required("effect").required("pattern"));
    let rules = ArrayBuilder::new().items(rule.build()).max_items(Some(RULES_MAX));
    closed(ObjectBuilder::new().property("default", effect()).property("rules", rules))
}

/// A host, an address or a network, and ports; how names and addresses look in detail, its reader says.
fn egress_rule() -> ObjectBuilder {
    const PORT: &str = "0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
    let pattern = format!(r"^(local:)?(\*\.)?[\[A-Za-z0-9._:/-]*[\]A-Za-z0-9._:-](:{PORT}(-{PORT})?)?$");
    let examples = ["api.example.com:443", "*.example.com", "10.1.0.0/16:5432", "public"].map(Value::from);
    string().min_length(Some(1)).max_length(Some(RULE_BYTES_MAX)).pattern(Some(pattern)).examples(examples)
}

fn file() -> ObjectBuilder {
    let path = string().pattern(Some(r"^/[^\x00]*$")).description(Some("Absolute; directories on the way are made."));
    let mode = number().maximum(Some(0o7777)).description(Some("Permission bits, as a number: 420 is 0644."));
    let file = ObjectBuilder::new().property("path", path).property("content", string()).property("mode", mode);
    closed(file.required("path").required("content"))
}
