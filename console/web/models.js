// Models: the bundles, the loop that makes better ones, and how right the one is that judges here.

import { ask, h, table } from "./dom.js";
import { enrolment } from "./enrol.js";
import { Loop } from "./loop.js";

const NAMES = {
  eer_percent: "equal error rate, %", cllr_bits: "Cllr, bit", min_cllr_bits: "Cllr at best, bit", min_dcf: "min DCF",
  act_dcf: "actual DCF", n_bonafide: "clips of people", n_spoof: "synthetic clips", hours_real: "hours of real speech",
  false_alarms: "false alarms", false_alarms_per_hour: "false alarms per hour", n_fakes: "injected synthetic voices",
  missed_percent: "missed, %", median_time_to_detection_s: "median time to detection, s",
  p90_time_to_detection_s: "90th percentile of it, s",
};

export async function show(main) {
  const { role } = await ask("v1/session"), loop = new Loop(role === "admin"), judge = h("div");
  main.append(h("h1", {}, "Models"), ...loop.nodes, ...await enrolment(role), judge);
  const describe = async () => judge.replaceChildren(...described(await ask("v1/model")));
  await Promise.all([describe(), loop.open(describe)]);
  return () => loop.leave();
}

function described(model) {
  const reviews = Object.entries(model.reviews), train = model.training?.train, parts = [h("h2", { class: "part" }, "The model in use"),
    h("p", { class: "muted" }, `${model.name} ${model.version} never changes; confirmed references are added to it and take effect within seconds.`),
    h("div", { class: "numbers" },
      number(model.references.toLocaleString(), "known voices in its index"),
      train && number(train.hours.toLocaleString(), "hours of speech in its training data"),
      train && number(train.systems.toLocaleString(), "synthesis systems among them"),
      number(reviews.reduce((sum, [, count]) => sum + count, 0).toLocaleString(), "stored clips"))];
  for (const [name, values] of Object.entries(model.metrics)) parts.push(metrics(name, values));
  if (reviews.length) {
    parts.push(h("section", { class: "card" }, h("h2", {}, "Stored clips by state of review"),
      table(["state", "clips"], reviews.map(([state, count]) => [state, count.toLocaleString()]))));
  }
  parts.push(h("section", { class: "card" }, h("h2", {}, "Calibration"),
    h("p", { class: "muted" }, "How the score of the network on the spectrum becomes a log-likelihood ratio, by the seconds of speech in the window: weight and offset."),
    table(["speech, s", "weight", "offset"], model.calibration.speech_s.map((s, i) =>
      [s, ...model.calibration.alone[i].map((value) => value.toFixed(3))]))),
  h("section", { class: "card" }, h("details", {}, h("summary", {}, "The whole card"), ...markdown(model.card))));
  return parts;
}

const number = (value, text) => h("div", { class: "number" }, h("b", {}, value), h("span", {}, text));

function metrics(name, values) {
  const rows = Object.entries(values).filter(([, value]) => typeof value === "number").map(([key, value]) => {
    const interval = values[`${key}_ci95`];
    return [NAMES[key] || key.replaceAll("_", " "), rounded(value), interval ? `${rounded(interval[0])} to ${rounded(interval[1])}` : ""];
  });
  return h("section", { class: "card" }, h("h2", {}, name), table(["what", "measured", "95 % interval"], rows));
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
