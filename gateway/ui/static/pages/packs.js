// Packs: what each is worth, where it comes from, and taking one into use after seeing what that changes.

import { call } from "../api.js";
import { chart } from "../charts.js";
import { banner, fill, h, section, table } from "../dom.js";
import { bytes, chance, count, moment, percent, plural, score } from "../format.js";
import { activePack, model, taskLink } from "../parts.js";

export async function packsPage(root, context) {
  const list = await call("v1/packs");
  const shown = h("div", { class: "stack" });
  const show = async (id) => {
    shown.replaceChildren(h("p", { class: "muted" }, "Reading…"));
    try {
      shown.replaceChildren(...wholeOf(await call(`v1/packs/${encodeURIComponent(id)}`)));
    } catch (error) {
      shown.replaceChildren(banner("bad", error.message));
    }
  };
  const columns = [
    { title: "Pack", cell: (pack) => h("span", {}, pack.id, " ", pack.name && pack.name !== pack.id ? h("span", { class: "muted" }, pack.name, " ") : null, pack.active ? h("span", { class: "tag good" }, "in use") : null) },
    { title: "Worth", cell: (pack) => (pack.fault ? h("span", { class: "tag bad", title: pack.fault }, "cannot be read") : worth(pack)) },
    { title: "Inputs", class: "num", cell: (pack) => (pack.n_inputs ? count(pack.n_inputs) : "–") },
    { title: "Datasets", class: "num", cell: (pack) => pack.n_datasets ?? "–" },
    { title: "Models", class: "num", cell: (pack) => pack.n_models ?? "–" },
    { title: "Built", cell: (pack) => moment(pack.made_at) },
    { title: h("span", { class: "sr" }, "Look or change"), class: "num", cell: (pack) => h("span", { class: "row" },
      pack.fault ? null : h("button", { type: "button", class: "quiet", on: { click: () => show(pack.id) }, "aria-label": `Look at ${pack.id}` }, "Look"),
      pack.active || pack.fault ? null : h("button", { type: "button", on: { click: () => compare(pack.id) }, "aria-label": `Compare ${pack.id} with the pack in use` }, "Compare")) },
  ];
  async function compare(id) {
    shown.replaceChildren(h("p", { class: "muted", role: "status" }, "Scoring every live task with it…"));
    try {
      const diff = await call(`v1/packs/${encodeURIComponent(id)}/diff`);
      shown.replaceChildren(diffOf(diff, context));
      shown.firstElementChild.scrollIntoView({ block: "start" });
    } catch (error) {
      shown.replaceChildren(banner("bad", `It cannot be used: ${error.message}`));
    }
  }
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Packs"),
      h("p", { class: "lead" }, "A pack is a benchmark made ready to route with: its inputs, and what every model made of them. What it is worth is measured by leaving out one dataset at a time and routing it by the others.")),
    section("All packs", null, table("All packs", columns, list.data, { empty: "No pack is configured: build one with `benchroute pack build`, and name it at routing.pack in config.yaml." }).element,
      context.me.may_manage && list.active ? h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: () => back(context) } }, "Go back to the pack before")) : null),
    shown);
  if (list.active) await show(list.active);
  return { title: "Packs" };
}

function worth(pack) {
  const { s3, best_on_average: best, oracle } = pack.accuracy ?? {};
  if (typeof s3 !== "number") return h("span", { class: "muted" }, "unknown");
  const gain = 100 * (s3 - best);
  return h("span", { title: pack.worth }, h("span", { class: `tag ${gain >= 0.5 ? "good" : gain > -0.5 ? "plain" : "bad"}` }, `${gain >= 0 ? "+" : "−"}${Math.abs(gain).toFixed(1)} points`),
    h("span", { class: "muted" }, ` of ${(100 * (oracle - best)).toFixed(1)} possible`));
}

function wholeOf(pack) {
  const sentence = pack.worth ? `${pack.worth[0].toUpperCase()}${pack.worth.slice(1)}.` : "What it is worth is not known.";
  return [
    h("div", { class: "wide-left" },
      section(`What ${pack.id} is worth`, null, h("p", {}, sentence), pack.report?.datasets?.length ? worthChart(pack) : null),
      section("Where it comes from", null, h("dl", { class: "facts" }, [
        ["Name", pack.name], ["Built", `${moment(pack.made_at)}${pack.made_by ? ` by ${pack.made_by}` : ""}${pack.software ? `, with ${pack.software}` : ""}`],
        ["Embedder", pack.embedder.name], ["Revision", pack.embedder.revision || "not recorded"],
        ["Size", `${bytes(pack.size_bytes)}, ${plural(pack.n_inputs, "input")}`], ["Texts", pack.has_texts ? "the beginning of each is in the pack" : "not in the pack"],
        ["Parameters", Object.entries(pack.routing).map(([name, value]) => `${name} ${value}`).join(", ")],
        ["SHA-256", h("code", {}, pack.hash)],
      ].flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])))),
    section("Its datasets", null, table("Datasets", [
      { title: "Dataset", cell: (row) => row.name },
      { title: "Inputs", class: "num", cell: (row) => count(row.n_inputs) },
      { title: "Held out: chosen", cell: (row) => (row.out ? model(row.out.model.s3) : "–") },
      { title: "right", class: "num", cell: (row) => (row.out ? score(row.out.accuracy.s3) : "–") },
      { title: "Best on average", class: "num", cell: (row) => (row.out ? score(row.out.accuracy.best_on_average) : "–") },
      { title: "Best possible", class: "num", cell: (row) => (row.out ? score(row.out.accuracy.oracle) : "–") },
      { title: "Source", cell: (row) => row.source || h("span", { class: "muted" }, "not recorded") },
      { title: "Licence", cell: (row) => row.licence || h("span", { class: "muted" }, "not recorded") },
    ], pack.datasets.map((row) => ({ ...row, out: pack.report?.datasets?.find((one) => one.dataset === row.name) }))).element),
  ];
}

function worthChart(pack) {
  const names = { best_on_average: "best on average", s1: "S1", s2: "S2", s3: "S3", auto: "auto", oracle: "best possible" };
  const rows = Object.entries(pack.accuracy).filter(([, value]) => typeof value === "number").sort((a, b) => a[1] - b[1]);
  return chart(`Share of answers right on datasets held out: ${rows.map(([name, value]) => `${names[name] ?? name} ${score(value)}`).join(", ")}.`, (now) => ({
    type: "bar",
    data: { labels: rows.map(([name]) => names[name] ?? name), datasets: [{ data: rows.map(([, value]) => value), barThickness: 14, borderRadius: 3,
      backgroundColor: rows.map(([name]) => (name === "oracle" || name === "best_on_average" ? now.muted : now.accent)) }] },
    options: { indexAxis: "y", scales: { x: { min: 0, max: 1, ticks: { callback: (value) => percent(value) } }, y: { grid: { display: false }, ticks: { color: now.text } } },
      plugins: { tooltip: { callbacks: { label: (item) => `${percent(item.parsed.x, 1)} right` } } } },
  }), { height: 40 + 28 * rows.length }).element;
}

function diffOf(diff, context) {
  const changes = diff.data.filter((row) => row.before !== row.after);
  const say = diff.compared === 0 ? "No live task has been seen yet, so there is nothing to compare."
    : changes.length === 0 ? `None of ${plural(diff.compared, "live task")} would get another model.`
      : `${plural(changes.length, "task")} of ${count(diff.compared)} would get another model.`;
  const notes = [
    diff.models_added.length ? `New models: ${diff.models_added.join(", ")}.` : null,
    diff.models_removed.length ? `Models it does not know: ${diff.models_removed.join(", ")}.` : null,
    diff.tasks > diff.compared ? `Only the first ${count(diff.compared)} of ${count(diff.tasks)} tasks were compared.` : null,
  ].filter(Boolean);
  const activate = h("button", { type: "button", class: "primary" }, `Use ${diff.id}`);
  activate.addEventListener("click", () => take(activate, diff.id, context));
  return section(`What ${diff.id} would change`, "Every live task scored from its most recent inputs, as it would be with that pack. Nothing has changed yet.",
    h("p", {}, h("b", {}, say), notes.length ? ` ${notes.join(" ")}` : ""),
    changes.length ? table("Tasks that would change", [
      { title: "Task", cell: (row) => taskLink(row.task) },
      { title: "Now", cell: (row) => (row.before ? model(row.before) : "–") },
      { title: "Then", cell: (row) => model(row.after) },
      { title: "Score there", class: "num", cell: (row) => score(row.score) },
      { title: "Better by", class: "num", cell: (row) => (row.gain === null ? "–" : `${(100 * row.gain).toFixed(1)} points`) },
      { title: "How sure", class: "num", cell: (row) => (typeof row.p === "number" ? chance(row.p) : "–") },
    ], changes).element : null,
    context.me.may_manage ? h("div", { class: "row" }, activate) : h("p", { class: "muted" }, "This key looks, and changes nothing."));
}

async function take(button, id, context) {
  button.disabled = true;
  button.textContent = "Opening it, and scoring every task again…";
  try {
    const told = await call(`v1/packs/${encodeURIComponent(id)}/activate`, { method: "POST" });
    await activePack(true);
    await context.again();
    context.say("good", `${id} is in use. ${told.message}.`);
  } catch (error) {
    button.disabled = false;
    button.textContent = `Use ${id}`;
    context.say("bad", error.message);
  }
}

async function back(context) {
  try {
    const told = await call("v1/packs/rollback", { method: "POST" });
    await activePack(true);
    await context.again();
    context.say("good", `${told.id} is in use again. ${told.message}.`);
  } catch (error) {
    context.say("bad", error.message);
  }
}
