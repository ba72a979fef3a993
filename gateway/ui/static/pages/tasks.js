// All tasks: searched, sorted and filtered by the gateway, page by page; tasks are merged and pinned from here.

import { activePack, datasetDistances } from "../active_pack.js";
import { call } from "../api.js";
import { banner, h, section, table } from "../dom.js";
import { plural } from "../format.js";
import { taskColumns } from "../tasks/columns.js";
import { taskFilters } from "../tasks/filters.js";
import { selectionBar } from "../tasks/selection.js";
import { trafficNote } from "../tasks/traffic.js";

const PAGE_SIZE = 50;

export async function tasksPage(root, context) {
  let pages = 1;
  let shown = null;
  const filters = taskFilters(context, () => load(1));
  const selection = context.principal.may_manage ? selectionBar(context, () => load(1)) : null;
  const total = h("p", { class: "muted", role: "status" });
  const failure = h("div");
  const traffic = h("p", { class: "muted" });
  const more = h("button", { type: "button", on: { click: () => load(pages + 1) } }, "Load more");
  const [first, pack] = await Promise.all([fetchTasks(1, filters.parameters()), activePack()]);
  const list = table("All tasks", taskColumns(datasetDistances(pack?.report), selection), [],
    { empty: filters.isEmpty() ? "No tasks yet. Send a request with an X-Task-Id header to create one." : "No task matches the filters.", rowClass: (task) => (task.worse.length ? "worse" : null) });
  const update = (count, found) => {
    [pages, shown] = [count, found];
    list.update(found.rows);
    const amount = found.total === null || found.total === undefined ? plural(found.rows.length, "task") : plural(found.total, "task");
    total.textContent = found.hasMore ? `Showing the first ${plural(found.rows.length, "task")}${found.total ? ` of ${found.total}` : ""}` : amount;
    more.hidden = !found.hasMore;
    traffic.replaceChildren(...trafficNote(found.traffic));
    failure.replaceChildren();
  };
  // A newer request supersedes what arrives late.
  const load = async (count) => {
    const asked = filters.parameters();
    try {
      const found = await fetchTasks(count, asked);
      if (asked === filters.parameters()) update(count, found);
    } catch (error) {
      if (shown === null) throw error;
      failure.replaceChildren(banner("bad", error.message));
    }
  };
  update(1, first);
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Tasks"),
      h("p", { class: "lead" }, "A task groups requests with the same X-Task-Id header, or without a tag by their system prompts. All requests of a task go to its current model."), traffic),
    section("All tasks", null, filters.element, h("div", { class: "notes" }, total, failure, selection?.element ?? null), list.element, h("div", { class: "row" }, more)));
  return { title: "Tasks", refresh: async () => update(pages, await fetchTasks(pages, filters.parameters())) };
}

/** The tasks of the first pages. */
async function fetchTasks(pages, parameters) {
  const found = { rows: [], hasMore: true, total: null, traffic: null };
  let cursor = "";
  for (let page = 0; page < pages && cursor !== null; page += 1) {
    const list = await call(`v1/tasks?details=true&limit=${PAGE_SIZE}&${parameters}&cursor=${cursor}`);
    found.rows.push(...list.data);
    [cursor, found.total, found.traffic] = [list.next_cursor, list.total, list.traffic];
  }
  found.hasMore = cursor !== null;
  return found;
}
