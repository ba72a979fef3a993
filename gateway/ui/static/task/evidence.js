// The benchmark near a task: questions, a map, datasets.

import { chart, withAlpha } from "../charts.js";
import { command } from "../copy.js";
import { h, section, table } from "../dom.js";
import { plural, score } from "../format.js";
import { NO_INPUTS } from "./scores.js";

const MAX_QUESTIONS = 8;

export function nearestQuestions(evidence) {
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

export function embeddingMap(evidence, id) {
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

export function nearestDatasets(task) {
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
