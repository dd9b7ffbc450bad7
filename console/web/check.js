// Check: a recording, or this browser's microphone, scored second by second.

import { ask, clock, colourOf, fact, h, percent, Problem, reference, tell, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { report } from "./report.js";
import { wav } from "./sound.js";

const COLOURS = { "A person": "bonafide", Suspect: "suspect", Synthetic: "spoof", "Partly synthetic": "spoof" };

export async function show(main) {
  const results = h("div"), urls = [];
  const check = async (files) => { for (const file of files) await judge(file, results, urls); };
  const chooser = h("input", { type: "file", id: "file", multiple: true, accept: "audio/*,video/*,.flac,.opus,.ogg,.m4a",
    onchange: () => { check([...chooser.files]); chooser.value = ""; }, hidden: true });
  const microphone = new Microphone((file) => check([file]));
  const drop = h("section", { class: "drop", "aria-label": "Choose a recording" },
    h("h2", {}, "Drop a recording here"),
    h("p", { class: "muted" }, "WAV, FLAC, MP3, OGG, Opus, M4A or a video. It stays on the machine that runs this console, and is discarded once it is scored."),
    h("div", { class: "row" }, h("button", { class: "main", onclick: () => chooser.click() }, "Choose files"), microphone.button), chooser);
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    check([...event.dataTransfer.files]);
  });
  main.append(h("h1", {}, "Check a recording"), drop, microphone.node, results);
  return () => { microphone.end(); urls.forEach((url) => URL.revokeObjectURL(url)); };
}

async function judge(file, results, urls) {
  const card = h("article", { class: "card result", "aria-busy": "true" }, h("h2", {}, file.name),
    h("p", { class: "muted", role: "status" }, "Listening …"));
  results.prepend(card);
  const form = new FormData();
  form.append("file", file);
  try {
    const prediction = await ask("v1/predict", { method: "POST", body: form });
    const url = URL.createObjectURL(file);
    urls.push(url);
    fill(card, file, prediction, url);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    card.replaceChildren(h("h2", {}, file.name), h("p", { class: "suspect", role: "alert" }, error.message));
  }
  card.removeAttribute("aria-busy");
}

function fill(card, file, prediction, url) {
  const { headline, confidence, segments } = prediction, kind = COLOURS[headline] || "none", name = file.name;
  const canvas = h("canvas", { role: "img", "aria-label": spoken(prediction) });
  const audio = h("audio", { controls: true, src: url, "aria-label": name, preload: "metadata" });
  const points = segments.map((one) => [one.start, one.verdict, one.p_spoof]);
  const every = [5, 10, 30, 60, 300, 600].find((step) => prediction.duration_s / step <= 8) || 1800, ticks = [];
  for (let at = 0; at < prediction.duration_s; at += every) ticks.push([at, clock(at)]);
  let at = () => 0;
  const draw = () => {
    at = timeline(canvas, points, 0, Math.max(1, prediction.duration_s),
      { marks: prediction.alerts.map((span) => [span.began, span.ended]), ticks, playhead: audio.currentTime || null });
  };
  const follow = () => { draw(); if (!audio.paused && canvas.isConnected) requestAnimationFrame(follow); };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", draw);
  canvas.addEventListener("click", (event) => { audio.currentTime = Math.max(0, at(event.offsetX)); });
  const closest = prediction.neighbours[0];
  card.replaceChildren(
    h("div", { class: "row spread" }, h("h2", {}, name), h("p", { class: `verdict ${kind}` }, headline)),
    h("p", {}, confidence),
    ...prediction.warnings.map((text) => h("p", { class: "suspect" }, text)),
    canvas, h("div", { class: "sound" }, audio),
    h("dl", { class: "facts" },
      fact("synthetic, whole recording", percent(prediction.p_spoof)),
      fact("log ratio", prediction.llr === null ? "–" : prediction.llr.toFixed(2), "natural logarithm, higher = bona fide"),
      fact("length", clock(prediction.duration_s)),
      fact("alerts", prediction.alerts.length ? prediction.alerts.map((span) => `${clock(span.began)} to ${clock(span.ended)}`).join(", ") : "none"),
      fact("closest known", closest ? `${reference(closest)}, ${closest.similarity.toFixed(2)}` : "–"),
      fact("model", prediction.model),
      fact("SHA-256", prediction.sha256)),
    h("details", {}, h("summary", {}, "Second by second"), h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "seconds" }, h("table", {},
      h("thead", {}, h("tr", {}, ...["from", "to", "verdict", "synthetic"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...segments.map((one) => h("tr", {}, h("td", {}, clock(one.start)), h("td", {}, one.end.toFixed(1)),
        h("td", { class: colourOf(one.verdict) }, VERDICTS[one.verdict]), h("td", {}, percent(one.p_spoof)))))))),
    h("div", { class: "row actions" },
      h("button", { onclick: () => save(`${name}.json`, JSON.stringify({ file: name, ...prediction }, null, 1), "application/json") }, "Save JSON"),
      h("button", { onclick: (event) => savePdf(event.target, file) }, "Save PDF"),
      h("button", { onclick: () => save(`${name}.html`, report(name, prediction, kind), "text/html") }, "Save HTML"),
      h("button", { onclick: () => window.print() }, "Print")));
  keepDrawn(canvas, draw);
  draw();
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
  return `Probability of a synthetic voice, second by second: ${Object.entries(counts).map(([word, count]) => `${word} ${count} s`).join(", ")}`;
}

// This browser's microphone, scored while it is recorded and again as a whole.
class Microphone {
  constructor(done) {
    this.done = done;
    this.button = h("button", { onclick: () => (this.running ? this.stop() : this.start()) }, "Use the microphone");
    this.node = h("article", { class: "card listening", hidden: true });
  }

  async start() {
    tell("");
    this.running = true;
    this.blocks = [];
    this.points = [];
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
      this.media = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      this.running = false;
      tell(navigator.mediaDevices ? `The microphone cannot be used: ${error.message}.`
        : "Browsers give a page the microphone only over HTTPS or on localhost.");
      return;
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("recorder.js");
    const recorder = new AudioWorkletNode(this.context, "recorder");
    const address = new URL("v1/stream", location.href.replace(/^http/, "ws").split("#")[0]);
    this.socket = new WebSocket(`${address}?format=f32le&rate=${this.context.sampleRate}`);
    this.socket.addEventListener("message", ({ data }) => this.heard(JSON.parse(data)));
    this.socket.addEventListener("close", () => this.running && this.stop());
    recorder.port.onmessage = ({ data }) => {
      this.blocks.push(data);
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
    };
    this.context.createMediaStreamSource(this.media).connect(recorder);
    this.button.textContent = "Stop and judge";
    this.verdict = h("p", { class: "verdict none", role: "status" }, "Listening");
    this.canvas = h("canvas", { role: "img", "aria-label": "Probability of a synthetic voice while you speak" });
    this.note = h("p", { class: "muted small" }, "Speak for some seconds.");
    this.node.replaceChildren(h("div", { class: "row spread" }, h("h2", {}, "Microphone"), this.verdict), this.canvas, this.note);
    this.node.hidden = false;
  }

  heard(object) {
    if (object.type === "problem") tell(object.detail);
    if (object.type === "alert" && object.state === "open") this.note.textContent = `Alert: a synthetic voice since ${clock(object.began)}.`;
    if (object.type !== "score") return;
    if (this.verdict.textContent !== VERDICTS[object.verdict]) {
      this.verdict.textContent = VERDICTS[object.verdict];
      this.verdict.className = `verdict ${colourOf(object.verdict)}`;
    }
    this.points.push([(object.t - 0.128) * 8, object.verdict, object.p_spoof]);
    const last = object.t * 8;
    timeline(this.canvas, this.points, Math.max(0, last - 480), Math.max(last, 80), { ticks: [[last, clock(object.t)]] });
  }

  stop() {
    const blocks = this.blocks, rate = this.context.sampleRate;
    this.end();
    this.node.hidden = true;
    if (blocks.length) this.done(wav(blocks, rate));
  }

  end() {
    if (!this.running) return;
    this.running = false;
    this.button.textContent = "Use the microphone";
    this.media?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send('{"type": "close"}');
  }
}
