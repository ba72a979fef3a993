// Chat completions of the playground: the request body of a turn, and the call.

import { ApiError } from "../api.js";
import { addChunk, addCompletion, assistantMessage, emptyAnswer, hasContent } from "./answer.js";
import { readEvents } from "./sse.js";

/**
 * The messages of a column's next request. turns: the earlier ones and, last, the one to answer: {prompt, images} or
 * {results: [{id, text}]}, each with its answer. Turns without an answer are left out.
 */
export function messagesOf(system, turns) {
  const messages = system.trim() ? [{ role: "system", content: system }] : [];
  const last = turns.length - 1;
  const kept = turns.filter((turn, index) => index === last || hasContent(turn.answer));
  kept.forEach((turn, index) => {
    const open = index ? kept[index - 1].answer.toolCalls : [];
    for (const call of open) messages.push({ role: "tool", tool_call_id: call.id, content: resultOf(turn, call) });
    if (!turn.results) messages.push({ role: "user", content: userContent(turn) });
    if (index < kept.length - 1) messages.push(assistantMessage(turn.answer));
  });
  return messages;
}

/** Every tool call must be answered: an API rejects a conversation where one is not. */
const resultOf = (turn, call) => turn.results?.find((one) => one.id === call.id)?.text ?? "";

/** A prompt as the content of a user message: text, or OpenAI's content parts if it has images. */
export function userContent({ prompt, images }) {
  if (!images.length) return prompt;
  const parts = images.map((image) => ({ type: "image_url", image_url: { url: image.url } }));
  return prompt.trim() ? [{ type: "text", text: prompt }, ...parts] : parts;
}

/** The request body. settings: {system, stream, temperature, maxTokens, tools, parameters}, the last two parsed. */
export function chatBody(model, settings, turns) {
  return {
    ...requestParameters(settings), model, messages: messagesOf(settings.system, turns),
    ...(settings.tools.length ? { tools: settings.tools } : {}),
    ...(settings.stream ? { stream: true, stream_options: { include_usage: true } } : { stream: false }),
  };
}

/** The parameters that the form sets. */
export const requestParameters = ({ parameters, temperature, maxTokens }) => ({
  ...parameters,
  ...(temperature === "" ? {} : { temperature: Number(temperature) }),
  ...(maxTokens === "" ? {} : { max_tokens: Number(maxTokens) }),
});

/**
 * Send a chat completion, and fill the record of its turn as the answer arrives.
 *
 * record: {status, answer, headers, error, firstTokenMs, totalMs}, see newRecord. onProgress: called after every change.
 * key: null for the dashboard's own. now: the clock, in milliseconds. Never throws: what goes wrong is in the record.
 */
export async function sendChat(record, { body, task, key, signal, onProgress, now }) {
  const startedAt = now();
  try {
    const response = await post(body, task, key, signal);
    record.headers = gatewayHeaders(response.headers);
    onProgress();
    if (!response.ok) throw await errorOf(response);
    if (response.headers.get("content-type")?.startsWith("text/event-stream")) await readStream(record, response, () => now() - startedAt, onProgress);
    else readWhole(record, await response.text());
    record.status = "done";
  } catch (error) {
    record.status = signal.aborted ? "stopped" : "failed";
    if (!signal.aborted) record.error = toError(error);
  }
  record.totalMs = now() - startedAt;
  onProgress();
}

/** The record of a request that has not been answered yet. */
export const newRecord = () => ({ status: "waiting", answer: emptyAnswer(), headers: {}, error: null, firstTokenMs: null, totalMs: null });

function post(body, task, key, signal) {
  const headers = { "content-type": "application/json" };
  if (task) headers["x-task-id"] = task;
  if (key) headers.authorization = `Bearer ${key}`;
  return fetch(new URL("../v1/chat/completions", document.baseURI), { method: "POST", headers, body: JSON.stringify(body), signal, cache: "no-store" });
}

async function readStream(record, response, elapsed, onProgress) {
  let isEnded = false;
  for await (const data of readEvents(response.body)) {
    if (data.trim() === "[DONE]") { isEnded = true; break; }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(0, chunk.error.code ?? null, chunk.error.message ?? "The stream reports an error.");
    const isContent = addChunk(record.answer, chunk);
    if (isContent && record.firstTokenMs === null) record.firstTokenMs = elapsed();
    record.status = "streaming";
    onProgress();
  }
  if (!isEnded) throw new ApiError(0, "stream_interrupted", "The stream ended without its last event: the answer may be incomplete.");
}

function readWhole(record, text) {
  const completion = JSON.parse(text);
  if (!Array.isArray(completion?.choices)) throw new ApiError(0, null, "The response is not a chat completion: it has no choices.");
  addCompletion(record.answer, completion);
}

async function errorOf(response) {
  const { error } = await response.json().catch(() => ({}));
  const message = typeof error === "string" ? error : error?.message;
  return new ApiError(response.status, error?.code ?? error?.type ?? null, message ?? `The gateway returned HTTP ${response.status} without an error message.`);
}

function toError(error) {
  if (error instanceof ApiError) return { status: error.status, code: error.code, message: error.message };
  if (error instanceof SyntaxError) return { status: 0, code: "invalid_json", message: "The response is not valid JSON." };
  return { status: 0, code: "unreachable", message: "The connection to the gateway failed. Check that it is running, then retry." };
}

/** The gateway's response headers by their names without prefix, and the request ID. */
function gatewayHeaders(headers) {
  const found = {};
  for (const [name, value] of headers) if (name.startsWith("x-benchroute-") && value !== "none") found[name.slice("x-benchroute-".length)] = value;
  for (const name of ["x-request-id", "retry-after"]) if (headers.has(name)) found[name] = headers.get(name);
  return found;
}
