// Prints a line of JSON for every check: {"name", "ok", "detail"}.
import assert from "node:assert/strict";
import OpenAI from "openai";

const options = { baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 };
const client = new OpenAI(options);
const messages = [{ role: "user", content: "hi" }];
const TEXT = "Hello wörld 🌍";

const checks = {
  "chat completion, with the decision headers": async () => {
    const asked = client.chat.completions.create({ model: "auto", messages }, { headers: { "X-Task-Id": "node" } });
    const { data, response } = await asked.withResponse();
    assert.equal(data.choices[0].message.content, TEXT);
    assert.equal(response.headers.get("x-benchroute-task"), "node");
  },
  "stream": async () => {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ model: "chat", messages, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? "";
    }
    assert.equal(text, TEXT);
  },
  "streamed tool calls": async () => {
    let args = "";
    for await (const chunk of await client.chat.completions.create({ model: "tools", messages, stream: true })) {
      args += chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? "";
    }
    assert.equal(JSON.parse(args).place.city, "Zürich");
  },
  "leaving a stream in its middle": async () => {
    const stream = await client.chat.completions.create({ model: "endless", messages, stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
    const after = await client.chat.completions.create({ model: "chat", messages });
    assert.equal(after.choices[0].message.content, TEXT);
  },
  "responses": async () => {
    const made = await client.responses.create({ model: "auto", input: "hi" });
    assert.equal(made.output_text, TEXT);
  },
  "embeddings": async () => {
    const made = await client.embeddings.create({ model: "chat", input: ["a"], encoding_format: "float" });
    assert.deepEqual(made.data[0].embedding, [0.25, -0.5]);
  },
  "errors become the client's own classes": async () => {
    await assert.rejects(client.chat.completions.create({ model: "nope", messages }), OpenAI.NotFoundError);
    await assert.rejects(client.chat.completions.create({ model: "e429", messages }), OpenAI.RateLimitError);
    const stranger = new OpenAI({ ...options, apiKey: "sk-wrong" });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  let ok = true;
  let detail = "";
  try {
    await check();
  } catch (error) {
    ok = false;
    detail = String(error).slice(0, 400);
  }
  console.log(JSON.stringify({ name, ok, detail }));
}
