// Every task: where it goes, why, how sure, how far from the benchmarks.

import { call } from "../api.js";
import { h, section, table } from "../dom.js";
import { because, count, distance } from "../format.js";
import { activePack, model, reachOf, reasonTag, sure, taskLink, traffic } from "../parts.js";
import { saved } from "./overview.js";

const PAGE = 200;

export async function tasksPage(root) {
  const pages = [""];
  let wanted = "";
  const [first, pack] = await Promise.all([ask(pages), activePack()]);
  let tasks = first;
  const reach = reachOf(pack?.report);
  const list = table("All tasks", columns(reach), [], { empty: "No task has had a request yet." });
  const found = h("p", { class: "muted", role: "status" });
  const field = h("input", { type: "search", placeholder: "support, invoices…", on: { input: () => { wanted = field.value.toLowerCase(); show(); } } });
  const more = h("button", { type: "button", on: { click: async () => { pages.push(tasks.at(-1).id); tasks = await ask(pages); show(); } } }, "Show more");
  const show = () => {
    const some = tasks.filter((task) => `${task.id} ${task.decision.model} ${task.decision.reason}`.toLowerCase().includes(wanted));
    list.update(some);
    found.textContent = wanted ? `${count(some.length)} of ${count(tasks.length)}` : `${count(tasks.length)} in all${tasks.hasMore ? " so far" : ""}`;
    more.hidden = !tasks.hasMore;
  };
  show();
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Tasks"),
      h("p", { class: "lead" }, "A task is what your clients' tag names. All its requests go to one model, and this is why.")),
    section("All tasks", null,
      h("div", { class: "row end" }, h("label", {}, "Find a task, model or reason", field), found), list.element, h("div", { class: "row" }, more)));
  return { title: "Tasks", renew: async () => { tasks = await ask(pages); show(); } };
}

async function ask(pages) {
  const lists = await Promise.all(pages.map((after) => call(`v1/tasks?details=true&limit=${PAGE}&after=${encodeURIComponent(after)}`)));
  const tasks = lists.flatMap((list) => list.data);
  tasks.hasMore = lists.at(-1).has_more;
  return tasks;
}

const columns = (reach) => [
  { title: "Task", cell: (task) => taskLink(task.id) },
  { title: "Goes to", cell: (task) => model(task.decision.model) },
  { title: "How sure", cell: sure },
  { title: "Inputs", class: "num", cell: (task) => count(task.n) },
  { title: "From the benchmarks", cell: (task) => { const far = distance(task.u, reach); return h("span", { title: far.about }, far.text); } },
  { title: "Why", cell: (task) => h("div", { class: "reason" }, reasonTag(task), " ", because(task, true)) },
  { title: "Last hour", class: "sparkcell wide-only", cell: traffic },
  { title: "Saved", class: "num", cell: (task) => saved(task.spent) },
];
