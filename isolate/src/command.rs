//! The `node` command line.

/// What to run, and how.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// What to begin with.
    pub main: Main,
    /// Its arguments: `process.argv` from the third on, or from the second without a file.
    pub arguments: Vec<String>,
    /// Options of node's own: `process.execArgv`.
    pub options: Vec<String>,
    /// `-r`: modules required before it.
    pub require: Vec<String>,
    /// `--import`: modules imported before it.
    pub import: Vec<String>,
    /// `--env-file`, and whether it has to be there.
    pub env_files: Vec<(String, bool)>,
    /// `--input-type`.
    pub input_type: Option<InputType>,
    /// `-C`: conditions of package exports.
    pub conditions: Vec<String>,
    /// `-c`: only whether it could be run.
    pub check: bool,
}

/// What a program begins with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Main {
    /// `-e`, or `-p`, which prints what it comes to.
    Text { source: String, print: bool },
    /// A file.
    File(String),
    /// Standard input, to its end.
    #[default]
    Input,
    /// Something node says of itself.
    Say(String),
}

/// What text is that has no file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    /// `commonjs`, `commonjs-typescript`
    CommonJs,
    /// `module`, `module-typescript`
    Module,
}

/// Why a command line is none; node says it and exits with 9.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// An option node does not have, or we do not.
    #[error("bad option: {0}")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} requires an argument")]
    NoValue(String),
    /// A value an option cannot have.
    #[error("{0}={1} is not supported; use {2}")]
    Value(String, String, &'static str),
}

const HELP: &str = "\
Usage: node [options] [script.js | -] [arguments]
       node [options] -e SCRIPT [arguments]

  -e, --eval SCRIPT          evaluate a script
  -p, --print SCRIPT         evaluate a script and print what it comes to
  -r, --require MODULE       require a module first
  --import MODULE            import a module first
  --input-type TYPE          what a script without a name is: module or commonjs
  --env-file FILE            variables of a file
  --env-file-if-exists FILE  the same, if it is there
  -C, --conditions NAME      a condition of package exports
  -c, --check                only check a script's syntax
  -v, --version              print the version of Node's interfaces
  -h, --help                 print this
";

/// Options that have no effect here and are taken, since programs give them.
const TAKEN: &[&str] = &[
    "--no-warnings",
    "--no-deprecation",
    "--trace-warnings",
    "--trace-uncaught",
    "--trace-deprecation",
    "--throw-deprecation",
    "--pending-deprecation",
    "--enable-source-maps",
    "--experimental-vm-modules",
    "--experimental-strip-types",
    "--experimental-transform-types",
    "--experimental-require-module",
    "--experimental-detect-module",
    "--experimental-global-webcrypto",
    "--experimental-fetch",
    "--experimental-wasm-modules",
    "--experimental-import-meta-resolve",
    "--no-experimental-fetch",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
    "--expose-gc",
    "--abort-on-uncaught-exception",
    "--interactive",
    "-i",
];
/// The same, with a value.
const TAKEN_WITH_VALUE: &[&str] = &[
    "--max-old-space-size",
    "--max-semi-space-size",
    "--stack-trace-limit",
    "--stack-size",
    "--unhandled-rejections",
    "--disable-warning",
    "--title",
    "--dns-result-order",
    "--max-http-header-size",
    "--tls-cipher-list",
];

/// Reads a command line, the name of the command left out.
///
/// # Errors
/// [`CommandError`]
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<CommandLine, CommandError> {
    let mut line = CommandLine::default();
    let mut words = words.into_iter();
    let mut text: Option<(String, bool)> = None;
    while let Some(word) = words.next() {
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let before = line.options.len();
        let mut need = |given: &mut Option<String>, options: &mut Vec<String>| match given.take() {
            Some(value) => Ok(value),
            None => {
                let value = words.next().ok_or_else(|| CommandError::NoValue(name.clone()))?;
                options.push(value.clone());
                Ok(value)
            }
        };
        line.options.push(word.clone());
        match name.as_str() {
            "-" => {
                line.options.pop();
                line.arguments.extend(words);
                return Ok(finish(line, text));
            }
            "--" => {
                line.options.pop();
                if text.is_none() {
                    line.main = words.next().map_or(Main::Input, Main::File);
                }
                line.arguments.extend(words);
                return Ok(finish(line, text));
            }
            "-e" | "--eval" => text = Some((need(&mut value, &mut line.options)?, false)),
            "-p" | "--print" | "-pe" => text = Some((need(&mut value, &mut line.options)?, true)),
            "-r" | "--require" => line.require.push(need(&mut value, &mut line.options)?),
            "--import" => line.import.push(need(&mut value, &mut line.options)?),
            "-C" | "--conditions" => line.conditions.push(need(&mut value, &mut line.options)?),
            "--env-file" => line.env_files.push((need(&mut value, &mut line.options)?, true)),
            "--env-file-if-exists" => line.env_files.push((need(&mut value, &mut line.options)?, false)),
            "--input-type" => {
                let given = need(&mut value, &mut line.options)?;
                line.input_type = Some(match given.as_str() {
                    "commonjs" | "commonjs-typescript" => InputType::CommonJs,
                    "module" | "module-typescript" => InputType::Module,
                    _ => return Err(CommandError::Value(name, given, "module or commonjs")),
                });
            }
            "-c" | "--check" => line.check = true,
            "-v" | "--version" => return Ok(CommandLine { main: Main::Say(version()), ..line }),
            "-h" | "--help" => return Ok(CommandLine { main: Main::Say(HELP.to_owned()), ..line }),
            _ if TAKEN.contains(&name.as_str()) => {}
            _ if TAKEN_WITH_VALUE.contains(&name.as_str()) => {
                need(&mut value, &mut line.options)?;
            }
            _ if word.starts_with('-') => return Err(CommandError::Unknown(word)),
            _ => {
                line.options.truncate(before);
                if text.is_some() {
                    line.arguments.push(word);
                } else {
                    line.main = Main::File(word);
                }
                line.arguments.extend(words);
                return Ok(finish(line, text));
            }
        }
    }
    Ok(finish(line, text))
}

fn finish(line: CommandLine, text: Option<(String, bool)>) -> CommandLine {
    match text {
        Some((source, print)) => CommandLine { main: Main::Text { source, print }, ..line },
        None => line,
    }
}

/// What `node --version` says.
fn version() -> String {
    format!("v{}\n", deno_node::NODE_VERSION)
}

#[cfg(test)]
mod tests;
