// OpenAI's Agents SDK for Node, over Responses and over chat completions.

import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { run, said } from "./harness.mjs";

setTracingDisabled(true);
const order = z.object({ article: z.string(), pieces: z.number() });
const tools = [tool({ name: "place_order", description: "Orders articles.", parameters: order, execute: async ({ pieces, article }) => `${pieces} ${article}` })];

function agent(question, Kind, more = {}) {
  const { base_url, key, headers, model, retries } = question;
  const client = new OpenAI({ baseURL: base_url, apiKey: key, maxRetries: retries, timeout: 15_000, defaultHeaders: headers });
  return new Agent({ name: "conformance", instructions: "Be brief.", model: new Kind(client, model), ...more });
}

const whole = (Kind, more) => async (question) =>
  (await new Runner().run(agent(question, Kind, more), said(question))).finalOutput;

const streamed = (Kind, more) => async (question) => {
  const result = await new Runner().run(agent(question, Kind, more), said(question), { stream: true });
  const kinds = [];
  for await (const event of result) kinds.push(event.data?.type ?? event.type);
  await result.completed;
  return { kinds, output: result.finalOutput };
};

await run({
  chat: whole(OpenAIChatCompletionsModel),
  stream: streamed(OpenAIChatCompletionsModel),
  tools: whole(OpenAIChatCompletionsModel, { tools }),
  tool_stream: streamed(OpenAIChatCompletionsModel, { tools }),
  structured: whole(OpenAIChatCompletionsModel, { outputType: order }),
  responses: whole(OpenAIResponsesModel),
  responses_stream: streamed(OpenAIResponsesModel),
  responses_tools: streamed(OpenAIResponsesModel, { tools }),
});
