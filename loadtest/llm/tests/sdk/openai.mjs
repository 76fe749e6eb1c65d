// The server, as OpenAI's own client finds it: chat completions and responses.
import assert from "node:assert/strict";
import { PACES, TEXT, require, scripted, test, url } from "./common.mjs";

const OpenAI = require("openai");
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", maxRetries: 0 });
const parameters = { type: "object", properties: { command: { type: "string" } } };

// Each way to ask, as the same two functions: what one request says, and what its answer adds to the conversation.
const WAYS = {
  chat: {
    begin: (content) => [{ role: "user", content }],
    async ask(on, messages, streamed, heard = () => {}) {
      const tools = [{ type: "function", function: { name: "bash", parameters } }];
      const body = { model: "scripted", messages, tools };
      const completion = streamed
        ? await on.chat.completions
            .stream({ ...body, stream_options: { include_usage: true } })
            .on("content", (delta) => heard(delta))
            .finalChatCompletion()
        : await on.chat.completions.create(body);
      const { message, finish_reason } = completion.choices[0];
      const calls = (message.tool_calls ?? []).map((call) => ({ id: call.id, arguments: call.function.arguments }));
      const { prompt_tokens: input, completion_tokens: output } = completion.usage;
      return { text: message.content ?? "", calls, items: [message], end: finish_reason, usage: [input, output] };
    },
    result: (id, content) => ({ role: "tool", tool_call_id: id, content }),
    ends: ["stop", "tool_calls", "length"],
  },
  responses: {
    begin: (content) => [{ role: "user", content }],
    async ask(on, input, streamed, heard = () => {}) {
      const tools = [{ type: "function", name: "bash", parameters, strict: false }];
      const body = { model: "scripted", input, tools, store: false };
      const response = streamed
        ? await on.responses
            .stream(body)
            .on("response.output_text.delta", (event) => heard(event.delta))
            .finalResponse()
        : await on.responses.create(body);
      const calls = response.output
        .filter((item) => item.type === "function_call")
        .map((item) => ({ id: item.call_id, arguments: item.arguments }));
      const { input_tokens, output_tokens } = response.usage;
      const end = response.incomplete_details?.reason ?? response.status;
      // The client adds `output_text` only to what is no stream.
      const parts = response.output.flatMap((item) => (item.type === "message" ? item.content : []));
      const text = parts.map((part) => part.text).join("");
      return { text, calls, items: response.output, end, usage: [input_tokens, output_tokens] };
    },
    result: (call_id, output) => ({ type: "function_call_output", call_id, output }),
    ends: ["completed", "completed", "max_output_tokens"],
  },
};

for (const [name, way] of Object.entries(WAYS)) {
  for (const streamed of [false, true]) {
    const form = `${name}${streamed ? ", streamed" : ""}`;

    await test(`${form}: text`, async () => {
      for (const pace of streamed ? PACES : PACES.slice(0, 1)) {
        const script = { pace, turns: [{ thinking: "Hm.", text: TEXT, usage: { input: 7, output: 9, cache_read: 2 } }] };
        let heard = "";
        const said = await way.ask(client, way.begin(scripted(script)), streamed, (delta) => (heard += delta));
        assert.equal(said.text, TEXT);
        assert.equal(heard, streamed ? TEXT : "");
        assert.deepEqual(said.usage, [9, 9]);
        assert.equal(said.end, way.ends[0]);
      }
    });

    await test(`${form}: tool call and result`, async () => {
      for (const pace of PACES) {
        const calls = [{ name: "bash", arguments: { command: TEXT, deep: [{ a: null }, 1.5] } }, { name: "bash" }];
        const turns = [{ text: "Wait.", calls }, { expect: { tool_result: TEXT }, text: "Got {{tool_result}}" }];
        const messages = way.begin(scripted({ pace, turns }));
        const first = await way.ask(client, messages, streamed);
        assert.equal(first.end, way.ends[1]);
        assert.deepEqual(first.calls.map((call) => JSON.parse(call.arguments)), [calls[0].arguments, {}]);
        messages.push(...first.items, ...first.calls.map((call) => way.result(call.id, TEXT)));
        assert.equal((await way.ask(client, messages, streamed)).text, `Got ${TEXT}\n${TEXT}`);
      }
    });

    await test(`${form}: 429, then success`, async () => {
      const faults = [{ status: 429, times: 2, retry_after: 0.01 }];
      const prompt = scripted({ turns: [{ text: "Now.", faults }] }, form);
      const patient = client.withOptions({ maxRetries: 2 });
      assert.equal((await way.ask(patient, way.begin(prompt), streamed)).text, "Now.");
      const never = scripted({ turns: [{ text: "Never.", faults: [{ status: 429, times: 9, retry_after: 0.01 }] }] }, form);
      await assert.rejects(way.ask(client, way.begin(never), streamed), (error) => {
        assert.ok(error instanceof OpenAI.RateLimitError, String(error));
        assert.equal(error.code, "rate_limit_exceeded");
        return true;
      });
    });

    await test(`${form}: errors have their classes`, async () => {
      const classes = [[400, OpenAI.BadRequestError], [401, OpenAI.AuthenticationError], [500, OpenAI.InternalServerError]];
      for (const [status, kind] of classes) {
        const prompt = scripted({ turns: [{ text: "No.", faults: [{ status, message: `It is ${status}` }] }] }, form);
        await assert.rejects(way.ask(client, way.begin(prompt), streamed), (error) => {
          assert.ok(error instanceof kind && error.message.includes(`It is ${status}`), String(error));
          return true;
        });
      }
    });
  }

  await test(`${name}: a stream that is cut is an error`, async () => {
    for (const how of ["close", "end"]) {
      const pace = { delta_chars: 1 };
      const prompt = scripted({ pace, turns: [{ text: "A text that is cut.", faults: [{ cut: how, after: 6 }] }] }, how);
      let heard = "";
      const asked = way.ask(client, way.begin(prompt), true, (delta) => (heard += delta));
      await assert.rejects(asked, (error) => error instanceof Error);
      assert.ok("A text that is cut.".startsWith(heard) && heard.length > 0, heard);
    }
  });

  await test(`${name}: an error within a stream`, async () => {
    const prompt = scripted({ turns: [{ text: "A text.", faults: [{ status: 500, after: 3 }] }] }, name);
    // For responses it is the event itself that is thrown.
    await assert.rejects(way.ask(client, way.begin(prompt), true), (error) => /The service failed/.test(error.message));
  });

  await test(`${name}: a malformed event is an error`, async () => {
    const prompt = scripted({ turns: [{ text: "A text.", faults: [{ malformed: true, after: 2 }] }] }, name);
    await assert.rejects(way.ask(client.withOptions({ logLevel: "off" }), way.begin(prompt), true), /JSON/);
  });
}

await test("chat: an answer that ran out of tokens", async () => {
  const prompt = scripted({ turns: [{ text: "Half", stop: "max_tokens" }] });
  const said = await WAYS.chat.ask(client, WAYS.chat.begin(prompt), false);
  assert.deepEqual([said.text, said.end], ["Half", "length"]);
});

await test("responses: an answer that ran out of tokens", async () => {
  const prompt = scripted({ turns: [{ text: "Half", stop: "max_tokens" }] });
  const said = await WAYS.responses.ask(client, WAYS.responses.begin(prompt), false);
  assert.deepEqual([said.text, said.end], ["Half", "max_output_tokens"]);
  const stream = await client.responses.create({ model: "m", input: prompt, stream: true });
  let last;
  for await (const event of stream) last = event;
  assert.deepEqual([last.type, last.response.incomplete_details.reason], ["response.incomplete", "max_output_tokens"]);
});

await test("responses: gone on from by id", async () => {
  const turns = [{ text: "One." }, { text: "Two." }];
  const first = await client.responses.create({ model: "m", input: scripted({ scope: "conversation", turns }) });
  assert.equal(first.output_text, "One.");
  const second = await client.responses.create({ model: "m", input: "And?", previous_response_id: first.id });
  assert.equal(second.output_text, "Two.");
});

await test("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["scripted"]);
});
