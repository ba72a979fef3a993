// Formatting of numbers, money, durations and times.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SMALLEST_USD = 1e-8;
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value >= 100000 ? COMPACT.format(value) : NUMBER.format(value));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/** A probability in percent. Rounding never turns an uncertain value into 0 % or 100 %. */
export function probability(p) {
  if (p > 0.99 && p < 1) return ">\u00a099\u00a0%";
  if (p < 0.01 && p > 0) return "<\u00a01\u00a0%";
  return percent(p);
}

/** US dollars; "–" for an unknown amount. A cost that is not 0 never reads as 0. */
export function usd(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size > 0 && size < SMALLEST_USD) return `${sign}<$${SMALLEST_USD.toFixed(8)}`;
  // Two significant digits where five decimals have less: the cost of one short request.
  if (size > 0 && size < 0.0001) return `${sign}$${size.toFixed(Math.ceil(-Math.log10(size)) + 1)}`;
  const digits = size === 0 || size >= 100 ? 0 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5;
  return `${sign}$${size.toFixed(digits)}`;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  if (value === 0) return "0 ms";
  return value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(value >= 1 ? 1 : 2)} ms`;
}

export const bytes = (value) => (value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e3).toFixed(0)} kB`);

export function dateTime(iso) {
  return iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "–";
}

export function timeAgo(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(iso).getTime()) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86400)} d ago`;
}

/** A text of the API with a full stop. Its first letter stays: it may be a model's name. */
export const withFullStop = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

export const capitalise = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
