// anthropic for Node.

import Anthropic from "@anthropic-ai/sdk";
import { CHUNKS_BEFORE_LEAVING, PARAMETERS, PIXEL, run, said } from "./harness.mjs";

const SEEN = ["anthropic-ratelimit-requests-remaining", "request-id", "x-provider-extra", "content-type"];
const tools = [{ name: "place_order", input_schema: PARAMETERS }];
const connect = (question) => new Anthropic({
  baseURL: question.root_url, apiKey: question.key, maxRetries: question.retries, timeout: 15_000,
  defaultHeaders: question.headers,
});
const options = (question, more = {}) => ({
  model: question.model, max_tokens: 100, messages: [{ role: "user", content: said(question) }], ...more,
});
const create = (question, more) => connect(question).messages.create(options(question, more));

async function all(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

await run({
  chat: (question) => create(question),

  async response_headers(question) {
    const { response } = await create(question).withResponse();
    return Object.fromEntries(SEEN.map((name) => [name, response.headers.get(name)]));
  },

  stream: async (question) => all(await create(question, { stream: true })),
  stream_usage: async (question) => (await connect(question).messages.stream(options(question)).finalMessage()).usage,

  async tools(question) {
    const first = await create(question, { tools });
    const results = first.content.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "done" }));
    const turns = [{ role: "assistant", content: first.content }, { role: "user", content: results }];
    return [first, await create(question, { tools, messages: [...options(question).messages, ...turns] })];
  },

  tool_stream: (question) => connect(question).messages.stream(options(question, { tools })).finalMessage(),

  image(question) {
    const source = { type: "base64", media_type: "image/png", data: PIXEL };
    return create(question, { messages: [{ role: "user", content: [{ type: "text", text: question.mark }, { type: "image", source }] }] });
  },

  async count_tokens(question) {
    const { model, messages } = options(question);
    return connect(question).messages.countTokens({ model, messages });
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
});
