// The playground: a prompt to one or several models, or to auto as a task, with the answers side by side.

import { apiKey, call } from "../api.js";
import { registerModels } from "../components.js";
import { copyable } from "../copy.js";
import { h, onCtrlEnter, section } from "../dom.js";
import { snippetBox } from "../snippets.js";
import { requestParameters, userContent } from "../playground/chat.js";
import { clientKey } from "../playground/client_key.js";
import { isAnswered, modelColumn } from "../playground/column.js";
import { comparison } from "../playground/comparison.js";
import { imageFields } from "../playground/images.js";
import { keyField, needsClientKey } from "../playground/key_field.js";
import { modelPicker } from "../playground/model_picker.js";
import { currentDecision, routePreview } from "../playground/routing.js";
import { SettingError, settingFields } from "../playground/settings.js";
import { loadState, saveState } from "../playground/state.js";

const SAVE_PAUSE_MS = 400;
const TYPING_PAUSE_MS = 400;
const ROUTED = "auto";

export async function playgroundPage(root, context) {
  const { principal } = context;
  const state = loadState(principal.name, context.query);
  const page = new Playground(state, context, await fetchModels());
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Playground"),
      h("p", { class: "lead" }, "Send a prompt to several models side by side, or to auto as a task. Requests are real: they count in usage, limits and budgets.")),
    page.keys?.element ?? "", page.setup, page.route.element, page.columnArea, page.comparison.element, page.composer);
  if (!context.left.aborted) page.start(); // else it was left before its models came
  return { title: "Playground" };
}

/** Chat models that a key may use, with their prices. */
async function fetchModels(key) {
  const { data } = await call("v1/models", { key });
  const models = data.filter((one) => one.id === ROUTED || (one.benchroute?.kind ?? "chat") === "chat");
  registerModels(models.map((one) => one.id).filter((name) => name !== ROUTED));
  return models;
}

/** What the page shows and does. State: see loadState; models: of GET /v1/models. */
class Playground {
  constructor(state, context, models) {
    Object.assign(this, { state, context, models, columns: [], saving: null, typing: null });
    this.setup = this.makeSetup();
    this.route = routePreview();
    this.comparison = comparison(this.priceOf);
    this.columnArea = h("div", { class: "pg-columns", role: "region", "aria-label": "Answers", tabindex: "0" });
    this.composer = this.makeComposer();
  }

  /** Once the elements are on the page. */
  start() {
    if (!this.state.models.length) this.state.models = this.models.slice(0, 1).map((one) => one.id);
    this.picker.setChosen(this.state.models);
    this.showColumns();
    const { left } = this.context;
    left.addEventListener("abort", () => this.leave());
    window.addEventListener("pagehide", () => this.save(), { signal: left });
  }

  priceOf = (model) => this.models.find((one) => one.id === model)?.benchroute?.price ?? null;

  /** A request's ID, as a link if the dashboard has a page for requests. */
  requestLink = (id) => copyable(id, `request ID ${id}`, document.querySelector('#nav a[href="#/requests"]')
    ? h("a", { href: `#/requests/${encodeURIComponent(id)}`, class: "mono" }, id) : h("code", {}, id));

  makeSetup() {
    const { principal } = this.context;
    if (needsClientKey(principal)) this.keys = keyField(principal, () => this.reloadModels());
    this.picker = modelPicker(this.modelOptions(), this.state.models, (names) => { this.state.models = names; this.showColumns(); });
    this.fields = settingFields(this.state, (name) => { if (name === "task") { clearTimeout(this.typing); this.typing = setTimeout(() => this.showDecision(), TYPING_PAUSE_MS); } this.changed(); });
    return section("Models and settings", null,
      h("div", { class: "pg-setup" }, this.picker.element, this.fields.task),
      h("details", { open: Boolean(this.state.system || this.state.tools || this.state.parameters) }, h("summary", {}, "System prompt, tools and parameters"), this.fields.element));
  }

  modelOptions = () => this.models.map((one) => ({ name: one.id, note: one.id === ROUTED ? "routed by task" : "" }));

  /** A client key may be allowed some models only. */
  async reloadModels() {
    try {
      this.models = await fetchModels(clientKey.get() ?? undefined);
      this.picker.setOptions(this.modelOptions());
    } catch (error) {
      // Without the focus: whoever has left the field types in another one by now.
      this.keys.tell(error.message);
    }
  }

  makeComposer() {
    const { state } = this;
    this.prompt = h("textarea", { id: "pg-prompt", rows: "2", value: state.prompt, placeholder: "Ask something. Ctrl+Enter sends.", "aria-describedby": "pg-send-error" });
    this.prompt.addEventListener("input", () => { state.prompt = this.prompt.value; this.changed(); });
    this.prompt.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); this.images.addFiles([...event.clipboardData.files]); } });
    this.images = imageFields(state.images, (images) => { state.images = images; this.changed(); });
    this.error = h("p", { id: "pg-send-error", class: "pg-error", role: "alert" });
    this.sendButton = h("button", { type: "submit", class: "primary" }, "Send");
    this.stopButton = h("button", { type: "button", hidden: true, on: { click: () => this.columns.forEach((column) => column.stop()) } }, "Stop all");
    this.clearButton = h("button", { type: "button", hidden: true, on: { click: () => this.clear() } }, "New conversation");
    const code = snippetBox(this.snippetOptions());
    const codeDetails = h("details", { on: { toggle: () => { if (codeDetails.open) this.showCode(); } } }, h("summary", {}, "Code"), code.element);
    this.showCode = () => { if (codeDetails.open) code.update(this.snippetOptions()); };
    const form = h("form", { on: { submit: (event) => { event.preventDefault(); this.send(); } } },
      h("label", {}, "Prompt", this.prompt), this.error,
      h("div", { class: "row" }, this.sendButton, this.stopButton, h("button", { type: "button", on: { click: () => this.previewRoute() } }, "Preview routing"), this.clearButton),
      h("div", { class: "pg-more" }, h("details", { open: state.images.length > 0 }, h("summary", {}, "Images"), this.images.element), codeDetails));
    for (const part of [this.setup, form]) onCtrlEnter(part, () => this.send());
    return h("section", { class: "card pg-composer", "aria-label": "New prompt" }, form);
  }

  showColumns() {
    const kept = new Map(this.columns.map((column) => [column.model, column]));
    for (const [model, column] of kept) if (!this.state.models.includes(model)) { column.stop(); delete this.state.conversations[model]; }
    const surface = { settings: () => this.fields.read(), key: () => this.key(), priceOf: this.priceOf, requestLink: this.requestLink, onChange: () => this.changed() };
    this.columns = this.state.models.map((model) => kept.get(model) ?? modelColumn(model, this.state.conversations[model] ??= [], surface));
    this.columnArea.replaceChildren(...this.columns.map((column) => column.element));
    this.columnArea.hidden = !this.columns.length;
    this.showDecision();
    this.changed();
  }

  /** The key of requests: the client key where the dashboard's own is an admin's. */
  key = () => (this.keys ? clientKey.get() : apiKey.get());

  async showDecision() {
    const column = this.columns.find((one) => one.model === ROUTED);
    const task = this.state.task.trim();
    if (!column) return;
    const nodes = await currentDecision(task);
    if (task === this.state.task.trim()) column.setNote(...nodes);
  }

  send() {
    const { state } = this;
    const problem = this.findProblem();
    this.error.textContent = problem?.message ?? "";
    if (problem) { problem.field?.setAttribute("aria-invalid", "true"); problem.field?.closest("details")?.setAttribute("open", ""); problem.field?.focus(); return; }
    const turn = { prompt: state.prompt, images: state.images };
    for (const column of this.columns) column.send(turn);
    this.setPrompt("", []);
    this.prompt.focus({ preventScroll: true });
    this.columns[0].scrollToLast();
  }

  /** The first reason why the prompt cannot be sent: {message, field}; null if it can. */
  findProblem() {
    if (this.columns.some((column) => column.isBusy())) return { message: "Answers are under way. Wait, or stop them first." };
    if (!this.columns.length) return { message: "Select a model first.", field: document.getElementById("pg-model") };
    if (!this.state.prompt.trim() && !this.state.images.length) return { message: "Enter a prompt.", field: this.prompt };
    if (this.keys && !clientKey.get()) { this.keys.focus("Enter a client key: an admin key cannot send requests to models."); return { message: "Enter a client key above." }; }
    try {
      this.fields.read();
      return null;
    } catch (error) {
      if (error instanceof SettingError) return error;
      throw error;
    }
  }

  previewRoute() {
    const { state } = this;
    const last = Object.values(state.conversations).flat().findLast((turn) => turn.prompt)?.prompt;
    const prompt = state.prompt.trim() ? state.prompt : last ?? "";
    this.error.textContent = prompt ? "" : "Enter a prompt.";
    if (!prompt) { this.prompt.focus(); return; }
    this.route.preview({ prompt, system: state.system, task: state.task.trim(), key: this.key() ?? undefined });
  }

  clear() {
    this.columns.forEach((column) => column.stop());
    this.state.conversations = {};
    this.columns = [];
    this.showColumns();
    this.prompt.focus();
  }

  setPrompt(prompt, images) {
    Object.assign(this.state, { prompt, images });
    this.prompt.value = prompt;
    this.images.set(images);
    this.changed();
  }

  /** Update what depends on the columns and fields, and store the state soon. */
  changed() {
    const isBusy = this.columns.some((column) => column.isBusy());
    this.stopButton.hidden = !isBusy;
    this.sendButton.disabled = isBusy;
    this.clearButton.hidden = !this.columns.some(isAnswered);
    this.comparison.update(this.columns);
    this.columnArea.style.setProperty("--turns", Math.max(1, ...this.columns.map((column) => column.turns.length)));
    this.showCode();
    clearTimeout(this.saving);
    // Answers that are stopped end after the page was left, maybe by signing out: nothing is stored any more.
    if (!this.context.left.aborted) this.saving = setTimeout(() => this.save(), SAVE_PAUSE_MS);
  }

  leave() {
    this.save();
    this.columns.forEach((column) => column.stop());
  }

  save() {
    clearTimeout(this.saving);
    saveState(this.context.principal.name, this.state);
    this.context.setQuery({ models: this.state.models.join(","), task: this.state.task.trim() });
  }

  /** The request of the first column as code; the last prompt if the field is empty. */
  snippetOptions() {
    const { state } = this;
    const turn = state.prompt.trim() || state.images.length ? state : Object.values(state.conversations).flat().findLast((one) => one.prompt) ?? state;
    const model = state.models[0] ?? ROUTED;
    const options = { baseUrl: new URL("../v1", document.baseURI).href, model, task: model === ROUTED ? state.task.trim() : "", system: state.system.trim(), prompt: userContent({ prompt: turn.prompt, images: turn.images.map(shortened) }) };
    try {
      const settings = this.fields.read();
      return { ...options, tools: settings.tools, stream: settings.stream, parameters: requestParameters(settings) };
    } catch {
      return options; // a field is not valid yet: the request without it
    }
  }
}

const MAX_SHOWN_URL = 20000;

/** An image for a snippet: a file's content that nobody would read is replaced by the file's name. */
const shortened = (image) => (image.url.length <= MAX_SHOWN_URL ? image : { ...image, url: `${image.url.split(",")[0]},BASE64_OF_${image.name}` });
