//! Changes of the scripts of web interfaces that Node has as globals.

use super::Patch;

const ABORT: &str = "ext:deno_web/03_abort_signal.js";
const STREAMS: &str = "ext:deno_web/06_streams.js";
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
    (
        "ext:deno_web/05_base64.js",
        "\"Cannot encode string: string contains characters outside of the Latin1 range\"",
        "\"Invalid character\"",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "      const parsedURL = new URL(input, baseURL);\n",
        "      let parsedURL;\n      try {\n        parsedURL = new URL(input, baseURL);\n      } catch (cause) {\n        \
         throw new TypeError(`Failed to parse URL from ${input}`, { cause });\n      }\n      \
         if (parsedURL.username || parsedURL.password) {\n        \
         throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);\n      }\n",
    ),
    // What a stream is asked for at the wrong time has Node's code.
    (
        STREAMS,
        "class ReadableStream {\n",
        "function invalidState(message) {\n  const error = new TypeError(`Invalid state: ${message}`);\n  \
         error.code = \"ERR_INVALID_STATE\";\n  return error;\n}\n\nclass ReadableStream {\n",
    ),
    (
        STREAMS,
        "new TypeError(\"Cannot cancel a locked ReadableStream.\")",
        "invalidState(\"ReadableStream is locked\")",
    ),
    (STREAMS, "new TypeError(\"ReadableStream is locked\")", "invalidState(\"ReadableStream is locked\")"),
    (STREAMS, "new TypeError(\"ReadableStream is locked\")", "invalidState(\"ReadableStream is locked\")"),
    (
        STREAMS,
        "new TypeError(\"The stream controller cannot close or enqueue\")",
        "invalidState(\"Controller is already closed\")",
    ),
    (
        STREAMS,
        "new TypeError(\"The stream controller cannot close or enqueue\")",
        "invalidState(\"Controller is already closed\")",
    ),
    (
        STREAMS,
        "new TypeError(\"Reader has no associated stream.\")",
        "invalidState(\"The reader is not attached to a stream\")",
    ),
    (
        STREAMS,
        "new TypeError(\"Reader has no associated stream.\")",
        "invalidState(\"The reader is not attached to a stream\")",
    ),
    (
        STREAMS,
        "new TypeError(\"Reader has no associated stream.\")",
        "invalidState(\"The reader is not attached to a stream\")",
    ),
    (
        STREAMS,
        "new TypeError(\"Reader has no associated stream.\")",
        "invalidState(\"The reader is not attached to a stream\")",
    ),
    // A response is none of a server's of the other runtime.
    ("ext:deno_fetch/23_response.js", "  if (opHttpNewResponseNativeHeaders === undefined) return;\n", "  return;\n"),
    ("ext:deno_fetch/22_body.js", "\"Body already consumed\"", "\"Body is unusable: Body has already been read\""),
    (
        "ext:deno_web/08_text_encoding.js",
        "    } finally {\n      if (!stream && this.#handle !== null) {",
        "    } catch (error) {\n      if (error?.message === \"The encoded data is not valid\") {\n        \
         error.message = `The encoded data was not valid for encoding ${this.#encoding}`;\n        \
         error.code = \"ERR_ENCODING_INVALID_ENCODED_DATA\";\n      }\n      throw error;\n    } finally {\n      \
         if (!stream && this.#handle !== null) {",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "class Request {\n",
        "class Request {\n  get duplex() {\n    return \"half\";\n  }\n\n",
    ),
];
