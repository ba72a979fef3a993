// The scores of a task's candidates, as a chart and a table.

import { chart, withAlpha } from "../charts.js";
import { modelColour, modelLabel } from "../components.js";
import { h, replaceContent, table } from "../dom.js";
import { count, percent, score } from "../format.js";
import { scoreInterval, scoreNames } from "../scores.js";

export const NO_INPUTS = "No inputs scored yet. Send requests with this task ID; scores appear within seconds while a pack is loaded.";

/** The score that decides a task. */
export const decidingScore = (task) => task.decision.score ?? task.scored?.score ?? "s3";

const SCORE_DESCRIPTIONS = {
  s1: "S1: mean of the predicted scores.",
  s2: "S2: share of inputs predicted to be correct.",
  s3: "S3: S2 corrected for the predictor's reliability at this distance.",
  auto: "auto: results on the most similar datasets, weighted by how well similarity predicts results on held-out datasets. "
    + "The bars leave out the task's difficulty, which affects all models alike.",
};

/** All scores in a table, and a selected one as a chart with its intervals. */
export function scoresView() {
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

export const scoreLabel = (name) => (/^s\d$/.test(name) ? name.toUpperCase() : name);

export function scoreTable(task, names) {
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
