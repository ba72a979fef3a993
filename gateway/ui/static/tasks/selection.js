// Tasks that are selected in the list, and what can be done with all of them: merge, pin, delete.

import { call, taskPath } from "../api.js";
import { banner, h } from "../dom.js";
import { plural } from "../format.js";

/** changed: called after a change. Returns {element, box(task)}. */
export function selectionBar(context, changed) {
  const selected = new Set();
  const text = h("span");
  const result = h("div", { role: "status" });
  const target = h("input", { maxlength: "128", required: true, spellcheck: "false", placeholder: "ID of a task, also a new one" });
  const bar = h("form", { hidden: true, class: "selection" });
  const show = () => {
    bar.hidden = selected.size === 0;
    text.textContent = `${plural(selected.size, "task")} selected`;
    remove.textContent = "Delete";
    delete remove.dataset.confirming;
  };
  const act = async (work, message) => {
    try {
      await work();
      selected.clear();
      show();
      result.replaceChildren(banner("good", message));
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
    document.activeElement?.blur();
    await changed();
  };
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    const into = target.value.trim();
    const sources = [...selected].filter((id) => id !== into);
    act(() => call(`${taskPath(into)}/merge`, { method: "POST", body: { sources } }), `${plural(sources.length, "task")} merged into ${into}. Later requests go there.`);
  });
  const remove = h("button", { type: "button", class: "danger", on: { click: () => {
    if (remove.dataset.confirming !== "yes") { remove.dataset.confirming = "yes"; remove.textContent = "Confirm deletion"; return; }
    const ids = [...selected];
    act(async () => { for (const id of ids) await call(taskPath(id), { method: "DELETE" }); }, `${plural(ids.length, "task")} deleted.`);
  } } }, "Delete");
  const clear = h("button", { type: "button", class: "quiet", on: { click: () => { selected.clear(); show(); document.activeElement?.blur(); changed(); } } }, "Clear selection");
  bar.append(h("div", { class: "row end" }, text, h("label", {}, "Merge into", target), h("button", { type: "submit", class: "primary" }, "Merge"), remove, clear));
  const box = (task) => h("input", { type: "checkbox", "aria-label": `Select ${task.id}`, checked: selected.has(task.id), on: { change: (event) => {
    if (event.target.checked) selected.add(task.id);
    else selected.delete(task.id);
    show();
  } } });
  return { element: h("div", { class: "stack" }, bar, result), box };
}
