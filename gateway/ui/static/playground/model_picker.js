// A field that adds models by search: a combobox with a list to choose several from (WAI-ARIA Authoring Practices).

import { modelLabel } from "../components.js";
import { h } from "../dom.js";
import { MAX_COLUMNS } from "./state.js";

/**
 * The picker. options: {name, note} each. chosen: names. onChange(names): after every change.
 * Returns {element, setOptions(options), setChosen(names)}.
 */
export function modelPicker(options, chosen, onChange) {
  const state = { options, chosen: [...chosen], active: 0 };
  const list = h("ul", { id: "pg-models", class: "options", role: "listbox", "aria-label": "Models", "aria-multiselectable": "true", hidden: true });
  const input = h("input", {
    id: "pg-model", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: "Search models",
    "aria-expanded": "false", "aria-controls": "pg-models", "aria-autocomplete": "list", "aria-describedby": "pg-model-note",
  });
  const note = h("p", { id: "pg-model-note", class: "muted", role: "status" });
  const chips = h("ul", { class: "pg-chips", "aria-label": "Selected models" });

  const matching = () => state.options.filter((one) => one.name.toLowerCase().includes(input.value.trim().toLowerCase()));
  const toggle = (name) => {
    const isChosen = state.chosen.includes(name);
    if (!isChosen && state.chosen.length >= MAX_COLUMNS) {
      note.textContent = `At most ${MAX_COLUMNS} models side by side. Remove one first.`;
      return;
    }
    state.chosen = isChosen ? state.chosen.filter((one) => one !== name) : [...state.chosen, name];
    note.textContent = "";
    renderChips();
    renderList();
    onChange(state.chosen);
  };
  const setOpen = (isOpen) => {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) renderList();
    else input.removeAttribute("aria-activedescendant");
  };
  const renderList = () => {
    const found = matching();
    state.active = Math.min(state.active, Math.max(0, found.length - 1));
    list.replaceChildren(...(found.length ? found.map((one, index) => option(one, index, index === state.active, state.chosen.includes(one.name), toggle))
      : [h("li", { class: "muted", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No model matches.")]));
    if (list.hidden || !found.length) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `pg-option-${state.active}`);
    list.children[state.active].scrollIntoView?.({ block: "nearest" });
  };
  const renderChips = () => chips.replaceChildren(...state.chosen.map((name) => h("li", { class: "tag" }, modelLabel(name),
    h("button", { type: "button", class: "pg-x", "aria-label": `Remove ${name}`, on: { click: () => { toggle(name); input.focus(); } } }, "×"))));
  const move = (step) => {
    const total = matching().length;
    if (list.hidden) setOpen(true);
    else if (total) state.active = (state.active + step + total) % total;
    renderList();
  };
  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => { const one = matching()[state.active]; if (list.hidden) setOpen(true); else if (one) toggle(one.name); },
    Escape: () => setOpen(false),
    Backspace: () => { if (input.value === "" && state.chosen.length) toggle(state.chosen.at(-1)); else return true; },
  };
  input.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    if (keys[event.key]() !== true) event.preventDefault();
  });
  input.addEventListener("input", () => { state.active = 0; setOpen(true); });
  input.addEventListener("click", () => setOpen(true));
  input.addEventListener("blur", () => setOpen(false));
  renderChips();
  return {
    element: h("div", { class: "pg-picker" }, h("label", { for: "pg-model" }, "Models"), h("div", { class: "pg-combo" }, chips, input), list, note),
    setOptions(updated) { state.options = updated; renderList(); },
    setChosen(names) { state.chosen = [...names]; renderChips(); renderList(); },
  };
}

/** mousedown is cancelled: the focus stays in the field, whose blur would close the list before the click. */
const option = ({ name, note }, index, isActive, isChosen, toggle) => h("li", {
  id: `pg-option-${index}`, role: "option", "aria-selected": String(isChosen), class: isActive ? "active" : null,
  on: { mousedown: (event) => event.preventDefault(), click: () => toggle(name) },
}, h("span", { class: "pg-check", "aria-hidden": "true" }, isChosen ? "✓" : ""), modelLabel(name), note ? h("span", { class: "muted" }, note) : null);
