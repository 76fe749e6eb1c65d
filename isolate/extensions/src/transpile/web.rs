//! Changes of the scripts of web interfaces that Node has as globals.

use super::Patch;

const ABORT: &str = "ext:deno_web/03_abort_signal.js";
const URL: &str = "ext:deno_web/00_url.js";

pub(super) const PATCHES: &[Patch] = &[
    // A signal of time alone keeps no program, whoever listens.
    (ABORT, "        core.refTimer(this[timerId]);\n      } else if", "        void 0;\n      } else if"),
    (
        ABORT,
        "            // For timer sources, also keep the event loop alive.\n            core.refTimer(sourceSignal[timerId]);\n",
        "",
    ),
    (
        ABORT,
        "reason = new DOMException(\"The signal has been aborted\", \"AbortError\")",
        "reason = new DOMException(\"This operation was aborted\", \"AbortError\")",
    ),
    (
        URL,
        "    throw new TypeError(\n      `Invalid URL: '${href}'` +\n        (maybeBase ? ` with base '${maybeBase}'` : \"\"),\n    );",
        "    const error = new TypeError(\"Invalid URL\");\n    error.code = \"ERR_INVALID_URL\";\n    error.input = href;\n    \
         if (maybeBase !== undefined) error.base = maybeBase;\n    throw error;",
    ),
    (
        URL,
        "          \"pathname\",\n          \"hash\",\n          \"search\",\n",
        "          \"pathname\",\n          \"search\",\n          \"searchParams\",\n          \"hash\",\n",
    ),
    (ABORT, "          \"aborted\",\n          \"reason\",\n          \"onabort\",\n", "          \"aborted\",\n"),
    (
        ABORT,
        "      throw new TypeError(\"Illegal constructor\");",
        "      const error = new TypeError(\"Illegal constructor\");\n      error.code = \"ERR_ILLEGAL_CONSTRUCTOR\";\n      throw error;",
    ),
];
