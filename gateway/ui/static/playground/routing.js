// What routing would do with a prompt, and what it does for a task now.

import { activePack, isPackLoaded } from "../active_pack.js";
import { ApiError, call, taskPath } from "../api.js";
import { modelLabel, reasonTag, taskLink } from "../components.js";
import { banner, h, inlineCode, section, table } from "../dom.js";
import { describeDistance, explainDecision } from "../explain.js";
import { plural, score, withFullStop } from "../format.js";
import { scoreNames } from "../scores.js";
import { TASK_ID } from "./settings.js";

/** The present decision of a task as nodes; a sentence if there is none. task: empty for requests without a task ID. */
export async function currentDecision(task) {
  if (!task) return ["No task ID: the gateway takes the task of the system prompt's template, or the key's default task."];
  if (!TASK_ID.test(task)) return [];
  try {
    const found = await call(taskPath(task));
    return [taskLink(task), ": ", modelLabel(found.decision.model), " ", reasonTag(found.decision), " ", explainDecision(found)];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 404) return inlineCode(error.message);
    await activePack();
    return [`Task ${task}: `, explainDecision({ decision: { reason: isPackLoaded() ? "cold-start" : "no-pack" } })];
  }
}

/** A card that previews the decision for a prompt. Returns {element, preview({prompt, system, task, key})}. */
export function routePreview() {
  const result = h("div", { class: "stack pg-tight", role: "status" });
  const element = section("Routing preview", "The decision for this prompt by itself. Nothing is stored and no model is called.", result);
  element.hidden = true;
  return {
    element,
    async preview({ prompt, system, task, key }) {
      element.hidden = false;
      result.replaceChildren(h("p", { class: "muted" }, "Scoring…"));
      result.replaceChildren(...await decisionOf({ prompt, system, task, key }));
      element.scrollIntoView?.({ block: "nearest" });
    },
  };
}

async function decisionOf({ prompt, system, task, key }) {
  const messages = [...(system.trim() ? [{ role: "system", content: system }] : []), { role: "user", content: prompt }];
  try {
    return preview(await call("v1/route", { method: "POST", body: { inputs: [{ messages }], ...(task ? { task } : {}) }, key }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return [banner("bad", error.message)];
  }
}

function preview(found) {
  const { decision } = found;
  const names = scoreNames(found.scores);
  const columns = [
    { title: "Model", cell: (row) => modelLabel(row.model) },
    ...names.map((name) => ({ title: name.toUpperCase(), class: "num", cell: (row) => score(row[name]) })),
  ];
  return [
    h("p", {}, "Routing would choose ", modelLabel(decision.model), " ", reasonTag(decision), " ", explainDecision(found)),
    h("p", { class: "muted" }, `Distance to the benchmark: ${describeDistance(found.u, null).text}. `
      + `Most similar datasets: ${(found.nearest_datasets ?? []).map((row) => row.dataset).join(", ") || "none"}.`),
    decision.would_change ? h("p", { class: "muted" }, withFullStop(decision.would_change.text)) : null,
    found.scores?.length ? h("details", {}, h("summary", {}, `Scores of ${plural(found.scores.length, "model")}`),
      table("Scores by model", columns, found.scores, { rowClass: (row) => (row.model === decision.model ? "chosen" : null) }).element) : null,
  ].filter(Boolean);
}
