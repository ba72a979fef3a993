// The page's address: `#/path?name=value`. The query holds what a page shows (filters, range, sorting), so that a link to
// it shows the same.

/** The path in the URL's hash. */
export const hashPath = () => location.hash.slice(1).split("?")[0] || "/";

/** The query in the URL's hash, as URLSearchParams. */
export const hashQuery = () => new URLSearchParams(location.hash.split("?")[1] ?? "");

/** Replace the query without a navigation. values: by name; null and "" are left out. */
export function setHashQuery(values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== "")).toString();
  history.replaceState(null, "", `#${hashPath()}${query && `?${query}`}`);
}
