import { h } from "../dom.js";
export async function modelsPage(root) { root.append(h("h1", {}, "models")); return { title: "models" }; }
