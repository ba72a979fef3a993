// DOM helpers without a framework. Children are always inserted as text or nodes, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Create an element. props: `on` (event -> listener), `vars` (CSS custom properties), `value`; all others are attributes. */
export function h(tag, props = {}, ...children) {
  const element = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "vars") for (const [property, each] of Object.entries(value)) element.style.setProperty(property, each);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  appendAll(element, children);
  return element;
}

function appendAll(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace an element's children. Skipped while it contains the focus, so that a refresh never moves keyboard users. */
export function replaceContent(parent, ...children) {
  if (parent.contains(document.activeElement) && parent !== document.activeElement) return;
  parent.replaceChildren();
  appendAll(parent, children);
}

/** Listen for Ctrl+Enter, or Cmd+Enter on a Mac, in any field of an element. */
export function onCtrlEnter(element, send) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
}

/** A card with a heading and an optional description. */
export function section(title, description, ...children) {
  const id = `s-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id },
    h("div", { class: "card-head" }, h("h2", { id }, title), description ? h("p", { class: "muted" }, description) : null),
    ...children);
}

/** A table. columns: {title, class, cell(row)}. caption: for screen readers. Returns {element, update(rows)}. */
export function table(caption, columns, rows, { empty = "No data yet.", rowClass = () => null } = {}) {
  const body = h("tbody");
  const element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${caption}` },
    h("table", {},
      h("caption", { class: "sr" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.class }, column.title)))),
      body));
  const update = (updated) => replaceContent(body, updated.length
    ? updated.map((row) => h("tr", { class: rowClass(row) }, columns.map((column, index) =>
      h(index === 0 ? "th" : "td", { class: column.class, scope: index === 0 ? "row" : null }, column.cell(row)))))
    : h("tr", {}, h("td", { colspan: columns.length, class: "muted empty" }, empty)));
  update(rows);
  return { element, update };
}

/** A key figure with a note below it. href: of the list behind the figure, null for none. Returns {element, set(value, note)}; a note is text or nodes. */
export function tile(title, href = null) {
  const value = h("span", { class: "tile-value" }, "–");
  const note = h("span", { class: "tile-note muted" });
  const element = h("div", { class: "tile" }, h("span", { class: "tile-title" }, href ? h("a", { href }, title) : title), value, note);
  return { element, set(text, noteText = "") { value.textContent = text; replaceContent(note, noteText); } };
}

const PATIENCE_MS = 1500;

/**
 * A part of a page whose data may be late: a busy or frozen scorer must not hold the rest of the page.
 * load(): promise of the part's nodes. The promise is fulfilled with the element once they are there, or after a moment
 * with a note that they follow.
 */
export async function latePart(load) {
  const element = h("div", { class: "stack" });
  const shown = load().then((nodes) => { element.replaceChildren(); appendAll(element, [nodes]); return true; });
  const isShown = await Promise.race([shown, new Promise((resume) => { setTimeout(resume, PATIENCE_MS, false); })]);
  if (isShown) return element;
  shown.catch(() => element.replaceChildren()); // late and failed: the rest of the page stays
  element.replaceChildren(h("p", { class: "muted", role: "status" }, "Waiting for the scorer…"));
  return element;
}

/** A command, path or setting in running text. */
export const code = (text) => h("code", {}, text);

/** A text of the API as nodes: what it has between backticks is code. A backtick without its partner stays. */
export function inlineCode(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? code(part) : part));
}

/** A message. kind: info, good, warn or bad. Texts among the children may have code between backticks. */
export function banner(kind, ...children) {
  return h("p", { class: `banner ${kind}`, role: kind === "bad" ? "alert" : null },
    children.map((child) => (typeof child === "string" ? inlineCode(child) : child)));
}
