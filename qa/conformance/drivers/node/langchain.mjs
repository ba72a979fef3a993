// LangChain for Node: ChatOpenAI and OpenAIEmbeddings.

import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { CHUNKS_BEFORE_LEAVING, IMAGE_URL, PARAMETERS, run, said } from "./harness.mjs";

const tools = [{ type: "function", function: { name: "place_order", parameters: PARAMETERS } }];
const weather = z.object({ city: z.string(), degrees: z.number() });
const connection = ({ base_url, key, headers, model, retries }) => ({
  model, apiKey: key, maxRetries: retries, timeout: 15_000,
  configuration: { baseURL: base_url, defaultHeaders: headers },
});
const chat = (question, more = {}) => new ChatOpenAI({ ...connection(question), ...more });
const shown = ({ content, tool_calls, usage_metadata }) => ({ content, tool_calls, usage_metadata });

async function joined(stream) {
  let whole;
  for await (const piece of stream) whole = whole ? whole.concat(piece) : piece;
  return shown(whole);
}

await run({
  chat: async (question) => shown(await chat(question).invoke(said(question))),

  async stream(question) {
    const pieces = [];
    for await (const piece of await chat(question).stream(said(question))) pieces.push(piece.content);
    return pieces;
  },

  stream_usage: async (question) => joined(await chat(question, { streamUsage: true }).stream(said(question))),
  tools: async (question) => shown(await chat(question).bindTools(tools).invoke(said(question))),
  tool_stream: async (question) => joined(await chat(question).bindTools(tools).stream(said(question))),
  structured: (question) => chat(question).withStructuredOutput(weather).invoke(said(question)),

  async image(question) {
    const content = [{ type: "text", text: question.mark }, { type: "image_url", image_url: { url: IMAGE_URL } }];
    return shown(await chat(question).invoke([{ role: "user", content }]));
  },

  embeddings: (question) => new OpenAIEmbeddings(connection(question)).embedDocuments([question.mark, "zwei"]),
  responses: async (question) => shown(await chat(question, { useResponsesApi: true }).invoke(question.mark)),

  async cancel(question) {
    let count = 0;
    for await (const _ of await chat(question).stream(said(question))) {
      count += 1;
      if (count === CHUNKS_BEFORE_LEAVING) break;
    }
    return count;
  },
});
