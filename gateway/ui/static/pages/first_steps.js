// The first three steps with a gateway, each with its state, until all of them are done.

import { code, h, section } from "../dom.js";
import { plural } from "../format.js";
import { snippetBox } from "../snippets.js";

const MIN_MEASURED = 2;
const EXAMPLE = { model: "auto", task: "greetings", prompt: "Say hello in French." };

/** The steps as a card. Returns {element, update(data)}; the card is hidden once everything is done. data: overview.js' own. */
export function firstSteps() {
  const list = h("ol", { class: "steps" });
  const element = section("First steps", null, list);
  const box = snippetBox({ baseUrl: new URL("../v1", document.baseURI).href, ...EXAMPLE });
  let shown = "";
  const update = (data) => {
    const steps = [gatewayStep(data), requestStep(data, box), evidenceStep(data)];
    element.hidden = steps.every((step) => step.isDone);
    const state = JSON.stringify([steps.map((step) => [step.isDone, step.title]), data.evidence]);
    if (state === shown) return; // a refresh must not take a chosen language, a selection or the focus away
    shown = state;
    list.replaceChildren(...steps.map(stepItem));
  };
  return { element, update };
}

const stepItem = ({ title, isDone, content }) => h("li", { class: isDone ? "done" : "open" },
  h("h3", {}, title, " ", h("span", { class: `tag ${isDone ? "good" : "plain"}` }, isDone ? "Done" : "Open")),
  content ? h("div", { class: "step" }, content) : null);

const gatewayStep = ({ backends }) => ({
  title: "The gateway answers",
  isDone: backends.length > 0,
  content: null,
});

function requestStep({ hasRequests, needsKey }, box) {
  return {
    title: "Send a first request",
    isDone: hasRequests,
    content: hasRequests ? null : [
      h("p", { class: "muted" }, "Change your client's base URL. Model ", code("auto"), " lets the gateway choose; the header ", code("X-Task-Id"),
        " names the task. Requests without it are told apart by their system prompt."),
      needsKey ? h("p", { class: "muted" }, "Create a key on the ", h("a", { href: "#/keys" }, "Keys page"), " and export it as ", code("BENCHROUTE_API_KEY"), ".") : null,
      box.element],
  };
}

function evidenceStep({ pack, evidence, chatModels }) {
  const measured = chatModels.filter((name) => evidence[name]?.name);
  return {
    title: "Evidence to route by",
    isDone: Boolean(pack) && measured.length >= MIN_MEASURED,
    content: [pack ? packState(pack, measured, chatModels) : noPack(), pack ? matchList(chatModels, evidence) : null],
  };
}

const noPack = () => h("p", { class: "muted" }, "No pack is loaded, so every task uses the first model of the configuration. ", code("benchroute pack public"),
  " shows what public benchmarks know of your models; ", code("routing.pack: public"), " uses it. For evidence of your own work run ", code("benchroute bench run"), " and ", code("benchroute pack build"), ".");

const packState = (pack, measured, chatModels) => h("p", { class: "muted" }, `Pack ${pack.name} has outcomes of ${measured.length} of ${plural(chatModels.length, "model")}. `,
  measured.length >= MIN_MEASURED ? "" : ["Routing needs two: name a model's evidence with ", code("models[].evidence"), ", or measure your models with ", code("benchroute bench run"), "."]);

const matchList = (chatModels, evidence) => h("ul", {}, chatModels.map((name) => h("li", {}, name, ": ", h("span", { class: "muted" }, describeMatch(name, evidence[name])))));

/** Whose outcomes a model has, and how they were found. match: benchroute.evidence of GET /v1/models. */
export function describeMatch(name, match) {
  if (!match) return "–";
  if (!match.name) return "No outcomes in the pack";
  return match.match === "same name" ? "Same name" : `${match.name} (${match.match === "configured" ? "set by hand" : match.match})`;
}
