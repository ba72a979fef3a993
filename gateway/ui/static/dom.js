// Elements without a framework. Text is always text: nothing here takes HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. props: `class`, `on` (event -> listener), `vars` (CSS custom properties), anything else an attribute. */
export function h(tag, props = {}, ...children) {
  const made = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "vars") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  put(made, children);
  return made;
}

function put(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces what an element holds; leaves it alone while the keyboard is inside, so that nobody loses their place. */
export function fill(parent, ...children) {
  if (parent.contains(document.activeElement) && parent !== document.activeElement) return;
  parent.replaceChildren();
  put(parent, children);
}

/** A titled part of a page. */
export function section(title, about, ...children) {
  const id = `s-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id },
    h("div", { class: "card-head" }, h("h2", { id }, title), about ? h("p", { class: "muted" }, about) : null),
    ...children);
}

/** A table. columns: {title, class, cell(row)}; caption is for those who do not see it. */
export function table(caption, columns, rows, { empty = "Nothing yet.", rowClass = () => null } = {}) {
  const body = h("tbody");
  const made = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${caption}` },
    h("table", {},
      h("caption", { class: "sr" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.class }, column.title)))),
      body));
  const update = (some) => fill(body, some.length
    ? some.map((row) => h("tr", { class: rowClass(row) }, columns.map((column, place) =>
      h(place === 0 ? "th" : "td", { class: column.class, scope: place === 0 ? "row" : null }, column.cell(row)))))
    : h("tr", {}, h("td", { colspan: columns.length, class: "muted empty" }, empty)));
  update(rows);
  return { element: made, update };
}

/** A number that matters, with what it means below it. */
export function tile(title) {
  const value = h("span", { class: "tile-value" }, "–");
  const note = h("span", { class: "tile-note muted" });
  const element = h("div", { class: "tile" }, h("span", { class: "tile-title" }, title), value, note);
  return { element, set(shown, about = "") { value.textContent = shown; note.textContent = about; } };
}

/** A message in the page: kind is info, good, warn or bad. */
export function banner(kind, ...children) {
  return h("p", { class: `banner ${kind}`, role: kind === "bad" ? "alert" : null }, children);
}
