// Charts over time of an answer of GET /v1/activity: one value for each of its steps, empty ones too.

import { chart, withAlpha } from "./charts.js";

const HOUR_MS = 3600000;
const DAY_MS = 24 * HOUR_MS;
const ZEROS = { requests: 0, errors: 0, rejected: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0, routed_cost_usd: 0, baseline_usd: 0, saved_usd: 0, compared_usd: 0, compared_saved_usd: 0, model_changes: 0 };

/** One entry for each step of the range, oldest first; steps without requests have zeros and no latencies. */
export function fillSteps(activity) {
  const byTime = new Map(activity.data.map((step) => [Date.parse(step.at), step]));
  const [from, until, length] = [Date.parse(activity.from), Date.parse(activity.until), 1000 * activity.step_s];
  return Array.from({ length: Math.round((until - from) / length) }, (_, index) => {
    const at = from + index * length;
    return { ...ZEROS, ...byTime.get(at), at: new Date(at) };
  });
}

/** "1 min", "5 min", "2 h", "1 d". */
export function stepLength(activity) {
  const minutes = activity.step_s / 60;
  return minutes % 1440 === 0 ? `${minutes / 1440} d` : minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}

const day = (date) => date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
const time = (date) => date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** The name of a step: as long as it must be to tell it from the others of its range. */
export function stepLabel(at, activity) {
  if (activity.step_s >= 86400) return day(at);
  const length = Date.parse(activity.until) - Date.parse(activity.from);
  return length <= DAY_MS ? time(at) : `${day(at)}, ${time(at)}`;
}

/** Its name on the axis: the day is enough where there are many. */
const axisLabel = (step, activity) => (Date.parse(activity.until) - Date.parse(activity.from) > 8 * DAY_MS ? day(step.at) : stepLabel(step.at, activity));

/** Dashed lines at the steps in which a task's model changed: options.marks, by index. */
const changeMarks = {
  id: "changeMarks",
  afterDatasetsDraw({ ctx, chartArea, scales }, _, { marks = [], colour }) {
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.setLineDash([2, 3]);
    for (const index of marks) {
      const x = Math.round(scales.x.getPixelForValue(index)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
    }
    ctx.restore();
  },
};

const changesIn = (step) => (step?.model_changes ? `${step.model_changes} model ${step.model_changes === 1 ? "change" : "changes"}` : "");

/** Points for values between gaps, which no line would show. */
const pointRadius = ({ dataset, dataIndex }) => {
  const isGap = (index) => dataset.data[index] === null || dataset.data[index] === undefined;
  return isGap(dataIndex - 1) && isGap(dataIndex + 1) ? 2.5 : 0;
};

/**
 * A chart of values by step. lines: (colours, activity) => [{label, value(step), colour, fill, dash}]. kind: line or bar.
 * Returns {element, update(activity, label)}.
 */
export function seriesChart(label, activity, lines, { format = String, height = 170, kind = "line", isStacked = false } = {}) {
  const isBar = kind === "bar";
  const makeConfig = (shown) => (colours) => {
    const steps = fillSteps(shown);
    const drawn = lines(colours, shown);
    const dataset = (line) => ({
      label: line.label, data: steps.map(line.value), borderColor: line.colour, borderWidth: isBar ? 0 : 1.75,
      backgroundColor: isBar || !line.fill ? line.colour : withAlpha(line.colour, 0.12), fill: Boolean(line.fill), borderDash: line.dash ?? [],
      pointRadius, pointHitRadius: 6, tension: 0.2, barPercentage: 1, categoryPercentage: steps.length > 150 ? 1 : 0.85, borderRadius: 1,
    });
    return {
      type: kind,
      plugins: [changeMarks],
      data: { labels: steps.map((step) => stepLabel(step.at, shown)), datasets: drawn.map(dataset) },
      options: {
        scales: {
          x: { stacked: isStacked, grid: { display: false }, ticks: { autoSkip: true, autoSkipPadding: 18, maxTicksLimit: 7, callback: (index) => axisLabel(steps[index], shown) } },
          y: { stacked: isStacked, beginAtZero: true, ticks: { maxTicksLimit: 4, precision: isBar ? 0 : undefined, callback: (value) => format(value) } },
        },
        plugins: {
          changeMarks: { marks: steps.flatMap((step, index) => (step.model_changes ? [index] : [])), colour: colours.muted },
          legend: { display: drawn.length > 1, position: "top", align: "end", labels: { color: colours.text, usePointStyle: true, pointStyle: isBar ? "rectRounded" : "line", boxHeight: 7, pointStyleWidth: isBar ? 10 : 22 } },
          tooltip: { footerColor: colours.surface, callbacks: {
            label: (item) => `${item.dataset.label}: ${format(item.parsed.y)}`,
            footer: (items) => changesIn(steps[items[0]?.dataIndex]),
          } },
        },
      },
    };
  };
  const { element, update } = chart(label, makeConfig(activity), { height });
  return { element, update: (changed, changedLabel) => update(makeConfig(changed), changedLabel) };
}
