// Vercel's AI SDK with its openai provider, Responses, which is that provider's default.

import { createOpenAI } from "@ai-sdk/openai";
import { runWith } from "./ai_sdk.mjs";

const provider = ({ base_url, key, headers }) => createOpenAI({ baseURL: base_url, apiKey: key, headers });

await runWith((question) => provider(question).responses(question.model));
