// HTTP calls to the gateway with the key typed in at sign-in. The key stays in this tab's session storage.

const STORAGE_KEY = "benchroute.key";

export class ApiError extends Error {
  /** status: HTTP status, 0 if the gateway cannot be reached. */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const apiKey = {
  get: () => sessionStorage.getItem(STORAGE_KEY),
  set: (value) => (value ? sessionStorage.setItem(STORAGE_KEY, value) : sessionStorage.removeItem(STORAGE_KEY)),
};

/**
 * Call an endpoint and return its JSON. path: relative to the gateway's root. key: in place of the one typed in at sign-in.
 * Throws ApiError with the API's message.
 */
export async function call(path, { method = "GET", body, key } = {}) {
  const headers = {};
  const secret = key ?? apiKey.get();
  if (secret) headers.authorization = `Bearer ${secret}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(`../${path}`, document.baseURI), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
    });
  } catch {
    throw new ApiError(0, "unreachable", "Cannot reach the gateway. Check that it is running, then retry.");
  }
  const json = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, json?.error?.code ?? null, json?.error?.message ?? `The gateway returned HTTP ${response.status}.`);
  }
  return json;
}

/** Like call, but null if the resource is missing, forbidden or unavailable. Throws on 401 and if the gateway is unreachable. */
export async function callOrNull(path) {
  try {
    return await call(path);
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401 && error.status !== 0) return null;
    throw error;
  }
}

/** All rows of a list, page by page. path: without limit and cursor. */
export async function callPages(path) {
  const rows = [];
  let cursor = "";
  do {
    const page = await call(`${path}${path.includes("?") ? "&" : "?"}limit=1000${cursor && `&cursor=${cursor}`}`);
    rows.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return rows;
}

/** The path of a task's endpoint. Slashes in task IDs stay unescaped, as the API expects. */
export const taskPath = (id) => `v1/tasks/${id.split("/").map(encodeURIComponent).join("/")}`;
