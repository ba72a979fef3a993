// The shell: which page, who is looking, light or dark. Pages are functions that fill an element and say how to renew it.

import { ApiError, call, key, perhaps } from "./api.js";
import { redraw, sweep } from "./charts.js";
import { banner, h } from "./dom.js";
import { learnModels } from "./parts.js";
import { keysPage } from "./pages/keys.js";
import { modelsPage } from "./pages/models.js";
import { overviewPage } from "./pages/overview.js";
import { packsPage } from "./pages/packs.js";
import { taskPage } from "./pages/task.js";
import { tasksPage } from "./pages/tasks.js";

const PAGES = [
  { path: /^\/$/, name: "Overview", href: "#/", show: overviewPage },
  { path: /^\/tasks$/, name: "Tasks", href: "#/tasks", show: tasksPage },
  { path: /^\/tasks\/(.+)$/, parent: "#/tasks", show: taskPage },
  { path: /^\/models$/, name: "Models", href: "#/models", show: modelsPage },
  { path: /^\/packs$/, name: "Packs", href: "#/packs", show: packsPage },
  { path: /^\/keys$/, name: "Keys", href: "#/keys", show: keysPage },
];
const RENEW_MS = 5000;

const main = document.getElementById("main");
const notice = document.getElementById("notice");
let me = null;
let shown = 0;
let timer = null;

/** What pages get: who is looking, and how to say something. */
const context = () => ({ me, say, go: (hash) => { location.hash = hash; }, again: () => show() });

function say(kind, text) {
  notice.replaceChildren(...(text ? [banner(kind, text)] : []));
}

async function show({ isNew = false } = {}) {
  const turn = ++shown;
  clearTimeout(timer);
  const path = location.hash.slice(1) || "/";
  const page = PAGES.find((one) => one.path.test(path)) ?? PAGES[0];
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === (page.href ?? page.parent)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: "stack" });
  try {
    const made = await page.show(root, context(), path.match(page.path)?.slice(1).map(decodeURIComponent) ?? []);
    if (turn !== shown) return;
    main.replaceChildren(...root.childNodes);
    sweep();
    document.title = `${made.title} · Benchroute`;
    if (isNew) { say(); main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
    main.dataset.ready = path;
    if (made.renew) renewLater(made.renew, turn);
  } catch (error) {
    if (turn === shown) failed(error);
  }
}

function renewLater(renew, turn) {
  timer = setTimeout(async () => {
    if (turn !== shown) return;
    try {
      if (!document.hidden) await renew();
      if (turn === shown) say.lost && lost(false);
    } catch (error) {
      if (turn !== shown) return;
      if (error instanceof ApiError && error.status !== 401) lost(true, error.message);
      else return failed(error);
    }
    if (turn === shown) renewLater(renew, turn);
  }, RENEW_MS);
}

/** What is on the page stays there while the gateway cannot be asked, and says that it is old. */
function lost(isLost, why = "") {
  say.lost = isLost;
  say(...(isLost ? ["warn", `${why} What you see is from before.`] : []));
}

function failed(error) {
  if (error instanceof ApiError && error.status === 401) return signIn(key.get() ? told(error) : "");
  main.replaceChildren(h("div", { class: "page-head" }, h("h1", {}, "This page cannot be shown")),
    banner("bad", error.message), h("div", { class: "row" }, h("button", { type: "button", on: { click: () => show() } }, "Try again")));
  main.dataset.ready = "failed";
  if (!(error instanceof ApiError)) console.error(error);
}

const told = (error) => (error.code === "invalid_api_key"
  ? "This key is not known, or not known any more: it may have expired or been revoked. Sign in with another one."
  : error.message);

function signIn(message) {
  ++shown;
  clearTimeout(timer);
  me = null;
  key.set(null);
  frame();
  say();
  const field = h("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const enter = async (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    await begin();
  };
  main.replaceChildren(h("section", { class: "card signin", "aria-labelledby": "signin" },
    h("div", { class: "card-head" }, h("h1", { id: "signin" }, "Sign in"),
      h("p", { class: "muted" }, "With an admin key of this gateway; a read-only one sees everything and changes nothing. "
        + "The key stays in this tab until you close it.")),
    message ? banner("bad", message) : null,
    h("form", { on: { submit: enter } },
      h("label", {}, "Admin key", field),
      h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Sign in")))));
  document.title = "Sign in · Benchroute";
  main.dataset.ready = "signin";
  field.focus();
}

function frame() {
  const nav = document.getElementById("nav");
  nav.hidden = me === null;
  if (me && !nav.childNodes.length) {
    nav.append(...PAGES.filter((page) => page.name).map((page) => h("a", { href: page.href }, page.name)));
  }
  document.getElementById("leave").hidden = !key.get();
  document.getElementById("who").textContent = me === null ? "" : !me.needs_key ? "no keys: this machine only"
    : `${me.name}${me.is_admin && !me.may_manage ? ", read-only" : ""}`;
}

async function begin() {
  try {
    me = await call("v1/me");
  } catch (error) {
    return failed(error);
  }
  learnModels((await perhaps("v1/models"))?.data.map((one) => one.id).filter((id) => id !== "auto") ?? []);
  if (!me.may_operate) return signIn("This key sends requests; the dashboard takes an admin key.");
  frame();
  await show({ isNew: true });
}

const THEMES = { auto: "As the system", light: "Light", dark: "Dark" };
const theme = document.getElementById("theme");

function themed() {
  const now = document.documentElement.dataset.theme ?? "auto";
  theme.textContent = { auto: "◐", light: "☀", dark: "☾" }[now];
  theme.setAttribute("aria-label", `Colours: ${THEMES[now]}. Change`);
  theme.title = `Colours: ${THEMES[now]}`;
}

theme.addEventListener("click", () => {
  const order = Object.keys(THEMES);
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % order.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem("benchroute.theme", next); } catch { /* it holds for this page all the same */ }
  themed();
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.getElementById("leave").addEventListener("click", () => signIn(""));
document.getElementById("skip").addEventListener("click", () => main.focus());
window.addEventListener("hashchange", () => (me ? show({ isNew: true }) : null));
themed();
begin();
