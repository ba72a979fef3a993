// The columns of the list of tasks. A phone shows the task, its model and its savings.

import { confidenceMeter, modelLabel, reasonTag, requestSparkline, savings } from "../components.js";
import { h } from "../dom.js";
import { describeDistance, explainDecision } from "../explain.js";
import { count, usd } from "../format.js";
import { taskCell } from "../task/title.js";

const WORSE = { cost: ["Costs more", "Routing costs more than the best model on average."], accuracy: ["Measured worse", "By labels or feedback, the model is worse than the best model on average."] };

const worseTags = (task) => task.worse.map((what) => h("span", { class: "tag bad", title: WORSE[what][1] }, WORSE[what][0]));

/** Why a task has its model, cut after three lines: its page says all. */
function reason(task) {
  const why = explainDecision(task, { withConfidence: false });
  return h("div", { class: "reason short", title: why }, reasonTag(task.decision), " ", why);
}

export const taskColumns = (datasets, selection) => [
  { title: "Task", cell: (task) => h("span", { class: "row tight" }, selection?.box(task), taskCell(task)) },
  { title: "Current model", cell: (task) => modelLabel(task.decision.model) },
  { title: "Confidence", class: "wide-only", cell: confidenceMeter },
  { title: "Inputs", class: "num wide-only", cell: (task) => count(task.n) },
  { title: "Distance to benchmark", class: "wide-only wrap", cell: (task) => { const { text, description } = describeDistance(task.u, datasets); return h("span", { title: description }, text); } },
  { title: "Reason", class: "wide-only", cell: (task) => reason(task) },
  { title: "Requests (1 h)", class: "sparkcell wide-only wrap", cell: requestSparkline },
  { title: "Cost", class: "num wide-only", cell: (task) => usd(task.spent?.requests ? task.spent.cost_usd : null) },
  { title: "Savings", class: "num wrap", cell: (task) => h("span", { class: "savings" }, savings(task.spent), " ", worseTags(task)) },
];
