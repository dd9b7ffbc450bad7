// The page: loads the detector into a worker, and takes what is to be judged.

import { h, tell } from "./dom.js";
import { language, t, words } from "./words.js";
import { digest } from "./engine/digest.js";
import { decode } from "./engine/decode.js";
import { fill } from "./card.js";
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
worker.addEventListener("error", (event) => failed(event.message || t("space.not_loaded")));

function failed(text) {
  byId("loading").hidden = true;
  tell(t("space.cannot_run", { reason: text }));
}

// The demo is fetched with the rest, so that trying it needs no network either.
const demo = fetch("demo.flac").then((answer) => answer.blob()).then((blob) => new File([blob], "demo.flac"));

async function ready({ model, card, threads }) {
  document.body.dataset.threads = threads;
  byId("model").textContent = t("space.judged_by", { model });
  byId("limits").querySelector("ul").replaceChildren(...[...words.cannot_say, ...limitsOf(card)].map((text) => h("li", {}, text)));
  byId("limits").hidden = false;
  const [sound, hears] = await Promise.all([demo.catch(() => null), microphone.prepare().then(() => true, () => false)]);
  byId("demo").hidden = !sound;
  byId("microphone").hidden = !hears;
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
  const id = ++asked, share = h("progress", { max: 1, value: 0, "aria-label": t("space.judged_so_far") });
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
  const { name, size } = file;
  if (size > MOST_BYTES) throw new Error(t("space.too_large", { name, size: Math.round(size / 1e6), most: MOST_BYTES / 1e6 }));
  const bytes = await file.arrayBuffer(), sha256 = await digest(bytes), sound = await decode(bytes);
  if (!sound) throw new Error(t("space.cannot_decode", { name }));
  worker.postMessage({ type: "judge", id, sha256, ...sound });
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
document.documentElement.lang = language;
for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
