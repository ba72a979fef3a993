// Vercel's AI SDK with its openai-compatible provider.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { runWith } from "./ai_sdk.mjs";

const provider = ({ base_url, key, headers }) =>
  createOpenAICompatible({ name: "gateway", baseURL: base_url, apiKey: key, headers, includeUsage: true, supportsStructuredOutputs: true });

await runWith((question) => provider(question).chatModel(question.model), (question) => provider(question).textEmbeddingModel(question.model));
