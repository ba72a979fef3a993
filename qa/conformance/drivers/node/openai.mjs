// openai for Node.

import OpenAI from "openai";
import { CHUNKS_BEFORE_LEAVING, IMAGE_URL, PARAMETERS, run, said } from "./harness.mjs";

const SEEN = ["openai-processing-ms", "openai-organization", "x-ratelimit-limit-requests", "x-provider-extra",
  "request-id", "content-type"];
const tools = [{ type: "function", function: { name: "place_order", parameters: PARAMETERS } }];
const connect = (question) => new OpenAI({
  baseURL: question.base_url, apiKey: question.key, maxRetries: question.retries, timeout: 15_000,
  defaultHeaders: question.headers,
});
const options = (question, more = {}) => ({
  model: question.model, messages: [{ role: "user", content: said(question) }], ...more,
});
const create = (question, more) => connect(question).chat.completions.create(options(question, more));

async function all(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

await run({
  chat: (question) => create(question, { seed: 7, logprobs: true }),

  async response_headers(question) {
    const { response } = await create(question).withResponse();
    return Object.fromEntries(SEEN.map((name) => [name, response.headers.get(name)]));
  },

  stream: async (question) => all(await create(question, { stream: true })),
  stream_usage: async (question) => all(await create(question, { stream: true, stream_options: { include_usage: true } })),

  async tools(question) {
    const first = await create(question, { tools });
    const { message } = first.choices[0];
    const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "done" }));
    const messages = [...options(question).messages, message, ...results];
    return [first, await create(question, { tools, messages })];
  },

  async tool_stream(question) {
    const stream = connect(question).chat.completions.stream(options(question, { tools }));
    return (await stream.finalChatCompletion()).choices;
  },

  async structured(question) {
    const json_schema = { name: "order", strict: true, schema: PARAMETERS };
    const asked = options(question, { response_format: { type: "json_schema", json_schema } });
    return (await connect(question).chat.completions.parse(asked)).choices[0].message.parsed;
  },

  image(question) {
    const content = [{ type: "text", text: question.mark }, { type: "image_url", image_url: { url: IMAGE_URL } }];
    return create(question, { messages: [{ role: "user", content }] });
  },

  embeddings: (question) => connect(question).embeddings.create({ model: question.model, input: [question.mark, "zwei"] }),
  responses: (question) => connect(question).responses.create({ model: question.model, input: question.mark }),
  responses_stream: async (question) =>
    all(await connect(question).responses.create({ model: question.model, input: question.mark, stream: true })),

  async responses_tools(question) {
    const tool = { type: "function", name: "place_order", parameters: PARAMETERS, strict: false };
    const asked = { model: question.model, input: question.mark, tools: [tool] };
    return (await connect(question).responses.stream(asked).finalResponse()).output;
  },

  async stored_response(question) {
    const client = connect(question);
    const made = await client.responses.create({ model: question.model, input: question.mark });
    return client.responses.retrieve(made.id);
  },

  async models(question) {
    const found = await all(connect(question).models.list());
    return { listed: found.some((one) => one.id === question.model) };
  },

  async cancel(question) {
    const stream = await create(question, { stream: true });
    let count = 0;
    for await (const _ of stream) {
      count += 1;
      if (count === CHUNKS_BEFORE_LEAVING) stream.controller.abort();
    }
    return count >= CHUNKS_BEFORE_LEAVING;
  },

  metadata: (question) => create(question, { metadata: { task_id: question.mark, kept: "yes" } }),
  moderation: (question) => connect(question).moderations.create({ model: question.model, input: question.mark }),
  generate_image: (question) => connect(question).images.generate({ model: question.model, prompt: question.mark }),

  async speech(question) {
    const asked = { model: question.model, input: question.mark, voice: "alloy" };
    return (await (await connect(question).audio.speech.create(asked)).arrayBuffer()).byteLength;
  },
});
