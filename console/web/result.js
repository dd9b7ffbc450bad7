// The card of one recording that was checked: the finding, its parts, every second, and what can be done with it.

import { ask, clock, colourOf, fact, h, percent, Problem, reference, tell, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { keepButtons } from "./keep.js";
import { report } from "./report.js";
import { inWords, isPartly } from "./findings.js";
import { language, t } from "./words.js";

const SHORTEST_S = 3; // between alerts: less is no part of its own

export const COLOURS = (prediction) => (isPartly(prediction) ? "spoof" : colourOf(prediction.verdict));

// The finding in the reader's language; in English it is the console's own.
export const wording = (prediction) => (language === "en" ? prediction : inWords(prediction));

// What is heard from when to when: the alerts, and between them what most of the measured seconds are.
export function partsOf({ alerts, segments, duration_s: end }) {
  const edges = [0, ...alerts.flatMap((span) => [span.began, span.ended]), end], parts = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [began, ended] = [edges[i], edges[i + 1]];
    if (ended - began < SHORTEST_S && i % 2 === 0) continue;
    parts.push({ began, ended, verdict: i % 2 ? "spoof" : mostly(segments.filter((one) => one.start >= began - 0.5 && one.end <= ended + 0.5)) });
  }
  return parts;
}

function mostly(segments) {
  const measured = segments.filter((one) => one.p_spoof !== null), counts = {};
  for (const { verdict } of measured.length ? measured : segments) counts[verdict] = (counts[verdict] || 0) + 1;
  return Object.keys(counts).sort((a, b) => counts[b] - counts[a])[0] || "no_speech";
}

// A node for {file, prediction, problem}; one without both is still being listened to.
export function resultCard({ file, prediction, problem }, mayKeep) {
  const node = h("article", { class: "card result", "aria-busy": !prediction && !problem ? "true" : null }, h("h2", {}, file.name));
  if (problem) node.append(h("p", { class: "suspect", role: "alert" }, problem));
  else if (!prediction) node.append(h("p", { class: "muted", role: "status" }, t("check.listening")));
  else fill(node, file, prediction, mayKeep);
  return node;
}

function fill(card, file, prediction, mayKeep) {
  const { segments, alerts } = prediction, { headline, confidence } = wording(prediction), kind = COLOURS(prediction), name = file.name;
  const canvas = h("canvas", { role: "img", "aria-label": spoken(prediction) });
  const audio = h("audio", { controls: true, src: URL.createObjectURL(file), "aria-label": name, preload: "metadata" });
  const play = (at) => { audio.currentTime = Math.max(0, at); audio.play().catch(() => {}); };
  card.replaceChildren(
    h("div", { class: "row spread" }, h("h2", {}, name), h("p", { class: `verdict ${kind}` }, headline)), h("p", {}, confidence),
    ...prediction.warnings.map((text) => h("p", { class: "suspect" }, text)), parts(prediction, play), canvas, h("div", { class: "sound" }, audio),
    h("dl", { class: "facts" },
      fact(t("check.whole"), percent(prediction.p_spoof)),
      fact(t("check.llr"), prediction.llr === null ? "–" : prediction.llr.toFixed(2), t("check.llr_hint")),
      fact(t("check.length"), clock(prediction.duration_s)),
      fact(t("check.alerts"), alerts.length ? alerts.map((span) => `${clock(span.began)}–${clock(span.ended)}`).join(", ") : "–"),
      fact(t("check.closest"), closest(prediction)), fact(t("check.model"), prediction.model), fact("SHA-256", prediction.sha256)),
    seconds(segments), mayKeep ? keepButtons(file) : "",
    h("div", { class: "row actions" },
      h("button", { onclick: () => save(`${name}.json`, JSON.stringify({ file: name, ...prediction }, null, 1), "application/json") }, t("check.save", { kind: "JSON" })),
      h("button", { onclick: (event) => savePdf(event.target, file) }, t("check.save", { kind: "PDF" })),
      h("button", { onclick: () => save(`${name}.html`, report(name, prediction, kind), "text/html") }, t("check.save", { kind: "HTML" })),
      h("button", { onclick: () => window.print() }, t("check.print"))));
  chart(canvas, audio, prediction);
}

const closest = ({ neighbours: [one] }) => (one ? `${reference(one)}, ${one.similarity.toFixed(2)}` : "–");

function parts(prediction, play) {
  const found = partsOf(prediction);
  if (found.length < 2) return "";
  return h("ul", { class: "parts", "aria-label": t("check.parts") }, ...found.map((part) => h("li", {},
    h("button", { onclick: () => play(part.began) }, `${clock(part.began)}–${clock(part.ended)} `,
      h("b", { class: colourOf(part.verdict) }, VERDICTS[part.verdict])))));
}

function seconds(segments) {
  return h("details", {}, h("summary", {}, t("check.seconds")), h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("check.seconds") }, h("table", {},
    h("thead", {}, h("tr", {}, ...["from", "to", "verdict", "probability"].map((text) => h("th", { scope: "col" }, t(`check.${text}`))))),
    h("tbody", {}, ...segments.map((one) => h("tr", {}, h("td", {}, clock(one.start)), h("td", {}, one.end.toFixed(1)),
      h("td", { class: colourOf(one.verdict) }, VERDICTS[one.verdict]), h("td", {}, percent(one.p_spoof))))))));
}

// The probability over time; a click plays from there.
function chart(canvas, audio, { segments, alerts, duration_s: end }) {
  const points = segments.map((one) => [one.start, one.verdict, one.p_spoof]), ticks = [];
  const every = [5, 10, 30, 60, 300, 600].find((step) => end / step <= 8) || 1800;
  for (let at = 0; at < end; at += every) ticks.push([at, clock(at)]);
  let second = () => 0;
  const draw = () => {
    second = timeline(canvas, points, 0, Math.max(1, end), { marks: alerts.map((span) => [span.began, span.ended]), ticks, playhead: audio.currentTime || null });
  };
  const follow = () => { draw(); if (!audio.paused && canvas.isConnected) requestAnimationFrame(follow); };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", draw);
  canvas.addEventListener("click", (event) => { audio.currentTime = Math.max(0, second(event.offsetX)); });
  keepDrawn(canvas, draw);
}

// The console scores the file again, so that the report covers exactly these bytes.
async function savePdf(button, file) {
  const form = new FormData();
  form.append("file", file);
  button.disabled = true;
  try {
    save(`${file.name}.pdf`, await ask("v1/report", { method: "POST", body: form }, "blob"), "application/pdf");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(error.message);
  }
  button.disabled = false;
}

function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function spoken({ segments }) {
  const counts = {};
  for (const one of segments) counts[VERDICTS[one.verdict]] = (counts[VERDICTS[one.verdict]] || 0) + 1;
  return t("check.spoken", { counts: Object.entries(counts).map(([said, count]) => `${said} ${count} s`).join(", ") });
}
