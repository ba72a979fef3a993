// openai for Node against a gateway: one check, named on the command line. Prints what came; exit code 1 if it is wrong.
// usage: node checks.mjs BASE_URL KEY MODEL CHECK

import OpenAI from "openai";

const [baseURL, apiKey, model, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const TEXT = 'Grüße aus Köln 😀 "quoted"';

const said = (mark) => [{ role: "user", content: `${TEXT} ${mark}` }];
const echo = (mark) => `you said: ${TEXT} ${mark}`;
const order = {
  type: "object",
  properties: {
    customer: { type: "object", properties: { name: { type: "string" } } },
    lines: { type: "array", items: { type: "object", properties: { pieces: { type: "integer" } } } },
  },
};
const tools = [{ type: "function", function: { name: "place_order", parameters: order } }];

function equal(came, expected, what) {
  const [a, b] = [JSON.stringify(came), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} came, ${b} should have`);
}

async function refused(kind, ask) {
  try {
    await ask();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`an answer came, ${kind.name} should have`);
}

const checks = {
  async chat() {
    const got = await client.chat.completions.create({ model, messages: said("node-chat") });
    equal(got.choices[0].message.content, echo("node-chat"), "content");
    return `${got.choices[0].message.content}, ${got.usage.total_tokens} tokens`;
  },

  async "raw response"() {
    const asked = client.chat.completions.create({ model, messages: said("node-raw") });
    const { data, response, request_id } = await asked.withResponse();
    equal(request_id, response.headers.get("x-request-id"), "request_id");
    equal(response.headers.get("x-benchroute-model"), data.model, "x-benchroute-model");
    return `x-benchroute-model: ${data.model}`;
  },

  async stream() {
    const stream = await client.chat.completions.create({
      model, messages: said("node-stream"), stream: true, stream_options: { include_usage: true },
    });
    let text = "", usage = null, count = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
      count += 1;
    }
    equal(text, echo("node-stream"), "content");
    equal(usage.completion_tokens, 11, "usage");
    return `${count} chunks, usage`;
  },

  async "stream without usage"() {
    const stream = await client.chat.completions.create({ model, messages: said("node-nousage"), stream: true });
    for await (const chunk of stream) {
      equal(chunk.choices.length, 1, "choices of a chunk");
      equal(chunk.usage ?? null, null, "usage of a chunk");
    }
    return "every chunk has its choice, none tells usage";
  },

  async tools() {
    const got = await client.chat.completions.create({ model, messages: said("node-tools"), tools });
    const call = got.choices[0].message.tool_calls[0];
    equal(Object.keys(JSON.parse(call.function.arguments)), ["customer", "lines"], "arguments");
    return call.function.arguments;
  },

  async "streamed tool calls"() {
    const stream = client.chat.completions.stream({ model, messages: said("node-tooldelta"), tools });
    const final = await stream.finalChatCompletion();
    const call = final.choices[0].message.tool_calls[0];
    equal(Object.keys(JSON.parse(call.function.arguments)), ["customer", "lines"], "arguments");
    return call.function.arguments;
  },

  async "structured output"() {
    const json_schema = { name: "order", strict: true, schema: order };
    const got = await client.chat.completions.parse({
      model, messages: said("node-parse"), response_format: { type: "json_schema", json_schema },
    });
    equal(Object.keys(JSON.parse(got.choices[0].message.content)), ["customer", "lines"], "members");
    return got.choices[0].message.content;
  },

  async responses() {
    const got = await client.responses.create({ model, input: "node-responses" });
    equal(got.output_text, "you said: node-responses", "output_text");
    return got.output_text;
  },

  async "responses, streamed"() {
    let text = "", last = "";
    for await (const event of await client.responses.create({ model, input: "node-respstream", stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event.type;
    }
    equal([text, last], ["you said: node-respstream", "response.completed"], "text and last event");
    return last;
  },

  async embeddings() {
    const got = await client.embeddings.create({ model, input: ["eins", "zwei"] });
    equal(got.data.map((one) => one.embedding.length), [8, 8], "lengths");
    return "2 vectors";
  },

  async "abort mid-stream"() {
    const stream = await client.chat.completions.create({ model: "endless", messages: said("node-abort"), stream: true });
    let count = 0;
    for await (const _ of stream) {
      count += 1;
      if (count === 3) stream.controller.abort();
      if (count > 100) throw new Error("the stream goes on after abort()");
    }
    return `${count} chunks before the end`;
  },

  async errors() {
    const ask = (name) => () => client.chat.completions.create({ model: name, messages: said("node-errors") });
    await refused(OpenAI.NotFoundError, ask("nobody"));
    await refused(OpenAI.BadRequestError, ask("e400"));
    const busy = await refused(OpenAI.RateLimitError, ask("e429"));
    equal(busy.headers.get("retry-after"), "7", "retry-after");
    const stranger = new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 });
    await refused(OpenAI.AuthenticationError, () => stranger.models.list());
    return "NotFoundError, BadRequestError, RateLimitError, AuthenticationError";
  },

  async models() {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    equal([names.includes("auto"), names.includes(model)], [true, true], "auto and the model among them");
    return `${names.length} models`;
  },
};

try {
  console.log(String(await checks[name]()));
} catch (error) {
  console.log(`${error?.constructor?.name}: ${error?.message}`);
  process.exitCode = 1;
}
