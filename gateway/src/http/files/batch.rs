//! `POST .../files:batch`: several changes of files as one.
//!
//! An operation is read as one object with all members there are, and then has to have its own and no others: what `serde` derives
//! for an enum whose tag is a member would hold whatever else is there, and take a list for it.

use crate::http::App;
use crate::http::problem::Problem;
use crate::http::request::{self, Json, Target};
use crate::http::schema;
use crate::http::view::{self, FileView};
use axum::extract::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use warren_session::command::Operation;

/// What is to be done, in this order: all of it or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileBatch)]
pub(crate) struct Asked {
    #[schema(max_items = 1000)]
    operations: Vec<Strict>,
}

/// What is wanted, described with no members but those it has.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Strict(Wanted);

/// One change of files: `op` says which, and which other members there are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "lowercase", try_from = "Members")]
enum Wanted {
    /// A file, whole, in the place of what is there; links are followed.
    Write {
        #[schema(value_type = schema::Path)]
        path: String,
        /// What is in it, as text.
        content: Option<String>,
        /// What is in it, as base64; one of the two, or neither for an empty file.
        content_base64: Option<String>,
        /// Permission bits in octal; else those that the file has, or 0644.
        #[schema(pattern = "^[0-7]{1,4}$")]
        mode: Option<String>,
        /// Makes directories on the way.
        #[serde(default)]
        parents: bool,
        /// Does not replace a file that is there.
        #[serde(default)]
        exclusive: bool,
    },
    /// A directory is made.
    Mkdir {
        #[schema(value_type = schema::Path)]
        path: String,
        /// Permission bits in octal; else 0755.
        #[schema(pattern = "^[0-7]{1,4}$")]
        mode: Option<String>,
        /// Makes those on the way, and is content with one that is there.
        #[serde(default)]
        parents: bool,
    },
    /// A file or directory gets another path, in the place of what is there.
    Move {
        #[schema(value_type = schema::Path)]
        path: String,
        #[schema(value_type = schema::Path)]
        to: String,
        /// Does not replace what is there.
        #[serde(default)]
        exclusive: bool,
    },
    /// A file or directory is removed; a link itself.
    Remove {
        #[schema(value_type = schema::Path)]
        path: String,
        /// A directory with all in it; at most 10,000 names in one batch.
        #[serde(default)]
        recursive: bool,
    },
    /// Permission bits are set; a link is followed.
    Chmod {
        #[schema(value_type = schema::Path)]
        path: String,
        /// In octal.
        #[schema(pattern = "^[0-7]{1,4}$")]
        mode: String,
    },
    /// A symbolic link is made.
    Symlink {
        #[schema(value_type = schema::Path)]
        path: String,
        /// Where it leads.
        #[schema(value_type = schema::LinkTarget)]
        target: String,
    },
}

/// All members that an operation can have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    op: Op,
    path: String,
    content: Option<String>,
    content_base64: Option<String>,
    mode: Option<String>,
    parents: Option<bool>,
    exclusive: Option<bool>,
    recursive: Option<bool>,
    to: Option<String>,
    target: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Write,
    Mkdir,
    Move,
    Remove,
    Chmod,
    Symlink,
}

impl Op {
    /// Its name, and the members it has beside `path`.
    fn members(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Op::Write => ("write", &["content", "content_base64", "mode", "parents", "exclusive"]),
            Op::Mkdir => ("mkdir", &["mode", "parents"]),
            Op::Move => ("move", &["to", "exclusive"]),
            Op::Remove => ("remove", &["recursive"]),
            Op::Chmod => ("chmod", &["mode"]),
            Op::Symlink => ("symlink", &["target"]),
        }
    }
}

impl TryFrom<Members> for Wanted {
    type Error = String;

    fn try_from(given: Members) -> Result<Wanted, String> {
        let Members { op, path, content, content_base64, mode, parents, exclusive, recursive, to, target } = given;
        let (name, members) = op.members();
        let given = [
            ("content", content.is_some()),
            ("content_base64", content_base64.is_some()),
            ("mode", mode.is_some()),
            ("parents", parents.is_some()),
            ("exclusive", exclusive.is_some()),
            ("recursive", recursive.is_some()),
            ("to", to.is_some()),
            ("target", target.is_some()),
        ];
        if let Some((other, _)) = given.into_iter().find(|(member, is_given)| *is_given && !members.contains(member)) {
            return Err(format!("`{name}` has no `{other}`"));
        }
        let needs = |member: &str| format!("`{name}` needs `{member}`");
        let flag = |given: Option<bool>| given.unwrap_or(false);
        let (parents, exclusive, recursive) = (flag(parents), flag(exclusive), flag(recursive));
        Ok(match op {
            Op::Write => Wanted::Write { path, content, content_base64, mode, parents, exclusive },
            Op::Mkdir => Wanted::Mkdir { path, mode, parents },
            Op::Move => Wanted::Move { path, to: to.ok_or_else(|| needs("to"))?, exclusive },
            Op::Remove => Wanted::Remove { path, recursive },
            Op::Chmod => Wanted::Chmod { path, mode: mode.ok_or_else(|| needs("mode"))? },
            Op::Symlink => Wanted::Symlink { path, target: target.ok_or_else(|| needs("target"))? },
        })
    }
}

impl PartialSchema for Strict {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::OneOf(mut one)) = Wanted::schema() else {
            unreachable!("an enum of several variants is one of several")
        };
        for item in &mut one.items {
            if let RefOr::T(Schema::Object(object)) = item {
                object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
        RefOr::T(one.into())
    }
}

impl ToSchema for Strict {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FileOperation")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Wanted::schemas(schemas);
    }
}

/// What is there now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileBatchDone)]
pub(crate) struct Done {
    /// For each operation what is at its place now, in order; `null` where nothing is.
    files: Vec<Option<FileView>>,
}

/// `POST .../files:batch`.
pub(crate) async fn batch(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Asked>,
) -> Result<axum::Json<Done>, Problem> {
    let operations = asked.operations.into_iter().enumerate().map(|(index, wanted)| {
        let operation = wanted.0.operation();
        operation.map_err(|problem| problem.of_operation(index))
    });
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    let done = target.wake(&app).await?.batch(operations).await?;
    Ok(axum::Json(Done { files: done.into_iter().map(|info| info.map(FileView::from)).collect() }))
}

impl Wanted {
    fn operation(self) -> Result<Operation, Problem> {
        Ok(match self {
            Wanted::Write { path, content, content_base64, mode, parents, exclusive } => {
                let content = match (content, content_base64) {
                    (Some(text), None) => Bytes::from(text),
                    (None, Some(text)) => view::from_base64(&text)?,
                    (None, None) => Bytes::new(),
                    (Some(_), Some(_)) => {
                        return Err(Problem::invalid("content and content_base64: give one of them"));
                    }
                };
                let mode = mode.map(|mode| super::mode(&mode)).transpose()?;
                Operation::Write { path: request::absolute(&path)?, content, mode, parents, exclusive }
            }
            Wanted::Mkdir { path, mode, parents } => {
                let mode = mode.map(|mode| super::mode(&mode)).transpose()?;
                Operation::MakeDirectory { path: request::absolute(&path)?, mode, parents }
            }
            Wanted::Move { path, to, exclusive } => {
                Operation::Move { from: request::absolute(&path)?, to: request::absolute(&to)?, exclusive }
            }
            Wanted::Remove { path, recursive } => Operation::Remove { path: request::absolute(&path)?, recursive },
            Wanted::Chmod { path, mode } => {
                Operation::ChangeMode { path: request::absolute(&path)?, mode: super::mode(&mode)? }
            }
            Wanted::Symlink { path, target } => Operation::Link { path: request::absolute(&path)?, target },
        })
    }
}
