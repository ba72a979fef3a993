// Chart.js with the page's colours. Every chart has an aria-label that states what it shows. Charts over time: series_chart.js.

import { h } from "./dom.js";

const mounted = new Set();
const COLOUR_NAMES = ["text", "muted", "line", "surface", "accent", "good", "warn", "bad", "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];

/** The theme's current colours, by CSS variable name: a canvas cannot read CSS variables. */
export function themeColours() {
  const probe = h("span", { class: "sr" });
  document.body.append(probe);
  const colours = {};
  for (const name of COLOUR_NAMES) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

export const withAlpha = (colour, alpha) => colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);

/**
 * A chart. label: its aria-label. makeConfig(colours) returns Chart.js' configuration.
 * Returns {element, update(makeConfig, label)}.
 */
export function chart(label, makeConfig, { height = 180 } = {}) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const element = h("div", { class: "chart", vars: { "--h": `${height}px` } }, canvas);
  const entry = { canvas, makeConfig, chart: null };
  mounted.add(entry);
  queueMicrotask(() => draw(entry));
  return {
    element,
    update(changedConfig, changedLabel = label) {
      canvas.setAttribute("aria-label", changedLabel);
      entry.makeConfig = changedConfig;
      if (!entry.chart) return;
      const config = withTheme(changedConfig(themeColours()));
      entry.chart.data = config.data;
      entry.chart.options = config.options;
      entry.chart.update("none");
    },
  };
}

function draw(entry) {
  entry.chart?.destroy();
  entry.chart = new window.Chart(entry.canvas, withTheme(entry.makeConfig(themeColours())));
}

/** Redraw all charts after a change of theme. */
export function redrawCharts() {
  for (const entry of mounted) {
    if (entry.canvas.isConnected) draw(entry);
    else destroy(entry);
  }
}

/** Destroy the charts of pages that were left: Chart.js keeps listeners until then. */
export function destroyDetachedCharts() {
  for (const entry of mounted) if (entry.chart && !entry.canvas.isConnected) destroy(entry);
}

function destroy(entry) {
  entry.chart?.destroy();
  mounted.delete(entry);
}

function withTheme(config) {
  const colours = themeColours();
  const font = { family: "system-ui, sans-serif", size: 12 };
  const options = config.options ?? {};
  const scales = {};
  for (const [axis, scale] of Object.entries(options.scales ?? {})) {
    scales[axis] = {
      ...scale,
      grid: { color: colours.line, drawTicks: false, ...scale.grid },
      border: { display: false, ...scale.border },
      ticks: { color: colours.muted, font, maxRotation: 0, padding: 6, ...scale.ticks },
      title: scale.title ? { display: true, color: colours.muted, font, ...scale.title } : { display: false },
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
        legend: { display: false, labels: { color: colours.text, font, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 2 } },
        ...options.plugins,
        tooltip: { backgroundColor: colours.text, titleColor: colours.surface, bodyColor: colours.surface, padding: 8, boxPadding: 4, ...options.plugins?.tooltip },
      },
    },
  };
}

/** A bar chart the size of a word, without axes. */
export function sparkline(label, values) {
  return chart(label, (colours) => ({
    type: "bar",
    data: { labels: values.map(String), datasets: [{ data: values, backgroundColor: colours.accent, barPercentage: 1, categoryPercentage: 0.9 }] },
    options: {
      scales: { x: { display: false }, y: { display: false, beginAtZero: true, suggestedMax: 3 } },
      plugins: { tooltip: { enabled: false } }, events: [],
    },
  }), { height: 26 }).element;
}
