// The networks of a bundle, each in an ONNX Runtime session, as radd/vad.py, cnn.py and encoder.py call them.

import { FRAME_SAMPLES } from "./gate.js";

const CONTEXT_SAMPLES = 64;  // the voice-activity network also sees the last 4 ms before each block
export const BLOCK_HOPS = 8;  // an encoder's block: 1.024 s

// One network: arrays in, arrays out, by name.
export class Network {
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
    this.shapes = Object.fromEntries(session.inputMetadata.map((one) => [one.name, one.shape]));
  }

  // `inputs`: { name: [Float32Array, shape] }; returns the outputs in the network's order.
  async run(inputs) {
    const feeds = Object.fromEntries(Object.entries(inputs)
      .map(([name, [values, shape]]) => [name, new this.ort.Tensor("float32", values, shape)]));
    const found = await this.session.run(feeds);
    return this.session.outputNames.map((name) => found[name].data);
  }
}

// Probability of speech every 32 ms (Silero VAD 5).
export class SpeechNetwork {
  constructor(network) {
    this.network = network;
    this.width = network.shapes.state[2];
  }

  start() {
    return { context: new Float32Array(CONTEXT_SAMPLES), hidden: new Float32Array(2 * this.width) };
  }

  async probability(state, samples) {
    const n = samples.length / FRAME_SAMPLES, size = CONTEXT_SAMPLES + FRAME_SAMPLES;
    const blocks = new Float32Array(n * size);
    for (let k = 0; k < n; k++) {
      const at = k * FRAME_SAMPLES;
      blocks.set(k ? samples.subarray(at - CONTEXT_SAMPLES, at) : state.context, k * size);
      blocks.set(samples.subarray(at, at + FRAME_SAMPLES), k * size + CONTEXT_SAMPLES);
    }
    const [probability, after] = await this.network.run(
      { blocks: [blocks, [1, n, size]], state: [state.hidden, [2, 1, this.width]] });
    state.hidden = after;
    state.context = samples.slice(-CONTEXT_SAMPLES);
    return probability;
  }
}

// The CNN on the spectrum: `frames` carries its own past, `score` pools a window.
export class SpectralCnn {
  constructor(frames, score) {
    this.frames_ = frames;
    this.score_ = score;
    this.pasts = Object.keys(frames.shapes).filter((name) => name !== "spectra");
    this.bins = frames.shapes.spectra[2];
    this.width = score.shapes.frames[2];
  }

  start() {
    return this.pasts.map((name) => {
      const shape = [1, ...this.frames_.shapes[name].slice(1)];
      return [new Float32Array(shape.reduce((product, one) => product * one)), shape];
    });
  }

  // Frames, one Float32Array for each two spectra; updates the past.
  async frames(past, spectra) {
    const inputs = { spectra: [spectra, [1, spectra.length / this.bins, this.bins]] };
    this.pasts.forEach((name, k) => { inputs[name] = past[k]; });
    const [found, ...after] = await this.frames_.run(inputs);
    after.forEach((values, k) => { past[k][0] = values; });
    return Array.from({ length: found.length / this.width }, (_, k) =>
      found.slice(k * this.width, (k + 1) * this.width));
  }

  // Uncalibrated scores, higher = bona fide, of windows of equal length: [[frames, speech], ...].
  async score(windows) {
    const n = windows[0][0].length, frames = new Float32Array(windows.length * n * this.width);
    windows.forEach(([rows], w) => rows.forEach((row, k) => frames.set(row, (w * n + k) * this.width)));
    const speech = Float32Array.from(windows.flatMap(([, probabilities]) => probabilities));
    const [scores] = await this.score_.run(
      { frames: [frames, [windows.length, n, this.width]], speech: [speech, [windows.length, n]] });
    return scores;
  }
}

// A block of sound -> a unit vector and an uncalibrated score.
export class Encoder {
  // `backbone`: the frozen network whose features the encoder takes, or null; `correction`: Float32Array or null.
  constructor(network, backbone, spectra, correction) {
    Object.assign(this, { network, backbone, spectra, correction });
  }

  async embed(block) {
    const samples = { samples: [block, [1, block.length]] };
    const [vector, [score]] = await this.network.run(await this.#inputs(block, samples));
    return { vector, score: this.correction ? corrected(this.correction, score, vector) : score };
  }

  async #inputs(block, samples) {
    if (this.backbone) {
      const [features] = await this.backbone.run(samples);
      return { features: [features, [1, features.length]] };
    }
    if (!("spectra" in this.network.shapes)) return samples;
    const spectra = this.spectra.ofBlock(block), bins = this.spectra.bins;
    return { ...samples, spectra: [spectra, [1, spectra.length / bins, bins]] };
  }
}

const corrected = (weights, score, vector) =>
  vector.reduce((sum, value, i) => sum + value * weights[i + 1], weights[0] * score + weights.at(-1));
