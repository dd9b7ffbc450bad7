// The detector of a bundle: audio hops -> one judgement each, as radd/detector.py has it. It is shared and keeps
// nothing of a stream; the state of a stream is what start() returns.

import { llr } from "./calibration.js";
import { FRAME_SAMPLES, levelDbfs, measure, refuse, speechSeconds, spoken } from "./gate.js";
import { BLOCK_HOPS } from "./networks.js";
import { HOP_SAMPLES } from "./time.js";

const WINDOW_HOPS = 32;  // 4.096 s, the longest window
const FRAMES = HOP_SAMPLES / FRAME_SAMPLES, BLOCK_SAMPLES = BLOCK_HOPS * HOP_SAMPLES, BLOCK_SPEECH = 0.5;
const SHED = ["shed", "the stream was late: only the last hop of the batch was scored"];

export class Detector {
  // `bundle`: as openBundle returns it; `settings`: [gate] of config.toml and the number of neighbours.
  constructor(bundle, { gate, neighbours }) {
    Object.assign(this, bundle, { gate, neighbours });
  }

  start() {
    return { vad: this.vad.start(), spectrum: this.spectra.start(), past: this.cnn.start(), frames: [], sound: [],
      unblocked: new Float32Array(0), blocks: [], hops: 0 };
  }

  // One judgement for each whole hop of `samples`. With `shed` only the last hop is scored.
  async push(state, samples, shed = false) {
    await this.#hear(state, samples);
    const hops = samples.length / HOP_SAMPLES, known = state.sound.length / FRAMES;
    const windows = Array.from({ length: hops }, (_, k) => {
      const end = known - hops + 1 + k, begin = Math.max(0, end - WINDOW_HOPS);
      const isShed = shed && k < hops - 1, sound = state.sound.slice(begin * FRAMES, end * FRAMES);
      return { begin, end, sound, refusal: isShed ? SHED : refuse(sound, this.gate), score: null };
    });
    await this.#score(state, windows);
    await this.#listen(state, samples);
    const judgements = windows.map((window, k) => this.#judge(state, window, state.hops - hops + 1 + k));
    forget(state);
    return judgements;
  }

  async #hear(state, samples) {
    const speech = await this.vad.probability(state.vad, samples), share = FRAME_SAMPLES / this.spectra.step;
    const spectra = this.spectra.log(state.spectrum, samples);
    const flat = this.spectra.flatten(state.spectrum, spectra, (k) => speech[Math.floor(k / share)]);
    state.frames.push(...await this.cnn.frames(state.past, flat));
    speech.forEach((probability, k) =>
      state.sound.push(measure(samples.subarray(k * FRAME_SAMPLES, (k + 1) * FRAME_SAMPLES), probability)));
  }

  // The CNN's scores of the windows that pass the gate; windows of equal length share one run.
  async #score(state, windows) {
    const passed = Object.groupBy(windows.filter((one) => !one.refusal), (one) => one.sound.length);
    for (const group of Object.values(passed)) {
      const scores = await this.cnn.score(group.map(({ begin, end, sound }) =>
        [state.frames.slice(begin * FRAMES, end * FRAMES), sound.map((frame) => frame.speech)]));
      group.forEach((window, k) => { window.score = scores[k]; });
    }
  }

  // Encode and look up the completed blocks that contain speech.
  async #listen(state, samples) {
    const joined = new Float32Array(state.unblocked.length + samples.length);
    joined.set(state.unblocked);
    joined.set(samples, state.unblocked.length);
    const first = state.hops - state.unblocked.length / HOP_SAMPLES;
    state.hops += samples.length / HOP_SAMPLES;
    const whole = Math.floor(joined.length / BLOCK_SAMPLES);
    state.unblocked = joined.slice(whole * BLOCK_SAMPLES);
    for (let k = 0; k < whole; k++) {
      const at = first + (k + 1) * BLOCK_HOPS, end = state.sound.length - (state.hops - at) * FRAMES;
      const frames = state.sound.slice(end - BLOCK_HOPS * FRAMES, end);
      if (spoken(frames, this.gate.speech_threshold).length < BLOCK_SPEECH * frames.length) continue;
      const { vector, score } = await this.encoder.embed(joined.slice(k * BLOCK_SAMPLES, (k + 1) * BLOCK_SAMPLES));
      state.blocks.push({ at, score, vector, ...this.references.search(vector, this.neighbours) });
    }
  }

  #judge(state, { sound, refusal, score }, at) {
    const blocks = state.blocks.filter((one) => at - WINDOW_HOPS + BLOCK_HOPS <= one.at && one.at <= at);
    const speech = speechSeconds(sound, this.gate.speech_threshold);
    const mean = (name) => blocks.reduce((sum, one) => sum + one[name], 0) / blocks.length;
    const scores = blocks.length ? [score, mean("score"), mean("margin")] : [score];
    return {
      llr: score === null ? null : llr(this.calibration, speech, scores),
      refusal: refusal?.[0] ?? null,
      reason: refusal?.[1] ?? null,
      neighbours: blocks.at(-1)?.neighbours ?? [],
      windowSamples: sound.length * FRAME_SAMPLES,
      speechSeconds: speech,
      levelDbfs: levelDbfs(sound.slice(-FRAMES)),
    };
  }
}

// Drop what no later window reaches.
function forget(state) {
  const keep = (WINDOW_HOPS - 1) * FRAMES;
  state.frames.splice(0, Math.max(0, state.frames.length - keep));
  state.sound.splice(0, Math.max(0, state.sound.length - keep));
  state.blocks = state.blocks.filter((one) => one.at >= state.hops - WINDOW_HOPS + BLOCK_HOPS);
}
