// What the playground shows, kept in the tab's session storage and over a reload. Keys are never part of it.

import { emptyAnswer } from "./answer.js";

const STORAGE = "benchroute.playground";

/** Most columns that are legible side by side. */
export const MAX_COLUMNS = 6;

const empty = () => ({
  models: [], task: "", prompt: "", images: [], system: "", tools: "", parameters: "", temperature: "", maxTokens: "", stream: true, conversations: {},
});

/**
 * The stored state of this key's holder, with the models and task that the page's address names.
 *
 * conversations: turns by model. owner: name of the dashboard's key; another one's state is discarded.
 */
export function loadState(owner, query) {
  const state = { ...empty(), ...readStored(owner) };
  if (query.has("models")) state.models = [...new Set(query.get("models").split(",").filter(Boolean))].slice(0, MAX_COLUMNS);
  if (query.has("task")) state.task = query.get("task");
  for (const turns of Object.values(state.conversations)) turns.forEach(interrupt);
  return state;
}

/** Store the state. Returns false if the browser stores it without its images, which are too large, or not at all. */
export function saveState(owner, state) {
  try {
    sessionStorage.setItem(STORAGE, JSON.stringify({ owner, state }));
    return true;
  } catch {
    return saveWithoutImages(owner, state);
  }
}

/** Remove the stored prompts and answers. */
export const forgetState = () => sessionStorage.removeItem(STORAGE);

function saveWithoutImages(owner, state) {
  try {
    const withoutImages = (name, value) => (name === "images" ? [] : value);
    sessionStorage.setItem(STORAGE, JSON.stringify({ owner, state }, withoutImages));
  } catch {
    // Storage is blocked or full: the page works, and forgets.
  }
  return false;
}

function readStored(owner) {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE));
    return stored?.owner === owner ? stored.state : {};
  } catch {
    return {}; // blocked, or written by another version
  }
}

/** A request that was under way when the page was left has no end. */
function interrupt(turn) {
  turn.answer ??= emptyAnswer();
  if (turn.status === "waiting" || turn.status === "streaming") turn.status = "interrupted";
}
