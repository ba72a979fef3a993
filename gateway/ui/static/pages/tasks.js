// All tasks: current model, confidence, distance to the benchmark, reason.

import { activePack, datasetDistances } from "../active_pack.js";
import { call } from "../api.js";
import { confidenceMeter, modelLabel, reasonTag, requestSparkline, savings, taskLink } from "../components.js";
import { h, section, table } from "../dom.js";
import { describeDistance, explainDecision } from "../explain.js";
import { count, plural } from "../format.js";

const PAGE_SIZE = 100;
const SEARCH_PAUSE_MS = 250;

export async function tasksPage(root) {
  let query = "";
  let pages = 1;
  let pause;
  const [first, pack] = await Promise.all([fetchTasks(pages, query), activePack()]);
  let tasks = first;
  const list = table("All tasks", columns(datasetDistances(pack?.report)), [], { empty: "No tasks yet. Send a request with an X-Task-Id header to create one." });
  const total = h("p", { class: "muted", role: "status" });
  const field = h("input", { type: "search", placeholder: "support, invoices…", on: { input: () => { clearTimeout(pause); pause = setTimeout(() => load(1), SEARCH_PAUSE_MS); } } });
  const more = h("button", { type: "button", on: { click: () => load(pages + 1) } }, "Load more");
  // The search runs in the gateway: most tasks are not on the loaded pages. A newer one supersedes what arrives late.
  const load = async (count) => {
    const asked = field.value.trim();
    const found = await fetchTasks(count, asked);
    if (asked !== field.value.trim()) return;
    [query, pages, tasks] = [asked, count, found];
    update();
  };
  const update = () => {
    list.update(tasks);
    const found = `${plural(tasks.length, "task")}${query && ` with “${query}” in the ID`}`;
    total.textContent = tasks.hasMore ? `Showing the first ${found}` : found;
    more.hidden = !tasks.hasMore;
  };
  update();
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Tasks"),
      h("p", { class: "lead" }, "A task groups requests with the same X-Task-Id header. All requests of a task go to its current model.")),
    section("All tasks", null,
      h("div", { class: "row end" }, h("label", {}, "Search by task ID", field), total), list.element, h("div", { class: "row" }, more)));
  return { title: "Tasks", refresh: () => load(pages) };
}

/** The tasks of the first pages whose ID contains a text. */
async function fetchTasks(pages, search) {
  const tasks = [];
  let cursor = "";
  for (let page = 0; page < pages && cursor !== null; page += 1) {
    const list = await call(`v1/tasks?details=true&limit=${PAGE_SIZE}&search=${encodeURIComponent(search)}&cursor=${cursor}`);
    tasks.push(...list.data);
    cursor = list.next_cursor;
  }
  tasks.hasMore = cursor !== null;
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
