// The server, as Anthropic's own client finds it.
import assert from "node:assert/strict";
import { PACES, TEXT, require, scripted, test, url } from "./common.mjs";

const Anthropic = require("@anthropic-ai/sdk");
const client = new Anthropic({ baseURL: url, apiKey: "k", maxRetries: 0 });
const tools = [{ name: "bash", input_schema: { type: "object", properties: { command: { type: "string" } } } }];
const request = (content, more = {}) => ({
  model: "scripted",
  max_tokens: 1000,
  messages: typeof content === "string" ? [{ role: "user", content }] : content,
  tools,
  ...more,
});
const texts = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

await test("text", async () => {
  const usage = { input: 7, output: 9, cache_read: 2 };
  const message = await client.messages.create(request(scripted({ turns: [{ text: TEXT, usage }] })));
  assert.equal(texts(message), TEXT);
  assert.equal(message.stop_reason, "end_turn");
  assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens, message.usage.cache_read_input_tokens], [7, 9, 2]);
});

await test("streamed text", async () => {
  for (const pace of PACES) {
    const script = { pace, turns: [{ thinking: `Thinking ${TEXT}`, text: TEXT, usage: { input: 7, output: 9 } }] };
    let heard = "";
    const stream = client.messages.stream(request(scripted(script))).on("text", (delta) => (heard += delta));
    const message = await stream.finalMessage();
    assert.equal(heard, TEXT);
    assert.equal(message.content[0].thinking, `Thinking ${TEXT}`);
    assert.notEqual(message.content[0].signature, "");
    assert.equal(message.usage.output_tokens, 9);
  }
});

for (const streamed of [false, true]) {
  await test(`tool call and result${streamed ? ", streamed" : ""}`, async () => {
    for (const pace of PACES) {
      const calls = [{ name: "bash", arguments: { command: TEXT, deep: [{ a: null }, 1.5] } }, { name: "bash" }];
      const turns = [{ text: "Wait.", calls }, { expect: { tool_result: TEXT }, text: "Got {{tool_result}}" }];
      const ask = (messages) =>
        streamed ? client.messages.stream(request(messages)).finalMessage() : client.messages.create(request(messages));
      const messages = [{ role: "user", content: scripted({ pace, turns }) }];
      const first = await ask(messages);
      assert.equal(first.stop_reason, "tool_use");
      const uses = first.content.filter((block) => block.type === "tool_use");
      assert.deepEqual(uses.map((use) => use.input), [calls[0].arguments, {}]);
      messages.push({ role: "assistant", content: first.content });
      const results = uses.map((use) => ({ type: "tool_result", tool_use_id: use.id, content: TEXT }));
      messages.push({ role: "user", content: results });
      assert.equal(texts(await ask(messages)), `Got ${TEXT}\n${TEXT}`);
    }
  });
}

await test("429, then success", async () => {
  const faults = [{ status: 429, times: 2, retry_after: 0.01 }];
  for (const stream of [false, true]) {
    const prompt = scripted({ turns: [{ text: "Now.", faults }] }, `Stream: ${stream}.`);
    const patient = client.withOptions({ maxRetries: 2 });
    const message = stream
      ? await patient.messages.stream(request(prompt)).finalMessage()
      : await patient.messages.create(request(prompt));
    assert.equal(texts(message), "Now.");
  }
  const prompt = scripted({ turns: [{ text: "Never.", faults: [{ status: 429, times: 9, retry_after: 0.01 }] }] });
  await assert.rejects(client.withOptions({ maxRetries: 1 }).messages.create(request(prompt)), Anthropic.RateLimitError);
});

await test("errors have their classes", async () => {
  const classes = [
    [400, Anthropic.BadRequestError, "invalid_request_error"],
    [401, Anthropic.AuthenticationError, "authentication_error"],
    [403, Anthropic.PermissionDeniedError, "permission_error"],
    [500, Anthropic.InternalServerError, "api_error"],
    [529, Anthropic.APIError, "overloaded_error"],
  ];
  for (const [status, kind, type] of classes) {
    const prompt = scripted({ turns: [{ text: "No.", faults: [{ status, message: `It is ${status}` }] }] });
    await assert.rejects(client.messages.create(request(prompt)), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.equal(error.status, status);
      assert.deepEqual(error.error.error, { type, message: `It is ${status}` });
      assert.match(error.requestID, /^req_/);
      return true;
    });
  }
});

await test("an expectation that is not met is an error", async () => {
  const prompt = scripted({ turns: [{ text: "No.", expect: { system: "be kind" } }] });
  await assert.rejects(client.messages.create(request(prompt)), /the system prompt has to contain .*be kind/);
});

await test("a stream that is cut is an error", async () => {
  for (const how of ["close", "end"]) {
    const prompt = scripted({ turns: [{ text: "A text that is cut.", faults: [{ cut: how, after: 4 }] }] }, how);
    let heard = "";
    const stream = client.messages.stream(request(prompt)).on("text", (delta) => (heard += delta));
    await assert.rejects(stream.finalMessage(), Anthropic.AnthropicError);
    assert.ok("A text that is cut.".startsWith(heard) && heard.length > 0, heard);
  }
});

await test("an error within a stream", async () => {
  const prompt = scripted({ turns: [{ text: "A text.", faults: [{ status: 529, after: 4 }] }] });
  await assert.rejects(client.messages.stream(request(prompt)).finalMessage(), (error) => {
    assert.equal(error.type ?? error.error?.error?.type, "overloaded_error");
    return true;
  });
});

await test("a malformed event is an error", async () => {
  const prompt = scripted({ turns: [{ text: "A text.", faults: [{ malformed: true, after: 3 }] }] });
  const quiet = client.withOptions({ logLevel: "off" });
  await assert.rejects(quiet.messages.stream(request(prompt)).finalMessage(), /JSON/);
});

await test("a client that aborts", async () => {
  const prompt = scripted({ turns: [{ text: "A text.", faults: [{ cut: "hang", after: 4 }] }] });
  const stream = client.messages.stream(request(prompt));
  stream.on("text", () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
});

await test("counting and models", async () => {
  const { input_tokens } = await client.messages.countTokens({ model: "m", messages: [{ role: "user", content: "12345678" }] });
  assert.equal(input_tokens, 2);
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["scripted"]);
});

await test("base addresses", async () => {
  for (const path of ["/v1", "/anthropic", "/anthropic/v1"]) {
    const there = client.withOptions({ baseURL: url + path });
    assert.equal(texts(await there.messages.create(request(scripted({ turns: [{ text: path }] })))), path);
  }
});
