// What an operator can do with a task: name it, merge it, delete it.

import { call, taskPath } from "../api.js";
import { banner, h, section } from "../dom.js";
import { percent, plural } from "../format.js";
import { shownName } from "./title.js";

/** What to know of a task whose requests have no tag. similar: automatic tasks with similar templates, the most similar first. */
export function kindNote(task, similar) {
  if (task.kind === "default") {
    return banner("info", "Requests without a tag and without a system prompt have this task. It mixes different kinds of requests, so its decision fits none of them well: tag them with X-Task-Id.");
  }
  if (task.kind !== "automatic") return "";
  const near = similar[0];
  return banner("info", "Requests without a tag whose system prompts come from one template have this task. ",
    task.name ? null : "Give it a name below. ",
    near ? ["Similar: ", h("a", { href: `#/tasks/${encodeURIComponent(near.id)}` }, shownName(near)), ` (${percent(near.similarity)} of the words). Merge both if they are one application.`] : null);
}

export function manageSection(task, similar, context) {
  if (!context.principal.may_manage) return "";
  const result = h("div", { role: "status" });
  const act = async (method, path, body, message, next) => {
    try {
      const done = await call(path, { method, body });
      if (next) location.hash = next;
      else await context.reload();
      context.notify("good", message(done));
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
  };
  return section("Manage task", "Names, merges and deletion apply to all gateways within a second.",
    renameForm(task, act), mergeForms(task, similar, act), mergedList(task, act), deleteRow(task, act), result);
}

function renameForm(task, act) {
  const field = h("input", { id: "task-name", maxlength: "100", value: task.name ?? "", placeholder: task.id, required: true });
  const path = taskPath(task.id);
  const save = (event) => { event.preventDefault(); act("PATCH", path, { name: field.value.trim() }, () => `Named ${field.value.trim()}.`); };
  return h("form", { on: { submit: save } }, h("div", { class: "row end" },
    h("label", {}, "Display name", field), h("button", { type: "submit" }, "Rename"),
    task.name ? h("button", { type: "button", class: "quiet", on: { click: () => act("PATCH", path, { name: null }, () => "Name removed.") } }, "Remove name") : null));
}

function mergeForms(task, similar, act) {
  const into = h("input", { id: "merge-into", maxlength: "128", required: true, placeholder: "ID of a task, also a new one", spellcheck: "false" });
  const from = h("input", { id: "merge-from", required: true, placeholder: "IDs, separated by spaces", spellcheck: "false" });
  const moved = (done) => `Merged; ${plural(done.moved_inputs, "input")} moved. Later requests go to ${done.id}.`;
  const mergeInto = (target, sources, next) => act("POST", `${taskPath(target)}/merge`, { sources }, moved, next);
  const submitInto = (event) => { event.preventDefault(); const target = into.value.trim(); mergeInto(target, [task.id], `#/tasks/${encodeURIComponent(target)}`); };
  const submitFrom = (event) => { event.preventDefault(); mergeInto(task.id, from.value.split(/[\s,]+/).filter(Boolean)); };
  return h("div", { class: "stack" },
    h("form", { on: { submit: submitInto } }, h("div", { class: "row end" }, h("label", {}, "Merge this task into", into), h("button", { type: "submit" }, "Merge into"))),
    h("form", { on: { submit: submitFrom } }, h("div", { class: "row end" }, h("label", {}, "Merge other tasks into this one", from), h("button", { type: "submit" }, "Merge here"))),
    similar.length ? h("div", {}, h("p", { class: "muted" }, "Automatic tasks with similar system prompts:"),
      h("ul", { class: "plain-list" }, similar.map((one) => h("li", { class: "row" },
        h("a", { class: "cut", href: `#/tasks/${encodeURIComponent(one.id)}`, title: one.id }, shownName(one)), h("span", { class: "muted" }, percent(one.similarity)),
        h("button", { type: "button", "aria-label": `Merge ${one.id} into this task`, on: { click: () => mergeInto(task.id, [one.id]) } }, "Merge"))))) : null);
}

function mergedList(task, act) {
  if (!task.merged.length) return null;
  return h("div", {}, h("p", { class: "muted" }, "Merged into this task:"),
    h("ul", { class: "plain-list" }, task.merged.map((id) => h("li", { class: "row" }, h("code", { class: "cut", title: id }, id),
      h("button", { type: "button", class: "quiet", "aria-label": `Undo merge of ${id}`, on: { click: () => act("DELETE", `${taskPath(id)}/merge`, undefined, () => `Later requests of ${id} are its own again; moved inputs stay here.`) } }, "Undo merge")))));
}

/** The first click asks, the second deletes. */
function deleteRow(task, act) {
  const button = h("button", { type: "button", class: "danger" }, "Delete task");
  button.addEventListener("click", () => {
    if (button.dataset.confirming === "yes") return act("DELETE", taskPath(task.id), undefined, () => `Task ${task.id} deleted.`, "#/tasks");
    button.dataset.confirming = "yes";
    button.textContent = "Confirm deletion";
    return null;
  });
  return h("div", { class: "row" }, button, h("span", { class: "muted" }, "Inputs, scores and decisions are lost; the policy stays. The next request begins the task again."));
}
