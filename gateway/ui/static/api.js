// The gateway's endpoints, with the key that was typed in. The key lives in this tab's session, and goes nowhere else.

const KEPT = "benchroute.key";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEPT),
  set: (value) => (value ? sessionStorage.setItem(KEPT, value) : sessionStorage.removeItem(KEPT)),
};

/** One call; what it answers, or an ApiError in the gateway's own words. path: below the gateway's root. */
export async function call(path, { method = "GET", body } = {}) {
  const headers = {};
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(`../${path}`, document.baseURI), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
    });
  } catch {
    throw new ApiError(0, "unreachable", "The gateway does not answer. Is it running?");
  }
  const told = await answer.json().catch(() => null);
  if (!answer.ok) {
    throw new ApiError(answer.status, told?.error?.code ?? null, told?.error?.message ?? `The gateway answered ${answer.status}.`);
  }
  return told;
}

/** One call of which nothing may be known: null where it is not there, or not allowed, or not possible now. */
export async function perhaps(path) {
  try {
    return await call(path);
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401 && error.status !== 0) return null;
    throw error;
  }
}

/** A task's path: its name may hold slashes, which stay. */
export const taskPath = (id) => `v1/tasks/${id.split("/").map(encodeURIComponent).join("/")}`;
