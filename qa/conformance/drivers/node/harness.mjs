// Questions in, results out: the frame of every program in this folder. See ../harness.py.

import { createInterface } from "node:readline";

const HINTS = ["retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-remaining-requests",
  "anthropic-ratelimit-requests-remaining", "request-id"];
const LONG = 2000;

export const TEXT = 'Grüße aus Köln 😀 "quoted" \\n';
export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";
export const IMAGE_URL = `data:image/png;base64,${PIXEL}`;
export const CHUNKS_BEFORE_LEAVING = 3;
export const PARAMETERS = {
  type: "object",
  properties: {
    customer: { type: "object", properties: { name: { type: "string" } } },
    image_url: { type: "string" },
    pieces: { type: "array", items: { type: "integer" } },
  },
  required: ["customer", "image_url", "pieces"],
};

export const said = (question) => `${TEXT} ${question.mark}`;

function headersOf(error) {
  const headers = error?.headers ?? error?.responseHeaders;
  if (!headers) return undefined;
  const get = (name) => (typeof headers.get === "function" ? headers.get(name) : headers[name]);
  return Object.fromEntries(HINTS.map((name) => [name, get(name)]).filter(([, value]) => value != null));
}

function describe(error) {
  const inner = error?.lastError ?? error;
  return {
    class: inner?.constructor?.name ?? typeof inner,
    message: String(inner?.message ?? inner).slice(0, LONG),
    status_code: inner?.status ?? inner?.statusCode,
    code: inner?.code,
    type: inner?.type,
    body: inner?.error ?? inner?.responseBody ?? inner?.data,
    headers: headersOf(inner),
  };
}

export async function run(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    question.root_url = question.base_url.replace(/\/v1$/, "");
    const operation = operations[question.operation];
    let result;
    try {
      result = operation ? { seen: (await operation(question)) ?? null } : { missing: true };
    } catch (error) {
      result = { raised: describe(error), traceback: String(error?.stack).slice(0, LONG) };
    }
    process.stdout.write(`\nRESULT ${JSON.stringify(result)}\n`);
  }
  process.exit(0);
}
