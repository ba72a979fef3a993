// Images of a prompt: from files as data: URLs, or by address.

import { h } from "../dom.js";

/** The gateway's default limit of a body is 20 MiB, and base64 makes a file a third larger. */
const MAX_FILE_BYTES = 14 * 1024 * 1024;

/**
 * Fields that add images, and the images added. images: {name, url} each. onChange(images): after every change.
 * Returns {element, set(images), addFiles(files)}.
 */
export function imageFields(images, onChange) {
  let shown = images;
  const error = h("p", { class: "pg-error", role: "alert" });
  const list = h("ul", { class: "pg-images", "aria-label": "Images" });
  const change = (updated) => { shown = updated; error.textContent = ""; render(); onChange(shown); };
  const addFiles = async (files) => {
    for (const file of files) {
      const fault = faultOf(file);
      if (fault) { error.textContent = fault; continue; }
      change([...shown, { name: file.name || "Pasted image", url: await readDataUrl(file) }]);
    }
  };
  const file = h("input", { type: "file", accept: "image/*", multiple: true, class: "sr", id: "pg-file", on: { change: async () => { await addFiles([...file.files]); file.value = ""; } } });
  const address = h("input", { type: "url", placeholder: "Address of an image", spellcheck: "false", on: { keydown: (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    addAddress();
  } } });
  const addAddress = () => {
    const url = address.value.trim();
    if (!isWebAddress(url)) { error.textContent = "Enter an image address that begins with https: or http:."; address.focus(); return; }
    change([...shown, { name: url, url }]);
    address.value = "";
  };
  const render = () => {
    list.hidden = !shown.length;
    list.replaceChildren(...shown.map((image, index) => h("li", {}, imageView(image),
      h("button", { type: "button", class: "pg-x", "aria-label": `Remove image ${index + 1}`, on: { click: () => change(shown.filter((one) => one !== image)) } }, "×"))));
  };
  render();
  return {
    element: h("div", { class: "stack pg-tight" },
      h("div", { class: "row end" }, h("div", { class: "pg-file" }, file, h("label", { for: "pg-file", class: "pg-button" }, "Add image files")),
        h("label", {}, "Image by URL", address), h("button", { type: "button", on: { click: addAddress } }, "Add URL")), error, list),
    set(updated) { shown = updated; render(); },
    addFiles,
  };
}

/** An image as a thumbnail, or by its address: the page loads nothing from other hosts. */
export const imageView = (image) => (image.url.startsWith("data:image/") ? h("img", { src: image.url, alt: image.name, class: "pg-thumb" })
  : h("span", { class: "mono pg-address" }, image.url));

const isWebAddress = (text) => URL.canParse(text) && ["https:", "http:"].includes(new URL(text).protocol);

function faultOf(file) {
  if (!file.type.startsWith("image/")) return `${file.name} is not an image.`;
  if (file.size > MAX_FILE_BYTES) return `${file.name} is too large: at most ${MAX_FILE_BYTES / 1024 / 1024} MiB per image.`;
  return null;
}

const readDataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.addEventListener("load", () => resolve(reader.result));
  reader.addEventListener("error", () => reject(reader.error));
  reader.readAsDataURL(file);
});
