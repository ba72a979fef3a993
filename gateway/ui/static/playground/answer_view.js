// A turn of a column: the prompt, the answer as far as it has come, and its figures. Updated in place while it streams.

import { copyButton } from "../copy.js";
import { modelLabel, reasonTag, taskLink } from "../components.js";
import { banner, h } from "../dom.js";
import { count, ms, usd } from "../format.js";
import { formatArguments, hasContent } from "./answer.js";
import { costOf, tokensOf } from "./cost.js";
import { imageView } from "./images.js";
import { showText } from "./text_view.js";

const STATUS = { waiting: "Waiting for the first token…", streaming: "Answering…", stopped: "Stopped", interrupted: "Interrupted: the page was left before the answer ended." };
/** What a finish reason means; null for the usual one. */
const FINISH = { stop: null, tool_calls: "Tool calls", length: "Cut off: max tokens reached", content_filter: "Cut off by the content filter", function_call: "Function call" };

/** Tokens, cost and times of a turn; null where unknown. priceOf(model): its price. */
export function figuresOf(turn, priceOf) {
  const { usage } = turn.answer;
  const reported = turn.headers["cost-usd"];
  const used = usage ? tokensOf(usage) : null;
  const known = used && used.input + used.output > 0 ? used : null;
  const cost = reported !== undefined ? Number(reported) : costOf(known && usage, priceOf(turn.headers.model));
  return { input: known?.input ?? null, output: known?.output ?? null, cost, firstTokenMs: turn.firstTokenMs, totalMs: turn.totalMs };
}

/** A turn's element. Returns {element, update()}. requestLink: returns a link to a request's page, or its ID. */
export function turnView(turn, { priceOf, requestLink }) {
  const parts = {
    reasoning: h("details", { class: "pg-reasoning", hidden: true }, h("summary", {}, "Reasoning"), h("div", { class: "pg-text muted" })),
    text: h("div", { class: "pg-answer" }), extra: h("div", { class: "stack pg-tight" }), status: h("p", { class: "muted pg-status" }),
    error: h("div"), figures: h("dl", { class: "pg-figures" }), route: h("p", { class: "pg-route muted" }),
  };
  const element = h("article", { class: "pg-turn" }, promptView(turn), parts.reasoning, parts.text, parts.extra, parts.status, parts.error, parts.route, parts.figures);
  const update = () => {
    updateAnswer(parts, turn);
    updateEnd(parts, turn, requestLink);
    parts.figures.replaceChildren(...figures(turn, priceOf));
    parts.route.replaceChildren(...routeView(turn, requestLink));
  };
  update();
  return { element, update };
}

function promptView(turn) {
  const sent = turn.results ? turn.results.map((one) => h("div", {}, h("span", { class: "muted" }, `Result of ${one.name}: `), one.text || "(empty)")) : turn.prompt;
  return h("div", { class: "pg-prompt" }, h("span", { class: "sr" }, "Prompt: "), h("div", { class: "pg-text" }, sent),
    turn.images?.length ? h("div", { class: "row" }, turn.images.map(imageView)) : null);
}

function updateAnswer(parts, { answer, status }) {
  parts.reasoning.hidden = !answer.reasoning;
  const reasoning = parts.reasoning.lastElementChild;
  if (reasoning.textContent !== answer.reasoning) reasoning.textContent = answer.reasoning;
  showText(parts.text, answer.content);
  const isOver = !["waiting", "streaming"].includes(status);
  const extra = [
    answer.refusal ? banner("warn", h("b", {}, "Refusal: "), answer.refusal) : null,
    ...answer.toolCalls.map((call) => h("div", { class: "pg-call" }, h("span", { class: "tag" }, "Tool call"), " ", h("code", {}, call.name),
      h("pre", { tabindex: "0", role: "region", "aria-label": `Arguments of ${call.name}` }, h("code", {}, formatArguments(call.arguments))))),
    ...answer.images.map((url, index) => h("img", { src: url, class: "pg-image", alt: `Image ${index + 1} of the answer` })),
    isOver && answer.content ? h("div", { class: "pg-copy" }, copyButton(() => answer.content, "Copy answer")) : null,
  ].filter(Boolean);
  parts.extra.hidden = !extra.length;
  parts.extra.replaceChildren(...extra);
}

function updateEnd(parts, turn, requestLink) {
  const { answer, status, error } = turn;
  const finish = answer.finishReason === null || answer.finishReason in FINISH ? FINISH[answer.finishReason] : `Finish reason: ${answer.finishReason}`;
  const isEmpty = status === "done" && !hasContent(answer) && !answer.images.length;
  const text = [STATUS[status], isEmpty ? "The answer is empty." : null, status === "done" ? finish : null].filter(Boolean).join(" ");
  parts.status.hidden = !text;
  if (parts.status.textContent !== text) parts.status.textContent = text;
  parts.error.replaceChildren(...(error ? [errorView(error, turn.headers, requestLink)] : []));
}

function errorView(error, headers, requestLink) {
  const known = [error.status ? `HTTP ${error.status}` : null, error.code].filter(Boolean).join(", ");
  const retry = headers["retry-after"] ? ` Retry after ${headers["retry-after"]} s.` : "";
  return banner("bad", known ? h("b", {}, `${known}: `) : null, error.message, retry,
    headers.error ? h("span", { class: "pg-line" }, `Attempts: ${headers.error}`) : null,
    headers["x-request-id"] ? h("span", { class: "pg-line" }, "Request ", requestLink(headers["x-request-id"])) : null);
}

function figures(turn, priceOf) {
  const { input, output, cost, firstTokenMs, totalMs } = figuresOf(turn, priceOf);
  if (totalMs === null) return firstTokenMs === null ? [] : pairs([["First token", ms(firstTokenMs)]]);
  return pairs([["First token", ms(firstTokenMs)], ["Latency", ms(totalMs)], ["Tokens in", tokens(input)], ["Tokens out", tokens(output)], ["Cost", usd(cost)]]);
}

const tokens = (value) => (value === null ? "–" : count(value));

const pairs = (rows) => rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));

/** The route of a request by the response's headers: model, backend, reason, decision and task. */
function routeView({ headers, status }, requestLink) {
  if (!headers.model && !headers.task) return [];
  const separator = () => h("span", { "aria-hidden": "true" }, " · ");
  const facts = [
    headers.model ? [modelLabel(headers.model), headers.backend && headers.backend !== headers.model ? ` at ${headers.backend}` : ""] : null,
    headers.reason ? [reasonTag({ reason: headers.reason })] : null,
    headers.task ? ["task ", taskLink(headers.task), headers.decision && headers.decision !== "0" ? `, decision version ${headers.decision}` : ""] : null,
    Number(headers.attempts) > 1 ? [`${headers.attempts} attempts`] : null,
    headers["shadow-model"] ? [`routing would choose ${headers["shadow-model"]}`] : null,
    headers.cache ? ["from the response cache"] : null,
    headers.degraded ? [headers.degraded] : null,
    headers["overhead-ms"] ? [`gateway ${ms(Number(headers["overhead-ms"]))}`] : null,
    status !== "failed" && headers["x-request-id"] ? ["request ", requestLink(headers["x-request-id"])] : null,
  ].filter(Boolean);
  return facts.flatMap((fact, index) => (index ? [separator(), ...fact] : fact)).filter((one) => one !== "");
}
