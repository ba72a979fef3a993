// The sign-in form, and what is wrong if signing in fails.

import { banner, h } from "./dom.js";

/** A key of the API has visible ASCII characters only; a browser cannot send any other in a header. */
const KEY_TEXT = /^[\x21-\x7e]+$/;

export const CLIENT_KEY_MESSAGE = "This is a client key. Client keys cannot open the dashboard. Sign in with an admin key.";

/** A typed or pasted key without what surrounds it in headers and files: quotes, `Bearer`, white space. */
export const cleanKey = (text) => text.trim().replace(/^Bearer\s+/i, "").replace(/^(["'])(.*)\1$/, "$2");

/** What is wrong with a key before it is sent; null if nothing is. */
export const keyFault = (key) => (KEY_TEXT.test(key) ? null : "The key contains spaces or characters that no key has. Copy it again, as a whole and without line breaks.");

/** What went wrong at sign-in, and what to do. error: ApiError of GET /v1/me. */
export function signInError(error) {
  if (error.code === "invalid_api_key") return "Invalid API key: it is unknown or revoked. Sign in with another key.";
  if (error.code === "missing_api_key") return "";
  if (error.status === 0) return `Cannot reach the gateway at ${location.host}. Check that it is running and that this address is right, then sign in again.`;
  if (!error.code && error.status >= 500) return `${error.message} It may come from a proxy in front of the gateway.`;
  if (!error.code && error.status !== 401) return `${error.message} Check that this address is the gateway's.`;
  return error.message;
}

/** The form. message: what is wrong, empty at first. signIn(key): called with a key that can be sent. */
export function signInForm(message, signIn) {
  const field = h("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const error = h("div", {}, message ? banner("bad", message) : null);
  const submit = (event) => {
    event.preventDefault();
    const key = cleanKey(field.value);
    const fault = keyFault(key);
    if (fault) error.replaceChildren(banner("bad", fault));
    else signIn(key);
  };
  const element = h("section", { class: "card signin", "aria-labelledby": "signin" },
    h("div", { class: "card-head" }, h("h1", { id: "signin" }, "Sign in"),
      h("p", { class: "muted" }, "Enter an admin key of this gateway. A read-only admin key can view everything. "
        + "The key is stored in this tab until you close it or sign out.")),
    error,
    h("form", { on: { submit } },
      h("label", {}, "Admin key", field),
      h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Sign in"))));
  return { element, field };
}
