// A model's answer, put together from the chunks of a stream or from a whole chat completion.

/**
 * An answer without content. finishReason, usage and error are null until known.
 *
 * toolCalls: [{id, name, arguments}], arguments as the text that the model wrote. images: data: URLs.
 */
export const emptyAnswer = () => ({ content: "", reasoning: "", refusal: "", toolCalls: [], images: [], finishReason: null, usage: null, model: null });

/** Add a chat.completion.chunk to an answer. Returns true if the chunk has a part of the answer itself. */
export function addChunk(answer, chunk) {
  const choice = firstChoice(chunk);
  readCommon(answer, chunk, choice);
  return choice?.delta ? addParts(answer, choice.delta) : false;
}

/** Add a whole chat.completion to an answer. */
export function addCompletion(answer, completion) {
  const choice = firstChoice(completion);
  readCommon(answer, completion, choice);
  if (choice?.message) addParts(answer, choice.message);
}

/** True for an answer that a later request can repeat to the model. */
export const hasContent = (answer) => Boolean(answer.content || answer.refusal || answer.toolCalls.length);

/** The answer as a message of the next request. Reasoning is left out: most providers reject it. */
export function assistantMessage(answer) {
  const calls = answer.toolCalls.map((one) => ({ id: one.id, type: "function", function: { name: one.name, arguments: one.arguments } }));
  return { role: "assistant", content: answer.content || (calls.length ? null : answer.refusal), ...(calls.length ? { tool_calls: calls } : {}) };
}

/** The arguments of a tool call, indented if they are JSON. */
export function formatArguments(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const firstChoice = (body) => (Array.isArray(body?.choices) ? body.choices.find((one) => (one?.index ?? 0) === 0) : undefined);

function readCommon(answer, body, choice) {
  if (body?.usage) answer.usage = body.usage;
  if (typeof body?.model === "string") answer.model = body.model;
  if (choice?.finish_reason) answer.finishReason = String(choice.finish_reason);
}

/** parts: a delta or a message. */
function addParts(answer, parts) {
  const before = size(answer);
  addContent(answer, parts.content);
  answer.reasoning += text(parts.reasoning_content) || text(parts.reasoning); // DeepSeek, vLLM; OpenRouter, Groq
  answer.refusal += text(parts.refusal);
  for (const call of Array.isArray(parts.tool_calls) ? parts.tool_calls : []) addToolCall(answer, call);
  for (const one of Array.isArray(parts.images) ? parts.images : []) addImage(answer, one?.image_url?.url);
  return size(answer) > before;
}

const size = (answer) => answer.content.length + answer.reasoning.length + answer.refusal.length + answer.toolCalls.length + answer.images.length
  + answer.toolCalls.reduce((sum, call) => sum + call.arguments.length, 0);

const text = (value) => (typeof value === "string" ? value : "");

/** content: text, or a list of parts, of which Mistral's `thinking` is reasoning. */
function addContent(answer, content) {
  if (!Array.isArray(content)) { answer.content += text(content); return; }
  for (const part of content) {
    if (part?.type === "thinking") answer.reasoning += Array.isArray(part.thinking) ? part.thinking.map((one) => text(one?.text)).join("") : text(part.thinking);
    else answer.content += text(part?.text);
  }
}

/** A call comes in pieces with the same index; of a whole message, calls have no index. */
function addToolCall(answer, call) {
  const index = call?.index ?? answer.toolCalls.length;
  const known = answer.toolCalls.find((one) => one.index === index);
  const target = known ?? { index, id: "", name: "", arguments: "" };
  if (!known) answer.toolCalls.push(target);
  target.id ||= text(call?.id);
  target.name += known && text(call?.function?.name) === target.name ? "" : text(call?.function?.name);
  target.arguments += argumentsText(call?.function?.arguments);
}

/** Some servers send the arguments as an object in place of a text. */
const argumentsText = (value) => (value && typeof value === "object" ? JSON.stringify(value) : text(value));

/** Images by URL are left out: the page loads nothing from other hosts. */
function addImage(answer, url) {
  if (typeof url === "string" && /^data:image\/(png|jpeg|gif|webp);/.test(url)) answer.images.push(url);
}
