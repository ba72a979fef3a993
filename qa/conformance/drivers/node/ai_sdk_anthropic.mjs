// Vercel's AI SDK with its anthropic provider.

import { createAnthropic } from "@ai-sdk/anthropic";
import { runWith } from "./ai_sdk.mjs";

await runWith(({ base_url, key, headers, model }) => createAnthropic({ baseURL: base_url, apiKey: key, headers })(model));
