// The changes of a task's model.

import { chart } from "../charts.js";
import { modelColour, modelLabel, reasonTag } from "../components.js";
import { h } from "../dom.js";
import { dateTime, plural, timeAgo } from "../format.js";

export function historyChart(task) {
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

export function historyItems(task) {
  const changes = [...(task.history ?? [])].reverse().slice(0, MAX_HISTORY);
  if (!changes.length) return [h("li", {}, h("span", { class: "muted" }, "No decision yet. The first scored input leads to one."))];
  return changes.map((change) => h("li", {}, h("time", { datetime: change.at, title: dateTime(change.at) }, timeAgo(change.at)),
    h("span", {}, modelLabel(change.model), h("span", { class: "muted" }, ` after ${plural(change.n, "input")}: `), reasonTag(change))));
}
