//! What agents have to be told to use this server.
//!
//! # Pi
//! Versions 0.73.1 (`@mariozechner/pi-coding-agent`, Node 20.6) and 0.87.1 (`@earendil-works/pi-coding-agent`, Node 22.19)
//! read `~/.pi/agent/models.json`, or the folder that `PI_CODING_AGENT_DIR` names. [`pi_models`] is what stands there.
//!
//! ```text
//! HOME=/home/agent PI_OFFLINE=1 pi -p --no-session --provider scripted-anthropic --model scripted "the prompt"
//! HOME=/home/agent PI_OFFLINE=1 pi --mode rpc --no-session --provider scripted-chat --model scripted
//! ```
//! `PI_OFFLINE` keeps it from asking the network for versions and models; `-p` reads standard input to its end when that is
//! no terminal. In the other mode a line `{"type": "prompt", "message": "the prompt"}` goes in, and lines come out until
//! `agent_settled` (`agent_end` before 0.87). It tries again by itself, first after two seconds: `settings.json` beside
//! `models.json` changes that, as `{"retry": {"baseDelayMs": 1, "maxRetries": 5}}`. Its tools are `bash`, `read`, `edit` and
//! `write`.
//!
//! # Claude Code
//! The `cli.js` of `@anthropic-ai/claude-agent-sdk` 0.2.44; its tools are `Bash`, `Read`, `Edit`, `Write` and others.
//!
//! ```text
//! ANTHROPIC_BASE_URL=http://ADDRESS ANTHROPIC_API_KEY=k CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
//!     node cli.js -p --model scripted "the prompt"
//! ```
//!
//! # Codex
//! [`codex_config`] is `~/.codex/config.toml`, the key is in `SCRIPTED_KEY`; its tool is `exec_command`, with `cmd`.
//!
//! # OpenCode
//! [`opencode_config`] is `opencode.json` in the folder where it works; `opencode run -m scripted/scripted` escapes quotes in
//! a prompt with spaces, so that a script in it has to be in base64. Its tools are `bash`, `read`, `edit`, `write` and others.

use serde_json::{Value, json};

/// The providers of [`pi_models`], each for one protocol.
pub const PI_PROVIDERS: &[&str] = &["scripted-anthropic", "scripted-chat", "scripted-responses"];
/// The model of each.
pub const PI_MODEL: &str = "scripted";

/// The `models.json` of Pi, for a server at a URL without a path, with the key that it sends.
pub fn pi_models(url: &str, key: &str) -> Value {
    let provider =
        |api: &str, url: String| json!({ "baseUrl": url, "api": api, "apiKey": key, "models": [{ "id": PI_MODEL }] });
    json!({ "providers": {
        "scripted-anthropic": provider("anthropic-messages", url.to_owned()),
        "scripted-chat": provider("openai-completions", format!("{url}/v1")),
        "scripted-responses": provider("openai-responses", format!("{url}/v1")),
    } })
}

/// The `config.toml` of Codex.
pub fn codex_config(url: &str) -> String {
    format!(
        "model = \"scripted\"\nmodel_provider = \"scripted\"\n[model_providers.scripted]\nname = \"scripted\"\n\
         base_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"SCRIPTED_KEY\"\n"
    )
}

/// The `opencode.json` of OpenCode.
pub fn opencode_config(url: &str, key: &str) -> Value {
    json!({
        "provider": { "scripted": {
            "npm": "@ai-sdk/openai-compatible",
            "options": { "baseURL": format!("{url}/v1"), "apiKey": key },
            "models": { "scripted": {} },
        } },
        "model": "scripted/scripted",
        "autoupdate": false,
        "share": "disabled",
    })
}
