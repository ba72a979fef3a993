// Overrides of a task's routing: pin, candidates, and their history.

import { call, taskPath } from "../api.js";
import { modelLabel } from "../components.js";
import { banner, code, h } from "../dom.js";
import { count, dateTime, timeAgo } from "../format.js";

/** The task's overrides, as of when the page was opened; every change reloads the page. */
export function overridesForm(id, context, { policy, models, task }) {
  const { overrides, effective, configured } = policy;
  const path = `${taskPath(id)}/policy`;
  const change = async (method, body, message) => {
    try {
      await call(`${path}?version=${policy.version}`, { method, body });
      await context.reload();
      context.notify("good", message);
    } catch (error) {
      context.notify("bad", error.message);
    }
  };
  const state = h("p", {}, effective.pin ? ["Pinned to ", modelLabel(effective.pin), "."] : effective.candidates ? `Candidate models: ${effective.candidates.join(", ")}.` : "Not pinned; all models are candidates.",
    effective.dataset ? ` Declared to be dataset ${effective.dataset}.` : "",
    configured && Object.keys(configured).length ? h("span", { class: "muted" }, " config.yaml has settings for this task.") : null);
  const error = policy.error ? banner("warn", `The override is not applied: ${policy.error}`) : null;
  if (!context.principal.may_manage) return h("div", { class: "stack" }, state, error, h("p", { class: "muted" }, "Read-only key. Sign in with an admin key to change routing."), overrideHistory(policy));
  const pin = h("select", { id: "pin" }, models.map((name) => h("option", { value: name, selected: name === (effective.pin ?? task.decision.model) }, name)));
  const boxes = models.map((name) => h("input", { type: "checkbox", name, checked: !effective.candidates || effective.candidates.includes(name) }));
  return h("div", { class: "stack" }, state, error,
    h("form", { on: { submit: (event) => { event.preventDefault(); change("PUT", merged({ pin: pin.value }), `Pinned to ${pin.value}. New requests go there.`); } } },
      h("div", { class: "row end" }, h("label", {}, "Pin to model", pin), h("button", { type: "submit", class: "primary" }, "Pin"),
        effective.pin ? h("button", { type: "button", on: { click: () => unpin() } }, "Unpin") : null)),
    h("details", {}, h("summary", {}, "Restrict candidate models"),
      h("form", { on: { submit: (event) => { event.preventDefault(); restrict(); } } },
        h("fieldset", {}, h("legend", {}, "Candidate models"), h("div", { class: "choices" }, models.map((name, index) => h("label", { class: "line" }, boxes[index], modelLabel(name))))),
        h("div", { class: "row" }, h("button", { type: "submit" }, "Apply restriction")))),
    overrides ? h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: () => change("DELETE", undefined, "Overrides removed.") } }, "Remove all overrides")) : null,
    overrideHistory(policy));

  /** The overrides with some changed. undefined removes a field; null overrides what config.yaml sets. */
  function merged(changes) {
    return Object.fromEntries(Object.entries({ ...(overrides ?? {}), ...changes }).filter(([, value]) => value !== undefined));
  }
  function unpin() {
    const rest = merged({ pin: configured?.pin ? null : undefined });
    const message = "Unpinned. The task is routed by benchmark scores again.";
    return Object.keys(rest).length ? change("PUT", rest, message) : change("DELETE", undefined, message);
  }
  function restrict() {
    const candidates = models.filter((_, index) => boxes[index].checked);
    if (!candidates.length) return context.notify("bad", "Select at least one candidate model.");
    if (candidates.length === models.length) return change("PUT", merged({ candidates: null }), "Restriction removed. The task was rescored.");
    return change("PUT", merged({ candidates }), `Restricted to ${candidates.join(", ")}. The task was rescored.`);
  }
}

function overrideHistory(policy) {
  if (!policy.history.length) return null;
  return h("details", {}, h("summary", {}, `Override history (${count(policy.history.length)})`),
    h("ol", { class: "timeline" }, [...policy.history].reverse().map((entry) => h("li", {}, h("time", { datetime: entry.at, title: dateTime(entry.at) }, timeAgo(entry.at)),
      h("span", {}, `Version ${entry.version}${entry.changed_by ? ` by ${entry.changed_by}` : ""}: `, entry.overrides ? code(JSON.stringify(entry.overrides)) : "overrides removed")))));
}
