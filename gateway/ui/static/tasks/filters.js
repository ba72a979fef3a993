// Search, kind and order of the list of tasks; they are in the page's address.

import { h } from "../dom.js";

const SEARCH_PAUSE_MS = 250;
const KINDS = [["", "All"], ["tagged", "Tagged"], ["automatic", "Automatic"], ["default", "Default of a key"], ["pinned", "Pinned"], ["worse", "Made worse by routing"]];
const SORTS = [["id", "ID"], ["recent", "Requests (1 h)"], ["requests", "Requests"], ["cost", "Cost"], ["savings", "Savings"], ["confidence", "Confidence"], ["inputs", "Inputs"], ["used", "Last use"]];

/** change: called when a filter changes. Returns {element, parameters(), isEmpty()}. */
export function taskFilters(context, change) {
  let pause;
  const { query } = context;
  const apply = () => {
    context.setQuery({ search: search.value.trim(), kind: kind.value, sort: sort.value === "id" ? "" : sort.value, order: order.value });
    change();
  };
  const search = h("input", { type: "search", maxlength: "128", value: query.get("search") ?? "", placeholder: "support, invoices…", on: { input: () => { clearTimeout(pause); pause = setTimeout(apply, SEARCH_PAUSE_MS); } } });
  const kind = select(KINDS, query.get("kind"), apply);
  const sort = select(SORTS, query.get("sort") ?? "id", apply);
  const order = select([["", "Default"], ["asc", "Ascending"], ["desc", "Descending"]], query.get("order"), apply);
  const parameters = () => new URLSearchParams(Object.entries({ search: search.value.trim(), kind: kind.value, sort: sort.value, order: order.value }).filter(([, value]) => value)).toString();
  const element = h("div", { class: "row end filters" }, h("label", {}, "Search by ID or name", search), h("label", {}, "Show", kind), h("label", {}, "Sort by", sort), h("label", {}, "Order", order));
  return { element, parameters, isEmpty: () => !search.value.trim() && !kind.value };
}

function select(options, chosen, change) {
  return h("select", { on: { change } }, options.map(([value, text]) => h("option", { value, selected: value === (chosen ?? "") }, text)));
}
