// All tasks: current model, confidence, distance to the benchmark, reason.

import { activePack, datasetDistances } from "../active_pack.js";
import { call } from "../api.js";
import { confidenceMeter, modelLabel, reasonTag, requestSparkline, savings, taskLink } from "../components.js";
import { h, section, table } from "../dom.js";
import { describeDistance, explainDecision, reasonLabel } from "../explain.js";
import { count, plural } from "../format.js";

const PAGE_SIZE = 200;

export async function tasksPage(root) {
  const cursors = [""];
  let query = "";
  const [first, pack] = await Promise.all([fetchTasks(cursors), activePack()]);
  let tasks = first;
  const list = table("All tasks", columns(datasetDistances(pack?.report)), [], { empty: "No tasks yet. Send a request with an X-Task-Id header to create one." });
  const total = h("p", { class: "muted", role: "status" });
  const field = h("input", { type: "search", placeholder: "support, invoices…", on: { input: () => { query = field.value.toLowerCase(); update(); } } });
  const more = h("button", { type: "button", on: { click: async () => { cursors.push(tasks.at(-1).id); tasks = await fetchTasks(cursors); update(); } } }, "Load more");
  const update = () => {
    const matches = tasks.filter((task) => `${task.id} ${task.decision.model} ${task.decision.reason} ${reasonLabel(task.decision)[0]}`.toLowerCase().includes(query));
    list.update(matches);
    total.textContent = query ? `${count(matches.length)} of ${plural(tasks.length, "task")}${tasks.hasMore ? " loaded" : ""}`
      : tasks.hasMore ? `Showing the first ${plural(tasks.length, "task")}` : plural(tasks.length, "task");
    more.hidden = !tasks.hasMore;
  };
  update();
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Tasks"),
      h("p", { class: "lead" }, "A task groups requests with the same X-Task-Id header. All requests of a task go to its current model.")),
    section("All tasks", null,
      h("div", { class: "row end" }, h("label", {}, "Search by task, model or reason", field), total), list.element, h("div", { class: "row" }, more)));
  return { title: "Tasks", refresh: async () => { tasks = await fetchTasks(cursors); update(); } };
}

/** The tasks of all loaded pages. cursors: the last task ID of each page before the next, "" for the first. */
async function fetchTasks(cursors) {
  const lists = await Promise.all(cursors.map((after) => call(`v1/tasks?details=true&limit=${PAGE_SIZE}&after=${encodeURIComponent(after)}`)));
  const tasks = lists.flatMap((list) => list.data);
  tasks.hasMore = lists.at(-1).has_more;
  return tasks;
}

const columns = (datasets) => [
  { title: "Task", cell: (task) => taskLink(task.id) },
  { title: "Current model", cell: (task) => modelLabel(task.decision.model) },
  { title: "Confidence", cell: confidenceMeter },
  { title: "Inputs", class: "num", cell: (task) => count(task.n) },
  { title: "Distance to benchmark", cell: (task) => { const { text, description } = describeDistance(task.u, datasets); return h("span", { title: description }, text); } },
  { title: "Reason", cell: (task) => h("div", { class: "reason" }, reasonTag(task.decision), " ", explainDecision(task, { withConfidence: false })) },
  { title: "Requests (1 h)", class: "sparkcell wide-only", cell: requestSparkline },
  { title: "Savings", class: "num", cell: (task) => savings(task.spent) },
];
