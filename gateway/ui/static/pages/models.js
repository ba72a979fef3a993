// Models and their backends: what they cost, how they do, what the benchmark says of them.

import { call, perhaps } from "../api.js";
import { h, section, table } from "../dom.js";
import { count, ms, percent, plural, score, usd } from "../format.js";
import { activePack, learnModels, model } from "../parts.js";

const BREAKER = { closed: ["works", "good"], "half-open": ["being tried", "warn"], open: ["left alone", "bad"] };

export async function modelsPage(root) {
  const first = await ask();
  learnModels(first.models.map((one) => one.id));
  const models = table("Models", modelColumns, [], { empty: "No model." });
  const backends = table("Backends", backendColumns, [], { empty: "No backend." });
  const show = (now) => {
    models.update(now.models);
    backends.update(now.backends);
  };
  show(first);
  const outcomes = first.pack ? await perhaps(`v1/packs/${encodeURIComponent(first.pack.id)}/outcomes`) : null;
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Models and backends"),
      h("p", { class: "lead" }, first.pack ? ["Best on average over the benchmark's datasets is ", h("b", {}, first.pack.on_average[0]), ": the model that tasks get where nothing speaks clearly for another."] : "There is no pack, so every task goes to the first model.")),
    section("Models", "Prices are the configuration's, else the pack's. Requests, latency and errors are of the last hour.", models.element),
    section("Backends", "A backend that keeps failing is left alone for a while, and then tried again.", backends.element),
    outcomes ? heat(outcomes, first.pack) : section("What the benchmark says", null, h("p", { class: "muted" }, first.pack ? "The scorer is not ready to tell yet." : "There is no pack.")));
  return { title: "Models", renew: async () => show(await ask()) };
}

async function ask() {
  const [list, backends, tasks, pack] = await Promise.all([call("v1/models"), call("v1/backends"), call("v1/overview?limit=1"), activePack()]);
  const rows = backends.data.map((one) => ({ ...one, activity: one.last_hour }));
  const packed = new Map((pack?.models ?? []).map((one) => [one.name, one]));
  const models = list.data.filter((one) => one.id !== "auto").map((one) => ({
    ...one, about: one.benchroute ?? {}, packed: packed.get(one.id), rank: pack?.on_average.indexOf(one.id) ?? -1,
    tasks: tasks.by_model[one.id] ?? 0,
    requests: rows.filter((row) => row.model === one.id).reduce((sum, row) => sum + (row.activity?.requests ?? 0), 0),
  }));
  return { models, backends: rows, pack };
}

const price = (row) => {
  const own = row.about.price ?? row.packed;
  const [inward, outward] = [own?.input_usd_per_mtok, own?.output_usd_per_mtok];
  return inward === null || inward === undefined ? "–" : `${usd(+inward)} / ${usd(+outward)}`;
};

const modelColumns = [
  { title: "Model", cell: (row) => model(row.id) },
  { title: "Tasks", class: "num", cell: (row) => count(row.tasks) },
  { title: "Requests", class: "num", cell: (row) => count(row.requests) },
  { title: "On average", class: "num", cell: (row) => (row.packed ? h("span", {}, score(row.packed.average), row.packed.partial ? h("span", { class: "muted" }, " partly measured") : null) : h("span", { class: "muted" }, "not in the pack")) },
  { title: "Size", class: "num", cell: (row) => { const size = row.about.params_b ?? row.packed?.params_b; return size ? `${size} B` : "–"; } },
  { title: "In / out, per million tokens", class: "num", cell: price },
  { title: "Context", class: "num", cell: (row) => (row.about.context_window ? row.about.context_window.toLocaleString("en") : "–") },
];

const backendColumns = [
  { title: "Backend", cell: (row) => row.id },
  { title: "Model", cell: (row) => model(row.model) },
  { title: "State", cell: (row) => { const [word, kind] = BREAKER[row.breaker] ?? [row.breaker, "plain"]; return h("span", {}, h("span", { class: `tag ${kind}` }, word), row.opens_in_s > 0 ? h("span", { class: "muted" }, ` for ${Math.ceil(row.opens_in_s)} s`) : null); } },
  { title: "Now", class: "num", cell: (row) => plural(row.outstanding, "request") },
  { title: "Last hour", class: "num", cell: (row) => count(row.activity?.requests ?? 0) },
  { title: "Errors", class: "num", cell: (row) => { const { requests = 0, errors = 0 } = row.activity ?? {}; return requests ? `${count(errors)} (${percent(errors / requests, 1)})` : "–"; } },
  { title: "Half within", class: "num", cell: (row) => ms(row.activity?.p50_ms) },
  { title: "95 of 100 within", class: "num", cell: (row) => ms(row.activity?.p95_ms) },
];

/** A table, because it is one: every cell is a number, and its colour says the same again. */
function heat(outcomes, pack) {
  const order = pack.on_average.map((name) => outcomes.models.indexOf(name)).filter((place) => place >= 0);
  const cell = (value) => h("td", {}, value === null ? h("span", { class: "none", title: "not measured" }, "–")
    : h("span", { vars: { "--v": value.toFixed(3) } }, score(value)));
  return section("What the benchmark says", "The share of each dataset's inputs that a model got right; the best on average comes first.",
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: outcomes by dataset and model" },
      h("table", { class: "heat" }, h("caption", { class: "sr" }, "Outcomes by dataset and model"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Dataset"), order.map((place) => h("th", { scope: "col" }, outcomes.models[place])), h("th", { scope: "col" }, "Inputs"))),
        h("tbody", {}, outcomes.data.map((row) => h("tr", {}, h("th", { scope: "row" }, row.dataset), order.map((place) => cell(row.outcomes[place])), h("td", { class: "muted" }, count(row.n))))))));
}
