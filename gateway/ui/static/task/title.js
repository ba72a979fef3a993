// The name of a task: its display name, else the beginning of its template, else its ID. Long ones are cut, with a title.

import { copyable } from "../copy.js";
import { h } from "../dom.js";
import { taskLinks } from "../links.js";

const KINDS = { automatic: ["Automatic", "Recognised by the system prompt of requests without a tag"], default: ["Default", "Requests without a tag and system prompt: different kinds of requests are mixed"] };

/** The text that stands for a task. */
export const shownName = (task) => task.name ?? task.label ?? task.id;

/** A task's link in a list. */
export const taskCell = (task) => h("span", { class: "task-name" },
  h("a", { class: "cut", href: `#/tasks/${encodeURIComponent(task.id)}`, title: shownName(task) === task.id ? task.id : `${shownName(task)} (${task.id})` }, shownName(task)),
  kindTag(task));

/** How a task's requests get it, where a client did not tag them. */
export function kindTag(task) {
  const found = KINDS[task.kind];
  return found ? h("span", { class: "tag plain", title: found[1] }, found[0]) : null;
}

/** The head of a task's page. */
export const taskTitle = (task) => h("div", { class: "page-head" },
  h("p", { class: "crumb" }, h("a", { href: "#/tasks" }, "Tasks")),
  shownName(task) === task.id ? copyable(task.id, "task ID", heading(task.id)) : heading(shownName(task)),
  h("p", { class: "row muted" }, shownName(task) === task.id ? null : copyable(task.id, "task ID", h("code", { class: "cut", title: task.id }, task.id)), kindTag(task), taskLinks(task.id)));

const heading = (text) => h("h1", { class: "cut", title: text }, text);
