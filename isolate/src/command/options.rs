//! The options node has here.

use super::CommandError;

/// An option.
#[derive(Debug)]
pub(super) struct NodeOption {
    /// Its names, with `-` or `--`.
    pub name: &'static str,
    pub act: Act,
    pub has_value: bool,
    pub in_environment: bool,
}

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Eval,
    Print,
    PrintText,
    Require,
    Import,
    Conditions,
    EnvFile,
    EnvFileIfThere,
    InputType,
    Check,
    Version,
    Help,
    StackTraceLimit,
    UnhandledRejections,
    /// Sets this property of `process`.
    Flag(&'static str),
    /// Nothing here: programs give it.
    Taken,
}

const fn option(name: &'static str, act: Act, has_value: bool, in_environment: bool) -> NodeOption {
    NodeOption { name, act, has_value, in_environment }
}

const fn of_line(name: &'static str, act: Act, has_value: bool) -> NodeOption {
    option(name, act, has_value, false)
}

/// A switch without an effect.
const fn switch(name: &'static str) -> NodeOption {
    option(name, Act::Taken, false, true)
}

/// The same with a value.
const fn valued(name: &'static str) -> NodeOption {
    option(name, Act::Taken, true, true)
}

const OPTIONS: &[NodeOption] = &[
    of_line("-e", Act::Eval, true),
    of_line("--eval", Act::Eval, true),
    of_line("-p", Act::Print, false),
    of_line("--print", Act::Print, false),
    of_line("-pe", Act::PrintText, true),
    of_line("-c", Act::Check, false),
    of_line("--check", Act::Check, false),
    of_line("-v", Act::Version, false),
    of_line("--version", Act::Version, false),
    of_line("-h", Act::Help, false),
    of_line("--help", Act::Help, false),
    of_line("-i", Act::Taken, false),
    of_line("--interactive", Act::Taken, false),
    of_line("--env-file", Act::EnvFile, true),
    of_line("--env-file-if-exists", Act::EnvFileIfThere, true),
    of_line("--expose-internals", Act::Taken, false),
    option("-r", Act::Require, true, true),
    option("--require", Act::Require, true, true),
    option("--import", Act::Import, true, true),
    option("-C", Act::Conditions, true, true),
    option("--conditions", Act::Conditions, true, true),
    option("--input-type", Act::InputType, true, true),
    option("--stack-trace-limit", Act::StackTraceLimit, false, true),
    option("--unhandled-rejections", Act::UnhandledRejections, true, true),
    option("--no-deprecation", Act::Flag("noDeprecation"), false, true),
    option("--throw-deprecation", Act::Flag("throwDeprecation"), false, true),
    option("--trace-deprecation", Act::Flag("traceDeprecation"), false, true),
    option("--trace-warnings", Act::Flag("traceProcessWarnings"), false, true),
    switch("--warnings"),
    switch("--pending-deprecation"),
    switch("--trace-uncaught"),
    switch("--trace-exit"),
    switch("--trace-sync-io"),
    switch("--enable-source-maps"),
    switch("--abort-on-uncaught-exception"),
    switch("--preserve-symlinks"),
    switch("--preserve-symlinks-main"),
    switch("--strip-types"),
    switch("--require-module"),
    switch("--detect-module"),
    switch("--async-context-frame"),
    switch("--verify-base-objects"),
    switch("--extra-info-on-fatal-exception"),
    switch("--force-context-aware"),
    switch("--insecure-http-parser"),
    switch("--network-family-autoselection"),
    switch("--use-bundled-ca"),
    switch("--use-openssl-ca"),
    switch("--use-system-ca"),
    switch("--use-env-proxy"),
    switch("--webstorage"),
    switch("--tls-min-v1.2"),
    switch("--tls-min-v1.3"),
    switch("--tls-max-v1.2"),
    switch("--tls-max-v1.3"),
    switch("--deprecation"),
    switch("--addons"),
    switch("--global-search-paths"),
    switch("--node-snapshot"),
    switch("--expose-gc"),
    switch("--jitless"),
    switch("--interpreted-frames-native-stack"),
    switch("--max-old-space-size"),
    switch("--max-old-space-size-percentage"),
    switch("--max-semi-space-size"),
    switch("--min-semi-space-size"),
    switch("--stack-size"),
    switch("--optimize-for-size"),
    switch("--huge-max-old-generation-size"),
    switch("--perf-basic-prof"),
    switch("--perf-prof"),
    switch("--allow-natives-syntax"),
    valued("--disable-warning"),
    valued("--title"),
    valued("--dns-result-order"),
    valued("--max-http-header-size"),
    valued("--tls-cipher-list"),
    valued("--icu-data-dir"),
    valued("--network-family-autoselection-attempt-timeout"),
    valued("--secure-heap"),
    valued("--trace-event-categories"),
    valued("--localstorage-file"),
];

/// Switches of which there are many that have no effect.
const SWITCHES: &[&str] = &["--experimental-", "--harmony", "--trace-gc", "--trace-opt", "--trace-deopt"];
static MANY: NodeOption = switch("");

/// An option of this name, or of this name behind `--no-`.
pub(super) fn find(name: &str) -> Option<&'static NodeOption> {
    let known = |name: &str| OPTIONS.iter().find(|option| option.name == name);
    if let Some(option) = known(name) {
        return Some(option);
    }
    let positive = name.strip_prefix("--no-").map(|rest| format!("--{rest}"));
    let is_many = |name: &str| SWITCHES.iter().any(|prefix| name.starts_with(prefix));
    match positive {
        Some(positive) => known(&positive)
            .filter(|option| !option.has_value && matches!(option.act, Act::Taken | Act::Flag(_)))
            .or_else(|| is_many(&positive).then_some(&MANY)),
        None => is_many(name).then_some(&MANY),
    }
}

/// The words of `NODE_OPTIONS`: apart by spaces, whole in double quotes, with `\` before what is meant as it is.
pub(super) fn split(text: &str) -> Result<Vec<String>, CommandError> {
    let (mut words, mut word, mut begun, mut quoted) = (Vec::new(), String::new(), false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => match characters.next() {
                Some(escaped) => word.push(escaped),
                None => return Err(CommandError::Quote("invalid value for NODE_OPTIONS (invalid escape)")),
            },
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            _ => {
                word.push(character);
                begun = true;
            }
        }
    }
    if quoted {
        return Err(CommandError::Quote("invalid value for NODE_OPTIONS (unterminated string)"));
    }
    if begun {
        words.push(word);
    }
    Ok(words)
}
