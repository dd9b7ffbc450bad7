// Everything that computes, beside the page's own thread: networks, features, the speech gate, decisions.

import * as ort from "./ort/ort.wasm.min.mjs";
import { openBundle } from "./engine/bundle.js";
import { lanes } from "./engine/channels.js";
import { Detector } from "./engine/detector.js";
import { Monitor } from "./engine/monitor.js";
import { summary } from "./engine/recording.js";
import { Resampler } from "./engine/resample.js";
import { HOP_SAMPLES } from "./engine/time.js";

const MOST_THREADS = 4, BATCH_SAMPLES = 8 * HOP_SAMPLES;
const LATE_HOPS = 4;  // a microphone's sound waits for so long before only the last of its hops is scored
const tell = (message) => postMessage(message);

let settings, detector, live = null;

async function load() {
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  settings = await (await fetch(new URL("./settings.json", import.meta.url))).json();
  const bundle = await openBundle(ort, settings, (bytes) => tell({ type: "arrived", bytes, of: settings.bytes }));
  detector = new Detector(bundle, settings);
  tell({ type: "ready", model: bundle.name, card: bundle.card, threads: ort.env.wasm.numThreads });
}

// A whole recording: the finding for its most synthetic sound.
async function judge({ id, sha256, rate, channels }) {
  const sounds = lanes(channels), found = [];
  for (const [k, { channel, samples }] of sounds.entries()) {
    const told = (share) => tell({ type: "progress", id, share: (k + share) / sounds.length });
    found.push({ channel, ...(await judgeOne(resampled(samples, rate), told)) });
  }
  const [worst] = found.toSorted((a, b) => (a.llr ?? Infinity) - (b.llr ?? Infinity));
  tell({ type: "finding", id, finding: { ...worst, channels: found.length, model: detector.name, sha256, judged_utc: new Date().toISOString() } });
}

async function judgeOne(samples, told) {
  const monitor = new Monitor(detector, settings.decision), events = [];
  for (let at = 0; at < samples.length; at += BATCH_SAMPLES) {
    events.push(...await monitor.feed(samples.subarray(at, at + BATCH_SAMPLES)));
    told(Math.min(1, (at + BATCH_SAMPLES) / samples.length));
  }
  events.push(...monitor.flush());
  return summary(events, samples.length, monitor.decider);
}

function resampled(samples, rate) {
  const converter = new Resampler(rate), whole = converter.push(samples), rest = converter.flush();
  const out = new Float32Array(whole.length + rest.length);
  out.set(whole);
  out.set(rest, whole.length);
  return out;
}

// A microphone: what has come while the last hops were judged is judged together.
class Live {
  constructor({ id, rate }) {
    this.id = id;
    this.converter = new Resampler(rate);
    this.monitor = new Monitor(detector, settings.decision);
    this.waiting = [];
    this.running = Promise.resolve();
  }

  hear(samples) {
    this.waiting.push(this.converter.push(samples));
    if (this.waiting.length === 1) this.running = this.running.then(() => this.#judge());
    return this.running;
  }

  async #judge() {
    const parts = this.waiting, joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => { joined.set(part, at); return at + part.length; }, 0);
    this.waiting = [];
    const events = await this.monitor.feed(joined, joined.length > LATE_HOPS * HOP_SAMPLES);
    tell({ type: "events", id: this.id, events });
  }

  async end() {
    await this.running;
    tell({ type: "ended", id: this.id, events: this.monitor.flush() });
  }
}

const ACTIONS = {
  judge,
  open: (message) => { live = new Live(message); },
  sound: ({ samples }) => live?.hear(samples),
  end: async () => { const ending = live; live = null; await ending?.end(); },
};

const loaded = load();
let last = loaded;
addEventListener("message", ({ data }) => {
  const act = () => ACTIONS[data.type](data);
  // a recording waits for the one before it; a microphone's sound waits for nothing but the networks
  const done = data.type === "judge" ? (last = last.then(act, act)) : loaded.then(act);
  done.catch((error) => tell({ type: "problem", id: data.id, text: error.message }));
});
loaded.catch((error) => tell({ type: "problem", text: error.message }));
