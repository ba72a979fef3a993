// Chart.js in the page's colours. Every chart says in words what it shows.

import { h } from "./dom.js";

const living = new Set();
const NAMES = ["text", "muted", "line", "surface", "accent", "good", "warn", "bad", "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];

/** The page's colours as they are now: a canvas cannot read CSS variables. */
export function colours() {
  const probe = h("span", { class: "sr" });
  document.body.append(probe);
  const found = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

export const faded = (colour, share) => colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

/**
 * A chart. make(colours) gives Chart.js' configuration; said: what it shows, for those who do not see it.
 * Returns {element, update(change)}: change gets the chart's configuration to alter.
 */
export function chart(said, make, { height = 180, tall = false } = {}) {
  const canvas = h("canvas", { role: "img", "aria-label": said });
  const element = h("div", { class: tall ? "chart tall" : "chart", vars: { "--h": `${height}px` } }, canvas);
  const one = { canvas, make, chart: null };
  const draw = () => {
    one.chart?.destroy();
    one.chart = new window.Chart(canvas, dressed(make(colours())));
  };
  one.draw = draw;
  living.add(one);
  queueMicrotask(draw);
  return {
    element,
    update(changed, words = said) {
      canvas.setAttribute("aria-label", words);
      one.make = changed;
      if (!one.chart) return;
      const next = dressed(changed(colours()));
      one.chart.data = next.data;
      one.chart.options = next.options;
      one.chart.update("none");
    },
  };
}

/** All charts once more: the colours have changed. */
export function redraw() {
  for (const one of living) {
    if (!one.canvas.isConnected) forget(one);
    else {
      one.chart?.destroy();
      one.chart = new window.Chart(one.canvas, dressed(one.make(colours())));
    }
  }
}

/** Those whose page is gone. */
export function sweep() {
  for (const one of living) if (one.chart && !one.canvas.isConnected) forget(one);
}

function forget(one) {
  one.chart?.destroy();
  living.delete(one);
}

function dressed(config) {
  const now = colours();
  const font = { family: "system-ui, sans-serif", size: 12 };
  const options = config.options ?? {};
  const scales = {};
  for (const [axis, about] of Object.entries(options.scales ?? {})) {
    scales[axis] = {
      ...about,
      grid: { color: now.line, drawTicks: false, ...about.grid },
      border: { display: false, ...about.border },
      ticks: { color: now.muted, font, maxRotation: 0, padding: 6, ...about.ticks },
      title: about.title ? { display: true, color: now.muted, font, ...about.title } : { display: false },
    };
  }
  return {
    ...config,
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      ...options,
      scales,
      plugins: {
        legend: { display: false, labels: { color: now.text, font, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 2 } },
        ...options.plugins,
        tooltip: { backgroundColor: now.text, titleColor: now.surface, bodyColor: now.surface, padding: 8, boxPadding: 4, ...options.plugins?.tooltip },
      },
    },
  };
}

const FEWEST = 15;

/**
 * Every minute up to now, with nothing where nothing happened. Returns [{at: Date, ...}]. What lies before the first
 * request is left out, down to a quarter of an hour: a gateway that has just started shows what it has.
 */
export function everyMinute(activity, blank) {
  const by = new Map(activity.data.map((minute) => [new Date(minute.at).getTime(), minute]));
  const end = new Date(activity.until).getTime();
  const first = Math.min(...by.keys(), end);
  const length = Math.min(activity.minutes, Math.max(FEWEST, Math.round((end - first) / 60000) + 1));
  return Array.from({ length }, (_, place) => {
    const at = end - (length - place) * 60000;
    return { ...blank, ...by.get(at), at: new Date(at) };
  });
}

const time = (date) => date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Lines over the minutes. lines: (colours) => [{label, value(minute), colour, fill, dash}]. */
export function overTime(said, activity, lines, { format = String, height = 160, stacked = false, kind = "line" } = {}) {
  const config = (some) => (now) => {
    const minutes = everyMinute(some, { requests: 0, errors: 0, refused: 0, usd: 0, best_on_average_usd: 0 });
    return {
      type: kind,
      data: {
        labels: minutes.map((minute) => time(minute.at)),
        datasets: lines(now).map((line) => ({
          label: line.label, data: minutes.map(line.value), borderColor: line.colour, borderWidth: kind === "bar" ? 0 : 1.75,
          backgroundColor: kind === "bar" ? line.colour : line.fill ? faded(line.colour, 0.12) : line.colour, fill: Boolean(line.fill),
          borderDash: line.dash ?? [], pointRadius: line.points ? 2 : 0, spanGaps: true, stepped: false, tension: 0.25,
          barPercentage: 1, categoryPercentage: 0.85, borderRadius: 1,
        })),
      },
      options: {
        scales: {
          x: { stacked, grid: { display: false }, ticks: { autoSkip: true, maxTicksLimit: 7 } },
          y: { stacked, beginAtZero: true, ticks: { maxTicksLimit: 4, precision: kind === "bar" ? 0 : undefined, callback: (value) => format(value) } },
        },
        plugins: {
          legend: { display: lines(now).length > 1, position: "top", align: "end", labels: { color: now.text, usePointStyle: true, pointStyle: kind === "bar" ? "rectRounded" : "line", boxHeight: 7, pointStyleWidth: kind === "bar" ? 10 : 22 } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${format(item.parsed.y)}` } },
        },
      },
    };
  };
  const made = chart(said, config(activity), { height });
  return { element: made.element, update: (some, words) => made.update(config(some), words) };
}

/** A row's traffic, as small as a word. */
export function spark(said, values) {
  return chart(said, (now) => ({
    type: "bar",
    data: { labels: values.map(String), datasets: [{ data: values, backgroundColor: now.accent, barPercentage: 1, categoryPercentage: 0.9 }] },
    options: {
      scales: { x: { display: false }, y: { display: false, beginAtZero: true, suggestedMax: 3 } },
      plugins: { tooltip: { enabled: false } }, events: [],
    },
  }), { height: 26 }).element;
}
