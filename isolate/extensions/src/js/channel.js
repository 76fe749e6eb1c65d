// Messages between a child that was forked and its parent: what they are as bytes.
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { op_warren_channel_queued, op_warren_channel_read, op_warren_channel_write } = core.ops;
const { parse, stringify } = JSON;
const v8 = deno.whole.createLazyLoader("node:v8");

// Bytes that wait to be sent before a sender is asked to slow down.
const MANY = 128 * 1024;

const kinds = {
  __proto__: null,
  json: {
    encode: (value) => core.encode(`${stringify(value)}\n`),
    decode: (bytes) => parse(core.decode(bytes)),
  },
  advanced: {
    encode(value) {
      const body = v8().default.serialize(value);
      const frame = new Uint8Array(4 + body.length);
      new DataView(frame.buffer).setUint32(0, body.length);
      frame.set(body, 4);
      return frame;
    },
    decode: (bytes) => v8().default.deserialize(bytes),
  },
};

internals.channelOf = (kind) => ({
  read: op_warren_channel_read,
  // None is the end, in the words that Node's scripts have for it.
  decode: (bytes) => [bytes === null ? { cmd: "NODE_CLOSE" } : kinds[kind].decode(bytes), null],
  write(id, value, handle, room) {
    if (handle !== -1) throw new Error("handles cannot be sent to another process in a session");
    const written = op_warren_channel_write(id, kinds[kind].encode(value));
    if (op_warren_channel_queued(id) > MANY) room[0] = false;
    return written;
  },
});
