// Packs: routing gain, provenance, a preview of what activating one changes, activation and rollback.

import { activePack } from "../active_pack.js";
import { call } from "../api.js";
import { chart } from "../charts.js";
import { modelLabel, taskLink } from "../components.js";
import { command, copyable } from "../copy.js";
import { banner, code, h, section, table } from "../dom.js";
import { bytes, capitalise, count, dateTime, percent, plural, probability, score, withFullStop } from "../format.js";

export async function packsPage(root, context) {
  const list = await call("v1/packs?limit=1000");
  const detail = h("div", { class: "stack" });
  const showDetails = async (id) => {
    detail.replaceChildren(h("p", { class: "muted" }, "Loading…"));
    try {
      detail.replaceChildren(...packDetails(await call(`v1/packs/${encodeURIComponent(id)}`)));
    } catch (error) {
      detail.replaceChildren(banner("bad", error.message));
    }
  };
  const columns = [
    { title: "Pack", cell: (pack) => h("span", {}, pack.id, " ", pack.name && pack.name !== pack.id ? h("span", { class: "muted" }, pack.name, " ") : null, pack.active ? h("span", { class: "tag good" }, "Active") : null) },
    { title: "Routing gain", cell: (pack) => (pack.error ? h("span", { class: "tag bad", title: pack.error }, "Unreadable") : routingGain(pack)) },
    { title: "Questions", class: "num", cell: (pack) => (pack.n_inputs ? count(pack.n_inputs) : "–") },
    { title: "Datasets", class: "num", cell: (pack) => pack.n_datasets ?? "–" },
    { title: "Models", class: "num", cell: (pack) => pack.n_models ?? "–" },
    { title: "Built", cell: (pack) => dateTime(pack.made_at) },
    { title: h("span", { class: "sr" }, "Actions"), class: "num", cell: (pack) => h("span", { class: "row" },
      pack.error ? null : h("button", { type: "button", class: "quiet", on: { click: () => showDetails(pack.id) }, "aria-label": `Details of ${pack.id}` }, "Details"),
      pack.active || pack.error ? null : h("button", { type: "button", on: { click: () => compare(pack.id) }, "aria-label": `Compare ${pack.id} with the active pack` }, "Compare")) },
  ];
  async function compare(id) {
    detail.replaceChildren(h("p", { class: "muted", role: "status" }, "Rescoring all live tasks with this pack…"));
    try {
      const diff = await call(`v1/packs/${encodeURIComponent(id)}/diff`);
      detail.replaceChildren(packDiff(diff, context));
      detail.firstElementChild.scrollIntoView({ block: "start" });
    } catch (error) {
      detail.replaceChildren(banner("bad", `Comparison failed: ${error.message}`));
    }
  }
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Packs"),
      h("p", { class: "lead" }, "A pack is a benchmark prepared for routing: its questions and every model's results on them. Routing gain is cross-validated: each dataset is held out and routed by the others.")),
    section("All packs", null, table("All packs", columns, list.data, { empty: ["No packs. Build one with ", command("benchroute pack build"), " and set ", code("routing.pack"), " in config.yaml."] }).element,
      context.principal.may_manage && list.active ? h("div", { class: "row" }, h("button", { type: "button", class: "quiet", title: "Activate the previously active pack", on: { click: () => rollBack(context) } }, "Roll back")) : null),
    detail);
  if (list.active) await showDetails(list.active);
  return { title: "Packs" };
}

/** The score that `routing.score: recommended` stands for with the pack. */
const recommendedScore = (pack) => pack.recommended?.score ?? "s3";

function routingGain(pack) {
  const { best_on_average: best, oracle, [recommendedScore(pack)]: accuracy } = pack.accuracy ?? {};
  if (typeof accuracy !== "number") return h("span", { class: "muted" }, "Unknown");
  const gain = 100 * (accuracy - best);
  return h("span", { title: pack.gain_summary }, h("span", { class: `tag ${gain >= 0.5 ? "good" : gain > -0.5 ? "plain" : "bad"}` }, `${gain >= 0 ? "+" : "−"}${Math.abs(gain).toFixed(1)} points`),
    h("span", { class: "muted" }, ` of ${(100 * (oracle - best)).toFixed(1)} possible`));
}

function packDetails(pack) {
  return [
    h("div", { class: "wide-left" },
      section(`Routing gain of ${pack.id}`, null, h("p", {}, pack.gain_summary ? capitalise(withFullStop(pack.gain_summary)) : ["Unknown: the pack has no evaluation report. Rebuild it with ", command("benchroute pack build"), "."]), pack.report?.datasets?.length ? accuracyChart(pack) : null),
      section("Provenance", null, h("dl", { class: "facts" }, [
        ["Name", pack.name], ["Built", `${dateTime(pack.made_at)}${pack.made_by ? ` by ${pack.made_by}` : ""}${pack.software ? `, with ${pack.software}` : ""}`],
        ["Recommended score", pack.recommended ? h("span", {}, SCORE_LABELS[pack.recommended.score], h("span", { class: "muted" }, ` – ${withFullStop(pack.recommended.why)}`)) : "Unknown"],
        ["Embedder", pack.embedder.name], ["Embedder revision", pack.embedder.revision || "Not recorded"],
        ["Size", `${bytes(pack.size_bytes)}, ${plural(pack.n_inputs, "question")}`], ["Question texts", pack.has_texts ? "First 400 characters of each" : "Not included"],
        ["Routing parameters", Object.entries(pack.routing).map(([name, value]) => `${name} ${value}`).join(", ")],
        ["SHA-256", copyable(pack.hash, "SHA-256")],
      ].flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])))),
    section("Datasets", null, table("Datasets", [
      { title: "Dataset", cell: (row) => row.name },
      { title: "Questions", class: "num", cell: (row) => count(row.n_inputs) },
      { title: "Model chosen (held out)", cell: (row) => (row.held_out ? modelLabel(row.held_out.model[recommendedScore(pack)]) : "–") },
      { title: "Accuracy", class: "num", cell: (row) => (row.held_out ? score(row.held_out.accuracy[recommendedScore(pack)]) : "–") },
      { title: "Best on average", class: "num", cell: (row) => (row.held_out ? score(row.held_out.accuracy.best_on_average) : "–") },
      { title: "Oracle", class: "num", cell: (row) => (row.held_out ? score(row.held_out.accuracy.oracle) : "–") },
      { title: "Source", cell: (row) => row.source || h("span", { class: "muted" }, "Not recorded") },
      { title: "Licence", cell: (row) => row.licence || h("span", { class: "muted" }, "Not recorded") },
    ], pack.datasets.map((row) => ({ ...row, held_out: pack.report?.datasets?.find((one) => one.dataset === row.name) }))).element),
  ];
}

const SCORE_LABELS = { best_on_average: "Best on average", s1: "S1", s2: "S2", s3: "S3", auto: "auto", oracle: "Oracle" };

function accuracyChart(pack) {
  const rows = Object.entries(pack.accuracy).filter(([, value]) => typeof value === "number").sort((a, b) => a[1] - b[1]);
  return chart(`Accuracy on held-out datasets: ${rows.map(([name, value]) => `${SCORE_LABELS[name] ?? name} ${score(value)}`).join(", ")}.`, (colours) => ({
    type: "bar",
    data: { labels: rows.map(([name]) => SCORE_LABELS[name] ?? name), datasets: [{ data: rows.map(([, value]) => value), barThickness: 14, borderRadius: 3,
      backgroundColor: rows.map(([name]) => (name === "oracle" || name === "best_on_average" ? colours.muted : colours.accent)) }] },
    options: { indexAxis: "y", scales: { x: { min: 0, max: 1, ticks: { callback: (value) => percent(value) } }, y: { grid: { display: false }, ticks: { color: colours.text } } },
      plugins: { tooltip: { callbacks: { label: (item) => `Accuracy ${percent(item.parsed.x, 1)}` } } } },
  }), { height: 40 + 28 * rows.length }).element;
}

function packDiff(diff, context) {
  const changes = diff.data.filter((row) => row.before !== row.after);
  const result = diff.compared === 0 ? "No live tasks to compare. Send requests first."
    : `${count(changes.length)} of ${plural(diff.compared, "live task")} would change model.`;
  const notes = [
    diff.models_added.length ? `Models added: ${diff.models_added.join(", ")}.` : null,
    diff.models_removed.length ? `Models missing from this pack: ${diff.models_removed.join(", ")}.` : null,
    diff.tasks > diff.compared ? `Compared the first ${count(diff.compared)} of ${count(diff.tasks)} tasks.` : null,
  ].filter(Boolean);
  const button = h("button", { type: "button", class: "primary" }, `Activate ${diff.id}`);
  button.addEventListener("click", () => activate(button, diff.id, context));
  return section(`Changes with ${diff.id}`, "Preview: all live tasks, rescored from their most recent inputs. Nothing has changed yet.",
    h("p", {}, h("b", {}, result), notes.length ? ` ${notes.join(" ")}` : ""),
    changes.length ? table("Tasks that would change model", [
      { title: "Task", cell: (row) => taskLink(row.task) },
      { title: "Current model", cell: (row) => (row.before ? modelLabel(row.before) : "–") },
      { title: "New model", cell: (row) => modelLabel(row.after) },
      { title: "New score", class: "num", cell: (row) => score(row.score) },
      { title: "Gain", class: "num", cell: (row) => (row.gain === null ? "–" : `${(100 * row.gain).toFixed(1)} points`) },
      { title: "Confidence", class: "num", cell: (row) => (typeof row.p === "number" ? probability(row.p) : "–") },
    ], changes).element : null,
    context.principal.may_manage ? h("div", { class: "row" }, button) : h("p", { class: "muted" }, "Read-only key. Sign in with an admin key to activate a pack."));
}

async function activate(button, id, context) {
  button.disabled = true;
  button.textContent = "Activating and rescoring all tasks…";
  try {
    const { message } = await call(`v1/packs/${encodeURIComponent(id)}/activate`, { method: "POST" });
    await activePack({ refresh: true });
    await context.reload();
    context.notify("good", `${id} is active. ${withFullStop(message)}`);
  } catch (error) {
    button.disabled = false;
    button.textContent = `Activate ${id}`;
    context.notify("bad", error.message);
  }
}

async function rollBack(context) {
  try {
    const { id, message } = await call("v1/packs/rollback", { method: "POST" });
    await activePack({ refresh: true });
    await context.reload();
    context.notify("good", `Rolled back to ${id}. ${withFullStop(message)}`);
  } catch (error) {
    context.notify("bad", error.message);
  }
}
