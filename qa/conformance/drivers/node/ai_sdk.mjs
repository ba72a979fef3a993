// Vercel's AI SDK: operations of every provider.

import { embedMany, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";
import { CHUNKS_BEFORE_LEAVING, PIXEL, run, said } from "./harness.mjs";

const weather = z.object({ city: z.string(), degrees: z.number() });
const tools = { place_order: tool({ description: "Orders articles.", inputSchema: weather }) };

async function parts(result) {
  const found = [];
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    const { type, text, delta, finishReason, totalUsage, toolName, input } = part;
    found.push({ type, text, delta, finishReason, totalUsage, toolName, input });
  }
  return found;
}

export function runWith(chat, embedder) {
  const options = (question, more = {}) => ({
    model: chat(question), prompt: said(question), maxRetries: question.retries, ...more,
  });
  const stream = (question, more = {}) => streamText({ ...options(question, more), onError: () => {} });
  return run({
    async chat(question) {
      const { text, finishReason, usage } = await generateText(options(question));
      return { text, finishReason, usage };
    },

    async response_headers(question) {
      const { response } = await generateText(options(question));
      const names = ["x-ratelimit-limit-requests", "x-provider-extra", "request-id"];
      return Object.fromEntries(names.map((name) => [name, response.headers?.[name] ?? null]));
    },

    stream: (question) => parts(stream(question)),
    stream_usage: async (question) => { const found = stream(question); await found.consumeStream(); return found.totalUsage; },

    async tools(question) {
      const { toolCalls, finishReason } = await generateText(options(question, { tools }));
      return { calls: toolCalls.map(({ toolName, input }) => ({ toolName, input })), finishReason };
    },

    tool_stream: (question) => parts(stream(question, { tools })),
    structured: async (question) => (await generateObject(options(question, { schema: weather }))).object,

    async image(question) {
      const content = [{ type: "text", text: question.mark }, { type: "image", image: Buffer.from(PIXEL, "base64") }];
      const { prompt, ...rest } = options(question);
      return (await generateText({ ...rest, messages: [{ role: "user", content }] })).text;
    },

    embeddings: embedder && (async (question) =>
      (await embedMany({ model: embedder(question), values: [question.mark, "zwei"], maxRetries: question.retries })).embeddings),

    async cancel(question) {
      const controller = new AbortController();
      let count = 0;
      for await (const part of stream(question, { abortSignal: controller.signal }).fullStream) {
        if (part.type === "text-delta") count += 1;
        if (count === CHUNKS_BEFORE_LEAVING) controller.abort();
      }
      return count >= CHUNKS_BEFORE_LEAVING;
    },
  });
}
