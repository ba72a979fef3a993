// One task: its current decision with the evidence and history behind it, overrides of it, and what can be done with it.

import { activePack } from "../active_pack.js";
import { call, callOrNull, taskPath } from "../api.js";
import { registerModels } from "../components.js";
import { banner, h, latePart, replaceContent, section } from "../dom.js";
import { historyPanel } from "../history.js";
import { autoDetails } from "../task/auto_details.js";
import { decisionFacts, decisionSummary } from "../task/decision.js";
import { embeddingMap, nearestDatasets, nearestQuestions } from "../task/evidence.js";
import { historyChart, historyItems } from "../task/history.js";
import { labelSection } from "../task/labels.js";
import { kindNote, manageSection } from "../task/manage.js";
import { overridesForm } from "../task/overrides.js";
import { previewForm } from "../task/preview.js";
import { scoresView } from "../task/scores.js";
import { taskTitle } from "../task/title.js";

export async function taskPage(root, context, [id]) {
  const first = await fetchData(id);
  if (first.error) return missingTask(root, id, first.error, context);
  registerModels(first.models);
  const [evidence, similar] = await Promise.all([
    latePart(() => evidenceOf(first)),
    first.task.kind === "automatic" ? callOrNull(`${taskPath(id)}/similar`) : null,
  ]);
  const decision = h("div", { class: "decision" });
  const facts = h("dl", { class: "facts" });
  const scores = scoresView();
  const changes = h("ol", { class: "timeline" });
  const history = historyChart(first.task);
  const usage = await historyPanel(context, { series: [{ label: id, kind: "task", name: id }], models: first.models });
  const update = (data) => {
    if (data.error) throw data.error;
    replaceContent(decision, ...decisionSummary(data));
    replaceContent(facts, ...decisionFacts(data));
    scores.update(data.task);
    replaceContent(changes, ...historyItems(data.task));
    history.update(data.task);
  };
  update(first);
  root.append(
    taskTitle(first.task),
    kindNote(first.task, similar?.data ?? []),
    h("div", { class: "wide-left" },
      section("Current decision", null, decision, facts),
      section("Override routing", "Overrides apply immediately, take precedence over config.yaml, and are versioned.", overridesForm(id, context, first))),
    section("Model scores", "Share of this task's inputs that each model is expected to answer correctly, estimated from the most similar benchmark questions. "
      + "Bars: 90 % interval.", scores.element),
    section("Decision history", "Each step is a change of model.", history.element, changes),
    usage.element,
    evidence,
    autoDetails(first.task),
    h("div", { class: "two" }, labelSection(first, context), previewForm(id)),
    manageSection(first.task, similar?.data ?? [], context));
  return { title: first.task.name ?? id, refresh: async () => { update(await fetchData(id)); await usage.refresh(); } };
}

/** The sections about similar benchmark questions. */
async function evidenceOf({ task, pack }) {
  const evidence = task.n && pack ? await callOrNull(`${taskPath(task.id)}/evidence`) : null;
  if (!evidence) return [];
  return [evidence.nearest.length ? nearestQuestions(evidence) : null,
    h("div", { class: "wide-left" }, embeddingMap(evidence, task.id), nearestDatasets(task))];
}

async function fetchData(id) {
  const path = taskPath(id);
  try {
    const [task, activity, policy, models, pack] = await Promise.all([
      call(path), call(`v1/activity?minutes=60&task=${encodeURIComponent(id)}`), call(`${path}/policy`), call("v1/models"), activePack(),
    ]);
    return { task, activity, policy, pack, models: models.data.map((one) => one.id).filter((name) => name !== "auto") };
  } catch (error) {
    if (error.status !== 404) throw error;
    return { error };
  }
}

/** A task that is not there: unknown, evicted, or merged into another one. */
function missingTask(root, id, error, context) {
  const undo = async () => {
    try {
      await call(`${taskPath(id)}/merge`, { method: "DELETE" });
      await context.reload();
    } catch (failure) {
      context.notify("bad", failure.message);
    }
  };
  root.append(
    h("div", { class: "page-head" }, h("p", { class: "crumb" }, h("a", { href: "#/tasks" }, "Tasks")), h("h1", { class: "cut", title: id }, id)),
    banner("warn", error.message),
    error.code === "task_merged" && context.principal.may_manage
      ? h("div", { class: "row" }, h("button", { type: "button", on: { click: undo } }, "Undo merge"), h("span", { class: "muted" }, "Later requests are its own again; moved inputs stay."))
      : h("p", {}, h("a", { href: "#/tasks" }, "Show all tasks")));
  return { title: id };
}
