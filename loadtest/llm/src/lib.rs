//! A language-model server that answers from a script, for tests of agents: no model, no key, the same every time.
//!
//! It speaks Anthropic's Messages API, OpenAI's chat completions and OpenAI's responses, streamed and not, as their own
//! clients expect them; a script says what the model says, how fast and in which pieces, and what goes wrong.
//!
//! ```text
//! request ──▶ protocol ──▶ conversation ──▶ choice of a turn ──▶ protocol ──▶ wire ──▶ answer
//!             (read)       (which turn?)    (expectations)       (write)     (pieces, faults)
//! ```
//! Read in this order: `script` is what an author writes; `conversation` finds the turn; `choice` picks and fills it;
//! `protocol` has a file for each way to speak; `wire` sends; `answer` puts these together; `server` is its life.
//!
//! # Use
//! ```
//! use warren_scripted_llm::{Options, Script, Server, Turn};
//!
//! let turns = [Turn::call("bash", serde_json::json!({"command": "ls"})), Turn::text("There: {{tool_result}}")];
//! let server = Server::start(Options { script: Some(Script::new(turns)), ..Options::default() })?;
//! // An agent that is told `server.url()` lists its folder and says what is there.
//! assert_eq!(server.complaints(), Vec::<String>::new());
//! # Ok::<(), warren_scripted_llm::StartError>(())
//! ```
//! or `warren-scripted-llm --script FILE`, which prints its address as one line. [`agents`] says how agents are told.
//!
//! # Scripts
//! ```json
//! {"turns": [
//!   {"text": "I look.", "calls": [{"name": "bash", "arguments": {"command": "cat a.txt"}}]},
//!   {"expect": {"tool_result": "hello"}, "text": "It says {{tool_result}}", "usage": {"input": 900, "output": 12},
//!    "pace": {"first_byte_ms": 20, "between_ms": 5, "delta_chars": 3, "wire_bytes": 7},
//!    "faults": [{"status": 429, "retry_after": 0.5, "times": 2}, {"cut": "close", "after": 4}]},
//!   {"when": {"prompt": "hello"}, "text": "Hello."}
//! ]}
//! ```
//! or the same in TOML. [`Script`], [`Turn`], [`Condition`], [`Pace`] and [`Fault`] describe every field.
//!
//! **Which turn.** Nothing is remembered: the number of assistant turns since the last prompt, in the request itself, is
//! the turn that is asked for ([`Scope`] can count from the first prompt). A user's message that holds tool results is no
//! prompt. Turns without `when` answer in their order; one with `when` answers whatever it matches. A request beyond the
//! last turn is an error, unless the script has `repeat`. A request that offers no tools, to a script that calls some or where
//! there is no script, is an aside: so agents ask for titles.
//!
//! **In the prompt.** A prompt may bring its own script, in a block between lines of ```` ```script ```` and ```` ``` ````, or
//! in its middle as `[[script: {…}]]` ([`Script::embedded`]) or the same in base64, for clients that escape what they are told
//! ([`Script::encoded`]). It holds until a later prompt brings another. So any number of sessions can use one server, each
//! with its own script. What is asked of the prompt, and `{{prompt}}`, is without it.
//!
//! **Errors.** What a client gets wrong, a turn's expectation that is not met, a tool that is called but not offered: all are
//! answered with status 400, which clients do not try again, and stand in the log ([`Server::complaints`]).
//!
//! **Faults.** The first attempts at a turn meet its faults, later ones its answer. Attempts are counted for each
//! conversation: by its protocol, what was said, the client's key, and its own name for the conversation. Two sessions that say the same
//! with the same key at the same time are one in this; give them keys or prompts that differ. This count is all
//! that a restart forgets, beside responses that are referred to by `previous_response_id`.
//!
//! **Log.** [`Server::requests`], or `GET /_log`, `GET /_log?after=NUMBER`, `DELETE /_log`. Keys are not in it.
//!
//! # Bounds
//! Bodies have [`BODY_BYTES_MAX`], scripts [`SCRIPT_BYTES_MAX`] and [`TURNS_MAX`], the log [`LOG_ENTRIES_MAX`] requests of
//! [`LOG_BYTES_MAX`]; [`REQUESTS_MAX`] are answered at once. It is a tool for tests: whoever reaches it reads the log.
#![forbid(unsafe_code)]

pub mod agents;
mod answer;
mod attempts;
mod choice;
mod conversation;
mod log;
mod protocol;
mod script;
mod server;
mod stored;
mod wire;

pub use log::{Entry, LOG_BYTES_MAX};
pub use protocol::Protocol;
pub use script::{
    CALLS_MAX, Call, Condition, Cut, DELAY_MS_MAX, FAULT_TIMES_MAX, Fault, FaultKind, Pace, Pattern, SCRIPT_BYTES_MAX,
    Scope, Script, ScriptError, Stop, TURNS_MAX, Turn, Usage,
};
pub use server::{BODY_BYTES_MAX, LOG_ENTRIES_MAX, Options, REQUESTS_MAX, Server, StartError};
pub use wire::End;
