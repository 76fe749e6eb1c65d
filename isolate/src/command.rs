//! The `node` command line: options before the program, in `NODE_OPTIONS` too, and what they say.

mod options;

use options::{Act, NodeOption};

/// What to run, and how.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// What to begin with.
    pub main: Main,
    /// Its arguments: `process.argv` from the third on, or from the second without a file.
    pub arguments: Vec<String>,
    /// Options of node's own: `process.execArgv`. Those of `NODE_OPTIONS` are not among them.
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
    /// `--stack-trace-limit`: frames of a stack.
    pub stack_trace_limit: Option<u32>,
    /// `--unhandled-rejections`: what becomes of a promise nobody cares for: `throw`, `strict`, `warn`, `none`.
    pub unhandled_rejections: Option<String>,
    /// Properties of `process` that options set.
    pub flags: Vec<&'static str>,
}

/// What a program begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Main {
    /// `-e`, or `-p`, which prints what it comes to.
    Text { source: String, print: bool },
    /// A file.
    File(String),
    /// Standard input, to its end.
    Input { print: bool },
    /// Something node says of itself.
    Say(String),
}

impl Default for Main {
    fn default() -> Main {
        Main::Input { print: false }
    }
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
    #[error("{0} must be {1}")]
    Value(String, &'static str),
    /// `--no-` before an option that has a value.
    #[error("{0} is an invalid negation because it is not a boolean option")]
    Negation(String),
    /// Something that is not for the environment.
    #[error("{0} is not allowed in NODE_OPTIONS")]
    Environment(String),
    /// A quote or an escape in `NODE_OPTIONS` that does not end.
    #[error("{0}")]
    Quote(&'static str),
    /// Two options that exclude each other.
    #[error("either {0} or {1} can be used, not both")]
    Both(&'static str, &'static str),
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

/// Reads a command line, the name of the command left out, and the value of `NODE_OPTIONS`.
///
/// # Errors
/// [`CommandError`]
pub fn parse(words: impl IntoIterator<Item = String>, environment: Option<&str>) -> Result<CommandLine, CommandError> {
    let mut reader = Reader::default();
    if let Some(text) = environment {
        reader.read_environment(options::split(text)?)?;
    }
    reader.read(words.into_iter().collect())?;
    reader.finish()
}

#[derive(Default)]
struct Reader {
    line: CommandLine,
    text: Option<String>,
    print: bool,
    say: Option<String>,
}

impl Reader {
    fn read_environment(&mut self, words: Vec<String>) -> Result<(), CommandError> {
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (name, value) = split_value(&word);
            let Some(option) = options::find(&name).filter(|option| option.in_environment && word.starts_with('-'))
            else {
                return Err(CommandError::Environment(name));
            };
            let value = if option.has_value { Some(value_of(&word, value, &mut words)?) } else { value };
            self.apply(option, &name, value)?;
        }
        Ok(())
    }

    fn read(&mut self, words: Vec<String>) -> Result<(), CommandError> {
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-" => {
                    self.line.arguments.extend(words);
                    return Ok(());
                }
                "--" => {
                    if self.text.is_none()
                        && let Some(file) = words.next()
                    {
                        self.line.main = Main::File(file);
                    }
                    self.line.arguments.extend(words);
                    return Ok(());
                }
                _ if !word.starts_with('-') => {
                    if self.text.is_some() {
                        self.line.arguments.push(word);
                    } else {
                        self.line.main = Main::File(word);
                    }
                    self.line.arguments.extend(words);
                    return Ok(());
                }
                _ => {}
            }
            let (name, given) = split_value(&word);
            self.line.options.push(word.clone());
            let option = options::find(&name).ok_or_else(|| CommandError::Unknown(word.clone()))?;
            // `-p` has a text only if one follows.
            let wants = option.has_value
                || option.act == Act::Print
                    && given.is_none()
                    && words.peek().is_some_and(|next| !next.starts_with('-'));
            let value = if wants {
                let is_own = given.is_some();
                let value = value_of(&word, given, &mut words)?;
                if !is_own {
                    self.line.options.push(value.clone());
                }
                Some(value)
            } else {
                given
            };
            self.apply(option, &name, value)?;
        }
        Ok(())
    }

    fn apply(&mut self, option: &NodeOption, name: &str, value: Option<String>) -> Result<(), CommandError> {
        let line = &mut self.line;
        if option.act == Act::Print {
            self.print = true;
            self.text = value.or(self.text.take());
            return Ok(());
        }
        let text = value.unwrap_or_default();
        match option.act {
            Act::Eval => self.text = Some(text),
            Act::PrintText => (self.print, self.text) = (true, Some(text)),
            Act::Require => line.require.push(text),
            Act::Import => line.import.push(text),
            Act::Conditions => line.conditions.push(text),
            Act::EnvFile => line.env_files.push((text, true)),
            Act::EnvFileIfThere => line.env_files.push((text, false)),
            Act::InputType => {
                line.input_type = Some(match text.as_str() {
                    "commonjs" | "commonjs-typescript" => InputType::CommonJs,
                    "module" | "module-typescript" => InputType::Module,
                    _ => {
                        let known = "\"module\",\"commonjs\", \"module-typescript\" or \"commonjs-typescript\"";
                        return Err(CommandError::Value(name.to_owned(), known));
                    }
                });
            }
            Act::Check => line.check = true,
            Act::Version => self.say = Some(version()),
            Act::Help => self.say = Some(HELP.to_owned()),
            Act::StackTraceLimit => line.stack_trace_limit = text.parse().ok(),
            Act::UnhandledRejections => {
                if !["strict", "warn", "none", "throw", "warn-with-error-codes"].contains(&text.as_str()) {
                    let known = "one of: strict, warn, none, throw, warn-with-error-codes";
                    return Err(CommandError::Value(name.to_owned(), known));
                }
                line.unhandled_rejections = Some(text);
            }
            Act::Flag(flag) if name.starts_with("--no-") && !option.name.starts_with("--no-") => {
                line.flags.retain(|known| *known != flag);
            }
            Act::Flag(flag) => line.flags.push(flag),
            Act::Taken | Act::Print => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<CommandLine, CommandError> {
        let Reader { mut line, text, print, say } = self;
        if line.check && text.is_some() {
            return Err(CommandError::Both("--check", "--eval"));
        }
        match (say, text) {
            (Some(text), _) => line.main = Main::Say(text),
            (None, Some(source)) => line.main = Main::Text { source, print },
            (None, None) => {
                if let Main::Input { print: of_input } = &mut line.main {
                    *of_input = print;
                }
            }
        }
        Ok(line)
    }
}

/// An option's name, with `-` for `_` as Node has it, and the value after `=`.
fn split_value(word: &str) -> (String, Option<String>) {
    match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name.replace('_', "-"), Some(value.to_owned())),
        _ if word.starts_with("--") => (word.replace('_', "-"), None),
        _ => (word.to_owned(), None),
    }
}

fn value_of(
    word: &str,
    given: Option<String>,
    words: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
) -> Result<String, CommandError> {
    if let Some(value) = given {
        return Ok(value);
    }
    // A value that begins with `-` has to be escaped.
    let next = words.next_if(|next| !next.starts_with('-') || next == "-");
    let value = next.ok_or_else(|| CommandError::NoValue(word.to_owned()))?;
    Ok(value.strip_prefix('\\').filter(|rest| rest.starts_with('-')).map_or(value.clone(), str::to_owned))
}

/// What `node --version` says.
fn version() -> String {
    format!("v{}\n", deno_node::NODE_VERSION)
}

#[cfg(test)]
mod tests;
