// The page: loads the detector into a worker, shows what is judged and what was found.

import words from "./words.json" with { type: "json" };
import { clock, colourOf, fact, h, percent, reference, tell, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { digest } from "./engine/bundle.js";
import { decode } from "./engine/decode.js";
import { Microphone } from "./microphone.js";

const MOST_BYTES = 64e6;  // an hour of MP3 decodes to more than a gigabyte
const byId = (id) => document.getElementById(id);
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map();  // what to do with the worker's messages about a recording or a microphone, by id
const microphone = new Microphone({ button: byId("microphone"), node: byId("listening"),
  ask: (message, transfer) => worker.postMessage(message, transfer), listen: (id, heard) => waiting.set(id, heard) });
let arrived = 0, asked = 0;

worker.addEventListener("message", ({ data }) => {
  if (data.type === "arrived") {
    arrived += data.bytes;
    byId("arrived").value = arrived / data.of;
  } else if (data.type === "ready") ready(data);
  else if (waiting.has(data.id)) waiting.get(data.id)(data);
  else if (data.type === "problem") failed(data.text);
});
worker.addEventListener("error", (event) => failed(event.message || "its program did not load"));

function failed(text) {
  byId("loading").hidden = true;
  tell(`The detector cannot run: ${text}. Reload the page to try again.`);
}

// The demo is fetched with the rest, so that trying it needs no network either.
const demo = fetch("demo.flac").then((answer) => answer.blob()).then((blob) => new File([blob], "demo.flac"));

async function ready({ model, card, threads }) {
  document.body.dataset.threads = threads;
  byId("model").textContent = model;
  byId("limits").querySelector("ul").replaceChildren(...[...words.cannot_say, ...limitsOf(card)].map((text) => h("li", {}, text)));
  byId("limits").hidden = false;
  const [sound] = await Promise.all([demo.catch(() => null), microphone.prepare()]);
  byId("demo").hidden = !sound;
  byId("demo").addEventListener("click", () => judge(sound));
  byId("loading").hidden = true;
  for (const id of ["choose", "microphone", "demo"]) byId(id).disabled = false;
  document.body.dataset.ready = "true";
}

// The list below that heading of a model card.
function limitsOf(card) {
  const part = /^## What it cannot do\n+([^]*?)(?=^## |$(?![^]))/m.exec(card)?.[1] ?? "";
  return part.split(/^- /m).slice(1).map((text) => text.trim().replaceAll(/\s+/g, " "));
}

function judge(file) {
  const id = ++asked, share = h("progress", { max: 1, value: 0, "aria-label": "judged so far" });
  const card = h("article", { class: "card result", "aria-busy": "true" }, h("h2", {}, file.name), share);
  byId("results").prepend(card);
  const refuse = (text) => {
    waiting.delete(id);
    card.removeAttribute("aria-busy");
    card.replaceChildren(h("h2", {}, file.name), h("p", { class: "suspect", role: "alert" }, `${text}.`));
  };
  waiting.set(id, (message) => {
    if (message.type === "progress") share.value = message.share;
    else if (message.type === "problem") refuse(message.text);
    else {
      waiting.delete(id);
      fill(card, file, message.finding);
      card.removeAttribute("aria-busy");
    }
  });
  send(id, file).catch((error) => refuse(error.message));
}

async function send(id, file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; a browser has room for ${MOST_BYTES / 1e6} MB`);
  const bytes = await file.arrayBuffer(), sha256 = await digest(bytes), { rate, channels } = await decode(bytes, file.name);
  worker.postMessage({ type: "judge", id, sha256, rate, channels });
}

function fill(card, file, finding) {
  const { headline, confidence, verdict, warnings, alerts, duration_s, neighbours: [closest] } = finding;
  const url = URL.createObjectURL(file), colour = headline === words.findings.partly ? "spoof" : colourOf(verdict);
  const audio = h("audio", { controls: true, src: url, "aria-label": file.name, preload: "metadata" });
  card.replaceChildren(
    h("div", { class: "row spread" }, h("h2", {}, file.name), h("p", { class: `verdict ${colour}` }, headline)),
    h("p", {}, confidence), ...warnings.map((text) => h("p", { class: "suspect" }, text)),
    followed(audio, finding), h("div", { class: "sound" }, audio),
    h("dl", { class: "facts" },
      fact("synthetic, whole recording", percent(finding.p_spoof)),
      fact("log ratio", finding.llr === null ? "–" : finding.llr.toFixed(2), "natural logarithm, higher = bona fide"),
      fact("length", clock(duration_s)),
      fact("alerts", alerts.length ? alerts.map((span) => `${clock(span.began)} to ${clock(span.ended)}`).join(", ") : "none"),
      fact("closest known", closest ? `${reference(closest)}, ${closest.similarity.toFixed(2)}` : "–"),
      fact("SHA-256", finding.sha256)),
    h("div", { class: "row actions" }, h("button", { onclick: () => save(file, finding) }, "Save JSON")));
}

// The time line of a finding; it follows the audio, and a click moves the audio.
function followed(audio, { segments, alerts, duration_s }) {
  const canvas = h("canvas", { role: "img", "aria-label": spoken(segments) });
  const points = segments.map((one) => [one.start, one.verdict, one.p_spoof]), marks = alerts.map((span) => [span.began, span.ended]);
  let at = () => 0;
  const draw = () => {
    at = timeline(canvas, points, 0, Math.max(1, duration_s), { ticks: ticks(duration_s), marks, playhead: audio.currentTime || null });
  };
  const follow = () => { draw(); if (!audio.paused && canvas.isConnected) requestAnimationFrame(follow); };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", draw);
  canvas.addEventListener("click", (event) => { audio.currentTime = Math.max(0, at(event.offsetX)); });
  keepDrawn(canvas, draw);
  return canvas;
}

function save(file, finding) {
  const text = JSON.stringify({ file: file.name, ...finding }, null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: `${file.name}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function ticks(duration) {
  const every = [5, 10, 30, 60, 300, 600].find((step) => duration / step <= 8) || 1800;
  return Array.from({ length: Math.ceil(duration / every) }, (_, k) => [k * every, clock(k * every)]);
}

function spoken(segments) {
  const counts = Object.entries(Object.groupBy(segments, (one) => VERDICTS[one.verdict]));
  return `Probability of a synthetic voice, second by second: ${counts.map(([word, some]) => `${word} ${some.length} s`).join(", ")}`;
}

const drop = byId("drop"), chooser = byId("file");
const judgeAll = (files) => { if (document.body.dataset.ready) for (const file of files) judge(file); };
byId("choose").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => { judgeAll([...chooser.files]); chooser.value = ""; });
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  judgeAll([...event.dataTransfer.files]);
});
byId("microphone").addEventListener("click", () => microphone.toggle());
