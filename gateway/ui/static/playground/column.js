// One model's column: its conversation, and its requests. A failure stays in its column.

import { modelLabel } from "../components.js";
import { h, onCtrlEnter } from "../dom.js";
import { hasContent } from "./answer.js";
import { turnView } from "./answer_view.js";
import { chatBody, newRecord, sendChat } from "./chat.js";

const now = () => performance.now();

/**
 * A column. turns: of its conversation, filled as answers arrive. page: {settings(), key(), priceOf(model),
 * requestLink(id), onChange()}, the last called after every change.
 *
 * Returns {element, model, turns, isBusy(), send(turn), stop(), setNote(nodes), scrollToLast()}.
 */
export function modelColumn(model, turns, page) {
  const column = { request: null, isDrawing: false, last: null };
  const conversation = h("div", { class: "pg-turns" });
  const stop = h("button", { type: "button", hidden: true, "aria-label": `Stop ${model}`, on: { click: () => column.request?.abort() } }, "Stop");
  const retry = h("button", { type: "button", hidden: true, "aria-label": `Retry ${model}`, on: { click: () => resend() } }, "Retry");
  const note = h("div", { class: "muted pg-note" });
  const announcement = h("p", { class: "sr", role: "status" });
  const results = h("div", { class: "pg-results" });
  const element = h("section", { class: "card pg-column", "aria-label": `Answers of ${model}` },
    h("div", { class: "row pg-column-head" }, h("h2", {}, modelLabel(model)), h("div", { class: "row" }, retry, stop)),
    note, conversation, results, announcement);

  const show = (turn) => {
    column.last = turnView(turn, page);
    conversation.append(column.last.element);
  };
  const updateButtons = () => {
    stop.hidden = !column.request;
    retry.hidden = Boolean(column.request) || !turns.length;
    const last = turns.at(-1);
    const asks = !column.request && last?.answer.toolCalls.length && last.status === "done";
    results.replaceChildren(...(asks ? [resultsForm(last.answer.toolCalls, (given) => send({ results: given }))] : []));
  };
  /** At most one update a frame: a fast stream has hundreds of events a second. */
  const draw = () => {
    if (column.isDrawing) return;
    column.isDrawing = true;
    requestAnimationFrame(() => { column.isDrawing = false; column.last?.update(); page.onChange(); });
  };
  const run = async (turn) => {
    const settings = page.settings();
    const body = chatBody(model, settings, turns);
    const request = column.request = new AbortController();
    updateButtons();
    page.onChange();
    await sendChat(turn, { body, task: model === "auto" ? settings.task : "", key: page.key(), signal: request.signal, onProgress: draw, now });
    column.request = null;
    column.last.update();
    updateButtons();
    announcement.textContent = { done: `${model}: answer complete.`, stopped: `${model}: stopped.`, failed: `${model}: failed. ${turn.error?.message ?? ""}` }[turn.status];
    page.onChange();
  };
  /** given: {prompt, images} or {results}. */
  const send = (given) => {
    const turn = { ...given, ...newRecord() };
    turns.push(turn);
    show(turn);
    const sent = run(turn);
    if (given.results) column.last.element.scrollIntoView({ block: "nearest" });
    return sent;
  };
  /** Send the last turn again, in place of its answer. */
  const resend = () => {
    const turn = turns.at(-1);
    Object.assign(turn, newRecord());
    conversation.lastElementChild.remove();
    show(turn);
    return run(turn);
  };
  turns.forEach(show);
  updateButtons();
  return {
    element, model, turns, send, isBusy: () => column.request !== null, stop: () => column.request?.abort(),
    setNote: (...nodes) => note.replaceChildren(...nodes),
    scrollToLast: () => column.last?.element.scrollIntoView({ block: turns.length > 1 ? "start" : "nearest" }),
  };
}

/** True if a column has an answer to compare. */
export const isAnswered = ({ turns }) => turns.some((turn) => hasContent(turn.answer) || turn.error);

/** A form for the results of an answer's tool calls. send(results). */
function resultsForm(calls, send) {
  const fields = calls.map(() => h("textarea", { class: "mono", rows: "2", spellcheck: "false" }));
  const submit = (event) => {
    event.preventDefault();
    send(calls.map((call, index) => ({ id: call.id, name: call.name, text: fields[index].value })));
  };
  const form = h("form", { on: { submit } }, calls.map((call, index) => h("label", {}, `Result of ${call.name}`, fields[index])),
    h("div", { class: "row" }, h("button", { type: "submit" }, "Send results")));
  onCtrlEnter(form, () => form.requestSubmit());
  return form;
}
