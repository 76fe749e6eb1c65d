/** Server-sent events, read line by line. */

import { WarrenError } from "./errors.js";

/** Characters of one event, at most: 64 KiB of output, escaped at its worst, with room to spare. */
const EVENT_MAX = 1 << 21;

export interface Sent {
  /** Absent for what is no event of the log. */
  id: string | undefined;
  event: string;
  data: string;
}

/**
 * Events of a stream. What is cut off in the middle was not sent.
 *
 * @throws what the stream throws, or that an event is too long
 */
export async function* parse(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Sent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  let sent: Sent = { id: undefined, event: "message", data: "" };
  let began = false;
  for await (const part of parts) {
    rest += decoder.decode(part, { stream: true });
    let from = 0;
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n", from)) {
      const line = rest.slice(from, end).replace(/\r$/, "");
      from = end + 1;
      if (line !== "") {
        began = took(sent, line) || began;
      } else if (began) {
        yield sent;
        sent = { id: undefined, event: "message", data: "" };
        began = false;
      }
    }
    rest = rest.slice(from);
    if (rest.length + sent.data.length > EVENT_MAX) {
      throw new WarrenError({ status: 0, code: "strange_answer", detail: "an event of the stream is too long" });
    }
  }
}

/** Takes a line in; whether it was a part of an event, and not a comment. */
function took(sent: Sent, line: string): boolean {
  const colon = line.indexOf(":");
  const field = colon === -1 ? line : line.slice(0, colon);
  const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (field === "id") sent.id = value;
  else if (field === "event") sent.event = value;
  else if (field === "data") sent.data += sent.data === "" ? value : `\n${value}`;
  else return false;
  return true;
}
