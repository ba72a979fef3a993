// The application shell: routing by URL hash, sign-in, periodic refresh, theme. A page is a function that fills an
// element and returns {title, refresh}.

import { ApiError, apiKey, call, callOrNull } from "./api.js";
import { destroyDetachedCharts, redrawCharts } from "./charts.js";
import { registerModels } from "./components.js";
import { banner, h } from "./dom.js";
import { hashPath, hashQuery, setHashQuery } from "./hash.js";
import { keysPage } from "./pages/keys.js";
import { modelsPage } from "./pages/models.js";
import { overviewPage } from "./pages/overview.js";
import { packsPage } from "./pages/packs.js";
import { playgroundPage } from "./pages/playground.js";
import { requestPage } from "./pages/request.js";
import { requestsPage } from "./pages/requests.js";
import { taskPage } from "./pages/task.js";
import { tasksPage } from "./pages/tasks.js";
import { clientKey } from "./playground/client_key.js";
import { forgetState } from "./playground/state.js";
import { CLIENT_KEY_MESSAGE, signInError, signInForm } from "./sign_in.js";

const PAGES = [
  { path: /^\/$/, name: "Overview", href: "#/", render: overviewPage },
  { path: /^\/tasks$/, name: "Tasks", href: "#/tasks", render: tasksPage },
  { path: /^\/tasks\/(.+)$/, parent: "#/tasks", render: taskPage },
  { path: /^\/requests$/, name: "Requests", href: "#/requests", render: requestsPage },
  { path: /^\/requests\/(.+)$/, parent: "#/requests", render: requestPage },
  { path: /^\/playground$/, name: "Playground", href: "#/playground", render: playgroundPage },
  { path: /^\/models$/, name: "Models", href: "#/models", render: modelsPage },
  { path: /^\/packs$/, name: "Packs", href: "#/packs", render: packsPage },
  { path: /^\/keys$/, name: "Keys", href: "#/keys", render: keysPage },
];
const REFRESH_MS = 5000;

const main = document.getElementById("main");
const notice = document.getElementById("notice");
let principal = null;
let navigation = 0; // increases whenever a page is shown; responses of an older one are dropped
let visit = 0; // the same, without a reload of the page
let timer = null;
let isStale = false;
let shown = new AbortController(); // aborted when the page that is shown is left

/**
 * What pages get: the caller's permissions, notifications, a reload of the page, and the query in the URL's hash.
 *
 * left: aborted when the page is left, be it for another one, to show it anew, or by signing out. Its timers and answers
 * may come later: then they reload nothing, do not change the address of another page, and tell nothing after signing out.
 */
function context() {
  const [mine, here] = [principal, visit];
  return {
    principal, left: shown.signal, query: hashQuery(),
    notify: (kind, text) => { if (principal === mine) notify(kind, text); },
    reload: async () => { if (visit === here) await showPage(); },
    setQuery: (values) => { if (visit === here) setHashQuery(values); },
  };
}

/** Return the number of the page that is shown next. */
function leavePage(isReload) {
  clearTimeout(timer);
  if (!isReload) ++visit;
  shown.abort();
  shown = new AbortController();
  return ++navigation;
}

function notify(kind, text) {
  notice.replaceChildren(...(text ? [banner(kind, text)] : []));
}

async function showPage({ isNavigation = false } = {}) {
  const current = leavePage(!isNavigation);
  const path = hashPath();
  const page = PAGES.find((one) => one.path.test(path)) ?? PAGES[0];
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === (page.href ?? page.parent)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: "stack" });
  try {
    const rendered = await page.render(root, context(), path.match(page.path)?.slice(1).map(decodeURIComponent) ?? []);
    if (current !== navigation) return;
    main.replaceChildren(...root.childNodes);
    destroyDetachedCharts();
    document.title = `${rendered.title} · Benchroute`;
    if (isNavigation) { notify(); main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
    main.dataset.ready = path;
    if (rendered.refresh) scheduleRefresh(rendered.refresh, current);
  } catch (error) {
    if (current === navigation) showFailure(error);
  }
}

function scheduleRefresh(refresh, current) {
  timer = setTimeout(async () => {
    if (current !== navigation) return;
    try {
      if (!document.hidden) await refresh();
      if (current === navigation && isStale) setStale(null);
    } catch (error) {
      if (current !== navigation) return;
      if (error instanceof ApiError && error.status !== 401) setStale(error);
      else return showFailure(error);
    }
    if (current === navigation) scheduleRefresh(refresh, current);
  }, REFRESH_MS);
}

/** Keep the last data on the page after a failed refresh, marked as stale; error: null after a successful one. */
function setStale(error) {
  isStale = error !== null;
  if (!isStale) notify();
  else if (error.status === 0) notify("warn", "Connection lost; showing stale data. Check that the gateway is running.");
  else notify("warn", `Refresh failed; showing stale data. ${error.message}`);
}

function showFailure(error) {
  if (error instanceof ApiError && error.status === 401) return showSignIn(apiKey.get() ? signInError(error) : "");
  const message = principal === null && error instanceof ApiError ? signInError(error) : error.message;
  main.replaceChildren(h("div", { class: "page-head" }, h("h1", {}, "Page failed to load")),
    banner("bad", message), h("div", { class: "row" }, h("button", { type: "button", on: { click: () => (principal ? showPage() : open()) } }, "Retry")));
  main.dataset.ready = "failed";
  if (!(error instanceof ApiError)) console.error(error);
}

/** typed: the key in the field, for another attempt with it. */
function showSignIn(message, typed = "") {
  leavePage(false);
  principal = null;
  apiKey.set(null);
  updateHeader();
  notify();
  const { element, field } = signInForm(message, signIn);
  field.value = typed;
  main.replaceChildren(element);
  document.title = "Sign in · Benchroute";
  main.dataset.ready = "signin";
  field.focus();
}

/** Leave nothing of what was typed: whoever comes to this tab next may be somebody else. */
function signOut() {
  showSignIn("");
  clientKey.set(null);
  forgetState();
}

async function signIn(key) {
  apiKey.set(key);
  try {
    await start();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showSignIn(signInError(error), error.status === 401 ? "" : key);
  }
}

function updateHeader() {
  const nav = document.getElementById("nav");
  nav.hidden = principal === null;
  if (principal && !nav.childNodes.length) {
    nav.append(...PAGES.filter((page) => page.name).map((page) => h("a", { href: page.href }, page.name)));
  }
  document.getElementById("sign-out").hidden = !apiKey.get();
  document.getElementById("principal").textContent = principal === null ? ""
    : !principal.needs_key ? "No authentication (localhost only)"
      : `${principal.name}${principal.is_admin && !principal.may_manage ? " (read-only)" : ""}`;
}

/** Read what the key may do, and show the page. Throws ApiError if that fails. */
async function start() {
  principal = await call("v1/me");
  registerModels((await callOrNull("v1/models"))?.data.map((one) => one.id).filter((id) => id !== "auto") ?? []);
  if (!principal.may_operate) return showSignIn(CLIENT_KEY_MESSAGE);
  updateHeader();
  await showPage({ isNavigation: true });
}

/** Start with the key of this tab, if there is one. It is kept while the gateway cannot tell whether it is valid. */
const open = () => start().catch((error) => showFailure(error));

const THEMES = { auto: "System", light: "Light", dark: "Dark" };
const themeButton = document.getElementById("theme");

function labelThemeButton() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  themeButton.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
  themeButton.setAttribute("aria-label", `Theme: ${THEMES[theme]}. Change theme`);
  themeButton.title = `Theme: ${THEMES[theme]}`;
}

themeButton.addEventListener("click", () => {
  const order = Object.keys(THEMES);
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % order.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem("benchroute.theme", next); } catch { /* storage is blocked: the theme lasts for this page */ }
  labelThemeButton();
  redrawCharts();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
document.getElementById("sign-out").addEventListener("click", signOut);
document.getElementById("skip").addEventListener("click", () => main.focus());
window.addEventListener("hashchange", () => (principal ? showPage({ isNavigation: true }) : null));
labelThemeButton();
open();
