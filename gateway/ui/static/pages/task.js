// One task: where it goes, why, on what evidence, how that came about; and what an operator may change.

import { call, perhaps, taskPath } from "../api.js";
import { chart, faded, overTime } from "../charts.js";
import { banner, fill, h, section, table } from "../dom.js";
import { ago, because, confidence, count, distance, moment, ms, percent, plural, score, usd } from "../format.js";
import { activePack, colourOf, learnModels, model, reachOf, reasonTag } from "../parts.js";
import { intervalOf, namesOfScores } from "../scores.js";

export async function taskPage(root, context, [id]) {
  const first = await ask(id);
  learnModels(first.models);
  const evidence = first.task.n ? await perhaps(`${taskPath(id)}/evidence`) : null;
  const verdict = h("div", { class: "verdict" });
  const facts = h("dl", { class: "facts" });
  const scores = scoresOf();
  const turns = h("ol", { class: "timeline" });
  const over = decisionChart(first.task);
  const traffic = overTime(`Requests of ${id} by the minute in the last hour.`, first.activity, (now) => [
    { label: "answered", value: (minute) => minute.requests - minute.errors - minute.refused, colour: now.accent },
    { label: "errors and refusals", value: (minute) => minute.errors + minute.refused, colour: now.bad },
  ], { kind: "bar", stacked: true, height: 120 });
  const policy = policyOf(id, context, first);
  const show = (now) => {
    fill(verdict, ...verdictOf(now));
    fill(facts, ...factsOf(now));
    scores.update(now.task);
    fill(turns, ...turnsOf(now.task));
    over.update(now.task);
    traffic.update(now.activity);
  };
  show(first);
  root.append(
    h("div", { class: "page-head" }, h("p", { class: "crumb" }, h("a", { href: "#/tasks" }, "Tasks")), h("h1", {}, id)),
    h("div", { class: "wide-left" },
      section("Where its requests go, and why", null, verdict, facts),
      section("Decide for it", "What is said here holds at once, over the configuration, and is kept with every change before it.", policy)),
    section("How the models score", SCORES_SAY, scores.element),
    h("div", { class: "two" },
      section("How the decision came about", "Each step is a change of model; what lies between is the same model, with more inputs seen.", over.element, turns),
      section("Requests in the last hour", null, traffic.element)),
    evidence?.nearest.length ? nearestOf(evidence) : "",
    evidence ? h("div", { class: "wide-left" }, mapOf(evidence, id), datasetsOf(first.task)) : "",
    autoOf(first.task),
    labelsOf(first.task),
    tryOf(id));
  return { title: id, renew: async () => show(await ask(id)) };
}

const SCORES_SAY = "The share of this task's inputs each model is expected to get right, judged by the benchmark inputs nearest to them. "
  + "Bars show where it lies with 90 % probability.";

async function ask(id) {
  const path = taskPath(id);
  const [task, activity, policy, models, pack] = await Promise.all([
    call(path).catch((error) => { if (error.status !== 404) throw error; return null; }),
    call(`v1/activity?minutes=60&task=${encodeURIComponent(id)}`), call(`${path}/policy`), call("v1/models"), activePack(),
  ]);
  return { task: task ?? blank(id, policy), activity, policy, pack, models: models.data.map((one) => one.id).filter((name) => name !== "auto") };
}

/** A task of which nothing is known yet, except perhaps that it is pinned. */
function blank(id, policy) {
  const pin = policy.in_force.pin;
  const decision = { model: pin ?? "the best model on average", reason: pin ? "pinned" : "cold-start", version: 0, ranking: [] };
  return { id, n: 0, u: null, scores: [], nearest_datasets: [], decision, history: [], spent: null };
}

function verdictOf({ task, pack }) {
  const made = task.decision;
  const { text, share, about } = confidence(task);
  const best = pack?.on_average?.[0];
  const chosen = task.scores?.find((row) => row.model === made.model);
  const against = task.scores?.find((row) => row.model === best);
  const key = keyOf(task);
  return [
    h("p", { class: "big" }, model(made.model), reasonTag(task), share === null ? null : h("span", { class: "muted", title: about }, `${text} sure`)),
    h("p", {}, because(task)),
    wouldChange(made),
    chosen && against && chosen !== against && typeof chosen[key] === "number" && typeof against[key] === "number"
      ? h("p", {}, `Of 100 inputs it is expected to get about ${ofHundred(chosen[key])} right; ${best}, the best model on average, about ${ofHundred(against[key])}.`)
      : null,
    made.why ? h("details", {}, h("summary", {}, "In the router's own words"), h("p", { class: "muted" }, made.why)) : null,
  ];
}

/** What would move the choice, in the gateway's words. */
const wouldChange = (made) => (made.would_change ? h("p", { class: "muted" }, `${made.would_change.text}.`) : null);

/** auto's expectations are not held between 0 and 1. */
const ofHundred = (share) => Math.round(100 * Math.min(1, Math.max(0, share)));

const keyOf = (task) => task.decision.score ?? task.scored?.score ?? "s3";

function factsOf({ task, pack, activity }) {
  const far = distance(task.u, reachOf(pack?.report));
  const spent = task.spent;
  const rows = [
    ["Inputs seen", count(task.n)],
    ["From the benchmarks", h("span", {}, far.text, h("span", { class: "muted" }, ` – ${far.about}`))],
    ["Decision", task.decision.version ? `version ${task.decision.version}` : "none yet"],
    ["If it fails", task.decision.ranking.length > 1 ? h("span", {}, task.decision.ranking.slice(1, 4).join(", then ")) : "–"],
    ["Answers take", activity.total.requests ? `${ms(activity.total.p50_ms)}; 95 of 100 within ${ms(activity.total.p95_ms)}` : "–"],
  ];
  if (spent?.requests) {
    const share = spent.best_on_average_usd ? ` (${percent(spent.saved_usd / spent.best_on_average_usd)})` : "";
    rows.push(["Cost so far", `${usd(spent.usd)} for ${plural(spent.requests, "answer")}; saved ${usd(spent.saved_usd)}${share} against best on average`]);
  }
  return rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

/** Scores side by side, and one of them drawn with its intervals. */
function scoresOf() {
  let wanted = null;
  let task = null;
  const buttons = h("div", { class: "switch", role: "group", "aria-label": "Score to draw" });
  const holder = h("div");
  const list = h("div");
  let drawn = null;
  const about = { s1: "S1: the mean of the predictions.", s2: "S2: the share of inputs predicted right.", s3: "S3: S2, corrected for how far the prediction can be trusted at this distance.", auto: "auto: what models did on the datasets the task lies near to, weighed by how far that has proved right elsewhere. The bars leave out how hard the task is for all of them." };
  const note = h("p", { class: "muted" });
  const draw = () => {
    const names = namesOfScores(task.scores);
    const key = names.includes(wanted) ? wanted : names.includes(keyOf(task)) ? keyOf(task) : names[0];
    fill(buttons, names.map((name) => h("button", { type: "button", "aria-pressed": name === key ? "true" : "false", on: { click: () => { wanted = name; document.activeElement.blur(); draw(); } } }, label(name))));
    note.textContent = about[key] ?? "";
    const config = intervalChart(task, key);
    const words = `${label(key)} of every model: ${task.scores.map((row) => `${row.model} ${score(row[key])}`).join(", ")}.`;
    const height = 30 + 30 * task.scores.length;
    if (drawn && drawn.height === height) drawn.chart.update(config, words);
    else { drawn = { chart: chart(words, config, { height }), height }; holder.replaceChildren(drawn.chart.element); }
    fill(list, scoreTable(task, names));
  };
  const none = h("p", { class: "muted" }, "No input has been scored yet.");
  const element = h("div", { class: "stack" }, none, h("div", { class: "row" }, buttons, note), holder, list);
  return { element, update(next) { task = next; none.hidden = Boolean(task.scores?.length); buttons.hidden = !none.hidden; if (task.scores?.length) draw(); } };
}

const label = (name) => (/^s\d$/.test(name) ? name.toUpperCase() : name);

function scoreTable(task, names) {
  const columns = [
    { title: "Model", cell: (row) => model(row.model) },
    ...names.map((name) => ({ title: label(name), class: "num", cell: (row) => {
      const range = intervalOf(row, name);
      return h("span", {}, score(row[name]), range ? h("span", { class: "muted wide-only" }, ` ${score(range[0])}–${score(range[1])}`) : null);
    } })),
    { title: "Trust p", class: "num", cell: (row) => score(row.p) },
    { title: "Inputs", class: "num", cell: (row) => count(row.n) },
  ];
  return table("Scores of every model", columns, task.scores, { rowClass: (row) => (row.model === task.decision.model ? "chosen" : null) }).element;
}

function intervalChart(task, key) {
  return (now) => ({
    type: "bar",
    data: {
      labels: task.scores.map((row) => row.model),
      datasets: [
        { type: "scatter", label: "score", data: task.scores.map((row) => ({ x: row[key], y: row.model })), pointRadius: 5, pointHoverRadius: 6,
          backgroundColor: task.scores.map((row) => now[colourOf(row.model)]), borderColor: now.surface, borderWidth: 1.5 },
        { label: "90 %", data: task.scores.map((row) => intervalOf(row, key)), barThickness: 8, borderRadius: 4, borderSkipped: false,
          backgroundColor: task.scores.map((row) => faded(now[colourOf(row.model)], row.model === task.decision.model ? 0.45 : 0.25)) },
      ],
    },
    options: {
      indexAxis: "y",
      scales: {
        x: { suggestedMin: 0, suggestedMax: 1, ticks: { callback: (value) => percent(value) } },
        y: { type: "category", labels: task.scores.map((row) => row.model), grid: { display: false }, ticks: { color: now.text } },
      },
      plugins: { tooltip: { filter: (item) => item.datasetIndex === 1, callbacks: {
        title: (items) => items[0]?.label ?? "",
        label: (item) => `${label(key)} ${score(task.scores[item.dataIndex][key])}${item.raw ? `, 90 %: ${score(item.raw[0])} to ${score(item.raw[1])}` : ""}`,
      } } },
    },
  });
}

function decisionChart(task) {
  const make = (some) => (now) => {
    const turns = some.history ?? [];
    const names = [...new Set(turns.map((turn) => turn.model))];
    const points = turns.map((turn) => ({ x: turn.n, y: turn.model }));
    if (points.length) points.push({ x: Math.max(some.n, points.at(-1).x + 1), y: points.at(-1).y });
    return {
      type: "line",
      data: { datasets: [{ data: points, stepped: true, borderColor: now.accent, borderWidth: 2, pointRadius: points.map((_, place) => (place < turns.length ? 4 : 0)),
        pointBackgroundColor: points.map((point) => now[colourOf(point.y)]), pointBorderColor: now.surface }] },
      options: {
        scales: { x: { type: "linear", min: 0, title: { text: "inputs seen" }, ticks: { precision: 0, maxTicksLimit: 8 } },
          y: { type: "category", labels: names, offset: true, ticks: { color: now.text } } },
        plugins: { tooltip: { callbacks: { title: (items) => `after ${plural(items[0].parsed.x, "input")}`, label: (item) => names[item.parsed.y] } } },
      },
    };
  };
  const words = (some) => `The task's model over its inputs: ${(some.history ?? []).map((turn) => `${turn.model} from input ${turn.n}`).join(", ") || "nothing decided yet"}.`;
  const made = chart(words(task), make(task), { height: 60 + 34 * Math.max(2, new Set((task.history ?? []).map((turn) => turn.model)).size) });
  return { element: made.element, update: (some) => made.update(make(some), words(some)) };
}

function turnsOf(task) {
  const turns = [...(task.history ?? [])].reverse().slice(0, 8);
  if (!turns.length) return [h("li", {}, h("span", { class: "muted" }, "Nothing decided yet."))];
  return turns.map((turn) => h("li", {}, h("time", { datetime: turn.at, title: moment(turn.at) }, ago(turn.at)),
    h("span", {}, model(turn.model), h("span", { class: "muted" }, ` after ${plural(turn.n, "input")}: `), reasonTag({ decision: turn }))));
}

const SHOWN = 8;

function nearestOf(evidence) {
  const columns = [
    { title: "Benchmark input", cell: (row) => h("span", { class: "quote", title: row.text }, row.text ?? h("span", { class: "muted" }, `number ${row.input + 1} (this pack holds no texts)`)) },
    { title: "Dataset", class: "nowrap", cell: (row) => row.dataset },
    { title: "Near to", class: "num", cell: (row) => plural(row.times, "input") },
    ...evidence.models.map((name, column) => ({ title: name, class: "outcome", cell: (row) => outcome(row.outcomes[column]) })),
  ];
  return section("The benchmark inputs it rests on", `Those that lie nearest to the task's last ${plural(evidence.n, "input")}, most often first, and what every model made of them.`,
    table("Nearest benchmark inputs and each model's outcome", columns, evidence.nearest.slice(0, SHOWN)).element);
}

function outcome(value) {
  if (value === null) return h("span", { class: "muted", title: "not measured" }, "–");
  if (value === 1) return h("span", { class: "right" }, h("span", { "aria-hidden": "true" }, "✓"), h("span", { class: "sr" }, "right"));
  if (value === 0) return h("span", { class: "wrong" }, h("span", { "aria-hidden": "true" }, "·"), h("span", { class: "sr" }, "wrong"));
  return score(value);
}

const MAP_COLOURS = ["m2", "m1", "m3", "m4", "m6", "m7"];

function mapOf(evidence, id) {
  const { map } = evidence;
  const title = "Where its inputs lie";
  if (!map) return section(title, null, h("p", { class: "muted" }, "This pack was built without a map; build it again to see one."));
  const near = [...new Set(evidence.nearest.map((row) => row.dataset))].slice(0, MAP_COLOURS.length);
  const of = (dataset) => map.benchmark.filter((_, place) => map.datasets[map.dataset_ids[place]] === dataset).map(([x, y]) => ({ x, y }));
  const others = map.benchmark.filter((_, place) => !near.includes(map.datasets[map.dataset_ids[place]])).map(([x, y]) => ({ x, y }));
  const made = chart(
    `A map of the benchmark's inputs and ${plural(map.task.length, "input")} of ${id}. The datasets nearest to them: ${near.join(", ") || "none"}.`,
    (now) => ({
      type: "scatter",
      data: { datasets: [
        { label: id, data: map.task.map(([x, y]) => ({ x, y })), pointRadius: 4, backgroundColor: now.text, borderColor: now.surface, borderWidth: 1 },
        ...near.map((name, place) => ({ label: name, data: of(name), pointRadius: 2.5, backgroundColor: faded(now[MAP_COLOURS[place]], 0.75), borderWidth: 0 })),
        { label: "other datasets", data: others, pointRadius: 2, backgroundColor: faded(now.muted, 0.22), borderWidth: 0 },
      ] },
      options: {
        interaction: { mode: "nearest", intersect: true },
        scales: { x: { display: false }, y: { display: false } },
        plugins: { legend: { display: true, position: "bottom", align: "start", labels: { color: now.text, usePointStyle: true, boxHeight: 6, boxWidth: 6 } },
          tooltip: { callbacks: { label: (item) => item.dataset.label } } },
      },
    }), { height: 340 });
  return section(title, "Every dot is an input, drawn so that datasets lie apart. Near in the picture is mostly, not always, near for the scores.", made.element);
}

function datasetsOf(task) {
  const some = task.nearest_datasets ?? [];
  const made = chart(`Datasets most like the task: ${some.map((row) => `${row.dataset} ${row.cosine.toFixed(2)}`).join(", ")}.`, (now) => ({
    type: "bar",
    data: { labels: some.map((row) => row.dataset), datasets: [{ data: some.map((row) => row.cosine), backgroundColor: now.accent, barThickness: 12, borderRadius: 3 }] },
    options: { indexAxis: "y", scales: { x: { min: 0, max: 1 }, y: { grid: { display: false }, ticks: { color: now.text } } },
      plugins: { tooltip: { callbacks: { label: (item) => `cosine ${item.parsed.x.toFixed(2)}` } } } },
  }), { height: 40 + 30 * some.length });
  return section("Datasets most like it", "How nearly the mean of the task's inputs points the way a dataset's mean does; 1 is the same.",
    some.length ? made.element : h("p", { class: "muted" }, "No input has been scored yet."));
}

/** What the score `auto` weighs, where it leads. */
function autoOf(task) {
  const { auto } = task;
  if (!auto) return "";
  const { leader, baseline } = task.scored ?? task.decision;
  const pair = ({ leader: a, baseline: b }, write = score) => (leader === baseline ? [write(a)] : [write(a), " for ", model(leader), " and ", write(b), " for ", model(baseline)]);
  const signed = (value) => `${value < 0 ? "−" : "+"}${score(Math.abs(value))}`;
  const all = auto.datasets.reduce((sum, row) => sum + Math.max(0, row.weight), 0) || 1;
  const rows = [
    ["Against the mean of all models, over the benchmark", pair(auto.average, signed)],
    ["From the datasets near it", pair(auto.prior)],
    ["Expected now", h("span", {}, pair(auto.expected), auto.deviation ? h("span", { class: "muted" }, `; their difference is known to ${score(auto.deviation)} or so`) : null)],
    ["Trust in nearness", `what the datasets near it say counts ${score(auto.trust)} times: so much has proved right on datasets left out`],
    ["Labelled inputs of its own", count(auto.labels)],
    ...(auto.feedback ? [["Scored answers", `${count(auto.feedback.n)}, of them ${count(auto.feedback.leader.n)} by ${leader}`]] : []),
    ["Datasets that weigh most", auto.datasets.filter((row) => row.weight / all >= 0.005).map((row) => `${row.dataset} ${percent(row.weight / all)}`).join(", ") || "–"],
  ];
  return section("What auto weighs", null, h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function labelsOf(task) {
  if (!task.labels) return "";
  const rows = Array.isArray(task.labels) ? task.labels : Object.entries(task.labels).map(([name, about]) => ({ model: name, ...(typeof about === "object" ? about : { labels: about }) }));
  if (!rows.length) return "";
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== "model");
  return section("Labels", "Feedback on answers of this task: what was really right.", table("Labels by model", [
    { title: "Model", cell: (row) => model(row.model) },
    ...names.map((name) => ({ title: name.replaceAll("_", " "), class: "num", cell: (row) => (typeof row[name] === "number" ? +row[name].toFixed(3) : row[name] ?? "–") })),
  ], rows).element);
}

/** Pinning, restricting, taking back. What it shows is of the moment the page was opened; a change opens it anew. */
function policyOf(id, context, { policy, models, task }) {
  const { said, in_force: now, configured } = policy;
  const path = `${taskPath(id)}/policy`;
  const change = async (method, body, words) => {
    try {
      await call(`${path}?version=${policy.version}`, { method, body });
      await context.again();
      context.say("good", words);
    } catch (error) {
      context.say("bad", error.message);
    }
  };
  const state = h("p", {}, now.pin ? ["Pinned to ", model(now.pin), "."] : now.candidates ? `May use ${now.candidates.join(", ")}.` : "Routed by evidence, among all models.",
    configured && Object.keys(configured).length ? h("span", { class: "muted" }, " The configuration says something of it too.") : null);
  const fault = policy.fault ? banner("warn", `What was said is not in force: ${policy.fault}`) : null;
  if (!context.me.may_manage) return h("div", { class: "stack" }, state, fault, h("p", { class: "muted" }, "This key looks, and changes nothing."), past(policy));
  const pin = h("select", { id: "pin" }, models.map((name) => h("option", { value: name, selected: name === (now.pin ?? task.decision.model) }, name)));
  const boxes = models.map((name) => h("input", { type: "checkbox", name, checked: !now.candidates || now.candidates.includes(name) }));
  const keep = (extra) => { const terms = { ...(said ?? {}), ...extra }; for (const [name, value] of Object.entries(terms)) if (value === undefined) delete terms[name]; return terms; };
  return h("div", { class: "stack" }, state, fault,
    h("form", { on: { submit: (event) => { event.preventDefault(); change("PUT", keep({ pin: pin.value }), `Pinned to ${pin.value}. Its requests go there from now on.`); } } },
      h("div", { class: "row end" }, h("label", {}, "Always use", pin), h("button", { type: "submit", class: "primary" }, "Pin"),
        now.pin ? h("button", { type: "button", on: { click: () => unpin() } }, "Unpin") : null)),
    h("details", {}, h("summary", {}, "Restrict the models it may use"),
      h("form", { on: { submit: (event) => { event.preventDefault(); restrict(); } } },
        h("fieldset", {}, h("legend", {}, "May use"), h("div", { class: "choices" }, models.map((name, place) => h("label", { class: "line" }, boxes[place], model(name))))),
        h("div", { class: "row" }, h("button", { type: "submit" }, "Restrict")))),
    said ? h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: () => change("DELETE", undefined, "Taken back: the configuration alone holds again.") } }, "Take back all that was said here")) : null,
    past(policy));

  function unpin() {
    const rest = keep({ pin: configured?.pin ? null : undefined });
    return Object.keys(rest).length ? change("PUT", rest, "Unpinned: the evidence decides again.") : change("DELETE", undefined, "Unpinned: the evidence decides again.");
  }
  function restrict() {
    const some = models.filter((_, place) => boxes[place].checked);
    if (!some.length) return context.say("bad", "Leave at least one model.");
    return change("PUT", keep({ candidates: some.length === models.length ? null : some }), "Restricted, and decided on again.");
  }
}

function past(policy) {
  if (!policy.history.length) return null;
  return h("details", {}, h("summary", {}, `What was said before (${plural(policy.history.length, "version")})`),
    h("ol", { class: "timeline" }, [...policy.history].reverse().map((one) => h("li", {}, h("time", { datetime: one.at, title: moment(one.at) }, ago(one.at)),
      h("span", {}, `version ${one.version}${one.by ? `, by ${one.by}` : ""}: `, one.said ? h("code", {}, JSON.stringify(one.said)) : "taken back")))));
}

/** What a prompt would be decided as, stored nowhere. */
function tryOf(id) {
  const text = h("textarea", { id: "prompt", required: true, placeholder: "One input a line" });
  const as = h("input", { type: "checkbox", checked: true });
  const told = h("div", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const inputs = text.value.split("\n").map((line) => line.trim()).filter(Boolean);
    told.replaceChildren(h("p", { class: "muted" }, "Asking the scorer…"));
    try {
      const found = await call("v1/route", { method: "POST", body: { inputs, ...(as.checked ? { task: id } : {}) } });
      const names = namesOfScores(found.scores);
      const task = { decision: found.decision, scores: found.scores };
      told.replaceChildren(h("div", { class: "stack" },
        h("p", {}, "A task of ", plural(inputs.length, "such input"), " would get ", model(found.decision.model), ". ", because(task),
          h("span", { class: "muted" }, ` Distance ${found.u?.toFixed(2) ?? "–"}; most like ${found.nearest_datasets.map((row) => row.dataset).join(", ")}.`)),
        wouldChange(found.decision),
        scoreTable(task, names)));
    } catch (error) {
      told.replaceChildren(banner("bad", error.message));
    }
  };
  return section("Try inputs", "What the evidence says of them. Nothing is stored, and no model is asked.",
    h("form", { on: { submit } }, h("label", {}, "Inputs", text), h("label", { class: "line" }, as, "With this task's candidates and score"),
      h("div", { class: "row" }, h("button", { type: "submit" }, "Decide"))), told);
}
