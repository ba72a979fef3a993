// Suggestions for a filter of the request log: values that occur in it, found by the gateway while one types. A combobox
// with a list to choose one from (WAI-ARIA Authoring Practices); any other text can be typed too.

import { ApiError, call } from "./api.js";
import { h } from "./dom.js";

const MAX_SHOWN = 20;
const TYPING_PAUSE_MS = 150;

/** Values of a field that occur in a time range. times(): `since` and `until` of the API. */
export async function valuesOf(field, part, times) {
  const asked = new URLSearchParams({ ...times(), field, part, limit: MAX_SHOWN });
  return (await call(`v1/requests/values?${asked}`)).data;
}

/**
 * Make an input a combobox. times(): the page's range. onChoose() is called after a choice.
 * Returns the list of suggestions, which belongs behind the input's label in an element of class `combo`.
 */
export function suggest(input, { field, label, times, onChoose }) {
  const list = h("ul", { id: `values-${field}`, class: "options", role: "listbox", "aria-label": `${label}: suggestions`, hidden: true });
  let active = -1;
  let pause;
  let asked = 0;

  const setOpen = (isOpen) => {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) asked++; // what arrives late does not open the list again
    mark(-1);
  };
  const mark = (place) => {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = place;
    list.children[active]?.setAttribute("aria-selected", "true");
    list.children[active]?.scrollIntoView({ block: "nearest" });
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[active].id);
  };
  const choose = (value) => {
    clearTimeout(pause);
    input.value = value;
    setOpen(false);
    onChoose();
  };
  const show = async () => {
    const mine = ++asked;
    let values;
    try {
      values = await valuesOf(field, input.value.trim(), times);
    } catch (error) {
      if (error instanceof ApiError) return; // without suggestions, the field still works
      throw error;
    }
    if (mine !== asked || document.activeElement !== input) return;
    list.replaceChildren(...values.map((value, place) => option(value, `values-${field}-${place}`, choose)));
    setOpen(values.length > 0 && !(values.length === 1 && values[0] === input.value.trim()));
  };
  const move = (step) => {
    if (list.hidden) show();
    else mark((active + step + list.children.length) % list.children.length);
  };
  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(active < 0 ? 0 : -1),
    Enter: () => (list.hidden || active < 0 ? true : choose(list.children[active].textContent)),
    Escape: () => (list.hidden ? true : setOpen(false)),
  };

  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list" })) input.setAttribute(name, value);
  input.addEventListener("keydown", (event) => {
    if (event.key in keys && !event.ctrlKey && !event.metaKey && keys[event.key]() !== true) event.preventDefault();
  });
  input.addEventListener("focus", show);
  input.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(show, TYPING_PAUSE_MS); });
  input.addEventListener("blur", () => { clearTimeout(pause); setOpen(false); });
  return list;
}

/** mousedown is cancelled: the focus stays in the field, whose blur would close the list before the click. */
const option = (value, id, choose) => h("li", {
  id, role: "option", "aria-selected": "false", title: value, on: { mousedown: (event) => event.preventDefault(), click: () => choose(value) },
}, value);
