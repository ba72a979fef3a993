// One task: its current decision with the evidence and history behind it, and overrides of it.

import { activePack, datasetDistances, isPackLoaded } from "../active_pack.js";
import { call, callOrNull, taskPath } from "../api.js";
import { chart, withAlpha } from "../charts.js";
import { modelColour, modelLabel, reasonTag, registerModels } from "../components.js";
import { command, copyable } from "../copy.js";
import { banner, code, h, replaceContent, section, table } from "../dom.js";
import { confidence, describeDistance, explainDecision } from "../explain.js";
import { count, dateTime, ms, percent, plural, probability, score, timeAgo, usd, withFullStop } from "../format.js";
import { historyPanel } from "../history.js";
import { scoreInterval, scoreNames } from "../scores.js";

const NO_INPUTS = "No inputs scored yet. Send requests with this task ID; scores appear within seconds while a pack is loaded.";

export async function taskPage(root, context, [id]) {
  const first = await fetchData(id);
  registerModels(first.models);
  const evidence = first.task.n ? await callOrNull(`${taskPath(id)}/evidence`) : null;
  const decision = h("div", { class: "decision" });
  const facts = h("dl", { class: "facts" });
  const scores = scoresView();
  const changes = h("ol", { class: "timeline" });
  const history = historyChart(first.task);
  const usage = await historyPanel(context, { series: [{ label: id, kind: "task", name: id }], models: first.models });
  const overrides = overridesForm(id, context, first);
  const update = (data) => {
    replaceContent(decision, ...decisionSummary(data));
    replaceContent(facts, ...decisionFacts(data));
    scores.update(data.task);
    replaceContent(changes, ...historyItems(data.task));
    history.update(data.task);
  };
  update(first);
  root.append(
    h("div", { class: "page-head" }, h("p", { class: "crumb" }, h("a", { href: "#/tasks" }, "Tasks")), copyable(id, "task ID", h("h1", {}, id))),
    h("div", { class: "wide-left" },
      section("Current decision", null, decision, facts),
      section("Override routing", "Overrides apply immediately, take precedence over config.yaml, and are versioned.", overrides)),
    section("Model scores", "Share of this task's inputs that each model is expected to answer correctly, estimated from the most similar benchmark questions. "
      + "Bars: 90 % interval.", scores.element),
    section("Decision history", "Each step is a change of model.", history.element, changes),
    usage.element,
    evidence?.nearest.length ? nearestQuestions(evidence) : "",
    evidence ? h("div", { class: "wide-left" }, embeddingMap(evidence, id), nearestDatasets(first.task)) : "",
    autoDetails(first.task),
    previewForm(id));
  return { title: id, refresh: async () => { update(await fetchData(id)); await usage.refresh(); } };
}

async function fetchData(id) {
  const path = taskPath(id);
  const [task, activity, policy, models, pack] = await Promise.all([
    call(path).catch((error) => { if (error.status !== 404) throw error; return null; }),
    call(`v1/activity?minutes=60&task=${encodeURIComponent(id)}`), call(`${path}/policy`), call("v1/models"), activePack(),
  ]);
  return { task: task ?? unseenTask(id, policy), activity, policy, pack, models: models.data.map((one) => one.id).filter((name) => name !== "auto") };
}

/** A task without a decision, in the shape of GET /v1/tasks/{id}; it may be pinned already. Its model is null if unknown. */
function unseenTask(id, policy) {
  const pin = policy.effective.pin;
  const reason = pin ? "pinned" : isPackLoaded() ? "cold-start" : "no-pack";
  const decision = { model: pin, reason, version: 0, ranking: [] };
  return { id, n: 0, u: null, scores: [], nearest_datasets: [], decision, history: [], spent: null, warning: policy.warning };
}

function decisionSummary({ task, pack }) {
  const { decision } = task;
  const { text, share, description } = confidence(task);
  const best = pack?.on_average?.[0];
  const chosen = task.scores?.find((row) => row.model === decision.model);
  const baseline = task.scores?.find((row) => row.model === best);
  const key = decidingScore(task);
  return [
    task.warning ? banner("warn", withFullStop(task.warning)) : null,
    h("p", { class: "big" }, decision.model ? modelLabel(decision.model) : null, reasonTag(decision), share === null ? null : h("span", { class: "muted", title: description }, `Confidence ${text}`)),
    h("p", {}, explainDecision(task)),
    task.membership ? h("p", {}, task.membership.text) : null,
    whatWouldChange(decision),
    chosen && baseline && chosen !== baseline && typeof chosen[key] === "number" && typeof baseline[key] === "number"
      ? h("p", {}, `Expected accuracy: about ${percent(clampShare(chosen[key]))}, compared with ${percent(clampShare(baseline[key]))} for ${best}, the best model on average.`)
      : null,
    decision.why ? h("details", {}, h("summary", {}, "Technical explanation"), h("p", { class: "muted" }, withFullStop(decision.why))) : null,
  ];
}

/** What would change the decision, as the API explains it. */
const whatWouldChange = (decision) => (decision.would_change ? h("p", { class: "muted" }, withFullStop(decision.would_change.text)) : null);

/** auto's expected accuracies can lie outside [0, 1]. */
const clampShare = (share) => Math.min(1, Math.max(0, share));

const decidingScore = (task) => task.decision.score ?? task.scored?.score ?? "s3";

/** The score that decided and why it was this one, also where a pin or shadow mode overrides the decision. */
function decidedBy(task) {
  const { score: name, score_why: why } = task.scored ?? task.decision;
  if (!name) return "–";
  return h("span", {}, scoreLabel(name), why ? h("span", { class: "muted" }, ` – ${withFullStop(why)}`) : null);
}

function decisionFacts({ task, pack, activity }) {
  const distance = describeDistance(task.u, datasetDistances(pack?.report));
  const spent = task.spent;
  const rows = [
    ["Inputs scored", count(task.n)],
    ["Distance to benchmark", task.u === null || task.u === undefined ? distance.description : h("span", {}, distance.text, h("span", { class: "muted" }, ` – ${distance.description}`))],
    ["Score", decidedBy(task)],
    ["Decision version", task.decision.version ? count(task.decision.version) : "None"],
    ["Fallback order", task.decision.ranking.length > 1 ? h("span", {}, task.decision.ranking.slice(1, 4).join(", then ")) : "–"],
    ["Response time", activity.total.requests ? `p50 ${ms(activity.total.p50_ms)}, p95 ${ms(activity.total.p95_ms)} (last hour)` : "–"],
  ];
  if (spent?.requests) {
    // Calls that named their model, and tasks without evidence, are compared with nothing.
    const saved = spent.baseline_usd ? `; savings ${usd(spent.saved_usd)} (${percent(spent.saved_usd / spent.baseline_usd)}) against the best model on average` : "";
    const unpriced = spent.unpriced_requests ? `; ${count(spent.unpriced_requests)} of them without a known price` : "";
    rows.push(["Total cost", spent.cost_usd === null ? "Unknown: no price is configured" : `${usd(spent.cost_usd)} for ${plural(spent.requests, "request")}${saved}${unpriced}`]);
  }
  return rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

const SCORE_DESCRIPTIONS = {
  s1: "S1: mean of the predicted scores.",
  s2: "S2: share of inputs predicted to be correct.",
  s3: "S3: S2 corrected for the predictor's reliability at this distance.",
  auto: "auto: results on the most similar datasets, weighted by how well similarity predicts results on held-out datasets. "
    + "The bars leave out the task's difficulty, which affects all models alike.",
};

/** All scores in a table, and a selected one as a chart with its intervals. */
function scoresView() {
  let selected = null;
  let task = null;
  let drawn = null;
  const buttons = h("div", { class: "switch", role: "group", "aria-label": "Score in the chart" });
  const holder = h("div");
  const list = h("div");
  const note = h("p", { class: "muted" });
  const draw = () => {
    const names = scoreNames(task.scores);
    const key = names.includes(selected) ? selected : names.includes(decidingScore(task)) ? decidingScore(task) : names[0];
    replaceContent(buttons, names.map((name) => h("button", { type: "button", "aria-pressed": name === key ? "true" : "false", on: { click: () => { selected = name; document.activeElement.blur(); draw(); } } }, scoreLabel(name))));
    note.textContent = SCORE_DESCRIPTIONS[key] ?? "";
    const config = intervalChart(task, key);
    const description = `${scoreLabel(key)} of every model: ${task.scores.map((row) => `${row.model} ${score(row[key])}`).join(", ")}.`;
    const height = 30 + 30 * task.scores.length;
    if (drawn && drawn.height === height) drawn.chart.update(config, description);
    else { drawn = { chart: chart(description, config, { height }), height }; holder.replaceChildren(drawn.chart.element); }
    replaceContent(list, scoreTable(task, names));
  };
  const empty = h("p", { class: "muted" }, NO_INPUTS);
  const element = h("div", { class: "stack" }, empty, h("div", { class: "row" }, buttons, note), holder, list);
  return { element, update(next) { task = next; empty.hidden = Boolean(task.scores?.length); buttons.hidden = !empty.hidden; if (task.scores?.length) draw(); } };
}

const scoreLabel = (name) => (/^s\d$/.test(name) ? name.toUpperCase() : name);

function scoreTable(task, names) {
  const columns = [
    { title: "Model", cell: (row) => modelLabel(row.model) },
    ...names.map((name) => ({ title: scoreLabel(name), class: "num", cell: (row) => {
      const range = scoreInterval(row, name);
      return h("span", {}, score(row[name]), range ? h("span", { class: "muted wide-only" }, ` ${score(range[0])}–${score(range[1])}`) : null);
    } })),
    { title: "Reliability p", class: "num", cell: (row) => score(row.p) },
    { title: "Inputs", class: "num", cell: (row) => count(row.n) },
  ];
  return table("Scores of every model", columns, task.scores, { rowClass: (row) => (row.model === task.decision.model ? "chosen" : null) }).element;
}

function intervalChart(task, key) {
  return (colours) => ({
    type: "bar",
    data: {
      labels: task.scores.map((row) => row.model),
      datasets: [
        { type: "scatter", label: "Score", data: task.scores.map((row) => ({ x: row[key], y: row.model })), pointRadius: 5, pointHoverRadius: 6,
          backgroundColor: task.scores.map((row) => colours[modelColour(row.model)]), borderColor: colours.surface, borderWidth: 1.5 },
        { label: "90 % interval", data: task.scores.map((row) => scoreInterval(row, key)), barThickness: 8, borderRadius: 4, borderSkipped: false,
          backgroundColor: task.scores.map((row) => withAlpha(colours[modelColour(row.model)], row.model === task.decision.model ? 0.45 : 0.25)) },
      ],
    },
    options: {
      indexAxis: "y",
      scales: {
        x: { suggestedMin: 0, suggestedMax: 1, ticks: { callback: (value) => percent(value) } },
        y: { type: "category", labels: task.scores.map((row) => row.model), grid: { display: false }, ticks: { color: colours.text } },
      },
      plugins: { tooltip: { filter: (item) => item.datasetIndex === 1, callbacks: {
        title: (items) => items[0]?.label ?? "",
        label: (item) => `${scoreLabel(key)} ${score(task.scores[item.dataIndex][key])}${item.raw ? `, 90 % interval ${score(item.raw[0])} to ${score(item.raw[1])}` : ""}`,
      } } },
    },
  });
}

function historyChart(task) {
  const makeConfig = (shown) => (colours) => {
    const changes = shown.history ?? [];
    const names = [...new Set(changes.map((change) => change.model))];
    const points = changes.map((change) => ({ x: change.n, y: change.model }));
    if (points.length) points.push({ x: Math.max(shown.n, points.at(-1).x + 1), y: points.at(-1).y });
    return {
      type: "line",
      data: { datasets: [{ data: points, stepped: true, borderColor: colours.accent, borderWidth: 2, pointRadius: points.map((_, index) => (index < changes.length ? 4 : 0)),
        pointBackgroundColor: points.map((point) => colours[modelColour(point.y)]), pointBorderColor: colours.surface }] },
      options: {
        scales: { x: { type: "linear", min: 0, title: { text: "Inputs scored" }, ticks: { precision: 0, maxTicksLimit: 8 } },
          y: { type: "category", labels: names, offset: true, ticks: { color: colours.text } } },
        plugins: { tooltip: { callbacks: { title: (items) => `After ${plural(items[0].parsed.x, "input")}`, label: (item) => names[item.parsed.y] } } },
      },
    };
  };
  const describe = (shown) => `Current model by inputs scored: ${(shown.history ?? []).map((change) => `${change.model} from input ${change.n}`).join(", ") || "no decision yet"}.`;
  const { element, update } = chart(describe(task), makeConfig(task), { height: 60 + 34 * Math.max(2, new Set((task.history ?? []).map((change) => change.model)).size) });
  return { element, update: (changed) => update(makeConfig(changed), describe(changed)) };
}

const MAX_HISTORY = 8;

function historyItems(task) {
  const changes = [...(task.history ?? [])].reverse().slice(0, MAX_HISTORY);
  if (!changes.length) return [h("li", {}, h("span", { class: "muted" }, "No decision yet. The first scored input leads to one."))];
  return changes.map((change) => h("li", {}, h("time", { datetime: change.at, title: dateTime(change.at) }, timeAgo(change.at)),
    h("span", {}, modelLabel(change.model), h("span", { class: "muted" }, ` after ${plural(change.n, "input")}: `), reasonTag(change))));
}

const MAX_QUESTIONS = 8;

function nearestQuestions(evidence) {
  const columns = [
    { title: "Benchmark question", cell: (row) => h("span", { class: "quote", title: row.text }, row.text ?? h("span", { class: "muted" }, `Question ${row.input + 1} (pack built without texts)`)) },
    { title: "Dataset", class: "nowrap", cell: (row) => row.dataset },
    { title: "Neighbour of", class: "num", cell: (row) => plural(row.times, "input") },
    ...evidence.models.map((name, column) => ({ title: name, class: "outcome", cell: (row) => outcome(row.outcomes[column]) })),
  ];
  return section("Most similar benchmark questions", `Nearest neighbours of the task's last ${plural(evidence.n, "input")}, most frequent first, with each model's result.`,
    table("Most similar benchmark questions and each model's result", columns, evidence.nearest.slice(0, MAX_QUESTIONS)).element);
}

function outcome(value) {
  if (value === null) return h("span", { class: "muted", title: "Not measured" }, "–");
  if (value === 1) return h("span", { class: "correct" }, h("span", { "aria-hidden": "true" }, "✓"), h("span", { class: "sr" }, "correct"));
  if (value === 0) return h("span", { class: "incorrect" }, h("span", { "aria-hidden": "true" }, "·"), h("span", { class: "sr" }, "incorrect"));
  return score(value);
}

const MAP_COLOURS = ["m2", "m1", "m3", "m4", "m6", "m7"];

function embeddingMap(evidence, id) {
  const { map } = evidence;
  const title = "Embedding map";
  if (!map) return section(title, null, h("p", { class: "muted" }, "This pack has no map. Rebuild it with ", command("benchroute pack build"), " to add one."));
  const datasetOf = (index) => map.datasets[map.dataset_ids[index]];
  const near = [...new Set(evidence.nearest.map((row) => row.dataset))].slice(0, MAP_COLOURS.length);
  const pointsWhere = (matches) => map.benchmark.filter((_, index) => matches(datasetOf(index))).map(([x, y]) => ({ x, y }));
  const { element } = chart(
    `Map of the benchmark's questions and ${plural(map.task.length, "input")} of ${id}. Most similar datasets: ${near.join(", ") || "none"}.`,
    (colours) => ({
      type: "scatter",
      data: { datasets: [
        { label: id, data: map.task.map(([x, y]) => ({ x, y })), pointRadius: 4, backgroundColor: colours.text, borderColor: colours.surface, borderWidth: 1 },
        ...near.map((name, index) => ({ label: name, data: pointsWhere((dataset) => dataset === name), pointRadius: 2.5, backgroundColor: withAlpha(colours[MAP_COLOURS[index]], 0.75), borderWidth: 0 })),
        { label: "Other datasets", data: pointsWhere((dataset) => !near.includes(dataset)), pointRadius: 2, backgroundColor: withAlpha(colours.muted, 0.22), borderWidth: 0 },
      ] },
      options: {
        interaction: { mode: "nearest", intersect: true },
        scales: { x: { display: false }, y: { display: false } },
        plugins: { legend: { display: true, position: "bottom", align: "start", labels: { color: colours.text, usePointStyle: true, boxHeight: 6, boxWidth: 6 } },
          tooltip: { callbacks: { label: (item) => item.dataset.label } } },
      },
    }), { height: 340 });
  return section(title, "Each dot is a question or an input, projected to the two dimensions that separate the datasets best. Distances are approximate.", element);
}

function nearestDatasets(task) {
  const datasets = task.nearest_datasets ?? [];
  const { element } = chart(`Most similar datasets: ${datasets.map((row) => `${row.dataset} ${row.cosine.toFixed(2)}`).join(", ")}.`, (colours) => ({
    type: "bar",
    data: { labels: datasets.map((row) => row.dataset), datasets: [{ data: datasets.map((row) => row.cosine), backgroundColor: colours.accent, barThickness: 12, borderRadius: 3 }] },
    options: { indexAxis: "y", scales: { x: { min: 0, max: 1 }, y: { grid: { display: false }, ticks: { color: colours.text } } },
      plugins: { tooltip: { callbacks: { label: (item) => `Cosine similarity ${item.parsed.x.toFixed(2)}` } } } },
  }), { height: 40 + 30 * datasets.length });
  return section("Most similar datasets", "Cosine similarity between the mean embeddings of the task and of each dataset; 1 is the same direction.",
    datasets.length ? element : h("p", { class: "muted" }, NO_INPUTS));
}

/** The datasets that the task's inputs match, with the best model of each. */
function membershipRows({ membership }) {
  if (!membership) return [];
  const weight = (row) => (membership.kind === "mixture" ? `${percent(row.share)} of the inputs` : `probability ${probability(row.share * row.probability)}`);
  const matches = membership.datasets.map((row) => h("div", {}, `${row.dataset}: ${weight(row)}; best there: `, modelLabel(row.best), ` (${percent(row.accuracy)})`));
  const known = membership.kind === "declared" ? "The task is declared to be this dataset" : `Probability that an input is from one of the datasets: ${probability(membership.known)}`;
  return [
    ["Matching datasets", matches.length ? matches : "None"],
    ["Known or new", known],
    ...(membership.twins.length ? [["Datasets that look alike", membership.twins.map((pair) => `${pair.dataset} (${pair.best}) and ${pair.twin} (${pair.twin_best})`).join(", ")]] : []),
  ];
}

/** How the score auto came about, for tasks that are decided by it. */
function autoDetails(task) {
  const { auto } = task;
  if (!auto) return "";
  const { leader, baseline } = task.scored ?? task.decision;
  const pair = (values, format = score) => (leader === baseline ? [format(values.leader)]
    : [format(values.leader), " for ", modelLabel(leader), ", ", format(values.baseline), " for ", modelLabel(baseline)]);
  const signed = (value) => `${value < 0 ? "−" : "+"}${score(Math.abs(value))}`;
  const total = auto.datasets.reduce((sum, row) => sum + Math.max(0, row.weight), 0) || 1;
  const rows = [
    ...membershipRows(task),
    ["Benchmark average, relative to all models", pair(auto.average, signed)],
    ["Prior from similar datasets", pair(auto.prior)],
    ["Expected accuracy", h("span", {}, pair(auto.expected), auto.deviation ? h("span", { class: "muted" }, `; standard deviation of the difference ${score(auto.deviation)}`) : null)],
    ["Weight of similarity", `${score(auto.trust)}, fitted on held-out datasets`],
    ["Labelled inputs", count(auto.labels)],
    ...(auto.judged ?? []).map((judge) => [`Inputs labelled by ${judge.source}`, `${count(judge.n)}, each counts as ${score(judge.weight)} of a labelled input`]),
    ...(auto.feedback ? [["Responses with feedback", `${count(auto.feedback.n)}, of which ${count(auto.feedback.leader.n)} from ${leader}`]] : []),
    ["Most influential datasets", auto.datasets.filter((row) => row.weight / total >= 0.005).map((row) => `${row.dataset} ${percent(row.weight / total)}`).join(", ") || "–"],
  ];
  return section("Auto score details", null, h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

/** The task's overrides, as of when the page was opened; every change reloads the page. */
function overridesForm(id, context, { policy, models, task }) {
  const { overrides, effective, configured } = policy;
  const path = `${taskPath(id)}/policy`;
  const change = async (method, body, message) => {
    try {
      await call(`${path}?version=${policy.version}`, { method, body });
      await context.reload();
      context.notify("good", message);
    } catch (error) {
      context.notify("bad", error.message);
    }
  };
  const state = h("p", {}, effective.pin ? ["Pinned to ", modelLabel(effective.pin), "."] : effective.candidates ? `Candidate models: ${effective.candidates.join(", ")}.` : "Not pinned; all models are candidates.",
    effective.dataset ? ` Declared to be dataset ${effective.dataset}.` : "",
    configured && Object.keys(configured).length ? h("span", { class: "muted" }, " config.yaml has settings for this task.") : null);
  const error = policy.error ? banner("warn", `The override is not applied: ${policy.error}`) : null;
  if (!context.principal.may_manage) return h("div", { class: "stack" }, state, error, h("p", { class: "muted" }, "Read-only key. Sign in with an admin key to change routing."), overrideHistory(policy));
  const pin = h("select", { id: "pin" }, models.map((name) => h("option", { value: name, selected: name === (effective.pin ?? task.decision.model) }, name)));
  const boxes = models.map((name) => h("input", { type: "checkbox", name, checked: !effective.candidates || effective.candidates.includes(name) }));
  return h("div", { class: "stack" }, state, error,
    h("form", { on: { submit: (event) => { event.preventDefault(); change("PUT", merged({ pin: pin.value }), `Pinned to ${pin.value}. New requests go there.`); } } },
      h("div", { class: "row end" }, h("label", {}, "Pin to model", pin), h("button", { type: "submit", class: "primary" }, "Pin"),
        effective.pin ? h("button", { type: "button", on: { click: () => unpin() } }, "Unpin") : null)),
    h("details", {}, h("summary", {}, "Restrict candidate models"),
      h("form", { on: { submit: (event) => { event.preventDefault(); restrict(); } } },
        h("fieldset", {}, h("legend", {}, "Candidate models"), h("div", { class: "choices" }, models.map((name, index) => h("label", { class: "line" }, boxes[index], modelLabel(name))))),
        h("div", { class: "row" }, h("button", { type: "submit" }, "Apply restriction")))),
    overrides ? h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: () => change("DELETE", undefined, "Overrides removed.") } }, "Remove all overrides")) : null,
    overrideHistory(policy));

  /** The overrides with some changed. undefined removes a field; null overrides what config.yaml sets. */
  function merged(changes) {
    return Object.fromEntries(Object.entries({ ...(overrides ?? {}), ...changes }).filter(([, value]) => value !== undefined));
  }
  function unpin() {
    const rest = merged({ pin: configured?.pin ? null : undefined });
    const message = "Unpinned. The task is routed by benchmark scores again.";
    return Object.keys(rest).length ? change("PUT", rest, message) : change("DELETE", undefined, message);
  }
  function restrict() {
    const candidates = models.filter((_, index) => boxes[index].checked);
    if (!candidates.length) return context.notify("bad", "Select at least one candidate model.");
    if (candidates.length === models.length) return change("PUT", merged({ candidates: null }), "Restriction removed. The task was rescored.");
    return change("PUT", merged({ candidates }), `Restricted to ${candidates.join(", ")}. The task was rescored.`);
  }
}

function overrideHistory(policy) {
  if (!policy.history.length) return null;
  return h("details", {}, h("summary", {}, `Override history (${count(policy.history.length)})`),
    h("ol", { class: "timeline" }, [...policy.history].reverse().map((entry) => h("li", {}, h("time", { datetime: entry.at, title: dateTime(entry.at) }, timeAgo(entry.at)),
      h("span", {}, `Version ${entry.version}${entry.changed_by ? ` by ${entry.changed_by}` : ""}: `, entry.overrides ? code(JSON.stringify(entry.overrides)) : "overrides removed")))));
}

/** A dry run: POST /v1/route stores nothing and calls no model. */
function previewForm(id) {
  const text = h("textarea", { id: "prompt", required: true, placeholder: "One input per line" });
  const useTask = h("input", { type: "checkbox", checked: true });
  const result = h("div", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const inputs = text.value.split("\n").map((line) => line.trim()).filter(Boolean);
    result.replaceChildren(h("p", { class: "muted" }, "Scoring…"));
    try {
      const preview = await call("v1/route", { method: "POST", body: { inputs, ...(useTask.checked ? { task: id } : {}) } });
      result.replaceChildren(h("div", { class: "stack" },
        h("p", {}, `Decision for ${plural(inputs.length, "input")}: `, modelLabel(preview.decision.model), ". ", explainDecision(preview),
          h("span", { class: "muted" }, ` Distance to benchmark ${preview.u?.toFixed(2) ?? "–"}; most similar datasets: ${preview.nearest_datasets.map((row) => row.dataset).join(", ")}.`)),
        preview.membership ? h("p", {}, preview.membership.text) : null,
        whatWouldChange(preview.decision),
        scoreTable(preview, scoreNames(preview.scores))));
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
  };
  return section("Test routing", "Preview the decision for sample inputs. Nothing is stored and no model is called.",
    h("form", { on: { submit } }, h("label", {}, "Inputs", text), h("label", { class: "line" }, useTask, "Use this task's candidates and score"),
      h("div", { class: "row" }, h("button", { type: "submit" }, "Preview decision"))), result);
}
