//! Texts that are looked for.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Bytes that a compiled expression may take.
const EXPRESSION_BYTES_MAX: usize = 256 * 1024;
/// Fields named `regex` in a script, which bounds what all of its expressions take.
pub(super) const EXPRESSIONS_MAX: usize = 256;

/// What a text has to be like: `"part"`, `{"lacks": "part"}`, `{"equals": "text"}`, `{"regex": "^a+$"}`, or a list of
/// these, of which all have to hold.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Pattern {
    Contains(String),
    Lacks(String),
    Equals(String),
    Matches(Box<Regex>),
    All(Vec<Pattern>),
}

impl Pattern {
    /// An expression that is found anywhere in a text.
    ///
    /// # Errors
    /// What is wrong with the expression, or that it is too large.
    pub fn regex(expression: &str) -> Result<Pattern, String> {
        let compiled = RegexBuilder::new(expression).size_limit(EXPRESSION_BYTES_MAX).build();
        compiled.map(|regex| Pattern::Matches(Box::new(regex))).map_err(|why| why.to_string())
    }

    /// Whether a text is so.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Pattern::Contains(part) => text.contains(part),
            Pattern::Lacks(part) => !text.contains(part),
            Pattern::Equals(whole) => text == whole,
            Pattern::Matches(regex) => regex.is_match(text),
            Pattern::All(patterns) => patterns.iter().all(|pattern| pattern.holds(text)),
        }
    }
}

/// Fields named `regex` in a value.
pub(super) fn expressions(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(expressions).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| usize::from(key == "regex") + expressions(value)).sum(),
        _ => 0,
    }
}

/// What the text has to do, for errors: "contain `a`".
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Contains(part) => write!(f, "contain {part:?}"),
            Pattern::Lacks(part) => write!(f, "lack {part:?}"),
            Pattern::Equals(whole) => write!(f, "be {whole:?}"),
            Pattern::Matches(regex) => write!(f, "match /{regex}/"),
            Pattern::All(patterns) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    write!(f, "{}{pattern}", if index == 0 { "" } else { " and " })?;
                }
                Ok(())
            }
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        Value::from(self.clone()) == Value::from(other.clone())
    }
}

impl TryFrom<Value> for Pattern {
    type Error = String;

    fn try_from(value: Value) -> Result<Pattern, String> {
        const FORMS: &str =
            "has to be a text, {\"lacks\": text}, {\"equals\": text}, {\"regex\": text} or a list of these";
        let (key, value) = match value {
            Value::String(part) => return Ok(Pattern::Contains(part)),
            Value::Array(list) => {
                return list.into_iter().map(Pattern::try_from).collect::<Result<_, _>>().map(Pattern::All);
            }
            Value::Object(map) if map.len() == 1 => map.into_iter().next().expect("it has one"),
            _ => return Err(FORMS.to_owned()),
        };
        match (key.as_str(), value) {
            ("contains", Value::String(part)) => Ok(Pattern::Contains(part)),
            ("lacks", Value::String(part)) => Ok(Pattern::Lacks(part)),
            ("equals", Value::String(whole)) => Ok(Pattern::Equals(whole)),
            ("regex", Value::String(expression)) => Pattern::regex(&expression),
            _ => Err(FORMS.to_owned()),
        }
    }
}

impl From<Pattern> for Value {
    fn from(pattern: Pattern) -> Value {
        match pattern {
            Pattern::Contains(part) => json!(part),
            Pattern::Lacks(part) => json!({ "lacks": part }),
            Pattern::Equals(whole) => json!({ "equals": whole }),
            Pattern::Matches(regex) => json!({ "regex": regex.as_str() }),
            Pattern::All(patterns) => Value::Array(patterns.into_iter().map(Value::from).collect()),
        }
    }
}
