// The active pack, fetched at most twice a minute for all pages.

import { callOrNull } from "./api.js";

const MAX_AGE_MS = 30000;
const cache = { fetchedAt: -Infinity, pack: null, isLoaded: true };

/** The active pack with its report; null if none is active or it cannot be read. */
export async function activePack({ refresh = false } = {}) {
  if (refresh || performance.now() - cache.fetchedAt > MAX_AGE_MS) {
    const list = await callOrNull("v1/packs");
    if (list) cache.isLoaded = Boolean(list.active); // a failed call says nothing about the pack: keep the last answer
    cache.pack = list?.active ? await callOrNull(`v1/packs/${encodeURIComponent(list.active)}`) : null;
    cache.fetchedAt = performance.now();
  }
  return cache.pack;
}

/** A pack's models, best on average first, that are configured, by their names in the configuration. */
export function configuredOnAverage(pack) {
  const names = new Map(Object.entries(pack?.evidence ?? {}).filter(([, match]) => match.name).map(([model, match]) => [match.name, model]));
  return (pack?.on_average ?? []).map((name) => names.get(name)).filter(Boolean);
}

/** Whether a pack is active, as of the last fetch. */
export const isPackLoaded = () => cache.isLoaded;

/** The median and largest distance of a dataset from the others, from a pack's report; null if it has none. */
export function datasetDistances(report) {
  const distances = (report?.datasets ?? []).map((row) => row.distance).filter((u) => typeof u === "number").sort((a, b) => a - b);
  return distances.length ? { median: distances[Math.floor((distances.length - 1) / 2)], largest: distances[distances.length - 1] } : null;
}
