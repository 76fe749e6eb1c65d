//! What a client says of a command's standard input: `"open"`, `{"text": ...}` or `{"base64": ...}`.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Base64 with its padding, and no bits that say nothing.
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// Standard input of a command.
#[derive(Debug, PartialEq)]
pub(crate) enum Input {
    /// To be sent later.
    Open,
    /// This, and the end.
    Text(String),
    /// These bytes in base64, and the end.
    Base64(String),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Input, D::Error> {
        deserializer.deserialize_any(Inputs)
    }
}

struct Inputs;

impl<'de> Visitor<'de> for Inputs {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"open\", or an object with either `text` or `base64`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Input, E> {
        match word {
            "open" => Ok(Input::Open),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input, A::Error> {
        let one = || A::Error::custom("stdin: has to have either `text` or `base64`");
        let key: Cow<'de, str> = map.next_key()?.ok_or_else(one)?;
        let input = match &*key {
            "text" => Input::Text(map.next_value()?),
            "base64" => Input::Base64(map.next_value()?),
            other => return Err(A::Error::unknown_field(other, &["text", "base64"])),
        };
        match map.next_key::<Cow<'de, str>>()? {
            None => Ok(input),
            Some(_) => Err(one()),
        }
    }
}

impl PartialSchema for Input {
    fn schema() -> RefOr<Schema> {
        let string = || ObjectBuilder::new().schema_type(Type::String);
        let object = |name: &str, value: ObjectBuilder| {
            let closed = AdditionalProperties::FreeForm(false);
            ObjectBuilder::new().property(name, value).required(name).additional_properties(Some(closed))
        };
        let open = string().enum_values(Some(["open"])).description(Some("To be sent later."));
        let text = object("text", string()).description(Some("This, and the end."));
        let base64 = object("base64", string().pattern(Some(BASE64)).content_encoding("base64"));
        let base64 = base64.description(Some("These bytes in base64, and the end."));
        let input = OneOfBuilder::new().item(open).item(text).item(base64);
        RefOr::T(input.description(Some("Standard input of a command.")).build().into())
    }
}

impl ToSchema for Input {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Input")
    }
}

#[cfg(test)]
mod tests {
    use super::Input;
    use crate::http::request::read;

    #[test]
    fn it_is_open_or_one_of_two_members() {
        assert_eq!(read::<Input>(br#""open""#).expect("it is open"), Input::Open);
        assert_eq!(read::<Input>(br#"{"text": ""}"#).expect("it is empty"), Input::Text(String::new()));
        let escaped = read::<Input>(br#"{"t\u0065xt": "\u0000\n"}"#).expect("it is text");
        assert_eq!(escaped, Input::Text("\0\n".to_owned()));
        assert_eq!(read::<Input>(br#"{"base64": "/wA="}"#).expect("it is base64"), Input::Base64("/wA=".to_owned()));
    }

    #[test]
    fn anything_else_is_a_request_that_makes_no_sense_and_not_broken_json() {
        for wrong in [
            r#"{"text": "a", "base64": ""}"#,
            r#"{"text": "a", "text": "b"}"#,
            r#"{"open": null}"#,
            r#"{"txet": "a"}"#,
            r#"{"text": 1}"#,
            r#"{"text": null}"#,
            "{}",
            "[]",
            r#"["open"]"#,
            r#""closed""#,
            "7",
            "true",
        ] {
            let refused = read::<Input>(wrong.as_bytes()).expect_err(wrong);
            assert_eq!(refused.code(), "invalid_request", "{wrong}");
        }
        assert_eq!(read::<Input>(br#"{"text": "a""#).expect_err("it is cut").code(), "bad_json");
    }
}
