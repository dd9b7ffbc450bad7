// Models: the story of the model that judges, what it learns from, and the tables behind.

import { ask, h, table } from "./dom.js";
import { enrolment } from "./enrol.js";
import { Loop } from "./loop.js";
import { Uploads } from "./uploads.js";
import { t, word } from "./words.js";

export async function show(main) {
  const { role } = await ask("v1/session"), loop = new Loop(role === "admin"), uploads = new Uploads(role !== "viewer"), judge = h("div");
  main.append(h("h1", {}, t("models.title")), ...loop.nodes, uploads.node, ...await enrolment(role),
    h("section", { class: "card" }, h("h2", {}, t("models.details")), ...loop.details, judge));
  const describe = async () => judge.replaceChildren(...described(await ask("v1/model")));
  await Promise.all([describe(), uploads.show(), loop.open(describe)]);
  return () => loop.leave();
}

function described(model) {
  const reviews = Object.entries(model.reviews), train = model.training?.train;
  return [folded(t("models.numbers"), h("div", { class: "numbers" },
    number(model.references.toLocaleString(), t("models.known")),
    train && number(train.hours.toLocaleString(), t("models.hours")),
    train && number(train.systems.toLocaleString(), t("models.systems")),
    number(reviews.reduce((sum, [, count]) => sum + count, 0).toLocaleString(), t("models.stored"))),
  table([t("models.state"), t("models.clips")], reviews.map(([state, count]) => [word("states", state), count.toLocaleString()]))),
  ...Object.entries(model.metrics).map(([name, values]) => folded(name, metrics(values))),
  folded(t("models.calibration"), h("p", { class: "muted" }, t("models.calibration_what")),
    table([t("models.speech"), t("models.weight"), t("models.offset")], model.calibration.speech_s.map((s, i) =>
      [s, ...model.calibration.alone[i].map((value) => value.toFixed(3))]))),
  folded(t("models.card"), h("div", { lang: "en" }, ...markdown(model.card)))];
}

const folded = (title, ...nodes) => h("details", {}, h("summary", {}, title), ...nodes);
const number = (value, text) => h("div", { class: "number" }, h("b", {}, value), h("span", {}, text));

function metrics(values) {
  const rows = Object.entries(values).filter(([, value]) => typeof value === "number").map(([key, value]) => {
    const interval = values[`${key}_ci95`];
    return [word("metrics", key).replaceAll("_", " "), rounded(value), interval ? t("story.range", { from: rounded(interval[0]), to: rounded(interval[1]) }) : ""];
  });
  return table([t("models.what"), t("models.measured"), t("models.interval")], rows);
}

const rounded = (value) => (Number.isInteger(value) ? value.toLocaleString() : value.toPrecision(3));

// The part of Markdown that cards are written in: headings, lists, tables, paragraphs.
function markdown(text) {
  const cells = (line) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  return text.split(/\n{2,}/).filter((block) => block.trim()).map((block) => {
    const lines = block.trim().split("\n");
    if (lines[0].startsWith("#")) return h("h3", {}, lines[0].replace(/^#+\s*/, ""));
    if (lines[0].startsWith("|")) return table(cells(lines[0]), lines.slice(2).map(cells));
    if (lines[0].startsWith("- ")) {
      return h("ul", {}, ...block.trim().slice(2).split(/\n- /).map((item) => h("li", {}, item.replace(/\s+/g, " "))));
    }
    return h("p", {}, lines.join(" "));
  });
}
